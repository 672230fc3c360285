"""The fuzzing of ``make soak``, in short: every file is read rightly, or refused as documented."""

from __future__ import annotations

import pytest

from soak.targets import targets
from soak.worker import Fuzzer

TARGETS = targets()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_a_spoiled_file_is_read_rightly_or_refused(tmp_path, name):
    fuzzer = Fuzzer(TARGETS[name], 11, tmp_path)
    fuzzer.run({"nir": 300, "hdf5": 20}.get(name, 800))
    assert fuzzer.failures == {}
    # Chance that only ever refuses, or only ever loads, would test one half.
    least = min(fuzzer.counts["loads"], fuzzer.counts["refusals"])
    assert least > (2 if name == "hdf5" else 10)
    assert len(fuzzer.coverage) > 20 or name == "hdf5"  # of which few are read, elsewhere


def test_a_reader_that_fails_is_noticed(tmp_path):
    target = TARGETS["config"]

    def read(path):
        raise LookupError("not documented")

    fuzzer = Fuzzer(type(target)(target.seeds, target.spoil, read, (ValueError,), ()), 1, tmp_path)
    fuzzer.run(5)
    assert [kind.split(":")[0] for kind in fuzzer.failures] == ["LookupError at test_fuzz.py"]


def test_chance_repeats_with_its_seed(tmp_path):
    found = []
    for _ in range(2):
        fuzzer = Fuzzer(TARGETS["idx"], 3, tmp_path)
        fuzzer.run(60)
        found.append((fuzzer.counts, fuzzer.path.read_bytes()))
    assert found[0] == found[1]


def test_seeds_are_read(tmp_path):
    for name in ("config", "idx", "npz"):
        for data in TARGETS[name].seeds():
            path = tmp_path / f"seed{TARGETS[name].suffix}"
            path.write_bytes(data)
            TARGETS[name].read(path)
