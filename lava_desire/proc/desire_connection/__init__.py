"""A connection that learns, of any kind of synapse."""
