"""Training over epochs: loop, evaluation, run folders, ranks."""
