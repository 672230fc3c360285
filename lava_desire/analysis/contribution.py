"""How the inputs contribute to satisfying the first layer's desires: Fig. 8."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from lava_desire import rule
from lava_desire.analysis.style import grid, plots
from lava_desire.analysis.training import Samples
from lava_desire.config import DesireConfig
from lava_desire.engine import Activity, DesireNetwork
from lava_desire.model.option import EligibilityPolicy, refuse_options
from lava_desire.palette import BLUE
from lava_desire.randomness import epoch_order
from lava_desire.sheet import Sheet


@dataclass(frozen=True)
class Contribution:
    """Contribution of every input over the first training samples.

    `values`, (bins, N_0), are what :func:`input_contribution` returned, mean over the
    `samples_a_bin` samples of a bin; `with_desire` is the share of these with a desire in the first
    layer, and `learning_rate` η.
    """

    samples_a_bin: int
    values: Any
    with_desire: list[float]
    learning_rate: float


@torch.inference_mode()
def input_contribution(
    network: DesireNetwork, activity: Activity, labels: Any
) -> npt.NDArray[np.float32]:
    """Return what each input does for the desires of the first layer.

    A spike of input i moves every neuron h by w_hi, and c_h says where h should go (Eq. 14), so ρ_i
    · Σ_h w_hi·c_h is positive where the input's spikes drive the layer where it wants to go and
    negative where they drive it away; a silent input contributes nothing. Returns (B, N_0) float32
    for a forward pass of B samples.
    """
    config = network.config
    refuse_options(config, EligibilityPolicy, ", as errors are those of Eq. 14 here")
    desire = network.desires(activity, labels)[0]
    rates = [
        rule.firing_rate(counts, config.num_steps, margin)
        for counts, margin in zip(activity.counts[:2], (0, config.error_margin), strict=True)
    ]
    errors = rule.local_error(desire, rates[1])
    weights = torch.from_numpy(network.float_weights()[0]).to(network.device)
    z = config.synapses[0].backward(weights, errors)
    contribution: npt.NDArray[np.float32] = (rates[0] * z).cpu().numpy()
    return contribution


def measure_contribution(
    config: DesireConfig,
    data: Samples,
    num_samples: int = 1000,
    samples_a_bin: int = 20,
    device: str = "cpu",
) -> Contribution:
    """Learn the first samples one by one, measuring each before it is learned (Fig. 8).

    The batch size of the config is not used: learning is online, in the order of the first epoch.
    Raises ValueError if there are fewer samples than asked for, or no whole bin of them.
    """
    images, labels = data
    if not 1 <= samples_a_bin <= num_samples <= len(labels):
        raise ValueError(
            f"num_samples is {num_samples}, samples_a_bin {samples_a_bin}: expected "
            f"1 <= samples_a_bin <= num_samples <= {len(labels)}"
        )
    network = DesireNetwork(config.replace(batch_size=1), device)
    order = epoch_order(config.seed, 0, len(labels))[:num_samples]
    bins = num_samples // samples_a_bin
    values = np.zeros((bins, config.num_inputs))
    with_desire = np.zeros(bins)
    for place, index in enumerate(order[: bins * samples_a_bin]):
        image, label = images[index : index + 1], labels[index : index + 1]
        contribution = input_contribution(network, network.forward(image), label)[0]
        values[place // samples_a_bin] += contribution
        result = network.train_step(image, label, config.learning_rate)
        with_desire[place // samples_a_bin] += bool(result.desires[0].any())
    shares = (with_desire / samples_a_bin).tolist()
    return Contribution(samples_a_bin, values / samples_a_bin, shares, config.learning_rate)


@plots
def plot_contribution(sheet: Sheet, measured: Contribution, title: str) -> None:
    """Draw inputs against samples, and below it the mean over the inputs (Fig. 8)."""
    values = np.asarray(measured.values, float)
    bins, num_inputs = values.shape
    samples = (np.arange(bins) + 0.5) * measured.samples_a_bin
    layout = {"sharex": True, "height_ratios": [2.4, 1]}
    top, bottom = sheet.several(2, 1, (8.5, 6.6), **layout)[:, 0]
    limit = float(np.percentile(np.abs(values), 99.5)) or 1.0
    image = top.imshow(
        values.T,
        aspect="auto",
        cmap="RdBu",
        vmin=-limit,
        vmax=limit,
        extent=(0, bins * measured.samples_a_bin, num_inputs, 0),
        interpolation="nearest",
    )
    top.set_ylabel("input (pixel, row by row)")
    sheet.figure.colorbar(
        image, ax=top, label="contribution\nred: against, blue: for the desires", extend="both"
    )
    for sign, name, style in ((1, "positive", "-"), (-1, "negative", "--")):
        part = np.clip(sign * values, 0, None).sum(axis=1)
        bottom.plot(
            samples,
            part,
            color=BLUE if sign > 0 else "#B2182B",
            linestyle=style,
            label=f"sum of {name} contributions" + (", sign dropped" if sign < 0 else ""),
        )
    bottom.plot(
        samples, values.sum(axis=1), color="black", linewidth=2, linestyle=":", label="sum of all"
    )
    bottom.axhline(0, color="0.6", linewidth=0.8)
    bottom.set(xlabel="training samples seen", ylabel="sum over inputs")
    bottom.legend(fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.32), ncols=3)
    grid(bottom)
    top.set_title(
        title
        or f"Contribution of the inputs to the first layer's desires, means of "
        f"{measured.samples_a_bin} samples",
        fontsize=11,
    )
