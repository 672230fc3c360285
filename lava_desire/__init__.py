"""Multi-layer spiking networks that learn by desire backpropagation, in torch and on Lava.

Names load on first use: importing the package imports neither torch nor Lava. From then on Lava,
which declares Python 3.10 only, can be imported on later ones too, whoever imports it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily
from lava_desire.lava_runtime import mending

if TYPE_CHECKING:
    from lava_desire.classifier import DesireClassifier
    from lava_desire.config import DesireConfig
    from lava_desire.data import load_dataset
    from lava_desire.engine import DesireNetwork, evaluate, fit
    from lava_desire.model.conv2d import Conv2d
    from lava_desire.model.synapses import Dense

mending.arm()

__version__ = "0.1.0"
__all__ = [
    "Conv2d",
    "Dense",
    "DesireClassifier",
    "DesireConfig",
    "DesireNetwork",
    "evaluate",
    "fit",
    "load_dataset",
]

_HOMES = {
    "classifier": "DesireClassifier",
    "config": "DesireConfig",
    "data": "load_dataset",
    "engine": "DesireNetwork evaluate fit",
    "model.conv2d": "Conv2d",
    "model.synapses": "Dense",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
