"""What a sweep varies: ``--over learning-rate=1e-5..1e-3:log --over trace-baseline=0,0.5,1``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lava_desire.cli.fields import offered_fields
from lava_desire.cli.run import named_as_options, option_of, parse_layers, sized
from lava_desire.model.fields import declared

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig
    from lava_desire.data import Dataset

LAYERS = "layers"
_RANGE = re.compile(r"(.+?)\.\.(.+?)(:log)?")
_EXAMPLE = "as in learning-rate=1e-5..1e-3:log, or trace-baseline=0,0.5,1"


@dataclass(frozen=True)
class Choice:
    """One of a few values, as they are written."""

    texts: tuple[str, ...]


@dataclass(frozen=True)
class Range:
    """A number from `low` to `high`, both included; with `log` its logarithm is spread evenly.

    Integers are a `step` from each other.
    """

    low: float
    high: float
    log: bool
    is_integer: bool
    step: int = 1


@dataclass(frozen=True)
class Space:
    """The fields that a sweep varies, in their order: choices, and ranges."""

    texts: tuple[str, ...]
    over: Mapping[str, Choice | Range]

    @classmethod
    def parse(cls, texts: Sequence[str]) -> Space:
        """Read what ``--over`` says, once for every field.

        Raises ValueError naming the text that cannot be read, or is of no field.
        """
        over: dict[str, Choice | Range] = {}
        for text in texts:
            name, values = _parse(text)
            if name in over:
                raise ValueError(f"--over gives {name} twice: expected each field once")
            over[name] = values
        if not over:
            raise ValueError(f"no --over is given: expected what to vary, {_EXAMPLE}")
        return cls(tuple(texts), over)

    @property
    def grid(self) -> Iterator[dict[str, str]] | None:
        """All that there is to try, where all are choices; None where one is a range."""
        texts = []
        for values in self.over.values():
            if not isinstance(values, Choice):
                return None
            texts.append(values.texts)
        return (dict(zip(self.over, each, strict=True)) for each in itertools.product(*texts))

    def suggest(self, trial: Any) -> dict[str, Any]:
        """Ask a trial of Optuna for a value of each."""
        found: dict[str, Any] = {}
        for name, values in self.over.items():
            if isinstance(values, Choice):
                found[name] = trial.suggest_categorical(name, values.texts)
            elif values.is_integer:
                low, high = int(values.low), int(values.high)
                found[name] = trial.suggest_int(name, low, high, step=values.step, log=values.log)
            else:
                found[name] = trial.suggest_float(name, values.low, values.high, log=values.log)
        return found

    def configure(
        self, config: DesireConfig, values: Mapping[str, Any], data: Dataset
    ) -> DesireConfig:
        """Return a configuration with these values, as :meth:`suggest` returns them.

        Raises ValueError if they do not go together.
        """
        given = {name: _value(name, value) for name, value in values.items() if name != LAYERS}
        layers = values.get(LAYERS)
        return sized(config, layers, given, data.num_inputs, data.num_classes, data.input_shape)


def _parse(text: str) -> tuple[str, Choice | Range]:
    left, equals, right = (part.strip() for part in text.partition("="))
    name = left.lstrip("-").replace("-", "_")
    known = [LAYERS, *offered_fields()]
    if not equals or not right or name not in known or name == "seed":
        options = ", ".join(option_of(each)[2:] for each in known if each != "seed")
        raise ValueError(
            f"--over is {text!r}: expected FIELD=VALUES, {_EXAMPLE}; fields are {options}"
        )
    found = _RANGE.fullmatch(right)
    if found is None:
        texts = tuple(each.strip() for each in re.split(r"\|" if "|" in right else ",", right))
        if len(set(texts)) < len(texts) or not all(texts):
            raise ValueError(f"--over is {text!r}: expected different values, none empty")
        for each in texts:
            _value(name, each) if name != LAYERS else parse_layers(each)
        return name, Choice(texts)
    about = None if name == LAYERS else declared(offered_fields()[name])
    kind, step = (str, 1) if about is None else (about.type, about.step)
    try:
        low, high = (kind(end) for end in found.groups()[:2])
    except ValueError:
        kind = str
    if kind is str:
        raise ValueError(f"--over is {text!r}: expected values of {name}, separated by commas")
    if not low < high or (found[3] and low <= 0):
        least = "0 < LOW < HIGH" if found[3] else "LOW < HIGH"
        raise ValueError(f"--over is {text!r}: expected {least}")
    if step > 1 and found[3]:
        raise ValueError(f"--over is {text!r}: expected LOW..HIGH, or values separated by commas")
    for drawn in dict.fromkeys((low, low + step, high) if kind is int else (low, high)):
        _value(name, drawn)  # whatever else is drawn from there to `high` is allowed as well
    return name, Range(low, high, bool(found[3]), kind is int, step)


def _value(name: str, value: Any) -> Any:
    """Return the value of a field, of its text or of a number in its range.

    Raises ValueError naming the option, the value and what is allowed.
    """
    about = declared(offered_fields()[name])
    if isinstance(value, str):
        try:
            value = about.parse(value) if about.parse else about.type(value)
        except ValueError:
            if about.parse:
                raise
    with named_as_options():
        about.check(option_of(name), value, None)
    return value
