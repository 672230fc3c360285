"""Chooses where a Lava network runs: in one operating-system process, or in one a process."""

from __future__ import annotations

import logging
import math
import multiprocessing
import os
from importlib.util import find_spec
from typing import Any

from lava.magma.core.process import process as lava_process
from lava.magma.runtime.runtime import Runtime

from lava_desire.lava_runtime import compiling, watch
from lava_desire.lava_runtime.errors import describe
from lava_desire.lava_runtime.registers import hold_weakly

MODES = ("auto", "one", "processes")
"""What :func:`install` and the environment variable take."""

VARIABLE = "LAVA_DESIRE_LAVA_MODE"
"""The environment variable that chooses where a program does not."""

_log = logging.getLogger(__name__)

_BY_LAVA = "by methods, because Lava's own runtime runs it: call install() before its first run"

_LARGE = 1_500_000
"""Numbers in a model above which a step of it is worth an operating-system process.

`benchmarks/results/lava.json` has both modes at 1000² (one process is ahead) and 1400² (behind).
"""

_mode = "auto"
_is_chosen = False
_said: set[str] = set()


def install(
    mode: str | None = None,
    *,
    compiled: str | None = None,
    deadlock_seconds: float | None = 5.0,
    stall_seconds: float | None = None,
) -> None:
    """Have every network that is run from now on run by this runtime.

    Parameters
    ----------
    mode : {"auto", "one", "processes"}, optional
        ``"one"`` runs all of a network in the operating-system process that calls ``run``,
        ``"processes"`` forks one for each of its processes. ``"auto"`` forks where that is faster:
        on several cores, when two models or more hold over 1,500,000 numbers each. Left out, it is
        what the environment variable ``LAVA_DESIRE_LAVA_MODE`` says, or ``"auto"``. A network that
        cannot run in one is forked, and why is logged as a warning.
    compiled : {"auto", "now", "never"}, optional
        Whether models that have compiled steps use them, in one process: with ``"auto"`` once
        networks have run for a second and another process has compiled the kernels, with ``"now"``
        from the second step on, before which compiling may take seconds and where ``run`` raises
        RuntimeError if that fails, or ``"never"``. Left out, it is what the environment variable
        ``LAVA_DESIRE_LAVA_COMPILED`` says, or ``"auto"``. Results are the same to the bit;
        :func:`stepping` tells whether a network has used them, and if not, why.
    deadlock_seconds : float or None
        Of a network that is forked: when every process has waited for another for so long,
        :class:`HangError` is raised; None for never. A process that computes, however long, waits
        for none. In one process a deadlock is known at once.
    stall_seconds : float or None
        Of a network that is forked: when no process has begun or ended to wait for so long,
        :class:`HangError` is raised even though one of them computes, or waits for something that
        is no port; None for never.

    Raises
    ------
    ValueError
        If there is no such mode or choice, or a number is not positive.
    """
    global _mode, _is_chosen
    source = "mode"
    if mode is None:
        mode, source = os.environ.get(VARIABLE) or "auto", VARIABLE
    if mode not in MODES:
        raise ValueError(f"{source} is {mode!r}: expected one of {', '.join(MODES)}")
    limits = watch.Limits(deadlock_seconds, stall_seconds)
    compiling.choose(compiled)
    watch.limits = limits
    _mode, _is_chosen = mode, True
    lava_process.Runtime = runtime_for


def stepping(process: Any) -> str:
    """Tell how a network has stepped in its last run, or does in the one that goes on.

    Whether in compiled code, in how many of the run's steps, or by the methods of its models, and
    why then. Where a process is the reason it is named: one that has no compiled steps is enough
    for all of them. Lava's log says the same at the level INFO where a run ends or pauses, once for
    each reason, and where a network is built that has none
    (``LogConfig(level=logging.INFO, level_console=logging.INFO)`` of the process that is run).

    Parameters
    ----------
    process : AbstractProcess
        Any process of a network that has run, stopped or not; also one made of others.

    Returns
    -------
    str
        Such as ``"compiled, 999 of 1000 steps"``, or ``"by methods, because PyLifModelBitAcc of LIF
        (Process_0) computes in fixed_pt, which has no compiled steps"``.

    Raises
    ------
    RuntimeError
        If the network has not run yet.

    Examples
    --------
    >>> from lava_desire.lava_runtime import install, stepping
    >>> install("one")
    >>> from lava.magma.core.run_conditions import RunSteps
    >>> from lava.magma.core.run_configs import Loihi2SimCfg
    >>> from lava.proc.lif.process import LIF
    >>> neurons = LIF(shape=(3,), bias_mant=1, name="cells")
    >>> neurons.run(RunSteps(10), Loihi2SimCfg(select_tag="fixed_pt"))
    >>> told = stepping(neurons)
    >>> neurons.stop()
    >>> print(told.partition(", because ")[0])
    by methods
    >>> print(told.partition(", because ")[2])
    PyLifModelBitAcc of LIF (cells) computes in fixed_pt, which has no compiled steps
    """
    runtime = _runtime_of(process)
    if runtime is None or runtime.num_steps == 0:
        raise RuntimeError(f"{describe(process)} has not run yet: ask after its first run")
    told: str = getattr(runtime, "stepping", _BY_LAVA)
    return told


def _runtime_of(process: Any) -> Any:
    """Return the runtime of a process, or of those that it is made of, or None."""
    if process.runtime is not None:
        return process.runtime
    return next(filter(None, map(_runtime_of, process.procs)), None)


def uninstall() -> None:
    """Give Lava's own runtime back to the networks that are run from now on."""
    global _is_chosen
    _is_chosen = True
    lava_process.Runtime = Runtime


def install_unless_chosen() -> None:
    """Install, unless the program has called :func:`install` or :func:`uninstall` before."""
    if not _is_chosen:
        install()


def runtime_for(executable: Any, *arguments: Any, **options: Any) -> Runtime:
    """Return the runtime of a compiled network; what Lava calls in the place of its ``Runtime``."""
    hold_weakly()
    # Each is imported where it is used: one needs greenlet, the other a system that forks.
    if _is_forked(executable):
        from lava_desire.lava_runtime.supervision import SupervisedRuntime

        return SupervisedRuntime(executable, *arguments, **options)
    from lava_desire.lava_runtime.one_process import OneProcessRuntime

    return OneProcessRuntime(executable, *arguments, **options)


def _is_forked(executable: Any) -> bool:
    if _mode == "processes":
        return True
    reason = _obstacle(executable)
    if reason is not None:
        if reason not in _said:
            _said.add(reason)
            _log.warning("this network is forked, since %s", reason)
        return True
    if _mode == "one" or not _can_fork() or _num_cores() == 1:
        return False
    sizes = [
        sum(math.prod(var.shape) for var in builder.vars.values())
        for builder in executable.proc_builders.values()
    ]
    num_large = sum(size > _LARGE for size in sizes)
    if num_large >= 2:
        _log.info("this network is forked, since %d models of it are large", num_large)
    return num_large >= 2


def _obstacle(executable: Any) -> str | None:
    if find_spec("greenlet") is None:
        return "greenlet is not installed (pip install greenlet)"
    from lava_desire.lava_runtime.one_process import obstacle

    return obstacle(executable)


def _can_fork() -> bool:
    return hasattr(os, "fork") and multiprocessing.get_start_method() == "fork"


def _num_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
