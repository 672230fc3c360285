"""The backend of networks in integers, and its kernels."""
