"""A plastic connection."""
