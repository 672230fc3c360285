from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_desire import DesireConfig
from lava_desire.randomness import DropoutStream, RoundingStream, epoch_order, initial_weights


def test_weights_are_kaiming_normal():
    weights = initial_weights(DesireConfig((500, 400, 10), seed=1))
    assert [(w.shape, w.dtype) for w in weights] == [
        ((400, 500), np.float32),
        ((10, 400), np.float32),
    ]
    assert abs(weights[0].mean()) < 1e-3
    assert weights[0].std() == pytest.approx(np.sqrt(2 / 500), rel=0.01)


def test_weights_are_drawn_smaller_where_currents_last():
    lasting, plain = (
        initial_weights(DesireConfig((5, 4), synapse_decay=alpha))[0] for alpha in (0.75, 0)
    )
    np.testing.assert_array_equal(2 * lasting, plain)


def test_a_seed_gives_the_same_weights_and_another_others():
    one, same, other = (initial_weights(DesireConfig((5, 4), seed=seed))[0] for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert (one != other).all()


@given(st.lists(st.integers(1, 7), min_size=1, max_size=6), st.integers(1, 30))
def test_a_sample_has_its_mask_however_draws_are_grouped(groups, num_neurons):
    together = DropoutStream(num_neurons, 0.4, seed=9, layer=1).draw(sum(groups))
    stream = DropoutStream(num_neurons, 0.4, seed=9, layer=1)
    np.testing.assert_array_equal(np.concatenate([stream.draw(n) for n in groups]), together)
    assert stream.position == sum(groups)


@given(st.integers(0, 40))
def test_any_sample_can_be_sought(sample):
    together = DropoutStream(13, 0.4, seed=9, layer=1).draw(41)
    stream = DropoutStream(13, 0.4, seed=9, layer=1)
    stream.seek(sample)
    np.testing.assert_array_equal(stream.draw(1)[0], together[sample])


@pytest.mark.parametrize("num_neurons", [8, 13])
def test_masks_that_are_skipped_are_as_if_drawn(num_neurons):
    together = DropoutStream(num_neurons, 0.4, seed=9, layer=1).draw(12)
    stream = DropoutStream(num_neurons, 0.4, seed=9, layer=1)
    stream.skip(2)
    np.testing.assert_array_equal(stream.draw(3), together[2:5])
    stream.skip(0)
    stream.skip(4)
    assert stream.position == 9
    np.testing.assert_array_equal(stream.draw(3), together[9:])


def test_neurons_are_dropped_as_often_as_asked():
    assert DropoutStream(1000, 0.3, 0, 1).draw(100).mean() == pytest.approx(0.7, abs=0.01)
    assert DropoutStream(10, 0.0, 0, 1).draw(100).all()


def test_layers_have_streams_of_their_own():
    one, other = (DropoutStream(100, 0.5, 0, layer).draw(4) for layer in (1, 2))
    assert (one != other).any()


def test_an_epoch_visits_every_sample_once_in_an_order_of_its_own():
    first, second = epoch_order(0, 0, 100), epoch_order(0, 1, 100)
    np.testing.assert_array_equal(np.sort(first), np.arange(100))
    assert (first != second).any()
    np.testing.assert_array_equal(first, epoch_order(0, 0, 100))


@pytest.mark.parametrize("probability", [-0.1, 1.0])
def test_an_impossible_probability_is_refused(probability):
    with pytest.raises(ValueError, match="probability is"):
        DropoutStream(3, probability, 0, 0)


@given(st.integers(0, 50), st.integers(0, 4), st.integers(1, 30))
def test_a_row_of_rounding_words_is_the_same_whatever_was_drawn_before(sample, row, length):
    whole = RoundingStream("weight", 5, length, seed=7, layer=1).draw(sample)
    stream = RoundingStream("weight", 5, length, seed=7, layer=1)
    stream.draw(sample + 3)
    np.testing.assert_array_equal(stream.draw(sample, row, 1)[0], whole[row])
    assert whole.shape == (5, length)
    assert whole.dtype == np.uint32


def test_rounding_words_are_uniform_and_differ_by_purpose_layer_and_sample():
    words = [
        RoundingStream(purpose, 100, 100, seed=0, layer=layer).draw(sample)
        for purpose in ("trace", "weight")
        for layer in (1, 2)
        for sample in (0, 1)
    ]
    for index, table in enumerate(words):
        assert (table / 2**32).mean() == pytest.approx(0.5, abs=0.01)
        assert all((table != other).mean() > 0.99 for other in words[:index])


def test_an_unknown_purpose_is_refused():
    with pytest.raises(ValueError, match="purpose is 'noise': expected one of trace, weight"):
        RoundingStream("noise", 1, 1, 0, 1)


def test_initial_weights_are_drawn_for_sizes_and_a_seed_as_well():
    by_config = initial_weights(DesireConfig((6, 5, 4), seed=3))
    by_sizes = initial_weights((6, 5, 4), 3)
    assert all(np.array_equal(*pair) for pair in zip(by_config, by_sizes, strict=True))
