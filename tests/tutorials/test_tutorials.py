"""Every tutorial runs top to bottom and gives what stands in it."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.importorskip("nbclient")

from tools import notebooks

PATHS = sorted(notebooks.TUTORIALS.glob("*.ipynb"))


@pytest.fixture(scope="module")
def outcomes(request):
    """Start all that were selected, two at a time, and hand each out when it is done."""
    selected = {item.callspec.params["path"] for item in request.session.items if _runs_one(item)}
    with ThreadPoolExecutor(min(2, os.cpu_count() or 1)) as pool:
        yield {path: pool.submit(notebooks.check, path) for path in PATHS if path in selected}
        pool.shutdown(cancel_futures=True)


def _runs_one(item):
    return item.module.__name__ == __name__ and hasattr(item, "callspec")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("path", PATHS, ids=[path.stem for path in PATHS])
def test_a_notebook_gives_what_it_shows(path, outcomes):
    if "lava_desire.proc" in path.read_text("utf-8"):
        pytest.importorskip("lava.magma", reason="Lava is not installed")
    outcome = outcomes[path].result()
    assert not outcome.problems, "\n\n".join(outcome.problems)
    if outcome.not_compared:
        if "LAVA_DESIRE_REQUIRE_SHARED" in os.environ:
            pytest.fail(f"LAVA_DESIRE_REQUIRE_SHARED is set\n{outcome.not_compared}")
        pytest.skip(outcome.not_compared)
