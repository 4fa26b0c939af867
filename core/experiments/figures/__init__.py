"""What an experiment's results mean: statistics, tables and pages. Only finished trials come in.

`statistics` defines gains, intervals and ranks once; `comparison` and `bench` ask it two questions;
`report` and `page` write the answers as text, CSV, JSON and HTML.
"""
