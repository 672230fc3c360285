"""Augmentation: training images that are moved and bent, and spike trains that are changed."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from lava_desire.config import DesireConfig
from lava_desire.randomness import EpochMoves, epoch_moves, kept_spikes

_ONE = 2**15
"""Half a pixel, in 1/65,536 of one."""
_APART = 7
"""Pixels between the places whose displacements bend an image."""
_LARGEST = 2**31 - 1


@dataclass(frozen=True)
class Moves:
    """How an epoch, counted from 0, changes its S samples, in the order in which it visits them.

    `places` are for :func:`move_images`: (S, 2), shifts, int64; where images are turned or scaled
    as well, (S, 4) with the two numbers of :func:`turn_images`; where they are bent, (S, 4 + D)
    int32 with its D. `mirrored` is (S,) bool, `delays` (S,) int64, for :func:`shift_steps`, and
    `losing` (S,) int64, for :func:`drop_spikes`. None of what no sample is changed by.
    """

    places: Tensor | None
    mirrored: Tensor | None
    delays: Tensor | None
    losing: Tensor | None
    epoch: int

    def __getitem__(self, part: slice) -> Moves:
        """Return those of some samples."""
        return self._each(lambda moves: moves[part])

    def to(self, device: torch.device) -> Moves:
        """Return them on a device."""
        return self._each(lambda moves: moves.to(device))

    def _each(self, change: Callable[[Tensor], Tensor]) -> Moves:
        drawn = {name: each for name, each in vars(self).items() if isinstance(each, Tensor)}
        changed: Any = {name: change(each) for name, each in drawn.items()}
        return replace(self, **changed)


def draw_moves(config: DesireConfig, epoch: int, num_samples: int) -> Moves | None:
    """Draw how an epoch changes its samples, as a configuration says; None where it changes none.

    They are those of :func:`~lava_desire.randomness.epoch_moves`, on the CPU.
    """
    if not config.moves_images(epoch):
        return None
    bend = round(config.image_bend * 2 * _ONE)
    drawn = epoch_moves(
        config.seed,
        epoch,
        num_samples,
        config.image_shift,
        math.radians(config.image_rotation),
        config.image_scale,
        config.image_shift_share,
        bend,
        _num_bends(*config.image_planes[1:]) if bend else 0,
        config.image_mirror,
        config.time_shift,
    )
    losing = np.where(drawn.stays, -1, np.arange(num_samples))
    return Moves(
        _places(config, drawn, bend),
        torch.from_numpy(drawn.mirrored) if config.image_mirror else None,
        torch.from_numpy(drawn.delays) if config.time_shift else None,
        torch.from_numpy(losing) if config.spike_drop else None,
        epoch,
    )


def _places(config: DesireConfig, drawn: EpochMoves, bend: int) -> Tensor | None:
    shifts = drawn.shifts
    if not (config.image_rotation or config.image_scale or bend):
        return torch.from_numpy(shifts) if config.image_shift else None
    angles, factors = drawn.turns.T
    steps = np.stack([np.cos(angles), np.sin(angles)], axis=1) / factors[:, None]
    steps = np.rint(steps * _ONE).astype(np.int64)
    if not bend:
        return torch.from_numpy(np.hstack([shifts, steps]))
    # A step beyond 32 bits leads out of any image, as the largest does.
    steps = np.clip(steps, -_LARGEST, _LARGEST)
    places = [shifts.astype(np.int32), steps.astype(np.int32), drawn.bends]
    return torch.from_numpy(np.hstack(places))


def move_samples(samples: Tensor, moves: Moves, config: DesireConfig) -> Tensor:
    """Return training samples changed as drawn: mirrored and moved, and what is for spike trains.

    They are images, (B, N) uint8 or float32, or packed spikes, (B, ⌈T/8⌉, N_0) uint8, as they are
    in :mod:`~lava_desire.backends.wire`, and `moves` are theirs. Raises the ValueErrors of
    :func:`shift_images` and :func:`turn_images`.
    """
    moved, shape = samples.flatten(1), config.input_shape
    if samples.ndim == 3 and (moves.places is not None or moves.mirrored is not None):
        # Steps of a byte move together, and the bytes of a neuron are channels.
        channels, height, width = _planes(samples[:, 0], shape)
        shape = (samples.shape[1] * channels, height, width)
    if moves.mirrored is not None:
        moved = mirror_images(moved, moves.mirrored, shape)
    if moves.places is not None:
        moved = move_images(moved, moves.places, shape)
    moved = moved.view(samples.shape)
    if moves.delays is not None:
        moved = shift_steps(moved, moves.delays, config.num_steps)
    if moves.losing is not None:
        moved = drop_spikes(moved, moves.losing, config.spike_drop, config.seed, moves.epoch)
    return moved


def mirror_images(images: Tensor, mirrored: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Exchange left and right of the images, (B, N), that are `mirrored`, (B,) bool.

    The `input_shape` is (C, H, W); of others N is the square of the width. Raises ValueError if
    the images are not square and have no known planes.
    """
    planes = images.view(len(images), *_planes(images, input_shape))
    return torch.where(mirrored[:, None, None, None], planes.flip(3), planes).flatten(1)


def shift_steps(planes: Tensor, delays: Tensor, num_steps: int) -> Tensor:
    """Shift spike trains in time; what leaves the window is lost, what is uncovered is silent.

    `planes` are packed spikes of T steps, (B, ⌈T/8⌉, N_0) uint8, and `delays` (B,) int64 time steps
    to a later time, any number.
    """
    # A byte takes the upper bits of the byte so many bytes before, and some of the one before that.
    whole, bits = delays >> 3, (delays & 7).int()[:, None, None]
    samples, numbers = (torch.arange(size, device=planes.device) for size in planes.shape[:2])
    source = numbers - whole[:, None]

    def found(place: Tensor) -> Tensor:
        is_there = (place >= 0) & (place < len(numbers))
        place = place.clamp(0, len(numbers) - 1)
        return planes[samples[:, None], place] * is_there[:, :, None]

    pair = (found(source).int() << 8) | found(source - 1)
    moved = ((pair >> (8 - bits)) & 255).to(torch.uint8)
    if num_steps % 8:
        moved[:, -1] &= (1 << num_steps % 8) - 1
    return moved


def drop_spikes(
    planes: Tensor, losing: Tensor, probability: float, seed: int, epoch: int
) -> Tensor:
    """Take single spikes away at random, as :func:`~lava_desire.randomness.kept_spikes` draws them.

    `planes` are packed spikes, (B, P, N_0) uint8, and `losing`, (B,) int64, the places of the
    samples in the epoch, −1 for those that keep all.
    """
    _, num_planes, num_inputs = planes.shape
    kept = np.full(planes.shape, 255, np.uint8)
    for number, sample in enumerate(losing.tolist()):
        if sample >= 0:
            kept[number] = kept_spikes(seed, epoch, sample, num_planes, num_inputs, probability)
    return planes & torch.from_numpy(kept).to(planes.device)


def move_images(images: Tensor, moves: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Move images as drawn: by :func:`shift_images`, or :func:`turn_images` of four or more.

    Parameters and errors are theirs.
    """
    moved = shift_images if moves.shape[-1] == 2 else turn_images
    return moved(images, moves, input_shape)


def shift_images(images: Tensor, shifts: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Move images; what they uncover is dark, what leaves them is lost.

    Images are (B, N) of any dtype, as what is returned, and `shifts` (B, 2) int64, pixels down
    and to the right, each smaller in size than height and width. The `input_shape` is (C, H, W),
    whose channels move together; of others N is the square of the width. Raises ValueError if the
    images are not square and have no known planes, a shift leaves nothing of an image, or shapes do
    not fit.
    """
    channels, height, width = _planes(images, input_shape)
    if shifts.shape != (len(images), 2):
        raise ValueError(f"shifts have shape {tuple(shifts.shape)}: expected ({len(images)}, 2)")
    if len(shifts) and int(shifts.abs().max()) >= min(height, width):
        raise ValueError(
            f"shifts reach {int(shifts.abs().max())}: expected less than {min(height, width)}"
        )
    # A pixel takes the brightness of the one that the shift brings to its place.
    rows = (torch.arange(height, device=images.device) - shifts[:, :1])[:, :, None]
    columns = (torch.arange(width, device=images.device) - shifts[:, 1:])[:, None, :]
    inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
    sources = rows.clamp(0, height - 1) * width + columns.clamp(0, width - 1)
    planes = images.reshape(len(images), channels, -1)
    moved = planes.gather(2, sources.flatten(1)[:, None].expand(-1, channels, -1))
    return (moved * inside.flatten(1)[:, None]).flatten(1)


def turn_images(images: Tensor, moves: Tensor, input_shape: tuple[int, ...] = ()) -> Tensor:
    """Bend images, turn and scale them about their centre, then shift them.

    Not in the paper. A pixel takes the brightness at the place that is brought to it, (a·y + b·x,
    a·x − b·y) + u(y, x) with a = cos θ / f, b = sin θ / f and (y, x) its place from the centre less
    the shift, from the four pixels around, each by its share (bilinear). What lies outside is dark.
    u is a cubic B-spline of displacements of places 7 pixels apart, about as smooth as the elastic
    distortions of Simard et al. 2003 ("Best practices for convolutional neural networks", σ = 4
    pixels). Places are integers, in 1/65,536 of a pixel, and shares in 1/256, so that the result is
    the same on all devices.

    Images and `input_shape` are as of :func:`shift_images`; integers are rounded to the nearest.
    `moves` are (B, 4 + D) integers: pixels down and to the right, then 32,768·a and 32,768·b; θ
    anticlockwise, f > 1 enlarges. D is 0, or 2·(⌈(H − 1)/7⌉ + 3)·(⌈(W − 1)/7⌉ + 3): displacements
    in 1/65,536 of a pixel, those down first. Raises ValueError if the images are not square and
    have no known planes, or shapes do not fit.
    """
    channels, height, width = _planes(images, input_shape)
    sizes = [4, 4 + _num_bends(height, width)]
    if moves.shape not in [(len(images), size) for size in sizes]:
        raise ValueError(
            f"moves have shape {tuple(moves.shape)}: expected ({len(images)}, {sizes[0]}) or "
            f"({len(images)}, {sizes[1]})"
        )
    moves = moves.long()
    down, right, cosine, sine = moves.T[:4, :, None, None]
    # From the centre, in halves of a pixel: integers whether there is a pixel at the centre or not.
    rows = 2 * (torch.arange(height, device=images.device)[:, None] - down) - (height - 1)
    columns = 2 * (torch.arange(width, device=images.device) - right) - (width - 1)
    from_row = cosine * rows + sine * columns + (height - 1) * _ONE
    from_column = cosine * columns - sine * rows + (width - 1) * _ONE
    if moves.shape[1] > 4:
        bent_rows, bent_columns = _bends(moves[:, 4:], height, width)
        from_row, from_column = from_row + bent_rows, from_column + bent_columns
    exact = torch.float64 if images.is_floating_point() else torch.int64
    exact = torch.int32 if images.dtype == torch.uint8 else exact
    # Two dark pixels around, so that what lies outside is found there.
    planes = images.new_zeros((len(images), channels, height + 4, width + 4), dtype=exact)
    planes[:, :, 2:-2, 2:-2] = images.view(len(images), channels, height, width)
    planes = planes.flatten(2)
    first_row = (from_row >> 16).clamp_(-2, height) + 2
    first_column = (from_column >> 16).clamp_(-2, width) + 2
    source = (first_row * (width + 4) + first_column).flatten(1)[:, None]

    def found(offset: int) -> Tensor:
        return planes.gather(2, (source + offset).expand(-1, channels, -1))

    def between(first: Tensor, second: Tensor, place: Tensor) -> Tensor:
        share = ((place >> 8) & 255).to(exact).flatten(1)[:, None]
        return first * (256 - share) + second * share

    below = width + 4
    total = between(
        between(found(0), found(1), from_column),
        between(found(below), found(below + 1), from_column),
        from_row,
    )
    if images.is_floating_point():
        return (total / 2**16).to(images.dtype).flatten(1)
    return ((total + 2**15) >> 16).to(images.dtype).flatten(1)


def _num_bends(height: int, width: int) -> int:
    """Return how many displacements bend an image."""
    return 2 * _num_places(height) * _num_places(width)


def _num_places(size: int) -> int:
    """Return how many places lie along a side, and around its ends."""
    return math.ceil((size - 1) / _APART) + 3


def _bends(displacements: Tensor, height: int, width: int) -> Tensor:
    """Return u of all pixels, (2, B, H, W) int64 in the unit of the displacements, (B, D) int64."""
    shares = _spline_shares(height, width, displacements.device)
    # Whole numbers below 2**53, whose sums float64 holds exactly in any order.
    sums = displacements.double().view(-1, len(shares)) @ shares
    bends = torch.floor(sums / 2**24).long()
    return bends.view(-1, 2, height, width).transpose(0, 1)


@cache
def _spline_shares(height: int, width: int, device: torch.device) -> Tensor:
    """Return shares of all places in all pixels, (places, H·W) float64."""
    return torch.from_numpy(np.kron(_spline(height), _spline(width)).T).to(device)


def _spline(size: int) -> npt.NDArray[np.float64]:
    """Return shares of the places in the pixels of a side, whole numbers that add up to 4,096."""
    first, along = np.divmod(np.arange(size), _APART)
    x = along / _APART
    cubes = [(1 - x) ** 3, 3 * x**3 - 6 * x**2 + 4, 3 * x * (1 + x - x**2) + 1, x**3]
    shares = np.rint(np.stack(cubes, axis=1) * 4096 / 6)
    shares[:, 1] += 4096 - shares.sum(axis=1)
    found = np.zeros((size, _num_places(size)))
    for place in range(4):
        found[np.arange(size), np.minimum(first + place, found.shape[1] - 1)] += shares[:, place]
    return found


def _planes(images: Tensor, input_shape: tuple[int, ...]) -> tuple[int, ...]:
    side = math.isqrt(images.shape[1])
    planes = input_shape if len(input_shape) == 3 else (1, side, side)
    if math.prod(planes) != images.shape[1]:
        expected = "x".join(map(str, input_shape)) or "the square of a width"
        raise ValueError(f"images have {images.shape[1]} inputs: expected {expected}")
    return planes
