"""Checks of messages at ports, the same under every tag."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess
from lava.proc.io.source import RingBuffer

from lava_desire.lava_runtime.errors import describe
from lava_desire.model import integers as fixed
from lava_desire.model.encoding import BRIGHTEST


def check_brightness(brightness: Any) -> Any:
    """Return brightness, or refuse it.

    It is returned as float32 in [0, 1]. Raises ValueError if a value is NaN or outside.
    """
    _refuse_outside(brightness, 1, f"; levels of {BRIGHTEST} are to be divided by {BRIGHTEST}")
    return brightness.astype(np.float32, copy=False)


def check_levels(brightness: Any, has_seen_levels: bool) -> Any:
    """Return brightness in fixed point, or refuse it.

    Floats and booleans are in [0, 1], as in floating point, of which round(255·x) is returned,
    int32; integers are in [0, 255]. `has_seen_levels` says that images before were brighter than 1,
    so that this one may be a dark one. Raises ValueError if a value is NaN or outside, or if
    integers reach 1 and no further, which are brightness in [0, 1] that has lost its type, and in
    which no pixel would spike.
    """
    if brightness.dtype.kind in "fb":
        _refuse_outside(brightness, 1, f", or integers in [0, {BRIGHTEST}] from an integer port")
        return fixed.integer_brightness(brightness).astype(np.int32)
    _refuse_outside(brightness, BRIGHTEST, "")
    if brightness.max() == 1 and not has_seen_levels:
        raise ValueError(
            f"brightness_in holds integers of at most 1: expected integers in [0, {BRIGHTEST}], of "
            f"which {BRIGHTEST} is the brightest, or floats in [0, 1] from a float port"
        )
    return brightness.astype(np.int32, copy=False)


def _refuse_outside(brightness: Any, largest: int, cure: str) -> None:
    darkest, brightest = brightness.min(), brightness.max()
    if not (darkest >= 0 and brightest <= largest):  # written so that NaN is outside
        raise ValueError(
            f"the brightness reaches from {darkest:g} to {brightest:g}: expected values in "
            f"[0, {largest}]{cure}"
        )


def check_constant(brightness: Any, first: Any, step: int) -> None:
    """Refuse brightness that is not that of its window's first step.

    Raises ValueError with the step, an input and its two values.
    """
    # Bytes are compared faster, and of equal ones nothing can have changed.
    if brightness.tobytes() != first.tobytes() and not np.array_equal(brightness, first):
        at = np.argwhere(np.asarray(brightness != first))[0]
        raise ValueError(
            f"brightness_in has changed in step {step} of a window, at input {at[-1]} from "
            f"{first[tuple(at)]:g} to {brightness[tuple(at)]:g}: expected a sample's brightness to "
            "be the same in the steps 1 to T of its window"
        )


def check_labels(labels: Any, num_classes: int) -> Any:
    """Return labels, which may be floats from a stock source, as integers, or refuse them.

    Raises ValueError if a label is no class in [0, `num_classes`).
    """
    wrong = (labels < 0) | (labels >= num_classes) | (labels % 1 != 0)
    if wrong.any():
        raise ValueError(
            f"the label is {labels[wrong][0]:g}: expected a class in [0, {num_classes}) in step "
            "T + 1 of the window"
        )
    return labels.astype(np.int64)


def check_spikes(port: str, spikes: Any, step: int) -> Any:
    """Return spikes as booleans, or refuse what is neither 0 nor 1.

    Raises ValueError with port, value and step of the window.
    """
    if spikes.dtype == bool:
        return spikes
    return _one_of((0, 1), port, spikes, step).astype(bool)


def check_ternary(port: str, values: Any, step: int) -> Any:
    """Return desires as int8, or refuse what is not −1, 0 or 1.

    Raises ValueError with port, value and step of the window.
    """
    if values.dtype == np.int8 and values.min() >= -1 and values.max() <= 1:
        return values
    return _one_of((-1, 0, 1), port, values, step).astype(np.int8)


def check_integers(port: str, values: Any, step: int) -> Any:
    """Return what a port takes in fixed point as int64, or refuse what is not whole.

    Raises ValueError with port, value and step of the window.
    """
    if values.dtype.kind == "f":
        wrong = values % 1 != 0  # so is NaN
        if wrong.any():
            raise ValueError(
                f"{port} holds {values[wrong][0]:g} in step {step} of a window: expected integers "
                "in fixed point"
            )
    return values.astype(np.int64)


def check_finite(port: str, values: Any, step: int) -> Any:
    """Return numbers, or refuse those that are none.

    Raises ValueError with port, value and step of the window.
    """
    wrong = ~np.isfinite(values)
    if wrong.any():
        raise ValueError(
            f"{port} holds {values[wrong][0]} in step {step} of a window: expected finite numbers"
        )
    return values


def _one_of(allowed: tuple[int, ...], port: str, values: Any, step: int) -> Any:
    wrong = ~np.isin(values, allowed)
    if wrong.any():
        names = ", ".join(map(str, allowed[:-1]))
        raise ValueError(
            f"{port} holds {values[wrong][0]:g} in step {step} of a window: expected {names} or "
            f"{allowed[-1]}"
        )
    return values


def refuse_cut_data(process: AbstractProcess) -> None:
    """Refuse a stock ring buffer that cuts its data to integers before it sends them.

    Its fixed-point model does: brightness 0.4 becomes 0, and the label 1.7 becomes 1. Raises
    ValueError with the port, a value and the cure.
    """
    for port in process.in_ports:
        for source in port.get_src_ports():
            ring = source.process
            if not isinstance(ring, RingBuffer) or ring.model_class is None:
                continue
            sent = np.dtype(ring.model_class.s_out.d_type)
            data = np.asarray(ring.data.init)
            if sent.kind in "iu" and data.dtype.kind == "f" and (data % 1 != 0).any():
                value = data[data % 1 != 0][0]
                raise ValueError(
                    f"{port.name} of {describe(process)} is fed by {describe(ring)}, whose model "
                    f"sends {sent} and cuts {value:g} to {int(np.nan_to_num(value))}: expected "
                    f"integers in its data, for brightness round({BRIGHTEST}·x)"
                )


def is_fed(port: InPort) -> bool:
    """Return whether anything is connected to an in port, also from outside the network."""
    return bool(port.get_src_ports()) or bool(port.external_pipe_flag)


def has_one_input(process: AbstractProcess, unconnected: frozenset[str]) -> bool:
    """Return whether an encoder or network is fed images or spikes; warn where it is fed neither.

    Raises ValueError if it is fed both, or spikes where the config filters images.
    """
    owner = owner_of(process, "brightness_in")
    if "s_in" in unconnected:
        if "brightness_in" not in unconnected:
            return True
        rest = ", nothing is learned or scored" if hasattr(owner, "label_in") else ""
        say_unconnected(process, "brightness_in", f"nor is s_in, every image is black{rest}")
        return False
    if "brightness_in" not in unconnected:
        raise ValueError(
            f"brightness_in and s_in of {describe(owner)} are both connected: expected one of "
            "them, for images or for spikes"
        )
    for each in process.proc_params["config"].filters:
        each.refuse(f" where s_in of {describe(owner)} is fed spikes in place of images")
    return True


def say_unconnected(process: AbstractProcess, port: str, consequence: str) -> None:
    """Warn of an in port that is not connected, by the name that the user gave the process.

    The process may be a part of a whole network; `consequence` says what follows.
    """
    owner = describe(owner_of(process, port))
    warnings.warn(f"{port} of {owner} is not connected: {consequence}", stacklevel=2)


def owner_of(process: AbstractProcess, port: str) -> AbstractProcess:
    """Return the network that a process is a part of, if it has a port of that name."""
    parent = process.parent_proc
    return parent if parent is not None and hasattr(parent, port) else process
