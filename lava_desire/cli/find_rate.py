"""``lava-desire find-rate``: which learning rate a network of these settings learns with at all."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

from lava_desire.cli.fields import (
    COMPUTING,
    SAMPLES,
    Json,
    Quiet,
    given_fields,
    option,
    with_fields,
    with_samples,
    with_settings,
)
from lava_desire.cli.plan import make_plan
from lava_desire.cli.printing import make_console, tell
from lava_desire.cli.run import FIXED_POINT, check_computing, named_as_options
from lava_desire.model.fields import ABOVE_0, Part, floats, integers

if TYPE_CHECKING:
    from lava_desire.training.find_rate import TriedRate

_OWN = re.compile(r"(?<![\w-])(lowest|highest)\b")


@with_fields(Part, default="preset's")
@with_samples(*SAMPLES)
@with_settings
def find_rate(
    *,
    where: dict[str, Any],
    lowest: Annotated[float, option("Lowest learning rate.", allowed=floats(ABOVE_0))] = 1e-6,
    highest: Annotated[float, option("Highest learning rate.", allowed=floats(ABOVE_0))] = 1e-2,
    count: Annotated[int, option("How many, evenly in their logarithm.", allowed=integers(2))] = 9,
    samples: Annotated[int, option("Learned at most, by each.", allowed=integers(1))] = 2000,
    epochs: Annotated[int, option("Passes over them.", allowed=integers(1))] = 1,
    which: dict[str, Any],
    how: dict[str, Any],
    quiet: Quiet = False,
    json_: Json = False,
    **fields: Any,
) -> None:
    """Try learning rates in short runs from the same weights, and print what each comes to."""
    given = given_fields(fields)
    if "learning_rate" in given:
        raise ValueError(
            f"--learning-rate is {given['learning_rate']}: expected --lowest, --highest"
        )
    check_computing(*map(how.get, COMPUTING))
    plan, loaded = make_plan(where, given, **which, **how)
    network = plan.network()
    options: dict[str, Any] = {"device": network.device, "kernels": plan.kernels}
    is_integer = network.arithmetic == FIXED_POINT
    options |= {"arithmetic": FIXED_POINT} if is_integer else {"precision": network.precision}

    from lava_desire.training.find_rate import find_learning_rate

    console = make_console(quiet or json_)
    header = iter([" learning rate   held out       loss   firing rates by layer"])

    def show(tried: TriedRate) -> None:
        for line in header:  # once, with the first of them: errors come before
            tell(console, line)
        rates = " ".join(f"{rate:.3f}" for rate in tried.rates) or "beyond all bounds"
        accuracy = 100 * tried.accuracy
        tell(
            console,
            f"{tried.learning_rate:14.2e} {accuracy:8.2f} % {tried.loss:10.4f}   {rates}",
        )

    with named_as_options(), named_as_options(_OWN):
        found = find_learning_rate(
            plan.config,
            loaded,
            lowest=lowest,
            highest=highest,
            count=count,
            samples=samples,
            epochs=epochs,
            on_tried=show,
            **options,
        )
    best = found.best
    if json_:
        print(json.dumps({"best": best.learning_rate, "tried": [asdict(x) for x in found.tried]}))
    end = "" if found.is_inside else "; it is at the end of what was tried: try further"
    tell(console, f"best: --learning-rate {best.learning_rate:.2g}{end}")
