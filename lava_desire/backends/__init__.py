"""How a network is computed: torch operations, numba, Triton, integers."""
