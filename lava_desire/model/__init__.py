"""What is learned: equations, options and states, for NumPy arrays and torch tensors alike."""
