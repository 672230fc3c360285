"""Desire backpropagation as Lava processes.

Spikes travel forward through a chain of connections and layers; ternary desires and the graded z
travel backward through the same processes. One sample takes a window of T + L time steps; see
:mod:`lava_desire.proc.window`.
"""

from importlib import import_module

from lava_desire.lava_runtime.compat import import_lava

import_lava()

from lava_desire.lava_runtime.errors import HangError, ProcessError  # noqa: E402
from lava_desire.lava_runtime.modes import install, install_unless_chosen, stepping  # noqa: E402
from lava_desire.proc.chain import DesireChain  # noqa: E402
from lava_desire.proc.desire_connection.process import DesireConnection  # noqa: E402
from lava_desire.proc.desire_conv.process import DesireConv  # noqa: E402
from lava_desire.proc.desire_dense.process import DesireDense  # noqa: E402
from lava_desire.proc.desire_lif.process import DesireLIF  # noqa: E402
from lava_desire.proc.desire_sequential.process import DesireMLP, DesireSequential  # noqa: E402
from lava_desire.proc.desire_teacher.process import DesireTeacher  # noqa: E402
from lava_desire.proc.event_source.process import EventSource  # noqa: E402
from lava_desire.proc.inspection import WindowRecorder, plot_window  # noqa: E402
from lava_desire.proc.rate_encoder.process import RateEncoder  # noqa: E402
from lava_desire.proc.run_config import DesireSimCfg  # noqa: E402
from lava_desire.proc.sample_source.process import SampleSource  # noqa: E402

install_unless_chosen()

# Lava finds the models of a process among the modules that have been imported.
for _name in ("desire_connection", "desire_lif", "desire_teacher", "rate_encoder"):
    import_module(f"lava_desire.proc.{_name}.models_fixed")
for _name in (
    *("desire_connection", "desire_conv", "desire_dense", "desire_lif", "desire_sequential"),
    *("desire_teacher", "event_source", "rate_encoder", "sample_source"),
):
    import_module(f"lava_desire.proc.{_name}.models")
import_module("lava_desire.proc.compiled.steps")

__all__ = [
    "DesireChain",
    "DesireConnection",
    "DesireConv",
    "DesireDense",
    "DesireLIF",
    "DesireMLP",
    "DesireSequential",
    "DesireSimCfg",
    "DesireTeacher",
    "EventSource",
    "HangError",
    "ProcessError",
    "RateEncoder",
    "SampleSource",
    "WindowRecorder",
    "install",
    "plot_window",
    "stepping",
]
