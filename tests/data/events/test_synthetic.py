from __future__ import annotations

import math

import numpy as np
import pytest

from lava_desire import load_dataset
from lava_desire.data import DataError
from lava_desire.data.events import bin_events
from lava_desire.data.events.synthetic import (
    event_camera,
    moving_bars,
    saccades,
    temporal_order,
    yin_yang,
)


def pixel(levels):
    """Return frames of one pixel whose log intensity, above ln 0.1, has these values."""
    return [np.full((1, 1, 1), 0.1 * math.exp(level) - 0.1) for level in levels]


def same(recordings, others):
    pairs = [(a, b) for a, b in zip(recordings, others, strict=True)]
    return all(np.array_equal(getattr(a, k), getattr(b, k)) for a, b in pairs for k in "txyp")


class TestEventCamera:
    def test_an_event_comes_at_each_crossing_of_a_threshold(self):
        # Up by 1 in 100 µs, then down by 0.5: levels 0.4 and 0.8 upward, then 0.8 − 0.4 not reached
        # by 0.5 but below it.
        (events,) = event_camera(pixel([0, 1, 0.5, 0.3]), [0, 100, 200, 300], threshold=0.4)
        assert events.t.tolist() == [40, 80, 250]
        assert events.p.tolist() == [1, 1, 0]

    def test_a_refractory_pixel_loses_events(self):
        (events,) = event_camera(pixel([0, 2]), [0, 100], threshold=0.4, refractory=35)
        assert events.t.tolist() == [20, 60, 100]

    def test_noise_is_as_frequent_as_asked_and_of_each_film_alone(self):
        still = [np.full((3, 20, 20), 0.5)] * 2
        recordings = event_camera(still, [0, 1_000_000], noise=5.0, seed=3)
        assert all(abs(len(each) - 2000) < 200 for each in recordings)
        second = event_camera([still[0][:1]] * 2, [0, 1_000_000], noise=5.0, seed=3, first_sample=1)
        assert same(second, recordings[1:2])
        assert not same(second, recordings[:1])

    @pytest.mark.parametrize("wrong", [{"threshold": 0}, {"dark": -1}, {"noise": math.nan}])
    def test_what_is_no_camera_is_refused(self, wrong):
        (name,) = wrong
        with pytest.raises(DataError, match=f"{name} is"):
            event_camera(pixel([0, 1]), [0, 1], **wrong)


class TestSaccades:
    def test_digits_are_seen_on_a_larger_sensor_in_any_batch(self):
        images = load_dataset("digits").test_images[:5].reshape(-1, 8, 8)
        recordings = saccades(images, noise=1.0)
        assert same(recordings, saccades(images, noise=1.0, batch_size=2))
        assert recordings[0].sensor == (2, 14, 14)
        assert 200_000 < recordings[0].duration < 300_000
        spikes = bin_events(recordings[0], 20, start=0, duration=300_000, counts="clip")
        assert (spikes.sum((1, 2, 3)) > 0).all()

    def test_the_digit_comes_back_to_where_it_was(self):
        image = np.zeros((1, 3, 3))
        image[0, 1, 1] = 1
        (events,) = saccades(image, amplitude=1)
        assert events.sensor == (2, 5, 5)
        change = np.zeros((5, 5), int)
        np.add.at(change, (events.y, events.x), 2 * events.p.astype(int) - 1)
        assert (abs(change) <= 1).all()

    def test_images_have_height_and_width(self):
        with pytest.raises(DataError, match="expected"):
            saccades(np.zeros((2, 9)))
        with pytest.raises(DataError, match="amplitude is 0"):
            saccades(np.zeros((2, 3, 3)), amplitude=0)


class TestMovingBars:
    def test_counts_do_not_tell_opposite_directions(self):
        recordings, labels = moving_bars(40, size=9)
        assert sorted(set(labels.tolist())) == [0, 1, 2, 3]
        ever = [bin_events(each, 1, counts="clip").sum() for each in recordings]
        assert set(ever) == {2 * 9 * 9}
        for events in recordings:
            assert set(np.bincount((events.p * 9 + events.y) * 9 + events.x)) == {len(events) / 162}

    def test_a_bar_to_the_right_is_seen_on_the_left_first(self):
        recordings, labels = moving_bars(20, size=9)
        for events, label in zip(recordings, labels, strict=True):
            axis = (events.x, events.y)[label % 2]
            first, last = axis[: len(axis) // 4].mean(), axis[-len(axis) // 4 :].mean()
            assert (first < last) == (label < 2)

    def test_the_first_of_many_are_the_few(self):
        many, labels = moving_bars(6, size=5, seed=2, noise=1.0)
        few, some = moving_bars(3, size=5, seed=2, noise=1.0)
        assert same(few, many[:3])
        assert some.tolist() == labels[:3].tolist()
        assert not same(few, moving_bars(3, size=5, seed=3, noise=1.0)[0])

    def test_a_bar_fits_the_sensor(self):
        with pytest.raises(DataError, match="num_directions is 1"):
            moving_bars(1, num_directions=1)


class TestYinYang:
    def test_points_lie_in_the_regions_of_their_classes(self):
        recordings, labels = yin_yang(300, duration=10_000)
        assert (np.bincount(labels) > 70).all()
        for events, label in zip(recordings, labels, strict=True):
            x, y, *mirrored = events.t[np.argsort(events.x)] / 9_999
            assert np.allclose(mirrored, [1 - x, 1 - y], atol=1e-3)
            assert math.hypot(x - 0.5, y - 0.5) < 0.501
            near = min(math.hypot(x - 0.25, y - 0.5), math.hypot(x - 0.75, y - 0.5))
            assert (near < 0.1005) >= (label == 2)
            assert (near > 0.0995) >= (label != 2)
        assert bin_events(recordings[0], 20, start=0, duration=10_000).sum() == 4

    def test_yin_and_yang_turn_into_each_other(self):
        recordings, labels = yin_yang(200)
        points = np.array([each.t[np.argsort(each.x)][:2] for each in recordings]) - 15_000
        yin, yang = points[labels == 0], points[labels == 1]
        assert np.hypot(*(yin.mean(0) + yang.mean(0))) < 3_000
        assert yin[:, 0].mean() > 1_000 > -1_000 > yang[:, 0].mean()


class TestTemporalOrder:
    def test_counts_are_the_same_in_both_classes(self):
        recordings, labels = temporal_order(60, group=3)
        assert (np.bincount(labels) > 15).all()
        for events in recordings:
            assert sorted(zip(events.y.tolist(), events.x.tolist(), strict=True)) == [
                (y, x) for y in range(2) for x in range(3)
            ]
            assert events.t.min() >= 0
            assert events.t.max() < 100_000

    def test_the_group_that_comes_first_is_the_class(self):
        recordings, labels = temporal_order(60, group=3)
        for events, label in zip(recordings, labels, strict=True):
            assert events.y.tolist() == [label] * 3 + [1 - label] * 3

    def test_groups_that_would_mix_are_refused(self):
        with pytest.raises(DataError, match="jitter < gap / 2"):
            temporal_order(5, gap=10, jitter=5)
        with pytest.raises(DataError, match="num_samples is -1"):
            temporal_order(-1)
