"""Data sets: digits, MNIST, Fashion-MNIST, and a user's own images and labels."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.data.checks import DataError, DataWarning
    from lava_desire.data.dataset import Dataset
    from lava_desire.data.folder import load_folder
    from lava_desire.data.idx import read_idx
    from lava_desire.data.names import DATASETS
    from lava_desire.data.npz import load_npz
    from lava_desire.data.pictures import load_pictures
    from lava_desire.data.sources import load_data, load_dataset
    from lava_desire.data.spike_trains import SpikeSource, SpikeTrains
    from lava_desire.data.table import load_table

__all__ = [
    "DATASETS",
    "DataError",
    "DataWarning",
    "Dataset",
    "SpikeSource",
    "SpikeTrains",
    "load_data",
    "load_dataset",
    "load_folder",
    "load_npz",
    "load_pictures",
    "load_table",
    "read_idx",
]

_HOMES = {
    "data.checks": "DataError DataWarning",
    "data.dataset": "Dataset",
    "data.folder": "load_folder",
    "data.idx": "read_idx",
    "data.names": "DATASETS",
    "data.npz": "load_npz",
    "data.pictures": "load_pictures",
    "data.sources": "load_data load_dataset",
    "data.spike_trains": "SpikeSource SpikeTrains",
    "data.table": "load_table",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
