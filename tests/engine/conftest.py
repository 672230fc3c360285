"""What the engine's tests need before the first of them runs."""

from __future__ import annotations

from lava_desire.backends.numba import ahead


def pytest_collection_finish():
    """Let tests see compiled kernels, and not what computes until they are compiled."""
    groups = ahead.all_groups()
    ahead.start(*groups, say=ahead.say)
    for group in groups:
        ahead.finish(group)
