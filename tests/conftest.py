"""Fixtures of all tests: where recorded runs and data sets are, and small data to train on."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# A shell has what it starts in the background ignore Ctrl-C, which a run respects and hands on; the
# tests of Ctrl-C want it heard.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

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
