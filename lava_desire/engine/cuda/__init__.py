"""Kernels of our own for CUDA, in Triton, and training steps captured as CUDA graphs.

Nothing here is chosen by itself: ``DesireNetwork(config, "cuda", kernels="triton")`` and
``lava-desire train --device cuda --kernels triton`` ask for it. Triton comes with torch's CUDA
wheels, and as the extra ``gpu``.

What has been seen: the tests run every kernel in Triton's interpreter and compare it with the rule;
they compile each for compute capabilities 8.0 and 9.0 and look for fused operations and spilled
registers in the code. None of it has run on a GPU, and a captured step needs one: on a CPU its body
runs uncaptured.
"""
