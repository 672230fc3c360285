"""Event-driven kernels for the CPU, compiled by numba."""
