"""Bulk training in torch, on CPU and GPU."""

from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from lava_desire.engine.evaluation import Metrics, evaluate
from lava_desire.engine.history import EpochRecord, History, Progress
from lava_desire.engine.interrupt import Interrupted
from lava_desire.engine.kernels import KERNELS, PRECISIONS, default_precision
from lava_desire.engine.network import Activity, DesireNetwork, StepResult
from lava_desire.engine.operations import LayerOperations, count_operations
from lava_desire.engine.trainer import fit

__all__ = [
    "KERNELS",
    "PRECISIONS",
    "Activity",
    "Checkpoint",
    "CheckpointError",
    "DesireNetwork",
    "EpochRecord",
    "History",
    "Interrupted",
    "LayerOperations",
    "Metrics",
    "Progress",
    "StepResult",
    "count_operations",
    "default_precision",
    "evaluate",
    "fit",
    "read_checkpoint",
]
