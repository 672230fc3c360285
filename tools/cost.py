"""Prints what a change of the package costs: `make cost`, or python -m tools.cost.

Lines of Python; in how many files each field of `DesireConfig` is named; circles of imports, with
those inside functions and without those for type checkers.
"""

from __future__ import annotations

import dataclasses
import re
from collections import Counter
from pathlib import Path

import grimp

from lava_desire.config import DesireConfig

PACKAGE = Path(__file__).resolve().parents[1] / "lava_desire"


def sources() -> list[str]:
    """Return the text of every Python file of the package."""
    return [path.read_text("utf-8") for path in sorted(PACKAGE.rglob("*.py"))]


def files_naming(names: list[str], texts: list[str]) -> dict[str, int]:
    """Return in how many texts each name occurs, as a whole word, anywhere."""
    found = Counter(word for text in texts for word in set(re.findall(r"\w+", text)))
    return {name: found[name] for name in names}


def circles(graph: grimp.ImportGraph) -> list[list[str]]:
    """Return the groups of modules each of which imports, in the end, all others of its group."""
    groups = {
        frozenset(graph.find_upstream_modules(name) & graph.find_downstream_modules(name)) | {name}
        for name in graph.modules
    }
    return sorted(sorted(group) for group in groups if len(group) > 1)


def main() -> None:
    """Print all of it for the present tree."""
    texts = sources()
    print(f"{sum(text.count(chr(10)) for text in texts)} lines in {len(texts)} files")
    fields = [field.name for field in dataclasses.fields(DesireConfig)]
    named = files_naming(list(dict.fromkeys([*fields, "layer_sizes"])), texts)
    for name, count in sorted(named.items(), key=lambda entry: (-entry[1], entry[0])):
        print(f"{count:4} files name {name}")
    graph = grimp.build_graph(PACKAGE.name, cache_dir=None, exclude_type_checking_imports=True)
    found = circles(graph)
    print(f"{len(found)} circles of imports")
    for group in found:
        print("  " + ", ".join(group))


if __name__ == "__main__":
    main()
