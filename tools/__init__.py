"""What the project is set up and checked with."""
