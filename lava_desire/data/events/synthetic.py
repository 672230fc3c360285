"""Event data made here: a simple event camera, and tasks whose classes are told by times alone.

All are drawn from a Philox generator keyed by the seed, the purpose and the sample's number: the
first ten of a hundred samples are the ten. Times are from 0 to less than the duration.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError, check_images
from lava_desire.data.events.camera import BARS, ORDER, YIN_YANG, event_camera, generator_of
from lava_desire.data.events.recording import Events

__all__ = ["event_camera", "moving_bars", "saccades", "temporal_order", "yin_yang"]

Array = npt.NDArray[Any]

SACCADES = ((1.0, -1.0), (-1.0, 0.0), (1.0, 1.0), (1.0, -1.0))
"""Where the gaze rests between three saccades, (row, column) in units of their amplitude."""


def saccades(
    images: Array,
    *,
    duration: int = 300_000,
    amplitude: int = 3,
    batch_size: int = 256,
    **camera: Any,
) -> list[Events]:
    """Look at images with three saccades, as N-MNIST was made (Orchard et al., 2015).

    The gaze moves in three lines of equal time around a triangle, 2 · `amplitude` pixels high and
    wide, and ends where it began. The image moves the other way, by parts of a pixel (bilinear),
    before a black ground.

    Parameters
    ----------
    images : array
        (S, height, width) uint8, or float brightness in [0, 1].
    duration : int
        Of a recording, µs.
    amplitude : int
        Pixels, at least 1.
    batch_size : int
        Images that are computed together; it changes no event.
    **camera
        As of :func:`event_camera`; `first_sample` is counted here.

    Returns
    -------
    list of Events
        S recordings on a sensor of (2, height + 2 · amplitude, width + 2 · amplitude); of MNIST's
        28 × 28 pixels 34 × 34, as N-MNIST's.

    Raises
    ------
    DataError
        If images are none, or an argument is none of those above.

    Examples
    --------
    >>> from lava_desire import load_dataset
    >>> images = load_dataset("digits").test_images.reshape(-1, 8, 8)
    >>> recordings = saccades(images[:3])
    >>> len(recordings), recordings[0].sensor
    (3, (2, 14, 14))
    """
    rows, shape = check_images(images)
    if shape is None or len(shape) != 2:
        raise DataError(f"images have shape {np.shape(images)}: expected (S, height, width)")
    if not isinstance(amplitude, int | np.integer) or amplitude < 1 or duration < 1:
        raise DataError(
            f"amplitude is {amplitude!r} and duration {duration!r}: expected integers of 1 or more"
        )
    steps = 4 * int(amplitude)  # of half a pixel
    shares = np.arange(3 * steps + 1) / steps
    gaze = [np.interp(shares, range(4), axis) * amplitude for axis in zip(*SACCADES, strict=True)]
    times = [round((duration - 1) * share / 3) for share in shares]
    recordings = []
    for first in range(0, len(rows), batch_size):
        part = rows[first : first + batch_size].reshape(-1, *shape)
        part = part / 255 if part.dtype == np.uint8 else part
        frames = (_shifted(part, -y, -x, amplitude) for y, x in zip(*gaze, strict=True))
        recordings += event_camera(frames, times, first_sample=first, **camera)
    return recordings


def _shifted(images: Array, row: float, column: float, margin: int) -> Array:
    """Return (S, h + 2 m, w + 2 m) images, moved down and to the right by up to m pixels."""
    whole = math.floor(row), math.floor(column)
    part = row - whole[0], column - whole[1]
    padded = np.pad(images, ((0, 0), *[(2 * margin + 1, 2 * margin + 1)] * 2))
    height, width = (size + 2 * margin for size in images.shape[1:])
    moved = np.zeros((len(images), height, width))
    for below in (0, 1):
        for right in (0, 1):
            top, left = margin + 1 - whole[0] - below, margin + 1 - whole[1] - right
            weight = abs(1 - below - part[0]) * abs(1 - right - part[1])
            moved += weight * padded[:, top : top + height, left : left + width]
    return moved


def moving_bars(
    num_samples: int,
    *,
    num_directions: int = 4,
    size: int = 16,
    width: float = 2.0,
    duration: int = 100_000,
    seed: int = 0,
    **camera: Any,
) -> tuple[list[Events], Array]:
    """Show bright bars that move across the sensor; the class is the direction.

    A bar of a random brightness from 0.5 to 1 enters on one side and leaves on the other, so that
    each pixel becomes brighter once and darker once, whichever the direction: counts of events over
    the whole recording tell opposite directions nothing apart. Counts of steps with an event do,
    where all recordings begin at the same time: whether an edge falls into one bin or two depends
    on its place. Bins that begin at a random time take that away.

    Parameters
    ----------
    num_samples : int
        S.
    num_directions : int
        K, 2 to 8: class k moves at an angle of k · 360° / K, class 0 to the right.
    size : int
        Height and width of the sensor.
    width : float
        Of the bar, pixels.
    duration : int
        Of a recording, µs.
    seed : int
        Of classes, brightnesses and noise.
    **camera
        As of :func:`event_camera`.

    Returns
    -------
    events : list of Events
        S recordings on a sensor of (2, size, size).
    labels : ndarray
        (S,) int64, in [0, K).

    Raises
    ------
    DataError
        If an argument is none of those above.
    """
    if not 2 <= num_directions <= 8 or size < 2 or not 0 < width <= size:
        raise DataError(
            f"num_directions is {num_directions!r}, size {size!r}, width {width!r}: expected 2 to "
            "8 directions, a size of 2 or more, and a width up to it"
        )
    labels, brightness = _drawn(num_samples, num_directions, BARS, seed, 0.5, 1.0)
    angle = 2 * np.pi * labels / num_directions
    axis = np.arange(size) - (size - 1) / 2
    cosine, sine = (function(angle)[:, None, None] for function in (np.cos, np.sin))
    along = cosine * axis[None, None] + sine * axis[:, None]  # from the middle, as the bar moves
    reach = size / math.sqrt(2) + width / 2 + 1
    places = np.linspace(-reach, reach, 4 * size + 1)
    times = np.rint(np.linspace(0, duration - 1, len(places))).astype(np.int64)
    frames = (
        brightness[:, None, None] * np.clip((width + 1) / 2 - abs(along - place), 0, 1)
        for place in places
    )
    return event_camera(frames, times, seed=seed, **camera), labels


def yin_yang(
    num_samples: int, *, duration: int = 30_000, seed: int = 0
) -> tuple[list[Events], Array]:
    """Return points of the Yin-Yang data set as spike times (Kriener et al., 2022, NICE).

    A point of the disc of radius r = 0.5 around (0.5, 0.5) is of class 2 (dot) where it is nearer
    than 0.1 to (0.25, 0.5) or (0.75, 0.5); else of class 1 (yang) where it is within r / 2 of the
    first of these, or above the middle and not within r / 2 of the second; else of class 0 (yin).
    Four inputs spike once each, at the times x, y, 1 − x and 1 − y, in units of the duration less
    1 µs: bin them with ``start=0``.

    Parameters
    ----------
    num_samples : int
        S; classes are drawn with equal odds.
    duration : int
        µs, into which all times are mapped.
    seed : int
        Of classes and points.

    Returns
    -------
    events : list of Events
        S recordings on a sensor of (1, 1, 4).
    labels : ndarray
        (S,) int64: 0 (yin), 1 (yang), 2 (dot).

    Raises
    ------
    DataError
        If the number of samples is negative.

    Examples
    --------
    >>> events, labels = yin_yang(100)
    >>> events[0].t, events[0].x, int(labels[0])
    (array([ 9893, 12127, 17872, 20106]), array([1, 2, 0, 3], dtype=int32), 0)
    """
    labels, _ = _drawn(num_samples, 3, YIN_YANG, seed, 0.0, 1.0)
    recordings = []
    for number, label in enumerate(labels.tolist()):
        generator = generator_of(seed, YIN_YANG, number)
        point = generator.random(2)
        while _yin_yang_class(*point) != label:
            point = generator.random(2)
        t = np.rint(np.concatenate([point, 1 - point]) * (duration - 1)).astype(np.int64)
        recordings.append(Events(t, np.arange(4), sensor=(1, 1, 4), sort=True))
    return recordings, labels


def _yin_yang_class(x: float, y: float, radius: float = 0.5, dot: float = 0.1) -> int | None:
    """Return the class of a point, None outside the disc."""
    left = math.hypot(x - radius / 2, y - radius)
    right = math.hypot(x - 3 * radius / 2, y - radius)
    if math.hypot(x - radius, y - radius) > radius:
        return None
    if min(left, right) < dot:
        return 2
    return int(left <= radius / 2 or (y > radius and right > radius / 2))


def temporal_order(
    num_samples: int,
    *,
    group: int = 10,
    gap: int = 20_000,
    jitter: int = 5_000,
    duration: int = 100_000,
    seed: int = 0,
) -> tuple[list[Events], Array]:
    """Return the task which of two groups of inputs spikes first, which counts cannot solve.

    Each input spikes once in each recording, so that counts are the same in all and tell nothing.
    In class 0 the first group spikes at about a time t_0 and the second at t_0 + gap, in class 1
    the other way round; t_0 is drawn from those with which all spikes lie within the duration, so
    that no input's own time tells the class for sure, and each spike is up to `jitter` early or
    late.

    Parameters
    ----------
    num_samples : int
        S.
    group : int
        Inputs a group.
    gap, jitter, duration : int
        µs; jitter < gap / 2, so that groups do not mix.
    seed : int
        Of classes and times.

    Returns
    -------
    events : list of Events
        S recordings on a sensor of (1, 2, group): a row a group.
    labels : ndarray
        (S,) int64: 0 (the first group comes first), 1.

    Raises
    ------
    DataError
        If groups would mix, or the spikes do not fit.
    """
    room = duration - gap - 2 * jitter
    if group < 1 or not 0 <= 2 * jitter < gap or room < 1:
        raise DataError(
            f"group is {group!r}, gap {gap!r}, jitter {jitter!r}, duration {duration!r}: expected "
            "1 or more inputs, jitter < gap / 2, and gap + 2 jitter < duration"
        )
    labels, share = _drawn(num_samples, 2, ORDER, seed, 0.0, 1.0)
    y, x = np.divmod(np.arange(2 * group), group)
    recordings = []
    for number, label in enumerate(labels.tolist()):
        early = generator_of(seed, ORDER, number).integers(-jitter, jitter + 1, 2 * group)
        t = jitter + math.floor(share[number] * room) + gap * (y != label) + early
        recordings.append(Events(t, x, y, sensor=(1, 2, group), sort=True))
    return recordings, labels


def _drawn(
    num_samples: int, num_classes: int, purpose: int, seed: int, low: float, high: float
) -> tuple[Array, Array]:
    """Return labels, (S,) int64, and a number in [low, high) a sample, (S,) float64."""
    if num_samples < 0:
        raise DataError(f"num_samples is {num_samples!r}: expected 0 or more")
    drawn = generator_of(seed, purpose, 2**31).random((num_samples, 2))
    return (drawn[:, 0] * num_classes).astype(np.int64), low + (high - low) * drawn[:, 1]
