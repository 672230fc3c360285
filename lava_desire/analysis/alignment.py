"""How desires relate to the gradient of a loss: the same network with a surrogate derivative.

With the reset left out of the derivative, the gradient of a layer's weights is a sum over the
window and the samples of three factors,

  −∂L/∂W_oi = Σ_b Σ_t e_o[t] · ψ(p_o[t]) · r_i[t],   ψ(p) = 1 / (1 + (π (p − θ) / θ)²),

with e_o[t] = −∂L/∂s_o[t] and r the traces of Eq. 3. Eq. 4 has the desire d_o in the place of e_o[t]
and the spike s_o[t] in that of ψ. :func:`alignment` replaces one after the other.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.analysis.firing import firing_rates
from lava_desire.backends.base import trace_scan
from lava_desire.backends.inputs import as_input, as_labels
from lava_desire.config import DesireConfig
from lava_desire.engine import DesireNetwork
from lava_desire.model.option import (
    EligibilityPolicy,
    FeedbackPolicy,
    output_desires,
    refuse_options,
)
from lava_desire.model.synapses import delayed, refuse_synapses
from lava_desire.training.callbacks import Callback

LOSSES = ("cross_entropy", "squared_error", "desires")
ERRORS = ("gradient", "mean", "sign", "ternary")
PATHS: dict[str, dict[str, Any]] = {
    "passed_back": {"output": False, "local": "none", "hidden": False},
    "ternary_output": {"hidden": False},
    "undamped": {"local": "none"},
    "gated": {"local": "near"},
    "desire": {},
}
POSTS = ("derivative", "near", "spike")


class _Spike(torch.autograd.Function):
    """s = [p ≥ θ], and ψ where its derivative is asked for."""

    @staticmethod
    def forward(ctx: Any, potential: Tensor, threshold: float) -> Tensor:
        ctx.save_for_backward(potential)
        ctx.threshold = threshold
        return (potential >= threshold).to(potential.dtype)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        (potential,) = ctx.saved_tensors
        return gradients[0] * surrogate_derivative(potential, ctx.threshold), None


def surrogate_derivative(potential: Tensor, threshold: float) -> Tensor:
    """Return ψ(p) = 1 / (1 + (π (p − θ) / θ)²): of an arc tangent, 1 at the threshold.

    Parameters
    ----------
    potential : Tensor
        p before the reset, any shape, float32.
    threshold : float
        θ > 0.

    Returns
    -------
    Tensor
        Of the shape and dtype of `potential`, in (0, 1].

    Examples
    --------
    >>> surrogate_derivative(torch.tensor([1.0, 1.0 + 1 / torch.pi]), threshold=1.0)
    tensor([1.0000, 0.5000])
    """
    return 1 / (1 + (torch.pi / threshold * (potential - threshold)) ** 2)


@dataclass(frozen=True)
class SurrogatePass:
    """A forward pass that has a gradient.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    weights : list of Tensor
        L of (N_ℓ, N_{ℓ−1}).
    trains : list of Tensor
        Spikes of the L + 1 layers, input first, (T, B, N_ℓ) float32, dropped ones silent.
    potentials : list of Tensor
        L of (T, B, N_ℓ) float32, before the reset.
    masks : list of Tensor or None
        Dropout masks, (B, N_ℓ) bool, input to last hidden layer.
    """

    config: DesireConfig
    weights: list[Tensor]
    trains: list[Tensor]
    potentials: list[Tensor]
    masks: list[Tensor] | None = None

    @property
    def counts(self) -> Tensor:
        """Spikes of the output neurons, (B, N_L) float32, with a gradient."""
        return self.trains[-1].sum(0)

    def loss(self, labels: Tensor, kind: str) -> Tensor:
        """Return a loss, summed over the samples.

        Parameters
        ----------
        labels : Tensor
            (B,) int64.
        kind : {"cross_entropy", "squared_error", "desires"}
            Cross entropy of the output counts; Eq. 6, of the rates' errors; or −Σ d_o n_o, whose
            gradient passes the ternary desires of the output (Eq. 11) back.

        Returns
        -------
        Tensor
            () float32.

        Raises
        ------
        ValueError
            If the kind is another.
        """
        config, counts = self.config, self.counts
        if kind == "cross_entropy":
            return torch.nn.functional.cross_entropy(counts, labels, reduction="sum")
        if kind == "squared_error":
            rate = counts / (config.num_steps - config.error_margin)
            squared: Tensor = rule.local_loss(rule.output_error(rate, labels)).sum()
            return squared
        if kind == "desires":
            wanted: Tensor = output_desires(config, counts.detach().long(), labels) * counts
            return -wanted.sum()
        raise ValueError(f"kind is {kind!r}: expected one of {', '.join(LOSSES)}")

    def errors(self, loss: Tensor) -> list[Tensor]:
        """Return e = −∂L/∂s of the L layers, (T, B, N_ℓ) float32."""
        found = torch.autograd.grad(loss, self.trains[1:], retain_graph=True)
        return [-each for each in found]

    def passed_back(
        self, labels: Tensor, output: bool = True, local: str = "rate", hidden: bool = True
    ) -> list[Tensor]:
        """Return what Eq. 11, 13, 14 and 15 bring to each layer, or parts of them.

        Parameters
        ----------
        labels : Tensor
            (B,) int64.
        output : bool
            Whether the output has desires (Eq. 11); else −e of Eq. 5.
        local : {"rate", "none", "near"}
            What a desire becomes before it is passed on: by the rate, Eq. 14; what it is; or, of
            hidden neurons, times the share of the window that they are near the threshold.
        hidden : bool
            Whether hidden neurons have desires (Eq. 15); else z of Eq. 13, passed on as it is.

        Returns
        -------
        list of Tensor
            L of (B, N_ℓ) float32, layer 1 first; with the defaults the engine's desires.
        """
        config = self.config
        rates = [
            rule.firing_rate(train.detach().sum(0), config.num_steps, config.error_margin)
            for train in self.trains[1:]
        ]
        found = [-rule.output_error(rates[-1], labels)]
        if output:
            found = [output_desires(config, self.counts.detach().long(), labels).float()]
        for layer in range(config.num_layers, 1, -1):
            inner = layer < config.num_layers
            mask = self.masks[layer] if self.masks and inner else None
            error = found[0] if mask is None else found[0] * mask
            if local == "near" and inner:
                error = error * self.post(layer, "near").mean(0)
            elif local == "rate" and (hidden if inner else output):
                error = rule.local_error(found[0], rates[layer - 1], mask)
            z = rule.backpropagate_error(self.weights[layer - 1].detach().float(), error)
            if hidden:
                z = rule.hidden_desire(z, config.desire_threshold_of(layer - 1)).float()
            found.insert(0, z)
        return found

    @cached_property
    def traces(self) -> list[Tensor]:
        """Traces of the inputs of the L layers, (T, B, N_{ℓ−1}) float32, scaled as in dropout."""
        config, found = self.config, []
        for layer, train in enumerate(self.trains[:-1], start=1):
            arrived = delayed(train.detach(), config.delay(layer))
            if self.masks is not None:
                arrived = arrived * config.dropout_gain(layer - 1)
            found.append(trace_scan(arrived, config.decay, torch.float32, config.synapse_decay))
        return found

    def post(self, layer: int, kind: str) -> Tensor:
        """Return the postsynaptic factor of layer ℓ, (T, B, N_ℓ) float32.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        kind : {"derivative", "near", "spike"}
            ψ(p); whether p is near the threshold, [|p − θ| < θ/2], which is as much in all; or s.

        Returns
        -------
        Tensor
            0 where a neuron is dropped.

        Raises
        ------
        ValueError
            If the kind is another.
        """
        if kind not in POSTS:
            raise ValueError(f"kind is {kind!r}: expected one of {', '.join(POSTS)}")
        if kind == "spike":
            return self.trains[layer].detach()
        potential, threshold = self.potentials[layer - 1].detach(), self.config.threshold
        if kind == "derivative":
            factor = surrogate_derivative(potential, threshold)
        else:
            factor = ((potential - threshold).abs() < threshold / 2).float()
        if self.masks and layer < self.config.num_layers:
            factor = factor * self.masks[layer]
        return factor


def surrogate_pass(
    config: DesireConfig,
    weights: Sequence[Tensor],
    spikes: Tensor,
    masks: list[Tensor] | None = None,
) -> SurrogatePass:
    """Run the network as the engine does, spike by spike, so that it has a gradient (Eq. 1, 16).

    Parameters
    ----------
    config : DesireConfig
        Of dense layers.
    weights : sequence of Tensor
        L of (N_ℓ, N_{ℓ−1}): as float64 the spikes are the engine's to the bit, as float32 sums are
        faster.
    spikes : Tensor
        Of the encoder, (T, B, N_0) bool.
    masks : list of Tensor, optional
        Dropout masks, as :meth:`~lava_desire.engine.DesireNetwork.draw_masks` returns them; none
        outside training.

    Returns
    -------
    SurrogatePass
        Differentiable in the weights, but through no reset.

    Raises
    ------
    ValueError
        If a layer is not dense.
    """
    refuse_synapses(config, "surrogate_pass")
    trains, potentials = [spikes.float()], []
    if masks is not None:
        trains[0] = trains[0] * masks[0]
    for layer, weight in enumerate(weights, start=1):
        arrived = delayed(trains[-1], config.delay(layer)).to(weight.dtype)
        sums = torch.nn.functional.linear(arrived, weight).float()
        if masks is not None:
            sums = sums * config.dropout_gain(layer - 1)
        mask = masks[layer] if masks is not None and layer < config.num_layers else None
        potential = current = torch.zeros_like(sums[0])
        found, before = [], []
        for step in sums:
            current = rule.filter_current(current, step, config.synapse_decay)
            potential = config.decay * potential + current
            before.append(potential)
            spike = _Spike.apply(potential, config.threshold)  # type: ignore[no-untyped-call]
            spike = spike if mask is None else spike * mask
            fired = spike.detach()
            drop = potential.detach() if config.reset == "zero" else config.threshold
            potential = potential - drop * fired
            found.append(spike)
        trains.append(torch.stack(found))
        potentials.append(torch.stack(before))
    return SurrogatePass(config, list(weights), trains, potentials, masks)


def like_desires(errors: Tensor, desires: Tensor) -> Tensor:
    """Ternarise errors, keeping as many of the largest as there are desires.

    Parameters
    ----------
    errors, desires : Tensor
        (B, N), float32; desires in {−1, 0, +1}.

    Returns
    -------
    Tensor
        (B, N) float32 in {−1, 0, +1}.

    Examples
    --------
    >>> errors, desires = torch.tensor([[3.0, -2.0, 1.0]]), torch.tensor([[0.0, 1.0, -1.0]])
    >>> like_desires(errors, desires)
    tensor([[ 1., -1.,  0.]])
    """
    kept = torch.zeros_like(errors).flatten()
    chosen = errors.abs().flatten().topk(int(desires.count_nonzero())).indices
    kept[chosen] = errors.flatten()[chosen].sign()
    return kept.view_as(errors)


def layer_signals(
    passed: SurrogatePass, labels: Tensor, error: str, errors: list[Tensor]
) -> list[Tensor]:
    """Return what tells the neurons of each layer where to go.

    Parameters
    ----------
    passed : SurrogatePass
        The forward pass.
    labels : Tensor
        (B,) int64.
    error : str
        ``"gradient"``, e[t]; ``"mean"``, its mean over the window; its sign, ``"sign"``; as many of
        the largest as there are desires, of their signs, ``"ternary"``; ``"passed_back"``, what
        comes back through Wᵀ without a derivative or threshold; or ``"desire"``.
    errors : list of Tensor
        Those of :meth:`SurrogatePass.errors`, which the last two do not need.

    Returns
    -------
    list of Tensor
        L of (T, B, N_ℓ), or else (B, N_ℓ), float32.

    Raises
    ------
    ValueError
        If `error` is another.
    """
    if error in PATHS:
        return passed.passed_back(labels, **PATHS[error])
    if error not in ERRORS:
        raise ValueError(f"error is {error!r}: expected one of {', '.join((*ERRORS, *PATHS))}")
    if error == "gradient":
        return errors
    means = [each.mean(0) for each in errors]
    if error == "mean":
        return means
    if error == "sign":
        return [each.sign() for each in means]
    return list(map(like_desires, means, passed.passed_back(labels)))


def weight_directions(
    passed: SurrogatePass,
    signals: Iterable[Tensor],
    post: str,
    baseline: float = 0.0,
) -> list[Tensor]:
    """Sum error, post- and presynaptic factor over window and samples (Eq. 4, or the gradient).

    Parameters
    ----------
    passed : SurrogatePass
        The forward pass.
    signals : iterable of Tensor
        As :func:`layer_signals` returns them.
    post : {"derivative", "near", "spike"}
        See :meth:`SurrogatePass.post`.
    baseline : float
        Share of the mean of each trace, over window and samples, that it is counted from.

    Returns
    -------
    list of Tensor
        L of (N_ℓ, N_{ℓ−1}) float32: to be added to the weights.
    """
    found = []
    for layer, signal in enumerate(signals, start=1):
        traces = passed.traces[layer - 1].flatten(0, 1)
        factor = (signal * passed.post(layer, post)).flatten(0, 1)
        direction = factor.T @ traces
        if baseline:
            direction -= torch.outer(factor.sum(0), baseline * traces.mean(0))
        found.append(direction)
    return found


def cosine(one: Tensor, other: Tensor) -> float:
    """Return the cosine of two arrays of the same shape, taken as vectors; 0 where one is 0.

    Examples
    --------
    >>> cosine(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    0.7071067811865475
    """
    one, other = one.flatten().double(), other.flatten().double()
    norms = float(one.norm() * other.norm())
    return float(one @ other) / norms if norms else 0.0


STAGES: dict[str, tuple[str, str, bool]] = {
    "mean over the window": ("mean", "derivative", False),
    "ternary": ("ternary", "derivative", False),
    "signs of all": ("sign", "derivative", False),
    "passed back": ("passed_back", "derivative", False),
    "ternary output": ("ternary_output", "derivative", False),
    "no local error": ("undamped", "derivative", False),
    "gated": ("gated", "derivative", False),
    "desires, derivative": ("desire", "derivative", False),
    "near threshold": ("gradient", "near", False),
    "spikes": ("gradient", "spike", False),
    "ternary, spikes": ("ternary", "spike", False),
    "no local error, near threshold": ("undamped", "near", False),
    "gated, near threshold": ("gated", "near", False),
    "desires, near threshold": ("desire", "near", False),
    "desires": ("desire", "spike", False),
    "baseline": ("gradient", "derivative", True),
    "desires, baseline": ("desire", "spike", True),
}
"""From gradient to desires: error, postsynaptic factor, and whether traces have a baseline."""


def alignment(network: DesireNetwork, images: Any, labels: Any, loss: str) -> dict[str, Any]:
    """Compare what desires do with the gradient, layer by layer, on one minibatch without dropout.

    Parameters
    ----------
    network : DesireNetwork
        Of dense layers, in floating point.
    images, labels : array
        As :meth:`~lava_desire.engine.DesireNetwork.train_step` takes them: (B, N_0), (B,).
    loss : {"cross_entropy", "squared_error", "desires"}
        See :meth:`SurrogatePass.loss`.

    Returns
    -------
    dict
        ``"updates"``: by stage of :data:`STAGES`, and ``"shuffled desires"``, L cosines with the
        gradient of the weights; ``"neurons"``: by ``"desire"``, ``"passed_back"``, ``"ternary"``,
        ``"sign"``, ``"shuffled"``, L cosines with the mean of e over the window; ``"same_sign"``
        and ``"desired"``: L shares, of the desires that have the sign of that mean, and of neurons
        and samples that have one.

    Raises
    ------
    ValueError
        If images or labels do not fit, the network is in fixed point, a layer is not dense, or the
        config has an `eligibility_width`, or another `feedback` than the weights.
    """
    network.check_floating()
    here = ", as spikes are one of the stages here"
    refuse_options(network.config, EligibilityPolicy, here)
    refuse_options(network.config, FeedbackPolicy, ", as errors come back through Wᵀ here")
    shape = network.image_shape
    inputs = as_input(images, network.config, network.device, image_shape=shape)[:]
    targets = as_labels(labels, len(inputs), network.config.num_classes, network.device)
    spikes = network.backend.unpack(network.backend.encode(inputs))
    weights = [each.double().requires_grad_() for each in network.weights]
    passed = surrogate_pass(network.config, weights, spikes)
    share = network.config.trace_baseline
    errors = passed.errors(passed.loss(targets, loss))
    signals = {error: layer_signals(passed, targets, error, errors) for error in (*ERRORS, *PATHS)}
    generator = torch.Generator(network.device).manual_seed(network.config.seed)
    order = torch.randperm(len(inputs), generator=generator, device=network.device)
    signals["shuffled"] = [
        each[order][:, torch.randperm(each.shape[1], generator=generator)]
        for each in signals["desire"]
    ]
    gradient = weight_directions(passed, signals["gradient"], "derivative")
    stages = {**STAGES, "shuffled desires": ("shuffled", "spike", False)}
    updates = {
        name: list(
            map(
                cosine,
                gradient,
                weight_directions(passed, signals[error], post, share if counted else 0.0),
            )
        )
        for name, (error, post, counted) in stages.items()
    }
    neurons = {
        error: list(map(cosine, signals["mean"], signals[error]))
        for error in ("desire", "passed_back", "ternary", "sign", "shuffled")
    }
    agree, desired = [], []
    for mean, desire in zip(signals["mean"], signals["desire"], strict=True):
        given = desire != 0
        desired.append(float(given.float().mean()))
        agree.append(_share(mean.sign()[given] == desire[given]))
    return {"updates": updates, "neurons": neurons, "same_sign": agree, "desired": desired}


def _share(chosen: Tensor) -> float:
    """Return the share that is true; 0 of none."""
    return float(chosen.float().mean()) if chosen.numel() else 0.0


def satisfied(
    network: DesireNetwork, images: Any, labels: Any, learning_rate: float
) -> dict[str, list[list[float]]]:
    """Tell what becomes of desires: spike counts before and after their own minibatch was learned.

    Both passes, and the update between them, are without dropout; the network stays as it is.

    Parameters
    ----------
    network : DesireNetwork
        The network.
    images, labels : array
        A minibatch, (B, N_0) and (B,).
    learning_rate : float
        η ≥ 0.

    Returns
    -------
    dict
        By ``"more"``, ``"none"``, ``"less"``, the desire: L lists of shares of the neurons and
        samples with that desire whose count rose, stayed and fell; zeros where there are none.

    Raises
    ------
    ValueError
        If images or labels do not fit.
    """
    trial = copy.deepcopy(network)
    before = trial.forward(images)
    desires = trial.desires(before, labels)
    trial.update(before, desires, learning_rate)
    change = [
        (after - count).sign()
        for after, count in zip(trial.forward(images).counts[1:], before.counts[1:], strict=True)
    ]
    return {
        name: [
            [_share(moved[desire == sign] == way) for way in (1, 0, -1)]
            for moved, desire in zip(change, desires, strict=True)
        ]
        for name, sign in (("more", 1), ("none", 0), ("less", -1))
    }


class Understanding(Callback):
    """Measures a run before its first epoch and after every one; to be given to `fit`.

    Parameters
    ----------
    images, labels : array
        Samples to measure with, (S, N_0) and (S,): alignment on all of them, desires that are
        satisfied on minibatches of the config's size.
    by_desires : bool
        Whether the network learns by desires.

    Attributes
    ----------
    records : list of dict
        One a measurement, JSON types: ``"epoch"``, ``"cross_entropy"`` and ``"squared_error"``
        of :func:`alignment`, and ``"satisfied"``, where it learns by desires; ``"silent"`` and
        ``"runaway"`` neurons a layer.
    """

    def __init__(self, images: Any, labels: Any, by_desires: bool = True) -> None:
        self._images, self._labels, self._by_desires = images, labels, by_desires
        self.records: list[dict[str, Any]] = []

    def on_begin(self, run: Any) -> None:
        """Measure the network as it begins."""
        self.measure(run.network, run.epoch)

    def on_epoch_end(self, run: Any, record: Any) -> None:
        """Measure it after an epoch."""
        self.measure(run.network, record.epoch)

    def measure(self, network: DesireNetwork, epoch: int) -> None:
        """Add a record.

        Parameters
        ----------
        network : DesireNetwork
            The network.
        epoch : int
            Epochs that it has learned.
        """
        images, labels = self._images, self._labels
        rates = firing_rates(network, images)
        record: dict[str, Any] = {"epoch": epoch, "silent": rates.silent, "runaway": rates.runaway}
        if self._by_desires:
            for loss in ("cross_entropy", "squared_error"):
                record[loss] = alignment(network, images, labels, loss)
            size = network.config.batch_size
            rate = network.config.learning_rate_at(max(0, epoch - 1))
            parts = [slice(first, first + size) for first in range(0, len(labels), size)]
            found = [satisfied(network, images[part], labels[part], rate) for part in parts]
            record["satisfied"] = {
                name: torch.tensor([each[name] for each in found]).mean(0).tolist()
                for name in found[0]
            }
        self.records.append(record)
