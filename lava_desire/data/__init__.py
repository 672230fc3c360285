"""Data sets: digits, MNIST, Fashion-MNIST, and a user's own arrays."""

from lava_desire.data.dataset import DataError, Dataset
from lava_desire.data.idx import read_idx
from lava_desire.data.npz import load_npz
from lava_desire.data.sources import DATASETS, load_dataset

__all__ = ["DATASETS", "DataError", "Dataset", "load_dataset", "load_npz", "read_idx"]
