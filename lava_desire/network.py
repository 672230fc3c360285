"""A network trained by desire backpropagation, on minibatches, in torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.activity import Activity, StepResult
from lava_desire.backends.base import Backend, Layer
from lava_desire.backends.inputs import Inputs, as_input, as_labels, as_masks, resolve_device
from lava_desire.backends.registry import FIXED_POINT, FLOATING_POINT, make_backend
from lava_desire.card import learned
from lava_desire.checkpoint import (
    Checkpoint,
    CheckpointError,
    offer_others,
    read_checkpoint,
    write_checkpoint,
)
from lava_desire.config import OPTIONS, DesireConfig
from lava_desire.data import DataWarning
from lava_desire.errors import NotFiniteError
from lava_desire.model.arrays import Array
from lava_desire.model.checks import check_layers
from lava_desire.model.fields import LARGEST_FLOAT
from lava_desire.model.integers import IntegerRule, LayerFormat, formats_from_dicts
from lava_desire.model.option import (
    CurrentFilter,
    DecisionPolicy,
    Filter,
    LayerUpdate,
    check_decisions,
)
from lava_desire.model.options.reset import Reset
from lava_desire.model.parts import Network
from lava_desire.model.rates import InputRates
from lava_desire.model.state import NetworkState
from lava_desire.model.synapses import Dense
from lava_desire.randomness import DropoutStream, feedback_held, initial_weights
from lava_desire.scale import warn_of_scale
from lava_desire.state_dict import IncompatibleKeys, collect, load

if TYPE_CHECKING:
    from lava_desire.backends.integers.backend import IntegerBackend, LayerRange
    from lava_desire.training.average import WeightAverage


_OF_INFERENCE = [
    Network,
    *(each for each in OPTIONS if issubclass(each, (CurrentFilter, DecisionPolicy, Filter, Reset))),
]
"""The parts of a configuration that say how a network spikes and decides without learning."""


class DesireNetwork:
    """A spiking network, of dense layers or convolutions, that learns by desire backpropagation.

    Parameters
    ----------
    config : DesireConfig
        Shape, neuron model and rule.
    device : str or torch.device
        Where weights live and steps run: ``"cpu"``, ``"cuda"``, ``"cuda:1"``.
    weights : sequence of array, optional
        L arrays (N_ℓ, N_{ℓ−1}), or (C', C, k_h, k_w) of a convolution, finite: the `weight_shape`
        of each of the config's `synapses`. Drawn from the config's seed when not
        given. They are copied. In fixed point integers are mantissas in the range of their format,
        and floats are rounded to the nearest mantissa.
    precision : str
        Arithmetic of the sums over synapses, of :data:`~lava_desire.backends.registry.PRECISIONS`;
        ``"float32"`` is the exact reference. Fixed point has no other than the default.
    kernels : str
        What computes, one of :data:`~lava_desire.backends.registry.KERNELS`.
    arithmetic : {"floating_point", "fixed_point"}
        Fixed point is that of Lava's ``fixed_pt`` processes, with int8 weights, on the CPU:
        :class:`~lava_desire.backends.integers.backend.IntegerBackend`.
    formats : sequence of LayerFormat, optional
        How the weights of the L layers are written in fixed point;
        :func:`~lava_desire.fixed.default_formats` when not given.

    Attributes
    ----------
    weights : list of Tensor
        L float32 tensors (N_ℓ, N_{ℓ−1}) or (C', C, k_h, k_w); int8 in fixed point.
    state : NetworkState
        All that changes in learning, by name: weights, mean rates, counters.
    backend : Backend
        What the network computes with, by the names of `kernels` and `arithmetic`.
    input_rates : InputRates or None
        How often neurons spike, where the config has a `trace_baseline` or a `rate_floor`.
    class_names : tuple of str or None
        What the N_L classes are called, if anything else than 0 to N_L − 1; taken from the data set
        that is learned, and kept in checkpoints.
    card : dict
        What it was trained on and how well it does, JSON types, kept in checkpoints;
        :func:`~lava_desire.engine.fit` writes it, and more may be added under other names.

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

    def __init__(
        self,
        config: DesireConfig,
        device: str | torch.device = "cpu",
        weights: Sequence[Any] | None = None,
        *,
        precision: str = "float32",
        kernels: str = "auto",
        arithmetic: str = FLOATING_POINT,
        formats: Sequence[LayerFormat] | None = None,
    ) -> None:
        if not isinstance(config, DesireConfig):
            raise ValueError(f"config is a {type(config).__name__}: expected a DesireConfig")
        self.device = resolve_device(device)
        self.kernels = kernels
        self.arithmetic = arithmetic
        self.precision = precision
        self._compute_as(config, formats)
        self.precision = self.backend.precision
        if weights is None:
            weights = initial_weights(config)
        with self.threads():
            self.state = self._state_of(self.backend.as_weights(weights))
        self.card: dict[str, Any] = {}

    @property
    def config(self) -> DesireConfig:
        """The configuration. A network may be given another one of the same synapses.

        It then computes and learns as that says, from the state that it has; a callback of a run
        may set it between two epochs, of several ranks on the first, as the run's data allow. An
        average of its weights then goes on, ends, or begins, as `weight_average` says. Its card
        says no accuracy where it spikes or decides otherwise.
        """
        return self._config

    @config.setter
    def config(self, config: DesireConfig) -> None:
        self._check_synapses(config)
        known, fields = self._config, self.format_fields()
        self._compute_as(config, formats_from_dicts(fields) if fields else None)
        before, self.state = self.state, self._state_of(self.weights)
        self.restore(before)
        if config.weight_average:
            self.state.average = before.average  # of a run that goes on
            self.state.minibatches_averaged = before.minibatches_averaged
        if any(known.part(kind) != config.part(kind) for kind in _OF_INFERENCE):
            self._forget_accuracy("settings")

    def _check_synapses(self, config: DesireConfig) -> None:
        """Refuse a configuration of other synapses; dense ones know no planes."""
        mine, others = (
            [each.weight_shape if isinstance(each, Dense) else each for each in some.synapses]
            for some in (self._config, config)
        )
        if others != mine:
            raise ValueError(
                f"config has the layers {config.shape_text}: expected those of the network, "
                f"{self._config.shape_text}"
            )
        if config.num_pixels != self._config.num_pixels:  # filters make other channels of them
            raise ValueError(
                f"config takes images of {config.num_pixels} pixels: expected those of the "
                f"network, of {self._config.num_pixels}"
            )

    def _compute_as(self, config: DesireConfig, formats: Sequence[LayerFormat] | None) -> None:
        self.backend: Backend = make_backend(
            config, self.device, self.precision, self.kernels, self.arithmetic, formats
        )
        self._config = config
        self._dropout = [
            DropoutStream(size, config.dropout_of(layer), config.seed, layer)
            for layer, size in enumerate(config.neurons[:-1])
        ]
        self._feedback: dict[int, Tensor] = {}  # by layer, drawn when it is needed

    def _state_of(self, weights: list[Tensor]) -> NetworkState:
        return NetworkState.begin(self._config, weights, self.arithmetic == FIXED_POINT)

    @property
    def input_rates(self) -> InputRates | None:
        """The mean rates in :attr:`state`, where the config follows any."""
        if not self.state.holds("input_rates"):
            return None
        return InputRates(self._config, self.state, self.arithmetic == FIXED_POINT)

    @property
    def computing(self) -> Backend:
        """Name of :attr:`backend` in 0.1."""
        return self.backend

    def threads(self) -> AbstractContextManager[None]:
        """Keep torch to one thread where the backend has threads of its own.

        After an operation that torch shares among its threads these wait busily for milliseconds,
        on the cores that a next step needs, or another run; beside other runs each operation waits
        for a thread that has lost its core. :meth:`forward`, :meth:`train_step`, what makes or
        restores a network, and :func:`~lava_desire.engine.fit` do this themselves.

        Returns
        -------
        context manager
            Torch has its threads back behind it.
        """
        return self.backend.threads()

    @property
    def weights(self) -> list[Tensor]:
        """The weights in :attr:`state`: L tensors of `weight_shape`, float32 or int8 mantissas.

        Setting them raises ValueError if number, shapes or dtypes are others.
        """
        return self.state.weights

    @weights.setter
    def weights(self, weights: Sequence[Tensor]) -> None:
        self._check_held(weights)
        with self.threads():
            # No −0.0: see Backend.as_weights.
            self.state.weights = [self.backend.arrange(each.detach() + 0) for each in weights]
        self._forget_accuracy()

    @property
    def samples_seen(self) -> int:
        """Position of the random streams, in samples whose dropout masks have been drawn.

        In fixed point, in samples that have been learned.
        """
        return self.state.samples_seen

    @samples_seen.setter
    def samples_seen(self, sample: int) -> None:
        for stream in self._dropout:
            stream.seek(sample)
        self.state.samples_seen = sample

    @property
    def image_shape(self) -> tuple[int, ...] | None:
        """Height and width of the images that were learned, where its card says them."""
        return learned(self.card, "image_shape", int)

    @property
    def feature_names(self) -> tuple[str, ...] | None:
        """Columns of the table that was learned, in their order, where its card says them."""
        return learned(self.card, "feature_names", str)

    @torch.inference_mode()
    def forward(self, images: Any, dropout_masks: Sequence[Any] | None = None) -> Activity:
        """Run a batch through the network.

        Parameters
        ----------
        images : array
            (B, N), (B, h, w), (B, 1, h, w) or (B, h, w, 1), h · w = N; (B, C, H, W) where the
            config has that `input_shape`; uint8, or float brightness in [0, 1]. N is the config's
            `num_pixels`, N_0 but where filters make channels.
            Or spike trains, (T, B, N_0) or (T, B, C, H, W) bool, or
            :class:`~lava_desire.data.SpikeTrains`.
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
            images = as_input(images, config, self.device, image_shape=self.image_shape)[:]
            self.check_scale(images)
            masks = None
            if dropout_masks is not None:
                masks = as_masks(dropout_masks, len(images), config.neurons, self.device)
            self._check_unseen()
            return self.forward_checked(images, masks)

    def forward_checked(self, images: Tensor, masks: list[Tensor] | None = None) -> Activity:
        """Do what :meth:`forward` does, with tensors that passed its checks before.

        Parameters
        ----------
        images : Tensor
            (B, N) uint8 or float32, or packed spikes, (B, ⌈T/8⌉, N_0) uint8; on the device.
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
        ValueError
            If the state holds weights of another number, shape or dtype than the config asks for.
        """
        backend = self.backend
        self._check_held(self.weights)
        trains = [backend.encode(images)]
        if masks is None and len(images) == 1 and backend.online is not None:
            found = backend.online.forward(self.weights, trains[0])
            if found is not None:
                return self._decided(found, None)
        if masks is not None:
            trains[0] = backend.drop(trains[0], masks[0])
        learns = masks is not None and self.config.eligibility_policy is not None
        eligible: list[Any] = []
        for layer, weights in zip(backend.layers, self.weights, strict=True):
            passed = (layer, weights, trains[-1], *self._dropout_of(masks, layer))
            try:
                if learns and layer.number < self.config.num_layers:
                    spikes, steps = backend.run_eligible(*passed)
                    eligible.append(steps)
                else:
                    spikes = backend.run(*passed)
                trains.append(spikes)
            except FloatingPointError:
                self.check_finite()
                largest = float(weights.abs().max())
                raise NotFiniteError(
                    f"weights of layer {layer.number} reach {largest:.3g}, and potentials are no "
                    "longer finite: expected smaller ones, as a smaller learning_rate keeps them"
                ) from None
        if learns:
            eligible.append(self._every_step(trains[-1]))
        return self._decided(trains, masks, eligible or None)

    def _decided(
        self, trains: list[Any], masks: list[Tensor] | None, eligible: list[Any] | None = None
    ) -> Activity:
        prediction = self.backend.predict(trains[-1])
        check_decisions(self.config, None, prediction)
        return Activity(trains, prediction, masks, self.backend, eligible=eligible)

    def learning_trains(self, activity: Activity) -> list[Any]:
        """Return the steps in which the neurons of layers 1 to L may learn (Eq. 4).

        Parameters
        ----------
        activity : Activity
            A forward pass of this network. Of one without dropout masks eligible steps are found
            with the present weights.

        Returns
        -------
        list
            L trains in the form of the backend: the spikes, or eligible steps where the config has
            an `eligibility_width`.

        Raises
        ------
        ValueError
            In fixed point, if eligible steps are those of an option that integers do not offer.
        """
        layers = range(1, self.config.num_layers + 1)
        return [self._learning_train(activity, layer) for layer in layers]

    def _learning_train(self, activity: Activity, layer: int) -> Any:
        policy = self.config.eligibility_policy
        if policy is None:
            return activity.trains[layer]
        if self.arithmetic == FIXED_POINT and not policy.integers:
            policy.refuse(" where a network learns in integers")
        if activity.eligible is not None:
            return activity.eligible[layer - 1]
        if layer == self.config.num_layers:
            return self._every_step(activity.trains[layer])
        place, weights = self.backend.layers[layer - 1], self.weights[layer - 1]
        dropout = self._dropout_of(activity.masks, place)
        return self.backend.run_eligible(place, weights, activity.trains[layer - 1], *dropout)[1]

    def _every_step(self, trains: Any) -> Any:
        """Return the steps in which output neurons may learn, where hidden ones go by a mark."""
        return self.backend.pack(torch.ones_like(self.backend.unpack(trains)))

    def _dropout_of(
        self, masks: Sequence[Tensor] | None, layer: Layer
    ) -> tuple[float, Tensor | None]:
        """Return the gain of a layer's presynaptic spikes, and its own mask (Eq. 16)."""
        if masks is None:
            return 1.0, None
        return self.config.dropout_gain(layer.number - 1), _mask_of(masks, layer.number)

    def check_finite(self) -> None:
        """Refuse weights that have grown beyond all bounds, or were given from outside.

        Raises
        ------
        NotFiniteError
            A ValueError, if a weight is NaN or infinite.
        ValueError
            If the state holds weights of another number, shape or dtype than the config asks for.
        """
        self._check_held(self.weights)
        for layer, weights in enumerate(self.weights, start=1):
            if not self.backend.is_finite(weights):
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
        self.backend.check_learning(self.config.learning_rate)

    def _check_held(self, weights: Sequence[Tensor], name: str = "weights") -> None:
        """Refuse weights that are not as a state holds them, whose bytes compiled code reads."""
        check_layers(name, weights, self.config.num_layers)
        in_integers = self.arithmetic == FIXED_POINT and name == "weights"
        dtype = torch.int8 if in_integers else torch.float32
        for layer, (each, synapse) in enumerate(
            zip(weights, self.config.synapses, strict=True), start=1
        ):
            if not isinstance(each, Tensor):
                raise ValueError(f"{name} of layer {layer} are {type(each)}: expected a tensor")
            if each.dtype != dtype or each.shape != synapse.weight_shape:
                raise ValueError(
                    f"{name} of layer {layer} are {each.dtype} {tuple(each.shape)}: expected "
                    f"{dtype} {synapse.weight_shape}"
                )

    def _check_unseen(self) -> None:
        """Look at the weights where the backend does not."""
        if not self.backend.checks_weights:
            self.check_finite()

    def check_scale(self, images: Inputs, name: str = "images", whole: bool = False) -> None:
        """Look whether the encoder makes spikes of images: see what their scale is.

        Parameters
        ----------
        images : Tensor or StreamedTrains
            (B, N) uint8 or float32, or packed spikes, (B, ⌈T/8⌉, N_0) uint8; on the device. Of
            streamed ones nothing is looked at.
        name : str
            What warnings and errors call them.
        whole : bool
            Whether they are a data set, and not some batch.

        Warns
        -----
        DataWarning
            If they are bytes that end below a quarter of 255, as those from 0 to 16 do, or spike
            trains of a data set without a spike.

        Raises
        ------
        ValueError
            If no pixel can ever spike, as of bytes 0 and 1.
        """
        if not isinstance(images, Tensor):
            return
        if images.ndim == 2:
            warn_of_scale(self.config, images, name, whole=whole, spikes=self._spikes_of)
        elif whole and not bool(images.any()):
            warnings.warn(
                f"{name} hold no spike: no sample can be decided", DataWarning, stacklevel=2
            )

    def _spikes_of(self, images: Tensor) -> bool:
        """Say whether the encoder makes a spike of any pixel."""
        return bool(self.backend.counts(self.backend.encode(images)).any())

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
        labels = as_labels(labels, len(activity.prediction), config.num_classes, self.device)
        return self._desires(activity, labels)

    def _desires(self, activity: Activity, labels: Tensor) -> list[Tensor]:
        backend, posts = self.backend, self.learning_trains(activity)
        desires = [backend.output_desire(backend.counts(activity.trains[-1]), labels)]
        check_decisions(self.config, desires[0], None)
        for layer in backend.layers[:0:-1]:
            number = layer.number
            mask = _mask_of(activity.masks, number)
            matrix = self.feedback_matrix(number)
            desire = backend.pass_back(layer, matrix, desires[0], posts[number - 1], mask)
            desires.insert(0, desire)
        return desires

    def feedback_matrix(self, layer: int) -> Tensor:
        """Return what errors come back through (Eq. 13): the weights, or what `feedback` says.

        Parameters
        ----------
        layer : int
            ℓ in 2 to L.

        Returns
        -------
        Tensor
            B, `weight_shape` float32; in fixed point mantissas, those of the weights int8, others
            int16 of 10 bits.

        Raises
        ------
        ValueError
            In fixed point, if the config asks for feedback that integers do not offer.
        """
        weights, policy = self.weights[layer - 1], self.config.feedback_policy
        if policy is None:
            return weights
        if self.arithmetic == FIXED_POINT and not policy.integers:
            policy.refuse(" where a network learns in integers")
        if layer not in self._feedback:
            held = torch.from_numpy(feedback_held(self.config, layer)).to(self.device)
            self._feedback[layer] = self.backend.keep_feedback(layer, held)
        return self.backend.feedback(weights, self._feedback[layer])

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
            (B, N) uint8 or float, or spike trains, as :meth:`forward` takes them.
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
            images = as_input(images, config, self.device, image_shape=self.image_shape)[:]
            if not len(images):
                raise ValueError("images hold no sample: expected at least one to learn from")
            self.check_scale(images)
            labels = as_labels(labels, len(images), config.num_classes, self.device)
            masks = None
            if dropout_masks is not None:
                masks = as_masks(dropout_masks, len(images), config.neurons, self.device)
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
            (B, N) uint8 or float32, or packed spikes, (B, ⌈T/8⌉, N_0) uint8; on the device.
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

        Raises
        ------
        ValueError
            If the state holds weights of another number, shape or dtype than the config asks for.
        """
        self._check_held(self.weights)
        self.backend.check_learning(learning_rate)  # before a mask is drawn
        online = self.backend.online if len(images) == 1 else None
        if online is not None and online.learns:
            result = self._learn_one(images, labels, learning_rate, masks)
            if result is not None:
                return result
        if masks is None:
            masks = self.draw_masks(len(images))
        activity = self.forward_checked(images, masks)
        desires = self._desires(activity, labels)
        num_active = self.update(activity, desires, learning_rate)
        num_correct = int((activity.prediction == labels).sum())
        return StepResult(activity, desires, num_correct, num_active)

    @property
    def learns_in_turn(self) -> bool:
        """Whether minibatches, of the config's `batch_size`, take a loop of the backend's."""
        return self._loop is not None and self._loop.learns

    @property
    def _loop(self) -> Any:
        return self.backend.online if self.config.batch_size == 1 else self.backend.in_turn

    @torch.inference_mode()
    def learn_in_turn(
        self,
        images: Tensor,
        labels: Tensor,
        learning_rate: float,
        average: WeightAverage | None = None,
    ) -> tuple[int, int]:
        """Do what :meth:`train_step_checked` does with each minibatch, in their order.

        Parameters
        ----------
        images : Tensor
            Minibatches of the config's `batch_size`, of which the last may be smaller: (S, N) uint8
            or float32, or packed spikes, (S, ⌈T/8⌉, N_0) uint8; on the device.
        labels : Tensor
            (S,) int64, on the device.
        learning_rate : float
            η ≥ 0.
        average : WeightAverage, optional
            Of this network's weights; takes them in after each minibatch.

        Returns
        -------
        num_correct, num_active : int
            Samples whose prediction was their label, and those with desire.

        Raises
        ------
        NotFiniteError
            If weights or potentials are NaN or infinite; minibatches before have been learned.
        ValueError
            If the state holds weights of another number, shape or dtype than the config asks for.
        """
        self._check_held(self.weights)
        if average is not None:
            self._check_held(self.state.average, "averages")
        done = num_correct = num_active = 0
        size, loop = self.config.batch_size, self._loop
        self._forget_accuracy()
        if loop is not None and loop.learns:
            self.backend.check_learning(learning_rate)  # before a mask is drawn
            first, trains = self.samples_seen, self.backend.encode_in_turn(images)
            self._pass_masks(len(images))
            averaged = self.state.minibatches_averaged
            shares = average.next_shares(-(-len(images) // size)) if average else []
            try:
                done, num_correct, num_active = loop.learn(
                    self.state, trains, labels, learning_rate, first, shares
                )
            finally:  # back where it was, if that has failed
                self.samples_seen = first + done
                self.state.minibatches_averaged = averaged + (-(-done // size) if average else 0)
        for sample in range(done, len(images), size):
            part = slice(sample, sample + size)
            result = self.train_step_checked(images[part], labels[part], learning_rate)
            if average:
                average.update()
            num_correct += result.num_correct
            num_active += result.num_active
        return num_correct, num_active

    def _learn_one(
        self, images: Tensor, labels: Tensor, learning_rate: float, masks: list[Tensor] | None
    ) -> StepResult | None:
        """Learn from one sample in the backend's loop; None, with nothing changed, if it cannot."""
        first, trains = self.samples_seen, self.backend.encode(images)
        if masks is None:
            self._pass_masks(1)
        found = self.backend.online.step(self.state, trains, labels, learning_rate, first, masks)
        if found is None:
            self.samples_seen = first
            return None
        if self.backend.draws:
            self.samples_seen = first + 1
        self._forget_accuracy()
        trains, eligible, masks, desires, num_correct, num_active = found
        return StepResult(self._decided(trains, masks, eligible), desires, num_correct, num_active)

    def _pass_masks(self, num_samples: int) -> None:
        """Go on to the masks of samples behind the next."""
        for stream in self._dropout:
            stream.skip(num_samples)
        if not self.backend.draws:
            self.state.samples_seen += num_samples

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
        masks = self.backend.draw_kept(self._dropout, self.samples_seen + start, stop - start)
        self._pass_masks(num_samples)
        return [torch.from_numpy(keep).to(self.device) for keep in masks]

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
        self.backend.check_learning(learning_rate)
        self._forget_accuracy()
        if self.config.eligibility_policy is not None:  # before a weight changes
            activity = replace(activity, eligible=self.learning_trains(activity))
        with_desire = torch.zeros_like(activity.prediction, dtype=torch.bool)
        rated = self.rated(desires[-1])
        # From the last: a layer's own rates, followed as its successor's inputs, come first.
        for layer in range(self.config.num_layers, 0, -1):
            with_desire |= self.update_layer(
                layer, activity, desires[layer - 1], learning_rate, rated
            )
        if self.backend.draws:
            self.samples_seen += len(activity.prediction)
        return int(with_desire.sum())

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
        backend, weights = self.backend, self.weights[layer - 1]
        place, mask = backend.layers[layer - 1], _mask_of(activity.masks, layer)
        pre, post = activity.trains[layer - 1], self._learning_train(activity, layer)
        rates = self.input_rates
        if rates is not None:
            if activity.num_spikes is None:
                num_spikes = backend.counts_together(pre, rated)
            else:
                num_spikes = activity.num_spikes[layer - 1]
            num_rated = len(desire) if rated is None else rated.sum()
            rates.follow(layer, num_spikes, num_rated)

        def desired_spikes() -> Array:
            return backend.desired_spikes(desire, mask, post)

        rate = backend.rate_of(place, learning_rate)
        factors = self.term_factors(layer, rate, len(desire), desired_spikes)
        sample = (desire, mask, pre, post, self.samples_seen)
        with_desire = backend.change_weights(factors, place, weights, learning_rate, *sample)
        for bound in self.config.bounds:
            backend.clip(weights, bound.limit())
        return with_desire

    def term_factors(
        self,
        layer: int,
        learning_rate: float | Tensor,
        num_samples: int,
        desired_spikes: Callable[[], Array],
    ) -> Iterator[tuple[Any, ...]]:
        """Yield the factors of what the config's terms add to an update, in their order.

        Parameters
        ----------
        layer : int
            ℓ in 1 to L.
        learning_rate : float or Tensor
            η times the layer's factor; a tensor is (1,) float64.
        num_samples : int
            B.
        desired_spikes : callable
            Returns spikes signed by desire, (N_ℓ,) integers.

        Returns
        -------
        iterator
            A pair a term: post, (N_ℓ,) float32, and pre, (N_{ℓ−1},) float32.
        """
        if not self.config.terms:
            return
        followed, as_array = self.input_rates, self.backend.as_array
        pre = post = None
        if followed is not None:
            pre = as_array(followed.rates[layer - 1])
            post = as_array(followed.rates[layer]) if layer < self.config.num_layers else None
        update = LayerUpdate(
            self.config,
            layer,
            learning_rate,
            num_samples,
            pre,
            post,
            desired_spikes,
            self.backend.mean_trace,
        )
        yield from self.backend.term_factors(update)

    def predict(self, images: Any) -> Tensor:
        """Classify images, without dropout.

        Parameters
        ----------
        images : array
            (B, N) uint8 or float, or spike trains, as :meth:`forward` takes them. One image is
            classified fastest as a NumPy row of bytes, (1, N) uint8.

        Returns
        -------
        Tensor
            Class a sample, (B,) int64; −1 where the network is undecided.

        Raises
        ------
        ValueError
            If the images do not fit the network.
        """
        self._check_held(self.weights)
        found = self.backend.classify(self.weights, images)
        return self.forward(images).prediction if found is None else found

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
        return cls.from_checkpoint(stored, device, precision=precision)

    @classmethod
    def from_checkpoint(
        cls,
        stored: Checkpoint,
        device: str | torch.device = "cpu",
        *,
        precision: str = "float32",
        kernels: str = "auto",
    ) -> DesireNetwork:
        """Make the network of a snapshot, with its configuration and state.

        Parameters
        ----------
        stored : Checkpoint
            As :meth:`checkpoint` or :func:`~lava_desire.checkpoint.read_checkpoint` returns one.
        device, precision, kernels
            See :class:`DesireNetwork`; `precision` is of no effect in fixed point.

        Returns
        -------
        DesireNetwork
            In the arithmetic of the snapshot, with weights of its own.

        Examples
        --------
        >>> network = DesireNetwork(DesireConfig((4, 6, 2), seed=7))
        >>> DesireNetwork.from_checkpoint(network.checkpoint()).config.seed
        7
        """
        network = cls(
            stored.config,
            device,
            stored.weights,
            precision=precision,
            kernels=kernels,
            arithmetic=stored.arithmetic,
            formats=formats_from_dicts(stored.formats) if stored.formats else None,
        )
        network.class_names = tuple(stored.class_names) or None
        network.card = stored.card
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
            card=self.card,
            **vars(self.state.copy(for_training=state is not None)),
        )

    def restore(self, stored: NetworkState) -> None:
        """Go on from a state: from weights, mean rates, and the position of the random streams.

        The card stays as it is: whoever restores another network's state gives its card as well.

        Parameters
        ----------
        stored : NetworkState
            Of a network of the same config, as :func:`~lava_desire.checkpoint.read_checkpoint`
            returns one.

        Raises
        ------
        ValueError
            If a checkpoint is of other synapses, or arrays have other shapes; nothing is changed
            then. A state that is no checkpoint says nothing of planes.
        """
        if isinstance(stored, Checkpoint):
            self._check_synapses(stored.config)
        with self.threads():
            self.state.restore(stored)
        self.samples_seen = self.state.samples_seen

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that changes in learning, by name, as a torch module does.

        Returns
        -------
        dict
            ``weights.1`` to ``weights.L``, `weight_shape`, float32 or int8 mantissas; where they
            are followed, ``input_rates.1`` …, (N_{ℓ−1},) float64, and ``rated_samples``, (L,)
            int64; ``samples_seen``, () int64; in fixed point ``formats.1`` …, (3,) int64, how
            mantissas are written; within a run that averages weights, ``average.1`` … and
            ``minibatches_averaged``. Arrays are the network's own, which training changes:
            `copy.deepcopy` keeps them as they are.

        Examples
        --------
        >>> list(DesireNetwork(DesireConfig((4, 6, 2))).state_dict())
        ['weights.1', 'weights.2', 'samples_seen']
        """
        return collect(self)

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True
    ) -> IncompatibleKeys:
        """Take over what :meth:`state_dict` returned, as a torch module does.

        Parameters
        ----------
        state_dict : mapping
            Tensors, or what torch makes some of, by name; they are copied. Floats become weights
            of the network's dtype; a network in fixed point rounds them to its mantissas.
        strict : bool
            Whether the names must be those of the network. Else those that it has not are
            passed over, and what is not given stays.

        Returns
        -------
        IncompatibleKeys
            `missing_keys` and `unexpected_keys`, lists of names.

        Raises
        ------
        TypeError
            If it is no mapping.
        ValueError
            A RuntimeError as well, as torch's is, if names, shapes, dtypes, formats or values are
            not the network's; all names and shapes are listed, and nothing is changed.

        Examples
        --------
        >>> network, other = (DesireNetwork(DesireConfig((4, 2), seed=seed)) for seed in (0, 1))
        >>> network.load_state_dict(other.state_dict())
        IncompatibleKeys(missing_keys=[], unexpected_keys=[])
        >>> bool((network.weights[0] == other.weights[0]).all())
        True
        """
        with self.threads():
            keys = load(self, state_dict, strict)
        self._forget_accuracy()
        return keys

    def _forget_accuracy(self, what: str = "weights") -> None:
        """Take accuracies off the card, which are of the weights, or settings, before."""
        if "accuracy" in self.card:
            said = (self.card.get("note"), f"{what} were changed since its epochs")
            self.card = {name: each for name, each in self.card.items() if name != "accuracy"}
            self.card["note"] = "; ".join(each for each in said if isinstance(each, str))

    def numpy_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return copies of the weights as L NumPy arrays of `weight_shape`, of their own dtype."""
        return [weights.detach().cpu().numpy().copy() for weights in self.weights]

    def format_fields(self) -> list[dict[str, int]]:
        """Return how the weights are written in fixed point, for a checkpoint; else nothing."""
        return self.backend.format_fields()

    def check_floating(self) -> None:
        """Refuse a network that computes in integers.

        Raises
        ------
        ValueError
            In fixed point.
        """
        if self.arithmetic != FLOATING_POINT:
            raise ValueError("network is in fixed point: expected one in floating point")

    def _integers(self) -> IntegerBackend:
        if self.arithmetic == FLOATING_POINT:
            raise ValueError("arithmetic is floating_point: expected fixed_point, for integers")
        return self.backend  # type: ignore[return-value]

    @property
    def rule(self) -> IntegerRule:
        """Every constant of a network in fixed point."""
        return self._integers().rule

    def float_weights(self) -> list[np.ndarray[Any, Any]]:
        """Return the weights as numbers, in fixed point those that mantissas stand for.

        Returns
        -------
        list of ndarray
            L float32 arrays of `weight_shape`.
        """
        backend: Any = self.backend
        in_integers = self.arithmetic == FIXED_POINT
        return backend.float_weights(self.weights) if in_integers else self.numpy_weights()

    def take_ranges(self) -> list[LayerRange]:
        """Return what integers each layer has reached in fixed point, and observe anew.

        Raises
        ------
        ValueError
            In floating point.
        """
        return self._integers().take_ranges()

    @torch.inference_mode()
    def potentials(self, images: Any, dropout_masks: Sequence[Any] | None = None) -> list[Tensor]:
        """Return the membrane potentials of a forward pass in fixed point.

        Parameters
        ----------
        images : array
            (B, N), uint8 or float brightness in [0, 1]; see :meth:`forward`.
        dropout_masks : sequence of array, optional
            (B, N_ℓ) bool, as of :meth:`forward`.

        Returns
        -------
        list of Tensor
            L tensors (T, B, N_ℓ) int32, after the reset of each step.

        Raises
        ------
        ValueError
            If an argument does not fit, or in floating point.
        """
        backend, activity = self._integers(), self.forward(images, dropout_masks)
        return [
            backend.potentials(layer, weights, trains, *self._dropout_of(activity.masks, layer))
            for layer, weights, trains in zip(
                backend.layers, self.weights, activity.trains, strict=False
            )
        ]

    def traces(self, activity: Activity, first_sample: int) -> list[Tensor]:
        """Return the traces with which the samples of a pass are learned in fixed point.

        Parameters
        ----------
        activity : Activity
            A forward pass of B samples.
        first_sample : int
            Number of its first sample among those that are learned: :attr:`samples_seen` before it.

        Returns
        -------
        list of Tensor
            L tensors (T, B, N_{ℓ−1}) uint8, of the input of each layer.

        Raises
        ------
        ValueError
            In floating point.
        """
        backend = self._integers()
        pairs = zip(backend.layers, activity.trains, strict=False)
        return [backend.traces(layer, trains, first_sample) for layer, trains in pairs]


def _mask_of(masks: Sequence[Tensor] | None, layer: int) -> Tensor | None:
    """Return the dropout mask of layer ℓ; the output layer, and evaluation, have none."""
    return masks[layer] if masks is not None and layer < len(masks) else None
