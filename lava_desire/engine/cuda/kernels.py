"""The kernels of a network on CUDA, written in Triton.

Trains are words, (B, N): int32 up to 31 time steps, int64 up to 64. A layer is two launches (its
currents in one product, its neurons in one scan), an update three, and nothing that a training step
does waits for an answer from the device, so that a whole step can be captured
(:mod:`lava_desire.engine.cuda.capture`).

They have run in Triton's interpreter only, where the tests compare them with the rule, and have
been compiled for compute capabilities 8.0 and 9.0. **They have never run on a GPU.**
"""

from __future__ import annotations

import torch
import triton
import triton.language as tl
from torch import Tensor

from lava_desire import rule
from lava_desire.config import DesireConfig
from lava_desire.engine.cuda import neurons, products
from lava_desire.engine.cuda.tiles import tile_of
from lava_desire.engine.kernels import PRECISIONS, TensorKernels, encode_uint8_table
from lava_desire.engine.wire import pack_words, unpack_words

MAX_STEPS = 64
_BLOCK = 128  # neurons of a program that does them one by one
INTERPRETED = bool(triton.knobs.runtime.interpret)
"""Whether kernels are interpreted, on any device: TRITON_INTERPRET=1 at the time of import."""

WIDE_PRODUCTS = tuple(int(part) for part in triton.__version__.split(".")[:2]) >= (3, 9)
"""Whether Triton compiles every float64 product here: 3.9 does, 3.6 fails on those of desires and
updates (others were not tried), and torch's float64 product takes their place."""


class TritonKernels(TensorKernels):
    """The kernels of one network on a CUDA device, or on a CPU in Triton's interpreter.

    Parameters
    ----------
    config : DesireConfig
        Of at most 64 time steps.
    device : torch.device
        Where the network lives.
    precision : str
        ``"float32"`` sums in float64 and rounds once; ``"bfloat16x2"`` takes two bfloat16 terms a
        weight and a trace.

    Raises
    ------
    ValueError
        If there is no such precision, the window is too long, or the device is no CUDA device and
        Triton does not interpret.
    """

    def __init__(self, config: DesireConfig, device: torch.device, precision: str) -> None:
        if precision not in PRECISIONS:
            raise ValueError(f"precision is {precision!r}: expected one of {', '.join(PRECISIONS)}")
        if config.num_steps > MAX_STEPS:
            raise ValueError(
                f"num_steps is {config.num_steps}: expected at most {MAX_STEPS} with kernels triton"
            )
        if device.type != "cuda" and not INTERPRETED:
            raise ValueError(
                f"kernels is 'triton' and device is {device}: expected cuda, or TRITON_INTERPRET=1 "
                "in the environment"
            )
        self._config = config
        self._exact = precision == "float32"
        self._word = torch.int32 if config.num_steps < 32 else torch.int64
        table = encode_uint8_table(config.num_steps, config.threshold, torch.device("cpu"))
        self._table = self._pack(table).to(device)
        self._errors = _error_table(config).to(device)
        self._wishes = _wish_table(config).to(device)
        self._nothing = torch.empty(0, dtype=torch.bool, device=device)

    def _pack(self, spikes: Tensor) -> Tensor:
        steps = torch.arange(len(spikes), device=spikes.device)
        words = spikes.to(torch.int64) << steps.view(-1, *[1] * (spikes.ndim - 1))
        return words.sum(0).to(self._word)

    def arrange(self, weights: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        return weights.contiguous()

    def encode(self, images: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`; uint8 is looked up in a table."""
        if images.dtype == torch.uint8:
            return self._table[images.int()]
        return self._pack(rule.encode(images, self._config.num_steps, self._config.threshold))

    def drop(self, trains: Tensor, mask: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        return trains * mask

    def counts(self, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        counts = torch.empty(trains.shape, dtype=torch.int64, device=trains.device)
        grid = (triton.cdiv(trains.numel(), _BLOCK),)
        neurons.count_kernel[grid](
            trains, counts, trains.numel(), BLOCK=_BLOCK, enable_fp_fusion=False
        )
        return counts

    def unpack(self, trains: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        steps = torch.arange(self._config.num_steps, device=trains.device)[:, None, None]
        return ((trains >> steps) & 1).bool()

    def to_bytes(self, trains: Tensor, chosen: Tensor) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        return pack_words(trains[chosen].to(torch.int64), self._config.num_steps)

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        words = planes.new_zeros((batch_size, planes.shape[2]), dtype=self._word)
        words[chosen] = unpack_words(planes).to(self._word)
        return words

    def run_layer(
        self, weights: Tensor, trains: Tensor, lag: int, gain: float, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`."""
        config = self._config
        current = self._current(weights, trains, lag, gain)
        words = torch.empty(current.shape[1:], dtype=self._word, device=current.device)
        neurons.lif_scan_kernel[triton.cdiv(words.numel(), _BLOCK),](
            current,
            self._nothing if mask is None else mask.contiguous(),
            words,
            words.numel(),
            DECAY=config.decay,
            THRESHOLD=config.threshold,
            NUM_STEPS=config.num_steps,
            SUBTRACT=config.reset == "subtract",
            MASKED=mask is not None,
            BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )
        return words

    def _current(self, weights: Tensor, trains: Tensor, lag: int, gain: float) -> Tensor:
        """Return W (g·u) of a window, (T, B, N_o) float32."""
        num_steps, num_samples, num_out = self._config.num_steps, len(trains), len(weights)
        num_rows = num_steps * num_samples
        tile = tile_of("current", self._exact, num_rows)
        current = torch.empty((num_steps, num_samples, num_out), device=trains.device)
        grid = (triton.cdiv(num_rows, tile.rows), triton.cdiv(num_out, tile.columns))
        products.current_kernel[grid](
            trains,
            weights,
            current,
            num_samples,
            weights.shape[1],
            num_out,
            GAIN=float(gain),
            LAG=lag,
            NUM_STEPS=num_steps,
            EXACT=self._exact,
            TERM=tl.float32 if INTERPRETED else tl.bfloat16,
            BLOCK_ROWS=tile.rows,
            BLOCK_OUT=tile.columns,
            BLOCK_IN=tile.inner,
            num_warps=tile.warps,
            num_stages=tile.stages,
            enable_fp_fusion=False,
        )
        return current

    def teach(self, trains: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """Return prediction, (B,) int64, and output desire, (B, K) int8, in one launch (Eq. 11).

        They are those of :func:`rule.predict` and :func:`rule.output_desire`.
        """
        desire = torch.empty(trains.shape, dtype=torch.int8, device=trains.device)
        prediction = torch.empty(len(trains), dtype=torch.int64, device=trains.device)
        neurons.teach_kernel[len(trains),](
            trains,
            labels,
            self._wishes,
            desire,
            prediction,
            trains.shape[1],
            NUM_COUNTS=self._config.num_steps + 1,
            BLOCK=triton.next_power_of_2(trains.shape[1]),
            enable_fp_fusion=False,
        )
        return prediction, desire

    def hidden_desire(
        self, weights: Tensor, desire: Tensor, trains: Tensor, mask: Tensor | None
    ) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`; sums are float64 in each precision."""
        config = self._config
        if not WIDE_PRODUCTS:
            kept = desire if mask is None else desire * mask
            errors = self._errors[kept.long() + 1, self.counts(trains)]
            z = rule.backpropagate_error(weights, errors)
            desires: Tensor = rule.hidden_desire(z, config.desire_threshold_hidden)
            return desires
        num_out, num_in = weights.shape
        tile = tile_of("desire", True, config.num_steps * len(trains))
        passed = torch.empty((len(trains), num_in), dtype=torch.int8, device=trains.device)
        grid = (triton.cdiv(len(trains), tile.rows), triton.cdiv(num_in, tile.columns))
        products.hidden_desire_kernel[grid](
            desire,
            self._nothing if mask is None else mask.contiguous(),
            trains,
            self._errors,
            weights,
            passed,
            len(trains),
            num_in,
            num_out,
            THRESHOLD=config.desire_threshold_hidden,
            NUM_COUNTS=config.num_steps + 1,
            MASKED=mask is not None,
            BLOCK_SAMPLES=tile.rows,
            BLOCK_OUT=tile.inner,
            BLOCK_IN=tile.columns,
            num_warps=tile.warps,
            num_stages=tile.stages,
            enable_fp_fusion=False,
        )
        return passed

    def learn(
        self,
        weights: Tensor,
        learning_rate: float | Tensor,
        desire: Tensor,
        mask: Tensor | None,
        inputs: Tensor,
        lag: int,
        outputs: Tensor,
    ) -> Tensor:
        """See :class:`~lava_desire.engine.kernels.Kernels`.

        A captured step gives the learning rate as one float64 on the device, which may change.
        """
        rate = torch.as_tensor(learning_rate, dtype=torch.float64, device=weights.device)
        signs = desire if mask is None else desire * mask
        desiring = signs.any(dim=1)
        if self._exact and not WIDE_PRODUCTS:
            self._update_wide(weights, rate, signs, inputs, lag, outputs)
            return desiring
        active = torch.empty(len(desiring), dtype=torch.int32, device=weights.device)
        num_active = torch.empty(1, dtype=torch.int32, device=weights.device)
        neurons.compact_kernel[1,](
            desiring,
            active,
            num_active,
            len(desiring),
            BLOCK=triton.next_power_of_2(len(desiring)),
            enable_fp_fusion=False,
        )
        high, low = self._traces(inputs, lag, active, num_active)
        self._update(weights, rate, signs, outputs, high, low, active, num_active)
        return desiring

    def _update_wide(
        self,
        weights: Tensor,
        rate: Tensor,
        signs: Tensor,
        inputs: Tensor,
        lag: int,
        outputs: Tensor,
    ) -> None:
        """Update with torch's float64 product, over all samples: no list's length is known here."""
        num_samples, device = len(signs), weights.device
        everyone = torch.arange(num_samples, dtype=torch.int32, device=device)
        number = torch.full((1,), num_samples, dtype=torch.int32, device=device)
        traces, _ = self._traces(inputs, lag, everyone, number)
        steps = torch.arange(self._config.num_steps, device=device)[:, None]
        signed = ((outputs[:, None] >> steps) & 1) * signs[:, None]
        sums = signed.flatten(0, 1).to(torch.float64).T @ traces
        weights += (rate * sums).to(weights.dtype)  # as rule.weight_change, with η on the device

    def _traces(
        self, trains: Tensor, lag: int, active: Tensor, num_active: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Return the traces of the listed samples: two terms, or one and the same where exact."""
        num_samples, num_in = trains.shape
        shape = (num_samples * self._config.num_steps, num_in)
        narrow = torch.float32 if INTERPRETED else torch.bfloat16
        dtype = torch.float64 if self._exact else narrow
        high = torch.empty(shape, dtype=dtype, device=trains.device)
        low = high if self._exact else torch.empty_like(high)
        neurons.trace_kernel[num_samples, triton.cdiv(num_in, _BLOCK)](
            trains,
            active,
            num_active,
            high,
            low,
            num_in,
            LAG=lag,
            DECAY=self._config.decay,
            NUM_STEPS=self._config.num_steps,
            EXACT=self._exact,
            BLOCK=_BLOCK,
            enable_fp_fusion=False,
        )
        return high, low

    def _update(
        self,
        weights: Tensor,
        rate: Tensor,
        signs: Tensor,
        trains: Tensor,
        high: Tensor,
        low: Tensor,
        active: Tensor,
        num_active: Tensor,
    ) -> None:
        num_out, num_in = weights.shape
        tile = tile_of("update", self._exact, self._config.num_steps * len(trains))
        grid = (triton.cdiv(num_out, tile.rows), triton.cdiv(num_in, tile.columns))
        products.update_kernel[grid](
            signs,
            trains,
            high,
            low,
            active,
            num_active,
            weights,
            rate,
            num_in,
            num_out,
            NUM_STEPS=self._config.num_steps,
            EXACT=self._exact,
            BLOCK_ROWS=tile.inner,
            BLOCK_OUT=tile.rows,
            BLOCK_IN=tile.columns,
            num_warps=tile.warps,
            num_stages=tile.stages,
            enable_fp_fusion=False,
        )


def _error_table(config: DesireConfig) -> Tensor:
    """Tabulate local errors by desire + 1 and spike count: (3, T + 1) float32 (Eq. 14)."""
    counts = torch.arange(config.num_steps + 1)
    rates = rule.firing_rate(counts, config.num_steps, config.error_margin)
    desires = torch.tensor([[-1], [0], [1]], dtype=torch.int8)
    errors: Tensor = rule.local_error(desires.expand(3, len(counts)), rates)
    return errors.contiguous()


def _wish_table(config: DesireConfig) -> Tensor:
    """Tabulate output desires by count, of other classes and the label's: (2, T + 1) int8."""
    counts = torch.arange(config.num_steps + 1)
    rates = rule.firing_rate(counts, config.num_steps, config.error_margin)
    pairs: Tensor = rule.output_desire(
        rates[:, None].expand(-1, 2),
        torch.ones(len(counts), dtype=torch.int64),
        config.desire_threshold_output,
    )
    return pairs.T.contiguous()
