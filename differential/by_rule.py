"""Training written out with the functions of the rule, on NumPy arrays and nothing else."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from differential.draw import Case, taken
from differential.matrix import Matrix
from differential.trace import Trace, note
from lava_desire import DesireConfig, fixed, rule
from lava_desire.fixed import IntegerRule
from lava_desire.model.integers import filtered_brightness
from lava_desire.model.option import (
    LayerUpdate,
    decided,
    filtered,
    integer_term_factors,
    output_desires,
)
from lava_desire.model.rates import follow_rate_in_integers, whole_rate
from lava_desire.randomness import (
    DropoutStream,
    RoundingStream,
    epoch_moves,
    epoch_order,
    feedback_held,
    kept_spikes,
)


class RuleNetwork:
    """A network in floating point: arrays, and a loop over layers and steps."""

    def __init__(self, config: DesireConfig, weights: list[Any]) -> None:
        self.config = config
        self._matrices = [Matrix(synapse) for synapse in config.synapses]
        self.weights = [_bounded(config, w).copy() for w in weights]
        self.rates = [np.zeros(size) for size in config.layer_sizes[:-1]]
        self.rated = 0
        self.eligible: list[Any] = []  # of the last forward pass: steps that may be learned at

    def forward(self, images: Any, masks: list[Any] | None) -> list[Any]:
        """Return the trains of all layers, (T, B, N) bool."""
        config = self.config
        self.eligible = []
        trains = [images]
        if images.dtype != bool:
            images = filtered(config, images)
            if images.dtype == np.uint8:
                images = images.astype(np.float32) / np.float32(255)
            trains = [rule.encode(images, config.num_steps, config.threshold)]
        if masks is not None:
            trains[0] = trains[0] & masks[0]
        for layer in range(1, config.num_layers + 1):
            weights = self._matrix(layer)
            received = trains[-1] if layer == 1 else _delayed(trains[-1])
            gain = 1.0 if masks is None else config.dropout_gain(layer - 1)
            mask = masks[layer] if masks is not None and layer < config.num_layers else None
            potential = current = np.zeros((received.shape[1], len(weights)), np.float32)
            spikes, eligible = [], []
            for step in range(config.num_steps):
                arrived = rule.synaptic_current(weights, received[step], gain)
                current = rule.filter_current(current, arrived, config.synapse_decay)
                before = config.decay * potential + current
                fires, potential = rule.integrate_and_fire(
                    potential, current, config.decay, config.threshold, mask, config.reset
                )
                spikes.append(fires)
                near = rule.near_threshold(before, config.threshold, config.eligibility_width)
                near |= layer == config.num_layers
                eligible.append(near if mask is None else near & mask)
            trains.append(np.stack(spikes))
            self.eligible.append(np.stack(eligible if config.eligibility_width else spikes))
        return trains

    def desires(self, trains: list[Any], labels: Any, masks: list[Any]) -> list[Any]:
        """Return the desires of all plastic layers, (B, N) int8, before the masks."""
        config = self.config
        counts = [train.sum(axis=0, dtype=np.int64) for train in trains]
        rates = [rule.firing_rate(n, config.num_steps, config.error_margin) for n in counts]
        found = [output_desires(config, counts[-1], labels)]
        for layer in range(config.num_layers, 1, -1):
            mask = masks[layer] if layer < config.num_layers else None
            error = rule.local_error(found[0], rates[layer], mask)
            if config.eligibility_width:
                steps = self.eligible[layer - 1].sum(axis=0)
                share = rule.firing_rate(steps, config.num_steps, error_margin=0)
                error = rule.eligible_error(found[0], share, mask)
            z = rule.backpropagate_error(self._feedback(layer), error)
            found.insert(0, rule.hidden_desire(z, config.desire_threshold_of(layer - 1)))
        return found

    def _matrix(self, layer: int) -> Any:
        return self._matrices[layer - 1].unroll(self.weights[layer - 1])

    def _feedback(self, layer: int) -> Any:
        policy, weights = self.config.feedback_policy, self.weights[layer - 1]
        if policy is not None:
            weights = policy.matrix(weights, feedback_held(self.config, layer))
        return self._matrices[layer - 1].unroll(weights)

    def learn(self, trains: list[Any], desires: list[Any], masks: list[Any], eta: float) -> None:
        """Change the weights of all layers, the last first."""
        config = self.config
        batch = len(desires[-1])
        counts = [train.sum(axis=0, dtype=np.int64) for train in trains]
        rated = np.ones(batch, bool)
        if config.rates_over == "desired":
            rated = desires[-1].any(axis=1)
        if config.follows_rates:
            self._follow(counts, rated)
        unit = rule.mean_trace(config.num_steps, config.decay, config.synapse_decay)
        for layer in range(config.num_layers, 0, -1):
            weights, desire = self.weights[layer - 1], desires[layer - 1]
            if layer < config.num_layers:
                desire = desire * masks[layer]
            received = trains[layer - 1] if layer == 1 else _delayed(trains[layer - 1])
            trace, traces = np.zeros(received.shape[1:]), []
            current = np.zeros(received.shape[1:])
            for step in range(config.num_steps):
                current = rule.decay_trace(current, received[step], config.synapse_decay)
                trace = rule.decay_trace(trace, current, config.decay)
                traces.append(trace)
            rate = eta * config.learning_rate_scale_of(layer)
            post = self.eligible[layer - 1]
            sums = rule.desired_pairings(desire, post, np.stack(traces))
            fold = self._matrices[layer - 1].fold
            weights += rule.weight_change(fold(sums), rate)
            spikes = (desire * post.sum(axis=0, dtype=np.int64)).sum(axis=0)
            update = LayerUpdate(
                config,
                layer,
                rate,
                batch,
                self.rates[layer - 1] if config.follows_rates else None,
                self.rates[layer] if config.follows_rates and layer < config.num_layers else None,
                lambda spikes=spikes: spikes,
                unit,
            )
            for term in config.terms:
                factors = term.factors(update)
                if factors is not None:
                    post, pre = (np.asarray(each, np.float64) for each in factors)
                    weights += fold(post[:, None] * pre).astype(np.float32)
            weights[:] = _bounded(config, weights)

    def _follow(self, counts: list[Any], rated: Any) -> None:
        num_rated = int(rated.sum())
        self.rated += num_rated
        horizon = max(min(self.rated, self.config.baseline_samples), num_rated, 1)
        for layer, rates in enumerate(self.rates):
            num_spikes = counts[layer][rated].sum(axis=0)
            self.rates[layer] = rule.follow_rate(
                rates, num_spikes, num_rated, self.config.num_steps, num_rated / horizon
            )


def _learning_rate(config: DesireConfig, epoch: int) -> float:
    if config.learning_rate_schedule == "cosine":
        return config.learning_rate * (1 + math.cos(math.pi * (epoch / config.epochs))) / 2
    return config.learning_rate * math.exp(-config.learning_rate_decay * epoch)


def _bounded(config: DesireConfig, weights: Any) -> Any:
    for bound in config.bounds:
        weights = rule.limit_weights(weights, bound.limit())
    return weights


def _delayed(trains: Any) -> Any:
    return np.concatenate([np.zeros_like(trains[:1]), trains[:-1]])


def run_rule(case: Case) -> Trace:
    """Train as the configuration says, evaluating after every epoch.

    Parameters
    ----------
    case : Case
        What to learn.

    Returns
    -------
    dict
        Spikes, desires, predictions, weights, averages and rates of every minibatch, and those of
        evaluation.
    """
    config = case.config
    network = RuleNetwork(config, case.weights)
    streams = _streams(case)
    average = [weights.copy() for weights in network.weights]
    trace: Trace = {}
    number = 0
    for epoch in range(config.epochs):
        eta = _learning_rate(config, epoch)
        for images, labels in minibatches(case, epoch):
            number += 1
            name = f"minibatch {number}: "
            masks = [stream.draw(len(labels)) for stream in streams]
            trains = network.forward(images, masks)
            desires = network.desires(trains, labels, masks)
            network.learn(trains, desires, masks, eta)
            note_activity(trace, name, trains, _predict(config, trains), desires)
            note_layers(trace, name + "weights", network.weights)
            if config.follows_rates:
                note_layers(trace, name + "rates", network.rates)
            if config.weight_average:
                share = np.float64(max(1 / number, 1 - config.weight_average))
                average = [
                    _moved(mean, weights, share)
                    for mean, weights in zip(average, network.weights, strict=True)
                ]
                note_layers(trace, name + "average", average)
        images, labels = case.test
        trains = network.forward(images, None)
        note_activity(trace, f"test {epoch + 1}: ", trains, _predict(config, trains))
    return trace


def _moved(mean: Any, weights: Any, share: Any) -> Any:
    """Move a mean as torch.lerp does: from the nearer end, rounded to float32 once."""
    share = np.float32(share)
    difference = (weights - mean).astype(np.float64)
    # Exact in float64: a product of two float32 numbers, and one rounding of its sum.
    if share < 0.5:
        return _rounded_sum(mean, np.float64(share) * difference)
    return _rounded_sum(weights, np.float64(share - np.float32(1)) * difference)


def _rounded_sum(one: Any, product: Any) -> Any:
    """Round one + product to float32 once; long double has room for all but extreme exponents."""
    return (one.astype(np.longdouble) + product.astype(np.longdouble)).astype(np.float32)


def _predict(config: DesireConfig, trains: list[Any]) -> Any:
    counts = trains[-1].sum(axis=0, dtype=np.int64)
    return decided(config, counts, lambda: rule.last_spikes(trains[-1]))


def _streams(case: Case) -> list[DropoutStream]:
    config = case.config
    streams = [
        DropoutStream(size, config.dropout_of(layer), config.seed, layer)
        for layer, size in enumerate(config.layer_sizes[:-1])
    ]
    for stream in streams:
        stream.seek(case.samples_seen)
    return streams


def minibatches(case: Case, epoch: int) -> Any:
    """Yield the minibatches of an epoch in its order, moved as it moves them."""
    config, (images, labels) = case.config, case.train
    order = epoch_order(config.seed, epoch, len(labels))
    moves = _moves(config, epoch, len(labels))
    for start in range(0, len(labels), config.batch_size):
        chosen = order[start : start + config.batch_size]
        shown = taken(images, chosen)
        if moves is not None and shown.dtype == bool:
            samples = range(start, start + len(chosen))
            trains = [
                _changed_train(config, epoch, sample, moves[sample], shown[:, number])
                for number, sample in enumerate(samples)
            ]
            shown = np.stack(trains, axis=1)
        elif moves is not None:
            shown = np.stack(
                [
                    _moved_image(image, config.input_shape, *move[0])
                    for image, move in zip(shown, moves[start:], strict=False)
                ]
            )
        yield shown, labels[chosen]


def _changed_train(config: DesireConfig, epoch: int, sample: int, move: Any, train: Any) -> Any:
    """Change the spikes of a sample, (T, N) bool, step by step."""
    places, delay, stays = move
    changed = np.zeros_like(train)
    for step in range(len(train)):
        if 0 <= step - delay < len(train):
            changed[step] = train[step - delay]
            if config.image_shift or config.image_mirror:
                changed[step] = _moved_image(
                    changed[step].astype(np.uint8), config.input_shape, *places
                )
    if config.spike_drop and not stays:
        planes = -(-len(train) // 8)
        kept = kept_spikes(config.seed, epoch, sample, planes, train.shape[1], config.spike_drop)
        for step in range(len(train)):
            changed[step] &= (kept[step // 8] >> step % 8 & 1).astype(bool)
    return changed


def _moves(config: DesireConfig, epoch: int, num_samples: int) -> list[tuple[Any, ...]] | None:
    """Return what each sample is moved by: in its plane, in time, and whether it stays.

    In its plane: pixels down and right, 2**15 cos θ / f and sin, what bends it, displacements down
    and across, (2, places down, places across), or nothing, and whether it is mirrored.
    """
    largest = config.image_shift, math.radians(config.image_rotation), config.image_scale
    bend = round(2**16 * config.image_bend)
    others = config.image_mirror, config.time_shift, config.spike_drop
    moves = any(largest) or bend or any(others)
    if not moves or not config.image_shift_share or epoch < config.image_shift_start:
        return None
    share = config.image_shift_share
    planes = config.image_planes[1:]
    places = [math.ceil((size - 1) / 7) + 3 for size in planes]
    num_bends = 2 * math.prod(places) * (bend > 0)
    drawn = epoch_moves(
        config.seed, epoch, num_samples, *largest, share, bend, num_bends, *others[:2]
    )
    found = []
    for (down, right), (angle, factor), bends, mirrored, delay, stays in zip(*drawn, strict=True):
        place = (
            int(down),
            int(right),
            round(2**15 * (np.cos(angle) / factor)),
            round(2**15 * (np.sin(angle) / factor)),
            bends.reshape(2, *places) if bend else None,
            bool(mirrored),
        )
        found.append((place, int(delay), bool(stays)))
    return found


def _bent(displacements: Any, row: int, column: int) -> int:
    """Return the displacement of a pixel, of those of places 7 pixels apart."""
    total = 0
    for i, down in _spline(row):
        for j, across in _spline(column):
            total += down * across * int(displacements[i, j])
    return total >> 24


def _spline(pixel: int) -> list[tuple[int, int]]:
    """Return the places around a pixel of a side, and their shares of a cubic spline in 1/4096."""
    first, x = pixel // 7, pixel % 7 / 7
    outer, inner = (1 - x) ** 3, 4 - 6 * x**2 + 3 * x**3
    y = 1 - x
    shares = [outer, inner, 4 - 6 * y**2 + 3 * y**3, x**3]
    shares = [round(4096 * share / 6) for share in shares]
    shares[1] = 4096 - shares[0] - shares[2] - shares[3]
    return [(first + k, share) for k, share in enumerate(shares) if share]


def _moved_image(
    image: Any,
    shape: tuple[int, ...],
    down: int,
    right: int,
    cosine: int,
    sine: int,
    bends: Any,
    mirrored: bool,
) -> Any:
    """Move an image, a pixel at a time, with places in 1/65,536 of one and shares in 1/256."""
    side = math.isqrt(len(image))
    planes = image.reshape(shape if len(shape) == 3 else (1, side, side))
    planes = planes[:, :, ::-1] if mirrored else planes
    moved = np.zeros_like(planes)
    _, height, width = planes.shape
    exact = np.float64 if planes.dtype.kind == "f" else np.int64
    for row in range(height):
        for column in range(width):
            y, x = 2 * (row - down) - (height - 1), 2 * (column - right) - (width - 1)
            places = (
                cosine * y + sine * x + (height - 1) * 2**15,
                cosine * x - sine * y + (width - 1) * 2**15,
            )
            if bends is not None:
                places = tuple(
                    place + _bent(each, row, column)
                    for place, each in zip(places, bends, strict=True)
                )
            (i, i_share), (j, j_share) = ((place >> 16, place >> 8 & 255) for place in places)
            total = np.zeros(len(planes), exact)
            for k, k_share in ((i, 256 - i_share), (i + 1, i_share)):
                for m, m_share in ((j, 256 - j_share), (j + 1, j_share)):
                    if 0 <= k < height and 0 <= m < width:
                        total += k_share * m_share * planes[:, k, m].astype(exact)
            rounded = total / 2**16 if exact is np.float64 else (total + 2**15) >> 16
            moved[:, row, column] = rounded
    return moved.ravel()


def note_activity(
    trace: Trace, name: str, trains: list[Any], prediction: Any, desires: Any = ()
) -> None:
    """Keep what a pass saw."""
    for layer, train in enumerate(trains):
        note(trace, f"{name}spikes {layer}", train)
    note(trace, f"{name}prediction", prediction)
    for layer, desire in enumerate(desires, start=1):
        note(trace, f"{name}desire {layer}", desire)


def note_layers(trace: Trace, name: str, arrays: Any) -> None:
    """Keep an array a layer."""
    for layer, array in enumerate(arrays, start=1):
        note(trace, f"{name} {layer}", array)


def run_integers(case: Case) -> Trace:
    """Do what :func:`run_rule` does, in integers, with the functions of ``fixed``."""
    config = case.config
    integers = IntegerRule(config)
    weights = [
        fixed.quantize_weights(array, integers.format_of(layer), config.threshold).astype(np.int64)
        for layer, array in enumerate(case.weights, start=1)
    ]
    weights = [each.clip(*integers.range_of(layer)) for layer, each in enumerate(weights, start=1)]
    rates, rated = [np.zeros(size) for size in config.neurons[:-1]], [0]
    streams, seen, number = _streams(case), case.samples_seen, 0
    trace: Trace = {}
    for epoch in range(config.epochs):
        eta = _learning_rate(config, epoch)
        for images, labels in minibatches(case, epoch):
            number += 1
            for layer in range(1, config.num_layers + 1):
                integers.check_rate(layer, eta)
            masks = [stream.draw(len(labels)) for stream in streams]
            trains, posts = _integer_forward(integers, weights, images, masks)
            desires = _integer_desires(integers, weights, posts, trains[-1], labels, masks)
            if config.follows_rates:
                _follow_in_integers(config, rates, rated, trains, desires)
            factors = _integer_factors(integers, posts, desires, masks, eta, rates)
            _integer_learn(integers, weights, trains, posts, desires, masks, eta, seen, factors)
            seen += len(labels)
            name = f"minibatch {number}: "
            note_activity(trace, name, trains, _predict(config, trains), desires)
            note_layers(trace, name + "weights", weights)
            if config.follows_rates:
                note_layers(trace, name + "rates", rates)
        trains, _ = _integer_forward(integers, weights, case.test[0], None)
        note_activity(trace, f"test {epoch + 1}: ", trains, _predict(config, trains))
    return trace


def _integer_forward(
    integers: IntegerRule, weights: list[Any], images: Any, masks: list[Any] | None
) -> tuple[list[Any], list[Any]]:
    """Return the trains of all layers, and the steps at which layers 1 to L may be learned."""
    config, posts = integers.config, []
    width = config.eligibility_width
    trains = [images]
    if images.dtype != bool:
        levels = filtered_brightness(config, images)
        trains = [fixed.encode(levels, config.num_steps, integers.encoder_threshold)]
    matrices = _unrolled(config, weights)
    if masks is not None:
        trains[0] = trains[0] & masks[0]
    for layer in range(1, config.num_layers + 1):
        received = trains[-1] if layer == 1 else _delayed(trains[-1])
        mask = masks[layer] if masks is not None and layer < config.num_layers else None
        potential = np.zeros((received.shape[1], config.layer_sizes[layer]), np.int64)
        current, spikes, eligible = np.zeros_like(potential), [], []
        threshold = integers.threshold_of(layer)
        for step in range(config.num_steps):
            arrived = fixed.synaptic_activation(
                matrices[layer - 1], received[step], integers.format_of(layer).weight_exp
            )
            gain = integers.gain_into(layer, masks is not None)
            if integers.synapse_decay:
                current = fixed.filter_current(current, arrived, gain, integers.synapse_decay)
                arrived, gain = current, 1
            before = fixed.integrate(potential, arrived, gain, integers.decay)
            fires, potential = fixed.integrate_and_fire(
                potential, arrived, gain, integers.decay, threshold, mask, config.reset
            )
            spikes.append(fires)
            near = rule.near_threshold(before, threshold, width) | (layer == config.num_layers)
            eligible.append(near if mask is None else near & mask)
        trains.append(np.stack(spikes))
        posts.append(np.stack(eligible if width else spikes))
    return trains, posts


def _unrolled(config: DesireConfig, weights: list[Any]) -> list[Any]:
    pairs = zip(config.synapses, weights, strict=True)
    return [Matrix(synapse).unroll(array) for synapse, array in pairs]


def _integer_desires(
    integers: IntegerRule,
    weights: list[Any],
    posts: list[Any],
    outputs: Any,
    labels: Any,
    masks: list[Any],
) -> list[Any]:
    config, counts = integers.config, outputs.sum(axis=0, dtype=np.int64)
    if config.output_policy is not None:
        desire = config.output_policy.desire(counts, labels)
    else:
        desire = fixed.output_desire(counts, labels, integers.full_count, integers.output_threshold)
    policy, matrices = config.feedback_policy, _unrolled(config, weights)
    if policy is not None:
        for layer in range(2, config.num_layers + 1):
            step = integers.step_of(layer)
            kept = fixed.feedback_kept(feedback_held(config, layer), step)
            back = fixed.feedback_mantissas(policy, weights[layer - 1], kept)
            matrices[layer - 1] = Matrix(config.synapses[layer - 1]).unroll(back.astype(np.int64))
    desires = [desire]
    for layer in range(config.num_layers, 1, -1):
        mask = masks[layer] if layer < config.num_layers else None
        counts = posts[layer - 1].sum(axis=0, dtype=np.int64)
        error = fixed.local_error(desires[0], counts, integers.full_count, mask)
        if config.eligibility_width:
            error = desires[0] * counts * (True if mask is None else mask)
        z = fixed.backpropagate_error(matrices[layer - 1], error)
        desires.insert(0, fixed.hidden_desire(z, integers.hidden_threshold(layer - 1)))
    return desires


def _integer_learn(
    integers: IntegerRule,
    weights: list[Any],
    trains: list[Any],
    posts: list[Any],
    desires: list[Any],
    masks: list[Any],
    eta: float,
    seen: int,
    factors: list[Any],
) -> None:
    """Sum accumulators and what terms add, and round once with the draws of the first sample."""
    config = integers.config
    for layer in range(1, config.num_layers + 1):
        wanted = desires[layer - 1]
        if layer < config.num_layers:
            wanted = wanted * masks[layer]
        received = trains[layer - 1] if layer == 1 else _delayed(trains[layer - 1])
        synapse = config.synapses[layer - 1]
        fold, shape = Matrix(synapse).fold, (synapse.num_post, synapse.num_pre)
        rounding = RoundingStream("trace", config.num_steps, shape[1], config.seed, layer)
        mantissa, shift = integers.rate_of(layer, eta)
        change = np.zeros(synapse.weight_table, np.int64)
        for sample in np.flatnonzero(wanted.any(axis=1)):
            pairings, trace = np.zeros(shape, np.int64), np.zeros(shape[1], np.int64)
            words, current = rounding.draw(seen + int(sample)), np.zeros_like(trace)
            for step in range(config.num_steps):
                before = current if integers.synapse_decay else trace
                current = fixed.decay_trace(
                    before,
                    received[step, sample],
                    integers.synapse_decay or integers.decay,
                    integers.impulse,
                    words[step],
                )
                if integers.synapse_decay:
                    trace = fixed.filter_trace(trace, current, integers.decay, words[step])
                else:
                    trace = current
                pairings = fixed.gather_pairings(pairings, posts[layer - 1][step, sample], trace)
            signed = pairings * wanted[sample].astype(np.int64)[:, None]
            pairs = fixed.saturate(fold(signed)).reshape(change.shape)
            change = change + fixed.weight_change(pairs, np.ones(len(pairs), np.int8), mantissa)
        for post, pre, bits in factors[layer - 1]:
            pairs = fold(post[:, None] * pre).reshape(change.shape)
            change = change + np.floor_divide(pairs + 2 ** (bits - 1), 2**bits)
        words = RoundingStream("weight", *change.shape, config.seed, layer).draw(seen)
        before = weights[layer - 1]
        after = fixed.add_change(
            before.reshape(change.shape), change, shift, words, integers.format_of(layer)
        )
        after = after.clip(*integers.range_of(layer))
        weights[layer - 1] = after.astype(np.int64).reshape(before.shape)


def _follow_in_integers(
    config: Any, rates: list[Any], rated: list[int], trains: list[Any], desires: list[Any]
) -> None:
    chosen = desires[-1].any(axis=1) | (not config.rates_desired_samples)
    batch = int(chosen.sum())
    rated[0] += batch
    horizon = max(1, batch, min(rated[0], config.baseline_samples))
    for layer, rate in enumerate(rates):
        num_spikes = trains[layer].sum(axis=0)[chosen].sum(axis=0, dtype=np.int64)
        rates[layer] = follow_rate_in_integers(rate, num_spikes, batch, config.num_steps, horizon)


def _integer_factors(
    integers: IntegerRule,
    posts: list[Any],
    desires: list[Any],
    masks: list[Any],
    eta: float,
    rates: list[Any],
) -> list[list[Any]]:
    """Return what terms add to the accumulators of each layer."""
    config, found = integers.config, []
    whole = [whole_rate(rate) for rate in rates]
    for layer in range(1, config.num_layers + 1):
        kept = masks[layer] if layer < config.num_layers else True
        signed = posts[layer - 1].sum(axis=0, dtype=np.int64) * desires[layer - 1] * kept
        update = LayerUpdate(
            config,
            layer,
            integers.rate_of(layer, eta)[0],
            len(signed),
            whole[layer - 1],
            whole[layer] if layer < config.num_layers else None,
            lambda signed=signed: signed.sum(axis=0),
            integers.mean_trace,
        )
        found.append(list(integer_term_factors(update)))
    return found
