"""A network trained by desire backpropagation, on minibatches, in torch."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire import rule
from lava_desire.activity import Activity, StepResult, predict
from lava_desire.backends.inputs import as_images, as_labels, as_masks, as_weights, resolve_device
from lava_desire.backends.kernels import Kernels, make_kernels
from lava_desire.backends.numba.philox import draw_kept
from lava_desire.backends.numba.threads import in_parallel, own_threads
from lava_desire.checkpoint import (
    Checkpoint,
    CheckpointError,
    offer_others,
    read_checkpoint,
    write_checkpoint,
)
from lava_desire.config import DesireConfig
from lava_desire.errors import NotFiniteError
from lava_desire.model.fields import LARGEST_FLOAT
from lava_desire.model.integers import LayerFormat, formats_from_dicts
from lava_desire.model.rates import InputRates
from lava_desire.model.state import NetworkState
from lava_desire.randomness import DropoutStream, initial_weights
from lava_desire.scale import warn_of_scale

ARITHMETICS = ("floating_point", "fixed_point")


class DesireNetwork:
    """A fully connected spiking network that learns by desire backpropagation.

    Parameters
    ----------
    config : DesireConfig
        Shape, neuron model and rule.
    device : str or torch.device
        Where weights live and steps run: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    weights : sequence of array, optional
        L arrays (N_ℓ, N_{ℓ−1}), finite; drawn from the config's seed when not given. They are
        copied.
    precision : str
        Arithmetic of the sums over synapses, of :data:`~lava_desire.backends.choices.PRECISIONS`;
        ``"float32"`` is the exact reference.
    kernels : str
        What computes, one of :data:`~lava_desire.backends.choices.KERNELS`.
    arithmetic : {"floating_point", "fixed_point"}
        Fixed point makes a :class:`~lava_desire.backends.integers.network.FixedPointNetwork`: int8
        weights, and the integers of Lava's fixed-point processes.
    formats : sequence of LayerFormat, optional
        How the weights are written in fixed point.

    Attributes
    ----------
    weights : list of Tensor
        L float32 tensors (N_ℓ, N_{ℓ−1}).
    state : NetworkState
        All that changes in learning, by name: weights, mean rates, counters.
    input_rates : InputRates or None
        How often neurons spike, where the config has a `trace_baseline` or a `rate_floor`.
    class_names : tuple of str or None
        What the N_L classes are called, if anything else than 0 to N_L − 1; taken from the data set
        that is learned, and kept in checkpoints.

    Raises
    ------
    ValueError
        If the device is not there, precision, kernels or arithmetic are unknown or do not apply, or
        weights do not fit the config.

    Examples
    --------
    >>> import numpy as np
    >>> network = DesireNetwork(DesireConfig((4, 6, 2), num_steps=5, seed=1))
    >>> images = np.array([[1.0, 0.5, 0.0, 0.2], [0.0, 0.9, 0.6, 0.0]])
    >>> activity = network.forward(images)
    >>> activity.spikes[1].shape  # time, sample, neuron
    torch.Size([5, 2, 6])
    >>> network.train_step(images, [0, 1], learning_rate=1e-3).desires[-1].shape
    torch.Size([2, 2])
    """

    class_names: tuple[str, ...] | None = None

    def __new__(cls, *_: Any, arithmetic: str = "floating_point", **__: Any) -> DesireNetwork:
        """Make a network of the class that computes in that arithmetic."""
        if arithmetic not in ARITHMETICS:
            raise ValueError(
                f"arithmetic is {arithmetic!r}: expected one of {', '.join(ARITHMETICS)}"
            )
        if arithmetic == "fixed_point" and cls is DesireNetwork:
            from lava_desire.backends.integers.network import FixedPointNetwork

            return object.__new__(FixedPointNetwork)
        return object.__new__(cls)

    def __init__(
        self,
        config: DesireConfig,
        device: str | torch.device = "cpu",
        weights: Sequence[Any] | None = None,
        *,
        precision: str = "float32",
        kernels: str = "auto",
        arithmetic: str = "floating_point",
        formats: Sequence[LayerFormat] | None = None,
    ) -> None:
        if formats is not None:
            raise ValueError("formats are given: expected none in floating point")
        if not isinstance(config, DesireConfig):
            raise ValueError(f"config is a {type(config).__name__}: expected a DesireConfig")
        self.config = config
        self.device = resolve_device(device)
        self.precision = precision
        self.kernels = kernels
        self.arithmetic = arithmetic
        self._kernels = make_kernels(config, self.device, precision, kernels)
        if weights is None:
            weights = initial_weights(config)
        arranged = [
            self._kernels.arrange(rule.limit_weights(tensor, config.weight_limit))
            for tensor in as_weights(weights, config.layer_sizes, self.device)
        ]
        self.state = NetworkState.begin(config, arranged)
        self.input_rates = InputRates(config, self.state) if config.follows_rates else None
        self._dropout = [
            DropoutStream(size, config.dropout_of(layer), config.seed, layer)
            for layer, size in enumerate(config.layer_sizes[:-1])
        ]

    @property
    def computing(self) -> Kernels:
        """What the network computes with, by the name of :attr:`kernels`."""
        return self._kernels

    def threads(self) -> AbstractContextManager[None]:
        """Keep torch to one thread where the kernels have threads of their own.

        After an operation that torch shares among its threads these wait busily for milliseconds,
        on the cores that a next step needs. :meth:`forward`, :meth:`train_step` and
        :func:`~lava_desire.engine.fit` do this themselves.

        Returns
        -------
        context manager
            Torch has its threads back behind it.
        """
        return own_threads() if self._kernels.name == "compiled" else nullcontext()

    @property
    def weights(self) -> list[Tensor]:
        """The weights in :attr:`state`."""
        return self.state.weights

    @weights.setter
    def weights(self, weights: Sequence[Tensor]) -> None:
        self.state.weights = list(weights)

    @property
    def samples_seen(self) -> int:
        """Position of the random streams, in samples whose dropout masks have been drawn."""
        return self.state.samples_seen

    @samples_seen.setter
    def samples_seen(self, sample: int) -> None:
        for stream in self._dropout:
            stream.seek(sample)
        self.state.samples_seen = sample

    @torch.inference_mode()
    def forward(self, images: Any, dropout_masks: Sequence[Any] | None = None) -> Activity:
        """Run a batch through the network.

        Parameters
        ----------
        images : array
            (B, N_0), (B, h, w), (B, 1, h, w) or (B, h, w, 1), h · w = N_0; uint8, or float
            brightness in [0, 1].
        dropout_masks : sequence of array, optional
            Masks of the input and the hidden layers, (B, N_ℓ) or (N_ℓ,) bool, true where a neuron
            is kept. Given masks mean training: presynaptic spikes are scaled by 1 / (1 − P_drop)
            (Eq. 16). Without them the pass is an evaluation.

        Returns
        -------
        Activity
            Empty of no images.

        Warns
        -----
        DataWarning
            If the images are bytes on another scale: see :meth:`check_scale`.

        Raises
        ------
        ValueError
            If shapes, dtypes or values are not those above, no pixel can ever spike, or weights
            are NaN or infinite.
        """
        config = self.config
        with self.threads():
            images = as_images(images, config.layer_sizes[0], self.device)
            self.check_scale(images)
            masks = None
            if dropout_masks is not None:
                masks = as_masks(dropout_masks, len(images), config.layer_sizes, self.device)
            self._check_unseen()
            return self.forward_checked(images, masks)

    def forward_checked(self, images: Tensor, masks: list[Tensor] | None = None) -> Activity:
        """Do what :meth:`forward` does, with tensors that passed its checks before.

        Parameters
        ----------
        images : Tensor
            (B, N_0) uint8 or float32, on the device.
        masks : list of Tensor, optional
            [input mask, layer-1 mask, …, layer-(L−1) mask], (B, N_ℓ) bool.

        Returns
        -------
        Activity
            What the pass saw.

        Raises
        ------
        NotFiniteError
            If weights or potentials are NaN or infinite.
        """
        config = self.config
        trains = [self._kernels.encode(images)]
        if masks is not None:
            trains[0] = self._kernels.drop(trains[0], masks[0])
        for layer, weights in enumerate(self.weights, start=1):
            gain = config.dropout_gain(layer - 1) if masks is not None else 1.0
            mask = masks[layer] if masks is not None and layer < config.num_layers else None
            lag = lag_of(layer)
            try:
                trains.append(self._kernels.run_layer(weights, trains[-1], lag, gain, mask))
            except FloatingPointError:
                self.check_finite()
                largest = float(weights.abs().max())
                raise NotFiniteError(
                    f"weights of layer {layer} reach {largest:.3g}, and potentials are no longer "
                    "finite: expected smaller ones, as a smaller learning_rate keeps them"
                ) from None
        prediction = predict(config, self._kernels, trains[-1])
        return Activity(trains, prediction, masks, self._kernels)

    def check_finite(self) -> None:
        """Refuse weights that have grown beyond all bounds, or were given from outside.

        Raises
        ------
        NotFiniteError
            A ValueError, if a weight is NaN or infinite.
        """
        for layer, weights in enumerate(self.weights, start=1):
            if not bool(torch.isfinite(weights).all()):
                raise NotFiniteError(
                    f"weights of layer {layer} became NaN or infinite: expected finite ones, as a "
                    "smaller learning_rate keeps them"
                )

    def check_trainable(self) -> None:
        """Refuse to train what cannot learn as its config says.

        Raises
        ------
        ValueError
            If a weight is NaN or infinite, or, in fixed point, the config asks for what integers
            do not offer, or a learning rate is too small for them.
        """
        self.check_finite()

    def _check_unseen(self) -> None:
        """Look at the weights where the kernels themselves ask the device for no answer."""
        if self._kernels.name == "triton":
            self.check_finite()

    def check_scale(self, images: Tensor, name: str = "images", whole: bool = False) -> None:
        """Look whether the encoder makes spikes of images: see what their scale is.

        Parameters
        ----------
        images : Tensor
            (B, N_0) uint8 or float32, on the device.
        name : str
            What warnings and errors call them.
        whole : bool
            Whether they are a data set, and not some batch.

        Warns
        -----
        DataWarning
            If they are bytes that end below a quarter of 255, as those from 0 to 16 do.

        Raises
        ------
        ValueError
            If no pixel can ever spike, as of bytes 0 and 1.
        """
        warn_of_scale(self.config, images, name, whole=whole, spikes=self._spikes_of)

    def _spikes_of(self, images: Tensor) -> bool:
        """Say whether the encoder makes a spike of any pixel."""
        return bool(self._kernels.counts(self._kernels.encode(images)).any())

    @torch.inference_mode()
    def desires(self, activity: Activity, labels: Any) -> list[Tensor]:
        """Pass desires backward from the labels, with the present weights (Eq. 11, 14, 15).

        Parameters
        ----------
        activity : Activity
            A forward pass of this network.
        labels : array
            (B,) integers in [0, N_L).

        Returns
        -------
        list of Tensor
            L desires, layer 1 first, (B, N_ℓ) int8 in {−1, 0, +1}, before the dropout mask.

        Raises
        ------
        ValueError
            If labels do not fit the batch or the classes.
        """
        config = self.config
        labels = as_labels(labels, len(activity.prediction), config.layer_sizes[-1], self.device)
        return self._desires(activity, labels)

    def _desires(self, activity: Activity, labels: Tensor) -> list[Tensor]:
        config = self.config
        counts = self._kernels.counts(activity.trains[-1])
        if config.class_margin:
            desires = [rule.margin_desire(counts, labels, config.class_margin)]
        else:
            rate = rule.firing_rate(counts, config.num_steps, config.error_margin)
            desires = [rule.output_desire(rate, labels, config.desire_threshold_output)]
        for layer in range(config.num_layers, 1, -1):
            desire = self._kernels.hidden_desire(
                self.weights[layer - 1],
                desires[0],
                activity.trains[layer],
                _mask_of(activity, layer),
            )
            desires.insert(0, desire)
        return desires

    @torch.inference_mode()
    def train_step(
        self,
        images: Any,
        labels: Any,
        learning_rate: float,
        dropout_masks: Sequence[Any] | None = None,
    ) -> StepResult:
        """Learn from one minibatch: forward, desires, summed update (Eq. 1 to 16).

        Parameters
        ----------
        images : array
            (B, N_0), (B, h, w), (B, 1, h, w) or (B, h, w, 1), h · w = N_0; uint8, or float
            brightness in [0, 1].
        labels : array
            (B,) or (B, 1) integers in [0, N_L), or one-hot, (B, N_L) of 0 and 1.
        learning_rate : float
            η ≥ 0, below 2**128.
        dropout_masks : sequence of array, optional
            ``[input mask, layer-1 mask, …, layer-(L−1) mask]``, (B, N_ℓ) bool, true where a neuron
            is kept; drawn from the network's random streams when not given.

        Returns
        -------
        StepResult

        Raises
        ------
        ValueError
            If an argument is not as above, or weights are NaN or infinite; the weights are then
            unchanged.
        """
        config = self.config
        if not 0 <= learning_rate <= LARGEST_FLOAT:  # written so that NaN is outside
            raise ValueError(
                f"learning_rate is {learning_rate!r}: expected 0 <= learning_rate < 2**128"
            )
        with self.threads():
            images = as_images(images, config.layer_sizes[0], self.device)
            if not len(images):
                raise ValueError("images hold no sample: expected at least one to learn from")
            self.check_scale(images)
            labels = as_labels(labels, len(images), config.layer_sizes[-1], self.device)
            masks = None
            if dropout_masks is not None:
                masks = as_masks(dropout_masks, len(images), config.layer_sizes, self.device)
            self._check_unseen()
            return self.train_step_checked(images, labels, learning_rate, masks)

    @torch.inference_mode()
    def train_step_checked(
        self,
        images: Tensor,
        labels: Tensor,
        learning_rate: float,
        masks: list[Tensor] | None = None,
    ) -> StepResult:
        """Do what :meth:`train_step` does, with tensors that passed its checks before.

        Parameters
        ----------
        images : Tensor
            (B, N_0) uint8 or float32, on the device.
        labels : Tensor
            (B,) int64, on the device.
        learning_rate : float
            η ≥ 0.
        masks : list of Tensor, optional
            [input mask, layer-1 mask, …, layer-(L−1) mask], (B, N_ℓ) bool.
            Drawn when not given.

        Returns
        -------
        StepResult
            What the step saw.
        """
        if masks is None:
            masks = self.draw_masks(len(images))
        activity = self.forward_checked(images, masks)
        desires = self._desires(activity, labels)
        num_active = self.update(activity, desires, learning_rate)
        num_correct = int((activity.prediction == labels).sum())
        return StepResult(activity, desires, num_correct, num_active)

    def draw_masks(self, num_samples: int, share: slice | None = None) -> list[Tensor]:
        """Draw the dropout masks of the next samples, or of a share of them.

        Parameters
        ----------
        num_samples : int
            Samples by which the random streams advance.
        share : slice, optional
            Which of them the masks are for, 0 ≤ start ≤ stop ≤ `num_samples`; all when not given.

        Returns
        -------
        list of Tensor
            L masks, input to last hidden layer, (samples of the share, N_ℓ) bool.
        """
        start, stop = (0, num_samples) if share is None else (share.start, share.stop)
        masks = [np.empty((stop - start, stream.num_neurons), bool) for stream in self._dropout]
        begin = self.samples_seen + start

        def piece(first: int, last: int) -> None:
            for stream, keep in zip(self._dropout, masks, strict=True):
                draw_kept(stream.key, begin + first, stream.least, keep[first:last])

        in_parallel(piece, stop - start)
        self._count_drawn(num_samples)
        return [torch.from_numpy(keep).to(self.device) for keep in masks]

    def _count_drawn(self, num_samples: int) -> None:
        self.samples_seen += num_samples

    def update(self, activity: Activity, desires: list[Tensor], learning_rate: float) -> int:
        """Add the summed change of weights (Eq. 4): the second half of :meth:`train_step`.

        Parameters
        ----------
        activity : Activity
            A forward pass of this network, with dropout masks.
        desires : list of Tensor
            L desires, layer 1 first, (B, N_ℓ) int8, before the dropout mask.
        learning_rate : float
            η ≥ 0.

        Returns
        -------
        int
            Samples with a desire in neurons that are kept.
        """
        active = torch.zeros_like(activity.prediction, dtype=torch.bool)
        rated = self.rated(desires[-1])
        # From the last: a layer's own rates, followed as its successor's inputs, come first.
        for layer in range(self.config.num_layers, 0, -1):
            desire = desires[layer - 1]
            active |= self.update_layer(layer, activity, desire, learning_rate, rated)
        return int(active.sum())

    def rated(self, output_desire: Tensor) -> Tensor | None:
        """Tell which samples' spikes mean rates follow: the config's `rates_over`.

        Parameters
        ----------
        output_desire : Tensor
            Of the last layer, (B, N_L) int8.

        Returns
        -------
        Tensor or None
            (B,) bool; None for all.
        """
        return output_desire.any(dim=1) if self.config.rates_desired_samples else None

    @torch.inference_mode()
    def update_layer(
        self,
        layer: int,
        activity: Activity,
        desire: Tensor,
        learning_rate: float,
        rated: Tensor | None = None,
    ) -> Tensor:
        """Add the summed change of weights of one layer (Eq. 4): a part of :meth:`train_step`.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        activity : Activity
            A forward pass of this network.
        desire : Tensor
            Of layer ℓ, (B, N_ℓ) int8, before the dropout mask.
        learning_rate : float
            η ≥ 0, before the layer's factor.
        rated : Tensor, optional
            What :meth:`rated` says, (B,) bool; all samples when not given.

        Returns
        -------
        Tensor
            (B,) bool, samples with a desire in neurons that are kept.
        """
        rate = learning_rate * self.config.learning_rate_scale_of(layer)
        mask, num_spikes = _mask_of(activity, layer), activity.num_spikes
        return self.learn_layer(
            layer,
            activity.trains,
            desire,
            mask,
            rate,
            None if num_spikes is None else num_spikes[layer - 1],
            rated,
        )

    def learn_layer(
        self,
        layer: int,
        trains: Sequence[Any],
        desire: Tensor,
        mask: Tensor | None,
        rate: Any,
        num_spikes: Tensor | None = None,
        rated: Tensor | None = None,
    ) -> Tensor:
        """Do what :meth:`update_layer` does, with all that it needs at hand.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        trains : sequence
            L + 1 spike trains, in the form of :attr:`computing`.
        desire : Tensor
            Of layer ℓ, (B, N_ℓ) int8, before the dropout mask.
        mask : Tensor or None
            Dropout mask of the layer, (B, N_ℓ) bool.
        rate : float
            η times the layer's factor; one float64 on the device for kernels ``"triton"``.
        num_spikes : Tensor, optional
            Spikes of its inputs, all samples together, (N_{ℓ−1},) int64; counted when not given.
        rated : Tensor, optional
            Samples whose spikes mean rates follow, (B,) bool; all when not given.

        Returns
        -------
        Tensor
            (B,) bool, samples with a desire in neurons that are kept.
        """
        kernels, weights = self._kernels, self.weights[layer - 1]
        before, behind = trains[layer - 1 : layer + 1]
        active = kernels.learn(weights, rate, desire, mask, before, lag_of(layer), behind)
        if self.input_rates is not None:
            if num_spikes is None:
                num_spikes = kernels.count_together(before, rated)
            num_rated = len(desire) if rated is None else rated.sum()
            baseline = self.input_rates.follow(layer, num_spikes, num_rated)
            if self.config.trace_baseline:
                kernels.deduct_baseline(weights, rate, desire, mask, behind, baseline)
            floor = self.config.rate_floor_of(layer)
            if floor:
                traces, own = self.input_rates.mean_traces(layer), self.input_rates.rates[layer]
                kernels.lift(weights, rate, own, floor, traces, len(desire))
        if self.config.weight_limit:
            kernels.limit(weights, self.config.weight_limit)
        return active

    def predict(self, images: Any) -> Tensor:
        """Classify images, without dropout.

        Parameters
        ----------
        images : array
            (B, N_0), (B, h, w), (B, 1, h, w) or (B, h, w, 1), h · w = N_0; uint8, or float
            brightness in [0, 1].

        Returns
        -------
        Tensor
            Class a sample, (B,) int64; −1 where the network is undecided.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        return self.forward(images).prediction

    def save(self, path: str | Path) -> None:
        """Write weights and config to a safetensors file, atomically.

        Parameters
        ----------
        path : path
            Where the file goes.

        Raises
        ------
        OSError
            If the file cannot be written; an older file at `path` is then still whole.
        """
        write_checkpoint(self.checkpoint(), path)

    @classmethod
    def load(
        cls, path: str | Path, device: str | torch.device = "cpu", *, precision: str = "float32"
    ) -> DesireNetwork:
        """Read what :meth:`save`, or a training run, has written.

        Parameters
        ----------
        path : path
            The file.
        device : str or torch.device
            Where the network shall live.
        precision : str
            See :class:`DesireNetwork`; of no effect in fixed point.

        Returns
        -------
        DesireNetwork
            In the arithmetic of the file.

        Raises
        ------
        ValueError
            If the file is no such file, or is damaged.
        OSError
            If it cannot be read.
        """
        try:
            stored = read_checkpoint(path)
        except CheckpointError as error:
            raise offer_others(error, Path(path)) from None
        network = DesireNetwork(
            stored.config,
            device,
            stored.weights,
            precision=precision,
            arithmetic=stored.arithmetic,
            formats=formats_from_dicts(stored.formats) if stored.formats else None,
        )
        network.class_names = tuple(stored.class_names) or None
        network.restore(stored)
        return network

    def checkpoint(self, state: dict[str, Any] | None = None) -> Checkpoint:
        """Take a snapshot, of which later steps change nothing.

        Parameters
        ----------
        state : dict, optional
            A trainer's own. With it the snapshot has what only a training run needs as well.

        Returns
        -------
        Checkpoint
            In NumPy arrays.
        """
        return Checkpoint(
            self.config,
            state=state,
            formats=self.format_fields(),
            class_names=self.class_names or (),
            **vars(self.state.copy(for_training=state is not None)),
        )

    def restore(self, stored: NetworkState) -> None:
        """Go on from a state: from weights, mean rates, and the position of the random streams.

        Parameters
        ----------
        stored : NetworkState
            Of a network of the same config, as :func:`~lava_desire.engine.read_checkpoint` returns
            one.
        """
        self.state.restore(stored)
        self.samples_seen = self.state.samples_seen

    def numpy_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of the weights as L NumPy arrays (N_ℓ, N_{ℓ−1}), of their own dtype."""
        return [weights.cpu().numpy().copy() for weights in self.weights]

    def format_fields(self) -> list[dict[str, int]]:
        """Return how the weights are written in fixed point, for a checkpoint; else nothing."""
        return []


def _mask_of(activity: Activity, layer: int) -> Tensor | None:
    """Return the dropout mask of layer ℓ; the output layer, and evaluation, have none."""
    if activity.masks is None or layer >= len(activity.masks):
        return None
    return activity.masks[layer]


def lag_of(layer: int) -> int:
    """Return the synaptic delay before layer ℓ: the encoder is heard at once, a layer later."""
    return 0 if layer == 1 else 1
