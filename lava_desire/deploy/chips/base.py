"""What a chip declares: its limits and energies, each with the document that gives it.

Nothing is imported for it but the standard library.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

KINDS = {
    "measured": "on the chip",
    "simulated": "by the makers, before there was a chip",
    "documented": "in a document of the makers, or in code that drives the chip",
    "secondary": "in somebody else's words, or worked out from rounded figures",
}
"""How a figure was come by: words for `Figure.kind`."""


@dataclass(frozen=True)
class Figure:
    """A number that somebody published.

    Parameters
    ----------
    value : float
        The number, in `unit`.
    unit : str
        As ``"pJ"``, ``"cores"``, ``"bytes"``.
    source : str
        The document, with page, table or file.
    kind : str
        One of :data:`KINDS`.

    Raises
    ------
    ValueError
        If the kind is none of these, or there is no source.
    """

    value: float
    unit: str
    source: str
    kind: str

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"kind is {self.kind!r}: expected one of {', '.join(KINDS)}")
        if not self.source:
            raise ValueError(f"source is '' of {self.value} {self.unit}: expected the document")

    @property
    def text(self) -> str:
        """The number with its unit, which is in the plural."""
        return f"{self.value:,.10g} {self.unit.rstrip('s') if self.value == 1 else self.unit}"


@dataclass(frozen=True)
class SynapseLists:
    """How a core stores synapses: a list for each input axon, in words.

    Parameters
    ----------
    word_bits : int
        Of a word of memory; a list begins at one.
    header_bits : int
        At the beginning of a list.
    synapses_per_list : int
        Of an axon with more, there are several lists.
    weight_bits, index_bits : tuple of int
        Widths that a weight, and the number of a neuron, can have.
    source : str
        The document.
    tag_bits : int
        Of a synapse that learns, beside its weight.
    learning_axons : int
        Input axons that the synapses of one take when they learn.
    """

    word_bits: int
    header_bits: int
    synapses_per_list: int
    weight_bits: tuple[int, ...]
    index_bits: tuple[int, ...]
    source: str
    tag_bits: int = 0
    learning_axons: int = 1


def _limit(words: str) -> Any:
    """Declare a limit, and what it is called in tables; None where no document gives one."""
    return field(default=None, metadata={"words": words})


@dataclass(frozen=True)
class Chip:
    """A chip as its documents describe it; what none of them gives is None.

    Parameters
    ----------
    name : str
        What ``--chip`` calls it: the name of its file.
    title : str
        Its full name.
    year : int, optional
        Of its document.
    cores : Figure, optional
        Cores of a chip that hold neurons.
    neurons_per_core : Figure, optional
        Neurons, or compartments of neurons, of a core.
    synaptic_bytes_per_core : Figure, optional
        Memory of a core that synapses share.
    input_axons_per_core, output_axons_per_core : Figure, optional
        Spike sources that a core can tell apart; pairs of a neuron and a core that it sends to.
    fan_in, fan_out : Figure, optional
        Synapses that may end, and begin, at one neuron.
    weight_bits : Figure, optional
        The widest weight.
    compartments_to_subtract : Figure, optional
        Compartments that a neuron takes which resets by subtraction; one where there is none.
    inputs, hidden, outputs, hidden_synapses : Figure, optional
        Limits of the whole chip, of one whose neurons have fixed places in a network; `fan_out` and
        `hidden_synapses` are of synapses between hidden neurons then.
    lists : SynapseLists, optional
        How its memory is laid out; without it, a map counts weights alone.
    shares_weights : str
        The document that says that a convolution's weights are stored once; "" if none does.
    learns : str
        The document that says that synapses learn on the chip; "" if none does.
    energies : mapping of str to Figure
        Energy an event: ``synaptic_operation``, ``neuron_update``, ``neuron_update_idle``,
        ``synapse_update``, ``spike``, ``hop_…``.
    times : mapping of str to Figure
        Time an event takes in a core, under the same names, and ``barrier``, which ends a step.
    simulators : mapping of str to mapping
        Energies by event as a simulator of the chip has them, which are not those of the makers.
    notes : tuple of str
        What else a user has to know, a sentence each.
    """

    name: str
    title: str
    year: int | None = None
    cores: Figure | None = _limit("cores")
    neurons_per_core: Figure | None = _limit("neurons a core")
    synaptic_bytes_per_core: Figure | None = _limit("synaptic memory a core")
    input_axons_per_core: Figure | None = _limit("input axons a core")
    output_axons_per_core: Figure | None = _limit("output axons a core")
    fan_in: Figure | None = _limit("synapses to a neuron")
    fan_out: Figure | None = _limit("synapses from a neuron")
    weight_bits: Figure | None = _limit("bits a weight")
    compartments_to_subtract: Figure | None = _limit("neurons for one that resets by subtraction")
    inputs: Figure | None = _limit("inputs of the chip")
    hidden: Figure | None = _limit("hidden neurons of the chip")
    outputs: Figure | None = _limit("outputs of the chip")
    hidden_synapses: Figure | None = _limit("synapses between hidden neurons")
    lists: SynapseLists | None = None
    shares_weights: str = ""
    learns: str = ""
    energies: Mapping[str, Figure] = field(default_factory=dict)
    times: Mapping[str, Figure] = field(default_factory=dict)
    simulators: Mapping[str, Mapping[str, Figure]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def most(self, limit: str, otherwise: int) -> int:
        """Return the value of a limit, by the name of its field, or another of an unknown one."""
        figure = getattr(self, limit)
        return int(figure.value) if figure else otherwise

    def limits(self) -> dict[str, Figure]:
        """Return the limits that are known, by what they are called in tables."""
        declared = {each.metadata.get("words"): getattr(self, each.name) for each in fields(self)}
        return {words: figure for words, figure in declared.items() if words and figure}
