"""What a target declares: a backend, chip or framework that a trained network is written for.

The declarations alone are imported for ``lava-desire export --help``: whatever is heavy (torch,
NumPy, Lava, a framework's own package) is imported within ``write`` and ``refuse``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from lava_desire._text import listed


def option(default: Any, help_text: str, allowed: Collection[Any] | None = None) -> Any:
    """Declare an option of a target: a field of its :class:`Options`.

    Targets may share a name: the command then has one option for them, of one type.

    Parameters
    ----------
    default : bool, int, float, str or None
        Its value when it is not given; False for a flag.
    help_text : str
        A sentence for ``lava-desire export --help``.
    allowed : range or sequence, optional
        The values that it may have; any when not given.
    """
    return field(
        default=default, metadata={"help": help_text, "allowed": allowed, "samples": False}
    )


def samples(purpose: str) -> Any:
    """Declare that a target needs samples, and say for what, as in ``"to choose scales with"``.

    Python passes them by the field's name. The command takes the run's own, or those that
    ``--data`` or ``--dataset`` name.
    """
    return field(default=None, metadata={"help": purpose, "allowed": None, "samples": True})


@dataclass(frozen=True)
class Options:
    """The options of a target, checked; a target that has some derives a class of its own.

    Raises
    ------
    ValueError
        If a value is none of those allowed.
    """

    def __post_init__(self) -> None:
        for each in fields(self):
            value, allowed = getattr(self, each.name), each.metadata["allowed"]
            if allowed is None or value in allowed:
                continue
            expected = f"one of {listed([str(each) for each in allowed])}"
            if isinstance(allowed, range):
                expected = f"an integer in [{allowed[0]}, {allowed[-1]}]"
            raise ValueError(f"{each.name} is {value!r}: expected {expected}")


@dataclass(frozen=True)
class ResetOptions(Options):
    """What becomes of a network that resets by subtraction, where neurons reset to zero."""

    convert_reset: bool = option(False, "write reset by subtraction as reset to zero.")

    def refuse_subtraction(self, network: Any, who: str) -> None:
        """Refuse reset by subtraction, unless it is to be converted.

        Raises ValueError naming `who` resets to zero, and what to do.
        """
        if network.config.reset != "zero" and not self.convert_reset:
            raise ValueError(
                f"reset is 'subtract', and {who} reset to zero: train with reset='zero', or export "
                "with convert_reset=True, and measure the accuracy then"
            )


@dataclass(frozen=True)
class ScaleOptions(Options):
    """How weights in floating point become integers."""

    weight_bits: int = option(8, "bits of a weight, 2 to 8.", allowed=range(2, 9))
    data: Any = samples("to choose scales with")


CONVERTED = "; it now resets to zero and spikes less: measure its accuracy"
"""What a report says of a network whose reset was converted."""


@dataclass(frozen=True)
class Target:
    """A backend, chip or framework that trained networks are written for.

    Parameters
    ----------
    name : str
        What ``to`` and ``--to`` call it: the name of its file.
    summary : str
        What is written, and which networks it is for; a line of ``lava-desire export --help``.
    suffix : str
        How the name of the file ends, as ``".nir"``.
    write : callable
        ``write(network, path, options)`` writes the file and returns what to tell the user.
    refuse : callable, optional
        ``refuse(network, options)`` raises ValueError for a network that the target cannot hold.
    options : type
        The class of its options.
    beside : str, optional
        The suffix of a second file that is written, of the same name.
    synapses : tuple of str
        The kinds of synapse that it can hold; networks with others are refused.
    filters_currents : bool
        Whether its neurons have a synaptic filter; else networks with one are refused.
    """

    name: str
    summary: str
    suffix: str
    write: Callable[[Any, Path, Any], str]
    refuse: Callable[[Any, Any], None] | None = None
    options: type[Options] = Options
    beside: str | None = None
    synapses: tuple[str, ...] = ("dense",)
    filters_currents: bool = False

    @property
    def samples(self) -> str | None:
        """The option that takes samples, where the target needs some."""
        return next((f.name for f in fields(self.options) if f.metadata["samples"]), None)

    def needs_samples(self, network: Any) -> bool:
        """Whether this network needs samples: scales are chosen for weights in floating point."""
        from lava_desire.deploy.integer_network import is_floating

        return self.samples is not None and is_floating(network)

    def check(self, network: Any, options: Options | None = None) -> None:
        """Refuse what is no network, and a network that the target cannot hold.

        Raises ValueError naming what it cannot hold, and what to do.
        """
        from lava_desire.deploy.integer_network import IntegerNetwork
        from lava_desire.engine import DesireNetwork
        from lava_desire.model.option import CurrentFilter, refuse_options
        from lava_desire.model.synapses import refuse_synapses

        if not isinstance(network, (DesireNetwork, IntegerNetwork)):
            raise ValueError(
                f"network is a {type(network).__name__}: expected a DesireNetwork or an "
                "IntegerNetwork"
            )
        refuse_synapses(network.config, self.name, self.synapses)
        if not self.filters_currents:
            refuse_options(network.config, CurrentFilter, f" for {self.name}")
        if self.refuse is not None:
            self.refuse(network, options or self.options())


def refuse_integers(network: Any, cure: str) -> None:
    """Refuse a network in integers, for a target that takes floating point only.

    Raises ValueError with what to do instead, the `cure`.
    """
    from lava_desire.deploy.integer_network import is_floating

    if not is_floating(network):
        raise ValueError(f"the network is in fixed point already: {cure}")
