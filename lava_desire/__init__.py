"""Multi-layer spiking networks that learn by desire backpropagation, in torch and on Lava.

Names load on first use: importing the package imports neither torch nor Lava. From then on Lava,
which declares Python 3.10 only, can be imported on later ones too, whoever imports it.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from lava_desire.config import DesireConfig
from lava_desire.lava_runtime import mending

if TYPE_CHECKING:
    from lava_desire.data import load_dataset
    from lava_desire.engine import DesireNetwork, evaluate, fit

mending.arm()

__version__ = "0.1.0"
__all__ = ["DesireConfig", "DesireNetwork", "evaluate", "fit", "load_dataset"]

_HOMES = {
    "DesireNetwork": "lava_desire.engine",
    "evaluate": "lava_desire.engine",
    "fit": "lava_desire.engine",
    "load_dataset": "lava_desire.data",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
