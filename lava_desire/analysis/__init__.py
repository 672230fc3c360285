"""Pictures of training and of what a network does."""

from lava_desire.analysis.figures import (
    plot_classified_images,
    plot_confusion,
    plot_learning_curve,
)

__all__ = ["plot_classified_images", "plot_confusion", "plot_learning_curve"]
