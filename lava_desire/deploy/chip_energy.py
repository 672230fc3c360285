"""Energy of a network on a chip: events that are counted, times what documents say of each.

Nothing here ran on a chip. Every number of a report is *counted* by the engine on real samples,
*derived* (a count times a published figure), or *assumed*, and a figure names its document.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from numbers import Real
from typing import Any, cast

import numpy as np

from lava_desire.data.spike_trains import first_samples
from lava_desire.deploy.chips import find_chip, find_chips
from lava_desire.deploy.chips.base import Chip, Figure
from lava_desire.deploy.energy_report import EVENTS, PARTS, SIMULATED_PARTS, lines_of
from lava_desire.deploy.placement import place
from lava_desire.engine import DesireNetwork
from lava_desire.model import integers
from lava_desire.model.fields import checked_integer
from lava_desire.model.integers.limits import ALIGNMENT_BITS
from lava_desire.model.synapses import delayed
from lava_desire.training.samples import training_pairs

_CORES_A_TILE, _TILES_HIGH = 4, 4  # of Loihi; a tile's number counts upwards first, as in SANA-FE

_Rows = tuple[tuple[str, str, str], ...]
_OF_MAKERS: _Rows = (
    ("synapses", "synaptic_operations", "synaptic_operation"),
    ("somas", "neuron_updates", "neuron_update"),
    ("somas", "neuron_updates_idle", "neuron_update_idle"),
    ("network", "messages", "spike"),
    ("network", "hops_east_west", "hop_east_west"),
    ("network", "hops_north_south", "hop_north_south"),
)
_OF_SANAFE: _Rows = (
    ("synapses", "synaptic_operations", "synaptic_operation"),
    ("somas", "neuron_updates", "neuron_access"),
    ("somas", "neuron_updates_idle", "neuron_access"),
    ("somas", "neuron_updates", "neuron_update"),
    ("somas", "spikes", "spike"),
    ("network", "messages", "message"),
    *_OF_MAKERS[-2:],
)
_LEARNING = (
    ("updates_with_desire", "synapse_update"),
    ("updates_of_spiking", "synapse_update"),
    ("updates_dense", "synapse_update"),
    ("errors_back", "synaptic_operation"),
)


@dataclass(frozen=True)
class LayerEnergy:
    """What a plastic layer does for a sample, a mean over samples.

    Counts are of a window of T + 1 steps: ``spikes`` of its neurons; ``synaptic_operations``,
    ``neuron_updates``, ``neuron_updates_idle``; ``messages``, ``hops_east_west`` and
    ``hops_north_south`` of spikes on their way to it. Energies are picojoules by part
    (``synapses``, ``somas``, ``network``), for the figures of the makers and of each simulator.
    `learning` counts a training step of one sample: ``desires``, ``updates_with_desire``,
    ``updates_of_spiking``, ``weights_changed``, ``updates_dense``, ``errors_back``; of those that
    the makers have a figure for there are `learning_energies`. Both are empty if none is counted.
    """

    layer: int
    events: dict[str, float]
    energies: dict[str, dict[str, float]]
    learning: dict[str, float]
    learning_energies: dict[str, float]


@dataclass(frozen=True)
class Energy:
    """Energy, time and events of a network on a chip.

    Parameters
    ----------
    network, chip, title : str
        Its layers; name and full name of the chip.
    arithmetic : str
        Of the network: in integers, neurons at rest are counted, in floating point assumed.
    samples, training_samples : int
        What means are over: test samples, and training samples for learning, 0 if none is counted.
    accuracy : float
        Of those test samples.
    steps, cores : int
        Time steps of a window; cores, inputs included.
    layers : tuple of LayerEnergy
        Layer 1 first.
    input_spikes : float
        Of a sample.
    time_ns : float or None
        Of a window, where the chip's times are known: in each step the slowest core, which handles
        one event after the other, and the barrier.
    learning_ns : float or None
        More for the updates with desire, and their errors back, in the core that has most; None if
        no learning is counted.
    figures : dict of str to dict
        By whom, and by event, what was multiplied: value, unit, source, kind.
    assumptions : tuple of str
        What was assumed.
    simulated : dict or None
        What a simulator reported of the same network.
    not_learned : str
        Why no training step is counted, ``""`` where it is: what integers cannot learn.
    """

    network: str
    chip: str
    title: str
    arithmetic: str
    samples: int
    training_samples: int
    accuracy: float
    steps: int
    cores: int
    layers: tuple[LayerEnergy, ...]
    input_spikes: float
    time_ns: float | None
    learning_ns: float | None
    figures: dict[str, dict[str, dict[str, Any]]]
    assumptions: tuple[str, ...]
    simulated: dict[str, Any] | None = None
    not_learned: str = ""

    def total(self, by: str = "makers", part: str | None = None) -> float:
        """Return the energy of a sample.

        Parameters
        ----------
        by : str
            Whose figures: ``"makers"``, or the name of a simulator.
        part : str, optional
            One of ``synapses``, ``somas``, ``network``; all when not given.

        Returns
        -------
        float
            In picojoules.
        """
        parts = PARTS if part is None else (part,)
        return sum(layer.energies[by][name] for layer in self.layers for name in parts)

    def learning_total(self, event: str) -> float:
        """Return the energy of one event of learning, in a training step of one sample.

        Parameters
        ----------
        event : str
            A name of :attr:`LayerEnergy.learning`.

        Returns
        -------
        float
            In picojoules; 0 of events without a figure.

        Raises
        ------
        ValueError
            If no training step was counted: see `not_learned`.
        """
        if self.not_learned:
            raise ValueError(f"no training step was counted: {self.not_learned}")
        return sum(layer.learning_energies.get(event, 0.0) for layer in self.layers)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as JSON's types."""
        return asdict(self) | {"events_counted": EVENTS}

    @property
    def report(self) -> str:
        """Tables and sentences of at most 100 columns."""
        return "\n".join(lines_of(self))


def energy(
    network: DesireNetwork,
    data: Any,
    chip: str | Chip = "loihi1",
    *,
    samples: int = 100,
    simulated: Mapping[str, Any] | None = None,
) -> Energy:
    """Count what a network does for a sample and a training step, and what a chip takes for it.

    Parameters
    ----------
    network : DesireNetwork
        Trained, in floating point or in integers; it is not changed.
    data : Dataset, mapping
        As :func:`~lava_desire.engine.fit` takes it, with a test set; classes are numbered by their
        names as the network's are. Test samples are classified, training samples learned, one at a
        time, as the network stands; not by one in integers that cannot learn as its config says.
    chip : str or Chip
        One with energies of events.
    samples : int
        The first of each, at least 1.
    simulated : mapping, optional
        What the script of ``--to sanafe`` wrote, to stand beside.

    Returns
    -------
    Energy

    Raises
    ------
    ValueError
        If no energies of the chip are known, the network does not fit it, samples do not fit, or
        `simulated` is of another network or other samples, or has no energies.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 20, 10)))
    >>> found = energy(network, load_dataset("digits"), samples=5)
    >>> found.cores, found.layers[0].learning["updates_dense"]
    (3, 1280.0)
    """
    chip = find_chip(chip)
    if not chip.energies:
        known = [name for name, each in find_chips().items() if each.energies]
        raise ValueError(
            f"chip is {chip.name!r}, and no document gives its energies: expected one of "
            f"{', '.join(known)}"
        )
    samples = checked_integer("samples", samples, 1)
    if network.arithmetic == "fixed_point":
        integers.refuse_xylo(network.rule.formats, f"on {chip.title}")
    placed = place(network.config, chip)
    train, held_out, _ = training_pairs(network, data)
    test = held_out.get("test")
    if test is None or not len(test[1]):
        raise ValueError("the data have no test samples: expected some to count events on")
    train, (images, labels) = (
        (first_samples(pair[0], samples), np.asarray(pair[1])[:samples]) for pair in (train, test)
    )
    window = _Window(network, images, placed)
    if simulated is not None:
        _check_simulated(simulated, network, window, len(images))
    not_learned = _why_not_learned(network)
    learned = None if not_learned else _learning(network, *train)
    by: dict[str, tuple[Mapping[str, Figure], _Rows]] = {"makers": (chip.energies, _OF_MAKERS)}
    if "sanafe" in chip.simulators:
        by["sanafe"] = (chip.simulators["sanafe"], _OF_SANAFE)
    layers = []
    for number, synapse in enumerate(network.config.synapses, start=1):
        shared, events = synapse.num_positions > 1, window.events[number - 1]
        priced = {
            name: _price(events, figures, rows, shared) for name, (figures, rows) in by.items()
        }
        learning = learned[number - 1] if learned else {}
        learning_energies = {
            event: learning[event] * chip.energies[key].value
            for event, key in _LEARNING
            if learning and key in chip.energies
        }
        layers.append(LayerEnergy(number, events, priced, learning, learning_energies))
    return Energy(
        network=network.config.shape_text,
        chip=chip.name,
        title=chip.title,
        arithmetic=network.arithmetic,
        samples=len(images),
        training_samples=len(train[1]) if learned else 0,
        accuracy=float(np.mean(window.prediction == labels)),
        steps=network.config.num_steps + 1,
        cores=int(placed[-1].max()) + 1,
        layers=tuple(layers),
        input_spikes=window.input_spikes,
        time_ns=window.time(chip.times),
        learning_ns=_learning_time(learned, placed, chip.times) if learned else None,
        figures={
            **{who: {key: asdict(one) for key, one in each[0].items()} for who, each in by.items()},
            "times": {key: asdict(one) for key, one in chip.times.items()},
        },
        assumptions=_assumptions(network),
        simulated=dict(simulated) if simulated is not None else None,
        not_learned=not_learned,
    )


def _check_simulated(
    report: Mapping[str, Any], network: DesireNetwork, window: _Window, samples: int
) -> None:
    """Refuse what was simulated of another network, or of other samples.

    Spikes of a network in integers are those that are counted here; what is simulated of one in
    floating point are its integers, whose encoder and neurons round otherwise.
    """
    config = network.config
    counted: dict[str, Any] = {
        "network": config.shape_text,
        "reset": config.reset,
        "steps": window.steps,
        "samples": samples,
    }
    if network.arithmetic == "fixed_point":
        counted["input_spikes"] = window.input_spikes
        counted["spikes"] = [each["spikes"] for each in window.events]
    for name, value in counted.items():
        given = report.get(name)
        if not (_is_near(given, value) if "spikes" in name else given == value):
            raise ValueError(
                f"simulated has {name} {given}: expected {value}, as the network has here with "
                "the samples that are counted"
            )
    energies = report.get("energy_J")
    parts = energies if isinstance(energies, Mapping) else {}
    shown = {f"energy_J {part}": parts.get(part) for part in SIMULATED_PARTS}
    for name, given in {**shown, "time_s": report.get("time_s")}.items():
        is_number = isinstance(given, Real) and not isinstance(given, bool)
        if not (is_number and 0 <= float(cast(Real, given)) < math.inf):
            raise ValueError(
                f"simulated has {name} {given!r}: expected a finite number, at least 0, as the "
                "script of --to sanafe reports"
            )


def _is_near(given: Any, value: Any) -> bool:
    try:
        array = np.asarray(given, np.float64)
    except (TypeError, ValueError):
        return False
    return array.shape == np.shape(value) and np.allclose(array, value)


def _price(
    events: dict[str, float],
    figures: Mapping[str, Figure],
    rows: _Rows,
    shared: bool,
) -> dict[str, float]:
    """Return picojoules by part; shared weights have a figure of their own where there is one."""
    found = dict.fromkeys(PARTS, 0.0)
    for part, event, key in rows:
        chosen = f"{key}_shared" if shared and f"{key}_shared" in figures else key
        if chosen in figures:
            found[part] += events[event] * figures[chosen].value
    return found


class _Window:
    """Events of a window, counted where every neuron has its core."""

    def __init__(self, network: DesireNetwork, images: Any, placed: list[Any]) -> None:
        config, activity = network.config, network.forward(images)
        in_integers = network.arithmetic == "fixed_point"
        potentials = network.potentials(images) if in_integers else None
        self.prediction = activity.prediction.cpu().numpy()
        spikes = [train.cpu().numpy().astype(np.float64) for train in activity.spikes]
        samples = len(self.prediction)
        self.input_spikes = float(spikes[0].sum() / samples)
        self.steps = config.num_steps + 1
        self.events: list[dict[str, float]] = []
        # Of each core, (T, B) of what it does in a step: synaptic operations, updates; neurons.
        self._cores: list[tuple[Any, Any, int]] = []
        for layer, synapse in enumerate(config.synapses):
            ones = np.ones(synapse.weight_shape)
            sent, before, here = spikes[layer].sum((0, 1)), placed[layer], placed[layer + 1]
            arriving = delayed(spikes[layer], config.delay(layer + 1))
            heard = synapse.forward(ones, arriving) > 0
            if potentials is None:
                active = np.logical_or.accumulate(heard)
            else:
                lasting = potentials[layer].cpu().numpy() != 0
                if config.synapse_decay:
                    lasting |= _currents(network, layer, arriving) != 0
                active = heard | delayed(lasting, 1)
            counts = dict.fromkeys(
                ("synaptic_operations", "messages", "hops_east_west", "hops_north_south"), 0.0
            )
            for core in np.unique(here):
                member = here == core
                begin = synapse.transpose(ones, member.astype(np.float64))
                reached = sent * (begin > 0)
                counts["synaptic_operations"] += float(sent @ begin)
                counts["messages"] += float(reached.sum())
                for source in np.unique(before):
                    east, north = np.abs(_tile(source) - _tile(core))
                    number = float(reached[before == source].sum())
                    counts["hops_east_west"] += east * number
                    counts["hops_north_south"] += north * number
                operations, updates = arriving @ begin, active[:, :, member].sum(2)
                self._cores.append((operations, updates, int(member.sum())))
            counts = {name: count / samples for name, count in counts.items()}
            updates = float(active.sum() / samples)
            counts["neuron_updates"] = updates
            counts["neuron_updates_idle"] = self.steps * synapse.num_post - updates
            counts["spikes"] = float(spikes[layer + 1].sum() / samples)
            self.events.append(counts)

    def time(self, times: Mapping[str, Figure]) -> float | None:
        """Return nanoseconds of a window: the slowest core of each step, and the barrier."""
        if not times:
            return None
        idle = times["neuron_update_idle"].value
        more = times["neuron_update"].value - idle
        of_cores = [
            operations * times["synaptic_operation"].value + updates * more + neurons * idle
            for operations, updates, neurons in self._cores
        ]
        first = max(neurons for _, _, neurons in self._cores) * idle  # all are at rest
        slowest = np.max(of_cores, axis=0).sum(0).mean()
        return float(first + slowest + self.steps * times["barrier"].value)


def _currents(network: DesireNetwork, layer: int, arriving: Any) -> Any:
    """Return the filtered currents of a layer, counted from 0, in integers: (T, B, N_ℓ) int64."""
    rule, synapse = network.rule, network.config.synapses[layer]
    weights = network.numpy_weights()[layer].astype(np.int64)
    found = integers.apply_exponent(
        synapse.current(weights, arriving.astype(np.int64)), rule.formats[layer].weight_exp
    )
    current = np.zeros_like(found[0])
    for step, activation in enumerate(found):
        gain = 1 << ALIGNMENT_BITS
        current = integers.filter_current(current, activation, gain, rule.synapse_decay)
        found[step] = current
    return found


def _tile(core: int) -> Any:
    """Return column and row of a core's tile."""
    return np.array(divmod(int(core) // _CORES_A_TILE, _TILES_HIGH))


def _why_not_learned(network: DesireNetwork) -> str:
    """Return why the network cannot learn as its config says, or nothing."""
    try:
        network.backend.check_learning(network.config.learning_rate)
    except ValueError as error:
        return str(error)
    return ""


def _learning(network: DesireNetwork, images: Any, labels: Any) -> list[dict[str, float]]:
    """Count what learning one sample at a time does, a mean over samples, a dict a layer."""
    config, activity = network.config, network.forward(images)
    desires, trains = network.desires(activity, labels), network.learning_trains(activity)
    pupil, samples = copy.deepcopy(network), len(images)
    changed = np.zeros(config.num_layers)
    for sample in range(samples):
        before = pupil.numpy_weights()
        one = slice(sample, sample + 1)
        pupil.train_step(images[one], labels[one], config.learning_rate)
        after = pupil.numpy_weights()
        changed += [int((x != y).sum()) for x, y in zip(before, after, strict=True)]
    found = []
    for layer, synapse in enumerate(config.synapses):
        ending = synapse.forward(np.ones(synapse.weight_shape), np.ones(synapse.num_pre))
        wanted = desires[layer].cpu().numpy() != 0
        spiking = wanted & (network.backend.counts(trains[layer]).cpu().numpy() > 0)
        found.append(
            {
                "desires": float(wanted.sum() / samples),
                "updates_with_desire": float((wanted @ ending).sum() / samples),
                "updates_of_spiking": float((spiking @ ending).sum() / samples),
                "weights_changed": float(changed[layer] / samples),
                "updates_dense": float(ending.sum()),
                "errors_back": float((wanted @ ending).sum() / samples) if layer else 0.0,
            }
        )
    return found


def _learning_time(
    learned: list[dict[str, float]], placed: list[Any], times: Mapping[str, Figure]
) -> float | None:
    """Return nanoseconds that learning adds: cores of a layer share its work evenly."""
    if "synapse_update" not in times:
        return None
    update, operation = times["synapse_update"].value, times["synaptic_operation"].value
    shares = [len(np.unique(cores)) for cores in placed[1:]]
    updates = max(
        each["updates_with_desire"] * update / cores
        for each, cores in zip(learned, shares, strict=True)
    )
    # Layer by layer, as desires go back.
    back = sum(
        each["errors_back"] * operation / cores for each, cores in zip(learned, shares, strict=True)
    )
    return updates + back


def _assumptions(network: DesireNetwork) -> tuple[str, ...]:
    said = [
        "a neuron that resets by subtraction takes one compartment (as in SANA-FE; Loihi takes two)"
        if network.config.reset == "subtract"
        else "",
        "a core handles its events one after the other, and the barrier takes as long as on 32 "
        "tiles",
        "learning visits each synapse of a neuron with a desire once a sample, at the figure of "
        "pairwise STDP; neurons that carry errors back, and traces, are not counted",
        "leakage of the chip, its x86 cores, and images on their way to it are not counted",
    ]
    if any(map(network.config.dropout_of, range(network.config.num_layers))):
        said.append(
            "desires, and neurons that spiked, are those of a pass without dropout; the steps that "
            "change weights have it"
        )
    if network.config.eligibility_policy is not None:
        said.append(
            "any step of an output neuron and one near the threshold is learned at as a spike is, "
            "which is all that the learning engine of Loihi pairs with traces"
        )
    if network.arithmetic != "fixed_point":
        said.append("a neuron keeps a potential once a spike has arrived (in integers: counted)")
    return tuple(each for each in said if each)
