"""How much of a matrix a program of a kernel takes at a time.

The fastest of those that were timed on an H100, with 784-1600-800-10 at B = 64 and 128 and, for few
rows, at B = 1; ``make bench-gpu BENCH=--tune`` tries others.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

FEW_ROWS = 64


@dataclass(frozen=True)
class Tile:
    """Block sizes of a product: a result of `rows` × `columns`, `inner` terms at a time.

    For an update, whose result is neurons × inputs, `rows` are the neurons and `inner` the steps of
    samples; for desires `rows` are samples and `inner` the neurons that send. `warps` and `stages`
    are Triton's ``num_warps`` and ``num_stages``.
    """

    rows: int
    columns: int
    inner: int
    warps: int
    stages: int = 3

    @property
    def options(self) -> dict[str, Any]:
        """What a launch tells Triton's compiler."""
        return {
            "num_warps": self.warps,
            "num_stages": self.stages,
            "enable_fp_fusion": False,
        }

    def grid(self, num_rows: int, num_columns: int) -> tuple[int, int]:
        """Return how many programs cover a result of so many rows and columns."""
        return -(-num_rows // self.rows), -(-num_columns // self.columns)


TILES: dict[tuple[str, bool, bool], Tile] = {
    # kernel, exact, few rows
    ("current", False, False): Tile(128, 64, 64, 4, 4),
    ("current", False, True): Tile(32, 16, 64, 2, 6),
    ("current", True, False): Tile(64, 64, 16, 4),
    ("current", True, True): Tile(32, 16, 16, 4),
    ("update", False, False): Tile(64, 64, 32, 4, 5),
    ("update", False, True): Tile(64, 32, 32, 4),
    ("update", True, False): Tile(64, 64, 16, 4),
    ("update", True, True): Tile(32, 32, 32, 4),
    ("desire", True, False): Tile(4, 16, 32, 4),
    ("desire", True, True): Tile(1, 16, 128, 4),
}


def tile_of(kernel: str, exact: bool, num_rows: int) -> Tile:
    """Return the tile of a kernel for so many steps × samples: current, update or desire."""
    return TILES[kernel, exact, num_rows <= FEW_ROWS]
