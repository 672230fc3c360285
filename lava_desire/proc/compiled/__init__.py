"""Compiled steps of the processes, in floating point, while trains go forward through a window."""
