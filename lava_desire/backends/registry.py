"""The backends by name, where each applies, and which a network gets. It imports no torch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

    from lava_desire.backends.base import Backend
    from lava_desire.config import DesireConfig

PRECISIONS = ("float32", "bfloat16x2")
"""Arithmetic of the sums over synapses; state and weights are float32 in each.

``float32``
    The exact reference: sums in float64, rounded once.
``bfloat16x2``
    Weights and traces as the sum of two bfloat16 terms (16 significant bits), sums in float32.
"""

KERNELS = ("auto", "torch", "compiled", "triton")
"""What computes; in the same precision all give the same results.

``auto``
    ``compiled`` where it applies on a CPU, ``triton`` where it does on CUDA, else ``torch``. While
    other processes compile for ``compiled``, once in an installation, torch operations compute.
``torch``
    Torch operations, on any device.
``compiled``
    Event-driven, for the CPU, in float32, up to 64 time steps. Waits until it is compiled.
``triton``
    For CUDA, up to 64 time steps, training steps captured as CUDA graphs.
"""

FLOATING_POINT, FIXED_POINT = ARITHMETICS = ("floating_point", "fixed_point")

MAX_STEPS = 64
"""Time steps that fit a word, as which ``compiled`` and ``triton`` hold a train."""

TRITON = "3.6"
"""The first version of Triton that ``triton`` has run with."""


def default_precision(device: object) -> str:
    """Return the precision that suits a device: tensor cores want bfloat16, a CPU stays exact.

    Parameters
    ----------
    device : str or torch.device
        Where a network shall live.

    Returns
    -------
    str
        ``"bfloat16x2"`` for CUDA, ``"float32"`` for anything else.
    """
    return "bfloat16x2" if str(device).startswith("cuda") else "float32"


@dataclass(frozen=True)
class _Place:
    """What a network asks a backend for."""

    config: DesireConfig
    device: torch.device
    precision: str


def _refuses_compiled(place: _Place) -> str | None:
    num_steps = place.config.num_steps
    if place.precision == "float32" and place.device.type == "cpu" and num_steps <= MAX_STEPS:
        return None
    return (
        f"kernels is 'compiled' with {place.precision} on {place.device} and {num_steps} time "
        f"steps: expected float32 on cpu and at most {MAX_STEPS}"
    )


def _refuses_triton(place: _Place) -> str | None:
    if not has_triton():
        return (
            f"kernels is 'triton', of which {TRITON} or later is not installed: expected torch for "
            "CUDA, which brings it, or pip install 'lava_desire[gpu]'"
        )
    if place.config.num_steps > MAX_STEPS:
        return (
            f"num_steps is {place.config.num_steps}: expected at most {MAX_STEPS} with kernels "
            "triton"
        )
    policy = place.config.eligibility_policy
    if policy is not None and place.precision != "float32":
        return (
            f"precision is {place.precision!r} with kernels triton and an {policy.switch().name}: "
            "expected float32, or kernels torch"
        )
    return None


def _refuses_nothing(place: _Place) -> str | None:
    return None


@dataclass(frozen=True)
class _Entry:
    """Where a backend's class is, what ``auto`` takes it for, and why it may not apply."""

    home: str
    chosen_on: tuple[str, ...]
    refuses: Callable[[_Place], str | None]
    home_of_auto: str = ""  # where ``auto`` takes another class


_ENTRIES = {
    "compiled": _Entry(
        "numba.backend:NumbaBackend",
        ("cpu",),
        _refuses_compiled,
        "numba.starting:StartingBackend",
    ),
    "triton": _Entry("triton.backend:TritonBackend", ("cuda",), _refuses_triton),
    "torch": _Entry("torch_ops:TorchBackend", ("cpu", "cuda"), _refuses_nothing),
}
"""``auto`` takes the first that is for the device and does not refuse."""


def make_backend(
    config: DesireConfig,
    device: torch.device,
    precision: str = "float32",
    kernels: str = "auto",
    arithmetic: str = FLOATING_POINT,
    formats: Sequence[Any] | None = None,
) -> Backend:
    """Make the backend of a network.

    Parameters
    ----------
    config, device, precision, kernels, arithmetic, formats
        As of :class:`~lava_desire.network.DesireNetwork`.

    Returns
    -------
    Backend
        In integers that of ``arithmetic="fixed_point"``, else one of :data:`KERNELS`.

    Raises
    ------
    ValueError
        If there is no such precision, name or arithmetic, or the backend does not apply.
    """
    if arithmetic == FIXED_POINT:
        made = _class_of("integers.backend:IntegerBackend")
        return made(config, device, precision, kernels, formats)  # type: ignore[no-any-return]
    if arithmetic != FLOATING_POINT:
        raise ValueError(f"arithmetic is {arithmetic!r}: expected one of {', '.join(ARITHMETICS)}")
    if formats is not None:
        raise ValueError("formats are given: expected none in floating point")
    if precision not in PRECISIONS:
        raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
    if kernels not in KERNELS:
        raise ValueError(f"kernels is {kernels!r}: expected one of {', '.join(KERNELS)}")
    place = _Place(config, device, precision)
    is_auto = kernels == "auto"
    if is_auto:
        kernels = next(
            name
            for name, entry in _ENTRIES.items()
            if device.type in entry.chosen_on and entry.refuses(place) is None
        )
    entry = _ENTRIES[kernels]
    refusal = entry.refuses(place)
    if refusal is not None:
        raise ValueError(refusal)
    home = (entry.home_of_auto if is_auto else "") or entry.home
    return _class_of(home)(config, device, precision)  # type: ignore[no-any-return]


def _class_of(home: str) -> Any:
    module, name = home.split(":")
    return getattr(import_module(f"lava_desire.backends.{module}"), name)


def has_triton() -> bool:
    """Say whether Triton is here, in a version that the backend is written for."""
    from importlib import metadata

    try:
        return _version(metadata.version("triton")) >= _version(TRITON)
    except metadata.PackageNotFoundError:
        return False


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])
