"""Markdown tables from JSON, with where the numbers come from."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
Rows = Iterable[Sequence[Any]]


class Page:
    """Reads JSON for one table, and remembers what it read."""

    def __init__(self) -> None:
        self.files: list[Path] = []
        self.lines: list[str] = []

    def read(self, name: str) -> Any:
        """Return the content of a JSON file, named from the root."""
        self.files.append(ROOT / name)
        return json.loads((ROOT / name).read_text("utf-8"))

    def table(self, titles: Sequence[str], rows: Rows) -> None:
        """Add a Markdown table; numbers stand to the right."""
        rows = [[_shown(cell) for cell in row] for row in rows]
        numeric = [all(_is_number(row[i]) for row in rows) for i in range(len(titles))]
        self.lines += ["", _row(titles), _row("--:" if right else ":--" for right in numeric)]
        self.lines += [*map(_row, rows), ""]

    def origin(self, name: str, notes: dict[str, Any]) -> None:
        """Add where and with what it was measured."""
        machine = notes.get("environment", {})
        parts = [
            f"`{notes['command']}`" if "command" in notes else "",
            f"commit {notes['commit'][:300] if len(notes['commit']) != 40 else notes['commit'][:7]}"
            if notes.get("commit")
            else "",
            ", ".join(
                str(text)
                for text in (
                    machine.get("gpu") or machine.get("device_name"),
                    machine.get("processor"),
                    f"{machine['threads']} threads"
                    if machine.get("threads", 0) > 1
                    else "1 thread"
                    if machine.get("threads")
                    else None,
                    f"Python {machine['python']}" if "python" in machine else None,
                    f"torch {machine['torch']}" if "torch" in machine else None,
                )
                if text
            ),
        ]
        told = "; ".join(part for part in parts if part)
        self.lines += ["", "{.measured}", f"{told or 'measured'}. [{name}](/../{name})", ""]


def _shown(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0 or 1e-3 <= abs(value) < 1e6:
            digits = max(0, 3 - len(str(int(abs(value))))) if abs(value) >= 1 else 3
            return f"{value:,.{digits}f}"
        return f"{value:.3g}"
    if isinstance(value, int):
        return f"{value:,}"
    if re.fullmatch(r"\d+(-\d+)+", str(value)):
        return str(value).replace("-", "\u2011")  # the sizes of a network stay on one line
    return str(value).replace("|", "\\|")


def _is_number(text: str) -> bool:
    return re.fullmatch(r"-?[\d,.]*(e-?\d+)?( %)?", text) is not None


def _row(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def percent(share: float | None) -> str:
    """Return a share as it stands in a table; nothing for None."""
    return "" if share is None else f"{100 * share:.2f} %"
