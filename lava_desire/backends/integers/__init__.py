"""The integers of Lava's fixed-point processes, in batches."""
