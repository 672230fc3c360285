"""A network trained in floating point becomes one in integers."""

from __future__ import annotations

import warnings
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from lava_desire.backends.integers.backend import LayerRange
from lava_desire.engine import DesireNetwork, evaluate, fit
from lava_desire.errors import RangeWarning
from lava_desire.model.fields import MAX_INTEGER, checked_integer
from lava_desire.model.integers import LayerFormat, default_formats
from lava_desire.model.integers.limits import LOIHI_SUM_LIMIT, WEIGHT_BITS
from lava_desire.model.option import refuse_in_integers
from lava_desire.training.evaluation import checked_data
from lava_desire.training.samples import training_pairs

# A few neurons may have weights a hundred times as large as the others: what a scale clips must
# then be weighed against what it rounds, over many powers of two.
_CANDIDATES_A_POWER = 2
_POWERS = 9
_CALIBRATION_SAMPLES = 500


@dataclass(frozen=True)
class LayerReport:
    """Report of one quantised layer.

    `weight_bits`, `weight_exp` and `threshold` are its format, see
    :class:`~lava_desire.fixed.LayerFormat`, and `step` is the weight that mantissa 1 stands for.
    `clipped_share` of the weights were held at the end of the range; `rounding_error` is the root
    mean square of the change of the others, in steps, and `count_error` that of the deviation of
    spike counts from those before, on calibration samples, with the layers below in integers.
    `range` are integers reached in evaluating the test samples.
    """

    weight_bits: int
    weight_exp: int
    threshold: int
    step: float
    largest_weight: float
    clipped_share: float
    rounding_error: float
    count_error: float
    range: LayerRange


@dataclass(frozen=True)
class Report:
    """Report of a quantisation.

    Layers come first to last, before fine-tuning. Accuracies are on the test samples: in floating
    point, in integers before fine-tuning (`accuracy_untuned`), and after it where there was any.
    `weight_bytes` are those of all weights, packed.
    """

    layers: list[LayerReport]
    accuracy_before: float
    accuracy_after: float
    accuracy_untuned: float
    num_samples: int
    fine_tune_epochs: int
    weight_bytes: int

    def to_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON types."""
        return asdict(self)

    def __str__(self) -> str:
        lines = [
            f"accuracy on {self.num_samples} samples: {100 * self.accuracy_before:.2f} % before, "
            f"{100 * self.accuracy_untuned:.2f} % in integers, {100 * self.accuracy_after:.2f} % "
            f"after {self.fine_tune_epochs} epochs of fine-tuning; {self.weight_bytes} bytes",
            "layer bits exp threshold      step  clipped  count error  potential reached",
        ]
        for number, layer in enumerate(self.layers, start=1):
            lines.append(
                f"{number:5} {layer.weight_bits:4} {layer.weight_exp:3} {layer.threshold:9} "
                f"{layer.step:9.3g} {100 * layer.clipped_share:6.2f} % {layer.count_error:12.3f}  "
                f"[{layer.range.lowest}, {layer.range.highest}], "
                f"{layer.range.potentials_saturated} saturated"
            )
        return "\n".join(lines)


@dataclass(frozen=True)
class Quantized:
    """A quantised network and its report.

    Parameters
    ----------
    network : DesireNetwork
        The network in integers.
    report : Report
        Scales, ranges, accuracy before and after.
    """

    network: DesireNetwork
    report: Report


def quantize(
    network: DesireNetwork,
    data: Any,
    weight_bits: int = 8,
    *,
    test: Any = None,
    fine_tune_epochs: int = 0,
    learning_rate: float | None = None,
) -> Quantized:
    """Write a network in integers, each layer on the scale that keeps its spike counts best.

    For each layer, input first, scales from the largest weight down to 1/512 of it are tried, and
    the one is taken with which the layer's spike counts deviate least from those in floating point
    (squared, over the first 500 samples), given the layers below in integers.

    Parameters
    ----------
    network : DesireNetwork
        A network in floating point; it is not changed.
    data : tuple, Dataset, mapping, torch Dataset or DataLoader
        To choose scales with, and to fine-tune on; as :func:`~lava_desire.engine.fit` takes it.
    weight_bits : int
        Bits of a weight with its sign, in [2, 8].
    test : the same, optional
        What the report's accuracies are of; that of the data set, or `data`, when not given.
    fine_tune_epochs : int
        Epochs to learn in integers afterwards, under the integer rule.
    learning_rate : float, optional
        η of fine-tuning; a tenth of the config's when not given. Small ones are better: steps on a
        coarse grid are noisy.

    Returns
    -------
    Quantized

    Warns
    -----
    RangeWarning
        If a layer has summed a step's input to more than the 22 bits of Loihi 1 hold.

    Raises
    ------
    ValueError
        If the network is in integers already, or an argument is not as above.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, load_dataset
    >>> digits = load_dataset("digits")
    >>> found = quantize(DesireNetwork(DesireConfig((64, 20, 10))), digits.train)
    >>> found.network.arithmetic, found.network.weights[0].dtype
    ('fixed_point', torch.int8)
    """
    network.check_floating()
    weight_bits = checked_integer("weight_bits", weight_bits, WEIGHT_BITS[0], WEIGHT_BITS[-1])
    fine_tune_epochs = checked_integer("fine_tune_epochs", fine_tune_epochs, 0, MAX_INTEGER)
    if fine_tune_epochs:
        refuse_in_integers(network.config)
    data, held_out, names = training_pairs(network, data, test=test)
    test = held_out.get("test", data)
    images = checked_data(network, data, "data")[0][:_CALIBRATION_SAMPLES].cpu()
    checked_data(network, test, "test")
    integer, count_errors = _on_best_scales(network, images, weight_bits)
    integer.take_ranges()
    untuned = evaluate(integer, test)
    ranges = integer.take_ranges()
    _warn_of_sums(ranges)
    arrays = zip(network.numpy_weights(), integer.numpy_weights(), strict=True)
    found = zip(arrays, integer.rule.formats, count_errors, ranges, strict=True)
    layers = [_layer_report(*parts, network.config.threshold) for parts in found]
    after = untuned
    if fine_tune_epochs:
        _fine_tune(integer, data, test, fine_tune_epochs, learning_rate)
        after = evaluate(integer, test)
    integer.class_names = names
    said = f"quantised to {weight_bits} bits; epochs and accuracies are of before"
    integer.card = {**network.card, "note": said} if network.card else {}
    report = Report(
        layers,
        evaluate(network, test).accuracy,
        after.accuracy,
        untuned.accuracy,
        untuned.num_samples,
        fine_tune_epochs,
        sum(weights.numel() for weights in integer.weights) * weight_bits // 8,
    )
    return Quantized(integer, report)


def _warn_of_sums(ranges: list[LayerRange]) -> None:
    for layer, reached in enumerate(ranges, start=1):
        if reached.largest_activation > LOIHI_SUM_LIMIT:
            warnings.warn(
                f"layer {layer} sums a step's input to {reached.largest_activation}: Loihi 1 holds "
                f"{LOIHI_SUM_LIMIT} and wraps around; use its weights with one exponent less and "
                "half the threshold, or train with a weight_limit",
                RangeWarning,
                stacklevel=3,
            )


def _on_best_scales(
    network: DesireNetwork, images: Any, weight_bits: int
) -> tuple[DesireNetwork, list[float]]:
    """Choose the scale of each layer in turn; return the network and its errors in spike counts."""
    wanted = network.forward_checked(images.to(network.device)).counts
    formats = list(default_formats(network.config, weight_bits))
    errors = []
    for layer, weights in enumerate(network.numpy_weights()):
        # The layers above do not matter yet, but a network cut off here takes no time for them.
        config = network.config.first_layers(layer + 1)
        tried: list[tuple[float, int, LayerFormat]] = []
        for form in _candidates(weights, network.config.threshold, weight_bits):
            kept = [*formats[:layer], form]
            integer = _in_integers(config, network.numpy_weights()[: layer + 1], kept)
            counts = integer.forward_checked(images).counts[-1].to(wanted[0].device)
            error = float((counts - wanted[layer + 1]).double().square().mean().sqrt())
            tried.append((error, len(tried), form))
        error, _, formats[layer] = min(tried)
        errors.append(error)
    return _in_integers(network.config, network.numpy_weights(), formats), errors


def _candidates(weights: Any, threshold: float, weight_bits: int) -> list[LayerFormat]:
    largest = float(np.abs(weights).max()) or threshold
    exponents = np.arange(_POWERS * _CANDIDATES_A_POWER + 1) / _CANDIDATES_A_POWER
    steps = largest * 2.0**-exponents / (2 ** (weight_bits - 1) - 1)
    return [LayerFormat.of_step(float(step), threshold, weight_bits) for step in steps]


def _in_integers(config: Any, weights: Any, formats: Any) -> DesireNetwork:
    return DesireNetwork(config, weights=weights, arithmetic="fixed_point", formats=formats)


def _layer_report(
    arrays: tuple[Any, Any],
    form: LayerFormat,
    count_error: float,
    reached: LayerRange,
    threshold: float,
) -> LayerReport:
    (weights, mantissas), step = arrays, form.step(threshold)
    exact = weights.astype(np.float64) / step
    clipped = (exact < form.lowest - 0.5) | (exact > form.highest + 0.5)
    inside = (exact - mantissas)[~clipped]
    return LayerReport(
        form.weight_bits,
        form.weight_exp,
        form.threshold,
        step,
        float(np.abs(weights).max()),
        float(clipped.mean()),
        float(np.sqrt(np.square(inside).mean())) if inside.size else 0.0,
        count_error,
        reached,
    )


def _fine_tune(
    network: DesireNetwork, data: Any, test: Any, epochs: int, learning_rate: float | None
) -> None:
    config = network.config
    eta = config.learning_rate / 10 if learning_rate is None else learning_rate
    network.config = config.replace(epochs=epochs, learning_rate=eta)
    try:
        fit(network, data, test)
    finally:
        network.config = config
