"""Spike trains as words, and the lists of events that the compiled kernels work through.

A spike train of up to 64 steps is one 64-bit word a neuron: bit t is the spike of step t. Inputs
of a sample that have the very same train form one *unit*: their weights need to be added only once
instead of at every spike, and an update pairs them with a neuron only once. Pixels of an image
come in few trains, as there are few brightnesses; silent inputs are in no unit at all.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import numpy as np

from lava_desire.backends.numba.jit import njit
from lava_desire.backends.numba.simd import WORDS, list_words, prefetch
from lava_desire.backends.numba.threads import Workspace, pieces_of, ranges, share

ROUNDOFF = 2.0**-24
"""The largest relative error of a float32 operation."""

_HASH = np.uint64(
    0x9E3779B97F4A7C15
)  # 2^64 divided by the golden ratio: spreads words over a table
_EMPTY = np.uint32(0xFFFFFFFF)  # in a table: no kind
_ALONE = _EMPTY  # of a kind without a sum: no unit

_Function = TypeVar("_Function", bound=Callable[..., Any])


def compiled(function: _Function) -> _Function:
    """Compile a function in IEEE arithmetic, without Python's lock."""
    result: _Function = njit(nogil=True, error_model="numpy")(function)
    return result


def compiled_in_any_order(function: _Function) -> _Function:
    """Compile a function whose sums may be taken in any order, and so by vectors."""
    freedom = {"reassoc", "contract"}
    result: _Function = njit(nogil=True, error_model="numpy", fastmath=freedom)(function)
    return result


class EventLists(threading.local):
    """The lists of the trains that last arrived, one set a thread.

    `num_kept` lists are kept for an update, whose buffers are used again, and the last one of
    trains that were in passing.
    """

    def __init__(self, num_steps: int, num_kept: int) -> None:
        self._arguments = (num_steps, num_kept)
        self._workspace = Workspace()
        self._kept: dict[int, tuple[Any, int, Events]] = {}  # by place
        self._next = 0

    def __reduce__(self) -> tuple[type[EventLists], tuple[int, int]]:
        """Let copies, in this process or another, begin empty."""
        return EventLists, self._arguments

    def clear(self) -> None:
        """Give up this thread's lists, and their memory."""
        self._kept.clear()
        self._workspace.clear()

    def of(self, words: Any, delay: int, in_passing: bool = False) -> Events:
        """Return the events of trains, which nobody changes; see :func:`list_events`.

        `in_passing` says that they will hardly be asked for again: such lists share one place, as
        those of all layers take several times the memory.
        """
        num_steps, num_kept = self._arguments
        for trains, steps, events in self._kept.values():
            if trains is words and steps == delay:
                return events
        place = num_kept if in_passing else self._next
        self._next = (self._next + 1) % num_kept
        self._kept.pop(place, None)  # before larger ones are made
        found = list_events(words, delay, num_steps, self._workspace, str(place))
        self._kept[place] = words, delay, found
        return found


@dataclass(frozen=True)
class Events:
    """Which inputs spike when, for a batch of B samples and a layer of N inputs.

    Parameters
    ----------
    unit_words : ndarray
        (B, N) uint64: trains of the sample's units, as they arrive; the first `num_units` count.
    unit_begin : ndarray
        (B, N + 1) int32: where a unit's members begin in `members`.
    members : ndarray
        (B, N) int32: inputs, by their places in `used`, unit by unit.
    inputs, unit_of : ndarray
        (B, N + 1) and (B, N) int32: the inputs whose spikes arrive, in their own order, and the
        unit of each.
    num_units, num_sums, num_plain : ndarray
        (B,) int64: units of the sample; the weights of the first `num_sums` of them are summed
        before the window runs. Those from `num_plain` on spike in most steps: they are added in all
        of them together, and subtracted where they are silent.
    groups, num_groups : ndarray
        (B, 2·N + 2, 8) int32 and (B,) int64: how they are summed, see
        :func:`~lava_desire.backends.numba.simd.make_sum_units`.
    events : ndarray
        (B, T·(N + 8)) int32: what is added step by step, as numbers of rows: input `used[i]` as i,
        nothing as U, the sum of unit k as U + 1 + k, or its negative from `num_plain` on, and the
        sum of all these units as U + 1 + `num_sums`.
    step_begin : ndarray
        (B, T + 1) int64: where a step's events begin, in multiples of four.
    depth, most : ndarray
        (B,) int64: additions that a term of a current passes through at most, and inputs that
        spike in the same step at most: they bound rounding errors.
    used : ndarray
        (U,) int64: inputs that spike in some sample.
    """

    unit_words: Any
    unit_begin: Any
    members: Any
    inputs: Any
    unit_of: Any
    num_units: Any
    num_sums: Any
    num_plain: Any
    groups: Any
    num_groups: Any
    events: Any
    step_begin: Any
    depth: Any
    most: Any
    used: Any


def list_events(words: Any, delay: int, num_steps: int, workspace: Workspace, name: str) -> Events:
    """List the events of trains, (B, N) words, that arrive `delay` steps after they were sent.

    The lists lie in the workspace's buffers of that name, until those are used again.
    """
    batch_size, size = words.shape

    def take(part: str, shape: tuple[int, ...], dtype: Any) -> Any:
        return workspace.take(f"{name}.{part}", shape, dtype)

    events = Events(
        take("unit_words", (batch_size, size), np.uint64),
        take("unit_begin", (batch_size, size + 1), np.int32),
        take("members", (batch_size, size), np.int32),
        take("inputs", (batch_size, size + 1), np.int32),
        take("unit_of", (batch_size, size), np.int32),
        take("num_units", (batch_size,), np.int64),
        take("num_sums", (batch_size,), np.int64),
        take("num_plain", (batch_size,), np.int64),
        take("groups", (batch_size, 2 * size + 2, 8), np.int32),
        take("num_groups", (batch_size,), np.int64),
        take("events", (batch_size, num_steps * (size + 8)), np.int32),
        take("step_begin", (batch_size, num_steps + 1), np.int64),
        take("depth", (batch_size,), np.int64),
        take("most", (batch_size,), np.int64),
        _used(words),
    )
    *lists, used = vars(events).values()
    share(partial(_list_events, words, used, delay, num_steps, *lists), ranges(batch_size))
    return events


@compiled
def pack(spikes: Any) -> Any:
    """Return (T, B, N) bool trains as (B, N) words."""
    num_steps, batch_size, size = spikes.shape
    words = np.zeros((batch_size, size), np.uint64)
    for step in range(num_steps):
        for sample in range(batch_size):
            for neuron in range(size):
                words[sample, neuron] |= np.uint64(spikes[step, sample, neuron]) << np.uint64(step)
    return words


@compiled
def look_up(table: Any, images: Any) -> Any:
    """Return the trains of pixels, (B, N) uint8, from a table of all: (B, N) words."""
    words = np.empty(images.shape, np.uint64)
    for sample in range(images.shape[0]):
        for pixel in range(images.shape[1]):
            words[sample, pixel] = table[images[sample, pixel]]
    return words


@compiled
def silence(words: Any, kept: Any) -> Any:
    """Return trains, (B, N) words, that are silent where `kept`, (B, N) bool, is false."""
    silenced = np.empty(words.shape, np.uint64)
    for sample in range(words.shape[0]):
        for neuron in range(words.shape[1]):
            silenced[sample, neuron] = words[sample, neuron] * np.uint64(kept[sample, neuron])
    return silenced


@compiled
def split_words(words: Any, chosen: Any, planes: Any) -> None:
    """Take trains apart into bytes: words of the R chosen samples → (R, P, N) uint8, filled."""
    for row in range(len(chosen)):
        for plane in range(planes.shape[1]):
            for neuron in range(planes.shape[2]):
                word = words[chosen[row], neuron] >> np.uint64(8 * plane)
                planes[row, plane, neuron] = np.uint8(word & np.uint64(0xFF))


@compiled
def join_words(planes: Any, chosen: Any, words: Any) -> None:
    """Put trains together again: (R, P, N) uint8 → the chosen rows of (B, N) words, all zero."""
    for row in range(len(chosen)):
        for plane in range(planes.shape[1]):
            for neuron in range(planes.shape[2]):
                byte = np.uint64(planes[row, plane, neuron])
                words[chosen[row], neuron] |= byte << np.uint64(8 * plane)


@compiled
def popcount(word: Any) -> Any:
    """Count the bits of a word, two, four, eight … at a time."""
    word = word - ((word >> np.uint64(1)) & np.uint64(0x5555555555555555))
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return (word * np.uint64(0x0101010101010101)) >> np.uint64(56)


@compiled
def count_together(trains: Any) -> Any:
    """Count the spikes of all samples together: (B, N) words → (N,) int64."""
    total = np.zeros(trains.shape[1], np.int64)
    for sample in range(trains.shape[0]):
        for j in range(trains.shape[1]):
            total[j] += np.int64(popcount(trains[sample, j]))
    return total


@compiled
def count(words: Any) -> Any:
    """Count the spikes of trains: (B, N) words → (B, N) int64."""
    counts = np.empty(words.shape, np.int64)
    for sample in range(words.shape[0]):
        for neuron in range(words.shape[1]):
            counts[sample, neuron] = np.int64(popcount(words[sample, neuron]))
    return counts


@compiled
def most_spikes(words: Any) -> Any:
    """Return which train of a sample has most spikes: (B, N) words → (B,) int64, −1 for a tie."""
    found = np.empty(words.shape[0], np.int64)
    for sample in range(words.shape[0]):
        most: Any = -1
        for neuron in range(words.shape[1]):
            spikes = np.int64(popcount(words[sample, neuron]))
            if spikes > most:
                most, found[sample] = spikes, neuron
            elif spikes == most:
                found[sample] = -1
    return found


@compiled
def _used(words: Any) -> Any:
    seen, used = np.empty(words.shape[1], np.uint64), np.empty(words.shape[1], np.int64)
    unite(words, seen, 0, len(seen))
    return used[: list_used(seen, used)]


@compiled
def unite(words: Any, seen: Any, first: int, last: int) -> None:
    """Unite the trains of all samples, of neurons first to last: (B, N) words → (N,) words."""
    seen[first:last] = 0
    for sample in range(len(words)):
        for neuron in range(first, last):
            seen[neuron] |= words[sample, neuron]


@compiled
def list_used(seen: Any, used: Any) -> Any:
    """List which of N neurons spike, (N,) int64, by united trains; return how many do."""
    found: Any = 0
    for neuron in range(len(seen)):
        used[found] = neuron
        found += np.int64(seen[neuron] != 0)
    return found


@compiled
def depth_of_sum(num_rows: int) -> int:
    """Bound the additions that a row passes through in a sum of :mod:`.simd` or :mod:`.rows`."""
    return num_rows // 4 + 6


@compiled
def _list_events(
    words: Any,
    used: Any,
    delay: int,
    num_steps: int,
    unit_words: Any,
    unit_begin: Any,
    members: Any,
    inputs: Any,
    unit_of: Any,
    num_units: Any,
    num_sums: Any,
    num_plain: Any,
    groups: Any,
    num_groups: Any,
    events: Any,
    step_begin: Any,
    depth: Any,
    most: Any,
    board: Any,
    thread: int,
) -> None:
    size, first_sum = words.shape[1], len(used) + 1
    place_of = np.empty(size, np.int32)
    for place in range(len(used)):
        place_of[used[place]] = place
    room = make_grouping_room(size)
    row_of, trains = np.empty(size + 2, np.int32), np.empty(size, np.uint64)
    listed = np.empty(size + WORDS, np.uint64)
    window = (~np.uint64(0) >> np.uint64(64 - num_steps)) & (~np.uint64(0) << np.uint64(delay))
    for piece in pieces_of(board, thread):
        for sample in range(piece[0], piece[1]):
            num_active = _arriving(words[sample], delay, num_steps, inputs[sample], trains)
            found, sums, plain = _group(
                inputs[sample, :num_active],
                trains,
                place_of,
                first_sum,
                np.int64(popcount(window)),
                room,
                unit_words[sample],
                unit_begin[sample],
                members[sample],
                unit_of[sample],
                row_of,
            )
            num_units[sample], num_sums[sample], num_plain[sample] = found, sums, plain
            num_groups[sample], deepest = _list_sums(
                unit_begin[sample], members[sample], sums, plain, first_sum, groups[sample]
            )
            longest, most[sample] = _order_by_step(
                unit_words[sample, :found],
                unit_begin[sample],
                row_of,
                plain,
                sums,
                window,
                first_sum,
                listed,
                events[sample],
                step_begin[sample],
            )
            depth[sample] = deepest + depth_of_sum(longest)
            if sample + 1 < piece[1]:
                # The next sample's lists are about as long, and other work has emptied the caches.
                _fetch(inputs[sample + 1], 4 * num_active)
                _fetch(members[sample + 1], 4 * num_active)
                _fetch(unit_of[sample + 1], 4 * num_active)
                _fetch(unit_begin[sample + 1], 4 * found)
                _fetch(unit_words[sample + 1], 8 * found)
                _fetch(groups[sample + 1], 32 * num_groups[sample])
                _fetch(events[sample + 1], 4 * step_begin[sample, num_steps])


@compiled
def _fetch(room: Any, num_bytes: int) -> None:
    """Ask for the first cache lines of an array, which is written next."""
    for offset in range(0, num_bytes, 64):
        prefetch(room.ctypes.data + offset)


@compiled
def _arriving(words: Any, delay: int, num_steps: int, active: Any, arriving: Any) -> Any:
    """List the inputs whose spikes arrive within the window, and their trains as they arrive."""
    window = ~np.uint64(0) >> np.uint64(64 - num_steps)
    sent = window >> np.uint64(delay)
    whole = len(words) // WORDS * WORDS
    found: Any = 0
    for first in range(0, whole, WORDS):
        listed = active.ctypes.data + 4 * found
        found += list_words(words.ctypes.data + 8 * first, sent, first, listed)
    for neuron in range(whole, len(words)):
        active[found] = neuron
        found += np.int64(words[neuron] & sent != 0)
    for k in range(found):
        arriving[k] = (words[np.uint32(active[k])] << np.uint64(delay)) & window
    return found


@compiled
def make_grouping_room(size: int) -> Any:
    """Return the memory that :func:`_group` works in, for as many inputs at most.

    They are a table, (M,) uint32, that is empty, and so large that hardly any two trains ask for
    one place; the trains of all kinds, (N,) words; and of inputs or kinds, N each, the kind of an
    input, sizes, what is saved, whether there is a sum, which kinds are chosen, one more, as the
    place behind the last is written to, the unit of a kind, and where its next member goes.
    """
    bits: Any = 2
    while (1 << bits) < 4 * size:
        bits += 1
    return (
        np.full(1 << bits, _EMPTY, np.uint32),
        np.empty(size, np.uint64),
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.bool_),
        np.empty(size + 1, np.uint32),
        np.empty(size, np.uint32),
        np.empty(size, np.uint32),
    )


@compiled
def _find_kinds(words: Any, table: Any, kinds: Any, places: Any, sizes: Any, kind_of: Any) -> Any:
    """Find the kinds of trains, in the order in which they come, and return how many there are.

    Filled are the train of each kind, its place in the table, how many trains are of it, and the
    kind of each train. The table is empty before and after.
    """
    last = np.uint64(len(table) - 1)
    shift = np.uint64(64) - popcount(last)
    sizes[: len(words)] = 0
    found = np.uint32(0)
    for k in range(len(words)):
        word = words[k]
        place = (word * _HASH) >> shift
        # Entered as a new kind, which counts if it is one: that no processor foresees.
        kinds[found], places[found] = word, place
        kind = min(table[place], found)
        table[place] = kind
        while kinds[kind] != word:
            place = (place + np.uint64(1)) & last
            places[found] = place
            kind = min(table[place], found)
            table[place] = kind
        found = np.uint32(found + (kind == found))
        kind_of[k] = kind
        sizes[kind] += np.uint32(1)
    for kind in range(np.int64(found)):
        table[places[kind]] = _EMPTY
    return np.int64(found)


@compiled
def _group(
    active: Any,
    trains: Any,
    place_of: Any,
    first_sum: int,
    most_spikes: Any,
    room: Any,
    unit_words: Any,
    unit_begin: Any,
    members: Any,
    unit_of: Any,
    row_of: Any,
) -> Any:
    """Group inputs of the same train, where a sum of their weights saves additions.

    `trains` are those of `active`. Filled are the units, and their rows, of which those of sums
    begin at `first_sum`. Returns how many units there are, how many of them have a sum, and how
    many of these are listed when they spike, not when they are silent.
    """
    table, kinds, kind_of, sizes, saved, has_sum, chosen, unit_of_kind, next_of = room
    num_active = len(active)
    num_kinds = _find_kinds(trains[:num_active], table, kinds, chosen, sizes, kind_of)
    # What a kind saves: summed once, and listed where it is silent beside the better of both.
    all_saved: Any = 0
    for kind in range(num_kinds):
        size, spikes = np.int64(sizes[kind]), np.int64(popcount(kinds[kind]))
        each, together = size * spikes, size + spikes + 1
        has_sum[kind] = each > together
        saved[kind] = max(0, min(each, together) - (size + 2 + most_spikes - spikes))
        all_saved += saved[kind]
    is_turned = all_saved > most_spikes
    # Units with sums are in the order of kinds, behind them those that are listed when silent.
    # Which kinds and inputs they are decides no branch, as no processor would foresee it.
    num_plain = np.uint64(0)
    for kind in range(num_kinds):
        chosen[num_plain] = kind
        num_plain += np.uint64(has_sum[kind] & ~(is_turned & (saved[kind] > 0)))
    num_sums = num_plain
    for kind in range(num_kinds if is_turned else 0):
        chosen[num_sums] = kind
        num_sums += np.uint64(saved[kind] > 0)
    unit_of_kind[:num_kinds] = _ALONE
    filled = np.uint64(0)
    unit_begin[0] = 0
    for unit in range(np.int64(num_sums)):
        kind = chosen[unit]
        unit_of_kind[kind], next_of[kind] = unit, filled
        row_of[unit] = first_sum + unit
        filled += np.uint64(sizes[kind])
        unit_begin[unit + 1] = filled
    # An input without a sum is a unit of its own behind them.
    found, shift = num_sums, filled - num_sums
    for k in range(num_active):
        kind = kind_of[k]
        its_unit, place = unit_of_kind[kind], next_of[kind]
        is_alone = its_unit == _ALONE
        its_unit = np.uint32(found) if is_alone else its_unit
        place = np.uint32(found + shift) if is_alone else place
        found += np.uint64(is_alone)
        next_of[kind] = place + np.uint32(1)
        unit_of[k], unit_words[its_unit] = its_unit, kinds[kind]
        members[place] = place_of[np.uint32(active[k])]
    for k in range(np.int64(found - num_sums)):
        alone = num_sums + np.uint64(k)
        row_of[alone] = members[shift + alone]
        unit_begin[alone + np.uint64(1)] = shift + alone + np.uint64(1)
    return np.int64(found), np.int64(num_sums), np.int64(num_plain)


@compiled
def _list_sums(
    unit_begin: Any, members: Any, num_sums: int, num_plain: int, first_sum: int, groups: Any
) -> Any:
    """List how units are summed, four terms at a time; return their number, and the depth."""
    nothing = first_sum - 1
    found: Any = 0
    deepest: Any = 0
    for unit in range(num_sums + np.int64(num_plain < num_sums)):
        if unit < num_sums:
            begin, end = int(unit_begin[unit]), int(unit_begin[unit + 1])
            deepest = max(deepest, depth_of_sum(end - begin))
        else:
            begin, end = first_sum + num_plain, first_sum + num_sums
            deepest += depth_of_sum(end - begin)
        for at in range(begin, end, 4):
            group = groups[found]
            for k in range(4):
                group[k] = nothing
                if at + k < end:
                    group[k] = members[at + k] if unit < num_sums else at + k
            group[4] = first_sum + unit
            group[5] = 0 if unit < num_plain else -0x80000000
            group[6] = -1 if at + 4 < end else 0
            found += 1
    return found, deepest


@compiled
def _order_by_step(
    unit_words: Any,
    unit_begin: Any,
    row_of: Any,
    num_plain: int,
    num_sums: int,
    window: Any,
    first_sum: int,
    listed: Any,
    events: Any,
    step_begin: Any,
) -> Any:
    """List the events step by step; return the most events, and the most terms, of a step.

    `listed`, (N + 8,) uint64, is overwritten with the steps in which a unit is listed, and the two
    numbers behind those of the units in `row_of`, (N + 2,) int32.
    """
    num_steps, num_units = len(step_begin) - 1, len(unit_words)
    row_of[num_units], row_of[num_units + 1] = first_sum - 1, first_sum + num_sums
    further = np.zeros(num_steps, np.int32)  # terms of a step's sums beyond one each
    always: Any = 0  # terms of the sum of all that are listed where they are silent
    for unit in range(num_units):
        listed[unit] = unit_words[unit]
    for unit in range(num_sums):
        width = unit_begin[unit + 1] - unit_begin[unit]
        word = unit_words[unit]
        if unit >= num_plain:
            word = ~word & window
            always += width
        listed[unit] = word
        width -= 1
        for step in range(num_steps):
            further[step] += width * np.int32((word >> np.uint64(step)) & np.uint64(1))
    listed[num_units : num_units + WORDS] = 0
    longest: Any = 0
    most_terms: Any = 0
    one = np.uint64(1)
    at: Any = 0
    for step in range(num_steps):
        step_begin[step] = begin = at
        if num_plain < num_sums:
            events[at] = num_units + 1
            at += np.int64((window >> np.uint64(step)) & one)
        first = at
        for unit in range(0, num_units, WORDS):
            words, target = listed.ctypes.data + 8 * unit, events.ctypes.data + 4 * at
            at += list_words(words, one << np.uint64(step), unit, target)
        most_terms = max(most_terms, at - first + further[step])
        for k in range(3):
            events[at + k] = num_units
        at += (begin - at) & 3
        longest = max(longest, at - begin)
    step_begin[num_steps] = at
    for k in range(at):
        events[k] = row_of[np.uint32(events[k])]
    return longest, most_terms + always
