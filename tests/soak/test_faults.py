"""The faults of ``make soak``, a few of each: nothing is lost."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from soak.__main__ import FAULTS

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    """Bring about all faults in a process that may fork: it computes with one thread."""
    path = tmp_path_factory.mktemp("soak") / "soak.json"
    finished = subprocess.run(
        [sys.executable, "-m", "soak", "--short", "--output", path, "--only", *FAULTS],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])},
        capture_output=True,
        text=True,
    )
    assert path.exists(), finished.stderr
    return {**json.loads(path.read_text()), "status": finished.returncode}


@pytest.mark.parametrize("fault", FAULTS)
def test_nothing_is_lost(report, fault):
    found = report["parts"][fault]
    assert found["faults"] >= 1
    assert found["lost"] == []


def test_what_must_be_refused_is(report):
    parts = report["parts"]
    for fault in ("fill the disk", "read-only folders", "out of memory"):
        assert parts[fault]["refusals"] == parts[fault]["faults"]
    assert parts["two runs, one folder"]["refusals"] >= 1
    assert report["status"] == 0
