"""Spike trains as data: what packs, what is refused."""

import numpy as np
import pytest
import torch

from lava_desire.backends.wire import pack_spikes
from lava_desire.data import DataError, Dataset, SpikeTrains
from lava_desire.data.events import EventDataset, Events


def _spikes(num_steps: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(num_steps).random((num_steps, *shape)) < 0.3


@pytest.mark.parametrize("num_steps", [1, 7, 8, 9, 20, 64, 65])
def test_what_is_packed_unpacks_and_is_laid_out_as_backends_send_it(num_steps: int) -> None:
    spikes = _spikes(num_steps, 5, 11)
    trains = SpikeTrains.pack(spikes)
    assert (len(trains), trains.num_steps, trains.num_inputs) == (5, num_steps, 11)
    np.testing.assert_array_equal(trains.unpack(), spikes)
    np.testing.assert_array_equal(trains.planes, pack_spikes(torch.from_numpy(spikes)).numpy())
    np.testing.assert_array_equal(trains[[4, 0]].unpack(), spikes[:, [4, 0]])
    np.testing.assert_array_equal(trains[1:3].unpack(), spikes[:, 1:3])


def test_neurons_of_channels_are_in_c_order() -> None:
    spikes = _spikes(9, 4, 2, 3, 5)
    trains = SpikeTrains.pack(torch.from_numpy(spikes))
    assert trains.shape == (2, 3, 5)
    np.testing.assert_array_equal(trains.unpack(), spikes.reshape(9, 4, 30))


def test_a_memory_map_is_read_where_samples_are_asked_for(tmp_path) -> None:
    trains = SpikeTrains.pack(_spikes(9, 4, 6))
    np.save(tmp_path / "planes.npy", trains.planes)
    mapped = SpikeTrains(np.load(tmp_path / "planes.npy", mmap_mode="r"), 9, (6,))
    assert mapped.is_mapped
    some = mapped[[2, 0]]
    assert not some.is_mapped
    np.testing.assert_array_equal(some.unpack(), trains[[2, 0]].unpack())
    np.save(tmp_path / "planes.npy", trains.planes | 0x80)
    beyond = SpikeTrains(np.load(tmp_path / "planes.npy", mmap_mode="r"), 9, (6,))
    with pytest.raises(DataError, match="beyond step 9"):
        beyond[:1]


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (_spikes(4, 2, 3).astype(np.uint8), r"are uint8: expected bool.*spikes > 0"),
        (torch.zeros(4, 2, 3, dtype=torch.int64), r"are torch.int64: expected bool"),
        ([[[True]]], "are list: expected bool"),
        (_spikes(4, 2), r"have shape \(4, 2\): expected \(time steps, samples, neurons\)"),
        (_spikes(4, 2, 3, 3), r"have shape \(4, 2, 3, 3\)"),
        (np.zeros((0, 2, 3), bool), r"have shape \(0, 2, 3\): expected a time step"),
    ],
)
def test_what_is_no_spike_train_is_refused(given: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SpikeTrains.pack(given)


@pytest.mark.parametrize(
    ("planes", "num_steps", "shape", "message"),
    [
        (np.zeros((2, 2, 3), np.uint8), 9, (4,), r"uint8 \(2, 2, 3\): expected \(S, 2, 4\) uint8"),
        (np.zeros((2, 1, 3), np.uint8), 9, (3,), r"expected \(S, 2, 3\)"),
        (np.zeros((2, 2, 3), np.int64), 9, (3,), "are int64"),
        (np.full((2, 2, 3), 2, np.uint8), 9, (3,), "beyond step 9"),
        (np.zeros((2, 0, 3), np.uint8), 0, (3,), "num_steps is 0"),
        (np.zeros((2, 1, 0), np.uint8), 8, (), "sizes of at least 1"),
        ("text", 8, (3,), "planes are str"),
    ],
)
def test_planes_that_are_none_are_refused(planes, num_steps, shape, message: str) -> None:
    with pytest.raises(DataError, match=message):
        SpikeTrains(planes, num_steps, shape)


@pytest.mark.parametrize("packed", [True, False])
def test_samples_are_integers_or_a_mask_of_all(packed):
    given = SpikeTrains.pack(_spikes(9, 4, 6))
    if not packed:
        recordings = [Events([0, 9], [n, 5], sensor=(1, 1, 6)) for n in range(4)]
        data = EventDataset(recordings, 9, labels=range(4))
        assert data.subset([False, True, False, True]).labels.tolist() == [1, 3]
    take = given.__getitem__ if packed else data.spikes
    expected = take([1, 3]).unpack()
    assert np.array_equal(take(np.array([False, True, False, True])).unpack(), expected)
    assert np.array_equal(take([-3, -1]).unpack(), expected)
    assert len(take([])) == 0
    for wrong in ([0.5, 1.7], [True, False], 2, [[1]]):
        with pytest.raises(DataError, match=r"expected \(R,\) integers, or a mask of bool, \(4,\)"):
            take(wrong)


@pytest.mark.parametrize("names", [("spikes", "labels"), ("train_spikes", "train_labels")])
def test_samples_where_time_is_expected_are_named_by_shape(names):
    samples_first = np.zeros((6, 4, 5), bool)
    message = r"spikes have shape \(6, 4, 5\), and .*labels \(6,\): expected \(time steps, samples"
    with pytest.raises(DataError, match=message):
        Dataset.from_arrays(dict(zip(names, (samples_first, np.arange(6) % 2), strict=True)))
