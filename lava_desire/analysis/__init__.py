"""Pictures of training and of what a network does.

Names load on first use: what needs no picture waits for no Matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.analysis.core_map import plot_core_map
    from lava_desire.analysis.figures import (
        plot_classified_images,
        plot_confusion,
        plot_learning_curve,
        plot_weights,
    )

__all__ = [
    "plot_classified_images",
    "plot_confusion",
    "plot_core_map",
    "plot_learning_curve",
    "plot_weights",
]

_HOMES = {
    "analysis.core_map": "plot_core_map",
    "analysis.figures": "plot_classified_images plot_confusion plot_learning_curve plot_weights",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
