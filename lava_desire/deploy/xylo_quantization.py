"""A network trained in floating point becomes one in the integers of Xylo."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch

from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import is_floating, predict_class
from lava_desire.deploy.xylo_network import (
    HIDDEN_SPIKES,
    OUTPUT_SPIKES,
    WEIGHT_SHIFTS,
    XyloNetwork,
    refuse_what_does_not_fit,
)
from lava_desire.engine import DesireNetwork
from lava_desire.model.integers.xylo import STATE_LIMITS, Population, dash_of
from lava_desire.model.synapses import delayed
from lava_desire.training.evaluation import EVALUATION_BATCH, checked_data, evaluate_checked
from lava_desire.training.samples import training_pairs

_LARGEST_WEIGHT = 127
_STEPS = 2.0 ** -(np.arange(19) / 2)
"""Steps to try, relative to that of the largest weight."""
_SHIFTS = 4
"""Shifts of the weights to try, from the largest that keeps the threshold in 16 bits. A potential
is cut at 2^15 − 1, so that thresholds from 2^14 on allow one spike a step, from 2^13 on three."""
_CALIBRATION_SAMPLES = 500


@dataclass(frozen=True)
class XyloLayerReport:
    """What became of one layer.

    `threshold` and `weight_shift` are Xylo's. `clipped_share` of the weights were held at the end
    of the range; `count_error` is the root mean square deviation of spike counts from those in
    floating point, calibration samples. On test samples a neuron emitted more than one spike in
    `several_spikes` of the steps with any, and `saturated` says how often a current or a potential
    was at the end of its 16 bits.
    """

    threshold: int
    weight_shift: int
    clipped_share: float
    count_error: float
    several_spikes: float
    saturated: int


@dataclass(frozen=True)
class XyloReport:
    """How far a network on Xylo is from the one that was trained.

    Parameters
    ----------
    layers : list of XyloLayerReport
        Layer 1 first.
    accuracy_before, accuracy_after : float
        On the test samples, in floating point and in Xylo's integers.
    num_samples : int
        Test samples.
    filter_added : bool
        Whether Xylo filters the currents of a network that was trained without a filter.
    differing, bits : int
        Of a network that has neurons of Xylo: spikes of hidden and output neurons on the test
        samples that are others on Xylo, and how many steps of neurons were compared.
    """

    layers: list[XyloLayerReport]
    accuracy_before: float
    accuracy_after: float
    num_samples: int
    filter_added: bool
    differing: int = 0
    bits: int = 0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        before = "its own integers" if self.bits else "floating point"
        lines = [
            f"accuracy on {self.num_samples} samples: {100 * self.accuracy_before:.2f} % in "
            f"{before}, {100 * self.accuracy_after:.2f} % in Xylo's integers",
            "layer threshold shift  clipped  count error  several spikes  saturated",
        ]
        lines += [
            f"{number:5} {layer.threshold:9} {layer.weight_shift:5} "
            f"{100 * layer.clipped_share:6.2f} % {layer.count_error:12.3f} "
            f"{100 * layer.several_spikes:13.2f} % {layer.saturated:10}"
            for number, layer in enumerate(self.layers, start=1)
        ]
        if self.bits:
            lines.append(f"{self.differing} of {self.bits} spikes of its layers differ on Xylo")
        if self.filter_added:
            lines.append(
                "Xylo filters synaptic currents, which cannot be switched off, and the network was "
                "trained without: train it with synapse_decay=0.5"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class XyloQuantized:
    """A network on Xylo and its report.

    Parameters
    ----------
    network : XyloNetwork
        Weights, decays and thresholds.
    report : XyloReport
        What differs, measured.
    """

    network: XyloNetwork
    report: XyloReport


def to_xylo(network: DesireNetwork, data: Any, *, test: Any = None) -> XyloQuantized:
    """Write a network in the integers of Xylo, each layer on the scale that keeps its spikes best.

    All hidden layers become the recurrent group of the chip. For each layer, input first, steps of
    8-bit weights and shifts are tried, and those are taken with which the spike counts deviate
    least from those in floating point (squared, over the first 500 samples), given the layers below
    on Xylo. A high threshold also keeps neurons from several spikes a step: potentials are cut at
    2^15 − 1. They keep 1 − 2^−dash_mem a step.

    A current of Xylo decays before it is added, i ← (1 − 2^−dash_syn)·(i + W·u), and cannot be
    switched off. A network of ``synapse_decay`` 1 − 2^−k gets dash_syn = k; one without it gets 1,
    and weights that put the same charge into the potential, over several steps.

    A network in fixed point that has neurons of Xylo, by
    :func:`~lava_desire.fixed.xylo_formats`, is written as it is, and repeated to the bit.

    Parameters
    ----------
    network : DesireNetwork
        A network that resets by subtraction, in floating point or with neurons of Xylo.
    data : tuple, Dataset, mapping, torch Dataset or DataLoader
        To choose scales with; as :func:`~lava_desire.engine.fit` takes it.
    test : the same, optional
        What the report is of; that of the data set, or `data`, when not given.

    Returns
    -------
    XyloQuantized

    Raises
    ------
    ValueError
        If the network does not fit the chip, see :class:`XyloNetwork`, has neurons of Loihi in
        fixed point, resets to zero, or has a decay that is not 1 − 2^−k.

    Examples
    --------
    >>> import numpy as np
    >>> from lava_desire import DesireConfig, DesireNetwork
    >>> images, labels = np.random.default_rng(0).random((20, 16)), np.arange(20) % 4
    >>> found = to_xylo(DesireNetwork(DesireConfig((16, 30, 4))), (images, labels))
    >>> found.network.weights_in.shape, int(found.network.dash_mem[0])
    ((16, 30), 1)
    """
    refuse_for_xylo(network)
    data, held_out, _ = training_pairs(network, data, test=test)
    learned, _ = checked_data(network, data, "data")
    images, labels = checked_data(network, held_out.get("test", data), "test")
    with torch.inference_mode():
        floating = is_floating(network)
        chosen = _on_best_scales(network, learned) if floating else _as_they_are(network)
        on_chip = _assembled(network, chosen)
        report = _report(network, on_chip, chosen, images, labels)
    return XyloQuantized(on_chip, report)


def repeat_on_xylo(network: DesireNetwork) -> tuple[XyloNetwork, str]:
    """Return a network that has neurons of Xylo as it is there, and what drawn images say of both.

    Raises ValueError as :func:`to_xylo`.
    """
    refuse_for_xylo(network)
    layers = _as_they_are(network)
    on_chip = _assembled(network, layers)
    shape = (_CALIBRATION_SAMPLES, network.config.num_inputs)
    images = torch.from_numpy(np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8))
    with torch.inference_mode():
        report = _report(
            network, on_chip, layers, images, torch.zeros(len(images), dtype=torch.long)
        )
    return on_chip, f"{report.differing} of {report.bits} spikes of its layers differ on Xylo"


def refuse_for_xylo(network: DesireNetwork) -> None:
    """Refuse a network that Xylo cannot hold.

    Raises ValueError if it does not fit the chip, has neurons of Loihi in fixed point, or layers
    between hidden ones that are shifted by different bits, resets to zero, or has a decay that is
    not 1 − 2^−k, k in [1, 15].
    """
    config = network.config
    refuse_what_does_not_fit(config)
    rule = None if is_floating(network) else getattr(network, "rule", None)
    if not is_floating(network) and (rule is None or rule.neuron != "xylo"):
        raise ValueError(
            "the network has neurons of Loihi in fixed point: write the one in floating point, "
            "from which scales for Xylo are chosen, or learn with formats of xylo_formats(config)"
        )
    if rule is not None and len({form.weight_exp for form in rule.formats[1:-1]}) > 1:
        raise ValueError(
            "weight_exp differs among the layers between hidden neurons: expected the same on "
            "Xylo, which has one shift for them"
        )
    if config.reset != "subtract":
        raise ValueError("reset is 'zero', and neurons of Xylo deduct θ: train with 'subtract'")
    dash_of("decay", config.decay)
    if config.synapse_decay:
        dash_of("synapse_decay", config.synapse_decay)


@dataclass(frozen=True)
class _Layer:
    """A layer on Xylo: mantissas (N_ℓ, N_{ℓ−1}), θ and shift; its clipped share and error."""

    mantissas: Any
    threshold: int
    shift: int
    clipped_share: float
    count_error: float = 0.0


def _on_best_scales(network: DesireNetwork, images: Any) -> list[_Layer]:
    """Choose the scales of each layer in turn, given those of the layers below."""
    config = network.config
    activity = network.forward_checked(images[:_CALIBRATION_SAMPLES])
    trains = activity.spikes[0].cpu().numpy()
    wanted = [counts.cpu().numpy() for counts in activity.counts]
    # The charge that a spike puts into the potential is Xylo's W / (2^dash_syn − 1)⁻¹.
    alpha = 1 - 2.0 ** -_dash_syn(config)
    gain = (1 - alpha) / alpha / (1 - config.synapse_decay)
    chosen: list[_Layer] = []
    shift = None
    for number, weights in enumerate(network.numpy_weights(), start=1):
        trains = delayed(trains, config.delay(number))
        best = None
        group = shift if 2 < number < config.num_layers else None
        for layer in _candidates(weights.astype(np.float64) * gain, config.threshold, group):
            spikes = _population(config, layer, number).run(trains)
            difference = spikes.sum(axis=0, dtype=np.int64) - wanted[number]
            error = float(np.sqrt(np.square(difference).mean()))
            if best is None or error < best[0].count_error:
                best = replace(layer, count_error=error), spikes
        if best is None:
            raise ValueError(f"weights of layer {number} are too small for 16-bit thresholds")
        chosen.append(best[0])
        trains, shift = best[1], best[0].shift
    return chosen


def _as_they_are(network: DesireNetwork) -> list[_Layer]:
    """Return the layers of a network that has neurons of Xylo."""
    pairs = zip(network.numpy_weights(), network.rule.formats, strict=True)
    return [
        _Layer(weights.astype(np.int64), form.threshold, form.weight_exp, 0.0)
        for weights, form in pairs
    ]


def _candidates(weights: Any, threshold: float, shift: int | None) -> Iterator[_Layer]:
    """Yield a layer on all scales; with the `shift` of its group where that is decided."""
    largest = float(np.abs(weights).max()) or threshold
    for step in _STEPS * largest / _LARGEST_WEIGHT:
        mantissas = np.clip(np.rint(weights / step), -_LARGEST_WEIGHT - 1, _LARGEST_WEIGHT)
        clipped = float((np.abs(weights / step - mantissas) > 0.5).mean())
        heights = [max(round(threshold / step * 2**bits), 1) for bits in WEIGHT_SHIFTS]
        fitting = [bits for bits in WEIGHT_SHIFTS if heights[bits] <= STATE_LIMITS[1]]
        for bits in fitting[-_SHIFTS:] if shift is None else {shift} & {*fitting}:
            yield _Layer(mantissas.astype(np.int64), heights[bits], bits, clipped)


def _dash_syn(config: DesireConfig) -> int:
    return dash_of("synapse_decay", config.synapse_decay) if config.synapse_decay else 1


def _population(config: DesireConfig, layer: _Layer, number: int) -> Population:
    """Return the neurons of a layer, counted from 1, alone."""
    ones = np.ones(config.neurons[number], np.int64)
    return Population(
        layer.mantissas.T << layer.shift,
        ones * layer.threshold,
        ones * dash_of("decay", config.decay),
        ones * _dash_syn(config),
        OUTPUT_SPIKES if number == config.num_layers else HIDDEN_SPIKES,
    )


def _assembled(network: DesireNetwork, layers: list[_Layer]) -> XyloNetwork:
    """Return the chain of layers as Xylo holds it: all hidden ones are one recurrent group."""
    config = network.config
    sizes = config.neurons[1:-1]
    ends = np.cumsum((0, *sizes))
    weights_in = np.zeros((config.num_inputs, ends[-1]), np.int64)
    weights_rec = np.zeros((ends[-1], ends[-1]), np.int64)
    weights_out = np.zeros((ends[-1], config.num_classes), np.int64)
    weights_in[:, : sizes[0]] = layers[0].mantissas.T
    for index, layer in enumerate(layers[1:-1]):
        rows, columns = ends[index : index + 2], ends[index + 1 : index + 3]
        weights_rec[slice(*rows), slice(*columns)] = layer.mantissas.T
    weights_out[ends[-2] :] = layers[-1].mantissas.T
    hidden, outputs = np.ones(ends[-1], np.int64), np.ones(config.num_classes, np.int64)
    dash_mem, dash_syn = dash_of("decay", config.decay), _dash_syn(config)
    return XyloNetwork(
        config,
        weights_in,
        weights_rec,
        weights_out,
        threshold=np.repeat([layer.threshold for layer in layers[:-1]], sizes),
        threshold_out=outputs * layers[-1].threshold,
        dash_mem=hidden * dash_mem,
        dash_mem_out=outputs * dash_mem,
        dash_syn=hidden * dash_syn,
        dash_syn_out=outputs * dash_syn,
        weight_shift_in=layers[0].shift,
        weight_shift_rec=layers[1].shift if len(layers) > 2 else 0,
        weight_shift_out=layers[-1].shift,
        image_shape=network.image_shape,
        encodes_integers=not is_floating(network),
    )


def _report(
    network: DesireNetwork, on_chip: XyloNetwork, layers: list[_Layer], images: Any, labels: Any
) -> XyloReport:
    """Run the samples in floating point and in Xylo's integers."""
    config, right = network.config, 0
    ends = np.cumsum(config.neurons[1:-1])[:-1]
    spiking, several, saturated = (np.zeros(len(layers), np.int64) for _ in range(3))
    differing = bits = 0
    for start in range(0, len(labels), _CALIBRATION_SAMPLES):
        batch = slice(start, start + _CALIBRATION_SAMPLES)
        trains = [train.cpu().numpy() for train in network.forward_checked(images[batch]).spikes]
        run = on_chip.run(trains[0])
        found = predict_class(config, run.outputs)
        right += int((found == labels[batch].cpu().numpy()).sum())
        for index, spikes in enumerate([*np.split(run.hidden, ends, axis=2), run.outputs]):
            spiking[index] += np.count_nonzero(spikes)
            several[index] += np.count_nonzero(spikes > 1)
            differing += int(np.count_nonzero(spikes != trains[index + 1]))
            bits += spikes.size
        parts = [*np.split(run.hidden_saturated, ends), run.outputs_saturated]
        saturated += [int(part.sum()) for part in parts]
    reports = [
        XyloLayerReport(
            layer.threshold,
            layer.shift,
            layer.clipped_share,
            layer.count_error,
            float(several[index] / max(spiking[index], 1)),
            int(saturated[index]),
        )
        for index, layer in enumerate(layers)
    ]
    before = evaluate_checked(network, images, labels, EVALUATION_BATCH).accuracy
    compared = (0, 0) if is_floating(network) else (differing, bits)
    after, filters = right / len(labels), bool(config.synapse_decay)
    return XyloReport(reports, before, after, len(labels), not filters, *compared)
