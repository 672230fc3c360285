"""A whole network as one process."""
