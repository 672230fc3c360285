"""Exports: a trained network in integers, for other backends, chips and frameworks.

Names load on first use, so that what one of them needs (Lava, ``nir``, ``h5py``) is not asked of
the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork, scale_to_integers
    from lava_desire.deploy.lava_processes import LavaNetwork, to_lava
    from lava_desire.deploy.loihi_neuron.process import DesireLearningLIF
    from lava_desire.deploy.loihi_rule import LoihiRule, loihi_learning_rule
    from lava_desire.deploy.netx_file import to_netx
    from lava_desire.deploy.nir_export import to_nir
    from lava_desire.deploy.nir_import import from_nir
    from lava_desire.deploy.quantization import Quantized, quantize
    from lava_desire.deploy.targets import export

__all__ = [
    "DesireLearningLIF",
    "IntegerNetwork",
    "LavaNetwork",
    "LoihiRule",
    "Quantized",
    "export",
    "from_nir",
    "loihi_learning_rule",
    "quantize",
    "scale_to_integers",
    "to_lava",
    "to_netx",
    "to_nir",
]

# No module bears the name of what it holds, which importing it would hide.
_HOMES = {
    "DesireLearningLIF": "loihi_neuron.models",
    "IntegerNetwork": "integer_network",
    "LavaNetwork": "lava_processes",
    "LoihiRule": "loihi_rule",
    "Quantized": "quantization",
    "export": "targets",
    "from_nir": "nir_import",
    "loihi_learning_rule": "loihi_rule",
    "quantize": "quantization",
    "scale_to_integers": "integer_network",
    "to_lava": "lava_processes",
    "to_netx": "netx_file",
    "to_nir": "nir_export",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
