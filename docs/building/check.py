"""Follow every link inside the built site: `python docs/building/check.py build/docs`.

Pages, anchors, pictures, scripts and downloads have to be there, and nothing that a page shows may
come from another server. Sphinx checks what it resolves; this sees what came out.
"""

from __future__ import annotations

import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

# Made by the theme for every page, and there only once the browser runs its scripts.
_BY_SCRIPT = {"", "#"}


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.anchors: set[str] = set()
        self.links: list[str] = []
        self.shown: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        self.anchors.update(values[name] for name in ("id", "name") if name in values)
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        for name in ("src", "data"):
            if name in values and tag in ("img", "script", "object", "source", "iframe"):
                self.shown.append(values[name])
        if tag == "link" and values.get("rel") in ("stylesheet", "icon", "preload"):
            self.shown.append(values.get("href", ""))


def broken_links(site: Path) -> list[str]:
    """Return one line for each link of the site that leads nowhere.

    Raises
    ------
    FileNotFoundError
        If there are no pages.
    """
    pages = {}
    for path in sorted(site.rglob("*.html")):
        page = _Page()
        page.feed(path.read_text("utf-8"))
        pages[path.resolve()] = page
    if not pages:
        raise FileNotFoundError(f"{site} holds no page: run `make docs`")
    found = []
    for path, page in pages.items():
        for link in page.shown:
            if urlsplit(link).netloc:
                found.append(f"{path.name}: {link} is not on this site")
        for link in [*page.links, *page.shown]:
            parts = urlsplit(link)
            if link in _BY_SCRIPT or parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            if not target.exists():
                found.append(f"{path.relative_to(site.resolve())}: {link} is not there")
            elif target in pages and parts.fragment:
                known = pages[target].anchors | {""}
                if unquote(parts.fragment) not in known:
                    found.append(f"{path.relative_to(site.resolve())}: {link} has no such anchor")
    return sorted(set(found))


if __name__ == "__main__":
    broken = broken_links(Path(sys.argv[1]))
    print("\n".join(broken) or "every link inside the site leads somewhere")
    sys.exit(bool(broken))
