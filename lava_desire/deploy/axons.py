"""Which synapses lead from a layer's neurons to which cores, and the lists that store them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np

from lava_desire.deploy.chips.base import SynapseLists
from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Synapse

Counts = np.ndarray[Any, np.dtype[np.int64]]


_AT_ONCE = 32  # cores


@dataclass(frozen=True)
class Axons:
    """Synapses from each presynaptic neuron to each core of a layer, or back for errors.

    `number`, (cores,), counts the presynaptic neurons that have synapses in a core, `reached`,
    (N,), the cores that each of them sends to; `lists` has for each core the lengths of the lists
    of synapses that it stores, and how many there are of each. Lists that lead to all neurons of
    the core need no numbers of neurons: `counts_up`.
    """

    number: Counts
    reached: Counts
    lists: list[tuple[Counts, Counts]]
    counts_up: bool

    @property
    def synapses(self) -> int:
        """Synapses that are stored."""
        return sum(int(lengths @ numbers) for lengths, numbers in self.lists)


@lru_cache(maxsize=64)
def axons(
    synapse: Synapse, cores: int, backward: bool = False, shares: bool = False, groups: int = 1
) -> Axons:
    """Count the synapses to each core.

    Postsynaptic neurons are spread over `cores`, each of the `groups` of channels over so many; or
    `backward`, where errors go back by Wᵀ, those before the synapse. With `shares` a core stores a
    list of weights once that several neurons have.
    """
    if isinstance(synapse, Conv2d) and not backward and cores <= synapse.num_positions:
        return _of_convolution(synapse, cores, shares, groups)
    return _counted(synapse, cores, backward, shares, groups)


def _of_convolution(synapse: Conv2d, cores: int, shares: bool, groups: int) -> Axons:
    """Count for one channel of each side; each of those before it has synapses to all of a core."""
    one = Conv2d(1, synapse.kernel_size, synapse.stride, synapse.padding)
    found = _counted(one.connected((1, *synapse.pre_shape[1:])), cores, False, shares, 1)
    channels, before = np.arange(synapse.out_channels), synapse.in_channels
    return Axons(
        np.tile(found.number * before, groups),
        np.tile(found.reached * groups, before),
        [
            (lengths * len(group), many * before)
            for group in np.array_split(channels, groups)
            for lengths, many in found.lists
        ],
        counts_up=False,
    )


def _counted(synapse: Synapse, cores: int, backward: bool, shares: bool, groups: int) -> Axons:
    shape = synapse.pre_shape if backward else synapse.post_shape
    sources = synapse.num_post if backward else synapse.num_pre
    if synapse.num_weights == synapse.num_pre * synapse.num_post:
        lists = [(np.array([size]), np.array([sources])) for size in sizes(shape, cores, groups)]
        whole = np.full(len(lists), sources), np.full(sources, len(lists))
        return Axons(*whole, lists, counts_up=True)
    summed = synapse.forward if backward else synapse.transpose
    ones = np.ones(synapse.weight_shape)
    # Lists of the same weights have the same sum of large random numbers.
    random = np.random.default_rng(0).integers(1, 1 << 40, ones.shape).astype(float)
    number, reached, lists, parts = [], np.zeros(sources, np.int64), [], split(shape, cores, groups)
    for first in range(0, len(parts), _AT_ONCE):
        some = parts[first : first + _AT_ONCE]
        members = np.zeros((len(some), int(np.prod(shape))))
        for row, part in zip(members, some, strict=True):
            row[part] = 1
        lengths = summed(ones, members).astype(np.int64)
        names = summed(random, members) if shares else None
        reached += (lengths > 0).sum(0)
        for row, found in enumerate(lengths):
            number.append(int((found > 0).sum()))
            if names is not None:
                found = found[np.unique(names[row], return_index=True)[1]]
            lists.append(np.unique(found[found > 0], return_counts=True))
    return Axons(np.array(number), reached, lists, counts_up=False)


def split(shape: tuple[int, ...], cores: int, groups: int = 1) -> list[Counts]:
    """Spread neurons evenly over cores, by position, whole positions where there are enough.

    Of each of the `groups` of channels by itself, one group after the other.
    """
    by_position = np.moveaxis(np.arange(np.prod(shape)).reshape(shape), 0, -1)
    positions = by_position.reshape(-1, shape[0] if len(shape) > 1 else 1)
    if cores > len(positions):
        positions = positions.reshape(-1, 1)
    return [
        part.ravel()
        for group in np.array_split(positions, groups, axis=1)
        for part in np.array_split(group, cores)
    ]


def sizes(shape: tuple[int, ...], cores: int, groups: int = 1) -> Counts:
    """Return how many neurons each core holds."""
    return np.array([len(part) for part in split(shape, cores, groups)])


def by_core(values: Counts, shape: tuple[int, ...], cores: int, groups: int = 1) -> Counts:
    """Sum a number a neuron over the neurons of each core."""
    return np.array([values[part].sum() for part in split(shape, cores, groups)])


def wide_enough(bits: int, widths: tuple[int, ...]) -> int:
    """Return the narrowest of the `widths` that holds `bits`; `bits` where none does."""
    return next((width for width in widths if width >= bits), bits)


def list_bits(counts: Counts, entry: int, lists: SynapseLists | None) -> Counts:
    """Return the bits of lists of `counts` synapses, each of `entry` bits."""
    if lists is None:
        return counts * entry
    full, rest = np.divmod(counts, lists.synapses_per_list)

    def words(length: Any) -> Any:
        return -(-(length * entry + lists.header_bits) // lists.word_bits) * lists.word_bits

    return full * words(lists.synapses_per_list) + np.where(rest > 0, words(rest), 0)
