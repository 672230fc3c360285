"""Benchmarks are run by hand; that their parts still fit together is seen here."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from benchmarks.peers import PEERS

ROOT = Path(__file__).resolve().parents[2]
# Run in the environments of other frameworks.
ELSEWHERE = {"foreign", "netx"}
ELSEWHERE |= {file.stem for file in ROOT.glob("benchmarks/emulators/*.txt")}
ELSEWHERE |= set(PEERS)


def test_every_benchmark_finds_what_it_imports():
    folders = ("benchmarks", "benchmarks/exports", "benchmarks/emulators", "benchmarks/peers")
    files = [file for folder in folders for file in (ROOT / folder).glob("*.py")]
    names = [
        ".".join(file.relative_to(ROOT).with_suffix("").parts)
        for file in sorted(files)
        if file.stem not in ELSEWHERE
    ]
    assert "benchmarks.exports.__main__" in names
    program = "import importlib, sys; [importlib.import_module(name) for name in sys.argv[1:]]"
    done = subprocess.run(
        [sys.executable, "-c", program, *names], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
