"""Commands about one study or all, and what a study that runs prints."""
