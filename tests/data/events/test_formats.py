"""Files of real data sets' formats, written here byte by byte or by the packages of the field."""

from __future__ import annotations

import importlib.util
import struct
import sys

import numpy as np
import pytest

from lava_desire.data import DataError, DataWarning
from lava_desire.data.events import EventDataset, Events, iterate_events, read_events
from lava_desire.data.events.formats import find_formats, format_of
from lava_desire.data.events.formats.base import CHUNK

NEEDS_FAERY = pytest.mark.skipif(
    importlib.util.find_spec("faery") is None,
    reason="faery is not installed",
)


def columns(events):
    return [getattr(events, name).tolist() for name in "txyp"]


def written(path, content):
    path.write_bytes(content)
    return path


def nmnist(*events):
    """Return bytes of (t, x, y, p), t of 23 bits."""
    return b"".join(bytes([x, y, p << 7 | t >> 16, t >> 8 & 255, t & 255]) for t, x, y, p in events)


class TestNMnist:
    def test_the_first_bytes_of_the_data_set(self, tmp_path):
        events = read_events(written(tmp_path / "00002.bin", bytes([7, 15, 128, 2, 142])))
        assert columns(events) == [[654], [7], [15], [1]]

    def test_row_240_is_an_overflow_and_no_event(self, tmp_path):
        content = nmnist(
            (8000, 1, 2, 1), (0, 0, 240, 0), (10, 3, 4, 0), (0, 0, 240, 0), (5, 5, 6, 1)
        )
        events = read_events(written(tmp_path / "a.bin", content))
        assert columns(events) == [[8000, 8202, 16389], [1, 3, 5], [2, 4, 6], [1, 0, 1]]

    def test_overflows_are_counted_from_chunk_to_chunk(self, tmp_path):
        pair = nmnist((0, 0, 240, 0), (3, 1, 1, 1))
        path = written(tmp_path / "long.bin", pair * CHUNK)
        parts = list(iterate_events(path))
        assert len(parts) == 2
        assert parts[-1].t[-1] == CHUNK * 2**13 + 3

    def test_a_part_of_an_event_is_damage(self, tmp_path):
        with pytest.raises(DataError, match=r"a\.bin: it has 0 bytes of events: expected"):
            read_events(written(tmp_path / "a.bin", b""))
        path = written(tmp_path / "a.bin", bytes(11))
        with pytest.raises(DataError, match=r"a\.bin: it has 11 bytes of events: .* multiple of 5"):
            read_events(path)


class TestNpz:
    def test_what_save_writes_is_read(self, tmp_path):
        number = np.arange(CHUNK + 10)
        events = Events(number * 3, number % 7, number % 5, number % 2, sensor=(2, 5, 7))
        events.save(tmp_path / "a.npz")
        parts = list(iterate_events(tmp_path / "a.npz"))
        assert [len(part) for part in parts] == [CHUNK, 10]
        again = read_events(tmp_path / "a.npz")
        assert columns(again) == columns(events)
        assert again.sensor == (2, 5, 7)
        Events([], []).save(tmp_path / "none.npz")
        assert len(read_events(tmp_path / "none.npz")) == 0

    def test_t_and_x_alone_are_enough(self, tmp_path):
        np.savez(tmp_path / "a.npz", t=[3, 4], x=[1, 2])
        assert columns(read_events(tmp_path / "a.npz")) == [[3, 4], [1, 2], [0, 0], [0, 0]]

    @pytest.mark.parametrize(
        ("arrays", "message"),
        [
            ({"x": [1]}, "it holds 'x': expected the arrays t and x"),
            ({"t": [1, 2], "x": [1]}, "x has 1 values: expected 2, as t"),
            ({"t": [2, 1], "x": [1, 1]}, "t goes back from 2 to 1"),
            ({"t": [[1]], "x": [1]}, r"t has shape \(1, 1\): expected \(E,\)"),
            ({"t": [1.0, np.nan], "x": [1, 1]}, r"t holds nan at \[1\]"),
            ({"t": [1], "x": [9], "sensor": [1, 1, 3]}, r"x holds 9 at \[0\]: expected 0 to 2"),
            ({"t": [1], "x": [9], "sensor": [1, 1]}, r"sensor is \[1, 1\]: expected"),
            ({"t": ["a"], "x": [9]}, "t is <U1: expected integers"),
        ],
    )
    def test_what_is_wrong_is_named_with_its_file(self, tmp_path, arrays, message):
        np.savez(tmp_path / "a.npz", **arrays)
        with pytest.raises(DataError, match=rf"a\.npz: {message}"):
            read_events(tmp_path / "a.npz")

    def test_what_is_no_archive_is_refused(self, tmp_path):
        with pytest.raises(DataError, match=r"a\.npz: it is no \.npz file"):
            read_events(written(tmp_path / "a.npz", b"PK\3\4 and no more"))

    def test_parts_that_go_back_are_refused(self, tmp_path):
        t = np.arange(CHUNK + 1)
        t[CHUNK] = 7
        np.savez(tmp_path / "a.npz", t=t, x=np.zeros(CHUNK + 1, int))
        with pytest.raises(DataError, match=r"a\.npz: t goes back from 65535 to 7"):
            read_events(tmp_path / "a.npz")


def packet(events, kind=1, overflow=0, invalid=()):
    """Return a packet of AEDAT 3.1: events are (t, x, y, p)."""
    header = struct.pack(
        "<hhiiiiii", kind, 1, 8, 4, overflow, len(events), len(events), len(events) - len(invalid)
    )
    return header + b"".join(
        struct.pack("<II", x << 17 | y << 2 | p << 1 | (place not in invalid), t)
        for place, (t, x, y, p) in enumerate(events)
    )


AEDAT3 = b"#!AER-DAT3.1\r\n#Format: RAW\r\n#Source 1: DVS128\r\n#!END-HEADER\r\n"


class TestDvsGesture:
    content = (
        AEDAT3
        + packet([(100, 127, 0, 1), (150, 5, 6, 0), (160, 1, 1, 1)], invalid=[2])
        + packet([(155, 9, 9, 1)], kind=0)
        + packet([(200, 7, 8, 0), (300, 0, 127, 1)])
        + packet([(5, 3, 3, 1)], overflow=1)
    )

    def test_valid_polarity_events_are_read(self, tmp_path):
        events = read_events(written(tmp_path / "user01_led.aedat", self.content))
        t = [100, 150, 200, 300, 2**31 + 5]
        assert columns(events) == [t, [127, 5, 7, 0, 3], [0, 6, 8, 127, 3], [1, 0, 0, 1, 1]]

    def test_each_row_of_the_table_is_a_recording(self, tmp_path):
        path = written(tmp_path / "user01_led.aedat", self.content)
        rows = "class,startTime_usec,endTime_usec\n2,100,199\n11,200,300\n"
        (tmp_path / "user01_led_labels.csv").write_text(rows)
        labels, names = format_of(path).labels(path)
        assert (labels, names[1], len(names)) == ([1, 10], "right hand wave", 11)
        assert read_events(path, 0).t.tolist() == [100, 150]
        assert read_events(path, 1).t.tolist() == [200, 300]

    @pytest.mark.parametrize("rows", ["class,start\n1,2\n", "", "class,startTime_usec\n1\n"])
    def test_another_table_is_refused(self, tmp_path, rows):
        path = written(tmp_path / "u.aedat", self.content)
        (tmp_path / "u_labels.csv").write_text(rows)
        if rows:
            with pytest.raises(DataError, match=r"u_labels\.csv cannot be read .*startTime_usec"):
                format_of(path).labels(path)
        else:
            assert format_of(path).labels(path)[0] == []
        (tmp_path / "u_labels.csv").write_text("class,startTime_usec,endTime_usec\n12,1,2\n")
        with pytest.raises(DataError, match="holds the class 12: expected 1 to 11"):
            format_of(path).labels(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (AEDAT3[:-10], "its header has no line #!END-HEADER"),
            (AEDAT3 + bytes(10), "ends within the header of a packet"),
            (AEDAT3 + packet([(1, 2, 3, 1)])[:-1], "ends after 7 of the 8 bytes of a packet"),
            (AEDAT3 + struct.pack("<hhiiiiii", 1, 1, 8, 4, 0, 2**30, 5, 5), "states 5 of 10737"),
        ],
    )
    def test_damage_is_named(self, tmp_path, content, message):
        with pytest.raises(DataError, match=rf"a\.aedat: .*{message}"):
            read_events(written(tmp_path / "a.aedat", content))


class TestHeidelberg:
    def file(self, path, times, units, labels=(1, 0), keys=(b"one", b"two")):
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        with h5py.File(path, "w") as file:
            for name, values, kind in (("times", times, np.float16), ("units", units, np.uint16)):
                made = file.create_dataset(
                    f"spikes/{name}", (len(values),), dtype=h5py.vlen_dtype(kind)
                )
                for place, row in enumerate(values):
                    made[place] = np.array(row, kind)
            file["labels"] = np.array(labels, np.uint16)
            if keys:
                file["extra/keys"] = np.array(keys)
        return path

    def test_seconds_of_16_bits_become_microseconds(self, tmp_path):
        path = self.file(tmp_path / "shd.h5", [[0.25, 0.5, 1.0], [0.125]], [[0, 699, 5], [7]])
        events = read_events(path)
        assert columns(events) == [[250_000, 500_000, 1_000_000], [0, 699, 5], [0] * 3, [0] * 3]
        assert events.sensor == (1, 1, 700)
        assert read_events(path, 1).t.tolist() == [125_000]
        assert format_of(path).labels(path) == ([1, 0], ("one", "two"))

    def test_spikes_without_a_finite_time_are_left_out_with_a_warning(self, tmp_path):
        path = self.file(
            tmp_path / "shd.h5", [[0.5, np.inf, 0.25, np.nan], [0]], [[1, 2, 3, 4], [0]]
        )
        with pytest.warns(DataWarning, match=r"shd\.h5: recording 0 has 2 spikes without a finite"):
            events = read_events(path)
        assert columns(events)[:2] == [[250_000, 500_000], [3, 1]]

    def test_names_of_classes_may_be_missing(self, tmp_path):
        path = self.file(tmp_path / "a.h5", [[0], [0]], [[0], [0]], keys=())
        assert format_of(path).labels(path) == ([1, 0], None)

    def test_labels_times_and_units_that_do_not_fit_are_refused(self, tmp_path):
        for labels, found in (
            ([1], r"int16 \(1,\)"),
            ([0, 1, 1], r"int16 \(3,\)"),
            ([[0], [1]], r"int16 \(2, 1\)"),
            (1, r"int16 \(\)"),
        ):
            path = self.file(tmp_path / "a.h5", [[0], [0]], [[0], [0]], labels)
            with pytest.raises(DataError, match=rf"a\.h5: its labels are u{found}: expected 2 int"):
                EventDataset(path, 5, cache=False)
        path = self.file(tmp_path / "a.h5", [[0], [0]], [[0], [0]], keys=(b"one", b"f\xfcnf"))
        with pytest.raises(
            DataError, match=r"a\.h5: its names of classes, extra/keys, are no UTF-8"
        ):
            EventDataset(path, 5, cache=False)
        path = self.file(tmp_path / "a.h5", [[0, 1], [0]], [[0], [0]])
        with pytest.raises(
            DataError, match="recording 0 has 2 times and 1 units: expected as many"
        ):
            read_events(path)

    def test_another_file_is_refused(self, tmp_path):
        h5py = pytest.importorskip("h5py", reason="h5py is not installed")
        with h5py.File(tmp_path / "a.h5", "w") as file:
            file["x"] = 1
        with pytest.raises(DataError, match=r"a\.h5: it holds no spikes/times"):
            read_events(tmp_path / "a.h5")
        path = written(tmp_path / "b.h5", b"\x89HDF\r\n and no more")
        with pytest.raises(DataError, match=r"b\.h5: h5py cannot read it"):
            read_events(path)


@NEEDS_FAERY
class TestByFaery:
    events = ([1, 5, 5000], [2, 3, 0], [3, 3, 0], [1, 0, 1])

    @pytest.mark.parametrize("suffix", [".aedat4", ".raw", ".dat"])
    def test_what_faery_writes_is_read(self, tmp_path, suffix):
        import faery

        array = np.array(list(zip(*self.events, strict=True)), faery.EVENTS_DTYPE)
        path = tmp_path / f"a{suffix}"
        faery.events_stream_from_array(array, dimensions=(34, 24)).to_file(path)
        events = read_events(path)
        assert columns(events) == list(self.events)
        assert events.sensor == (2, 24, 34)

    def test_evt2_without_a_geometry_has_no_sensor(self, tmp_path):
        words = [8 << 28 | 1, 1 << 28 | 5 << 22 | 7 << 11 | 9, 0 << 28 | 6 << 22 | 1]
        header = b"% evt 2.0\n"
        events = read_events(written(tmp_path / "a.raw", header + struct.pack("<3I", *words)))
        assert columns(events) == [[69, 70], [7, 0], [9, 1], [1, 0]]
        assert events.sensor is None

    def test_one_without_events_has_its_sensor(self, tmp_path):
        header = b"% evt 2.0\n% geometry 34x24\n% end\n"
        assert read_events(written(tmp_path / "a.raw", header)).sensor == (2, 24, 34)

    def test_evt3_goes_on_after_its_24_bits_of_time(self, tmp_path):
        words, expected = [], []
        for high in range(4080, 4110):  # 12 bits of it, and 12 of the low word
            words += [8 << 12 | high % 4096, 6 << 12 | 30, 4, 2 << 12 | 1 << 11 | 7]
            expected.append(high * 4096 + 30)
        content = b"% evt 3.0\n" + struct.pack(f"<{len(words)}H", *words)
        events = read_events(written(tmp_path / "a.raw", content))
        assert columns(events) == [expected, [7] * 30, [4] * 30, [1] * 30]
        assert events.t[-1] > 2**24

    @staticmethod
    def evt3(path, pairs, header=b"% evt 3.0\n% end\n"):
        """Write an event at each (upper, lower) word of time; None leaves the upper word out."""
        words = [
            word
            for high, low in pairs
            for word in ([] if high is None else [8 << 12 | high]) + [6 << 12 | low, 2 << 12]
        ]
        return written(path, header + struct.pack(f"<{len(words)}H", *words))

    @pytest.mark.parametrize(
        ("pairs", "message"),
        [
            ([(4081, 7), (3, 9)], "its upper words .* from 4081 to 3, which faery .*; write EVT2"),
            ([(100, 0), (99, 4090), (100, 5)], "its upper .* from 100 to 99, .*; sort its events"),
            ([(9, 0), (8, 4095), (7, 0)], "its upper words of time go from 9 to 8, which faery"),
            ([(1, 0), (4095, 0)], "its upper words of time go from 1 to 4095, .*; write EVT2"),
            ([(4094, 0)], "it begins with an upper word of time of 4094, which faery passes over"),
            ([(4095, 0), (0, 5)], "it begins with an upper word of time of 4095, which faery"),
            ([(9, 100), (9, 36)], "its times .* 36964 to 36900 µs: expected ascending times; sort"),
        ],
    )
    def test_times_of_evt3_that_faery_would_lose_are_refused(self, tmp_path, pairs, message):
        with pytest.raises(DataError, match=rf"a\.raw: {message}"):
            read_events(self.evt3(tmp_path / "a.raw", pairs))

    @pytest.mark.parametrize(
        ("early", "size"), [((4090, 7), 2), ((4090, 5, 4000), 3), ((7,) * 90_000, 90_000)]
    )
    def test_events_of_evt3_before_the_first_upper_word_have_no_time(self, tmp_path, early, size):
        timed = [(100, 5), (None, 9), (101, 0), (102, 4095)]
        path = self.evt3(tmp_path / "a.raw", [*((None, low) for low in early), *timed])
        with pytest.warns(DataWarning, match=rf"a\.raw: {size} events come before its first upper"):
            events = read_events(path)
        assert events.t.tolist() == [409605, 409609, 413696, 421887]
        with pytest.raises(DataError, match="its upper words of time go from 100 to 99"):
            read_events(self.evt3(path, [(None, 5), (100, 5), (99, 5)]))
        with pytest.raises(DataError, match="its times go back from 413695 to 409600 µs"):
            read_events(self.evt3(path, [(None, 5), (100, 4095), (None, 0)]))
        words = [6 << 12 | 5, 2 << 12, 8 << 12 | 9]
        written(path, b"% evt 3.0\n" + struct.pack("<3H", *words))
        with pytest.warns(
            DataWarning, match="1 event comes before its first .* it was, and is left out"
        ):
            events = read_events(path)
        assert len(events) == 0

    def test_vectors_of_evt3_before_the_first_upper_word_are_counted(self, tmp_path):
        words = [6 << 12 | 3, 4, 3 << 12 | 8, 4 << 12 | 0b101, 5 << 12 | 0b11]
        words += [8 << 12 | 2, 6 << 12 | 1, 2 << 12 | 7]
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + struct.pack("<8H", *words))
        with pytest.warns(DataWarning, match="4 events come before"):
            events = read_events(path)
        assert columns(events) == [[8193], [7], [4], [0]]

    @pytest.mark.parametrize("low", [5, 4090])
    @pytest.mark.parametrize("size", [2, 300_000])
    def test_events_of_evt3_before_a_first_upper_word_of_0_move_none_behind_it(
        self, tmp_path, low, size
    ):
        timed = [(0, 7), (None, 4095), (1, 5)]
        path = self.evt3(tmp_path / "a.raw", [(None, low)] * size + timed)
        with pytest.warns(DataWarning, match=rf"a\.raw: {size} events come before its first upper"):
            events = read_events(path)
        assert events.t.tolist() == [7, 4095, 4101]

    @pytest.mark.parametrize("high", [0, 1])
    def test_where_events_of_evt3_are_is_also_told_before_the_first_upper_word(
        self, tmp_path, high
    ):
        """Words of a row, of columns, and vectors, which move the column of the next."""
        words = [6 << 12 | 3, 4, 3 << 12 | 1 << 11 | 2, 4 << 12 | 5, 5 << 12 | 3]
        words += [8 << 12 | high, 6 << 12 | 1, 4 << 12 | 1, 2 << 12 | 7]
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + struct.pack("<9H", *words))
        with pytest.warns(DataWarning, match="4 events come before"):
            events = read_events(path)
        assert columns(events) == [[high << 12 | 1] * 2, [22, 7], [4, 4], [1, 0]]

    def test_times_without_an_event_before_the_first_upper_word_move_none_behind_it(self, tmp_path):
        words = [6 << 12 | 4000, 8 << 12, 6 << 12 | 3, 2 << 12]
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + struct.pack("<4H", *words))
        assert read_events(path).t.tolist() == [3]
        words = [10 << 28 | 60 << 22, 8 << 28, 10 << 22]  # a trigger
        written(path, b"% evt 2.0\n" + struct.pack("<3I", *words))
        assert read_events(path).t.tolist() == [10]

    @pytest.mark.parametrize(("version", "kind"), [(2, "I"), (3, "H")])
    def test_events_without_any_upper_word_are_refused(self, tmp_path, version, kind):
        words = [60 << 22, 50 << 22] if version == 2 else [6 << 12 | 5, 2 << 12, 2 << 12]
        content = f"% evt {version}.0\n".encode() + struct.pack(f"<{len(words)}{kind}", *words)
        with pytest.raises(DataError, match=r"a\.raw: it has no upper word of time.* were \(2\)"):
            read_events(written(tmp_path / "a.raw", content))

    def test_an_event_of_evt2_before_a_first_upper_word_of_0_moves_none_behind_it(self, tmp_path):
        words = [60 << 22, 8 << 28, 10 << 22, 8 << 28 | 1, 6 << 22]
        path = written(tmp_path / "a.raw", b"% evt 2.0\n" + struct.pack("<5I", *words))
        with pytest.warns(DataWarning, match=r"a\.raw: 1 event comes before its first upper"):
            assert read_events(path).t.tolist() == [10, 70]

    @pytest.mark.parametrize("size", [2, 3, 90_000])
    def test_events_of_evt2_before_the_first_upper_word_have_no_time(self, tmp_path, size):
        words = [17 << 22 | 5 << 11 | 6] * size
        words += [
            part for t in (1000, 1100) for part in (8 << 28 | t >> 6, 1 << 28 | (t & 63) << 22)
        ]
        path = written(tmp_path / "a.raw", b"% evt 2.0\n" + struct.pack(f"<{size + 4}I", *words))
        with pytest.warns(DataWarning, match=rf"a\.raw: {size} events come before its first upper"):
            events = read_events(path)
        assert columns(events) == [[1000, 1100], [0, 0], [0, 0], [1, 1]]

    def test_times_of_evt3_that_faery_keeps_are_read(self, tmp_path):
        pairs = [(100, 0), (100, 90), (100, 30), (100, 3400), (4000, 1), (4095, 2), (0, 3)]
        events = read_events(self.evt3(tmp_path / "a.raw", pairs))
        assert events.t.tolist()[:4] == [409600, 409690, 409690, 413000]
        assert events.t.tolist()[4:] == [4000 << 12 | 1, 4095 << 12 | 2, 1 << 24 | 3]
        before = struct.pack("<H", 6 << 12 | 4000)  # a word of time without an event
        path = self.evt3(tmp_path / "a.raw", [(0, 3)], b"% evt 3.0\n% end\n" + before)
        assert len(read_events(path)) == 1

    def test_evt3_is_read_right_or_refused(self, tmp_path):
        """Of words by chance, against a decoder in which a fall by half of the upper word turns."""
        random, refused = np.random.default_rng(1), 0
        steps = [0, 1, 50, 3000, 4096, 70_000, 8_400_000, -20, -70, -4096]
        for _ in range(300):
            start = int(random.choice([0, 100 << 12, 4080 << 12]))
            shares = [0.19] * 5 + [0.01] * 5
            times = start + np.cumsum(random.choice(steps, 12, p=shares)).clip(0)
            pairs = [(int(time) >> 12 & 4095, int(time) & 4095) for time in times]
            t, turns, before = [], 0, 0
            for high, low in pairs:
                turns += high <= before - 2048
                before = high
                t.append(turns << 24 | high << 12 | low)
            try:
                events = read_events(self.evt3(tmp_path / "a.raw", pairs))
            except DataError:
                refused += 1
                continue
            assert (np.abs(events.t - t) < 64).all(), pairs
        assert 30 < refused < 200

    def test_a_single_event_of_evt3_does_not_move_the_vectors_behind_it(self, tmp_path):
        words = [
            8 << 12 | 1,
            6 << 12 | 5,
            7,
            3 << 12 | 1 << 11 | 100,
            4 << 12 | 1,
            4 << 12,
            5 << 12,
        ]
        words += [2 << 12 | 500, 4 << 12 | 3, 4 << 12 | 1, 5 << 12 | 128, 2 << 12 | 9]
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + struct.pack("<12H", *words))
        events = read_events(path)
        assert events.x.tolist() == [100, 500, 132, 133, 144, 163, 9]
        assert events.p.tolist() == [1, 0, 1, 1, 1, 1, 0]
        assert set(events.y.tolist()) == {7}

    @pytest.mark.parametrize("size", [3, CHUNK])
    def test_words_of_evt3_mean_what_their_specification_says(self, tmp_path, monkeypatch, size):
        """Words by chance, of every kind, against a decoder word by word."""
        monkeypatch.setattr("lava_desire.data.events.formats.evt.CHUNK", size)
        random, num_moved = np.random.default_rng(0), 0
        kinds = [0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 13, 14, 15]
        for _ in range(60):
            high, low, y, column, polarity, single = 100, 0, 0, 0, 0, False
            words, expected = [8 << 12 | high], []
            for kind in random.choice(kinds, 40):
                value = int(random.integers(4096))
                if kind == 8:
                    low = low if value % 3 else 0  # a reader's, until its word comes
                    high += value % 3 == 0
                    value = high
                elif kind == 6:
                    low = value = min(4095, low + value % 100)
                elif kind == 0:
                    y = value & 2047
                elif kind == 2:
                    expected.append((high << 12 | low, value & 2047, y, value >> 11))
                    single = True
                elif kind == 3:
                    value = value & 2048 | value % 1500
                    column, polarity, single = value & 2047, value >> 11, False
                elif kind in (4, 5):
                    width = 12 if kind == 4 else 8
                    num_moved, single = num_moved + single, False
                    for bit in np.flatnonzero(value >> np.arange(width) & 1):
                        expected.append((high << 12 | low, column + int(bit), y, polarity))
                    column += width
                words.append(int(kind) << 12 | value)
            content = b"% evt 3.0\n% end\n" + struct.pack(f"<{len(words)}H", *words)
            events = read_events(written(tmp_path / "a.raw", content))
            assert columns(events) == [list(column) for column in zip(*expected, strict=True)]
        assert num_moved > 50

    @pytest.mark.parametrize(
        "header",
        [b"%  evt 3.0\n", b"%\tevt 3.0\n", b"%evt 3.0\n", b"% format EVT3;width=34;height=24\n"],
    )
    def test_headers_of_evt3_are_found_as_faery_finds_them(self, tmp_path, header):
        path = tmp_path / "a.raw"
        pairs = [(1, 0x25), (1, 0x26)]
        assert read_events(self.evt3(path, pairs, header)).t.tolist() == [4133, 4134]
        assert read_events(self.evt3(path, [(0x25, 1)], header)).t.tolist() == [37 << 12 | 1]
        with pytest.raises(DataError, match="go from 100 to 99"):
            read_events(self.evt3(path, [(100, 0), (99, 4090)], header))

    def test_evt3_whose_upper_words_are_missing_is_refused(self, tmp_path):
        low = [word for t in range(0, 9000, 300) for word in (6 << 12 | t & 4095, 2 << 12)]
        content = b"% evt 3.0 \n" + struct.pack(f"<{len(low) + 1}H", 8 << 12, *low)
        with pytest.raises(DataError, match=r"back from 3900 to 104 µs: .* does not write; write"):
            read_events(written(tmp_path / "a.raw", content))

    def test_times_of_evt3_are_looked_at_over_parts_of_the_file(self, tmp_path):
        turns = np.arange(3 * CHUNK) >> 5  # 32 events in 4 ms
        words = np.empty((3 * CHUNK, 3), "<u2")
        words[:, 0] = 8 << 12 | turns % 4096
        words[:, 1] = 6 << 12 | np.arange(3 * CHUNK) % 32 * 128
        words[:, 2] = 2 << 12 | 3
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + words.tobytes())
        assert np.array_equal(read_events(path).t, np.arange(3 * CHUNK) * 128)
        words[2 * CHUNK, 1] = 6 << 12
        words[2 * CHUNK - 1, 1] = 6 << 12 | 4095
        words[2 * CHUNK, 0] = words[2 * CHUNK - 1, 0]
        path = written(tmp_path / "a.raw", b"% evt 3.0\n" + words.tobytes())
        with pytest.raises(DataError, match="its times go back from 16777215 to 16773120 µs"):
            read_events(path)

    @pytest.mark.parametrize("back", [1030, 0])
    def test_times_that_go_back_are_refused(self, tmp_path, back):
        words = [part for t in (1000, 1100, back) for part in (8 << 28 | t >> 6, (t & 63) << 22)]
        path = written(tmp_path / "a.raw", b"% evt 2.0\n" + struct.pack("<6I", *words))
        with pytest.raises(DataError, match=rf"a\.raw: its times go from 1100 to {back} µs"):
            read_events(path)
        header = b"% Version 2\n% Height 9\n% Width 9\n" + bytes([12, 8])
        words = [part for t in (1000, 1100, back) for part in (t, 0)]
        path = written(tmp_path / "a.dat", header + struct.pack("<6I", *words))
        with pytest.raises(DataError, match=rf"a\.dat: its times go back from 1100 to {back} µs"):
            read_events(path)

    def test_rows_of_event_stream_are_counted_from_the_top(self, tmp_path):
        # "Event Stream", version 2.0.0, DVS, 32 x 24; t − t' and polarity in a byte, then x and y.
        header = b"Event Stream" + bytes([2, 0, 0, 1]) + struct.pack("<HH", 32, 24)
        event = bytes([5 << 1 | 1]) + struct.pack("<HH", 3, 0)
        events = read_events(written(tmp_path / "a.es", header + event))
        assert columns(events) == [[5], [3], [23], [1]]

    @pytest.mark.parametrize("suffix", [".aedat4", ".raw", ".dat", ".es"])
    def test_another_file_is_refused(self, tmp_path, suffix):
        path = written(tmp_path / f"a{suffix}", b"hello" * 20)
        with pytest.raises(DataError, match=rf"a\{suffix}: faery cannot read it: "):
            read_events(path)


def test_a_missing_package_is_asked_for_in_one_line(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "faery", None)
    path = written(tmp_path / "a.aedat4", b"#!AER-DAT4.0\r\n")
    with pytest.raises(ImportError, match=r'faery.*: pip install "lava_desire\[events\]"'):
        read_events(path)


def test_a_file_of_no_known_format_is_refused(tmp_path):
    for name in ("a.txt", "a.aedat", "a.h5"):
        path = written(tmp_path / name, b"#!AER-DAT2.0")
        with pytest.raises(DataError, match=r"is no file of events .*\.aedat4, \.bin"):
            read_events(path)
    with pytest.raises(OSError, match=r"none\.bin"):
        read_events(tmp_path / "none.bin")


def test_each_format_says_what_it_reads():
    suffixes = [suffix for each in find_formats().values() for suffix in each.suffixes]
    assert len(suffixes) == len(set(suffixes))
    assert all(each.summary for each in find_formats().values())
