"""Event-driven kernels for the CPU, compiled with numba.

Only spikes cost anything: a current is the sum of the weights of those inputs that spiked, and only
pairs of a spiking input and a spiking neuron with desire enter an update. The results are those of
:mod:`lava_desire.rule` to the bit, whose sums over synapses are taken in float64: where float32
decides the same, and provably so, it is used (``lava_desire.backends.numba.scan``,
``lava_desire.backends.numba.update``).

Weights are stored input-major, so that the weights of one input lie side by side. The compiled
functions release Python's lock; each is called on pieces of its work by as many threads as torch
uses, and no result depends on how many those are.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.backends.kernels import encode_uint8_table
from lava_desire.backends.numba.events import (
    MAX_STEPS,
    EventLists,
    count,
    count_together,
    join_words,
    look_up,
    look_up_equalized,
    pack,
    silence,
    split_words,
)
from lava_desire.backends.numba.scan import NARROW, TILE, scan_layer
from lava_desire.backends.numba.threads import (
    Workspace,
    in_parallel,
    in_parallel_tiles,
    num_threads,
)
from lava_desire.backends.numba.update import (
    BLOCK,
    GROUP,
    add_outer,
    desired_spikes_of,
    learn_tiles,
    limit_rows,
    local_errors,
    move_rows,
    ternarise,
)
from lava_desire.backends.wire import num_planes
from lava_desire.config import DesireConfig

__all__ = ["MAX_STEPS", "CompiledKernels"]

_PAIRINGS = 1 << 17  # numbers, 1 MiB: what is gathered from the second-level cache
_NO_MASK = np.empty((0, 0), np.bool_)
_ONE = np.ones(1, np.float32)  # a trace, for the factor that goes with it


class CompiledKernels:
    """The kernels of one network on the CPU, in the arithmetic of precision ``float32``.

    Parameters
    ----------
    config : DesireConfig
        Of at most 64 time steps.
    """

    name = "compiled"

    def __init__(self, config: DesireConfig) -> None:
        self._config = config
        table = encode_uint8_table(config.num_steps, config.threshold, torch.device("cpu"))
        self._table = pack(table.numpy()[:, None])[0]
        self._errors = _error_table(config)
        self._events = EventLists(config.num_steps, config.num_layers)
        self._workspace = Workspace()

    @staticmethod
    def arrange(weights: Tensor) -> Tensor:
        """Return the weights, (N_o, N_i), in a memory layout with the inputs outermost."""
        return weights.T.contiguous().T

    def encode(self, images: Tensor) -> Any:
        """Return the spike trains of images, (B, N_0) words."""
        mean = self._config.image_brightness
        if images.dtype == torch.uint8 and mean:
            wanted = round(255 * images.shape[1] * mean)
            return look_up_equalized(self._table, images.numpy(), wanted)
        images = rule.equalize_brightness(images, mean)
        if images.dtype == torch.uint8:
            return look_up(self._table, images.numpy())
        return pack(rule.encode(images, self._config.num_steps, self._config.threshold).numpy())

    def drop(self, trains: Any, mask: Tensor) -> Any:
        """Silence the neurons whose mask, (B, N) bool, is false."""
        return silence(trains, mask.numpy())

    def counts(self, trains: Any) -> Tensor:
        """Count the spikes: (B, N) int64."""
        return torch.from_numpy(count(trains))

    def count_together(self, trains: Any, chosen: Tensor | None = None) -> Tensor:
        """Count the spikes of all samples together, or of those chosen, (B,) bool: (N,) int64."""
        if chosen is not None:
            trains = trains[chosen.numpy()]
        return torch.from_numpy(count_together(trains))

    def unpack(self, trains: Any) -> Tensor:
        """Return the trains as (T, B, N) bool."""
        steps = np.arange(self._config.num_steps, dtype=np.uint64)[:, None, None]
        return torch.from_numpy(((trains >> steps) & np.uint64(1)).astype(bool))

    def to_bytes(self, trains: Any, chosen: Tensor) -> Tensor:
        """Pack the trains of chosen samples, (R,) indices: (R, ⌈T/8⌉, N) uint8."""
        shape = (len(chosen), num_planes(self._config.num_steps), trains.shape[1])
        planes = np.empty(shape, np.uint8)
        split_words(trains, chosen.numpy(), planes)
        return torch.from_numpy(planes)

    def from_bytes(self, planes: Tensor, chosen: Tensor, batch_size: int) -> Any:
        """Return the trains of a batch, silent but for the chosen samples: (B, N) words."""
        words = np.zeros((batch_size, planes.shape[2]), np.uint64)
        join_words(planes.numpy(), chosen.numpy(), words)
        return words

    def run_layer(
        self, weights: Tensor, trains: Any, lag: int, gain: float, mask: Tensor | None
    ) -> Any:
        """Run one layer over the window (Eq. 1 and 16).

        Parameters
        ----------
        weights : Tensor
            (N_o, N_i) float32.
        trains : ndarray
            Input trains, (B, N_i).
        lag : int
            Steps by which the input arrives later than it was sent, 0 or 1.
        gain : float
            Scale of the input spikes.
        mask : Tensor or None
            Dropout mask, (B, N_o) bool.

        Returns
        -------
        ndarray
            Output trains, (B, N_o).

        Raises
        ------
        FloatingPointError
            If a weight or a potential is NaN or infinite.
        """
        config = self._config
        rows = weights.T.contiguous().numpy()
        num_in, num_out = rows.shape
        tile = TILE if num_out > NARROW else NARROW
        spikes = np.empty((len(trains), num_out), np.uint64)
        masks = _NO_MASK if mask is None else mask.contiguous().numpy()
        heard = self._events.of(trains, lag)
        are_finite: list[bool] = []

        def piece(first: int, last: int, first_sample: int, last_sample: int) -> None:
            is_finite = scan_layer(
                rows,
                heard.used,
                heard.unit_begin,
                heard.members,
                heard.num_sums,
                heard.events,
                heard.step_begin,
                heard.depth,
                heard.most,
                gain,
                config.decay,
                config.threshold,
                config.reset == "subtract",
                masks,
                spikes,
                self._workspace.take("tile", (2 * num_in, tile), np.float32),
                first,
                last,
                first_sample,
                last_sample,
            )
            are_finite.append(is_finite)

        in_parallel_tiles(piece, num_out, tile, len(trains))
        if not all(are_finite):
            raise FloatingPointError("a potential is NaN or infinite")
        return spikes

    def hidden_desire(
        self, weights: Tensor, desire: Tensor, trains: Any, mask: Tensor | None
    ) -> Tensor:
        """Pass desires backward through a layer (Eq. 13 to 15).

        Parameters
        ----------
        weights : Tensor
            (N_o, N_i) float32.
        desire : Tensor
            d of the layer's neurons, (B, N_o) int8.
        trains : ndarray
            Their trains, (B, N_o).
        mask : Tensor or None
            Their dropout mask, (B, N_o) bool.

        Returns
        -------
        Tensor
            d of the neurons before them, (B, N_i) int8.
        """
        signs, masks = desire.numpy(), _NO_MASK if mask is None else mask.numpy()
        rows = weights.T.contiguous().numpy()
        desires = np.zeros((len(signs), len(rows)), np.int8)
        active = np.flatnonzero(signs.any(axis=1))
        if len(active):
            errors = local_errors(active, signs, trains, masks, self._errors)
            threshold = np.float32(self._config.desire_threshold_hidden)
            in_parallel(partial(ternarise, rows, errors, threshold, active, desires), len(rows), 8)
        return torch.from_numpy(desires)

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
        """Add the summed change of weights to them (Eq. 4).

        Parameters
        ----------
        weights : Tensor
            (N_o, N_i) float32, changed in place.
        learning_rate : float
            η.
        desire : Tensor
            d, (B, N_o) int8.
        mask : Tensor or None
            Dropout mask of the neurons, (B, N_o) bool.
        inputs, outputs : ndarray
            Trains before and behind the synapses, (B, N_i) and (B, N_o).
        lag : int
            Steps by which the input arrives later than it was sent.

        Returns
        -------
        Tensor
            Samples of which a neuron that is kept has desire, (B,) bool.
        """
        config = self._config
        signs = desire.numpy()
        if mask is not None:
            signs = signs * mask.numpy()
        desiring = signs.any(axis=1)
        active = np.flatnonzero(desiring)
        if len(active):
            heard = self._events.of(inputs, lag)
            with _by_input(weights) as rows:
                room = max(_PAIRINGS, len(rows) * BLOCK) // GROUP

                def piece(first: int, last: int) -> None:
                    learn_tiles(
                        rows,
                        learning_rate,
                        active,
                        signs,
                        outputs,
                        heard.unit_words,
                        heard.inputs,
                        heard.unit_of,
                        heard.unit_begin,
                        heard.num_units,
                        heard.used,
                        config.num_steps,
                        config.decay,
                        self._workspace.take("sums", (len(rows), BLOCK), np.float64),
                        self._workspace.take("pairings", (room, GROUP), np.float64),
                        first,
                        last,
                    )

                in_parallel(piece, rows.shape[1], _grain(rows.shape[1]))
        return torch.from_numpy(desiring)

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
        masks = _NO_MASK if mask is None else mask.numpy()
        desired = desired_spikes_of(desire.numpy(), masks, outputs)
        if not desired.any():
            return
        scaled = (-learning_rate * desired).astype(np.float32)
        with _by_input(weights) as rows:
            in_parallel(partial(add_outer, rows, baseline.numpy(), scaled), len(rows))

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
        lifted = rule.rate_floor_change(rate.numpy(), floor, _ONE, num_samples, learning_rate)[:, 0]
        if lifted.any():
            with _by_input(weights) as rows:
                in_parallel(partial(add_outer, rows, mean_traces.numpy(), lifted), len(rows))

    def limit(self, weights: Tensor, limit: float) -> None:
        """Clip weights to a magnitude, in place."""
        with _by_input(weights) as rows:
            in_parallel(partial(limit_rows, rows, np.float32(limit)), len(rows))

    def move_average(self, average: Tensor, weights: Tensor, share: float) -> None:
        """Move an average of weights towards them by a share of the way, in place."""
        rows = weights.T.contiguous().numpy()
        with _by_input(average) as means:
            in_parallel(partial(move_rows, means, rows, np.float32(share)), len(rows))


def _grain(num_neurons: int) -> int:
    """Return how many neurons an update takes at a time: as many in each of few large pieces."""
    num_pieces = num_threads() * -(-num_neurons // (num_threads() * BLOCK))
    return GROUP * -(-num_neurons // (num_pieces * GROUP))


@contextmanager
def _by_input(weights: Tensor) -> Iterator[Any]:
    """Give weights, (N_o, N_i), as an array (N_i, N_o) to be changed, which changes them."""
    rows = weights.T.contiguous()
    yield rows.numpy()
    if rows.data_ptr() != weights.data_ptr():
        weights.copy_(rows.T)


def _error_table(config: DesireConfig) -> Any:
    """Tabulate local errors by desire + 1 and spike count: (3, T + 1) float32 (Eq. 14)."""
    counts = torch.arange(config.num_steps + 1)
    rates = rule.firing_rate(counts, config.num_steps, config.error_margin)
    desires = torch.tensor([[-1], [0], [1]], dtype=torch.int8)
    return rule.local_error(desires.expand(3, len(counts)), rates).numpy()
