"""The hot loops of bulk training: spike products, LIF scan, traces.

Each does what its namesake in :mod:`lava_desire.rule` does for one step, for a whole window at
once, and is tested against it. :class:`Kernels` is what a network needs; :func:`make_kernels`
chooses between the torch operations here, for any device, the compiled, event-driven ones of
:mod:`lava_desire.backends.numba` for the CPU, and those of ``lava_desire.backends.triton``.
A :class:`Products` object is the arithmetic of one precision.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from importlib import metadata
from typing import Any, Protocol

import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.choices import KERNELS, PRECISIONS
from lava_desire.backends.choices import default_precision as default_precision
from lava_desire.backends.wire import pack_spikes, unpack_spikes
from lava_desire.config import DesireConfig

TRITON = "3.6"
"""The first version of Triton that the kernels for CUDA have run with."""


class Products(Protocol):
    """The sums over synapses and over a window, in one precision."""

    def synaptic_current(self, weights: Tensor, spikes: Tensor, gain: float) -> Tensor:
        """Return W (g·u): (N_o, N_i) float32 and (R, N_i) bool → (R, N_o) float32 (Eq. 1)."""

    def pairings(self, signed_spikes: Tensor, traces: Tensor) -> Tensor:
        """Return Σ_r s_o·r_i: (R, N_o) int8 and (R, N_i) float → (N_o, N_i) float (Eq. 4)."""

    trace_dtype: torch.dtype


class ExactProducts:
    """Sums in float64, rounded once to float32: independent of order, batch and threads."""

    trace_dtype = torch.float64

    def synaptic_current(self, weights: Tensor, spikes: Tensor, gain: float) -> Tensor:
        """See :class:`Products`."""
        current: Tensor = rule.synaptic_current(weights, spikes, gain)
        return current

    def pairings(self, signed_spikes: Tensor, traces: Tensor) -> Tensor:
        """See :class:`Products`."""
        return signed_spikes.to(traces.dtype).T @ traces


class SplitProducts:
    """Two bfloat16 terms a weight and a trace, sums in float32.

    On CUDA the two terms go through the tensor cores; torch offers no bfloat16 product with a
    float32 result on a CPU, so there the two terms are added first, which is exact, and multiplied
    in float32.
    """

    trace_dtype = torch.float32

    def synaptic_current(self, weights: Tensor, spikes: Tensor, gain: float) -> Tensor:
        """See :class:`Products`."""
        high, low = split_bfloat16(weights)
        if weights.is_cuda:
            left = spikes.to(torch.bfloat16)
            current = torch.mm(left, high.T, out_dtype=torch.float32)
            current += torch.mm(left, low.T, out_dtype=torch.float32)
        else:
            current = spikes.to(torch.float32) @ (high.float() + low.float()).T
        return current if gain == 1 else current.mul_(gain)

    def pairings(self, signed_spikes: Tensor, traces: Tensor) -> Tensor:
        """See :class:`Products`."""
        high, low = split_bfloat16(traces)
        if traces.is_cuda:
            left = signed_spikes.to(torch.bfloat16).T
            sums = torch.mm(left, high, out_dtype=torch.float32)
            return sums.add_(torch.mm(left, low, out_dtype=torch.float32))
        return signed_spikes.to(torch.float32).T @ (high.float() + low.float())


def split_bfloat16(values: Tensor) -> tuple[Tensor, Tensor]:
    """Split float32 values into two bfloat16 terms whose sum is within 2⁻¹⁷ of them, relatively."""
    high = values.to(torch.bfloat16)
    return high, (values - high.to(values.dtype)).to(torch.bfloat16)


def make_products(precision: str) -> Products:
    """Return the arithmetic of `precision`, one of :data:`PRECISIONS`.

    Raises
    ------
    ValueError
        If there is no such precision.
    """
    if precision == "float32":
        return ExactProducts()
    if precision == "bfloat16x2":
        return SplitProducts()
    raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")


def lif_scan(
    current: Tensor, decay: float, threshold: float, mask: Tensor | None, reset: str
) -> Tensor:
    """Run :func:`~lava_desire.rule.integrate_and_fire` over a window from rest.

    Parameters
    ----------
    current : Tensor
        (T, B, N) float32.
    decay, threshold : float
        β and θ.
    mask : Tensor or None
        Dropout mask, (B, N) bool.
    reset : str
        See :class:`~lava_desire.config.DesireConfig`.

    Returns
    -------
    Tensor
        Spikes, (T, B, N) bool.
    """
    potential = torch.zeros_like(current[0])
    spikes = torch.empty(current.shape, dtype=torch.bool, device=current.device)
    for step, step_current in enumerate(current):
        spikes[step], potential = rule.integrate_and_fire(
            potential, step_current, decay, threshold, mask, reset
        )
    return spikes


def trace_scan(spikes: Tensor, decay: float, dtype: torch.dtype) -> Tensor:
    """Run :func:`~lava_desire.rule.decay_trace` over a window, (T, B, N) bool → `dtype` (Eq. 3)."""
    traces = spikes.to(dtype)
    for step in range(1, len(traces)):
        traces[step].add_(traces[step - 1], alpha=decay)
    return traces


def delay(spikes: Tensor, lag: int) -> Tensor:
    """Delay trains, (T, B, N), by `lag` time steps, silence first."""
    return torch.cat([torch.zeros_like(spikes[:lag]), spikes[: len(spikes) - lag]])


def encode_uint8_table(num_steps: int, threshold: float, device: torch.device) -> Tensor:
    """Tabulate the encoder for the 256 brightnesses of an 8-bit image: (T, 256) bool."""
    levels = torch.arange(256, dtype=torch.float32) / 255
    table: Tensor = rule.encode(levels, num_steps, threshold)
    return table.to(device)


class Kernels(Protocol):
    """What a network computes with. Trains are (B, N) spike trains in a form of its own."""

    name: str
    """One of :data:`KERNELS`, never ``auto``."""

    def arrange(self, weights: Tensor) -> Tensor:
        """Return weights in the memory layout that the kernels like best."""

    def encode(self, images: Tensor) -> Any:
        """Encode (B, N_0) uint8 or float32 images as trains."""

    def drop(self, trains: Any, mask: Tensor) -> Any:
        """Silence the neurons whose mask, (B, N) bool, is false."""

    def counts(self, trains: Any) -> Tensor:
        """Count the spikes: (B, N) int64."""

    def count_together(self, trains: Any, chosen: Tensor | None = None) -> Tensor:
        """Count the spikes of all samples together, or of those chosen, (B,) bool: (N,) int64."""

    def unpack(self, trains: Any) -> Tensor:
        """Return the trains as (T, B, N) bool."""

    def to_bytes(self, trains: Any, chosen: Tensor) -> Tensor:
        """Pack the trains of chosen samples to be sent: (R, ⌈T/8⌉, N) uint8."""

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Any:
        """Return the trains of a batch, silent but for the chosen samples, which were packed."""

    def run_layer(
        self, weights: Tensor, trains: Any, lag: int, gain: float, mask: Tensor | None
    ) -> Any:
        """Run a layer on trains that arrive `lag` steps after they were sent (Eq. 1 and 16).

        Raises
        ------
        FloatingPointError
            Where the kernels look for it, if a potential is NaN or infinite.
        """

    def hidden_desire(
        self, weights: Tensor, desire: Tensor, trains: Any, mask: Tensor | None
    ) -> Tensor:
        """Pass the desires of a layer, (B, N_o) int8, to the one before (Eq. 13 to 15)."""

    def learn(
        self,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        inputs: Any,
        lag: int,
        outputs: Any,
    ) -> Tensor:
        """Add the summed change to the weights; return which samples desire any (Eq. 4)."""

    def deduct_baseline(
        self,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        outputs: Any,
        baseline: Tensor,
    ) -> None:
        """Add what counting traces from a baseline, (N_i,) float32, changes in the weights."""

    def lift(
        self,
        weights: Tensor,
        learning_rate: float,
        rate: Tensor,
        floor: float,
        mean_traces: Tensor,
        num_samples: int,
    ) -> None:
        """Lift the neurons whose mean rate, (N_o,) float64, is below a floor."""

    def limit(self, weights: Tensor, limit: float) -> None:
        """Clip weights to a magnitude, in place."""

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """Move an average of weights towards them by a share of the way, in place."""


class TensorKernels(ABC):
    """What kernels of torch tensors, weights (N_o, N_i), do alike with torch operations."""

    @abstractmethod
    def counts(self, trains: Any) -> Tensor:
        """See :class:`Kernels`."""

    def count_together(self, trains: Any, chosen: Tensor | None = None) -> Tensor:
        """See :class:`Kernels`."""
        counts = self.counts(trains)
        return (counts if chosen is None else counts * chosen[:, None]).sum(0)

    def deduct_baseline(
        self,
        weights: Tensor,
        learning_rate: float | Tensor,
        desire: Tensor,
        mask: Tensor | None,
        outputs: Any,
        baseline: Tensor,
    ) -> None:
        """See :class:`Kernels`."""
        signs = desire if mask is None else desire * mask
        desired_spikes = (signs * self.counts(outputs)).sum(0)
        weights += rule.baseline_change(desired_spikes, baseline, learning_rate)

    def lift(
        self,
        weights: Tensor,
        learning_rate: float | Tensor,
        rate: Tensor,
        floor: float,
        mean_traces: Tensor,
        num_samples: int,
    ) -> None:
        """See :class:`Kernels`."""
        weights += rule.rate_floor_change(rate, floor, mean_traces, num_samples, learning_rate)

    def limit(self, weights: Tensor, limit: float) -> None:
        """See :class:`Kernels`."""
        weights.clamp_(-limit, limit)

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """See :class:`Kernels`."""
        average.lerp_(weights, share)


class TorchKernels(TensorKernels):
    """Torch operations on any device: the currents of a layer's whole window in one product.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    device : torch.device
        Where it lives.
    precision : str
        One of :data:`PRECISIONS`.
    """

    name = "torch"

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        self._config = config
        self._products = make_products(precision)
        self._table = encode_uint8_table(config.num_steps, config.threshold, device)

    def arrange(self, weights: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        return weights

    def encode(self, images: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        images = rule.equalize_brightness(images, self._config.image_brightness)
        if images.dtype == torch.uint8:
            return self._table[:, images.int()]
        spikes: Tensor = rule.encode(images, self._config.num_steps, self._config.threshold)
        return spikes

    def drop(self, trains: Tensor, mask: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        return trains & mask

    def counts(self, trains: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        return trains.sum(0)

    def unpack(self, trains: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        return trains

    def to_bytes(self, trains: Tensor, chosen: Tensor) -> Tensor:
        """See :class:`Kernels`."""
        return pack_spikes(trains.index_select(1, chosen))

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Tensor:
        """See :class:`Kernels`."""
        num_steps = self._config.num_steps
        spikes = planes.new_zeros((num_steps, batch_size, planes.shape[2]), dtype=torch.bool)
        spikes[:, chosen] = unpack_spikes(planes, num_steps)
        return spikes

    def run_layer(
        self, weights: Tensor, trains: Tensor, lag: int, gain: float, mask: Tensor | None
    ) -> Tensor:
        """See :class:`Kernels`."""
        inputs = delay(trains, lag)
        current = self._products.synaptic_current(weights, inputs.flatten(0, 1), gain)
        if not bool(torch.isfinite(current).all()):
            raise FloatingPointError("a current is NaN or infinite")
        current = current.view(*inputs.shape[:2], len(weights))
        config = self._config
        return lif_scan(current, config.decay, config.threshold, mask, config.reset)

    def hidden_desire(
        self, weights: Tensor, desire: Tensor, trains: Tensor, mask: Tensor | None
    ) -> Tensor:
        """See :class:`Kernels`."""
        config = self._config
        rate = rule.firing_rate(self.counts(trains), config.num_steps, config.error_margin)
        z = rule.backpropagate_error(weights, rule.local_error(desire, rate, mask))
        desires: Tensor = rule.hidden_desire(z, config.desire_threshold_hidden)
        return desires

    def learn(
        self,
        weights: Tensor,
        learning_rate: float,
        desire: Tensor,
        mask: Tensor | None,
        inputs: Tensor,
        lag: int,
        outputs: Tensor,
    ) -> Tensor:
        """See :class:`Kernels`. Samples without desire are left out of the product."""
        if mask is not None:
            desire = desire * mask
        desiring = desire.any(dim=1)
        chosen = desiring.nonzero().squeeze(1)
        if len(chosen):
            signed = outputs.index_select(1, chosen) * desire[chosen]
            received = delay(inputs.index_select(1, chosen), lag)
            traces = trace_scan(received, self._config.decay, self._products.trace_dtype)
            sums = self._products.pairings(signed.flatten(0, 1), traces.flatten(0, 1))
            weights += rule.weight_change(sums, learning_rate)
        return desiring


def make_kernels(
    config: DesireConfig, device: torch.device, precision: str, name: str = "auto"
) -> Kernels:
    """Make the kernels of a network, those of that name in :data:`KERNELS`.

    Raises
    ------
    ValueError
        If there is no such precision or name, or these kernels do not apply.
    """
    from lava_desire.backends.numba.backend import MAX_STEPS, CompiledKernels

    fits = config.num_steps <= MAX_STEPS  # a word, here and there
    compilable = precision == "float32" and device.type == "cpu" and fits
    if name == "compiled" or (name == "auto" and compilable):
        if not compilable:
            raise ValueError(
                f"kernels is 'compiled' with {precision} on {device} and {config.num_steps} time "
                f"steps: expected float32 on cpu and at most {MAX_STEPS}"
            )
        return CompiledKernels(config)
    if name == "triton" or (name == "auto" and device.type == "cuda" and fits and has_triton()):
        return _triton_kernels(config, device, precision)
    if name in KERNELS:
        return TorchKernels(config, device, precision)
    raise ValueError(f"kernels is {name!r}: expected one of {', '.join(KERNELS)}")


def has_triton() -> bool:
    """Say whether Triton is here, in a version that these kernels are written for."""
    try:
        return _version(metadata.version("triton")) >= _version(TRITON)
    except metadata.PackageNotFoundError:
        return False


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".")[:2])


def _triton_kernels(config: DesireConfig, device: torch.device, precision: str) -> Kernels:
    if not has_triton():
        raise ValueError(
            f"kernels is 'triton', of which {TRITON} or later is not installed: expected torch for "
            "CUDA, which brings it, or pip install 'lava_desire[gpu]'"
        )
    from lava_desire.backends.triton.backend import TritonKernels

    return TritonKernels(config, device, precision)
