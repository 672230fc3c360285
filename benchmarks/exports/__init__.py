"""Exported networks, run where they were exported to."""
