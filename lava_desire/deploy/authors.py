"""Networks of the authors of desire backpropagation: what their script for PyTorch saves.

https://github.com/DanielGerlinghoff/desire-backpropagation publishes two, of MNIST and of
Fashion-MNIST. A file is what ``torch.save`` writes of a mapping ``layers.N.weights`` → (N_o, N_i)
float32, layer 1 first, N counting their layers from the input on; or of ``state``, that mapping,
beside ``pars``, the script's arguments. Nothing in it is run: torch reads weights only.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import re
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from lava_desire._text import printable
from lava_desire.config import PRESETS, DesireConfig
from lava_desire.files import open_regular
from lava_desire.model.fields import shown
from lava_desire.network import DesireNetwork

MAX_BYTES = 1 << 32
_WEIGHTS = re.compile(r"layers\.(\d{1,3})\.weights")
# Before torch 2.6 files could run code also where weights only were read (CVE-2025-32434).
_SAFE_TORCH = (2, 6)
_ARGUMENTS: dict[str, tuple[str, str | None]] = {
    "num_steps": ("tsteps", None),
    "threshold": ("mempot_thres", None),
    "decay": ("mempot_decay", None),
    "error_margin": ("error_margin", None),
    "desire_threshold_hidden": ("desire_thres", "lin"),
    "desire_threshold_output": ("desire_thres", "out"),
    "dropout_input": ("dropout", "in"),
    "dropout_hidden": ("dropout", "hid"),
    "learning_rate": ("lr", "lin"),
    "learning_rate_decay": ("lr_decay", None),
    "epochs": ("epochs", None),
}


def from_authors(path: str | Path, config: DesireConfig | None = None) -> DesireNetwork:
    """Read a network that the authors' script has saved.

    Parameters
    ----------
    path : path
        The file, as ``models/mnist.pt``.
    config : DesireConfig, optional
        What the file does not say is taken from it: its layers, and the arguments of the script
        where they are in it, are the file's in any case. When not given, from the defaults, or of a
        file without arguments from the preset of these layers; both are the authors' values.

    Returns
    -------
    DesireNetwork
        Its L weights (N_ℓ, N_{ℓ−1}) float32 are those of the file, to the bit. The card says
        from where they are.

    Raises
    ------
    ValueError
        If the file is no such file, its layers do not fit each other, weights are not finite, or
        there are convolutions, whose neurons are others than ours.
    OSError
        If it cannot be read.
    ImportError
        If torch is older than 2.6, in which reading weights only was not safe.
    """
    path = Path(path)
    state, arguments, digest = _read(path)
    weights = _weights(path, state)
    sizes = (weights[0].shape[1], *(each.shape[0] for each in weights))
    if config is None:
        same = (preset for preset in PRESETS.values() if preset.layer_sizes == sizes)
        config = DesireConfig(sizes, batch_size=1) if arguments else next(same, DesireConfig(sizes))
    try:
        config = config.replace(layer_sizes=sizes, **_fields(arguments))
        network = DesireNetwork(config, weights=[each.numpy() for each in weights])
    except (ValueError, TypeError) as error:
        raise ValueError(f"{path}: {error}") from None
    network.card = {
        "note": "imported; trained by the authors' script for PyTorch",
        "source": {"file": path.name, "sha256": digest},
    }
    return network


def _read(path: Path) -> tuple[Mapping[Any, Any], dict[str, Any], str]:
    """Return state, arguments (empty without) and digest of a file."""
    if tuple(map(int, torch.__version__.split(".")[:2])) < _SAFE_TORCH:
        raise ImportError(
            f"torch is {torch.__version__}: expected 2.6 or later, which runs no code of a file"
        )
    with open_regular(path) as file:
        try:
            size = file.seek(0, 2)
            entries = zipfile.ZipFile(file).infolist()
            if size > MAX_BYTES or sum(entry.file_size for entry in entries) > size:
                raise ValueError(f"it takes more than {min(size, MAX_BYTES)} bytes")
            file.seek(0)
            digest = hashlib.sha256(file.read()).hexdigest()
            file.seek(0)
            with torch.serialization.safe_globals([argparse.Namespace]):
                found = torch.load(file, map_location="cpu", weights_only=True)
        except Exception as error:  # of whatever a stranger's file makes torch and zipfile raise
            reason = printable(str(error).partition("\n")[0])
            raise ValueError(f"{path} is no file of the authors' script: {reason}") from None
    arguments: dict[str, Any] = {}
    if isinstance(found, Mapping) and "state" in found:
        pars = found.get("pars")
        arguments = vars(pars) if isinstance(pars, argparse.Namespace) else {}
        found = found["state"]
    if not isinstance(found, Mapping):
        raise ValueError(f"{path} holds a {type(found).__name__}: expected weights by name")
    return found, arguments, digest


def _weights(path: Path, state: Mapping[Any, Any]) -> list[torch.Tensor]:
    """Return the weights, layer 1 first, each checked to fit the one before."""
    numbered: dict[int, torch.Tensor] = {}
    for name, value in state.items():
        named = _WEIGHTS.fullmatch(str(name))
        if named is None or not isinstance(value, torch.Tensor):
            raise ValueError(f"{path} holds {shown(name)}: expected layers.N.weights alone")
        if value.ndim == 4:
            raise ValueError(
                f"{path} has a convolution, {name}: expected dense layers; in a step in which "
                "they spike the potentials of the authors' convolutions do not decay, as ours do"
            )
        if value.ndim != 2 or value.dtype != torch.float32:
            raise ValueError(
                f"{path}: {name} is {value.dtype} {tuple(value.shape)}: expected float32 of two "
                "axes"
            )
        numbered[int(named[1])] = value.contiguous()
    weights = [numbered[number] for number in sorted(numbered)]
    if not weights:
        raise ValueError(f"{path} holds no weights: expected layers.N.weights")
    for layer, (before, after) in enumerate(itertools.pairwise(weights), start=2):
        if after.shape[1] != before.shape[0]:
            raise ValueError(
                f"{path}: layer {layer} takes {after.shape[1]} inputs: expected "
                f"{before.shape[0]}, the neurons of the layer before"
            )
    return weights


def _fields(arguments: Mapping[str, Any]) -> dict[str, Any]:
    """Return the fields that the script's arguments say."""
    found: dict[str, Any] = {}
    for field, (name, part) in _ARGUMENTS.items():
        value = arguments.get(name)
        if part is not None:
            value = value.get(part) if isinstance(value, Mapping) else None
        if value is not None:
            found[field] = 1 - 2.0**-value if field == "decay" else value
    return found
