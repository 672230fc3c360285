"""A network in the integers of SynSense's Xylo, as its simulator computes it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.chips.base import Figure
from lava_desire.deploy.chips.xylo import CHIP
from lava_desire.deploy.integer_network import EncodingNetwork
from lava_desire.model.checks import check_array
from lava_desire.model.fields import checked_integer
from lava_desire.model.integers.xylo import DASHES, STATE_LIMITS, Population
from lava_desire.model.synapses import refuse_synapses

WEIGHT_SHIFTS = range(8)
"""Bits by which weights may be shifted, so that a shifted one stays in 16 bits."""

INPUT_SPIKES, HIDDEN_SPIKES, OUTPUT_SPIKES = 15, 31, 1
"""The most spikes in a step."""


@dataclass(frozen=True)
class XyloRun:
    """What a network on Xylo did.

    Parameters
    ----------
    hidden, outputs : ndarray
        Spikes a step, (T, B, H) and (T, B, N_L) uint8.
    hidden_saturated, outputs_saturated : ndarray
        How often a current or a potential was at an end of its 16 bits, (H,) and (N_L,) int64.
    """

    hidden: Any
    outputs: Any
    hidden_saturated: Any
    outputs_saturated: Any


@dataclass(frozen=True)
class XyloNetwork(EncodingNetwork):
    """Weights, decays and thresholds of a network on Xylo Audio 2 (SYNS61201).

    i ← i + Σ (W ≪ shift)·n;  i ← i − d(i, dash_syn);  v ← v − d(v, dash_mem) + i;  n = ⌊v / θ⌋
    spikes, v ← v − n·θ; where d(x, dash) = x ≫ dash rounds down, and is at least 1 towards zero.
    The current decays in the step in which a spike arrives, so that `dash_syn` 0 loses it. Hidden
    neurons emit up to 31 spikes a step, output neurons one; of an input 15 are taken. All is 16
    bits and saturates, spike by spike. Input arrives in the same step, spikes of hidden neurons in
    the next. That is what ``XyloLayer`` of ``xylosim.v2`` 0.1.3 computes, to the bit.

    Parameters are named as those of rockpool's ``config_from_specification``.

    Parameters
    ----------
    config : DesireConfig
        Sizes, T, and θ of the encoder; all hidden layers together are the recurrent group.
    weights_in, weights_rec, weights_out : array
        (N_0, H), (H, H) and (H, N_L) integers in [−128, 127], H the sum of the hidden layers.
    threshold, threshold_out : array
        θ, (H,) and (N_L,) integers in [1, 2^15).
    dash_mem, dash_mem_out : array
        Decays of potentials, (H,) and (N_L,) integers in [1, 15].
    dash_syn, dash_syn_out : array
        Decays of currents, (H,) and (N_L,) integers in [0, 15].
    weight_shift_in, weight_shift_rec, weight_shift_out : int
        Shifts of the weights, in [0, 7].
    image_shape : tuple of int, optional
        Height and width of the images that were learned; others are refused.
    encodes_integers : bool
        Whether images are encoded in integers, as by a network that has learned in them.

    Raises
    ------
    ValueError
        If an argument is not as above, a layer is not dense, or the chip does not hold as many
        inputs (16), hidden neurons (1000), outputs (8) or synapses between hidden neurons (64 from
        each, 32,000 in all).
    """

    config: DesireConfig
    weights_in: Any
    weights_rec: Any
    weights_out: Any
    threshold: Any
    threshold_out: Any
    dash_mem: Any
    dash_mem_out: Any
    dash_syn: Any
    dash_syn_out: Any
    weight_shift_in: int = 0
    weight_shift_rec: int = 0
    weight_shift_out: int = 0
    image_shape: tuple[int, ...] | None = None
    encodes_integers: bool = False

    def __post_init__(self) -> None:
        refuse_what_does_not_fit(self.config)
        inputs, outputs = self.config.num_inputs, self.config.num_classes
        hidden = sum(self.config.neurons[1:-1])
        weights = (-128, 127, "integers")
        thresholds = (1, STATE_LIMITS[1], "integers")
        of_potentials, dashes = (1, DASHES[-1], "integers"), (0, DASHES[-1], "integers")
        expected: dict[str, tuple[tuple[int, ...], tuple[int, int, str]]] = {
            "weights_in": ((inputs, hidden), weights),
            "weights_rec": ((hidden, hidden), weights),
            "weights_out": ((hidden, outputs), weights),
            "threshold": ((hidden,), thresholds),
            "threshold_out": ((outputs,), thresholds),
            "dash_mem": ((hidden,), of_potentials),
            "dash_mem_out": ((outputs,), of_potentials),
            "dash_syn": ((hidden,), dashes),
            "dash_syn_out": ((outputs,), dashes),
        }
        for name, (shape, limits) in expected.items():
            array = np.asarray(getattr(self, name))
            check_array(name, array, shape, "integer", limits)
            object.__setattr__(self, name, array.astype(np.int64))
        for name in ("weight_shift_in", "weight_shift_rec", "weight_shift_out"):
            ends = WEIGHT_SHIFTS[0], WEIGHT_SHIFTS[-1]
            object.__setattr__(self, name, checked_integer(name, getattr(self, name), *ends))
        _refuse_recurrent(self.weights_rec)

    def arrays(self) -> dict[str, Any]:
        """Return what the chip holds by name, as rockpool takes it: int64 arrays, ints."""
        return {each.name: getattr(self, each.name) for each in fields(self)[1:-2]}

    def run(self, counts: Any) -> XyloRun:
        """Run the network.

        Parameters
        ----------
        counts : array
            Input spikes a step, (T, B, N_0), bool or integers in [0, 255].

        Returns
        -------
        XyloRun
            Spikes of hidden and of output neurons, and what saturated.
        """
        inputs = np.minimum(np.asarray(counts).astype(np.int64), INPUT_SPIKES)
        num_steps, batch, _ = inputs.shape
        weights = np.concatenate(
            [self.weights_in << self.weight_shift_in, self.weights_rec << self.weight_shift_rec]
        )
        group = Population(weights, self.threshold, self.dash_mem, self.dash_syn, HIDDEN_SPIKES)
        spikes = np.zeros((num_steps + 1, batch, len(self.threshold)), np.uint8)
        group.clear(batch)
        for step in range(num_steps):
            arriving = np.concatenate([inputs[step], spikes[step]], axis=1)
            spikes[step + 1] = group.step(arriving)
        readout = Population(
            self.weights_out << self.weight_shift_out,
            self.threshold_out,
            self.dash_mem_out,
            self.dash_syn_out,
            OUTPUT_SPIKES,
        )
        outputs = readout.run(spikes[:-1])
        return XyloRun(spikes[1:], outputs, group.saturated, readout.saturated)

    def spikes(self, trains: Any) -> list[Any]:
        """Run the network, and return the spikes by layers.

        Parameters
        ----------
        trains : array
            Input spikes a step, (T, B, N_0), bool or integers in [0, 255].

        Returns
        -------
        list of ndarray
            Spikes a step of the L layers, (T, B, N_ℓ) uint8; layer ℓ ≥ 2 is one step behind the
            one below, as in :meth:`~lava_desire.deploy.IntegerNetwork.spikes`.
        """
        run = self.run(trains)
        ends = np.cumsum(self.config.neurons[1:-1])
        return [*np.split(run.hidden, ends[:-1], axis=2), run.outputs]

    def _outputs(self, images: Any) -> Any:
        return self.run(self.encode(images)).outputs


def refuse_what_does_not_fit(config: DesireConfig) -> None:
    """Refuse a network whose kinds or numbers of neurons Xylo has not.

    Raises ValueError with the number and the limit.
    """
    refuse_synapses(config, "Xylo")
    layers = config.neurons[1:-1]
    if not layers:
        raise ValueError("the network has no hidden layer: expected one, which inputs lead to")
    _refuse_above("inputs", config.num_inputs, CHIP.inputs)
    _refuse_above("hidden neurons", sum(layers), CHIP.hidden)
    _refuse_above("outputs", config.num_classes, CHIP.outputs)
    for layer, size in enumerate(layers[1:], start=2):
        _refuse_above(
            f"neurons in layer {layer}, to each of which a hidden neuron leads", size, CHIP.fan_out
        )


def _refuse_recurrent(weights: Any) -> None:
    """Refuse more synapses between hidden neurons than there is memory for."""
    synapses = weights != 0
    _refuse_above(
        "synapses from a hidden neuron to others",
        int(synapses.sum(axis=1).max(initial=0)),
        CHIP.fan_out,
    )
    _refuse_above("synapses between hidden neurons", int(synapses.sum()), CHIP.hidden_synapses)


def _refuse_above(name: str, number: int, limit: Figure | None) -> None:
    if limit is not None and number > limit.value:
        raise ValueError(f"the network has {number} {name}: expected at most {limit.value} on Xylo")
