"""Networks in integers: the ranges hold, and nothing wraps around."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_desire import DesireConfig, DesireNetwork
from lava_desire.deploy import IntegerNetwork, scale_to_integers, to_lava, to_torch
from lava_desire.deploy.integer_network import as_integers
from lava_desire.deploy.lava_script import write_lava_script

CONFIG = DesireConfig((4, 3), num_steps=6, error_margin=1, reset="zero")
WEIGHTS = (np.ones((3, 4), int),)


def test_a_neuron_by_hand():
    # 64·40 = 2560 a step; 3/4 of it is 1920; the threshold 64·60 = 3840 is passed, not met.
    network = IntegerNetwork(CONFIG.replace(layer_sizes=(1, 1)), (np.array([[40]]),), (60,))
    spikes = network.spikes(np.ones((6, 1, 1), bool))[0].ravel()
    # v: 2560, 4480 fires, 2560, 4480 fires, …
    assert spikes.tolist() == [False, True, False, True, False, True]


def test_turned_images_are_refused_by_what_knows_what_was_learned():
    network = DesireNetwork(DesireConfig((6, 5, 2), num_steps=6, reset="zero"))
    network.card = {"data": {"image_shape": [2, 3]}}
    straight, turned = np.full((1, 2, 3), 200, np.uint8), np.full((1, 3, 2), 200, np.uint8)
    integers = scale_to_integers(network)
    quantised = DesireNetwork(integers.config, arithmetic="fixed_point")
    quantised.card = network.card
    for each in (integers, integers.without_exponents(), as_integers(quantised)):
        assert len(each.predict(straight)) == len(each.predict(straight.reshape(1, 6))) == 1
        with pytest.raises(ValueError, match=r"images are 3 x 2: expected 2 x 3.*turned images"):
            each.predict(turned)
    for each in (integers, as_integers(quantised)):
        assert to_torch(each).encode(straight).shape == (6, 1, 6)
        with pytest.raises(ValueError, match=r"images are 3 x 2: expected 2 x 3.*turned images"):
            to_torch(each).encode(turned)


def test_images_are_encoded_as_by_the_network_that_the_integers_are_of(tmp_path):
    config = DesireConfig((256, 3), reset="zero")
    network = DesireNetwork(config, arithmetic="fixed_point")
    images = np.arange(256, dtype=np.uint8)[None]
    spikes = network.forward(images).spikes[0].numpy()
    in_floats = DesireNetwork(config).forward(images).spikes[0].numpy()
    assert (spikes != in_floats).any()
    integers = as_integers(network)
    script, _ = write_lava_script(integers, tmp_path / "net.py")
    names = {"__name__": "net", "__file__": str(script)}
    exec(compile(script.read_text(), script, "exec"), names)
    for encode in (integers.encode, to_torch(integers).encode, names["encode"]):
        np.testing.assert_array_equal(np.asarray(encode(images)), spikes)
    scaled = scale_to_integers(DesireNetwork(config))
    np.testing.assert_array_equal(scaled.encode(images), in_floats)


def test_a_potential_that_meets_the_threshold_does_not_fire():
    network = IntegerNetwork(
        CONFIG.replace(layer_sizes=(1, 1), decay=0.0), (np.array([[60]]),), (60,)
    )
    assert not network.spikes(np.ones((6, 1, 1), bool))[0].any()


def test_decay_rounds_toward_zero_on_both_sides():
    config = CONFIG.replace(layer_sizes=(1, 1), num_steps=3)
    network = IntegerNetwork(config, (np.array([[-1]]),), (10,))
    assert network.voltage_decay == 1024
    trains = np.zeros((3, 1, 1), bool)
    assert not network.spikes(trains)[0].any()


def test_a_layer_hears_the_one_below_a_step_later():
    config = CONFIG.replace(layer_sizes=(1, 1, 1), num_steps=3)
    network = IntegerNetwork(config, (np.array([[9]]),) * 2, (5, 5))
    first, second = network.spikes(np.array([True, False, False])[:, None, None])
    assert first.ravel().tolist() == [True, False, False]
    assert second.ravel().tolist() == [False, True, False]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"weights": (np.full((3, 4), 128),)}, r"holds 128: expected integers in \[-128, 127\]"),
        ({"weights": (np.ones((3, 4)),)}, "is float64"),
        ({"weights": (np.ones((4, 3), int),)}, r"\(4, 3\): expected integer \(3, 4\)"),
        ({"weights": ()}, "weights holds 0 values: expected 1"),
        ({"thresholds": (0,)}, "threshold of layer 1 is 0"),
        ({"thresholds": (1 << 17,)}, "threshold of layer 1 is 131072"),
        ({"thresholds": (1.5,)}, "threshold of layer 1 is 1.5"),
        ({"weight_exponents": (8,)}, "weight exponent of layer 1 is 8"),
    ],
)
def test_a_wrong_argument_is_named(changes, message):
    arguments = {"config": CONFIG, "weights": WEIGHTS, "thresholds": (5,), **changes}
    with pytest.raises(ValueError, match=message):
        IntegerNetwork(**arguments)


def test_integers_of_numpy_become_pythons_own():
    network = IntegerNetwork(CONFIG, WEIGHTS, np.array([5]), np.array([2]))
    assert (network.thresholds, network.weight_exponents) == ((5,), (2,))
    assert {type(each) for each in (*network.thresholds, *network.weight_exponents)} == {int}


@settings(max_examples=50, deadline=None)
@given(
    size=st.integers(1, 3000),
    weight=st.integers(-128, 127),
    exponent=st.integers(-8, 7),
)
def test_a_sum_that_lava_would_wrap_around_is_refused(size, weight, exponent):
    """Lava's current has 24 bits and wraps; a network that could reach them is not built."""
    config = DesireConfig((size, 1), reset="zero")
    reached = abs(weight) * size * 2.0**exponent * 64
    build = {
        "config": config,
        "weights": (np.full((1, size), weight),),
        "thresholds": (1,),
        "weight_exponents": (exponent,),
    }
    if reached >= 2**23:
        with pytest.raises(ValueError, match="where Lava's neurons wrap around"):
            IntegerNetwork(**build)
    else:
        assert IntegerNetwork(**build).weight_exponents == (exponent,)


def test_neurons_of_our_own_saturate_and_are_not_refused():
    config = DesireConfig((2000, 1))
    assert IntegerNetwork(config, (np.full((1, 2000), 127),), (1,)).thresholds == (1,)


def test_scaling_keeps_the_threshold_exact_and_weights_to_half_a_step():
    network = DesireNetwork(DesireConfig((30, 20, 10), threshold=0.7, reset="zero"))
    integers = scale_to_integers(network)
    for array, mantissas, threshold in zip(
        network.numpy_weights(), integers.weights, integers.thresholds, strict=True
    ):
        assert np.abs(mantissas - array / 0.7 * threshold).max() <= 0.5 + 1e-6
        assert 120 < np.abs(mantissas).max() <= 127
    assert as_integers(integers) is integers


def test_a_weight_of_128_thresholds_does_not_fit():
    network = DesireNetwork(CONFIG, weights=[np.full((3, 4), 128.0, np.float32)])
    with pytest.raises(ValueError, match="reach 128 times the threshold: expected at most 127"):
        scale_to_integers(network)


def test_a_network_without_weights_never_fires():
    network = scale_to_integers(DesireNetwork(CONFIG, weights=[np.zeros((3, 4), np.float32)]))
    assert network.predict(np.ones((2, 4), np.float32)).tolist() == [-1, -1]


def test_filtered_currents_go_on_by_half_and_round_toward_zero():
    """They were left out once: other spikes, without a word."""
    config = DesireConfig((1, 2), num_steps=7, decay=0, synapse_decay=0.5, error_margin=1)
    network = IntegerNetwork(config, (np.array([[9], [-9]]),), (1,))
    spikes = network.spikes(np.arange(7)[:, None, None] == 0)[0][:, 0]
    # 576, 288, 144, 72 are above 64, then 36 is not; a spike takes 64, of which β = 0 leaves none.
    assert spikes.T.tolist() == [[True] * 4 + [False] * 3, [False] * 7]


@pytest.mark.parametrize(("alpha", "is_refused"), [(0.5, False), (0.75, True)])
def test_a_current_that_lasts_is_refused_where_it_would_wrap(alpha, is_refused):
    config = DesireConfig((400, 1), synapse_decay=alpha, reset="zero")
    build = {"weights": (np.full((1, 400), 127),), "thresholds": (1,), "weight_exponents": (0,)}
    assert 400 * 127 * 64 / (1 - 0.5) < 2**23 < 400 * 127 * 64 / (1 - 0.75)
    if is_refused:
        with pytest.raises(ValueError, match="layer 1 can sum its weights to 50800"):
            IntegerNetwork(config, **build)
    else:
        assert IntegerNetwork(config, **build).synapse_decay == 2048


def test_a_floating_network_is_no_integer_network():
    with pytest.raises(ValueError, match="expected an IntegerNetwork or a network in fixed point"):
        as_integers(DesireNetwork(CONFIG))


def test_exponents_can_be_taken_out():
    network = IntegerNetwork(CONFIG, WEIGHTS, (41,), (3,)).without_exponents()
    assert (network.thresholds, network.weight_exponents) == ((5,), (0,))
    with pytest.raises(ValueError, match=r"layer 1 is 5, and 0 divided by 2\^4: expected 1 <= thr"):
        IntegerNetwork(CONFIG, WEIGHTS, (5,), (4,)).without_exponents()


def test_a_tie_goes_to_the_earliest_where_the_network_says_so():
    weights = np.array([[30], [40]])  # both spike once in three steps, 30 in the third
    config = CONFIG.replace(layer_sizes=(1, 2), num_steps=3)
    image = np.ones((1, 1), np.float32)
    strict = IntegerNetwork(config, (weights,), (60,))
    assert strict.spikes(np.ones((3, 1, 1), bool))[0][:, 0].T.tolist() == [
        [False, False, True],
        [False, True, False],
    ]
    assert strict.predict(image).tolist() == [-1]
    earliest = IntegerNetwork(config.replace(tie_break="earliest"), (weights,), (60,))
    assert earliest.predict(image).tolist() == [1]
    assert to_lava(earliest).predict(image).tolist() == [1]
