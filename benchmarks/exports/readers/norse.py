"""Norse: ignores R, and resets to zero."""

from __future__ import annotations

from typing import Any

import norse.torch
from norse.torch.functional.reset import reset_subtract
from norse.torch.module.lif_box import LIFBoxCell

from benchmarks.exports.readers._stepwise import each, way

PACKAGES, DIALECT = ("norse", "nirtorch", "nir", "torch"), "norse"


def build(graph: Any, dt: float) -> Any:
    """Import as it is."""
    return norse.torch.from_nir(graph, dt=dt)


def subtract(model: Any) -> None:
    """Reset by subtraction."""
    for cell in each(model, LIFBoxCell):
        cell.p = cell.p._replace(reset_method=reset_subtract)


WAYS = {
    "subtract": {"": way(build), "reset_method = reset_subtract": way(build, subtract)},
    "zero": {"": way(build)},
}
