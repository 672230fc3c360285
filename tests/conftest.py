"""Fixtures of all tests: where recorded runs and data sets are, and small data to train on."""

from __future__ import annotations

import os
import signal
from collections import Counter
from importlib.util import find_spec
from pathlib import Path

import pytest
from hypothesis import settings

# A shell has what it starts in the background ignore Ctrl-C, which a run respects and hands on; the
# tests of Ctrl-C want it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# Two tests at a time, and processes that they start, have more threads than there are cores: a
# thread of OpenMP that waits busily keeps its core from the one that it waits for. libgomp reads
# this once, when torch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# A busy machine makes no test fail.
settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

SHARED = Path(
    os.environ.get("LAVA_DESIRE_SHARED", Path(__file__).resolve().parents[1].parent / "shared")
)
GOLDEN_NAMES = (
    "mnist_online",
    "mnist_online_dropout",
    "fashion_online_dropout",
    "mnist_short_window",
)


def pytest_sessionstart(session: pytest.Session) -> None:
    """Compile kernels first: without a cache, each process that a test starts would."""
    if hasattr(session.config, "workerinput") or find_spec("numba") is None:
        return
    from lava_desire.backends.numba import ahead

    missing = [kernel for kernel in ahead.listed(ahead.all_groups()) if kernel.is_missing()]
    if missing:
        ahead.say(f"compiling {len(missing)} kernels, which tests and what they start call")
    children = [ahead.begin(share) for share in ahead.shares_of(missing, 2)]
    failed = [status for child in children if (status := child.wait()) != 0]
    left = sum(kernel.is_missing() for kernel in missing)
    if failed or left:
        ahead.say(
            f"{left} kernels are still missing, and each process that a test starts compiles them: "
            f"no folder of a cache, or processes that ended with {failed}"
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Let files of few tests come first: theirs are the long ones, and the last runs alone."""
    number = Counter(item.path for item in items)
    items.sort(key=lambda item: number[item.path])


@pytest.fixture(scope="session")
def shared_dir() -> Path:
    if not SHARED.is_dir():
        pytest.skip(f"{SHARED} is not there (set LAVA_DESIRE_SHARED): no recorded runs, no MNIST")
    return SHARED


@pytest.fixture(params=GOLDEN_NAMES)
def golden_path(request: pytest.FixtureRequest, shared_dir: Path) -> Path:
    return shared_dir / "golden" / f"{request.param}.npz"


@pytest.fixture(params=("conv_mnist_online", "conv_fashion_dropout"))
def convolution_path(request: pytest.FixtureRequest, shared_dir: Path) -> Path:
    return shared_dir / "golden" / f"{request.param}.npz"


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item, call):
    """Where the recorded runs must be compared with, a skip is a failure."""
    report = (yield).get_result()
    required = "LAVA_DESIRE_REQUIRE_SHARED" in os.environ
    if required and report.skipped and item.get_closest_marker("golden"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and LAVA_DESIRE_REQUIRE_SHARED is set"
