"""Run the notebooks of `tutorials/` and compare what they give with what stands in them.

Each notebook is executed by nbclient in a folder of its own under `build/tutorials`, so that
several can run at once and the committed files stay as they are. Then, cell by cell, texts must be
the same and figures must be where they were. Two tags of a cell say otherwise:

``varies``
    Its text differs between machines (times, versions); there must be one where there was one.
``premise``
    Where its text differs, the machine lacks what the notebook was written with (a data set, say)
    and the rest is executed but not compared. The reason is printed.

Usage: python -m tools.notebooks [--write] [--jobs N] [NAME ...]
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import sys
import textwrap
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import nbformat
from jupyter_client.kernelspec import KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat import NotebookNode

ROOT = Path(__file__).resolve().parents[1]
TUTORIALS = ROOT / "tutorials"
BUILD = ROOT / "build" / "tutorials"

MOST_BYTES = 500_000
KNOWN_TAGS = {"varies", "premise", "raises-exception", "hide-input"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
# What a reader's machine should not see of the author's.
_FOREIGN = {
    "a path of a machine": re.compile(
        r"(?<![\w.:/])/(?:home|root|Users|tmp|work|mnt|opt|usr|var|private|builds?)/\S*|[A-Z]:\\\S+"
    ),
    "an address in memory": re.compile(r"\bat 0x[0-9a-fA-F]{6,}"),
    "a progress bar": re.compile(r"\r(?!\n)|\d+%\|"),
    "a warning": re.compile(r"\b\w*Warning\b:"),
}


@dataclass
class Outcome:
    """What came of one notebook: what is wrong, what is worth saying, whether it was compared."""

    name: str
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    not_compared: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Shown:
    """What a reader sees under a cell: its text, its figures, its error, its warnings."""

    text: str
    figures: int
    error: str
    stderr: str

    @classmethod
    def under(cls, cell: NotebookNode) -> Shown:
        """Read the outputs of a cell; how its text came in pieces does not matter."""
        texts, figures, errors, warnings = [], 0, [], []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if output.output_type == "error":
                errors.append(f"{output.ename}: {output.evalue}")
            elif output.output_type == "stream":
                (texts if output.name == "stdout" else warnings).append(output.text)
            elif any(kind.startswith("image/") for kind in data):
                figures += 1
            else:
                texts.append(data.get("text/plain", "") + "\n")
        lines = "".join(texts).split("\n")
        return cls(
            "\n".join(line.rstrip() for line in lines).strip("\n"),
            figures,
            "\n".join(errors),
            "".join(warnings),
        )

    def blocks(self) -> str:
        """Return all of it as one text, to print."""
        figures = [f"[{self.figures} figure(s)]"] if self.figures else []
        return "\n".join([*filter(None, [self.text, self.error]), *figures]) or "[nothing]"


def compare(committed: NotebookNode, executed: NotebookNode, name: str) -> Outcome:
    """Compare the outputs of two runs of one notebook, in substance."""
    outcome = Outcome(name)
    pairs = list(zip(committed.cells, executed.cells, strict=True))
    for number, (before, after) in enumerate(pairs, start=1):
        if before.cell_type != "code":
            continue
        old, new, tags = Shown.under(before), Shown.under(after), _tags(before)
        where = f"{name}, cell {number} ({before.id})"
        if new.error and "raises-exception" not in tags:
            outcome.problems.append(f"{where} failed:\n{_quote(_failure(after))}")
            return outcome
        if new.stderr:
            outcome.notes.append(f"{where} wrote to stderr:\n{_quote(new.stderr)}")
        if "premise" in tags and old.text != new.text and not outcome.not_compared:
            outcome.not_compared = (
                f"{where}: this machine is not what the notebook was written on, so its outputs "
                f"are not compared\n{_both(old, new)}"
            )
        if "varies" in tags:
            same = bool(old.text) == bool(new.text)
        else:
            same = (old.text, old.error) == (new.text, new.error)
        if not outcome.not_compared and not (same and old.figures == new.figures):
            outcome.problems.append(f"{where}: the output changed\n{_both(old, new)}")
    return outcome


def blemishes(notebook: NotebookNode, name: str) -> list[str]:
    """Return what should not stand in a committed notebook, or is missing from it."""
    found = []
    if {key: dict(value) for key, value in notebook.metadata.items()} != METADATA:
        found.append(f"{name}: metadata of the notebook other than {METADATA}")
    executed = 0
    for number, cell in enumerate(notebook.cells, start=1):
        where = f"{name}, cell {number} ({cell.id})"
        if set(cell.metadata) - {"tags"} or set(_tags(cell)) - KNOWN_TAGS:
            found.append(f"{where}: metadata {dict(cell.metadata)}, known tags are {KNOWN_TAGS}")
        if cell.cell_type != "code":
            continue
        executed += 1
        if cell.execution_count != executed:
            found.append(f"{where}: not executed in its turn")
        shown = Shown.under(cell)
        if shown.stderr:
            found.append(f"{where}: text on stderr:\n{_quote(shown.stderr)}")
        if shown.error and "raises-exception" not in _tags(cell):
            found.append(f"{where}: an error:\n{_quote(shown.error)}")
        for what, pattern in _FOREIGN.items():
            match = pattern.search(f"{shown.text}\n{shown.error}")
            if match:
                found.append(f"{where}: {what}: {match.group()!r}")
    size = len(nbformat.writes(notebook).encode())
    if size > MOST_BYTES:
        found.append(f"{name}: {size} bytes; at most {MOST_BYTES}")
    return found


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Take out what execution leaves in a notebook and no reader needs."""
    notebook.metadata = nbformat.from_dict(METADATA)
    for cell in notebook.cells:
        cell.metadata = nbformat.from_dict({"tags": _tags(cell)} if _tags(cell) else {})
        for output in cell.get("outputs", []):
            if output.output_type == "error":  # a traceback is full of paths
                output.traceback = [f"{output.ename}: {output.evalue}"]
            elif "data" in output:
                kinds = ("image/png",) if "image/png" in output.data else ("text/plain",)
                output.data = {kind: output.data[kind] for kind in kinds if kind in output.data}
                output.metadata = nbformat.from_dict({})
    return notebook


def execute(path: Path) -> NotebookNode:
    """Execute a notebook as far as its first error, in a copy of its folder, and return it.

    Raises
    ------
    RuntimeError, TimeoutError
        If its kernel ends, or a cell takes more than 10 minutes.
    """
    folder = BUILD / path.stem
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(path.parent, folder, ignore=shutil.ignore_patterns("*.ipynb", "runs", ".*"))
    notebook = nbformat.read(path, as_version=4)
    (folder / ".jupyter").mkdir()
    # The kernel is this Python, whichever ones are installed for the user.
    specs = KernelSpecManager(kernel_dirs=[])
    client = NotebookClient(
        notebook,
        AsyncKernelManager(kernel_name="python3", kernel_spec_manager=specs),
        timeout=600,
        coalesce_streams=True,
        extra_arguments=["--log-level=ERROR"],
    )
    with suppress(CellExecutionError):  # its cell tells
        client.execute(env=_environment(folder), cwd=str(folder), cleanup_kc=True)
    return notebook


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment of a run: nothing of Jupyter is read from the user's home."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("JUPYTER", "IPYTHON", "PYTEST", "COLUMNS", "MPLBACKEND"))
    }
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"):
        kept[name] = str(folder / ".jupyter" / name.lower())
    shared = Path(os.environ.get("LAVA_DESIRE_SHARED", ROOT.parent / "shared"))
    if "LAVA_DESIRE_DATA" not in kept and (shared / "data").is_dir():
        kept["LAVA_DESIRE_DATA"] = str(shared / "data")
    # Two notebooks run at once: threads that outnumber the cores wait for each other, spinning.
    kept.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // 2)))
    # The library of this checkout is meant, whichever one is installed.
    kept["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), kept.get("PYTHONPATH")]))
    return kept | {"JUPYTER_PREFER_ENV_PATH": "1", "JUPYTER_PLATFORM_DIRS": "0"}


def check(path: Path, write: bool = False) -> Outcome:
    """Execute a notebook and compare it with what is committed, or write its outputs anew."""
    began = time.monotonic()
    name = path.name
    committed = nbformat.read(path, as_version=4)
    try:
        executed = execute(path)
    except (RuntimeError, TimeoutError) as error:
        return Outcome(name, [f"{name} was not executed: {error}"])
    if write:
        outcome = compare(executed, executed, name)
        executed = tidy(executed)
        outcome.problems = outcome.problems or blemishes(executed, name)
        if not outcome.problems:
            nbformat.write(executed, path)
    else:
        outcome = compare(committed, executed, name)
        outcome.problems += blemishes(committed, name)
    outcome.seconds = time.monotonic() - began
    return outcome


def _tags(cell: NotebookNode) -> list[str]:
    return list(cell.metadata.get("tags", []))


def _failure(cell: NotebookNode) -> str:
    """Return the source of a cell that failed and the end of its traceback, in plain text."""
    traceback = "\n".join(line for output in cell.outputs for line in output.get("traceback", []))
    plain = re.sub(r"\x1b\[[0-9;]*m", "", traceback).split("\n")
    return "\n".join([cell.source, "", *plain[-25:]])


def _both(old: Shown, new: Shown) -> str:
    return f"  committed:\n{_quote(old.blocks())}\n  now:\n{_quote(new.blocks())}"


def _quote(text: str) -> str:
    return textwrap.indent(text.rstrip("\n"), "    | ", lambda line: True)


def _chosen(names: list[str]) -> list[Path]:
    """Return the notebooks of those names, or numbers; all where none is given."""
    paths = sorted(TUTORIALS.glob("*.ipynb"))
    for name in names:
        if not any(path.stem.startswith(name) for path in paths):
            raise SystemExit(f"no notebook {name!r}: expected one of {[p.stem for p in paths]}")
    return [p for p in paths if not names or any(p.stem.startswith(name) for name in names)]


def main(arguments: list[str] | None = None) -> int:
    """Run the notebooks that are named on the command line."""
    parser = argparse.ArgumentParser(description="Run the tutorials and compare their outputs.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="of notebooks, or how they begin")
    parser.add_argument("--write", action="store_true", help="write the outputs into them")
    parser.add_argument("--jobs", type=int, default=min(2, os.cpu_count() or 1))
    chosen = parser.parse_args(arguments)
    failed = 0
    with ThreadPoolExecutor(chosen.jobs) as pool:
        for outcome in pool.map(lambda path: check(path, chosen.write), _chosen(chosen.names)):
            done = "written" if chosen.write else "the same"
            word = "FAILED" if outcome.problems else "ran" if outcome.not_compared else done
            print(f"{outcome.name}: {word} ({outcome.seconds:.0f} s)", flush=True)
            for text in filter(None, [*outcome.notes, outcome.not_compared, *outcome.problems]):
                print(text, flush=True)
            failed += bool(outcome.problems)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
