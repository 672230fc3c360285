"""A layer of leaky integrate-and-fire neurons with desire."""
