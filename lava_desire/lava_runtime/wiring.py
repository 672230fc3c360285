"""Checks before a run: the run condition, and unconnected inputs."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.core.run_conditions import RunContinuous, RunSteps

_LARGEST = 2**53
"""Steps a run, at most: Lava sends their number as a float."""


def check_condition(condition: Any) -> None:
    """Refuse anything but a run condition.

    Raises ValueError if it is neither RunSteps nor RunContinuous, or its number of steps no whole
    number in [0, 2**53].
    """
    if isinstance(condition, RunContinuous):
        return
    if not isinstance(condition, RunSteps):
        raise ValueError(
            f"the run condition is {condition!r}: expected RunSteps(…) or RunContinuous()"
        )
    steps = condition.num_steps
    is_number = isinstance(steps, (int, float, np.integer, np.floating))
    if not is_number or not 0 <= steps <= _LARGEST or steps % 1:
        raise ValueError(
            f"num_steps of RunSteps is {steps!r}: expected a whole number in [0, 2**53]"
        )


def check_inputs(executable: Any) -> None:
    """Ask every model that has a say about it whether its process may run as it is connected.

    Lava reads zeros from an in port that is not connected, and says nothing. A model class whose
    process means something else by that has a class method ``check_inputs(process, unconnected)``,
    which may warn or raise; it is called in the parent, where a warning is seen.
    """
    fed = {
        (builder.dst_process, builder.dst_port_initializer.name)
        for builder in executable.channel_builders or ()
        if isinstance(builder, ChannelBuilderMp)
    }
    for process, builder in (executable.proc_builders or {}).items():
        check = getattr(builder.proc_model, "check_inputs", None)
        if check is not None:
            unconnected = {
                port.name
                for port in process.in_ports
                if (process, port.name) not in fed and not port.external_pipe_flag
            }
            check(process, frozenset(unconnected))
