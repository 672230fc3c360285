"""How messages show shares, and names and texts that come from files."""

from __future__ import annotations

from collections.abc import Sequence

SHOWN = 200
"""How many characters of a value are shown."""

MESSAGE = 2000
"""How many characters a message has at most."""


def percent(share: float | None, missing: str = "-") -> str:
    """Return a share as percent, or what stands for one that is `missing`.

    Examples
    --------
    >>> percent(0.98765), percent(None)
    ('98.77 %', '-')
    """
    return missing if share is None else f"{100 * share:.2f} %"


def listed(names: Sequence[str], most: int = 40) -> str:
    """Return names as one text, the first of them where there are many.

    What would be read as several names, as another one or as punctuation is quoted: with a comma,
    with spaces at an end, without a letter or digit, or empty.

    Examples
    --------
    >>> print(listed(["Müller, Thurgau", "Pinot Noir", "Riesling"], 2))
    'Müller, Thurgau', Pinot Noir, ...
    """
    shown = [
        repr(name)
        if "," in name or name != name.strip() or not any(map(str.isalnum, name))
        else name
        for name in names[:most]
    ]
    return ", ".join(shown) + (", ..." if len(names) > most else "")


def printable(text: object, most: int = SHOWN) -> str:
    r"""Return a text as it may go to a terminal: no control characters, and not too long.

    What moves the cursor, sets colours, turns the direction of writing or is not seen at all is
    written as an escape, as `repr` writes it. Of a text that is too long both ends are kept. Texts
    longer than `most` characters are shortened.

    Examples
    --------
    >>> printable("a\x1b[2Jb")
    'a\\x1b[2Jb'
    >>> printable("0123456789" * 10, 20)
    '01234… 93 more …89'
    """
    shown = str(text)
    if len(shown) > most:
        left = max(most - 13, 2) // 3
        begin, end = shown[: max(most - 13, 2) - left], shown[-left:]
        shown = f"{begin}… {len(shown) - len(begin) - len(end)} more …{end}"
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape").decode() for each in shown
    )
