"""A connection that learns, all to all."""
