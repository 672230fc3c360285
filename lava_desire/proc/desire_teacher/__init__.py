"""Labels to desires."""
