"""Faults of machines, and files made to harm, at length: ``make soak``."""
