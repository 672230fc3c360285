"""What the documentation shows is complete, and what builds it works."""

from __future__ import annotations

import inspect
import re
import sys
from pathlib import Path

import pytest

from lava_desire import rule

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"


@pytest.fixture(autouse=True)
def _builders_are_found(monkeypatch):
    monkeypatch.syspath_prepend(str(DOCS))
    yield
    for name in [name for name in sys.modules if name.partition(".")[0] == "building"]:
        del sys.modules[name]


def test_every_function_of_the_rule_stands_beside_its_equation():
    shown = re.findall(
        r"^lava_desire/rule.py (\w+)$", (DOCS / "equations.md").read_text("utf-8"), re.M
    )
    functions = {
        name
        for name, value in inspect.getmembers(rule, inspect.isfunction)
        if value.__module__ == rule.__name__ and not name.startswith("_")
    }
    assert functions - set(shown) <= {"encode"}  # which is encode_step, T times


def test_every_equation_of_the_paper_is_there():
    tags = re.findall(r"\\tag\{(\d+)\}", (DOCS / "equations.md").read_text("utf-8"))
    assert sorted(map(int, tags)) == [1, *range(3, 17)]  # 2 is plain STDP, and named in words


def test_a_link_of_the_repository_leads_to_the_page_of_the_site():
    from building.links import rewrite

    text = "[a](../benchmarks/README.md#lava), [b](export.md), [c](https://example.org/x)"
    assert rewrite(text, DOCS, DOCS) == (
        "[a](benchmark_notes.md#lava), [b](export.md), [c](https://example.org/x)"
    )


def test_a_link_of_a_readme_leads_to_the_page_of_the_site():
    from building.links import rewrite

    assert rewrite("[a](../docs/export.md)", ROOT / "results", DOCS) == "[a](export.md)"


def test_a_tutorial_that_is_still_to_come_is_no_link():
    from building.links import rewrite

    assert rewrite("[the next](99_later.ipynb)", ROOT / "tutorials", DOCS) == "the next"


def test_broken_links_are_found(tmp_path):
    from building.check import broken_links

    (tmp_path / "index.html").write_text(
        '<h1 id="top">x</h1><a href="#top">a</a><a href="#gone">b</a><a href="none.html">c</a>'
        '<img src="https://example.org/x.png">'
    )
    assert broken_links(tmp_path) == [
        "index.html: #gone has no such anchor",
        "index.html: https://example.org/x.png is not on this site",
        "index.html: none.html is not there",
    ]


def test_code_is_shown_without_its_docstring():
    pytest.importorskip("sphinx", reason="the packages of the documentation are not installed")
    from building.code import body_of

    signature = "def hidden_desire(z: Array, threshold: float) -> Array:"
    shown = body_of(ROOT / "lava_desire/model/desire.py", "hidden_desire")
    assert shown == f"{signature}\n    return ternarize(z, threshold)"
