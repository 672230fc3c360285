"""Bulk training in torch, on CPU and GPU.

Names load on first use: a command line that only reads options waits for no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint
    from lava_desire.engine.activity import Activity, StepResult
    from lava_desire.engine.choices import KERNELS, PRECISIONS, default_precision
    from lava_desire.engine.errors import DamagedCheckpointWarning, DeviceMemoryError, RankError
    from lava_desire.engine.evaluation import Metrics, evaluate
    from lava_desire.engine.history import EpochRecord, History, Progress
    from lava_desire.engine.interrupt import Interrupted
    from lava_desire.engine.network import DesireNetwork
    from lava_desire.engine.operations import LayerOperations, count_operations
    from lava_desire.engine.ranks import open_process_group
    from lava_desire.engine.trainer import fit
    from lava_desire.files import FolderInUseError

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
    "KERNELS": "engine.choices",
    "PRECISIONS": "engine.choices",
    "Activity": "engine.activity",
    "Checkpoint": "checkpoint",
    "CheckpointError": "checkpoint",
    "DamagedCheckpointWarning": "engine.errors",
    "DesireNetwork": "engine.network",
    "DeviceMemoryError": "engine.errors",
    "EpochRecord": "engine.history",
    "FolderInUseError": "files",
    "History": "engine.history",
    "Interrupted": "engine.interrupt",
    "LayerOperations": "engine.operations",
    "Metrics": "engine.evaluation",
    "Progress": "engine.history",
    "RankError": "engine.errors",
    "StepResult": "engine.activity",
    "count_operations": "engine.operations",
    "default_precision": "engine.choices",
    "evaluate": "engine.evaluation",
    "fit": "engine.trainer",
    "open_process_group": "engine.ranks",
    "read_checkpoint": "checkpoint",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"lava_desire.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return sorted(__all__)
