"""The page of a report: its blocks, its pictures in the page's colours, its template."""

from __future__ import annotations

import io
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup
from matplotlib import rc_context

from lava_desire import __version__
from lava_desire.analysis.style import PURPLE
from lava_desire.palette import BLACK, BLUE, GREEN, ORANGE

_INK = "#1a1a1b"  # stands for the page's colour of text, which follows light and dark
_COLORS = {_INK: "currentColor", BLACK: "currentColor", BLUE: "var(--blue)"}
_COLORS |= {ORANGE: "var(--orange)", GREEN: "var(--green)", PURPLE: "var(--purple)"}
_STYLE: dict[str, Any] = {
    **dict.fromkeys(("text.color", "axes.edgecolor", "axes.labelcolor"), _INK),
    **dict.fromkeys(("xtick.color", "ytick.color"), _INK),
    **dict.fromkeys(("figure.facecolor", "axes.facecolor", "savefig.facecolor"), "none"),
    "legend.facecolor": "none",
    "legend.edgecolor": "0.6",
    "svg.fonttype": "none",  # texts stay texts
    "svg.hashsalt": "lava_desire",
    "font.family": ["DejaVu Sans", "sans-serif"],
}


@dataclass
class Text:
    """A paragraph, or of the kind ``"missing"`` what a run lacks."""

    text: str
    kind: str = "text"


@dataclass
class Picture:
    """A drawing, and what is written below it and read out in its place."""

    svg: Markup
    caption: str
    kind: str = "picture"


@dataclass
class Table:
    """A table, whose first column heads its rows."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    numbers: bool = True
    bold: frozenset[str] = frozenset()  # first cells of rows in bold
    links: Mapping[str, str] = field(default_factory=dict)
    kind: str = "table"


Block = Text | Picture | Table


@dataclass
class Part:
    """A section of the page, and those within it."""

    title: str
    anchor: str = ""
    facts: list[tuple[str, str]] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    sections: list[Part] = field(default_factory=list)

    def add(self, title: str, *blocks: Block) -> None:
        """Append a section."""
        self.sections.append(Part(title, blocks=list(blocks)))


class Page:
    """Makes the parts of a page; counts its pictures, whose parts have names of their own."""

    def __init__(self) -> None:
        self._pictures = 0

    def picture(self, draw: Callable[..., Any], *args: Any, caption: str, **options: Any) -> Block:
        """Return what `draw` draws as an SVG within the page, in the page's colours."""
        self._pictures += 1
        drawn = io.BytesIO()
        nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
        with rc_context(_STYLE):
            draw(*args, **options).savefig(drawn, format="svg", dpi=110, metadata=nothing)
        svg = drawn.getvalue().decode()
        svg = svg[svg.index("<svg") :]
        svg = re.sub(r"<metadata>.*?</metadata>|<style.*?</style>", "", svg, flags=re.DOTALL)
        width = float(re.search(r'width="([\d.]+)pt"', svg)[1])  # type: ignore[index]
        svg = re.sub(r'(<svg[^>]*?) width="[^"]*"', r"\1", svg, count=1)
        svg = re.sub(r'(<svg[^>]*?) height="[^"]*"', r"\1", svg, count=1)
        mark = f"p{self._pictures}-"
        svg = re.sub(r'(\bid="|url\(#|href="#)', rf"\g<1>{mark}", svg)
        for color, name in _COLORS.items():
            svg = svg.replace(color.lower(), name)
        label = Markup.escape(caption)
        looks = f"max-width: {width:.0f}pt; min-width: {min(0.72 * width, 560):.0f}pt"
        svg = svg.replace("<svg", f'<svg role="img" aria-label="{label}" style="{looks}"', 1)
        return Picture(Markup(svg), caption)

    def render(self, title: str, parts: Sequence[Part], **numbers: Any) -> str:
        """Return the page as HTML; `numbers` are what the template says of measurements."""
        for part in parts:
            for number, section in enumerate(part.sections, start=1):
                section.anchor = f"{part.anchor}-{number}"
        templates = jinja2.Environment(
            loader=jinja2.FileSystemLoader(Path(__file__).parent),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            trim_blocks=True,
        )
        return templates.get_template("report.html.j2").render(
            title=title,
            created=time.strftime("%Y-%m-%d %H:%M"),
            version=__version__,
            parts=parts,
            **numbers,
        )
