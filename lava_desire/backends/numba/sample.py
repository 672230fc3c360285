"""Samples one after the other, compiled: forward pass, desires and update of each (B = 1).

Of a single sample, what would be copied for a batch is read where it lies, and only what counts is
read: the rows of inputs that spike, and of desires in the first layer those of neurons that spike,
as no other's weights change. Bits are those of the functions for batches: where float32 decides,
within the same bounds on errors, and else sums in float64 in the same order.

What terms, a bound and an average do to all weights after every sample waits, in a list of what
each sample asks for, until a sample reads the row: then that is done to the row in the same order,
while it is in the cache.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from lava_desire.backends.numba.events import (
    ROUNDOFF,
    _arriving,
    _group,
    compiled,
    depth_of_sum,
    make_grouping_room,
    most_spikes,
    popcount,
)
from lava_desire.backends.numba.pairing import CHOICES, PARTS, RUN, choose, pair
from lava_desire.backends.numba.philox import draw_kept
from lava_desire.backends.numba.rows import make_add_steps, make_integrate, make_sum_members
from lava_desire.backends.numba.scan import potential_error, train_of
from lava_desire.backends.numba.simd import (
    ADDS,
    CLIPS,
    IS_NEAR,
    MOVES,
    float_of,
    floats_at,
    largest_magnitude,
    make_replay,
    trailing_zeros,
)
from lava_desire.backends.numba.update import (
    BLOCK,
    _exact_desire,
    _product,
    add_desired_spikes,
)

_SILENCE = 1 << 20  # steps, of which so many are listed by no unit where it is silent
_MOST_WAITING = 64  # samples that weights wait for at most
_LANES = 64  # weights of an input that are changed together
_WAITING_NUMBERS = 1 << 22  # factors that are kept for them at most, 16 MiB

_TILE = 64  # neurons whose currents are summed in registers
_NARROW = 16  # the same for layers of so few, such as an output layer
_BLOCK = 96  # rows that are added step by step at a time: of a tile they stay in the nearest cache

UNKNOWN = -2
"""What :func:`classify` returns of an image that is to be looked at otherwise."""

_sum_members, _sum_narrow_members = make_sum_members(_TILE), make_sum_members(_NARROW)
_add_steps, _add_narrow_steps = make_add_steps(_TILE), make_add_steps(_NARROW)
_integrate, _integrate_narrow = make_integrate(_TILE), make_integrate(_NARROW)
_replay = make_replay(_LANES // 16)


@compiled
def run_samples(
    trains: Any,
    labels: Any,
    first_number: int,
    mode: int,
    addresses: Any,
    rates: Any,
    words: Any,
    masks: Any,
    desires: Any,
    sizes: Any,
    delays: Any,
    gains: Any,
    keys: Any,
    leasts: Any,
    thresholds: Any,
    errors: Any,
    outputs: Any,
    numbers: Any,
    terms: Any,
    averages: Any,
    shares: Any,
    mean_rates: Any,
    rated: Any,
) -> Any:
    """Run samples through a network of dense layers one by one, and learn from each (Eq. 1 to 16).

    Trains of the input are (S, N_0) words, labels (S,) int64; masks are drawn from the number of
    the first sample on. In `mode` 0 samples run forward alone, without dropout; 1 learns, and looks
    for desires in layer 1 only where they change weights; 2 looks for all; 3 also takes masks as
    they are given. `addresses`, (L,) int64, are those of the weights, (N_{ℓ−1}, N_ℓ) float32, by
    input; `rates`, (L,) float64, η of each layer. `words`, `masks` and `desires`, (N,) uint64, (N −
    N_L,) bool and (N − N_0,) int8, layer behind layer, are what the last sample leaves; behind its
    words stand N − N_0 more, of eligible steps, where it is in them that neurons learn. `averages`,
    (L,) int64, are the addresses of the weights' averages, each like the weights, and `shares`,
    (S,) float32, by how much samples move them; both empty where there are none. `mean_rates`, (N −
    N_L,) float64, layer behind layer, and `rated`, (L,) int64, are the state's input_rates and
    rated_samples, which go on; both empty where rates are not followed. The rest is
    what :class:`~.online.Online` keeps. Returns the samples before the first at which a weight or
    potential is NaN or infinite, which with those behind it has changed nothing; and how many of
    them are predicted right (Sec. 4.2), and have desire.
    """
    num_layers, num_steps = len(delays), errors.shape[1] - 1
    widest = 0
    ends = np.empty(num_layers + 1, np.int64)
    for layer in range(num_layers + 1):
        widest = max(widest, sizes[layer])
        ends[layer] = sizes[layer] + (ends[layer - 1] if layer else 0)
    lists, room = _lists(num_layers, widest), _room(widest, num_steps)
    inputs, unit_words, _, _, unit_of, num_inputs, num_units = lists
    # Of each neuron the steps in which it may learn (Eq. 4, 14), where its train stands in `words`.
    chances = words[len(words) - ends[num_layers] :]
    is_near = len(words) > ends[num_layers]
    every_step = ~np.uint64(0) >> np.uint64(64 - num_steps)
    kept = masks[:0]
    num_correct, num_active = 0, 0
    num_terms, limit = len(terms), np.float32(numbers[4])
    num_kept = min(
        len(trains), _MOST_WAITING, 1 + _WAITING_NUMBERS // (num_layers * (num_terms + 1) * widest)
    )
    width = _LANES * ((widest + _LANES - 1) // _LANES)
    posts = np.zeros((num_layers, num_terms, num_kept, width), np.float32)
    pres = np.empty((num_layers, num_terms, num_kept, widest), np.float32)
    is_asked = np.zeros((num_layers, num_terms, num_kept), np.bool_)
    moves = np.empty(num_kept, np.float32)
    desired, only = np.zeros(widest, np.int64), np.zeros(1, np.int64)
    since = np.zeros(len(masks), np.int64)
    waiting: Any = 0
    held = (addresses, averages, sizes, ends, since, pres, posts, is_asked, moves, limit)
    for sample in range(len(trains)):
        if mode == 1 or mode == 2:
            for layer in range(num_layers):
                part = masks[ends[layer] - sizes[layer] : ends[layer]]
                draw_kept(
                    keys[layer], first_number + sample, leasts[layer], part.reshape(1, len(part))
                )
        for j in range(sizes[0]):
            words[j] = trains[sample, j]
        if mode:
            for j in range(sizes[0]):
                words[j] *= np.uint64(masks[j])
        for layer in range(num_layers):
            pre = words[ends[layer] - sizes[layer] : ends[layer]]
            post = words[ends[layer] : ends[layer + 1]]
            if waiting:
                _bring_up(held, layer, pre, waiting)
            near = words[:0]
            if mode and layer + 1 < num_layers:
                kept = masks[ends[layer] : ends[layer + 1]]
                if is_near:
                    near = chances[ends[layer] : ends[layer + 1]]
            else:
                kept = masks[:0]
            if not _pass_on(
                layer,
                addresses[layer],
                pre,
                delays[layer],
                num_steps,
                gains[layer] if mode else 1.0,
                numbers,
                kept,
                lists,
                room,
                post,
                near,
            ):
                _bring_all_up(held, words[:0], waiting)
                return sample, num_correct, num_active
        if mode == 0:
            continue
        last = words[ends[num_layers - 1] : ends[num_layers]]
        is_correct, is_active = _judge(
            last, labels[sample], outputs, desires[len(desires) - len(last) :], numbers[7] != 0
        )
        num_correct += is_correct
        num_active += is_active
        if is_near:
            chances[ends[num_layers - 1] :] = every_step
        if not is_active:
            desires[: len(desires) - len(last)] = 0
        for layer in range(num_layers - 1 if is_active else 0, 0, -1):
            begin, middle, end = ends[layer] - sizes[layer], ends[layer], ends[layer + 1]
            rows = carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1]))
            all_of_them = layer > 1 or mode != 1
            if waiting:
                asked = words[:0] if all_of_them else chances[begin:middle]
                _bring_up(held, layer, asked, waiting)
            _pass_back(
                rows,
                chances[middle:end],
                desires[middle - sizes[0] : end - sizes[0]],
                masks[middle:end] if layer + 1 < num_layers else masks[:0],
                chances[begin:middle],
                all_of_them,
                errors,
                thresholds[layer - 1],
                desires[begin - sizes[0] : middle - sizes[0]],
            )
        for layer in range(num_layers if is_active else 0):
            middle, end = ends[layer], ends[layer + 1]
            rows = carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1]))
            _learn(
                rows,
                rates[layer],
                desires[middle - sizes[0] : end - sizes[0]],
                chances[middle:end],
                unit_words[layer, : num_units[layer]],
                inputs[layer, : num_inputs[layer]],
                unit_of[layer],
                num_steps,
                numbers[0],
                numbers[1],
            )
        if len(mean_rates) and (is_active or not numbers[6]):
            for layer in range(num_layers):
                begin, end = ends[layer] - sizes[layer], ends[layer]
                rated[layer] += 1
                share = 1 / max(1.0, min(np.float64(rated[layer]), numbers[5]))
                _follow(mean_rates[begin:end], words[begin:end], num_steps, share)
        changes: Any = len(averages) > 0 or (is_active and limit > 0)
        for layer in range(num_layers if num_terms else 0):
            begin, middle, end = ends[layer] - sizes[layer], ends[layer], ends[layer + 1]
            size = sizes[layer + 1]
            if is_active:
                add_desired_spikes(
                    desires[middle - sizes[0] : end - sizes[0]].reshape(1, size),
                    chances[middle:end].reshape(1, size),
                    only,
                    desired,
                    0,
                    size,
                )
            for term in range(num_terms):
                of_rates = terms[term, 1] > 0
                is_asked[layer, term, waiting] = (
                    layer + 1 < num_layers if of_rates else is_active
                ) and ask(
                    terms[term],
                    rates[layer],
                    mean_rates[begin:middle],
                    mean_rates[middle:end] if of_rates else mean_rates[:0],
                    desired[:size],
                    pres[layer, term, waiting],
                    posts[layer, term, waiting],
                )
                changes |= is_asked[layer, term, waiting]
        if changes:
            if len(averages):
                moves[waiting] = shares[sample]
            waiting += 1
        if waiting == num_kept:
            _bring_all_up(held, words[:0], waiting)
            waiting = 0
    _bring_all_up(held, words[:0], waiting)
    return len(trains), num_correct, num_active


@compiled
def classify(
    image: Any,
    least: int,
    table: Any,
    addresses: Any,
    sizes: Any,
    delays: Any,
    numbers: Any,
    num_steps: int,
) -> Any:
    """Return the class of an image, or −1 where two have most spikes (Eq. 1, Sec. 4.2).

    The image is (1, N_0) uint8, `table`, (256,) uint64, has the train of each brightness. The rest
    is as of :func:`run_samples`. Returns `UNKNOWN` if its largest byte is not 0 and less than
    `least`, or a weight or potential is NaN or infinite.
    """
    largest = np.uint8(0)
    for j in range(image.shape[1]):
        largest = max(largest, image[0, j])
    if 0 < largest < least:
        return UNKNOWN
    widest: Any = 0
    for size in sizes:
        widest = max(widest, size)
    lists, room = _lists(1, widest), _room(widest, num_steps)
    words, none = np.empty((2, widest), np.uint64), np.empty(0, np.bool_)
    for j in range(image.shape[1]):
        words[0, j] = table[image[0, j]]
    for layer in range(len(delays)):
        pre, post = words[layer & 1, : sizes[layer]], words[1 - (layer & 1), : sizes[layer + 1]]
        if not _pass_on(
            0,
            addresses[layer],
            pre,
            delays[layer],
            num_steps,
            1.0,
            numbers,
            none,
            lists,
            room,
            post,
            post[:0],
        ):
            return UNKNOWN
    last = words[len(delays) & 1, : sizes[len(delays)]]
    return most_spikes(last.reshape(1, len(last)))[0]


@compiled
def _lists(num_layers: int, widest: int) -> Any:
    """Return room for the lists of each layer, as :class:`~.events.Events` has them of a sample.

    They are inputs, unit_words, unit_begin, members, unit_of, and, (L,) int64, the numbers of
    inputs and of units.
    """
    return (
        np.empty((num_layers, widest + 1), np.int32),
        np.empty((num_layers, widest), np.uint64),
        np.empty((num_layers, widest + 1), np.int32),
        np.empty((num_layers, widest), np.int32),
        np.empty((num_layers, widest), np.int32),
        np.zeros(num_layers, np.int64),
        np.zeros(num_layers, np.int64),
    )


@compiled
def _room(widest: int, num_steps: int) -> Any:
    """Return what is used again and again: for grouping inputs, listing events, summing rows."""
    num_blocks = (widest + _BLOCK - 1) // _BLOCK
    return (
        np.arange(widest).astype(np.int32),
        make_grouping_room(widest),
        np.empty(widest, np.int32),
        np.empty(widest, np.uint64),
        np.empty(widest, np.uint64),
        np.empty(num_steps * (widest + 4 * num_blocks), np.int64),
        np.empty((num_blocks, num_steps + 1), np.int64),
        _aligned(_TILE * (widest + 2) + 2 * widest),
        _aligned(_TILE * num_steps),
        np.zeros(widest + _TILE, np.float32),
    )


@compiled
def _aligned(size: int) -> Any:
    """Return float32 numbers that begin at a cache line."""
    room = np.empty(size + 16, np.float32)
    return room[(-room.ctypes.data & 63) >> 2 :]


@compiled
def _pass_on(
    layer: int,
    address: int,
    pre: Any,
    delay: int,
    num_steps: int,
    gain: float,
    numbers: Any,
    kept: Any,
    lists: Any,
    room: Any,
    post: Any,
    near: Any,
) -> Any:
    """Run a layer over the window (Eq. 1), and leave its lists in place `layer` of `lists`.

    `address` is that of its weights, `pre` and `post` are its trains, (N_{ℓ−1},) and (N_ℓ,) words;
    the rest is of :func:`_run`.
    """
    inputs, unit_words, unit_begin, members, unit_of, num_inputs, num_units = lists
    place_of, grouping, row_of, arriving = room[:4]
    num_inputs[layer] = _arriving(pre, delay, num_steps, inputs[layer], arriving)
    num_units[layer], num_sums, _ = _group(
        inputs[layer, : num_inputs[layer]],
        arriving,
        place_of,
        0,
        _SILENCE,
        grouping,
        unit_words[layer],
        unit_begin[layer],
        members[layer],
        unit_of[layer],
        row_of,
    )
    return _run(
        carray(floats_at(address), (len(pre), len(post))),
        unit_words[layer, : num_units[layer]],
        num_sums,
        unit_begin[layer],
        members[layer],
        num_steps,
        gain,
        numbers,
        kept,
        room,
        post,
        near,
    )


@compiled
def _follow(mean_rates: Any, words: Any, num_steps: int, share: float) -> None:
    """Let mean rates follow a sample; see :func:`~lava_desire.model.rates.follow_rate`."""
    for j in range(len(mean_rates)):
        rate = np.float64(popcount(words[j])) / np.float64(num_steps)
        mean_rates[j] += share * (rate - mean_rates[j])


@compiled
def ask(
    term: Any,
    learning_rate: float,
    input_rates: Any,
    output_rates: Any,
    desired_spikes: Any,
    pre: Any,
    post: Any,
) -> Any:
    """Fill in the factors of a term, and tell whether it changes anything.

    `term` are the numbers of :meth:`~lava_desire.model.option.Term.numbers`, `desired_spikes` the
    neurons' spikes signed by desire, (N,) int64, which a floor of rates does not look at.
    """
    scale, floor = learning_rate * term[0], term[1]
    changes: Any = False
    for j in range(len(desired_spikes)):
        if floor > 0:
            post[j] = scale * min(max(floor - output_rates[j], 0.0), floor)
        else:
            post[j] = scale * np.float64(desired_spikes[j])
        changes |= post[j] != 0
    if changes:
        for j in range(len(input_rates)):
            pre[j] = input_rates[j] * term[2]
    return changes


@compiled
def _bring_up(held: Any, layer: int, words: Any, waiting: int) -> None:
    """Do with the weights of a layer's inputs that spike what they wait for since they were read.

    Without `words`, (N_{ℓ−1},), do so with those of all. Sample by sample it is what a network does
    after Eq. 4: terms, the bound, and the average. `held` is of :func:`run_samples`.
    """
    addresses, averages, sizes, ends, since, pres, posts, is_asked, moves, limit = held
    num_terms, num_kept, width = posts.shape[1:]
    begin, shape = ends[layer] - sizes[layer], (sizes[layer], sizes[layer + 1])
    rows = carray(floats_at(addresses[layer]), shape)
    means = carray(floats_at(averages[layer]), shape) if len(averages) else rows
    steps = np.empty((waiting * (num_terms + 1), 4), np.int32)
    factors = steps.view(np.float32)
    rest = np.zeros((2, _LANES), np.float32)  # of a row and its average, behind whole vectors
    blocks = shape[1] // _LANES
    whole = _LANES * blocks
    for row in range(len(rows)):
        first = since[begin + row]
        if first == waiting or (len(words) and not words[row]):
            continue
        since[begin + row] = waiting
        num_steps: Any = 0
        for sample in range(first, waiting):
            for term in range(num_terms):
                pre = pres[layer, term, sample, row]
                if is_asked[layer, term, sample] and pre != 0:
                    steps[num_steps, 0] = ADDS
                    steps[num_steps, 1] = (layer * num_terms + term) * num_kept + sample
                    factors[num_steps, 2] = pre
                    num_steps += 1
            steps[num_steps, 0] = CLIPS if limit > 0 else 0
            if len(averages):
                is_near = moves[sample] < np.float32(0.5)
                steps[num_steps, 0] |= MOVES | (IS_NEAR if is_near else 0)
                factors[num_steps, 3] = moves[sample] - np.float32(0 if is_near else 1)
            num_steps += steps[num_steps, 0] != 0
        if num_steps == 0:
            continue
        _replay(
            rows[row].ctypes.data,
            means[row].ctypes.data,
            posts.ctypes.data,
            width,
            steps.ctypes.data,
            num_steps,
            blocks,
            limit,
        )
        if whole < shape[1]:
            for j in range(whole, shape[1]):
                rest[0, j - whole], rest[1, j - whole] = rows[row, j], means[row, j]
            _replay(
                rest[0].ctypes.data,
                rest[1].ctypes.data,
                posts.ctypes.data + 4 * whole,
                width,
                steps.ctypes.data,
                num_steps,
                1,
                limit,
            )
            for j in range(whole, shape[1]):
                means[row, j] = rest[1, j - whole]
                rows[row, j] = rest[0, j - whole]


@compiled
def _bring_all_up(held: Any, nothing: Any, waiting: int) -> None:
    """Do with all weights what they wait for, so that they wait for nothing."""
    addresses, since = held[0], held[4]
    if waiting:
        for layer in range(len(addresses)):
            _bring_up(held, layer, nothing, waiting)
        since[:] = 0


@compiled
def _list_steps(
    units: Any,
    unit_begin: Any,
    members: Any,
    num_sums: int,
    rows: int,
    stride: int,
    sums: int,
    width: int,
    nothing: int,
    addresses: Any,
    events: Any,
    step_begin: Any,
) -> Any:
    """List what is added in each step: addresses of rows, block after block of units.

    Inputs are rows, `stride` bytes apart, and units with a sum are sums, `width` bytes apart;
    `nothing` fills up to four. `addresses`, (N,) int64, is overwritten. Returns how many blocks
    there are, the additions that a term of a current passes through at most, the inputs that spike
    in a step at most, and the first step in which one does.
    """
    num_steps, num_units = step_begin.shape[1] - 1, len(units)
    spikes, lengths = np.zeros(num_steps, np.int32), np.zeros(num_steps, np.int64)
    deepest: Any = 0
    for unit in range(num_units):
        size: Any = unit_begin[unit + 1] - unit_begin[unit]
        if unit < num_sums:
            deepest = max(deepest, depth_of_sum(int(size)))
            addresses[unit] = sums + unit * width
        else:
            addresses[unit] = rows + np.int64(members[unit_begin[unit]]) * stride
        word = units[unit]
        for step in range(num_steps):
            spikes[step] += size * np.int32((word >> np.uint64(step)) & np.uint64(1))
    num_blocks = (num_units + _BLOCK - 1) // _BLOCK
    at = np.uint64(0)
    for block in range(num_blocks):
        some = slice(_BLOCK * block, min(_BLOCK * (block + 1), num_units))
        words, rows_of = units[some], addresses[some]
        for step in range(num_steps):
            begin = at
            step_begin[block, step] = np.int64(begin)
            for k in range(len(words)):
                events[at] = rows_of[k]
                at += (words[k] >> np.uint64(step)) & np.uint64(1)
            while at & np.uint64(3):
                events[at] = nothing
                at += np.uint64(1)
            lengths[step] += np.int64(at - begin)
        step_begin[block, num_steps] = np.int64(at)
    first: Any = num_steps
    longest: Any = 0
    most: Any = 0
    for step in range(num_steps - 1, -1, -1):
        longest, most = max(longest, lengths[step]), max(most, np.int64(spikes[step]))
        if spikes[step]:
            first = step
    return num_blocks, deepest + depth_of_sum(longest), most, first


@compiled
def _sum(width: int, arguments: Any) -> None:
    if width == _TILE:
        _sum_members(*arguments)
    else:
        _sum_narrow_members(*arguments)


@compiled
def _run(
    rows: Any,
    units: Any,
    num_sums: int,
    unit_begin: Any,
    members: Any,
    num_steps: int,
    gain: float,
    numbers: Any,
    kept: Any,
    room: Any,
    post: Any,
    near: Any,
) -> Any:
    """Run a layer over the window, as :func:`~.scan.scan_layer` does for a batch (Eq. 1 and 16).

    `numbers` are those of :class:`~.online.Online`. Fill in trains, and unless `near` is empty the
    steps in which potentials are in its band. Tell whether all weights that were added up, and all
    potentials, are finite.
    """
    kinds, events, step_begin, scratch, currents, nothing = room[4:]
    num_units, num_out = len(units), rows.shape[1]
    decay, synapse_decay = np.float32(numbers[0]), np.float32(numbers[1])
    threshold, subtract = np.float32(numbers[2]), numbers[3] != 0
    low, high = np.float32(numbers[8]), np.float32(numbers[9])
    width = _TILE if num_out >= _TILE else _NARROW
    # Sums of a tile lie a tile apart, and where the tile begins behind that, as rows do.
    base, stride, sums = rows.ctypes.data, num_out, scratch.ctypes.data
    if num_out < width:  # rows are shorter than a vector
        shorter = scratch[width * (num_sums + 1) :]
        base, stride = shorter.ctypes.data, width
        _widen(rows, members[: unit_begin[num_units]], width, shorter)
    num_blocks, depth, most, first_step = _list_steps(
        units,
        unit_begin,
        members,
        num_sums,
        base,
        4 * stride,
        sums,
        4 * width,
        nothing.ctypes.data,
        kinds.view(np.int64),
        events,
        step_begin,
    )
    if num_blocks < 2:
        currents[: width * num_steps] = 0
    if num_blocks == 0:
        step_begin[0] = 0
    filtered = np.zeros(width, np.float32)
    words = np.zeros((4, width), np.uint32)
    doubts = np.empty(width // 16, np.uint16)
    magnitudes = np.empty(16, np.int32)
    is_finite: Any = True
    for tile in range(0, num_out, width):
        start = max(0, min(tile, num_out - width))  # the last overlaps the one before
        size, offset = min(width, num_out), 4 * start
        chosen, largest_of = members.ctypes.data, magnitudes.ctypes.data
        magnitudes[:] = 0
        if num_blocks > 1:
            currents[: width * num_steps] = 0
        for unit in range(num_sums):
            begin, end = np.int64(unit_begin[unit]), np.int64(unit_begin[unit + 1])
            result = sums + 4 * width * unit + offset
            _sum(width, (base + offset, stride, chosen, begin, end, result, largest_of))
        for block in range(num_blocks):
            # Single inputs are read once for their magnitudes, and are in the cache from then on.
            begin = np.int64(unit_begin[max(num_sums, _BLOCK * block)])
            end = np.int64(unit_begin[min(num_units, _BLOCK * (block + 1))])
            begin = min(begin, end)  # of a block of sums alone
            _sum(width, (base + offset, stride, chosen, begin, end, 0, largest_of))
            added = (
                events.ctypes.data,
                step_begin[block].ctypes.data,
                num_steps,
                offset,
                currents.ctypes.data,
            )
            if block == num_blocks - 1:
                break  # added as neurons are run
            if width == _TILE:
                _add_steps(*added)
            else:
                _add_narrow_steps(*added)
        largest: Any = np.float64(float_of(largest_magnitude(magnitudes)))
        is_finite &= largest < np.inf  # not so where it is NaN
        magnitude = most * largest * gain
        bound = potential_error(depth, magnitude, num_steps, numbers[0], numbers[1], numbers[2])
        if synapse_decay:
            filtered[:] = 0
        if len(near):
            words[:] = 0
        window = (
            events.ctypes.data,
            step_begin[max(0, num_blocks - 1)].ctypes.data,
            num_steps,
            offset,
            currents.ctypes.data,
            first_step,
            np.float32(gain),
            decay,
            synapse_decay,
            threshold,
            np.float32(subtract),
            threshold if subtract else np.float32(0),
            np.float32(bound),
            low,
            high,
            np.int64(len(near) > 0),
            filtered.ctypes.data,
            words.ctypes.data,
            doubts.ctypes.data,
        )
        if width == _TILE:
            _integrate(*window)
        else:
            _integrate_narrow(*window)
        _join(words[0], words[1], post[start : start + size])
        if len(near):
            _join(words[2], words[3], near[start : start + size])
        if len(kept):
            for neuron in range(start, start + size):
                post[neuron] *= np.uint64(kept[neuron])
                if len(near):
                    near[neuron] *= np.uint64(kept[neuron])
        for part in range(width // 16):
            doubtful = np.uint64(doubts[part])
            while doubtful:
                j: Any = start + 16 * part + trailing_zeros(doubtful)
                doubtful &= doubtful - np.uint64(1)
                if j < start + size and (len(kept) == 0 or kept[j]):
                    post[j], steps, stays_finite = _exact_train(
                        rows,
                        j,
                        units,
                        unit_begin,
                        members,
                        num_steps,
                        gain,
                        decay,
                        synapse_decay,
                        threshold,
                        subtract,
                        low,
                        high,
                    )
                    if len(near):
                        near[j] = steps
                    is_finite &= stays_finite
    return is_finite


@compiled
def _join(low_words: Any, high_words: Any, words: Any) -> None:
    """Join the halves of words, of 32 bits each."""
    for j in range(len(words)):
        words[j] = np.uint64(low_words[j]) | (np.uint64(high_words[j]) << np.uint64(32))


@compiled
def _widen(rows: Any, used: Any, width: int, target: Any) -> None:
    """Lay short rows behind each other, each with zeros up to a vector."""
    for row in used:
        part = target[width * row : width * (row + 1)]
        part[:] = 0
        for j in range(rows.shape[1]):
            part[j] = rows[row, j]


@compiled
def _exact_train(
    rows: Any,
    neuron: int,
    units: Any,
    unit_begin: Any,
    members: Any,
    num_steps: int,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
    low: Any,
    high: Any,
) -> Any:
    """Run one neuron over the window with sums in float64, rounded once; see :func:`.train_of`."""
    currents = np.zeros(num_steps, np.float64)
    for unit in range(len(units)):
        total: Any = 0.0
        for k in range(unit_begin[unit], unit_begin[unit + 1]):
            total += np.float64(rows[members[k], neuron])
        word = units[unit]
        while word:
            currents[trailing_zeros(word)] += total
            word &= word - np.uint64(1)
    return train_of(currents, gain, decay, synapse_decay, threshold, subtract, low, high)


@compiled
def _judge(trains: Any, label: int, table: Any, desire: Any, breaks_ties: bool) -> Any:
    """Fill in the desires of the output neurons; tell whether label is predicted, and any desires.

    See :func:`~lava_desire.rule.predict` and :func:`~lava_desire.rule.output_desire`.
    """
    own = np.int64(popcount(trains[label]))
    is_correct: Any = True
    is_active: Any = False
    for j in range(len(trains)):
        spikes = np.int64(popcount(trains[j]))
        desire[j] = table[np.int64(j == label), spikes]
        is_active |= desire[j] != 0
        # Whether its last spike is later, the highest bit of the one word above the other's.
        loses = breaks_ties and spikes == own and trains[j] & ~trains[label] > trains[label]
        is_correct &= j == label or spikes < own or loses
    return is_correct, is_active


@compiled
def _pass_back(
    rows: Any,
    trains: Any,
    desire: Any,
    kept: Any,
    before: Any,
    all_of_them: bool,
    table: Any,
    threshold: Any,
    found: Any,
) -> None:
    """Fill in the desires of the presynaptic neurons (Eq. 13 to 15).

    Unless all are asked for, those of silent ones are 0.
    """
    errors = np.zeros(len(trains), np.float32)
    terms: Any = 0
    for j in range(len(trains)):
        if desire[j] != 0 and (len(kept) == 0 or kept[j]):
            errors[j] = table[np.int64(desire[j]) + 1, np.int64(popcount(trains[j]))]
            terms += np.int64(errors[j] != 0)
    share = np.float32(1.01 * ROUNDOFF * (terms + 4))
    for row in range(len(found)):
        found[row] = 0
        if all_of_them or before[row]:
            z, magnitude = _product(rows[row], errors)
            # Also where it is NaN.
            if abs(abs(z) - threshold) > share * magnitude:
                found[row] = np.int8(z > threshold) - np.int8(z < -threshold)
            else:
                found[row] = _exact_desire(rows[row], errors, threshold)


@compiled
def _learn(
    rows: Any,
    learning_rate: float,
    desire: Any,
    post: Any,
    unit_words: Any,
    inputs: Any,
    unit_of: Any,
    num_steps: int,
    decay: float,
    synapse_decay: float,
) -> None:
    """Add the change of a layer's weights (Eq. 4); see :func:`~.update.learn_tiles`."""
    num_out, num_units = rows.shape[1], len(unit_words)
    chosen = np.empty(BLOCK + 2 * RUN, np.uint16)
    traces = np.empty((num_steps, 2, RUN), np.float64)
    tables = np.empty((PARTS, CHOICES, 2, RUN), np.float64)
    pairings = np.empty(num_units * (min(num_out, BLOCK) + RUN), np.float64)
    changes = np.empty(pairings.size, np.float32)
    for start in range(0, num_out, BLOCK):
        stop = min(start + BLOCK, num_out)
        found = choose(desire[start:stop], post[start:stop], chosen)
        if found == 0:
            continue
        pair(
            unit_words,
            desire[start:stop],
            post[start:stop],
            chosen,
            found,
            decay,
            synapse_decay,
            traces,
            tables,
            pairings,
        )
        for k in range(num_units * RUN * ((found + RUN - 1) // RUN)):
            changes[k] = np.float32(learning_rate * pairings[k])
        for k in range(len(inputs)):
            row = rows[inputs[k], start:stop]
            for first in range(0, found, RUN):
                begin = first * num_units + RUN * np.int64(unit_of[k])
                part = changes[begin : begin + RUN]
                for j in range(min(RUN, found - first)):
                    row[chosen[first + j]] += part[j]
