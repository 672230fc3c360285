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
    popcount,
)
from lava_desire.backends.numba.philox import draw_kept
from lava_desire.backends.numba.scan import NARROW, TILE, potential_error, train_of
from lava_desire.backends.numba.simd import (
    ADDS,
    CLIPS,
    IS_NEAR,
    MOVES,
    float_of,
    floats_at,
    largest_magnitude,
    make_add_rows,
    make_replay,
    trailing_zeros,
)
from lava_desire.backends.numba.update import (
    _CHOICES,
    _PARTS,
    BLOCK,
    GROUP,
    _exact_desire,
    _pair,
    _product,
    _trace_back,
    add_desired_spikes,
)

_SILENCE = 1 << 20  # steps, of which so many are listed by no unit where it is silent
_MOST_WAITING = 64  # samples that weights wait for at most
_LANES = 64  # weights of an input that are changed together
_WAITING_NUMBERS = 1 << 22  # factors that are kept for them at most, 16 MiB

_add_rows = make_add_rows(TILE)
_add_narrow_rows = make_add_rows(NARROW)
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
    inputs = np.empty((num_layers, widest + 1), np.int32)
    unit_words = np.empty((num_layers, widest), np.uint64)
    unit_begin = np.empty((num_layers, widest + 1), np.int32)
    members = np.empty((num_layers, widest), np.int32)
    unit_of = np.empty((num_layers, widest), np.int32)
    place_of = np.arange(widest).astype(np.int32)
    room, row_of = make_grouping_room(widest), np.empty(widest, np.int32)
    arriving = np.empty(widest, np.uint64)
    num_inputs = np.zeros(num_layers, np.int64)
    num_units = np.zeros(num_layers, np.int64)
    events = np.empty(num_steps * widest, np.int32)
    step_begin = np.empty((2, num_steps + 1), np.int64)
    scratch = np.empty(TILE * (widest + 8) + 16, np.float32)
    scratch = scratch[(-scratch.ctypes.data & 63) >> 2 :]
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
            num_inputs[layer] = _arriving(pre, delays[layer], num_steps, inputs[layer], arriving)
            num_units[layer], num_sums, _ = _group(
                inputs[layer, : num_inputs[layer]],
                arriving,
                place_of,
                0,
                _SILENCE,
                room,
                unit_words[layer],
                unit_begin[layer],
                members[layer],
                unit_of[layer],
                row_of,
            )
            units = unit_words[layer, : num_units[layer]]
            depth, most = _order(
                units, num_sums, unit_begin[layer], members[layer], num_steps, events, step_begin
            )
            near = words[:0]
            if mode and layer + 1 < num_layers:
                kept = masks[ends[layer] : ends[layer + 1]]
                if is_near:
                    near = chances[ends[layer] : ends[layer + 1]]
            else:
                kept = masks[:0]
            rows = carray(floats_at(addresses[layer]), (len(pre), len(post)))
            if not _run(
                rows,
                len(units),
                num_sums,
                unit_begin[layer],
                members[layer],
                events,
                step_begin,
                depth,
                most,
                gains[layer] if mode else 1.0,
                numbers[0],
                numbers[1],
                numbers[2],
                numbers[3] != 0,
                np.float32(numbers[8]),
                np.float32(numbers[9]),
                kept,
                scratch,
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
def _order(
    unit_words: Any,
    num_sums: int,
    unit_begin: Any,
    members: Any,
    num_steps: int,
    events: Any,
    step_begin: Any,
) -> Any:
    """List the events step by step: sums of units, and behind all of them single inputs.

    A unit with a sum stands for itself, another for its input. `step_begin` receives where the
    steps begin in either list. Returns the additions that a term of a current passes through at
    most, and the inputs that spike in a step at most.
    """
    counts = np.zeros((2, num_steps), np.int64)
    spikes = np.zeros(num_steps, np.int64)
    deepest: Any = 0
    for unit in range(len(unit_words)):
        width: Any = np.int64(unit_begin[unit + 1] - unit_begin[unit])
        if unit < num_sums:
            below: Any = depth_of_sum(width)
            deepest = max(deepest, below)
        word = unit_words[unit]
        while word:
            step: Any = trailing_zeros(word)
            counts[np.int64(unit >= num_sums), step] += 1
            spikes[step] += width
            word &= word - np.uint64(1)
    place = np.empty((2, num_steps), np.int64)
    found: Any = 0
    longest: Any = 0
    most: Any = 0
    for part in range(2):
        for step in range(num_steps):
            step_begin[part, step] = place[part, step] = found
            found += counts[part, step]
        step_begin[part, num_steps] = found
    for step in range(num_steps):
        passed: Any = depth_of_sum(counts[0, step]) + depth_of_sum(counts[1, step])
        longest, most = max(longest, passed), max(most, spikes[step])
    for unit in range(len(unit_words)):
        kind: Any = np.int64(unit >= num_sums)
        name = members[unit_begin[unit]] if kind else np.int32(unit)
        word = unit_words[unit]
        while word:
            step = trailing_zeros(word)
            events[place[kind, step]] = name
            place[kind, step] += 1
            word &= word - np.uint64(1)
    return deepest + longest, most


@compiled
def _add(
    rows: Any, stride: int, width: int, chosen: Any, begin: Any, end: Any, result: Any, most: Any
) -> None:
    if width == TILE:
        _add_rows(rows, stride, chosen.ctypes.data, begin, end, result, most)
    else:
        _add_narrow_rows(rows, stride, chosen.ctypes.data, begin, end, result, most)


@compiled
def _run(
    rows: Any,
    num_units: int,
    num_sums: int,
    unit_begin: Any,
    members: Any,
    events: Any,
    step_begin: Any,
    depth: int,
    most: int,
    gain: float,
    decay: float,
    synapse_decay: float,
    threshold: float,
    subtract: bool,
    low: Any,
    high: Any,
    kept: Any,
    scratch: Any,
    post: Any,
    near: Any,
) -> Any:
    """Run a layer over the window, as :func:`~.scan.scan_layer` does for a batch (Eq. 1 and 16).

    Fill in trains, and unless `near` is empty the steps in which potentials are between `low` and
    `high`. Tell whether all weights that were added up, and all potentials, are finite.
    """
    num_out, num_steps = rows.shape[1], step_begin.shape[1] - 1
    width = TILE if num_out >= TILE else NARROW
    base, stride = rows.ctypes.data, num_out
    if num_out < width:  # rows are shorter than a vector
        base, stride = scratch[width * (num_sums + 1) :].ctypes.data, width
    current = scratch[width * num_sums : width * (num_sums + 1)]
    filtered = np.empty(TILE, np.float32)
    potential = np.empty(TILE, np.float32)
    trains = np.empty((2, TILE), np.uint32)
    marks = np.zeros((2, TILE), np.uint32)
    doubts = np.empty(TILE, np.uint32)
    magnitudes = np.empty(16, np.int32)
    is_finite: Any = True
    for tile in range(0, num_out, width):
        start = max(0, min(tile, num_out - width))  # the last overlaps the one before
        size = min(width, num_out)
        if num_out < width:
            _widen(rows, members[: unit_begin[num_units]], width, scratch[width * (num_sums + 1) :])
        here = base + 4 * start
        magnitudes[:] = 0
        for unit in range(num_sums):
            part = scratch[width * unit : width * (unit + 1)]
            part[:] = 0
            _add(
                here,
                stride,
                width,
                members,
                np.int64(unit_begin[unit]),
                np.int64(unit_begin[unit + 1]),
                part.ctypes.data,
                magnitudes.ctypes.data,
            )
        # Single inputs are read once for their magnitudes, and are in the cache from then on.
        _add(
            here,
            stride,
            width,
            members,
            np.int64(unit_begin[num_sums]),
            np.int64(unit_begin[num_units]),
            current.ctypes.data,
            magnitudes.ctypes.data,
        )
        largest: Any = np.float64(float_of(largest_magnitude(magnitudes)))
        is_finite &= largest < np.inf  # not so where it is NaN
        magnitude = most * largest * gain
        bound = potential_error(depth, magnitude, num_steps, decay, synapse_decay, threshold)
        filtered[:] = 0
        potential[:] = 0
        trains[:] = 0
        marks[:] = 0
        doubts[:] = 0
        has_arrived: Any = False
        for step in range(num_steps):
            current[:] = 0
            for kind in range(2):
                begin, end = step_begin[kind, step], step_begin[kind, step + 1]
                if begin < end:
                    has_arrived = True
                    _add(
                        here if kind else scratch.ctypes.data,
                        stride if kind else width,
                        width,
                        events,
                        begin,
                        end,
                        current.ctypes.data,
                        0,
                    )
            _fire(
                current,
                filtered,
                potential,
                np.float32(gain),
                np.float32(synapse_decay),
                np.float32(decay),
                np.float32(threshold),
                subtract,
                np.float32(bound),
                trains[step >> 5],
                np.uint32(1) << np.uint32(step & 31),
                doubts,
            )
            # Before anything arrives potentials are zero, whatever rounding leaves, and in no band.
            if len(near) and has_arrived:
                _mark(
                    current,
                    low,
                    high,
                    np.float32(bound),
                    marks[step >> 5],
                    np.uint32(1) << np.uint32(step & 31),
                    doubts,
                )
        for j in range(size):
            post[start + j] = np.uint64(trains[0, j]) | (np.uint64(trains[1, j]) << np.uint64(32))
            if len(near):
                near[start + j] = np.uint64(marks[0, j]) | (np.uint64(marks[1, j]) << np.uint64(32))
        if len(kept):
            for j in range(size):
                post[start + j] *= np.uint64(kept[start + j])
                doubts[j] *= np.uint32(kept[start + j])
                if len(near):
                    near[start + j] *= np.uint64(kept[start + j])
        for j in range(size):
            if doubts[j]:
                post[start + j], steps, stays_finite = _exact_train(
                    rows,
                    start + j,
                    num_sums,
                    unit_begin,
                    members,
                    events,
                    step_begin,
                    gain,
                    np.float32(decay),
                    np.float32(synapse_decay),
                    np.float32(threshold),
                    subtract,
                    low,
                    high,
                )
                if len(near):
                    near[start + j] = steps
                is_finite &= stays_finite
    return is_finite


@compiled
def _widen(rows: Any, used: Any, width: int, target: Any) -> None:
    """Lay short rows behind each other, each with zeros up to a vector."""
    for row in used:
        part = target[width * row : width * (row + 1)]
        part[:] = 0
        for j in range(rows.shape[1]):
            part[j] = rows[row, j]


@compiled
def _fire(
    current: Any,
    filtered: Any,
    potential: Any,
    gain: Any,
    synapse_decay: Any,
    decay: Any,
    threshold: Any,
    subtract: bool,
    bound: Any,
    trains: Any,
    bit: Any,
    doubts: Any,
) -> None:
    """Run neurons one step further; their potentials before the reset replace the currents."""
    for j in range(len(current)):
        arrived = gain * current[j]
        if synapse_decay:
            arrived += synapse_decay * filtered[j]
            filtered[j] = arrived
        value = decay * potential[j] + arrived
        doubts[j] |= np.uint32(not abs(value - threshold) > bound)  # also where it is NaN
        fires = value >= threshold
        trains[j] |= bit if fires else np.uint32(0)
        rest = value - threshold if subtract else np.float32(0)
        potential[j] = rest if fires else value
        current[j] = value


@compiled
def _mark(
    potential: Any, low: Any, high: Any, bound: Any, marks: Any, bit: Any, doubts: Any
) -> None:
    """Mark potentials between `low` and `high`, and doubt those that are close to either."""
    for j in range(len(potential)):
        value = potential[j]
        doubts[j] |= np.uint32(not abs(value - low) > bound)
        doubts[j] |= np.uint32(not abs(value - high) > bound)
        marks[j] |= bit if low < value < high else np.uint32(0)


@compiled
def _exact_train(
    rows: Any,
    neuron: int,
    num_sums: int,
    unit_begin: Any,
    members: Any,
    events: Any,
    step_begin: Any,
    gain: float,
    decay: Any,
    synapse_decay: Any,
    threshold: Any,
    subtract: bool,
    low: Any,
    high: Any,
) -> Any:
    """Run one neuron over the window with sums in float64, rounded once; see :func:`.train_of`."""
    sums = np.zeros(num_sums, np.float64)
    for unit in range(num_sums):
        for k in range(unit_begin[unit], unit_begin[unit + 1]):
            sums[unit] += np.float64(rows[members[k], neuron])
    currents = np.zeros(step_begin.shape[1] - 1, np.float64)
    for step in range(len(currents)):
        for k in range(step_begin[0, step], step_begin[0, step + 1]):
            currents[step] += sums[events[k]]
        for k in range(step_begin[1, step], step_begin[1, step + 1]):
            currents[step] += np.float64(rows[events[k], neuron])
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
    chosen = np.empty(BLOCK + 1, np.uintp)
    traces = np.zeros((BLOCK // GROUP, num_steps, GROUP), np.float64)
    tables = np.empty((_PARTS, _CHOICES, GROUP), np.float64)
    pairings = np.empty((num_units * (min(num_out, BLOCK) // GROUP + 1), GROUP), np.float64)
    changes = np.empty(pairings.size, np.float32)
    for start in range(0, num_out, BLOCK):
        stop = min(start + BLOCK, num_out)
        found = _trace_back(
            desire[start:stop], post[start:stop], decay, synapse_decay, chosen, traces
        )
        if found == 0:
            continue
        _pair(unit_words, traces, found, tables, pairings)
        width = GROUP * ((found + GROUP - 1) // GROUP)
        flat = pairings.reshape(-1)
        for k in range(num_units * width):
            changes[k] = np.float32(learning_rate * flat[k])
        for k in range(len(inputs)):
            row, begin = rows[inputs[k], start:stop], width * np.int64(unit_of[k])
            part = changes[begin : begin + found]
            for j in range(found):
                row[chosen[j]] += part[j]
