"""A simple event camera."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from lava_desire.data.checks import DataError
from lava_desire.data.events.recording import Events

Array = npt.NDArray[Any]

NOISE, BARS, YIN_YANG, ORDER = range(4)
"""What random numbers are drawn for."""


def event_camera(
    frames: Iterable[Array],
    times: Iterable[int],
    *,
    threshold: float = 0.4,
    dark: float = 0.1,
    refractory: int = 0,
    noise: float = 0.0,
    seed: int = 0,
    first_sample: int = 0,
) -> list[Events]:
    r"""Show films to a simple event camera.

    Each pixel holds the log intensity R of its last event, at first that of the first frame, and
    signals a change by the threshold θ (Lichtsteiner et al., 2008; as in Rebecq et al., ESIM,
    2018): between frames at t_0 and t_1 log intensity moves in a line,

    .. math:: L(t) = L_0 + (L_1 - L_0) (t - t_0) / (t_1 - t_0), \quad L = \ln(d + I),

    and the j-th event of polarity s = sign(L_1 − R) is at the time where L reaches R + s j θ, for
    each j with j θ ≤ abs(L_1 − R); then R becomes R + s j θ. A pixel is silent for a refractory
    time after an event, whose changes are lost. Noise are events at random times of either
    polarity, so many a second and pixel in the mean (Poisson).

    Parameters
    ----------
    frames : iterable of array
        F arrays (S, height, width) float: brightness I in [0, 1] of all S films at one time.
    times : iterable of int
        The F times, µs, ascending.
    threshold : float
        θ, in log intensity, > 0.
    dark : float
        d, what a black pixel has, > 0: the less, the more events at dark edges.
    refractory : int
        µs from an event of a pixel to its next, at least.
    noise : float
        Events a second and pixel, in the mean.
    seed, first_sample : int
        Of the noise, and the number of the first film: a film's noise is that of its number.

    Returns
    -------
    list of Events
        S recordings on a sensor of (2, height, width).

    Raises
    ------
    DataError
        If an argument is none of those above.
    """
    for name, value in (("threshold", threshold), ("dark", dark)):
        if not 0 < value < math.inf:
            raise DataError(f"{name} is {value!r}: expected a number above 0")
    for name, value in (("refractory", refractory), ("noise", noise)):
        if not 0 <= value < math.inf:
            raise DataError(f"{name} is {value!r}: expected a number, 0 or above")
    found: list[tuple[Array, ...]] = []
    before = reference = np.zeros((0, 0, 0))
    begin = now = 0
    last = np.zeros(0, np.int64)
    for number, (frame, then) in enumerate(zip(frames, times, strict=True)):
        level = np.log(dark + np.asarray(frame, np.float64))
        if number == 0:
            before, reference, begin = level, level.copy(), int(then)
            last = np.full(level.shape, begin - refractory - 1)
        else:
            sign = np.sign(level - reference)
            # One that does not move crosses nothing, whatever R was rounded to.
            change = np.where(level == before, 0, np.abs(level - reference))
            # R + s j θ that is reached to the rounding is reached, wherever the pixel is.
            crossings = np.floor(change / threshold + 1e-9).astype(np.int64)
            for crossing in range(1, 1 + int(crossings.max(initial=0))):
                place = np.nonzero(crossings >= crossing)
                s, reached = sign[place], reference[place] + sign[place] * crossing * threshold
                share = (reached - before[place]) / (level[place] - before[place])
                t = now + np.rint(np.clip(share, 0, 1) * (int(then) - now)).astype(np.int64)
                kept = t - last[place] >= refractory
                place = tuple(axis[kept] for axis in place)
                last[place] = t[kept]
                found.append((*place, t[kept], s[kept] > 0))
            reference += sign * crossings * threshold
            before = level
        now = int(then)
    return _recordings(found, before.shape, (begin, now), noise, seed, first_sample)


def _recordings(
    found: list[tuple[Array, ...]],
    shape: tuple[int, ...],
    span: tuple[int, int],
    noise: float,
    seed: int,
    first_sample: int,
) -> list[Events]:
    """Sort events of (sample, y, x, t, p) into one recording a sample, and add noise."""
    empty = [np.zeros(0, np.int64)] * 5
    sample, y, x, t, p = (np.concatenate(column) for column in zip(empty, *found, strict=True))
    order = np.lexsort((x, y, t, sample))
    ends = np.searchsorted(sample[order], np.arange(shape[0] + 1))
    recordings = []
    for number in range(shape[0]):
        mine = order[ends[number] : ends[number + 1]]
        columns = [column[mine] for column in (t, x, y, p)]
        if noise:
            generator = generator_of(seed, NOISE, first_sample + number)
            mean = noise * shape[1] * shape[2] * (span[1] - span[0]) * 1e-6
            many = generator.poisson(mean)
            for place, (low, high) in enumerate(
                ((span[0], span[1] + 1), (0, shape[2]), (0, shape[1]), (0, 2))
            ):
                drawn = generator.integers(low, high, many)
                columns[place] = np.concatenate([columns[place], drawn])
        recordings.append(Events(*columns, sensor=(2, shape[1], shape[2]), sort=True))
    return recordings


def generator_of(seed: int, purpose: int, sample: int) -> np.random.Generator:
    """Return the generator of a sample, keyed by the seed and by what it is drawn for."""
    key = np.array([seed, (purpose << 32) | sample], np.uint64)
    return np.random.Generator(np.random.Philox(key=key))
