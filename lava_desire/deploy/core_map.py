"""How a network would lie on the cores of a chip, counted from the chip's documents.

A core holds neurons of one layer, spread evenly, and all synapses that end at them; each neuron of
the layer before takes an input axon there. A layer gets as few cores as its limits allow when it is
spread so; a convolution is spread in tiles, a run of positions of a group of channels each.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from math import ceil, prod
from typing import TYPE_CHECKING, Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.axons import Axons, Counts, axons, by_core, list_bits, sizes, wide_enough
from lava_desire.deploy.chips import find_chip
from lava_desire.deploy.chips.base import Chip
from lava_desire.model.fields import checked_integer

if TYPE_CHECKING:
    from lava_desire.checkpoint import Checkpoint
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.network import DesireNetwork

_NEURONS, _MEMORY = "neurons", "synaptic memory"
_IN, _OUT = "input axons", "output axons"
_INPUTS, _HIDDEN, _OUTPUTS = "inputs", "hidden neurons", "outputs"
_BETWEEN, _FROM_ONE = "synapses between hidden neurons", "synapses from a hidden neuron"
_MOST_BITS = 32
_MANY = 1 << 40
_MOST_CORES = 512  # that a layer is spread over, unless a chip has more


@dataclass(frozen=True)
class LayerMap:
    """What a plastic layer takes of a chip.

    `text` is the connection, as ``"200"`` or ``"16c5s2"``; `compartments` are what its N_ℓ neurons
    are made of on the chip. `fan_in` are the synapses that end at one of its neurons, `fan_out` the
    most that begin at one of the layer before. Over all cores `weights` are stored for its
    `synapses`, and synaptic memory holds bytes of weights, of numbers of neurons (`index_bytes`),
    of heads of lists and of what rounding up to words adds (`list_bytes`), of tags
    (`learning_bytes`), and of the synapses of Wᵀ of the next layer, all included
    (`feedback_bytes`). `cores` is 0 where it fits none, or shares the only one; `limited_by` says
    what one core less would exceed, or ``""`` of a single core; `weights_alone` are the cores that
    its weights would fill, were there nothing else. `used` has for each core its ``neurons``
    (compartments), bytes of ``synaptic memory``, ``input axons`` and ``output axons``; of a chip of
    one core, what the layer takes of each of its limits, of the most synapses that begin at a
    neuron only the layer that has most.

    The channels of a convolution are divided into `channel_groups`, and its positions spread over
    ``cores // channel_groups``.
    """

    layer: int
    text: str
    neurons: int
    compartments: int
    fan_in: int
    fan_out: int
    synapses: int
    weights: int
    weight_bytes: float
    index_bytes: float
    list_bytes: float
    learning_bytes: float
    feedback_bytes: float
    cores: int
    limited_by: str
    weights_alone: int
    used: dict[str, tuple[int, ...]]
    channel_groups: int = 1


@dataclass(frozen=True)
class CoreMap:
    """A network on the cores of a chip.

    Parameters
    ----------
    network : str
        Its layers, as ``"64-200-100-10"``.
    chip, title : str
        Name and full name of the chip.
    weight_bits : tuple of int
        Bits of the weights of each layer.
    learning : bool
        Whether the synapses that learning needs are on the chip.
    limits : dict of str to int
        What a core holds, as far as documents say; of a chip of one core, of what layers share.
    chip_cores : int
        Cores of the chip.
    layers : tuple of LayerMap
        Layer 1 first.
    problems : tuple of str
        What does not fit and why, and what would have to be split.
    assumptions : tuple of str
        What was counted, and by which documents.
    """

    network: str
    chip: str
    title: str
    weight_bits: tuple[int, ...]
    learning: bool
    limits: dict[str, int]
    chip_cores: int
    layers: tuple[LayerMap, ...]
    problems: tuple[str, ...]
    assumptions: tuple[str, ...]

    @property
    def fits(self) -> bool:
        """Whether the network fits one chip as it is."""
        return not self.problems

    @property
    def cores(self) -> int:
        """Cores of all layers, or the only one of the chip."""
        return sum(layer.cores for layer in self.layers) if self.has_cores else 1

    @property
    def cores_text(self) -> str:
        """How many of the chip's cores, or nothing where a layer fits none."""
        if not self.has_cores or not all(layer.cores for layer in self.layers):
            return ""
        return f"{self.cores:,} of {self.chip_cores:,} cores, "

    @property
    def has_cores(self) -> bool:
        """Whether the chip has several cores; else layers share what there is."""
        return self.chip_cores > 1

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON's types."""
        return asdict(self) | {"cores": self.cores, "fits": self.fits}

    @property
    def report(self) -> str:
        """Tables and sentences of at most 100 columns."""
        from lava_desire.deploy.core_report import lines_of

        return "\n".join(lines_of(self))


def map_network(
    network: DesireNetwork | IntegerNetwork | Checkpoint | DesireConfig,
    chip: str | Chip = "loihi1",
    weight_bits: int | None = None,
    *,
    learning: bool = False,
) -> CoreMap:
    """Count what a network takes of a chip: cores, memory, axons, and what limits.

    Parameters
    ----------
    network : DesireNetwork, IntegerNetwork, Checkpoint or DesireConfig
        What to map; only its shape, its `reset`, and the bits of its weights count.
    chip : str or Chip
        A name of :func:`lava_desire.deploy.chips.find_chips`.
    weight_bits : int, optional
        Bits of a weight with its sign, 1 to 32; those of a network in integers, or 8.
    learning : bool
        Also count what learning on the chip takes: tags, and a second set of synapses for Wᵀ.

    Returns
    -------
    CoreMap
        Also of a network that does not fit: its `problems` say why.

    Raises
    ------
    ValueError
        If there is no such chip, `weight_bits` is out of range, `network` is none of these, or it
        shares weights and `learning` is asked for: chips learn a synapse at a time.

    Examples
    --------
    >>> from lava_desire import DesireConfig
    >>> found = map_network(DesireConfig((784, 1600, 800, 10), reset="zero"))
    >>> [layer.cores for layer in found.layers], found.layers[0].limited_by
    ([12, 12, 1], 'synaptic memory')
    """
    config = network if isinstance(network, DesireConfig) else getattr(network, "config", None)
    if not isinstance(config, DesireConfig):
        raise ValueError(
            f"network is a {type(network).__name__}: expected a network or a DesireConfig"
        )
    shared = [i for i, each in enumerate(config.synapses, start=1) if each.num_positions > 1]
    if learning and shared:
        raise ValueError(
            f"learning is {learning}, and layer {shared[0]} shares weights, where chips learn a "
            "synapse at a time: expected dense layers"
        )
    if weight_bits is not None:
        weight_bits = checked_integer("weight_bits", weight_bits, 1, _MOST_BITS)
    formats = getattr(network, "format_fields", lambda: getattr(network, "formats", []))()
    bits = [
        weight_bits or (formats[i]["weight_bits"] if formats else 8)
        for i in range(config.num_layers)
    ]
    return _Mapping(config, find_chip(chip), bits, learning).run()


class _Mapping:
    """The work of :func:`map_network`: a network, a chip, and the cores of each layer so far."""

    def __init__(self, config: DesireConfig, chip: Chip, bits: list[int], learning: bool) -> None:
        self.config, self.chip, self.bits, self.learning = config, chip, bits, learning
        self.problems: list[str] = []
        subtracts = config.reset == "subtract"
        self.compartments = chip.most("compartments_to_subtract", 1) if subtracts else 1
        named = {
            _NEURONS: chip.neurons_per_core,
            _MEMORY: chip.synaptic_bytes_per_core,
            _IN: chip.input_axons_per_core,
            _OUT: chip.output_axons_per_core,
        }
        self.limits = {name: int(limit.value) for name, limit in named.items() if limit}
        self.cores = [1] * config.num_layers  # of each group of channels
        self.groups = [1] * config.num_layers
        self.most_cores = max(chip.most("cores", 1), _MOST_CORES)

    def run(self) -> CoreMap:
        self._check_precision_and_fan()
        if self.chip.most("cores", 1) == 1:
            return self._on_one_core()
        layers = range(self.config.num_layers)
        unfit: dict[int, str] = {}
        limited = [""] * len(layers)
        # Axons lead to the cores of the next layer, and errors to those of the layer before.
        before: list[int] = []
        while before != self.cores:
            before = list(self.cores)
            for index in reversed(layers):
                self.cores[index], self.groups[index], name = self._fewest(index)
                limited[index] = name or limited[index]
                if not self.cores[index]:
                    unfit[index], self.cores[index] = name, 1
        for index, name in unfit.items():
            if name == _IN and self.chip.fan_in:
                continue  # said of its synapses already
            what = "one neuron alone takes"
            if name != _IN:
                what = f"spread over {self.most_cores:,} cores it takes"
            self.problems.append(
                f"layer {index + 1}: {what} more {name} than a core's {self.limits[name]:,}; it "
                "would have to be split"
            )
        found = tuple(self._layer(index, limited[index], index in unfit) for index in layers)
        total, of_chip = sum(layer.cores for layer in found), self.chip.most("cores", 1)
        if total > of_chip:
            self.problems.append(
                f"{total:,} cores: a chip has {of_chip:,}; the network would have to be split over "
                f"{ceil(total / of_chip)} chips"
            )
        return self._result(found, of_chip)

    def _result(self, layers: tuple[LayerMap, ...], of_chip: int) -> CoreMap:
        chip = self.chip
        return CoreMap(
            network=self.config.shape_text,
            chip=chip.name,
            title=chip.title,
            weight_bits=tuple(self.bits),
            learning=self.learning,
            limits=self.limits,
            chip_cores=of_chip,
            layers=layers,
            problems=tuple(self.problems),
            assumptions=(*self._assumptions(), *chip.notes),
        )

    def _check_precision_and_fan(self) -> None:
        chip = self.chip
        widest, most = chip.most("weight_bits", _MOST_BITS), chip.most("fan_in", _MANY)
        if chip.lists:
            widest = min(widest, max(chip.lists.weight_bits))
        if max(self.bits) > widest:
            self.problems.append(
                f"weights of {max(self.bits)} bits: the chip holds {widest} (weight_bits)"
            )
        if self.learning and not chip.learns:
            self.problems.append("no document says that synapses learn on the chip")
        for layer, synapse in enumerate(self.config.synapses, start=1):
            if synapse.fan_in > most:
                self.problems.append(
                    f"layer {layer}: {synapse.fan_in:,} synapses end at a neuron, the chip allows "
                    f"{most}; each would have to be split into {ceil(synapse.fan_in / most)}, and "
                    "their sums added"
                )

    def _on_one_core(self) -> CoreMap:
        """Map onto a chip of one core, where layers share what there is."""
        chip, neurons = self.chip, self.config.neurons
        layers = [self._layer(index, "", unfit=True) for index in range(len(neurons) - 1)]
        used: list[dict[str, tuple[int, ...]]]
        if chip.hidden:
            fields = {_INPUTS: "inputs", _HIDDEN: "hidden", _OUTPUTS: "outputs"}
            fields |= {_FROM_ONE: "fan_out", _BETWEEN: "hidden_synapses"}
            used = [{_HIDDEN: neurons[i : i + 1]} for i in range(1, len(neurons) - 1)]
            used.append({_OUTPUTS: neurons[-1:]})
            used[0][_INPUTS] = neurons[:1]
            for each in layers[1:-1]:
                used[each.layer - 1][_BETWEEN] = (each.synapses,)
            for each in sorted(layers[1:-1], key=lambda layer: layer.fan_out)[-1:]:
                used[each.layer - 1][_FROM_ONE] = (each.fan_out,)
        else:
            fields = {_NEURONS: "neurons_per_core", _IN: "input_axons_per_core"}
            used = [
                {_NEURONS: (each.compartments,), _IN: neurons[each.layer - 1 : each.layer]}
                for each in layers
            ]
        known = {place: chip.most(field, 0) for place, field in fields.items()}
        self.limits = {place: most for place, most in known.items() if most}
        for place, most in self.limits.items():
            taken = sum(each.get(place, (0,))[0] for each in used)
            if taken > most and place != _FROM_ONE:
                self.problems.append(f"{taken:,} {place}: the chip has {most:,}")
        most = self.limits.get(_FROM_ONE, _MANY)
        for layer in layers[1:-1]:
            if layer.fan_out > most:
                self.problems.append(
                    f"layer {layer.layer}: {layer.fan_out:,} synapses begin at a hidden neuron "
                    f"before it; the chip allows {most:,}"
                )
        placed = (replace(each, used=mine) for each, mine in zip(layers, used, strict=True))
        return self._result(tuple(placed), 1)

    def _fewest(self, index: int) -> tuple[int, int, str]:
        """Return the fewest cores of a group of channels, the groups, and what one less exceeds.

        0 cores and the limit where it fits none, or takes too many.
        """
        channels, *plane = self.config.synapses[index].post_shape
        if self.learning or not plane:
            channels, plane = 1, [self.config.neurons[index + 1]]
        found = 0, 1, ""
        for groups in sorted({ceil(channels / size) for size in range(1, channels + 1)}):
            fewer = found[0] * found[1] - 1 if found[0] else self.most_cores
            most = min(prod(plane), fewer // groups)
            if not most:
                break
            cores, name = self._fewest_in(index, groups, most)
            if cores or not found[0]:
                found = cores, groups if cores else 1, name or found[2]
        return found

    def _fewest_in(self, index: int, groups: int, most: int) -> tuple[int, str]:
        """Return the fewest cores of each group of channels, from those so far on, and the limit.

        0 cores where it takes more than `most`.
        """

        def exceeded(cores: int) -> dict[str, float]:
            used = self._used(index, cores, groups)[0]
            over = {name: used[name].max() / self.limits[name] for name in self.limits}
            return {name: share for name, share in over.items() if share > 1}

        if self.config.synapses[index].fan_in > self.limits.get(_IN, _MANY):
            return 0, _IN
        low = cores = self.cores[index] if self.learning else 1
        name = ""
        while over := exceeded(cores):
            name = max(over, key=over.__getitem__)
            if cores == most:
                return 0, name
            low, cores = cores, min(most, max(cores + 1, int(cores * over[name])))
        while cores - low > 1:
            middle = (low + cores) // 2
            if over := exceeded(middle):
                low, name = middle, max(over, key=over.__getitem__)
            else:
                cores = middle
        return cores, name

    def _used(
        self, index: int, cores: int, groups: int
    ) -> tuple[dict[str, Counts], dict[str, float]]:
        """Return what a layer takes of each core, and bytes of memory by what they hold."""
        synapse, chip = self.config.synapses[index], self.chip
        shape = synapse.post_shape
        neurons = sizes(shape, cores, groups)
        forward = axons(synapse, cores, shares=bool(chip.shares_weights), groups=groups)
        parts, memory = self._memory(forward, index, int(neurons.max()))
        inputs, outputs = forward.number, np.zeros(len(neurons), np.int64)
        for following in self.config.synapses[index + 1 : index + 2]:
            ahead = axons(following, self.cores[index + 1], groups=self.groups[index + 1])
            outputs += by_core(ahead.reached, shape, cores, groups)
            if self.learning:
                back = axons(following, cores, backward=True)
                more, there = self._memory(back, index + 1, int(neurons.max()))
                parts["feedback"], memory = sum(more.values()), memory + there
                inputs = inputs + back.number
        if index and self.learning:
            back = axons(synapse, self.cores[index - 1], backward=True)
            outputs += by_core(back.reached, shape, cores)
        if self.learning and chip.lists:
            inputs = inputs * chip.lists.learning_axons
        used = {_NEURONS: neurons * self.compartments, _MEMORY: memory, _IN: inputs, _OUT: outputs}
        return used, parts

    def _width(self, index: int) -> int:
        lists = self.chip.lists
        return wide_enough(self.bits[index], lists.weight_bits if lists else ())

    def _memory(self, stored: Axons, index: int, neurons: int) -> tuple[dict[str, float], Counts]:
        """Return bytes of memory by what they hold, and bytes of each core."""
        lists = self.chip.lists
        width = self._width(index)
        number = tag = 0
        if lists and not stored.counts_up:
            numbers = ceil(np.log2(max(neurons * self.compartments, 2)))
            number = wide_enough(numbers, lists.index_bits)
        if lists and self.learning:
            tag = lists.tag_bits
        entry = width + number + tag
        memory = np.array(
            [list_bits(lengths, entry, lists) @ many / 8 for lengths, many in stored.lists]
        )
        parts = {"weights": width, "indices": number, "tags": tag}
        held = {name: stored.synapses * bits / 8 for name, bits in parts.items()}
        return held | {"lists": memory.sum() - stored.synapses * entry / 8}, np.ceil(memory)

    def _layer(self, index: int, limited_by: str, unfit: bool) -> LayerMap:
        synapse, cores, groups = self.config.synapses[index], self.cores[index], self.groups[index]
        used, parts = self._used(index, cores, groups)
        whole = axons(synapse, 1)
        memory = self.limits.get(_MEMORY)
        return LayerMap(
            layer=index + 1,
            text=str((self.config.layers or self.config.neurons[1:])[index]),
            neurons=synapse.num_post,
            compartments=synapse.num_post * self.compartments,
            fan_in=synapse.fan_in,
            fan_out=int(whole.lists[0][0].max()),
            synapses=whole.synapses,
            weights=round(parts["weights"] * 8 / self._width(index)),
            weight_bytes=parts["weights"],
            index_bytes=parts["indices"],
            list_bytes=parts["lists"],
            learning_bytes=parts["tags"],
            feedback_bytes=parts.get("feedback", 0.0),
            cores=0 if unfit else cores * groups,
            limited_by=limited_by,
            weights_alone=ceil(parts["weights"] / memory) if memory else 0,
            used={} if unfit else {name: tuple(map(int, each)) for name, each in used.items()},
            channel_groups=groups,
        )

    def _assumptions(self) -> list[str]:
        chip, config = self.chip, self.config
        said = []
        if chip.most("cores", 1) > 1:
            said.append(
                "A core holds neurons of one layer. Spikes of the input come from outside and take "
                "no neurons; those of the output layer take no axons."
            )
            named = [_NEURONS, _MEMORY, _IN, _OUT]
            unknown = [name for name in named if name not in self.limits]
            if unknown:
                said.append(f"Not limited, as no document gives them: {', '.join(unknown)}.")
        if chip.lists:
            said.append(f"Memory by {chip.lists.source}.")
        elif chip.synaptic_bytes_per_core:
            said.append(
                "Memory is that of the weights alone, a lower bound: nothing else is public."
            )
        if self.compartments > 1:
            source = getattr(chip.compartments_to_subtract, "source", "")
            said.append(
                f"A neuron that resets by subtraction takes {self.compartments} compartments "
                f"({source})."
            )
        if any(synapse.num_positions > 1 for synapse in config.synapses):
            if chip.shares_weights:
                said.append(f"A core stores shared weights once ({chip.shares_weights}).")
            else:
                said.append("Weights of convolutions are stored at every position.")
            said.append(
                "A convolution is spread in tiles, a run of positions of a group of channels each, "
                "as few as there can be of such, from the last layer to the first: where it takes "
                "more than one, its cores are an upper bound, and tiles of other shapes could be "
                "fewer."
            )
            said += [
                f"Layer {i + 1}: {groups} groups of channels, each on {cores} "
                f"core{'s' * (cores > 1)}."
                for i, (cores, groups) in enumerate(zip(self.cores, self.groups, strict=True))
                if groups > 1
            ]
        if self.learning:
            said.append(
                "Learning: a tag a synapse where the layout knows one, and synapses for Wᵀ, which "
                "learn as well. Errors of both signs go through one axon; traces are not counted."
            )
            if config.eligibility_policy is not None:
                said.append(
                    "Learning near the threshold is counted as learning at spikes, which is all "
                    "that an engine beside synapses is documented to pair with traces."
                )
        return said
