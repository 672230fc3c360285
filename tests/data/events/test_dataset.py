from __future__ import annotations

import json
import os
import subprocess
import sys

import numpy as np
import pytest
import test_formats

from lava_desire import DesireConfig, DesireNetwork, fit
from lava_desire.data import DataError
from lava_desire.data.events import (
    EventDataset,
    Events,
    bin_events,
    load_events,
    read_events,
    stored,
)
from lava_desire.data.spike_trains import SpikeSource, first_samples

SENSOR = (2, 3, 4)
HOW = {"duration": 1000, "late": "drop", "counts": "clip"}


def recording(seed, longest=1500):
    random = np.random.default_rng(seed)
    number = int(random.integers(5, 60))
    t = np.sort(random.integers(0, longest, number)) + 10_000
    return Events(t, *(random.integers(0, end, number) for end in (4, 3, 2)), sensor=SENSOR)


def folder_of(path, classes=("cat", "dog", "eel"), each=6):
    """Write recordings, a folder a class, and return them in the order of the files."""
    found = []
    for number, name in enumerate(classes):
        (path / name).mkdir(parents=True)
        for place in range(each):
            found.append(recording(100 * number + place))
            found[-1].save(path / name / f"{place}.npz")
    return found


def unpacked(trains):
    return trains.unpack().reshape(trains.num_steps, len(trains), *trains.shape)


def binned(recordings, num_steps=20, **options):
    how = {**HOW, **options}
    return np.stack([bin_events(each, num_steps, SENSOR, **how) for each in recordings], axis=1)


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "pets"


def test_a_recording_may_begin_with_a_part_without_events(folder, monkeypatch):
    folder_of(folder)
    parts = [Events([], [], sensor=SENSOR), Events([500, 600, 5000], x=[0, 1, 2], sensor=SENSOR)]
    monkeypatch.setattr(stored, "iterate_events", lambda path, part: iter(parts))
    data = EventDataset(folder, 20, cache=False, **HOW)
    assert first_samples(data, 2).unpack().sum((0, 2)).tolist() == [2, 2]
    assert len(first_samples(data, 99)) == len(data) == 18


@pytest.mark.parametrize("cache", [True, False])
def test_a_folder_a_class_is_a_data_set(tmp_path, folder, cache):
    recordings = folder_of(folder)
    data = EventDataset(folder, 20, cache=cache and tmp_path / "cache", **HOW)
    assert isinstance(data, SpikeSource)
    assert (len(data), data.shape, data.num_steps, data.name) == (18, SENSOR, 20, "pets")
    assert (data.class_names, data.num_classes) == (("cat", "dog", "eel"), 3)
    assert data.labels.tolist() == [0] * 6 + [1] * 6 + [2] * 6
    assert data.labels.dtype == np.int64
    assert data.files[7] == folder / "dog" / "1.npz"
    wanted = [17, 0, 5, 5]
    spikes = unpacked(data.spikes(wanted))
    np.testing.assert_array_equal(spikes, binned([recordings[number] for number in wanted]))
    assert len(data.spikes([])) == 0


def test_recordings_in_memory_are_kept_packed():
    recordings = [recording(seed) for seed in range(5)]
    data = EventDataset(recordings, 13, labels=["b", "a", "b", "a", "c"], **HOW)
    assert data.labels.tolist() == [1, 0, 1, 0, 2]
    np.testing.assert_array_equal(unpacked(data.spikes(range(5))), binned(recordings, 13))
    same = EventDataset(recordings, 13, labels=[0, 1, 0, 1, 2], **HOW)
    assert (same.class_names, same.num_classes, same.files) == (None, 3, ())


def test_folders_that_are_numbers_are_classes_in_the_order_of_their_values(folder):
    folder_of(folder, ("10", "9", "0"), each=1)
    data = EventDataset(folder, 4, cache=False, **HOW)
    assert data.class_names == ("0", "9", "10")
    assert data.labels.tolist() == [0, 2, 1]  # files in the order of their names


def test_a_part_and_a_split_keep_the_classes(folder):
    recordings = folder_of(folder)
    data = EventDataset(folder, 20, cache=False, **HOW)
    part = data.subset([16, 2])
    assert (len(part), part.num_classes, part.labels.tolist()) == (2, 3, [2, 0])
    assert part.files == (data.files[16], data.files[2])
    np.testing.assert_array_equal(
        unpacked(part.spikes([1, 0])), binned([recordings[2], recordings[16]])
    )
    train, test = data.split()
    assert sorted([*train.files, *test.files]) == sorted(data.files)
    assert np.bincount(test.labels).tolist() == [1, 1, 1]
    with pytest.raises(DataError, match="no class of 3 recordings"):
        data.subset([0, 1, 6]).split()


class TestLoading:
    def test_folders_of_two_parts_have_the_classes_of_the_first(self, folder):
        folder_of(folder / "Train")
        folder_of(folder / "Test", ("dog",), each=2)
        train, test = load_events(folder, 20, cache=False, **HOW)
        assert (len(train), len(test)) == (18, 2)
        assert (test.labels.tolist(), test.class_names) == ([1, 1], train.class_names)
        folder_of(folder / "Test" / "x", ("fox",), each=1)
        (folder / "Test" / "x" / "fox").rename(folder / "Test" / "fox")
        with pytest.raises(DataError, match="there is a class 'fox': expected cat, dog, eel"):
            load_events(folder, 20, cache=False, **HOW)

    def test_one_part_is_split(self, folder):
        folder_of(folder)
        train, test = load_events(folder, 20, cache=False, **HOW)
        assert (len(train), len(test)) == (15, 3)

    def test_files_of_two_parts_say_their_labels(self, tmp_path):
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        for part, labels in (("train", [1, 0, 1]), ("test", [1])):
            with h5py.File(tmp_path / f"shd_{part}.h5", "w") as file:
                for name, kind in (("times", np.float16), ("units", np.uint16)):
                    shape, kind = (len(labels),), h5py.vlen_dtype(kind)
                    made = file.create_dataset(f"spikes/{name}", shape, dtype=kind)
                    for place in range(len(labels)):
                        made[place] = np.arange(place + 2) / (4 if name == "times" else 1)
                file["labels"] = labels
                file["extra/keys"] = np.array([b"null", b"eins", b"zwei"])
        train, test = load_events(tmp_path, 10, cache=False, duration=1_000_001)
        assert (train.labels.tolist(), test.labels.tolist()) == ([1, 0, 1], [1])
        assert test.class_names == ("null", "eins", "zwei")
        assert test.shape == (1, 1, 700)
        assert [int(train.spikes([n]).unpack().sum()) for n in range(3)] == [2, 3, 4]

    def test_lists_of_files_are_two_parts(self, folder):
        folder_of(folder, each=2)
        (folder / "trials_to_train.txt").write_text("0.npz\n")
        (folder / "trials_to_test.txt").write_text("1.npz\n")
        train, test = load_events(folder, 20, cache=False, **HOW)
        assert {each.name for each in train.files} == {"0.npz"}
        assert {each.name for each in test.files} == {"1.npz"}


class TestCache:
    def test_files_are_read_once(self, tmp_path, folder, monkeypatch):
        folder_of(folder)
        first = EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        (kept,) = (tmp_path / "c").iterdir()
        assert kept.stat().st_size < 18 * (3 * 24 + 4) + 200
        monkeypatch.setattr(stored.StoredRecordings, "_planes", None)
        monkeypatch.chdir(tmp_path)
        again = EventDataset("pets", 20, SENSOR, cache=tmp_path / "c", **HOW)
        for number in range(18):
            np.testing.assert_array_equal(
                again.spikes([number]).planes, first.spikes([number]).planes
            )

    def test_other_parameters_and_other_files_are_read_anew(self, tmp_path, folder):
        recordings = folder_of(folder)
        cache = tmp_path / "c"
        EventDataset(folder, 20, cache=cache, **HOW)
        other = EventDataset(folder, 20, cache=cache, **{**HOW, "late": "last"})
        np.testing.assert_array_equal(
            unpacked(other.spikes([3])), binned([recordings[3]], late="last")
        )
        assert len(list(cache.iterdir())) == 2
        recording(77).save(folder / "cat" / "3.npz")
        os.utime(folder / "cat" / "3.npz", ns=(1, 1))
        changed = EventDataset(folder, 20, cache=cache, **HOW)
        np.testing.assert_array_equal(unpacked(changed.spikes([3])), binned([recording(77)]))
        assert len(list(cache.iterdir())) == 2  # in the place of the former
        (folder / "cat" / "5.npz").unlink()
        assert len(EventDataset(folder, 20, cache=cache, **HOW)) == 17

    def test_one_of_an_earlier_version_is_made_anew(self, tmp_path, folder, monkeypatch):
        folder_of(folder)
        with monkeypatch.context() as earlier:
            earlier.setattr(stored, "_VERSION", stored._VERSION - 1)
            EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        (kept,) = (tmp_path / "c").iterdir()
        EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        assert len(set((tmp_path / "c").iterdir()) - {kept}) == 1

    @pytest.mark.parametrize("damage", ["cut", "empty", "other"])
    def test_a_damaged_one_is_written_anew(self, tmp_path, folder, damage):
        recordings = folder_of(folder)
        EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        (kept,) = (tmp_path / "c").iterdir()
        content = kept.read_bytes()
        kept.write_bytes({"cut": content[:-5], "empty": b"", "other": b"text"}[damage])
        data = EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        np.testing.assert_array_equal(unpacked(data.spikes([9])), binned([recordings[9]]))
        assert kept.read_bytes() == content

    def test_a_table_beside_a_file_belongs_to_it(self, tmp_path):
        packets = test_formats.TestDvsGesture.content
        (tmp_path / "u.aedat").write_bytes(packets)
        for last, expected in ((199, 2), (250, 3)):
            rows = f"class,startTime_usec,endTime_usec\n1,100,{last}\n"
            (tmp_path / "u_labels.csv").write_text(rows)
            data = EventDataset(tmp_path, 50, (2, 128, 128), cache=tmp_path / "c")
            assert data.spikes([0]).unpack().sum() == expected
            assert data.class_names[0] == "hand clapping"

    def test_a_file_that_cannot_be_read_leaves_none(self, tmp_path, folder):
        folder_of(folder)
        (folder / "eel" / "2.npz").write_bytes(b"PK")
        with pytest.raises(DataError, match=r"eel.2\.npz: it is no \.npz file"):
            EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        assert list((tmp_path / "c").iterdir()) == []


def test_a_data_set_says_what_it_is_and_what_it_is_made_of():
    recording = Events([1, 5], [0, 1], sensor=(1, 1, 2))
    data = EventDataset([recording, recording], 4, labels=[0, 1])
    assert repr(data) == "EventDataset(2 recordings of 2 classes, num_steps=4, shape=(1, 1, 2))"
    with pytest.raises(DataError, match="source is one recording: expected a list of them"):
        EventDataset(recording, 4, labels=[0, 1])
    with pytest.raises(DataError, match="recording 1 is of ndarray: expected Events"):
        EventDataset([recording, np.zeros(3)], 4, labels=[0, 1])
    with pytest.raises(DataError, match="train_images hold no sample: expected one at least"):
        fit(DesireNetwork(DesireConfig((2, 2), num_steps=4, error_margin=1)), data.subset([]))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cache": True}, "cache is True: expected a folder, False for none, or None"),
        ({"sensor": (2, 4.5, 4)}, r"sensor is \(2, 4\.5, 4\): expected \(channels, height, width"),
        ({"duration": True}, "duration is True: expected an integer"),
        ({"late": "drop", "start": 10**9}, r"cat.\d\.npz: no event lies in the 1000 µs"),
        ({"late": "refuse"}, r"pets.cat.\d\.npz: .* events lie outside the 1000 µs"),
        ({"counts": "refuse", "num_steps": 1}, r"pets.cat.\d\.npz: input .* events in step 0"),
        ({"sensor": (2, 2, 4)}, r"pets.cat.0\.npz: y holds 2"),
        ({"num_steps": 0}, "num_steps is 0"),
        ({"labels": [0]}, "labels are given with files: expected none"),
        ({"class_names": ["cat", "dog"]}, "there is a class 'eel': expected cat, dog"),
        ({"class_names": ["cat", "cat"]}, "two classes are called 'cat'"),
    ],
)
def test_what_is_refused_of_files(folder, options, message):
    folder_of(folder)
    options = {"num_steps": 20, "cache": False, **HOW, **options}
    with pytest.raises(DataError, match=message):
        EventDataset(folder, **options).spikes(range(18))


@pytest.mark.parametrize(
    ("source", "labels", "message"),
    [
        ([], [], "there is no recording"),
        ([recording(1)], None, "labels are not given: expected 1, one a recording"),
        ([recording(1)], [0, 1], "labels are 2: expected 1"),
        ([Events([1], [2])], [0], "recordings do not say their sensor"),
    ],
)
def test_what_is_refused_of_recordings(source, labels, message):
    with pytest.raises(DataError, match=message):
        EventDataset(source, 20, labels=labels, **HOW)


def test_folders_that_are_no_data_set_are_refused(tmp_path):
    with pytest.raises(DataError, match="none is not there: expected a folder"):
        EventDataset(tmp_path / "none", 20)
    with pytest.raises(DataError, match=r"holds no recordings: .* end in \.aedat, \.aedat4, \.bin"):
        EventDataset(tmp_path, 20)
    recording(1).save(tmp_path / "a.npz")
    with pytest.raises(
        DataError, match=r"a\.npz does not say its label: expected a folder a class"
    ):
        EventDataset(tmp_path, 20)
    (tmp_path / "cat").mkdir()
    recording(1).save(tmp_path / "cat" / "b.npz")
    with pytest.raises(DataError, match=r"holds folders of recordings, as cat, and .* a\.npz"):
        EventDataset(tmp_path, 20)


def test_of_a_long_recording_no_more_is_read_than_is_wanted(tmp_path, monkeypatch):
    number = np.arange(300_000)
    (tmp_path / "a").mkdir()
    Events(number * 10, number % 4, sensor=(1, 1, 4)).save(tmp_path / "a" / "long.npz")
    read = []
    whole = stored.iterate_events

    def counted(path, part):
        for chunk in whole(path, part):
            read.append(len(chunk))
            yield chunk

    monkeypatch.setattr(stored, "iterate_events", counted)
    data = EventDataset(tmp_path, 4, (1, 1, 4), cache=False, **HOW)
    assert data.spikes([0]).unpack().all()
    assert sum(read) < 70_000
    assert read_events(tmp_path / "a" / "long.npz").duration == 2_999_990


PROBE = """
import json, resource, sys
from lava_desire.data.events import Events, iterate_events, stream_windows
import numpy as np
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
path, number, before = sys.argv[1], 0, 0
windows = stream_windows(iterate_events(path), 10, 500_000, counts="clip")
for count, spikes in enumerate(windows, 1):
    number += int(spikes.sum())
    before = peak() if count == 20 else before
print(json.dumps([count, number, peak() - before]))
"""


def test_a_long_recording_streams_in_memory_that_does_not_grow(tmp_path):
    number = np.arange(2_000_000)  # 34 MB as events
    Events(number * 100, number % 20, number // 20 % 20, sensor=(1, 20, 20)).save(
        tmp_path / "l.npz"
    )
    command = [sys.executable, "-c", PROBE, str(tmp_path / "l.npz")]
    run = subprocess.run(command, capture_output=True, text=True, check=True)
    windows, spikes, grown = json.loads(run.stdout)
    assert (windows, spikes) == (400, 400 * 10 * 400)
    assert grown < 8


class TestNothingIsLostOfAFolder:
    def test_recordings_of_other_sensors_are_refused_unless_it_is_given(self, tmp_path, folder):
        folder_of(folder, each=1)
        Events([1], [0], sensor=(1, 3, 4)).save(folder / "dog" / "b.npz")
        cache = tmp_path / "c"
        EventDataset(folder, 20, SENSOR, cache=cache, **HOW)
        with pytest.raises(DataError, match=r"dog.b\.npz is of a sensor \(1, 3, 4\): expected"):
            EventDataset(folder, 20, cache=cache, **HOW)
        with pytest.raises(DataError, match=r"recording 1 is of a sensor \(1, 3, 4\): expected"):
            EventDataset([recording(1), Events([1], [0], sensor=(1, 3, 4))], 20, labels=[0, 1])

    def test_a_test_set_of_another_sensor_is_refused(self, tmp_path):
        for part, sensor in (("train", SENSOR), ("test", (2, 9, 9))):
            (tmp_path / part / "a").mkdir(parents=True)
            Events([1], [0], sensor=sensor).save(tmp_path / part / "a" / "b.npz")
        with pytest.raises(
            DataError, match=r"test is of a sensor \(2, 9, 9\): expected \(2, 3, 4\)"
        ):
            load_events(tmp_path, 20, cache=False)
        assert load_events(tmp_path, 20, (2, 9, 9), cache=False)[1].shape == (2, 9, 9)

    def test_a_folder_in_a_class_is_refused(self, folder):
        folder_of(folder, each=1)
        recording(1).save(folder / "cat" / ".hidden.npz")
        (folder / "ant" / "sub").mkdir(parents=True)
        recording(1).save(folder / "ant" / "sub" / "a.npz")
        with pytest.raises(DataError, match=r"ant.sub.a\.npz lies in a folder of a folder: expec"):
            EventDataset(folder, 20, cache=False, **HOW)

    def test_inverted_bytes_of_the_cache_are_found(self, tmp_path, folder):
        folder_of(folder, each=1)
        EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        (kept,) = (tmp_path / "c").iterdir()
        content = bytearray(kept.read_bytes())
        content[128 + 72 + 3] ^= 255  # ⌈20/8⌉ · 24 bytes a recording
        kept.write_bytes(content)
        data = EventDataset(folder, 20, cache=tmp_path / "c", **HOW)
        assert len(data.spikes([0, 2])) == 2
        with pytest.raises(DataError, match=rf"{kept.name} is damaged at recording 1: delete it"):
            data.spikes([0, 1])
        kept.unlink()
        kept.mkdir()
        with pytest.raises(DataError, match=rf"{kept.name} is no file.*: delete it"):
            EventDataset(folder, 20, cache=tmp_path / "c", **HOW)

    def test_an_empty_recording_comes_first(self, folder):
        folder_of(folder, each=1)
        Events([], [], sensor=SENSOR).save(folder / "cat" / "0.npz")
        assert EventDataset(folder, 20, cache=False, **HOW).spikes([0]).unpack().sum() == 0
        assert read_events(folder / "cat" / "0.npz").sensor == SENSOR
