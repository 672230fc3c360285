from __future__ import annotations

import numpy as np
import pytest

from lava_desire.data import DataError
from lava_desire.data.events import Events

GOOD = {"t": [0, 5, 5, 9], "x": [0, 1, 2, 3], "y": [0, 0, 1, 1], "p": [0, 1, 0, 1]}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"t": [0, 5, 4, 9]}, r"t goes back from 5 to 4 at \[2\]: expected ascending .*sort=True"),
        ({"t": [0.0, 5.0, np.nan, 9.0]}, r"t holds nan at \[2\], and 1 such in all: expected fin"),
        ({"t": [0.0, 5.0, np.inf, np.inf]}, r"t holds inf at \[2\], and 2 such in all"),
        ({"t": [0.0, 5e-6, 5e-6, 9e-6]}, r"t is float64: expected integers of µs; seconds .*1e6"),
        ({"t": np.array([0, 1, 2, 2**63], np.uint64)}, "t reaches .*: expected at most 2"),
        ({"t": [[0, 5], [5, 9]]}, r"t has shape \(2, 2\): expected \(E,\)"),
        ({"t": np.ma.masked_equal([0, 5, 5, 9], 9)}, "t hold masked values"),
        ({"x": [0, 1, 2]}, "x has 3 values: expected 4, as t"),
        ({"x": [0, 1, 2, 4]}, r"x holds 4 at \[3\]: expected 0 to 3, as the sensor is 4 wide"),
        ({"x": [0, 1, -1, 4]}, r"x holds -1 at \[2\]"),
        ({"x": ["a"] * 4}, "x is <U1: expected integers"),
        ({"y": [0, 2, 1, 1]}, r"y holds 2 at \[1\]: expected 0 to 1, as the sensor is 2 high"),
        ({"p": [0, 1, -1, 1]}, r"p holds -1 at \[2\]: expected 0 to 1; .*signed_polarity=True"),
        ({"p": [0, 1, 2, 1]}, r"p holds 2 at \[2\]"),
        ({"signed_polarity": True}, r"p holds 0 at \[0\]: expected −1 or 1"),
    ],
)
def test_what_is_wrong_is_named_with_its_place(change, message):
    with pytest.raises(DataError, match=message):
        Events(**{**GOOD, "sensor": (2, 2, 4), **change})


def test_polarities_of_either_kind_are_0_and_1():
    for p, signed in (([-1, 1, 1, -1], True), ([False, True, True, False], False)):
        events = Events(**{**GOOD, "p": p}, signed_polarity=signed)
        assert events.p.tolist() == [0, 1, 1, 0]
        assert events.p.dtype == np.uint8


def test_events_are_sorted_on_request_and_those_of_one_time_keep_their_order():
    events = Events([9, 5, 0, 5], [3, 1, 0, 2], sort=True)
    assert (events.t.tolist(), events.x.tolist()) == ([0, 5, 5, 9], [0, 1, 2, 3])


@pytest.mark.parametrize(
    "fields",
    [
        [("t", "<i8"), ("x", "<i2"), ("y", "<i2"), ("p", "u1")],  # expelliarmus
        [("t", "<u8"), ("x", "<u2"), ("y", "<u2"), (("p", "on"), "?")],  # aedat, faery
        [("x", "<i2"), ("y", "<i2"), ("t", "<i8"), ("p", "?")],  # tonic
        [("timestamp", "<i8"), ("x", "<u2"), ("y", "<u2"), ("polarity", "u1"), ("more", "f4")],
    ],
)
def test_structured_arrays_of_the_readers_are_taken(fields):
    array = np.zeros(4, fields)
    names = {"t": "timestamp", "p": "polarity"} if "more" in array.dtype.names else {}
    for name, values in GOOD.items():
        named = names.get(name, name)
        array[named if named in array.dtype.names else "on"] = values
    events = Events.from_array(array, sensor=(2, 2, 4))
    for name, values in GOOD.items():
        assert getattr(events, name).tolist() == values
    assert (events.t.dtype, events.x.dtype) == (np.int64, np.int32)


def test_times_of_polars_and_pandas_are_taken():
    events = Events(np.array([1, 2], "timedelta64[ms]"), [0, 0])
    assert events.t.tolist() == [1000, 2000]
    with pytest.raises(DataError, match=r"t holds NaT at \[1\]"):
        Events(np.array([1, "NaT"], "timedelta64[ms]"), [0, 0])


def test_an_array_without_times_is_refused():
    with pytest.raises(DataError, match="expected a structured array with the fields t, x, y, p"):
        Events.from_array(np.zeros((4, 4)))


def test_parts_are_views_and_join_to_the_whole():
    events = Events(**GOOD, sensor=(2, 2, 4))
    first, rest = events.between(0, 5), events.between(5, 10)
    assert (len(first), len(rest), rest.duration) == (1, 3, 4)
    assert np.shares_memory(rest.t, events.t)
    whole = Events.joined([first, rest])
    assert (whole.t.tolist(), whole.sensor) == (GOOD["t"], (2, 2, 4))
    assert len(Events.joined([])) == 0


def test_a_sensor_may_be_of_whole_floats():
    assert Events([1], [0], sensor=np.array([2.0, 3.0, 4.0])).sensor == (2, 3, 4)
    for sensor in ((True, 3, 4), (1, np.True_, 4), (1, 3, np.float32(4.5)), (1, 3, np.nan)):
        with pytest.raises(DataError, match=r"sensor is .*: expected \(channels, height, width"):
            Events([1], [0], sensor=sensor)
