"""Bulk training in torch, on CPU and GPU."""

from lava_desire.checkpoint import Checkpoint, CheckpointError, read_checkpoint
from lava_desire.engine.activity import Activity, StepResult
from lava_desire.engine.evaluation import Metrics, evaluate
from lava_desire.engine.history import EpochRecord, History, Progress
from lava_desire.engine.interrupt import Interrupted
from lava_desire.engine.kernels import KERNELS, PRECISIONS, default_precision
from lava_desire.engine.memory import DeviceMemoryError
from lava_desire.engine.network import DesireNetwork
from lava_desire.engine.operations import LayerOperations, count_operations
from lava_desire.engine.ranks import RankError, open_process_group
from lava_desire.engine.run_folder import DamagedCheckpointWarning
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
