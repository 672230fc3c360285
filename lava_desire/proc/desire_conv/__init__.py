"""A convolution that learns."""
