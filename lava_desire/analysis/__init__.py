"""Pictures of training and of what a network does.

Names load on first use: what needs no picture waits for no Matplotlib.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.analysis.figures import (
        plot_classified_images,
        plot_confusion,
        plot_learning_curve,
    )

__all__ = ["plot_classified_images", "plot_confusion", "plot_learning_curve"]


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module("lava_desire.analysis.figures"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
