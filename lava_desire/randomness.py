"""All random numbers: weights, dropout, order and shifts of samples, rounding.

Every draw comes from a Philox generator keyed by the run's seed and by what the draw is for, so
that the numbers depend on neither device, batch size nor which other draws were made before.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from lava_desire.config import DesireConfig
from lava_desire.model.fields import MOST_SAMPLES

_WEIGHTS, _DROPOUT, _ORDER, _SHIFTS, _TRACE_ROUNDING, _WEIGHT_ROUNDING = range(6)
_FEEDBACK, _SPLIT, _SPIKE_DROP = 6, 7, 8
_TABLES = {"trace": _TRACE_ROUNDING, "weight": _WEIGHT_ROUNDING, "spike": _SPIKE_DROP}
_WORDS_A_COUNT = 4  # a Philox counter yields four 64-bit words ...
_DRAWS_A_COUNT = 2 * _WORDS_A_COUNT  # ... that is eight 32-bit draws
_COUNTER_PERIOD = 2**256
_PART = 1 << 16  # weights drawn at a time
_COUNTERS = 2**63 - 1  # that a kernel can tell apart


def _generator(seed: int, purpose: int, index: int) -> np.random.Generator:
    return np.random.Generator(np.random.Philox(key=_key(seed, purpose, index)))


def _key(seed: int, purpose: int, index: int) -> npt.NDArray[np.uint64]:
    return np.array([seed, (purpose << 32) | index], dtype=np.uint64)


def initial_weights(
    config: DesireConfig | Sequence[int], seed: int | None = None
) -> list[npt.NDArray[np.float32]]:
    """Draw Kaiming-normal weights, N(0, 2 / fan-in).

    With a `synapse_decay` α, N(0, 2·(1 − α) / fan-in): a current that lasts adds up. It would do so
    by 1 / (1 − α) from inputs that spike at a steady rate, and by less from single spikes.

    Parameters
    ----------
    config : DesireConfig or sequence of int
        Its `synapses` and `seed`; or sizes ``(N_0, ..., N_L)`` of fully connected layers.
    seed : int, optional
        Of the draws, in the place of the config's; expected with sizes.

    Returns
    -------
    list of ndarray
        L float32 arrays, each of its synapse's `weight_shape`; (N_ℓ, N_{ℓ−1}) where dense.
    """
    if not isinstance(config, DesireConfig):
        config = DesireConfig(tuple(config))
    seed = config.seed if seed is None else seed
    layers = range(1, config.num_layers + 1)
    return [_weights_like(config, seed, _WEIGHTS, layer) for layer in layers]


def _spread(config: DesireConfig, layer: int) -> float:
    return config.synapses[layer - 1].initial_spread * math.sqrt(1 - config.synapse_decay)


def _weights_like(
    config: DesireConfig, seed: int, purpose: int, layer: int
) -> npt.NDArray[np.float32]:
    generator, spread = _generator(seed, purpose, layer), _spread(config, layer)
    weights = np.empty(config.synapses[layer - 1].weight_shape, np.float32)
    flat = weights.reshape(-1)
    for begin in range(0, len(flat), _PART):  # float64 of all of them takes four times the memory
        part = flat[begin : begin + _PART]
        part[:] = generator.standard_normal(len(part)) * spread
    return weights


def feedback_held(config: DesireConfig, layer: int) -> Any:
    """Return what the config's `feedback_policy` keeps of a layer.

    Parameters
    ----------
    config : DesireConfig
        With such a policy.
    layer : int
        ℓ in 2 to L.

    Returns
    -------
    ndarray
        Its synapse's `weight_shape`, float32.
    """
    drawn = (_weights_like(config, config.seed, which, layer) for which in (_WEIGHTS, _FEEDBACK))
    policy: Any = config.feedback_policy
    return policy.held(*drawn, _spread(config, layer))


def epoch_order(seed: int, epoch: int, num_samples: int) -> npt.NDArray[np.int64]:
    """Return the order in which an epoch visits the samples.

    It depends on the arguments alone, so that a resumed epoch goes on where it was.

    Parameters
    ----------
    seed : int
        The run's seed.
    epoch : int
        Counted from 0.
    num_samples : int
        How many there are.

    Returns
    -------
    ndarray
        A permutation of the samples, (num_samples,) int64.

    Examples
    --------
    >>> epoch_order(seed=0, epoch=0, num_samples=5)
    array([0, 2, 4, 1, 3])
    """
    return _generator(seed, _ORDER, epoch).permutation(num_samples)


def validation_split(
    labels: npt.ArrayLike, share: float, seed: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Part samples into those to learn and those to validate with, class by class.

    Each class gives its share, to within one sample, drawn at random.

    Parameters
    ----------
    labels : array
        (S,) integers: the class of each sample.
    share : float
        Of the samples to validate with, in (0, 1); as many as round(share · S).
    seed : int
        The run's seed.

    Returns
    -------
    learned, held_out : ndarray
        (S − V,) and (V,) int64, the numbers of the samples, in rising order.

    Raises
    ------
    ValueError
        If the share is out of range, or leaves one of the two without a sample.

    Examples
    --------
    >>> learned, held_out = validation_split([0, 0, 0, 1, 1, 1], 1 / 3, seed=0)
    >>> learned, held_out
    (array([0, 2, 3, 5]), array([1, 4]))
    """
    if isinstance(share, bool) or not isinstance(share, float) or not 0 < share < 1:
        raise ValueError(f"validation is {share!r}: expected a share in (0, 1), as 0.1")
    numbers = np.asarray(labels)
    count = round(share * len(numbers))
    if not 0 < count < len(numbers):
        raise ValueError(
            f"validation is {share} of {len(numbers)} samples, which is {count}: expected a share "
            "that leaves at least one to validate with and one to learn"
        )
    place = np.empty(len(numbers))
    for label in np.unique(numbers):
        (members,) = np.nonzero(numbers == label)
        order = _generator(seed, _SPLIT, int(label)).permutation(len(members))
        place[members] = (order + 0.5) / len(members)
    # Equal places, of classes of one size, are taken in the order of the samples.
    chosen = np.argsort(place, kind="stable")
    return np.sort(chosen[count:]), np.sort(chosen[:count])


def epoch_shifts(
    seed: int, epoch: int, num_samples: int, largest: int, share: float = 1.0
) -> npt.NDArray[np.int64]:
    """Draw how far an epoch moves its images.

    Parameters
    ----------
    seed : int
        The run's seed.
    epoch : int
        Counted from 0.
    num_samples : int
        S.
    largest : int
        Largest shift in pixels, at least 0.
    share : float
        Probability that a sample is given a shift, in [0, 1]; the others stay.

    Returns
    -------
    ndarray
        (S, 2) int64 in [−largest, largest]: pixels down and to the right, in the order in which
        the epoch visits the samples. It depends on the arguments alone.
    """
    return epoch_moves(seed, epoch, num_samples, largest, share=share)[0]


class EpochMoves(NamedTuple):
    """What :func:`epoch_moves` returns."""

    shifts: npt.NDArray[np.int64]
    turns: npt.NDArray[np.float64]
    bends: npt.NDArray[np.int32]
    mirrored: npt.NDArray[np.bool_]
    delays: npt.NDArray[np.int64]
    stays: npt.NDArray[np.bool_]


def epoch_moves(
    seed: int,
    epoch: int,
    num_samples: int,
    largest: int,
    angle: float = 0.0,
    scale: float = 0.0,
    share: float = 1.0,
    bend: int = 0,
    num_bends: int = 0,
    mirror: float = 0.0,
    delay: int = 0,
) -> EpochMoves:
    """Draw how an epoch changes its samples: images, or spike trains.

    Parameters
    ----------
    seed, epoch, num_samples, largest
        See :func:`epoch_shifts`, whose draws come first.
    angle : float
        Largest angle in radians, at least 0.
    scale : float
        Largest share that an image is enlarged or made smaller by, in [0, 1).
    share : float
        Probability that a sample is moved, in [0, 1]; the others stay.
    bend, num_bends : int
        Largest displacement b, below 2**31, and number D of them a sample.
    mirror : float
        Probability that a sample that is moved is mirrored, in [0, 1].
    delay : int
        Largest shift in time, steps.

    Returns
    -------
    shifts : ndarray
        (S, 2) int64, pixels down and to the right.
    turns : ndarray
        (S, 2) float64: the angle in [−angle, angle], anticlockwise, and the factor in
        [1 − scale, 1 + scale].
    bends : ndarray
        (S, D) int32 in [−b, b].
    mirrored : ndarray
        (S,) bool.
    delays : ndarray
        (S,) int64 in [−delay, delay], time steps to a later time.
    stays : ndarray
        (S,) bool: samples that nothing changes.
    """
    generator = _generator(seed, _SHIFTS, epoch)
    shifts = generator.integers(-largest, largest + 1, (num_samples, 2))
    stays = generator.random(num_samples) >= share if share < 1 else np.zeros(num_samples, bool)
    turns = generator.uniform(-1, 1, (num_samples, 2)) * (angle, scale)
    bends = generator.integers(-bend, bend + 1, (num_samples, num_bends), np.int32)
    mirrored = generator.random(num_samples) < mirror
    delays = generator.integers(-delay, delay + 1, num_samples)
    for drawn in (shifts, turns, bends, mirrored, delays):
        drawn[stays] = 0
    turns[:, 1] += 1
    return EpochMoves(shifts, turns, bends, mirrored, delays, stays)


def kept_spikes(
    seed: int, epoch: int, sample: int, num_planes: int, num_inputs: int, probability: float
) -> npt.NDArray[np.uint8]:
    """Draw which spikes of a sample are kept.

    Parameters
    ----------
    seed, epoch : int
        The run's seed, and the epoch, counted from 0.
    sample : int
        Its place in the order in which the epoch visits the samples, from 0.
    num_planes, num_inputs : int
        P and N of packed spikes.
    probability : float
        p in [0, 1), that a spike is lost.

    Returns
    -------
    ndarray
        (P, N) uint8: bit t % 8 of plane t // 8 is 1 where a spike of step t is kept, which is where
        the t % 8-th of eight draws, in [0, 65,536), is at least 65,536·p, rounded. It depends on
        the arguments alone.
    """
    stream = RoundingStream("spike", 1, 4 * num_planes * num_inputs, seed, epoch)
    draws = stream.draw(sample).astype("<u4", copy=False).view("<u2")
    kept = np.packbits(draws[0] >= round(probability * 2**16), bitorder="little")
    return kept.reshape(num_planes, num_inputs)


class DropoutStream:
    """Dropout masks of one layer, sample after sample (Sec. 3.3).

    Sample k has the same mask however the draws before it were grouped.

    Parameters
    ----------
    num_neurons : int
        Neurons N of the layer.
    probability : float
        Probability that a neuron is dropped, in [0, 1).
    seed : int
        The run's seed.
    layer : int
        The layer's number, 0 for the input.

    Raises
    ------
    ValueError
        If the probability is out of range.

    Attributes
    ----------
    key : ndarray
        Of its Philox generator, (2,) uint64. A sample begins with a whole counter.
    least : int
        The smallest k for which a draw of k·2⁻²⁴ keeps its neuron.
    """

    def __init__(self, num_neurons: int, probability: float, seed: int, layer: int) -> None:
        if not 0 <= probability < 1:
            raise ValueError(f"probability is {probability!r}: expected 0 <= probability < 1")
        self.num_neurons = num_neurons
        self.probability = probability
        self.key = _key(seed, _DROPOUT, layer)
        # NumPy compares with the probability in float32.
        self.least = math.ceil(float(np.float32(probability)) * 2**24)
        # Whole counters a sample, so that any sample can be reached by advancing the counter.
        self._draws_a_sample = -(-num_neurons // _DRAWS_A_COUNT) * _DRAWS_A_COUNT
        counters = max(self._draws_a_sample // _DRAWS_A_COUNT, 1)
        self._most = min(MOST_SAMPLES, _COUNTERS // counters)
        self._drawn_to = 0  # where the generator is
        self._generator = self._generator_at(0)
        self.seek(0)

    @property
    def position(self) -> int:
        """Number of the next sample."""
        return self._position

    def seek(self, sample: int) -> None:
        """Make a sample the next one to be drawn.

        Parameters
        ----------
        sample : int
            Counted from 0.

        Raises
        ------
        ValueError
            If it is negative, or so large that a kernel's counter would overflow.
        """
        if sample < 0:
            raise ValueError(f"sample is {sample}: expected sample >= 0")
        self._go_to(sample)

    def skip(self, num_samples: int) -> None:
        """Pass over the masks of the next samples, which cost nothing then.

        Parameters
        ----------
        num_samples : int
            How many, at least 0.

        Raises
        ------
        ValueError
            If the number is negative, or leads beyond what :meth:`seek` takes.
        """
        if num_samples < 0:
            raise ValueError(f"num_samples is {num_samples}: expected num_samples >= 0")
        self._go_to(self._position + num_samples)

    def draw(self, num_samples: int = 1) -> npt.NDArray[np.bool_]:
        """Draw the masks of the next samples.

        Parameters
        ----------
        num_samples : int
            How many.

        Returns
        -------
        ndarray
            (num_samples, N) bool, true where the neuron is kept.

        Raises
        ------
        ValueError
            If they lead beyond what :meth:`seek` takes.
        """
        first = self._position
        self._go_to(first + num_samples)
        if first != self._drawn_to:
            self._generator = self._generator_at(first)
        self._drawn_to = self._position
        return self._kept(self._generator, num_samples)

    def _go_to(self, sample: int) -> None:
        if sample > self._most:
            raise ValueError(f"samples_seen is {sample}: expected samples_seen <= {self._most}")
        self._position = sample

    def _generator_at(self, sample: int) -> np.random.Generator:
        philox = np.random.Philox(key=self.key)
        philox.advance(sample * (self._draws_a_sample // _DRAWS_A_COUNT))
        return np.random.Generator(philox)

    def _kept(self, generator: np.random.Generator, num_samples: int) -> npt.NDArray[np.bool_]:
        if self.probability == 0:
            return np.ones((num_samples, self.num_neurons), dtype=bool)
        draws = generator.random((num_samples, self._draws_a_sample), dtype=np.float32)
        return draws[:, : self.num_neurons] >= self.probability


class RoundingStream:
    """Random words of stochastic rounding, and of spikes that are lost: a table a sample.

    Any row of any sample can be drawn, and is the same whatever was drawn before.

    Parameters
    ----------
    purpose : {"trace", "weight", "spike"}
        Trace: a row a time step and a word an input. Weight: a row a neuron and a word a synapse.
        Spike: a row, see :func:`kept_spikes`.
    num_rows, row_length : int
        Shape of a sample's table.
    seed : int
        The run's seed.
    layer : int
        The plastic layer's number, from 1; of spikes the epoch, from 0.

    Raises
    ------
    ValueError
        If there is no such purpose.
    """

    def __init__(self, purpose: str, num_rows: int, row_length: int, seed: int, layer: int) -> None:
        if purpose not in _TABLES:
            raise ValueError(f"purpose is {purpose!r}: expected one of {', '.join(_TABLES)}")
        self.num_rows = num_rows
        self.row_length = row_length
        self.counters_a_row = -(-row_length // _DRAWS_A_COUNT)
        self.key = _key(seed, _TABLES[purpose], layer)
        self._philox = np.random.Philox(key=self.key)
        self._counter = 0

    def counter_of(self, sample: int, row: int = 0) -> int:
        """Return the Philox counter with which a row of a sample begins.

        Parameters
        ----------
        sample : int
            Number of the sample among those that are learned, from 0.
        row : int
            Row of its table.

        Returns
        -------
        int
            The number of eight words that come before.

        Raises
        ------
        ValueError
            If the sample's counters would overflow in a kernel.
        """
        if (sample + 1) * self.num_rows * self.counters_a_row > _COUNTERS:
            most = _COUNTERS // (self.num_rows * self.counters_a_row) - 1
            raise ValueError(f"samples_seen is {sample}: expected samples_seen <= {most}")
        return (sample * self.num_rows + row) * self.counters_a_row

    def draw(self, sample: int, row: int = 0, count: int | None = None) -> npt.NDArray[np.uint32]:
        """Draw rows of a sample's table.

        Parameters
        ----------
        sample : int
            Number of the sample among those that are learned, from 0.
        row : int
            The first row.
        count : int, optional
            How many rows; all that are left when not given.

        Returns
        -------
        ndarray
            (count, row_length) uint32, uniform.
        """
        count = self.num_rows - row if count is None else count
        wanted = self.counter_of(sample, row)
        if wanted != self._counter:
            self._philox.advance((wanted - self._counter) % _COUNTER_PERIOD)
        counters = count * self.counters_a_row
        self._counter = wanted + counters
        # Little-endian, so that the words are the same on every machine.
        words = self._philox.random_raw(counters * _WORDS_A_COUNT).astype("<u8", copy=False)
        table = words.view("<u4").reshape(count, self.counters_a_row * _DRAWS_A_COUNT)
        return table[:, : self.row_length].astype(np.uint32, copy=False)
