"""A data set, one sample a window."""
