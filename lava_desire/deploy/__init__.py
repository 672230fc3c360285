"""Ways out: trained networks in integers, and on other backends. Names load on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.deploy.quantization import Quantized, quantize

# No module may have the name of one of its names: importing it would hide the name.
_HOMES = {
    "Quantized": "lava_desire.deploy.quantization",
    "quantize": "lava_desire.deploy.quantization",
}
__all__ = ["Quantized", "quantize"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
