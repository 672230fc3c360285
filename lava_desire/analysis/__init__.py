"""Pictures of training and of what a network does: every ``plot_…`` of the package.

All draw into axes that are given (``ax``), or into a figure of their own; all write a PNG, SVG or
PDF where a path is given; docs/gallery.md shows each with its code. What measures for them is here
too, or in the module that their argument's class names. Names load on first use: what needs no
picture waits for no Matplotlib.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.analysis.ablation import plot_ablation
    from lava_desire.analysis.accuracy import plot_accuracy
    from lava_desire.analysis.complexity import plot_operations
    from lava_desire.analysis.contribution import plot_contribution
    from lava_desire.analysis.core_map import plot_core_map
    from lava_desire.analysis.figures import (
        plot_calibration,
        plot_classified_images,
        plot_confusion,
        plot_curves,
        plot_desires,
        plot_learning_curve,
        plot_rasters,
        plot_rates,
        plot_seeds,
        plot_weights,
    )
    from lava_desire.analysis.firing import FiringRates, firing_rates
    from lava_desire.analysis.local_losses import plot_local_losses
    from lava_desire.analysis.scaling import plot_scaling
    from lava_desire.analysis.spike_activity import plot_activity_by_class
    from lava_desire.proc.inspection import plot_window

__all__ = [
    "FiringRates",
    "firing_rates",
    "plot_ablation",
    "plot_accuracy",
    "plot_activity_by_class",
    "plot_calibration",
    "plot_classified_images",
    "plot_confusion",
    "plot_contribution",
    "plot_core_map",
    "plot_curves",
    "plot_desires",
    "plot_learning_curve",
    "plot_local_losses",
    "plot_operations",
    "plot_rasters",
    "plot_rates",
    "plot_scaling",
    "plot_seeds",
    "plot_weights",
    "plot_window",
]

_HOMES = {
    "analysis.ablation": "plot_ablation",
    "analysis.accuracy": "plot_accuracy",
    "analysis.complexity": "plot_operations",
    "analysis.contribution": "plot_contribution",
    "analysis.core_map": "plot_core_map",
    "analysis.figures": "plot_calibration plot_classified_images plot_confusion plot_curves "
    "plot_desires plot_learning_curve plot_rasters plot_rates plot_seeds plot_weights",
    "analysis.firing": "FiringRates firing_rates",
    "analysis.local_losses": "plot_local_losses",
    "analysis.scaling": "plot_scaling",
    "analysis.spike_activity": "plot_activity_by_class",
    "proc.inspection": "plot_window",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
