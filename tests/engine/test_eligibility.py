"""Learning near the threshold in place of at spikes: the equations, and every backend with them."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, fit, rule
from lava_desire.analysis.alignment import alignment
from lava_desire.analysis.complexity import count_measured
from lava_desire.analysis.contribution import input_contribution
from lava_desire.analysis.local_losses import local_losses
from lava_desire.deploy import energy, loihi_learning_rule, map_network, quantize, to_nir
from lava_desire.fixed import IntegerRule, LayerFormat, xylo_formats
from lava_desire.model.options.eligibility import EligibilityWidth

DRAW = np.random.default_rng(7)
DENSE = DesireConfig(
    (20, 15, 9, 4),
    num_steps=9,
    threshold=0.4,
    desire_threshold_hidden=0.01,
    dropout_hidden=0.2,
    batch_size=6,
    epochs=2,
    eligibility_width=0.5,
)
PLANES = DENSE.replace(
    layer_sizes=(),
    layers=("3c2", "4c2", "6", "4"),
    input_shape=(1, 4, 5),
    desire_threshold_conv=0.01,
)
IMAGES = DRAW.integers(0, 256, (24, 20)).astype(np.uint8)
LABELS = DRAW.integers(0, 4, 24)


def test_a_band_is_open_at_both_ends_and_of_float32():
    theta = np.float32(0.1)
    low, high = np.float32(0.1 * 0.5), np.float32(0.1 * 1.5)
    edges = [low, np.nextafter(low, theta), theta, np.nextafter(high, theta), high]
    found = rule.near_threshold(np.array(edges, np.float32), threshold=0.1, width=0.5)
    assert found.tolist() == [False, True, True, True, False]


def test_a_neuron_without_input_is_never_eligible():
    assert not rule.near_threshold(np.zeros(1, np.float32), threshold=1.0, width=1.0).any()


@pytest.mark.parametrize("width", [-0.5, 1.5, 2.0**-11, float("nan")])
def test_other_widths_are_refused(width):
    with pytest.raises(ValueError, match=r"eligibility_width is .*: expected .*<= 1"):
        DesireConfig((4, 3), eligibility_width=width)


def by_hand(config, weights, images, labels, masks, rate):
    """Return desires, eligible steps and changed weights of a dense network, of one minibatch."""
    trains = [rule.encode(images / np.float32(255), config.num_steps, config.threshold)]
    trains[0] = trains[0] & masks[0]
    steps = []
    for layer, w in enumerate(weights, start=1):
        arrived = trains[-1]
        if layer > 1:
            arrived = np.concatenate([np.zeros_like(arrived[:1]), arrived[:-1]])
        mask = masks[layer] if layer < len(masks) else np.ones((len(images), len(w)), bool)
        gain = config.dropout_gain(layer - 1)
        p, spikes, near = np.zeros((len(images), len(w)), np.float32), [], []
        for t in range(config.num_steps):
            p = np.float32(config.decay) * p + rule.synaptic_current(w, arrived[t], gain)
            low, high = (np.float32(config.threshold * side) for side in (0.5, 1.5))
            is_output = layer == len(weights)
            near.append(((p > low) & (p < high) | is_output) & mask)
            fires = (p >= np.float32(config.threshold)) & mask
            p = p - np.float32(config.threshold) * fires
            spikes.append(fires)
        trains.append(np.stack(spikes))
        steps.append(np.stack(near))
    rho = rule.firing_rate(trains[-1].sum(0), config.num_steps, config.error_margin)
    desires = [rule.output_desire(rho, labels, config.desire_threshold_output)]
    for layer in range(len(weights), 1, -1):
        mask = masks[layer] if layer < len(masks) else True
        share = steps[layer - 1].sum(0).astype(np.float32) / np.float32(config.num_steps)
        z = rule.backpropagate_error(weights[layer - 1], desires[0] * mask * share)
        desires.insert(0, rule.hidden_desire(z, config.desire_threshold_of(layer - 1)))
    changed = []
    for layer, w in enumerate(weights, start=1):
        arrived = trains[layer - 1]
        if layer > 1:
            arrived = np.concatenate([np.zeros_like(arrived[:1]), arrived[:-1]])
        r, total = np.zeros(arrived.shape[1:]), np.zeros(w.shape)
        mask = masks[layer] if layer < len(masks) else True
        for t in range(config.num_steps):
            r = config.decay * r + arrived[t]
            total += (desires[layer - 1] * mask * steps[layer - 1][t]).T.astype(float) @ r
        changed.append(w + (rate * total).astype(np.float32))
    return desires, steps, changed


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
def test_a_minibatch_is_learned_as_written_out_by_hand(kernels):
    network = DesireNetwork(DENSE, kernels=kernels)
    weights = network.numpy_weights()
    masks = [DRAW.random((6, size)) > 0.2 for size in DENSE.neurons[:-1]]
    result = network.train_step(IMAGES[:6], LABELS[:6], 0.01, masks)
    desires, steps, changed = by_hand(DENSE, weights, IMAGES[:6], LABELS[:6], masks, 0.01)
    for found, expected in zip(result.desires, desires, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected)
    for found, expected in zip(result.activity.eligible, steps, strict=True):
        np.testing.assert_array_equal(network.backend.unpack(found).numpy(), expected)
    for layer, (found, expected) in enumerate(zip(network.numpy_weights(), changed, strict=True)):
        assert (found != weights[layer]).any()
        np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("config", [DENSE, PLANES], ids=["dense", "planes"])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"reset": "zero"},
        {"synapse_decay": 0.5},
        {"num_steps": 40},
        {"trace_baseline": 0.8, "rate_floor": 0.1, "weight_limit": 0.5},
        {"batch_size": 1},
        {"feedback": "sign"},
    ],
    ids=str,
)
def test_compiled_kernels_learn_what_torch_operations_do(config, changes):
    found = []
    for kernels in ("torch", "compiled"):
        network = DesireNetwork(config.replace(**changes), kernels=kernels)
        fit(network, (IMAGES, LABELS))
        found.append(network.numpy_weights())
    at_spikes = DesireNetwork(config.replace(eligibility_width=0.0, **changes))
    fit(at_spikes, (IMAGES, LABELS))
    for one, other, without in zip(*found, at_spikes.numpy_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
        assert (one != without).any()


def test_a_pass_without_masks_has_desires_too():
    network = DesireNetwork(DENSE.replace(dropout_hidden=0.0))
    masks = [np.ones((24, size), bool) for size in DENSE.neurons[:-1]]
    seen, trained = network.forward(IMAGES), network.forward(IMAGES, masks)
    assert seen.eligible is None
    for one, other in zip(
        network.desires(seen, LABELS), network.desires(trained, LABELS), strict=True
    ):
        np.testing.assert_array_equal(one.numpy(), other.numpy())
    before = network.numpy_weights()
    network.update(seen, network.desires(seen, LABELS), 0.01)
    after = network.numpy_weights()
    network.load_state_dict({f"weights.{i}": w for i, w in enumerate(before, 1)}, strict=False)
    network.update(trained, network.desires(trained, LABELS), 0.01)
    for one, other in zip(after, network.numpy_weights(), strict=True):
        np.testing.assert_array_equal(one, other)


def test_in_integers_a_band_of_tenths_ends_at_whole_potentials():
    formats = [LayerFormat(0, threshold) for threshold in (10, 10, 10)]
    rule = IntegerRule(DENSE.replace(eligibility_width=0.1), formats)
    assert rule.threshold_of(1) == 640
    assert rule.band_of(1) == (576, 704)
    assert IntegerRule(DENSE.replace(eligibility_width=1.0), formats).band_of(2) == (0, 1280)
    with pytest.raises(ValueError, match=r"layer is 3: expected a hidden one, 1 to 2"):
        rule.band_of(3)
    with pytest.raises(ValueError, match="neurons learn at spikes"):
        IntegerRule(DENSE.replace(eligibility_width=0.0), formats).band_of(1)


def test_in_integers_errors_are_t_times_those_of_floating_point():
    desire, steps = np.array([1, -1, 0, 1], np.int8), np.array([9, 3, 5, 2])
    kept = np.array([True, True, True, False])
    found = IntegerRule(DENSE).local_error(desire, steps, kept)
    assert found.tolist() == [9, -3, 0, 0]
    share = steps.astype(np.float32) / np.float32(9)
    np.testing.assert_allclose(found / 9, rule.eligible_error(desire, share, kept), rtol=1e-6)
    at_spikes = DENSE.replace(eligibility_width=0.0)
    limits = [IntegerRule(each).hidden_threshold(1) for each in (DENSE, at_spikes)]
    step = IntegerRule(DENSE).step_of(2)
    assert limits == [int(0.01 * spikes / step) for spikes in (9, 9 - DENSE.error_margin)]


@pytest.mark.parametrize("config", [DENSE, PLANES], ids=["dense", "planes"])
def test_integers_learn_much_as_floating_point_does(config):
    """Bits are held by the differential tests; here the two arithmetics are beside each other."""
    config = config.replace(dropout_hidden=0.0)
    integers = DesireNetwork(config, arithmetic="fixed_point")
    before = integers.backend.float_weights(integers.weights)
    floats = DesireNetwork(config, weights=before)
    for network in (integers, floats):
        network.train_step(IMAGES, LABELS, 0.02)
    after = integers.backend.float_weights(integers.weights), floats.numpy_weights()
    for begun, *ended in zip(before, *after, strict=True):
        one, other = ((weights - begun).ravel() for weights in ended)
        assert np.corrcoef(one, other)[0, 1] > 0.9


def test_marks_that_integers_do_not_offer_are_refused(monkeypatch):
    monkeypatch.setattr(EligibilityWidth, "integers", False)
    network = DesireNetwork(DENSE, arithmetic="fixed_point")
    refused = r"eligibility_width is 0\.5: expected 0 where a network learns in integers"
    with pytest.raises(ValueError, match=refused):
        network.train_step(IMAGES, LABELS, 0.01)
    with pytest.raises(ValueError, match=refused):
        network.desires(network.forward(IMAGES), LABELS)


def test_neurons_of_xylo_are_eligible_by_their_potential_before_a_spike():
    config = DENSE.replace(synapse_decay=0.5, threshold=0.6, dropout_hidden=0.0)
    network = DesireNetwork(config, arithmetic="fixed_point", formats=xylo_formats(config))
    activity, backend = network.forward(IMAGES), network.backend
    layer, passed = backend.layers[0], (network.weights[0], activity.trains[0], 1.0, None)
    after = backend.potentials(layer, *passed).numpy()
    spikes, eligible = (each.numpy() for each in backend.run_eligible(layer, *passed))
    threshold = network.rule.threshold_of(1)
    before = after + spikes * threshold
    assert (eligible & spikes).any()
    assert (eligible & ~spikes).any()
    np.testing.assert_array_equal(eligible, np.abs(before / threshold - 1) < 0.5)
    weights = network.numpy_weights()
    network.train_step(IMAGES, LABELS, 0.02)
    assert all((x != y).any() for x, y in zip(weights, network.numpy_weights(), strict=True))


def test_in_integers_a_pass_without_masks_has_the_same_eligible_steps():
    network = DesireNetwork(DENSE.replace(dropout_hidden=0.0), arithmetic="fixed_point")
    masks = [np.ones((24, size), bool) for size in DENSE.neurons[:-1]]
    seen, trained = network.forward(IMAGES), network.forward(IMAGES, masks)
    assert seen.eligible is None
    for one, other in zip(network.learning_trains(seen), trained.eligible, strict=True):
        assert one.any()
        np.testing.assert_array_equal(one.numpy(), other.numpy())


@pytest.mark.parametrize(
    "look", [partial(alignment, loss="squared_error"), count_measured, input_contribution]
)
def test_what_goes_by_spikes_refuses_it(look):
    network = DesireNetwork(DENSE)
    samples = network.forward(IMAGES) if look is input_contribution else IMAGES
    with pytest.raises(ValueError, match=r"eligibility_width is 0\.5: expected 0"):
        look(network, samples, LABELS)


def test_local_losses_refuse_it():
    network, data = DesireNetwork(DENSE), (IMAGES, LABELS)
    with pytest.raises(ValueError, match=r"errors are those of Eq\. 14"):
        local_losses(network, data)


def test_a_network_in_integers_is_tuned_near_its_threshold():
    data = {f"{part}_images": IMAGES for part in ("train", "test")}
    data |= {f"{part}_labels": LABELS for part in ("train", "test")}
    network = DesireNetwork(DENSE.replace(learning_rate=0.003))
    rounded, tuned = (quantize(network, data, fine_tune_epochs=epochs) for epochs in (0, 2))
    for one, other in zip(rounded.network.weights, tuned.network.weights, strict=True):
        assert (one != other).any()


def test_energy_of_integers_too_coarse_to_learn_counts_a_sample_and_says_why_no_training_step():
    data = {f"{part}_images": IMAGES for part in ("train", "test")}
    data |= {f"{part}_labels": LABELS for part in ("train", "test")}
    near = quantize(DesireNetwork(DENSE), data).network
    coarse, fine = (
        DesireNetwork(
            DENSE.replace(learning_rate=rate),
            weights=near.numpy_weights(),
            arithmetic="fixed_point",
            formats=near.rule.formats,
        )
        for rate in (1e-13, DENSE.learning_rate)
    )
    found, beside = (energy(network, data, samples=4) for network in (coarse, fine))
    assert found.total() == beside.total() > 0
    assert [each.events for each in found.layers] == [each.events for each in beside.layers]
    refused = "learning_rate is 1e-13, which is 0 on the grid of layer 1: expected 0, or "
    assert found.not_learned.startswith(refused)
    assert f"A training step is not counted: {found.not_learned}." in " ".join(found.report.split())
    assert (found.training_samples, found.learning_ns) == (0, None)
    assert not any(each.learning or each.learning_energies for each in found.layers)
    with pytest.raises(ValueError, match="no training step was counted: learning_rate"):
        found.learning_total("updates_dense")
    assert beside.not_learned == ""
    assert beside.learning_total("updates_dense") > 0


def test_energy_counts_synapses_of_neurons_near_their_threshold():
    network = DesireNetwork(DENSE.replace(dropout_hidden=0.0))
    data = {f"{part}_images": IMAGES for part in ("train", "test")}
    data |= {f"{part}_labels": LABELS for part in ("train", "test")}
    found = energy(network, data, samples=4)
    activity = network.forward(IMAGES[:4])
    desires = network.desires(activity, LABELS[:4])
    near, spikes = network.learning_trains(activity), activity.trains[1:]
    for layer, desire, *trains in zip(found.layers, desires, near, spikes, strict=True):
        eligible, fired = (network.backend.unpack(each) for each in trains)
        assert (eligible & ~fired).any()
        fan_in = DENSE.neurons[layer.layer - 1]
        learning, at_spikes = (
            int(((desire != 0) & each.any(0)).sum()) * fan_in / 4 for each in (eligible, fired)
        )
        assert layer.learning["updates_of_spiking"] == learning != at_spikes
    assert "near the threshold is learned at as a spike is" in " ".join(found.report.split())


def test_engines_of_chips_learn_at_spikes_alone():
    with pytest.raises(ValueError, match=r"is 0\.5: expected 0, as Loihi's learning engine pairs"):
        loihi_learning_rule(DENSE)
    counted, running = (map_network(DENSE, learning=learns).report for learns in (True, False))
    assert "near the threshold is counted as learning at spikes" in " ".join(counted.split())
    assert "near the threshold" not in " ".join(running.split())


def test_energy_refuses_neurons_that_the_chip_has_not():
    config = DesireConfig((20, 6, 4), decay=0.75, synapse_decay=0.5)
    network = DesireNetwork(config, arithmetic="fixed_point", formats=xylo_formats(config))
    with pytest.raises(ValueError, match="Loihi"):
        energy(network, (IMAGES, LABELS), samples=4)


def test_a_graph_for_others_has_nothing_of_it():
    pytest.importorskip("nir", reason="nir is not installed")
    found = to_nir(DesireNetwork(DENSE)), to_nir(DesireNetwork(DENSE.replace(eligibility_width=0)))
    assert found[0].nodes.keys() == found[1].nodes.keys()


@pytest.mark.parametrize("kernels", ["torch", "compiled"])
def test_an_output_neuron_far_below_its_threshold_comes_back(kernels):
    network = DesireNetwork(DENSE.replace(dropout_hidden=0.0), kernels=kernels)
    lost = network.numpy_weights()
    lost[-1][0] = -np.abs(lost[-1][0]) - 1
    network.load_state_dict({f"weights.{i}": w for i, w in enumerate(lost, 1)}, strict=False)
    images = np.repeat(IMAGES[:1], 6, axis=0)
    network.train_step(images, np.zeros(6, np.int64), 0.01)
    assert (network.numpy_weights()[-1][0] > lost[-1][0]).any()
