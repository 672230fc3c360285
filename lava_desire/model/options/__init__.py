"""What may be added to the paper's rule, one file an option."""
