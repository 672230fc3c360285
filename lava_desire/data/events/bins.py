"""From events to spikes: T steps of a recording, or window after window of one without end."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.data.events.recording import LATEST, Events, Sensor, check_events, check_sensor

Late = Literal["refuse", "drop", "last"]
Counts = Literal["refuse", "clip"]
LATE: tuple[Late, ...] = ("refuse", "drop", "last")
COUNTS: tuple[Counts, ...] = ("refuse", "clip")

MOST_STEPS = 4096
"""Steps of a window, as a network's `num_steps`."""

LONGEST = 2**63 // MOST_STEPS - 1


def bin_events(
    events: Events,
    num_steps: int,
    sensor: Sensor | None = None,
    *,
    duration: int | None = None,
    start: int | None = None,
    late: Late = "refuse",
    counts: Counts = "refuse",
) -> npt.NDArray[np.bool_]:
    """Put events into T steps: a spike where an input has an event in a step.

    An event at time t is a spike of step ⌊(t − start) · T / duration⌋, in integers, so that the
    steps are as equal as whole µs allow and no event lies between two.

    Parameters
    ----------
    events : Events
        The recording, of any length; it may be empty, and is left as it is.
    num_steps : int
        T, 1 to 4096.
    sensor : tuple of int, optional
        (channels, height, width); the recording's own when not given. One channel takes both
        polarities.
    duration : int, optional
        Time that the T steps cover together, µs. When it is not given they cover the recording from
        `start` to its last event, which is in the last step, however short it is. A shorter
        recording is followed by silence.
    start : int, optional
        Where the first step begins, µs; at the first event when not given.
    late : {"refuse", "drop", "last"}
        Events outside the `duration` are refused, or left out; or late ones are spikes of the last
        step, and early ones refused. A recording that has events, but none inside, is refused.
    counts : {"refuse", "clip"}
        Where an input has several events in a step, they are refused, or are one spike.

    Returns
    -------
    ndarray
        Spikes, (T, channels, height, width) bool.

    Raises
    ------
    DataError
        If an argument is none of those above, or events are refused; the message says how many.

    Examples
    --------
    >>> events = Events([10, 20, 30, 49], x=[0, 1, 1, 2], p=[1, 1, 1, 0], sensor=(2, 1, 3))
    >>> bin_events(events, 4)[:, 1, 0].astype(int)
    array([[1, 0, 0],
           [0, 1, 0],
           [0, 1, 0],
           [0, 0, 0]])
    >>> bin_events(events, 2, duration=20, late="drop").any((1, 2, 3))
    array([ True,  True])
    """
    check_events(events, "events")
    sensor = _sensor_of(events, sensor)
    check_binning(num_steps, duration, late, counts, start)
    size = sensor[0] * sensor[1] * sensor[2]
    spikes = np.zeros(num_steps * size, bool)
    if len(events):
        start = int(events.t[0]) if start is None else start
        if duration is None:
            duration = max(1, int(events.t[-1]) - start + 1)
            check_binning(num_steps, duration, late, counts, start)
        events = _within(events, start, duration, late)
        since = np.minimum(events.t - np.int64(start), duration)
        place = np.minimum(since * num_steps // duration, num_steps - 1)
        for position, length in zip((events.p, events.y, events.x), sensor, strict=True):
            place = place * length + (position if length > 1 else 0)  # polarities share a channel
        spikes[place] = True
        if counts == "refuse":
            _refuse_counts(place, spikes, size)
    return spikes.reshape(num_steps, *sensor)


def stream_windows(
    chunks: Events | Iterable[Events],
    num_steps: int,
    duration: int,
    sensor: Sensor | None = None,
    *,
    start: int | None = None,
    counts: Counts = "refuse",
) -> Iterator[npt.NDArray[np.bool_]]:
    """Bin a recording of any length, window after window, in memory that does not grow.

    Window k covers the times from start + k · duration; those without an event are silent. The last
    is the one that holds the last event. No more is held than a chunk and the window's own events.

    Parameters
    ----------
    chunks : Events or iterable of Events
        The recording, or its parts in the order of their times, as :func:`iterate_events` reads
        them from a file.
    num_steps : int
        T, 1 to 4096.
    duration : int
        Time that a window's T steps cover together, µs.
    sensor, start, counts
        As of :func:`bin_events`.

    Returns
    -------
    iterator of ndarray
        Spikes of each window, (T, channels, height, width) bool.

    Raises
    ------
    DataError
        As :func:`bin_events`; or if a chunk begins before the one in front of it ends, or before
        `start`.

    Examples
    --------
    >>> events = Events([0, 5, 25], x=[0, 1, 2], sensor=(1, 1, 3))
    >>> [int(spikes.sum()) for spikes in stream_windows(events, 4, duration=10)]
    [2, 0, 1]
    """
    check_binning(num_steps, duration, "refuse", counts, start)
    options: Any = {"duration": duration, "late": "refuse", "counts": counts}
    held: list[Events] = []
    latest = start
    for chunk in [chunks] if isinstance(chunks, Events) else chunks:
        check_events(chunk, "a chunk")
        if not len(chunk):
            continue
        if latest is not None and chunk.t[0] < latest:
            raise DataError(
                f"events go on at {chunk.t[0]} µs: expected none before {latest}, the start or the "
                "event in front of it"
            )
        latest = int(chunk.t[-1])
        sensor = _sensor_of(chunk, sensor)
        start = int(chunk.t[0]) if start is None else start
        while latest >= start + duration:
            now = chunk.between(start, start + duration)
            window = Events.joined([*held, now], sensor)
            yield bin_events(window, num_steps, sensor, start=start, **options)
            held, chunk = [], chunk[len(now) :]
            start += duration
        held.append(chunk)
    if held and start is not None:
        window = Events.joined(held, sensor)
        yield bin_events(window, num_steps, sensor, start=start, **options)


def check_binning(num_steps: Any, duration: Any, late: Any, counts: Any, start: Any) -> None:
    """Refuse arguments of :func:`bin_events` with a DataError."""
    for name, value, least, most in (
        ("num_steps", num_steps, 1, MOST_STEPS),
        ("duration", duration, 1, LONGEST),
        ("start", start, -LATEST, LATEST),
    ):
        if name != "num_steps" and value is None:
            continue
        is_integer = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not is_integer or not least <= value <= most:
            raise DataError(f"{name} is {value!r}: expected an integer from {least} to {most}")
    for name, value, allowed in (("late", late, LATE), ("counts", counts, COUNTS)):
        if value not in allowed:
            raise DataError(f"{name} is {value!r}: expected one of {', '.join(allowed)}")


def _sensor_of(events: Events, sensor: Sensor | None) -> Sensor:
    """Return the sensor, once all events are known to lie on it."""
    sensor = events.sensor if sensor is None else check_sensor(sensor)
    if sensor is None:
        raise DataError("the recording does not say its sensor: expected sensor=(2, height, width)")
    if sensor != events.sensor:
        events.on(sensor)
    return sensor


def _within(events: Events, start: int, duration: int, late: Late) -> Events:
    inside = events.between(start, start + duration)
    num_outside = len(events) - len(inside)
    early = int(np.searchsorted(events.t, start))
    if not len(inside):
        raise DataError(
            f"no event lies in the {duration} µs from {start}, the first is at {events.t[0]}: "
            "expected another start or duration; save a recording that is to be silent without "
            "events"
        )
    if late == "last" and not early:
        return events
    if num_outside and late != "drop":
        outside = int(events.t[0] if early else events.t[-1])
        cure = 'late="drop" to leave them out'
        if early:
            expected = f"an earlier start, or {cure}"
        else:
            expected = (
                f'a longer duration, {cure}, or late="last" to have late ones in the last step'
            )
        raise DataError(
            f"{num_outside} of {len(events)} events lie outside the {duration} µs from {start}, as "
            f"at {outside}: expected {expected}"
        )
    return inside


def _refuse_counts(place: npt.NDArray[np.int64], spikes: npt.NDArray[np.bool_], size: int) -> None:
    lost = len(place) - np.count_nonzero(spikes)
    if lost:
        places, numbers = np.unique(place, return_counts=True)
        most = int(np.argmax(numbers))
        step, neuron = divmod(int(places[most]), size)
        raise DataError(
            f"input {neuron} has {numbers[most]} events in step {step}, and {lost} of "
            f'{len(place)} events would be lost: expected one at most; counts="clip" makes one '
            "spike of them, and more steps keep them apart"
        )
