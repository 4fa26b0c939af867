"""What people ask of a running study: requests, decisions on proposals, changes, questions."""
