"""Writes security/licences.md. Usage: python tools/licences.py.

Fails if something that the library requires may only be used in programs under a licence of its own
kind, as the GPL asks.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys

from packages import LAVA, ROOT, closure, declared
from packaging.utils import canonicalize_name

TABLE = ROOT / "security" / "licences.md"
STRONG = re.compile(r"\bA?GPL|(?<!Lesser )General Public License|\bEUPL|\bSSPL", re.IGNORECASE)
WEAK = re.compile(r"\bLGPL|Lesser General|\bMPL|Mozilla|\bEPL|Eclipse", re.IGNORECASE)


def all_licences() -> dict[str, tuple[str, str]]:
    """Return version and licence of each installed package, as it states them."""
    command = [sys.executable, "-m", "piplicenses", "--format", "json", "--from", "mixed"]
    command.append("--with-system")
    listed = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return {
        canonicalize_name(each["Name"]): (each["Version"].split("+")[0], _one_line(each["License"]))
        for each in listed
        if canonicalize_name(each["Name"]) != "lava-desire"
    }


def _one_line(licence: str) -> str:
    # Some packages give the whole text where its name belongs.
    first = licence.strip().splitlines()[0] if licence.strip() else "not stated"
    return first.replace("|", "/")[:100]


def section(title: str, names: set[str], known: dict[str, tuple[str, str]]) -> list[str]:
    """Return a table in Markdown."""
    rows = [f"| {name} | {known[name][0]} | {known[name][1]} |" for name in sorted(names)]
    return [f"## {title}", "", "| package | version | licence |", "| --- | --- | --- |", *rows, ""]


def copyleft(names: set[str], known: dict[str, tuple[str, str]]) -> tuple[list[str], list[str]]:
    """Return the packages of a strong and those of a weak copyleft."""
    strong, weak = [], []
    for name in sorted(names):
        licence = known[name][1]
        if WEAK.search(licence):
            weak.append(name)
        elif STRONG.search(licence) and "with exception" not in licence.lower():
            strong.append(name)
    return strong, weak


def main() -> None:
    """Write the table, and fail if what is required is under a strong copyleft."""
    known = all_licences()
    required = closure(declared()) & known.keys()
    lava = (closure([*declared("lava"), LAVA]) & known.keys()) - required
    export = (closure(declared("export")) & known.keys()) - required - lava
    tables = (closure(declared("tables")) & known.keys()) - required - lava - export
    tools = known.keys() - required - lava - export - tables
    strong, weak = copyleft(required, known)
    python = ".".join(map(str, sys.version_info[:2]))
    lines = [
        "# Licences of what the project stands on",
        "",
        f"Written by `make licences` from what each package states, on Python {python} with the",
        "versions of `constraints.txt`. None of it is part of this repository, its wheel or its",
        "sdist; pip installs it beside them. The project's own licence is BSD 3-Clause.",
        "",
        f"Required and under a strong copyleft (GPL and the like): {', '.join(strong) or 'none'}.",
        f"Under a weak one, which covers their own files: {', '.join(weak) or 'none'}.",
        "Lava's files are under BSD 3-Clause or, the runtime's among them, LGPL 2.1 or later, as",
        "their heads say. lava_desire imports Lava, where it is installed, and copies none of it.",
        "",
        *section("Required", required, known),
        *section("For Lava (`lava_desire[lava]`, and Lava itself)", lava, known),
        *section("For NIR and netx files (`lava_desire[export]`)", export, known),
        *section("For tables (`lava_desire[tables]`)", tables, known),
        *section("To develop: tests, checks, documentation", set(tools), known),
    ]
    TABLE.write_text("\n".join(lines).rstrip() + "\n")
    print(f"{TABLE.relative_to(ROOT)}: {len(known)} packages, {len(required)} of them required")
    if strong:
        sys.exit(f"required, and under a strong copyleft: {', '.join(strong)}")


if __name__ == "__main__":
    main()
