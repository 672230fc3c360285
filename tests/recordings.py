"""The recorded runs of ../shared/golden as arrays, with their configuration."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lava_desire import Conv2d, Dense, DesireConfig


@dataclass
class Golden:
    """One recorded run; masks[0] is the input's, spikes[0] the encoder's."""

    config: DesireConfig
    images: np.ndarray
    labels: np.ndarray
    initial: list[np.ndarray]
    final: list[np.ndarray]
    masks: list[np.ndarray]
    spikes: list[np.ndarray]
    counts: list[np.ndarray]
    desires: list[np.ndarray]


def read(path: Path) -> Golden:
    with np.load(path) as file:
        recorded = {name: file[name] for name in file.files}
    fields = json.loads(str(recorded["config_json"]))
    known = DesireConfig.__dataclass_fields__
    used = {name: value for name, value in fields.items() if name in known}
    if "geometry_json" in recorded:
        layers = json.loads(str(recorded["geometry_json"]))
        used["layers"] = [layer_of(layer) for layer in layers]
        used["input_shape"] = tuple(recorded["input_shape"].tolist())
        *hidden, _ = zip(layers, fields["dropout"], strict=True)
        drop = {layer["kind"]: probability for layer, probability in hidden}
        used |= {"dropout_conv": drop["conv"], "dropout_hidden": drop.get("dense", 0.0)}
    config = DesireConfig(tuple(int(size) for size in recorded["sizes"]), **used)
    layers = range(config.num_layers)
    return Golden(
        config,
        recorded["images"],
        recorded["labels"].astype(np.int64),
        [recorded[f"weights_init_{layer}"] for layer in layers],
        [recorded[f"weights_final_{layer}"] for layer in layers],
        [recorded["input_mask"], *(recorded[f"dropout_mask_{layer}"] for layer in layers)],
        [recorded["input_spikes"], *(recorded[f"spikes_{layer}"] for layer in layers)],
        [recorded[f"spike_count_{layer}"] for layer in layers],
        [recorded[f"desire_{layer}"] for layer in layers],
    )


def layer_of(layer: dict) -> Conv2d | Dense:
    if layer["kind"] == "dense":
        return Dense(layer["out_features"])
    options = {name: tuple(layer[name]) for name in ("stride", "padding")}
    return Conv2d(layer["out_channels"], tuple(layer["kernel"]), **options)
