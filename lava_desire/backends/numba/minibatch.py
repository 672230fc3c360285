"""Minibatches one after the other, compiled: forward pass, desires and update of each.

All threads go through one function. What is worth sharing is a stage, of which each takes pieces,
and the first does what lies between. Kernels are those of a single step, and so is every bit: what
a stage saves is the way back to Python, where threads meet at a lock and caches are emptied.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import carray

from lava_desire.backends.numba.events import (
    _list_events,
    compiled,
    list_used,
    popcount,
    unite,
)
from lava_desire.backends.numba.philox import draw_kept_together
from lava_desire.backends.numba.sample import _judge, ask
from lava_desire.backends.numba.scan import NARROW, has_failed, scan_layer, strips_of
from lava_desire.backends.numba.simd import floats_at
from lava_desire.backends.numba.threads import (
    call_others,
    end_stages,
    enter,
    is_over,
    leave,
    pieces_of,
)
from lava_desire.backends.numba.update import (
    INPUTS,
    add_desired_spikes,
    add_outer,
    clip_rows,
    learn_tiles,
    list_errors,
    local_errors,
    move_rows,
    signs_of,
    ternarise,
)

MASKS, SAMPLES, SCAN, INPUT_NEURONS, BACK, LEARN, ROWS = range(7)
"""Kinds of stages, whose boards follow each other: of the first two one, of others L each."""

_FEW_ROWS = 16  # whose weights stay in the first-level cache while they are changed


@compiled
def learn_minibatches(
    images: Any,
    trains: Any,
    labels: Any,
    first_number: int,
    batch_size: int,
    addresses: Any,
    rates: Any,
    plan: Any,
    terms: Any,
    averages: Any,
    shares: Any,
    mean_rates: Any,
    rated: Any,
    held: Any,
    chances: Any,
    lists: Any,
    room: Any,
    boards: Any,
    edges: Any,
    stages: Any,
    found: Any,
    thread: int,
) -> None:
    """Learn minibatches of B samples through dense layers, in their order (Eq. 1 to 16).

    Images are (S, N_0) uint8, whose trains stand in a table, (256,) words, or empty where trains
    of the input are (S, N_0) words; labels are (S,) int64, S a multiple of B. Masks are drawn from
    the number of the first sample on.

    Of the layers, `addresses`, (L,) int64, are those of the weights, (N_{ℓ−1}, N_ℓ) float32, by
    input, and `rates`, (L,) float64, are η of each. `averages`, (L,) int64, are the addresses of
    the weights' averages, each like the weights; `shares`, (S / B,) float32, say by how much
    minibatches move them. Both are empty where there are none. `mean_rates`, (N − N_L,) float64,
    layer behind layer, and `rated`, (L,) int64, are the state's input_rates and rated_samples,
    which go on. Both are empty where rates are not followed.

    `plan` is that of :class:`~.online.Online`, and behind it the table of trains. `terms`, (K, 3)
    float64, are the numbers of the update's K terms for B samples, see
    :meth:`~lava_desire.model.option.Term.numbers`.

    :class:`~.in_turn.InTurn` makes the memory to work in. All threads share `held`, arrays of one
    minibatch; `lists`, those of :class:`~.events.Events` of all layers; and `chances`, the steps in
    which neurons learn, as words, or None where these are the steps of their spikes. `room` is this
    thread's alone. `stages` is the board of :func:`~.threads.share_stages`, `boards` with their
    `edges` are those of the stages.

    `found`, (3,) int64, receives the samples before the first minibatch at which a weight or
    potential is NaN or infinite, which with those behind it has changed nothing; and how many of
    them are predicted right (Sec. 4.2), and have desire.
    """
    sizes, delays, gains, keys, leasts, thresholds, table, outputs, numbers, levels = plan
    words, kept, desires, signs, seen, used, num_used, with_desire, chosen, num_chosen = held[:10]
    errors, places, values, counts, posts, pres, is_asked, following, is_rated, desired = held[10:]
    tile, transposed, sums, pairings = room
    call_others(stages, thread)
    num_layers, num_steps = len(delays), table.shape[1] - 1
    num_minibatches = len(labels) // batch_size
    begins = np.zeros(num_layers + 2, np.int64)
    for layer in range(num_layers + 1):
        begins[layer + 1] = begins[layer] + sizes[layer]
    last = num_layers - 1
    no_mask = np.empty((0, 0), np.bool_)
    every_step = ~np.uint64(0) >> np.uint64(64 - num_steps)
    limit, follows = np.float32(numbers[4]), len(mean_rates) > 0
    is_first = thread == 0
    changes_all = len(terms) > 0 or limit > 0 or len(averages) > 0
    out = _part(words, batch_size, begins[num_layers], sizes[num_layers])
    output_desire = _part(desires, batch_size, begins[num_layers] - sizes[0], sizes[num_layers])
    stage = -1
    for minibatch in range(num_minibatches):
        if is_over(stages):
            break
        first_sample = minibatch * batch_size
        stage += 1
        board = boards[edges[MASKS] : edges[MASKS + 1]]
        if enter(stages, board, thread, stage):
            _begin(
                keys,
                first_number + first_sample,
                leasts,
                begins,
                kept,
                images[first_sample : first_sample + batch_size],
                trains[first_sample : first_sample + batch_size],
                levels,
                _part(words, batch_size, 0, sizes[0]),
                board,
                thread,
            )
            leave(stages, thread, stage)
        is_finite: Any = True
        for layer in range(num_layers):
            pre = _part(words, batch_size, begins[layer], sizes[layer])
            post = _part(words, batch_size, begins[layer + 1], sizes[layer + 1])
            stage += 1
            board = _board(boards, edges, INPUT_NEURONS, layer, num_layers)
            if enter(stages, board, thread, stage):
                for piece in pieces_of(board, thread):
                    unite(pre, seen[: sizes[layer]], piece[0], piece[1])
                leave(stages, thread, stage)
            if is_first:
                num_used[layer] = list_used(seen[: sizes[layer]], used[layer])
            events = _lists_of(lists, batch_size, begins[layer], layer, sizes[layer], num_steps)
            stage += 1
            board = boards[edges[SAMPLES] : edges[SAMPLES + 1]]
            if enter(stages, board, thread, stage):
                _list(
                    pre,
                    used[layer, : num_used[layer]],
                    delays[layer],
                    num_steps,
                    events,
                    board,
                    thread,
                )
                leave(stages, thread, stage)
            stage += 1
            board = _board(boards, edges, SCAN, layer, num_layers)
            if enter(stages, board, thread, stage):
                rows = carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1]))
                mask = no_mask
                if layer < last:
                    mask = _part(kept, batch_size, begins[layer + 1], sizes[layer + 1])
                scanned = rows, used[layer, : num_used[layer]], mask, post
                begin, size = begins[layer + 1], sizes[layer + 1]
                near = _part_if_any(chances, batch_size, begin, size)
                _scan(scanned, near, events, gains[layer], numbers, tile, board, thread)
                leave(stages, thread, stage)
            if is_first and has_failed(board):
                is_finite = False
                break
        if not is_finite:
            break
        learning = words
        if chances is not None:
            learning = chances
        if is_first:
            num_active = 0
            for sample in range(batch_size):
                is_correct, is_active = _judge(
                    out[sample],
                    labels[first_sample + sample],
                    outputs,
                    output_desire[sample],
                    numbers[7] != 0,
                )
                is_rated[sample] = is_active or numbers[6] == 0
                found[1] += is_correct
                num_active += is_active
            found[2] += num_active
            found[0] += batch_size
            if chances is not None:
                chances[batch_size * begins[num_layers] :] = every_step
            num_chosen[:] = num_active
        for layer in range(last, 0, -1):
            desire = _part(desires, batch_size, begins[layer + 1] - sizes[0], sizes[layer + 1])
            before = _part(desires, batch_size, begins[layer] - sizes[0], sizes[layer])
            at = _part(errors, batch_size, 0, sizes[layer + 1])
            at_places = _part(places, batch_size, 0, sizes[layer + 1] + 1)
            at_values = _part(values, batch_size, 0, sizes[layer + 1] + 1)
            if is_first:
                num_chosen[layer] = _choose(desire, chosen[layer], before)
            has_any = not is_first or num_chosen[layer] > 0
            stage += 1
            board = boards[edges[SAMPLES] : edges[SAMPLES + 1]]
            if has_any and enter(stages, board, thread, stage):
                mask = no_mask
                if layer < last:
                    mask = _part(kept, batch_size, begins[layer + 1], sizes[layer + 1])
                number = num_chosen[layer]
                for piece in pieces_of(board, thread):
                    begin, end = piece[0] * number // batch_size, piece[1] * number // batch_size
                    local_errors(
                        chosen[layer, :number],
                        desire,
                        _part(learning, batch_size, begins[layer + 1], sizes[layer + 1]),
                        mask,
                        table,
                        at,
                        begin,
                        end,
                    )
                    list_errors(at, at_places, at_values, counts, begin, end)
                leave(stages, thread, stage)
            stage += 1
            board = _board(boards, edges, BACK, layer, num_layers)
            if has_any and enter(stages, board, thread, stage):
                number = num_chosen[layer]
                ternarise(
                    carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1])),
                    at[:number],
                    at_places[:number],
                    at_values[:number],
                    counts[:number],
                    thresholds[layer - 1],
                    chosen[layer, :number],
                    before,
                    transposed[: sizes[layer + 1] * INPUTS].reshape((sizes[layer + 1], INPUTS)),
                    board,
                    thread,
                )
                leave(stages, thread, stage)
        learns = not is_first or num_chosen[last] > 0
        stage += 1
        board = boards[edges[SAMPLES] : edges[SAMPLES + 1]]
        if learns and enter(stages, board, thread, stage):
            for piece in pieces_of(board, thread):
                for layer in range(num_layers):
                    mask = no_mask
                    if layer < last:
                        mask = _part(kept, batch_size, begins[layer + 1], sizes[layer + 1])
                    begin = begins[layer + 1] - sizes[0]
                    signs_of(
                        _part(desires, batch_size, begin, sizes[layer + 1]),
                        mask,
                        _part(signs, batch_size, begin, sizes[layer + 1]),
                        with_desire[layer],
                        piece[0],
                        piece[1],
                    )
            leave(stages, thread, stage)
        if is_first and learns:
            for layer in range(num_layers):
                num_chosen[layer] = 0
                for sample in range(batch_size):
                    chosen[layer, num_chosen[layer]] = sample
                    num_chosen[layer] += with_desire[layer, sample]
        stage += 1
        board = _boards_of_all(boards, edges, LEARN, num_layers)
        if learns and enter(stages, board, thread, stage):
            for layer in range(last, -1, -1):
                if num_chosen[layer] == 0:
                    continue
                post = _part(learning, batch_size, begins[layer + 1], sizes[layer + 1])
                begin = begins[layer + 1] - sizes[0]
                _learn(
                    carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1])),
                    rates[layer],
                    chosen[layer, : num_chosen[layer]],
                    _part(signs, batch_size, begin, sizes[layer + 1]),
                    post,
                    _lists_of(lists, batch_size, begins[layer], layer, sizes[layer], num_steps),
                    num_steps,
                    numbers,
                    sums,
                    pairings,
                    _board(boards, edges, LEARN, layer, num_layers),
                    thread,
                )
            leave(stages, thread, stage)
        if is_first and follows:
            num_rated = np.sum(is_rated)
            for layer in range(num_layers):
                rated[layer] += num_rated
                horizon = max(max(num_rated, 1.0), min(np.float64(rated[layer]), numbers[5]))
                following[layer, 0] = num_rated / horizon
                following[layer, 1] = max(num_rated * num_steps, 1)
        if is_first and len(terms):
            begin = begins[num_layers] - sizes[0]
            add_desired_spikes(
                _part(signs, batch_size, begin, sizes[num_layers]),
                _part(learning, batch_size, begins[num_layers], sizes[num_layers]),
                chosen[last, : num_chosen[last]],
                desired[last],
                0,
                sizes[num_layers],
            )
        stage += 1
        board = _boards_of_all(boards, edges, INPUT_NEURONS, num_layers)
        if (follows or len(terms)) and enter(stages, board, thread, stage):
            for layer in range(num_layers):
                board = _board(boards, edges, INPUT_NEURONS, layer, num_layers)
                for piece in pieces_of(board, thread):
                    if follows:
                        _follow(
                            mean_rates[begins[layer] : begins[layer + 1]],
                            _part(words, batch_size, begins[layer], sizes[layer]),
                            is_rated,
                            following[layer, 0],
                            following[layer, 1],
                            piece[0],
                            piece[1],
                        )
                    if layer > 0 and len(terms):
                        add_desired_spikes(
                            _part(signs, batch_size, begins[layer] - sizes[0], sizes[layer]),
                            _part(learning, batch_size, begins[layer], sizes[layer]),
                            chosen[layer - 1, : num_chosen[layer - 1]],
                            desired[layer - 1],
                            piece[0],
                            piece[1],
                        )
            leave(stages, thread, stage)
        if is_first:
            for layer in range(num_layers):
                for term in range(len(terms)):
                    begin, middle, end = begins[layer], begins[layer + 1], begins[layer + 2]
                    of_rates = terms[term, 1] > 0
                    is_asked[layer, term] = (layer < last or not of_rates) and ask(
                        terms[term],
                        rates[layer],
                        mean_rates[begin:middle],
                        mean_rates[middle:end] if of_rates else mean_rates[:0],
                        desired[layer, : sizes[layer + 1]],
                        pres[layer, term],
                        posts[layer, term],
                    )
        stage += 1
        board = _boards_of_all(boards, edges, ROWS, num_layers)
        if changes_all and enter(stages, board, thread, stage):
            for layer in range(num_layers):
                rows = carray(floats_at(addresses[layer]), (sizes[layer], sizes[layer + 1]))
                board = _board(boards, edges, ROWS, layer, num_layers)
                for piece in pieces_of(board, thread):
                    for begin in range(piece[0], piece[1], _FEW_ROWS):
                        end = min(begin + _FEW_ROWS, piece[1])
                        for term in range(len(terms)):
                            if is_asked[layer, term]:
                                pre, post = pres[layer, term], posts[layer, term]
                                add_outer(rows, pre, post[: sizes[layer + 1]], begin, end)
                        if limit > 0:
                            clip_rows(rows, limit, begin, end)
                        if len(averages):
                            means = carray(floats_at(averages[layer]), rows.shape)
                            move_rows(means, rows, shares[minibatch], begin, end)
            leave(stages, thread, stage)
    end_stages(stages, thread)


@compiled
def _part(flat: Any, num_rows: int, begin: int, size: int) -> Any:
    """Return the rows of a layer, which lie behind those of the layers before."""
    return flat[num_rows * begin : num_rows * (begin + size)].reshape((num_rows, size))


@compiled
def _part_if_any(flat: Any, num_rows: int, begin: int, size: int) -> Any:
    if flat is None:
        return None
    return _part(flat, num_rows, begin, size)


@compiled
def _board(boards: Any, edges: Any, kind: int, layer: int, num_layers: int) -> Any:
    place = SCAN + num_layers * (kind - SCAN) + layer
    return boards[edges[place] : edges[place + 1]]


@compiled
def _boards_of_all(boards: Any, edges: Any, kind: int, num_layers: int) -> Any:
    place = SCAN + num_layers * (kind - SCAN)
    return boards[edges[place] : edges[place + num_layers]]


@compiled
def _lists_of(lists: Any, num_rows: int, before: int, layer: int, size: int, num_steps: int) -> Any:
    """Return the lists of :class:`~.events.Events`, but for `used`, of a layer's inputs."""
    unit_words, unit_begin, members, inputs, unit_of, numbers = lists[:6]
    groups, events, step_begin = lists[6:]
    of_groups = _part(groups, num_rows, 16 * (before + layer), 16 * (size + 1))
    return (
        _part(unit_words, num_rows, before, size),
        _part(unit_begin, num_rows, before + layer, size + 1),
        _part(members, num_rows, before, size),
        _part(inputs, num_rows, before + layer, size + 1),
        _part(unit_of, num_rows, before, size),
        numbers[layer, 0],
        numbers[layer, 1],
        numbers[layer, 2],
        of_groups.reshape((num_rows, 2 * size + 2, 8)),
        numbers[layer, 3],
        _part(events, num_rows, num_steps * (before + 8 * layer), num_steps * (size + 8)),
        _part(step_begin, num_rows, (num_steps + 1) * layer, num_steps + 1),
        numbers[layer, 4],
        numbers[layer, 5],
    )


@compiled
def _begin(
    keys: Any,
    first_number: int,
    leasts: Any,
    begins: Any,
    kept: Any,
    images: Any,
    trains: Any,
    levels: Any,
    words: Any,
    board: Any,
    thread: int,
) -> None:
    """Draw the masks of a minibatch, and fill in its input, silenced by the first, (B, N_0)."""
    for piece in pieces_of(board, thread):
        layer, first, last = piece[0], piece[1], piece[2]
        masks = _part(kept, len(words), begins[layer], begins[layer + 1] - begins[layer])
        masks = masks[first:last]
        draw_kept_together(keys[layer], first_number + first, leasts[layer], masks)
        if layer == 0:
            for sample in range(first, last):
                mask = masks[sample - first]
                if len(images):
                    for j in range(words.shape[1]):
                        words[sample, j] = levels[images[sample, j]] * np.uint64(mask[j])
                else:
                    for j in range(words.shape[1]):
                        words[sample, j] = trains[sample, j] * np.uint64(mask[j])


@compiled
def _list(
    words: Any, used: Any, delay: int, num_steps: int, lists: Any, board: Any, thread: int
) -> None:
    unit_words, unit_begin, members, inputs, unit_of, num_units, num_sums = lists[:7]
    num_plain, groups, num_groups, events, step_begin, depth, most = lists[7:]
    _list_events(
        words,
        used,
        delay,
        num_steps,
        unit_words,
        unit_begin,
        members,
        inputs,
        unit_of,
        num_units,
        num_sums,
        num_plain,
        groups,
        num_groups,
        events,
        step_begin,
        depth,
        most,
        board,
        thread,
    )


@compiled
def _scan(
    scanned: Any,
    eligible: Any,
    lists: Any,
    gain: float,
    numbers: Any,
    tile: Any,
    board: Any,
    thread: int,
) -> None:
    rows, used, masks, spikes = scanned
    unit_words, unit_begin, members, _, _, num_units, _ = lists[:7]
    _, groups, num_groups, events, step_begin, depth, most = lists[7:]
    scan_layer(
        rows,
        used,
        unit_words,
        unit_begin,
        members,
        num_units,
        groups,
        num_groups,
        events,
        step_begin,
        depth,
        most,
        gain,
        numbers[0],
        numbers[1],
        numbers[2],
        numbers[3] != 0,
        np.float32(numbers[8]),
        np.float32(numbers[9]),
        masks,
        spikes,
        eligible,
        strips_of(tile, 2 * rows.shape[0] + 2, rows.shape[1] <= NARROW),
        board,
        thread,
    )


@compiled
def _learn(
    rows: Any,
    learning_rate: float,
    samples: Any,
    signs: Any,
    outputs: Any,
    lists: Any,
    num_steps: int,
    numbers: Any,
    sums: Any,
    pairings: Any,
    board: Any,
    thread: int,
) -> None:
    unit_words, unit_begin, _, inputs, unit_of, num_units, _ = lists[:7]
    learn_tiles(
        rows,
        learning_rate,
        samples,
        signs,
        outputs,
        unit_words,
        inputs,
        unit_of,
        unit_begin,
        num_units,
        num_steps,
        numbers[0],
        numbers[1],
        sums,
        pairings,
        board,
        thread,
    )


@compiled
def _choose(desire: Any, chosen: Any, before: Any) -> Any:
    """List the samples with desire, and let the neurons before have none in the others."""
    found: Any = 0
    for sample in range(len(desire)):
        union = np.int8(0)
        for j in range(desire.shape[1]):
            union |= desire[sample, j]
        if union:
            chosen[found] = sample
            found += 1
        else:
            before[sample] = 0
    return found


@compiled
def _follow(
    mean_rates: Any, words: Any, is_rated: Any, share: float, slots: float, first: int, last: int
) -> None:
    """Let mean rates follow a minibatch; see :func:`~lava_desire.model.rates.follow_rate`."""
    counts = np.zeros(last - first, np.int64)
    for sample in range(len(words)):
        if is_rated[sample]:
            for j in range(first, last):
                counts[j - first] += np.int64(popcount(words[sample, j]))
    for j in range(first, last):
        rate = np.float64(counts[j - first]) / slots
        mean_rates[j] += share * (rate - mean_rates[j])
