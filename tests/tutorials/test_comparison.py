"""What the comparison of notebooks calls a change, and what it lets pass."""

from __future__ import annotations

import sys

import pytest

nbformat = pytest.importorskip("nbformat")
pytest.importorskip("nbclient")
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tools import notebooks

PICTURE = new_output("display_data", {"image/png": "aGk=", "text/plain": "<Figure>"})
OTHER_PICTURE = new_output("display_data", {"image/png": "eW91"})


def printed(*pieces, name="stdout"):
    return [new_output("stream", name=name, text=piece) for piece in pieces]


def result(text):
    return new_output("execute_result", {"text/plain": text}, execution_count=1)


def failure(evalue):
    return new_output("error", ename="ValueError", evalue=evalue, traceback=["in /home/me/x.py"])


def of_cells(*outputs, tags=()):
    cells = [
        new_code_cell("x", id=f"c{number}", outputs=each, execution_count=number)
        for number, each in enumerate(outputs, start=1)
    ]
    for cell, tag in zip(cells, tags, strict=False):
        cell.metadata = {"tags": [tag]} if tag else {}
    return new_notebook(cells=cells, metadata=notebooks.METADATA)


def compared(before, after, tags=()):
    return notebooks.compare(of_cells(*before, tags=tags), of_cells(*after, tags=tags), "n.ipynb")


def test_the_same_text_in_other_pieces_is_the_same():
    outcome = compared([printed("one\ntwo\n")], [printed("one\n", "two", "\n")])
    assert outcome.problems == []


def test_a_changed_text_names_notebook_and_cell_and_shows_both():
    (problem,) = compared([[], printed("97.5 %\n")], [[], printed("97.4 %\n")]).problems
    assert "n.ipynb, cell 2 (c2)" in problem
    assert "| 97.5 %" in problem
    assert "| 97.4 %" in problem


@pytest.mark.parametrize("now", [printed("1"), [result("2")], []])
def test_a_changed_or_missing_result_is_a_change(now):
    assert len(compared([[result("1"), *printed("x")]], [now]).problems) == 1


def test_another_picture_is_the_same_and_a_missing_one_is_a_change():
    assert compared([[PICTURE]], [[OTHER_PICTURE]]).problems == []
    assert len(compared([[PICTURE]], [[]]).problems) == 1
    assert len(compared([[]], [[PICTURE]]).problems) == 1


def test_a_text_that_varies_may_change_but_not_vanish():
    assert compared([printed("3 s")], [printed("4 s")], tags=["varies"]).problems == []
    assert len(compared([printed("3 s")], [[]], tags=["varies"]).problems) == 1


def test_a_figure_of_a_cell_that_varies_must_be_there():
    before = [[PICTURE, *printed("3 s")]]
    assert len(compared(before, [printed("4 s")], tags=["varies"]).problems) == 1


def test_a_cell_that_fails_is_a_problem_and_nothing_after_it_is_compared():
    (problem,) = compared([printed("a"), printed("b")], [[failure("no")], printed("c")]).problems
    assert "cell 1 (c1) failed" in problem


def test_an_error_that_is_meant_is_compared_by_its_words():
    tags = ["raises-exception"]
    assert compared([[failure("no")]], [[failure("no")]], tags).problems == []
    assert len(compared([[failure("no")]], [[failure("yes")]], tags).problems) == 1


def test_where_the_premise_differs_the_rest_is_run_and_not_compared():
    tags = ["premise", ""]
    outcome = compared([printed("mnist"), printed("98")], [printed("digits"), printed("97")], tags)
    assert outcome.problems == []
    assert "digits" in outcome.not_compared
    failed = compared([printed("mnist"), []], [printed("digits"), [failure("no")]], tags)
    assert len(failed.problems) == 1


def test_what_comes_on_stderr_is_told_and_fails_no_run():
    outcome = compared([[]], [printed("careful\n", name="stderr")])
    assert outcome.problems == []
    assert "careful" in outcome.notes[0]


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("saved to /home/ada/runs", "path"),
        ("  0%|   | 0/3\r 33%|#", "progress bar"),
        ("<Thing object at 0x7f21ab34cd50>", "address"),
        ("UserWarning: slow", "warning"),
    ],
)
def test_nothing_of_a_machine_may_be_committed(text, what):
    (found,) = notebooks.blemishes(of_cells(printed(text)), "n.ipynb")
    assert what in found


def test_stderr_an_unrun_cell_and_an_error_may_not_be_committed():
    notebook = of_cells(printed("x", name="stderr"), [failure("no")], [])
    notebook.cells[2].execution_count = None
    found = notebooks.blemishes(notebook, "n.ipynb")
    assert [problem.split(": ")[1].split(":")[0] for problem in found] == [
        "text on stderr",
        "an error",
        "not executed in its turn",
    ]


def test_plain_words_are_no_blemish():
    text = "and/or 1/2, runs/mine/checkpoint, https://example.org/home/x, 98 % of 10\n"
    assert notebooks.blemishes(of_cells(printed(text), [PICTURE]), "n.ipynb") == []


def test_tidying_leaves_text_pictures_and_tags():
    notebook = of_cells([*printed("ab"), PICTURE, failure("no")], tags=["raises-exception"])
    notebook.cells[0].metadata["execution"] = {"iopub.status.busy": "2026"}
    notebook.metadata["widgets"] = {}
    (cell,) = notebooks.tidy(notebook).cells
    assert notebook.metadata == notebooks.METADATA
    assert cell.metadata == {"tags": ["raises-exception"]}
    assert cell.outputs[0].text == "ab"
    assert cell.outputs[1].data == {"image/png": "aGk="}
    assert cell.outputs[2].traceback == ["ValueError: no"]


@pytest.fixture
def committed(tmp_path, monkeypatch):
    """A notebook whose committed text is not what its cell prints."""
    monkeypatch.setattr(notebooks, "BUILD", tmp_path / "build")
    path = tmp_path / "tutorials" / "x.ipynb"
    path.parent.mkdir()
    notebook = of_cells(printed("old\n"), [])
    notebook.cells[0].source = "print('ne', end='', flush=True); print('w')"
    notebook.cells[1].source = "import sys; assert sys.executable == " + repr(sys.executable)
    nbformat.write(notebook, path)
    return path


def test_a_notebook_is_run_in_a_copy_by_this_python_and_written_when_asked(committed):
    before = committed.read_bytes()
    (problem,) = notebooks.check(committed).problems
    assert "x.ipynb, cell 1 (c1): the output changed" in problem
    assert "| old" in problem
    assert "| new" in problem
    assert committed.read_bytes() == before
    assert notebooks.check(committed, write=True).problems == []
    written = nbformat.read(committed, as_version=4)
    assert [output.text for output in written.cells[0].outputs] == ["new\n"]
    assert notebooks.blemishes(written, "x.ipynb") == []


def test_outputs_that_no_reader_should_see_are_not_written(committed):
    notebook = nbformat.read(committed, as_version=4)
    notebook.cells[0].source = "import sys; print(sys.executable); print('oh', file=sys.stderr)"
    notebook.cells[1].source = "1 / 0"
    nbformat.write(notebook, committed)
    before = committed.read_bytes()
    (problem,) = notebooks.check(committed, write=True).problems
    assert "cell 2 (c2) failed" in problem
    assert "ZeroDivisionError" in problem
    assert committed.read_bytes() == before
