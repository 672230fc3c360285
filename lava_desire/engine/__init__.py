"""Bulk training in torch, on CPU and GPU.

Names load on first use: a command line that only reads options waits for no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.activity import Activity, StepResult
    from lava_desire.backends.choices import KERNELS, PRECISIONS, default_precision
    from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint
    from lava_desire.errors import DamagedCheckpointWarning, DeviceMemoryError, RankError
    from lava_desire.files import FolderInUseError
    from lava_desire.network import DesireNetwork
    from lava_desire.operations import LayerOperations, count_operations
    from lava_desire.training.evaluation import Metrics, evaluate
    from lava_desire.training.history import EpochRecord, History, Progress
    from lava_desire.training.interrupt import Interrupted
    from lava_desire.training.loop import fit
    from lava_desire.training.ranks import open_process_group

__all__ = [
    "KERNELS",
    "PRECISIONS",
    "Activity",
    "Checkpoint",
    "CheckpointError",
    "DamagedCheckpointWarning",
    "DesireNetwork",
    "DeviceMemoryError",
    "EpochRecord",
    "FolderInUseError",
    "History",
    "Interrupted",
    "LayerOperations",
    "Metrics",
    "Progress",
    "RankError",
    "StepResult",
    "count_operations",
    "default_precision",
    "evaluate",
    "fit",
    "open_process_group",
    "read_checkpoint",
]

_HOMES = {
    "KERNELS": "backends.choices",
    "PRECISIONS": "backends.choices",
    "Activity": "activity",
    "Checkpoint": "checkpoint",
    "CheckpointError": "checkpoint",
    "DamagedCheckpointWarning": "errors",
    "DesireNetwork": "network",
    "DeviceMemoryError": "errors",
    "EpochRecord": "training.history",
    "FolderInUseError": "files",
    "History": "training.history",
    "Interrupted": "training.interrupt",
    "LayerOperations": "operations",
    "Metrics": "training.evaluation",
    "Progress": "training.history",
    "RankError": "errors",
    "StepResult": "activity",
    "count_operations": "operations",
    "default_precision": "backends.choices",
    "evaluate": "training.evaluation",
    "fit": "training.loop",
    "open_process_group": "training.ranks",
    "read_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lava_desire.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
