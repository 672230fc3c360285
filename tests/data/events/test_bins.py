from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_desire.data import DataError
from lava_desire.data.events import Events, bin_events, stream_windows

SENSOR = (2, 2, 3)


def recording(times, sensor=SENSOR):
    """Return events that go through the sensor's inputs in turn; arrays that nobody may change."""
    number = np.arange(len(times))
    columns = [np.array(times, np.int64), number % 3, number // 3 % 2, number // 6 % 2]
    for column in columns:
        column.setflags(write=False)
    return Events(*columns, sensor=sensor)


def binned_by_hand(events, num_steps, sensor, start, duration, late):
    spikes = np.zeros((num_steps, *sensor), bool)
    for t, x, y, p in zip(*(getattr(events, name).tolist() for name in "txyp"), strict=True):
        step = (t - start) * num_steps // duration  # integers without end
        if late == "last":
            step = min(step, num_steps - 1)
        if 0 <= step < num_steps:
            spikes[step, p if sensor[0] == 2 else 0, y, x] = True
    return spikes


TIMES = st.lists(st.integers(-(2**40), 2**40), max_size=30).map(sorted)
NEAR = st.lists(st.integers(0, 40), min_size=1, max_size=30).map(sorted)


@settings(max_examples=60, deadline=None)
@given(
    TIMES | NEAR,
    st.integers(1, 50),
    st.sampled_from([SENSOR, (1, 2, 3)]),
    st.none() | st.integers(1, 60),
    st.sampled_from(["drop", "last"]),
)
def test_bins_are_those_of_integers_without_end(times, num_steps, sensor, duration, late):
    events = recording(times)
    spikes = bin_events(events, num_steps, sensor, duration=duration, late=late, counts="clip")
    assert spikes.shape == (num_steps, *sensor)
    assert spikes.dtype == bool
    span = max(1, events.duration + 1) if duration is None else duration
    start = times[0] if times else 0
    expected = binned_by_hand(events, num_steps, sensor, start, span, late)
    np.testing.assert_array_equal(spikes, expected)


def test_the_last_event_is_in_the_last_step():
    spikes = bin_events(recording(range(0, 300_000, 70)), 20, counts="clip")
    assert spikes[-1].any()
    assert not bin_events(recording([0, 299_999]), 20)[1:-1].any()


@pytest.mark.parametrize("num_events", [1, 5, 20])
def test_a_recording_of_fewer_time_units_than_steps_keeps_all_events(num_events):
    events = recording(range(num_events), (2, 2, 3))
    assert bin_events(events, 20).sum() == num_events


def test_a_busy_input_is_counted_in_64_bits():
    busy = Events(np.arange(70_000), np.zeros(70_000, int), sensor=(1, 1, 1))
    assert bin_events(busy, 1, counts="clip").sum() == 1
    with pytest.raises(DataError, match=r"input 0 has 70000 events in step 0, and 69999 of 70000"):
        bin_events(busy, 1)


def test_one_channel_takes_both_polarities_and_changes_nothing():
    events = recording([0, 1, 2, 3, 4, 5, 6, 7])
    before = events.p.copy()
    assert bin_events(events, 8, (1, 2, 3)).sum() == 8
    np.testing.assert_array_equal(events.p, before)


def test_a_shorter_recording_is_followed_by_silence():
    spikes = bin_events(recording([100, 110]), 10, duration=100)
    assert np.flatnonzero(spikes.any((1, 2, 3))).tolist() == [0, 1]
    spikes = bin_events(recording([100, 110]), 10, duration=100, start=50)
    assert np.flatnonzero(spikes.any((1, 2, 3))).tolist() == [5, 6]


def test_late_events_are_refused_dropped_or_in_the_last_step():
    events = recording([0, 10, 20, 99])
    with pytest.raises(DataError, match="2 of 4 events lie outside the 20 µs from 0, as at 99"):
        bin_events(events, 2, duration=20)
    assert bin_events(events, 2, duration=20, late="drop").sum((1, 2, 3)).tolist() == [1, 1]
    assert bin_events(events, 2, duration=20, late="last").sum((1, 2, 3)).tolist() == [1, 3]
    with pytest.raises(DataError, match=r"1 of 4 events lie outside .* as at 0"):
        bin_events(events, 2, duration=200, start=5, late="last")
    assert bin_events(events, 2, duration=200, start=5, late="drop").sum() == 3


def test_no_event_is_no_spike():
    assert not bin_events(Events([], [], sensor=SENSOR), 3).any()
    assert list(stream_windows([], 3, 10)) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_steps": 0}, "num_steps is 0: expected an integer from 1 to 4096"),
        ({"num_steps": 2.0}, "num_steps is 2.0: expected an integer"),
        ({"duration": 0}, "duration is 0: expected an integer from 1"),
        ({"duration": 2**60}, "duration is .*: expected an integer from 1"),
        ({"late": "keep"}, "late is 'keep': expected one of refuse, drop, last"),
        ({"counts": 1}, "counts is 1: expected one of refuse, clip"),
        ({"sensor": (2, 2, 2)}, r"x holds 2 at \[2\]: expected 0 to 1, as the sensor is 2 wide"),
        ({"sensor": (3, 2, 3)}, "sensor is .*: expected .* of 1 or 2 channels"),
        ({"sensor": 34}, r"sensor is 34: expected \(channels, height, width\)"),
        ({"start": 2**62}, "start is .*: expected an integer"),
    ],
)
def test_what_is_refused(change, message):
    with pytest.raises(DataError, match=message):
        bin_events(recording([0, 10, 20]), **{"num_steps": 2, **change})


def test_a_recording_without_a_sensor_asks_for_one():
    events = Events([0], [1])
    with pytest.raises(DataError, match="does not say its sensor"):
        bin_events(events, 2)
    assert bin_events(events, 2, (1, 1, 2)).sum() == 1


@settings(max_examples=40, deadline=None)
@given(NEAR, st.lists(st.integers(0, 30), max_size=5), st.integers(1, 25), st.integers(1, 7))
def test_windows_of_a_stream_are_those_of_the_whole(times, cuts, duration, num_steps):
    events = recording(times)
    places = sorted(min(cut, len(times)) for cut in cuts)
    ends = zip([0, *places], [*places, len(times)], strict=True)
    chunks = (events[first:last] for first, last in ends)
    windows = list(stream_windows(chunks, num_steps, duration, counts="clip"))
    assert len(windows) == events.duration // duration + 1
    for number, window in enumerate(windows):
        start = times[0] + number * duration
        part = events.between(start, start + duration)
        whole = bin_events(part, num_steps, duration=duration, start=start, counts="clip")
        np.testing.assert_array_equal(window, whole)


def test_what_is_no_recording_is_refused():
    array = np.zeros(3, [("t", "<i8"), ("x", "<i2")])
    with pytest.raises(DataError, match=r"events is of ndarray: expected Events, as Events\.from_"):
        bin_events(array, 4)
    with pytest.raises(DataError, match="a chunk is of void: expected Events"):
        list(stream_windows(array, 4, 100))


def test_a_stream_that_goes_back_is_refused():
    chunks = [recording([5, 9]), recording([8, 12])]
    with pytest.raises(DataError, match="events go on at 8 µs: expected none before 9"):
        list(stream_windows(chunks, 2, 4))


def test_a_recording_of_late_events_alone_has_another_start():
    """Absolute times, as of AEDAT4, with start=0: all events were in the last step."""
    absolute = Events([1_700_000_000_000_000, 1_700_000_000_000_010], x=[0, 1], sensor=(1, 1, 2))
    options = {"duration": 100, "counts": "clip"}
    for late in ("refuse", "last", "drop"):
        with pytest.raises(
            DataError, match=r"no event lies in the 100 µs from 0, .* at 17.*: exp.* start"
        ):
            bin_events(absolute, 4, start=0, late=late, **options)
    with pytest.raises(
        DataError, match=r"at 1700000000000000: expected an earlier start, or late="
    ):
        bin_events(absolute, 4, start=1_700_000_000_000_005, late="last", **options)
    assert bin_events(absolute, 4, late="last", **options)[0].tolist() == [[[True, True]]]


def test_a_recording_without_events_is_silent():
    for late in ("refuse", "last", "drop"):
        spikes = bin_events(recording([]), 4, duration=100, start=0, late=late)
        assert spikes.shape == (4, *SENSOR)
        assert not spikes.any()
