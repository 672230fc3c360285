"""The ways out: a trained network for other backends, chips and frameworks.

Names load on first use, so that what one of them needs (Lava, ``nir``, ``h5py``) is not asked of
the others.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.deploy.loihi_rule import loihi_learning_rule
    from lava_desire.deploy.netx_file import to_netx
    from lava_desire.deploy.nir_graph import from_nir, to_nir
    from lava_desire.deploy.lava_processes import to_lava

__all__ = [
    "IntegerNetwork",
    "from_nir",
    "loihi_learning_rule",
    "to_lava",
    "to_netx",
    "to_nir",
]

# No module bears the name of what it holds, which importing it would hide.
_HOMES = {
    "IntegerNetwork": "integer_network",
    "from_nir": "nir_graph",
    "loihi_learning_rule": "loihi_rule",
    "to_lava": "lava_processes",
    "to_netx": "netx_file",
    "to_nir": "nir_graph",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
