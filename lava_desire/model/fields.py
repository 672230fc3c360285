"""Fields of the configuration: declarations, valid ranges and error messages.

A field is declared once, by :func:`integer`, :func:`real`, :func:`choice` or :func:`declare`, in a
:class:`Part`. Its default, range, documentation and option of the command line follow from that.
"""

from __future__ import annotations

import dataclasses
import math
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from numbers import Integral, Rational, Real
from typing import TYPE_CHECKING, Any, ClassVar

from lava_desire._text import listed

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig

# Beyond what anyone trains, and below what takes memory away or overflows the counters of kernels
# and random numbers: a configuration may come from a file that nobody has looked at.
MAX_LAYERS = 1_000
MAX_STEPS = 2**12
MAX_INTEGER = MAX_NEURONS = 2**31 - 1
MAX_INT64 = 2**63 - 1
SMALLEST_FLOAT, LARGEST_FLOAT = 2.0**-126, (2 - 2.0**-23) * 2.0**127
"""What float32, in which kernels compute, holds with all its digits, beside 0."""


@dataclass(frozen=True)
class FloatRange:
    """What a field that is a float may be, and which of that float32 can hold.

    `meant` is the range in words, with ``{name}`` for the field, and `holds` says whether a finite
    number is in it; `held` says the part of it, beside 0, that kernels can tell from 0, from 1 and
    from infinity, which ends at `smallest` and `largest`.
    """

    meant: str
    holds: Callable[[float], bool]
    held: str = "0, or 2**-126 <= {name} < 2**128, which float32 can hold"
    smallest: float = SMALLEST_FLOAT
    largest: float = LARGEST_FLOAT


Check = Callable[[str, Any, Any], Any]
"""Returns the value of a field, by name, value and config, or refuses it: see :class:`Declared`."""

AT_LEAST_0 = FloatRange("{name} >= 0", lambda value: value >= 0)
SHARE = FloatRange("0 <= {name} <= 1", lambda value: 0 <= value <= 1)
BELOW_1 = FloatRange(
    "0 <= {name} < 1",
    lambda value: 0 <= value < 1,
    "0, or 2**-126 <= {name} <= 1 - 2**-24, which float32 can hold",
    largest=1 - 2.0**-24,
)
ABOVE_0 = FloatRange(
    "{name} > 0", lambda value: value > 0, "2**-126 <= {name} < 2**128, which float32 can hold"
)
# It is compared with potentials of some thresholds, where neither zero nor infinity would do.
THRESHOLD = FloatRange(
    "{name} > 0", lambda value: value > 0, "2**-100 <= {name} <= 2**100", 2.0**-100, 2.0**100
)

NETWORK, RULE, SCHEDULE = "Network", "Learning rule", "Schedule"
BEYOND = "Beyond the paper"
"""Panels of the help of ``lava-desire train``."""


@dataclass(frozen=True)
class Declared:
    """What is declared of a field, in its metadata under ``"declared"``.

    ``check(name, value, config)`` returns the value as Python's own, or raises ValueError; the
    config holds the fields before this one. The command line reads a `type`, int, float or str, by
    `parse` where there is one, in a `panel`, with `help`; without it there is no option. `kind` and
    `doc` are its type, and what it is, in the documentation; `example` is another value than the
    default, for tests of every field in small networks; `allowed` says what a float may be, and
    `step` how far integers that are allowed lie from each other.
    """

    check: Check
    type: type
    kind: str
    doc: str
    help: str
    panel: str
    example: Any = None
    parse: Callable[[str], Any] | None = None
    allowed: FloatRange | None = None
    step: int = 1


def integers(smallest: int, largest: int = MAX_INTEGER) -> Check:
    """Return what checks an integer in [smallest, largest]: ``check`` of :class:`Declared`."""
    return lambda name, value, config: checked_integer(name, value, smallest, largest)


def floats(allowed: FloatRange) -> Check:
    """Return what checks a float that float32 can hold: ``check`` of :class:`Declared`."""
    return lambda name, value, config: checked_float(name, value, allowed)


def declare(default: Any, declared: Declared) -> Any:
    """Return a field of a :class:`Part`; a default of ``MISSING`` asks for a value."""
    return dataclasses.field(default=default, metadata={"declared": declared})


def integer(
    default: int,
    smallest: int,
    largest: int = MAX_INTEGER,
    *,
    doc: str,
    help: str,
    panel: str = BEYOND,
    example: int | None = None,
) -> Any:
    """Declare an integer in [smallest, largest]; the parameters are those of :class:`Declared`."""
    check = integers(smallest, largest)
    return declare(default, Declared(check, int, "int", doc, help, panel, example))


def real(
    default: float,
    allowed: FloatRange,
    *,
    doc: str,
    help: str,
    panel: str = BEYOND,
    example: float | None = None,
) -> Any:
    """Declare a float that float32 can hold; the parameters are those of :class:`Declared`."""
    declared = Declared(floats(allowed), float, "float", doc, help, panel, example, allowed=allowed)
    return declare(default, declared)


def choice(
    default: str,
    names: Sequence[str],
    *,
    doc: str,
    help: str,
    panel: str = BEYOND,
    example: str | None = None,
) -> Any:
    """Declare one of a few names; the parameters are those of :class:`Declared`."""

    def check(name: str, value: Any, config: Any) -> Any:
        if value not in names:
            raise ValueError(f"{name} is {shown(value)}: expected one of {listed(names)}")
        return value

    kind = "{" + ", ".join(f'"{name}"' for name in names) + "}"
    return declare(default, Declared(check, str, kind, doc, help, panel, example))


def declared(field: dataclasses.Field[Any]) -> Declared:
    """Return what is declared of a field of a part or a configuration."""
    found: Declared = field.metadata["declared"]
    return found


def document_fields(cls: type[Any], fields: Sequence[dataclasses.Field[Any]]) -> None:
    """Write fields of the configuration into a class's documentation, in place of ``{fields}``."""
    entries = [
        f"{field.name} : {declared(field).kind}\n"
        + textwrap.indent(textwrap.fill(declared(field).doc, 96, break_on_hyphens=False), "    ")
        for field in fields
    ]
    if cls.__doc__:
        text = textwrap.indent("\n".join(entries), "    ").lstrip()
        cls.__doc__ = cls.__doc__.replace("{fields}", text)


@dataclass(frozen=True)
class Part:
    """Fields of the configuration that belong together.

    ``config.part(Kind)`` is the part of a configuration, with its values. A part alone checks
    nothing.
    """

    position: ClassVar[int] = 100
    """Where its fields stand among those of other parts; options act in this order."""

    is_quiet: ClassVar[bool] = False
    """Whether JSON leaves out what has its default, as files did before there was such a field."""

    def check(self, config: DesireConfig) -> None:
        """Refuse what does not fit other fields; each by itself is in its range.

        Raises
        ------
        ValueError
            Naming the field, the value and what is allowed.
        """


MOST_SAMPLES = 2**53
"""Samples that a network may have seen: no counter of kernels or random numbers overflows."""

SHOWN = 200


def _is_integer(value: Any) -> bool:
    return isinstance(value, Integral) and not isinstance(value, bool)


def number(name: str, value: Any, allowed: str, *, integer: bool = False) -> float:
    """Return a finite number as Python's own, or refuse what is none by the name of its field.

    NumPy's integers and floats are taken as well; truth values, Python's or NumPy's, are not.
    Raises ValueError with the field, the value and what is `allowed`.
    """
    # NumPy's numbers are known by what they say that they are: a configuration needs no NumPy.
    if _is_integer(value):
        value = int(value)
    elif isinstance(value, Real) and not isinstance(value, Rational) and not integer:
        value = float(value)
    kinds = (int,) if integer else (int, float)
    try:
        good = isinstance(value, kinds) and not isinstance(value, bool) and math.isfinite(value)
    except OverflowError:  # an integer that no float can hold
        good = False
    if not good:
        what = "an integer" if integer else "a finite number"
        raise ValueError(f"{name} is {shown(value)}: expected {what}, {allowed}")
    return value  # type: ignore[no-any-return]


def checked_integer(name: str, value: Any, smallest: int, largest: int = MAX_INT64) -> int:
    """Return an integer as Python's own, or refuse it by its name.

    Raises ValueError with the name, the value and both ends of the range.
    """
    value = int(value) if _is_integer(value) else value
    if type(value) is not int or not smallest <= value <= largest:
        raise ValueError(
            f"{name} is {shown(value)}: expected an integer in [{smallest}, {largest}]"
        )
    return value


def checked_float(name: str, value: Any, allowed: FloatRange) -> float:
    """Return a field as a float that float32 can hold, or refuse it.

    Raises ValueError with the field, the value and its range.
    """
    value = number(name, value, allowed.meant.format(name="value"))
    for is_good, said in (
        (allowed.holds(value), allowed.meant),
        (value == 0 or allowed.smallest <= value <= allowed.largest, allowed.held),
    ):
        if not is_good:
            raise ValueError(f"{name} is {value!r}: expected {said.format(name=name)}")
    # Written as a float, also where an integer was given: not every integer fits a kernel.
    return float(value)


def shown(value: Any) -> str:
    """Return what was given, as far as a message has room for it."""
    try:
        text = repr(value)
    except ValueError:  # Python writes out no endless integer
        return "an endless integer"
    return text if len(text) <= SHOWN else f"{text[:SHOWN]}…"


def layer_sizes_of(given: Any) -> tuple[int, ...]:
    """Return sizes of layers as a tuple, or refuse what is none.

    Raises ValueError with what was given and what is allowed.
    """
    try:
        sizes = tuple(given)
    except TypeError:
        raise ValueError(
            f"layer_sizes is {shown(given)}: expected a sequence of integers, input first"
        ) from None
    if len(sizes) < 2:
        raise ValueError(f"layer_sizes is {sizes}: expected at least two layers, input and output")
    if len(sizes) > MAX_LAYERS:
        raise ValueError(f"layer_sizes has {len(sizes)} layers: expected at most {MAX_LAYERS}")
    sizes = tuple(int(size) if _is_integer(size) else size for size in sizes)
    for size in sizes:
        if not _is_integer(size) or size < 1:
            raise ValueError(f"layer_sizes is {shown(sizes)}: expected integers of at least 1")
        if size > MAX_NEURONS:
            raise ValueError(
                f"layer_sizes is {shown(sizes)}: expected at most {MAX_NEURONS} neurons"
            )
    return sizes
