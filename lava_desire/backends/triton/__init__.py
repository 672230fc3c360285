"""Kernels of our own for CUDA, in Triton, and training steps captured as CUDA graphs.

A network on CUDA computes with them where Triton is installed: it comes with torch's CUDA wheels,
and as the extra ``gpu``.

The tests run every kernel and compare it with the rule, on a GPU where there is one, else in
Triton's interpreter; they compile each for compute capabilities 8.0 and 9.0 and look for fused
operations and spilled registers in the code. They have passed on an H100.
"""
