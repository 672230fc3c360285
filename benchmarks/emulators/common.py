"""What every emulator's file uses: the networks that were exported, and the rows of what it found.

It runs in the emulators' environments, with NumPy and without this library.
"""

from __future__ import annotations

import importlib.metadata
import importlib.util
import json
import platform
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np

Array = Any
_SILENCE = 100


@dataclass(frozen=True)
class Network:
    """A trained network and what it does, as plain arrays.

    Parameters
    ----------
    name, arithmetic, reset : str
        Its file; ``"integers"`` or ``"float"``; ``"zero"`` or ``"subtract"``.
    num_steps : int
        T.
    decay : float
        β; `voltage_decay` is 4096·(1 − β).
    current_decay : int
        4096·(1 − α); 4096 where a current keeps nothing.
    matrices : list of array
        L of (N_ℓ, N_{ℓ−1}), int64 mantissas or float32; convolutions unrolled.
    exponents, thresholds : list
        Of a layer; θ in floating point, else mantissas, six bits below the potential.
    inputs : array
        (T, B, N_0) bool.
    spikes, potentials : list of array
        L of (T, B, N_ℓ), bool and int32 after the reset; no potentials in floating point. Layer
        ℓ ≥ 2 hears the layer below one step later.
    labels : array
        (B,) of the samples.
    """

    name: str
    arithmetic: str
    reset: str
    num_steps: int
    decay: float
    voltage_decay: int
    current_decay: int
    matrices: list[Array]
    exponents: list[int]
    thresholds: list[Any]
    inputs: Array
    spikes: list[Array]
    potentials: list[Array]
    labels: Array

    @property
    def layers(self) -> int:
        """L."""
        return len(self.matrices)

    @property
    def window(self) -> int:
        """Steps of a sample, after which hidden layers are silent: more where currents last."""
        return len(self.inputs) + self.layers + (_SILENCE if self.current_decay < 4096 else 0)


def save(path: Path, settings: dict[str, Any], arrays: dict[str, Any]) -> None:
    """Write a network, as :func:`networks` reads it; `arrays` may hold lists, one a layer."""
    flat = {name: value for name, value in arrays.items() if not isinstance(value, list)}
    for name, values in arrays.items():
        if isinstance(values, list):
            flat |= {f"{name}_{layer}": value for layer, value in enumerate(values, start=1)}
    np.savez_compressed(path, settings=json.dumps(settings), **flat)


def networks(
    folder: Path,
    arithmetic: str | None = None,
    reset: str | None = None,
    prefix: str | None = None,
) -> Iterator[Network]:
    """Yield the exported networks; those of one emulator, ``xylo_…``, by their prefix alone."""
    for path in sorted(folder.glob("*.npz")):
        if path.stem == "images" or not path.stem.startswith(prefix or ""):
            continue
        if prefix is None and path.stem.startswith("xylo_"):
            continue
        with np.load(path, allow_pickle=False) as file:
            settings = json.loads(str(file["settings"]))
            layers = range(1, len(settings["thresholds"]) + 1)
            network = Network(
                name=path.stem,
                matrices=[file[f"matrices_{layer}"] for layer in layers],
                inputs=file["inputs"],
                spikes=[file[f"spikes_{layer}"] for layer in layers],
                potentials=[
                    file[f"potentials_{layer}"] for layer in layers if f"potentials_{layer}" in file
                ],
                labels=file["labels"],
                **settings,
            )
        if arithmetic in (None, network.arithmetic) and reset in (None, network.reset):
            yield network


def script(folder: Path, target: str, network: Network) -> ModuleType | None:
    """Import the script that was exported for a target; None where the target refused."""
    path = folder / target / f"{network.name}.py"
    if not path.exists():
        return None
    spec = importlib.util.spec_from_file_location(f"{target}_{network.name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def compare(
    network: Network,
    how: str,
    spikes: Sequence[Array | None],
    why: str = "",
    potentials: Sequence[Array | None] | None = None,
) -> list[dict[str, Any]]:
    """Return a row a layer and quantity: how many values differ from ours, and why.

    Spikes of the last layer also say how many predictions differ (most spikes, a tie is none).
    """
    rows = []
    for quantity, given, wanted in (
        ("spikes", spikes, network.spikes),
        ("potentials", potentials or [], network.potentials),
    ):
        for layer, (mine, ours) in enumerate(zip(given, wanted, strict=False), start=1):
            if mine is None:
                continue
            mine = np.asarray(mine)
            if mine.shape != ours.shape:
                raise ValueError(f"{network.name}: {quantity} are {mine.shape}, not {ours.shape}")
            row = {
                "network": network.name,
                "how": how,
                "layer": layer,
                "quantity": quantity,
                "bits": ours.size,
                "ours": int(np.count_nonzero(ours)),
                "mismatching": int((mine != ours).sum()),
                "why": why,
            }
            if quantity == "spikes" and layer == network.layers:
                differ = predictions(mine) != predictions(ours)
                row |= {"predictions": len(differ), "predictions_mismatching": int(differ.sum())}
            rows.append(row)
            print(
                f"{network.name:30} {how:44} {quantity:10} {layer} "
                f"{row['mismatching']:8} of {ours.size} differ",
                flush=True,
            )
    return rows


def predictions(spikes: Array) -> Array:
    """Return the class that spikes most, (B,); −1 for a tie."""
    counts = spikes.sum(axis=0)
    lead = counts == counts.max(axis=1, keepdims=True)
    return np.where(lead.sum(axis=1) > 1, -1, counts.argmax(axis=1))


def write(
    folder: Path, emulator: str, packages: Sequence[str], rows: list[dict[str, Any]], **more: Any
) -> None:
    """Write what an emulator found, with the versions of its packages, into the folder."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    found = {"python": platform.python_version(), "versions": versions, **more, "results": rows}
    (folder / f"{emulator}.json").write_text(json.dumps(found, indent=1) + "\n")
