"""Spike trains as data: packed, a bit a time step, in memory or in a file."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from typing import Any, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError, check_planes

_BITS = 8


@dataclass(frozen=True, eq=False)
class SpikeTrains:
    """Packed spike trains of S samples of T time steps and N neurons.

    Bit t % 8 of plane t // 8 is the spike of step t: a sample takes ⌈T/8⌉ · N bytes.

    Parameters
    ----------
    planes : array
        (S, ⌈T/8⌉, N) uint8, its bits beyond step T zero; kept, not copied. Of a memory-map nothing
        is read before samples are asked for.
    num_steps : int
        T, at least 1.
    shape : tuple of int
        Of a sample's neurons in C order, as (2, 34, 34) or (N,).

    Raises
    ------
    DataError
        If the array is of another dtype or shape, or holds spikes beyond step T.

    Examples
    --------
    >>> import numpy as np
    >>> spikes = np.random.default_rng(0).random((20, 5, 2, 34, 34)) < 0.1  # time, sample, ...
    >>> trains = SpikeTrains.pack(spikes)
    >>> len(trains), trains.num_inputs, trains.planes.shape
    (5, 2312, (5, 3, 2312))
    >>> trains[[0, 4]].unpack().shape
    (20, 2, 2312)
    """

    planes: npt.NDArray[np.uint8]
    num_steps: int
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        planes, shape = self.planes, tuple(int(size) for size in self.shape)
        object.__setattr__(self, "shape", shape)
        if self.num_steps < 1 or min(shape, default=0) < 1:
            raise DataError(
                f"num_steps is {self.num_steps} and shape {shape}: expected sizes of at least 1"
            )
        expected = (-(-self.num_steps // _BITS), prod(shape))
        kind, found = getattr(planes, "dtype", type(planes).__name__), np.shape(planes)
        if kind != np.uint8 or len(found) != 3 or found[1:] != expected:
            raise DataError(
                f"planes are {kind} {found}: expected (S, {expected[0]}, {expected[1]}) uint8, of "
                f"{self.num_steps} time steps and neurons of shape {shape}"
            )
        beyond = self.num_steps % _BITS
        if beyond and not self.is_mapped and bool((planes[:, -1] >> beyond).any()):
            raise DataError(f"planes hold spikes beyond step {self.num_steps}: expected zeros")

    @classmethod
    def pack(cls, spikes: Any, name: str = "spikes") -> SpikeTrains:
        """Pack spike trains.

        Parameters
        ----------
        spikes : array
            (T, S, N) or (T, S, C, H, W) bool.
        name : str
            What errors call them.

        Returns
        -------
        SpikeTrains

        Raises
        ------
        DataError
            If they are of another dtype, as counts are, or of another shape.
        """
        check_spikes(spikes, name)
        given = np.asarray(spikes)
        flat = given.reshape(*given.shape[:2], prod(given.shape[2:]))
        planes = np.packbits(flat, axis=0, bitorder="little")
        return cls(np.ascontiguousarray(planes.swapaxes(0, 1)), len(given), given.shape[2:])

    def unpack(self) -> npt.NDArray[np.bool_]:
        """Return all spikes, (T, S, N) bool."""
        planes = np.asarray(self.planes).swapaxes(0, 1)
        spikes = np.unpackbits(planes, axis=0, count=self.num_steps, bitorder="little")
        return spikes.astype(np.bool_)

    @property
    def num_inputs(self) -> int:
        """Neurons a sample, N."""
        return prod(self.shape)

    @property
    def is_mapped(self) -> bool:
        """Whether they lie in a file, and samples are read when they are asked for."""
        return isinstance(self.planes, np.memmap)

    def __len__(self) -> int:
        return len(self.planes)

    def __getitem__(self, samples: Any) -> SpikeTrains:
        """Return some samples, by a slice, (R,) integers or a mask (S,) bool, in memory."""
        if not isinstance(samples, slice):
            samples = sample_numbers(samples, len(self))
        planes = np.array(self.planes[samples]) if self.is_mapped else self.planes[samples]
        return SpikeTrains(planes, self.num_steps, self.shape)


@runtime_checkable
class SpikeSource(Protocol):
    """Labelled spike trains that are read when they are asked for, as from disk.

    What :func:`~lava_desire.engine.fit` and :func:`~lava_desire.engine.evaluate` need of a data set
    that is larger than memory.
    """

    @property
    def labels(self) -> Any:
        """Class a sample, (S,) int64 in [0, K)."""

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """What the K classes are called; None where they are called by their numbers."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a sample's neurons, as (C, H, W)."""

    def __len__(self) -> int: ...

    def spikes(self, samples: Any) -> SpikeTrains:
        """Return some samples.

        Parameters
        ----------
        samples : array
            (R,) int64 numbers of samples, in any order.

        Returns
        -------
        SpikeTrains
            Of these samples, in their order.
        """


class SpikeSubset:
    """Some of the samples of a :class:`SpikeSource`, or of spike trains in a file, read from it.

    `samples` are (R,) int64 numbers of those that this one has, `labels` (R,) int64 their classes.
    """

    def __init__(
        self,
        source: SpikeSource | SpikeTrains,
        samples: npt.NDArray[np.int64],
        labels: npt.NDArray[np.int64],
    ) -> None:
        self._source, self._samples, self.labels = source, samples, labels
        self.class_names: tuple[str, ...] | None = getattr(source, "class_names", None)
        self.shape: tuple[int, ...] = source.shape

    def __len__(self) -> int:
        return len(self._samples)

    def spikes(self, samples: Any) -> SpikeTrains:
        """Return some of them; see :meth:`SpikeSource.spikes`."""
        return read_samples(self._source, self._samples[samples], "samples")


def sample_numbers(samples: Any, count: int) -> npt.NDArray[np.int64]:
    """Return numbers of samples, (R,) int64: integers as they are, or where a mask (S,) is true."""
    given = np.asarray(samples)
    if given.dtype == np.bool_ and given.shape == (count,):
        return np.flatnonzero(given)
    if given.ndim != 1 or (given.size and given.dtype.kind not in "iu"):
        raise DataError(
            f"samples are {given.dtype} {given.shape}: expected (R,) integers, or a mask of bool, "
            f"({count},), as there are {count} samples"
        )
    return given.astype(np.int64, copy=False)


def read_samples(source: SpikeSource | SpikeTrains, samples: Any, name: str) -> SpikeTrains:
    """Return samples by their numbers, (R,) int64, or refuse what a source returned for them."""
    found = source[samples] if isinstance(source, SpikeTrains) else source.spikes(samples)
    if not isinstance(found, SpikeTrains) or len(found) != len(samples):
        given = f"{len(found)} samples" if isinstance(found, SpikeTrains) else type(found).__name__
        raise DataError(
            f"{name}: spikes() returned {given} for {len(samples)} samples: expected SpikeTrains "
            "of as many"
        )
    return found


def first_samples(samples: Any, count: int) -> Any:
    """Return the first of a data set's samples, as :attr:`Dataset.train` has them, in memory."""
    if isinstance(samples, SpikeSource):
        return samples.spikes(np.arange(min(count, len(samples))))
    return samples[:count]


def check_size(
    num_steps: int,
    shape: tuple[int, ...],
    expected: tuple[int, int],
    name: str,
    input_shape: tuple[int, ...] = (),
) -> None:
    """Refuse trains of other time steps or neurons than the T and N_0 that a network expects.

    Of a network with an `input_shape` (C, H, W), also neurons in planes of another shape.
    """
    if num_steps != expected[0]:
        raise DataError(
            f"{name} are spike trains of {num_steps} time steps: expected num_steps = "
            f"{expected[0]}; time comes first, (time steps, samples, neurons), and images of true "
            "and false are given as float32"
        )
    if prod(shape) != expected[1]:
        raise DataError(
            f"{name} are spike trains of neurons of shape {shape}: expected {expected[1]} neurons, "
            "the network's inputs"
        )
    if input_shape:
        check_planes(shape, input_shape, name)


def spread(num_samples: int, most: int = 256) -> npt.NDArray[np.int64]:
    """Return numbers of samples from the first to the last, all or at most so many, (R,) int64."""
    return np.unique(np.linspace(0, num_samples - 1, min(num_samples, most)).astype(np.int64))


def is_spikes(given: Any) -> bool:
    """Say whether data are spike trains and not images: packed, or bool of 3 or more dimensions."""
    if isinstance(given, SpikeTrains):
        return True
    kind = str(getattr(given, "dtype", "")).removeprefix("torch.")
    return kind == "bool" and given.ndim >= 3


def check_spikes(spikes: Any, name: str = "spikes") -> None:
    """Refuse what are no spike trains, (T, S, N) or (T, S, C, H, W) bool.

    Raises DataError that calls them `name` and says what to do.
    """
    kind, shape = str(getattr(spikes, "dtype", type(spikes).__name__)), tuple(np.shape(spikes))
    if kind.removeprefix("torch.") != "bool":
        raise DataError(
            f"{name} are {kind}: expected bool, true where a neuron spikes in a time step; of "
            f"counts, {name} > 0 is a spike where there was an event or several"
        )
    if len(shape) not in (3, 5):
        raise DataError(
            f"{name} have shape {shape}: expected (time steps, samples, neurons), or (time steps, "
            "samples, channels, height, width)"
        )
    if 0 in (shape[0], *shape[2:]):
        raise DataError(f"{name} have shape {shape}: expected a time step and a neuron at least")
