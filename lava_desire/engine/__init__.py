"""Bulk training in torch, on CPU and GPU.

Names load on first use: a command line that only reads options waits for no torch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.activity import Activity, StepResult
    from lava_desire.backends.registry import KERNELS, PRECISIONS, default_precision
    from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint
    from lava_desire.errors import DamagedCheckpointWarning, DeviceMemoryError, RankError
    from lava_desire.files import FolderInUseError
    from lava_desire.network import DesireNetwork
    from lava_desire.operations import LayerOperations, count_operations
    from lava_desire.training.callbacks import Callback, EarlyStopping, EpochCheckpoint
    from lava_desire.training.choose import fit
    from lava_desire.training.evaluation import Metrics, evaluate
    from lava_desire.training.find_rate import RateSearch, TriedRate, find_learning_rate
    from lava_desire.training.history import EpochRecord, History, Progress, TestRecord
    from lava_desire.training.interrupt import Interrupted
    from lava_desire.training.loggers import CSVLogger, JSONLinesLogger, TensorBoardLogger
    from lava_desire.training.ranks import open_process_group
    from lava_desire.training.scores import ClassScores, MarginBin

__all__ = [
    "KERNELS",
    "PRECISIONS",
    "Activity",
    "CSVLogger",
    "Callback",
    "Checkpoint",
    "CheckpointError",
    "ClassScores",
    "DamagedCheckpointWarning",
    "DesireNetwork",
    "DeviceMemoryError",
    "EarlyStopping",
    "EpochCheckpoint",
    "EpochRecord",
    "FolderInUseError",
    "History",
    "Interrupted",
    "JSONLinesLogger",
    "LayerOperations",
    "MarginBin",
    "Metrics",
    "Progress",
    "RankError",
    "RateSearch",
    "StepResult",
    "TensorBoardLogger",
    "TestRecord",
    "TriedRate",
    "count_operations",
    "default_precision",
    "evaluate",
    "find_learning_rate",
    "fit",
    "open_process_group",
    "read_checkpoint",
]

_HOMES = {
    "activity": "Activity StepResult",
    "backends.registry": "KERNELS PRECISIONS default_precision",
    "checkpoint": "Checkpoint CheckpointError read_checkpoint",
    "errors": "DamagedCheckpointWarning DeviceMemoryError RankError",
    "files": "FolderInUseError",
    "network": "DesireNetwork",
    "operations": "LayerOperations count_operations",
    "training.callbacks": "Callback EarlyStopping EpochCheckpoint",
    "training.choose": "fit",
    "training.evaluation": "Metrics evaluate",
    "training.find_rate": "RateSearch TriedRate find_learning_rate",
    "training.history": "EpochRecord History Progress TestRecord",
    "training.loggers": "CSVLogger JSONLinesLogger TensorBoardLogger",
    "training.interrupt": "Interrupted",
    "training.ranks": "open_process_group",
    "training.scores": "ClassScores MarginBin",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
