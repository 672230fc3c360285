"""What may be added to the paper's rule: the kinds of options.

An option is one file in `options`: a class of one of these kinds, with its fields, its equation and
what it computes. It needs to be named nowhere else. Configuration, JSON, command line, checkpoints
and refusals follow from its fields; backends and processes ask the configuration for the options
that are on, by kind.
"""

from __future__ import annotations

import dataclasses
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

from lava_desire.model.arrays import Array
from lava_desire.model.decision import predict
from lava_desire.model.desire import local_error, output_desire
from lava_desire.model.encoding import as_levels
from lava_desire.model.fields import Part
from lava_desire.model.neurons import firing_rate

if TYPE_CHECKING:
    from lava_desire.config import DesireConfig


@dataclass(frozen=True)
class Option(Part):
    """Fields beyond the paper; the first turns the option on, its default is the paper's rule.

    Attributes
    ----------
    integers : bool
        Whether a network that learns in integers offers it; else such a network refuses it by name.
    follows_rates : bool
        Whether it needs mean firing rates ν.
    single_samples : bool
        Whether the compiled loops, over single samples and over minibatches, or the run around
        them, do what it asks for; else it goes another, slower way to the same bits.
    needs_planes : bool
        Whether it needs to know which pixels lie beside each other.
    """

    integers: ClassVar[bool] = False
    follows_rates: ClassVar[bool] = False
    single_samples: ClassVar[bool] = False
    needs_planes: ClassVar[bool] = False

    def check(self, config: DesireConfig) -> None:
        """See `Part`."""
        if self.is_on and self.needs_planes and not config.image_planes:
            inputs, each = config.num_inputs, config.num_inputs // max(1, config.num_pixels)
            several, hint = "", ""
            if each > 1:
                several = f", {each} a pixel,"
                hint = f": images of {inputs} pixels have {each * inputs}"
            raise ValueError(
                f"{self.switch().name} is {self.value}: expected 0 where the inputs{several} are "
                f"no square image, and there are {inputs}{hint}; input_shape says which image "
                "they are"
            )

    @classmethod
    def switch(cls) -> dataclasses.Field[Any]:
        """Return the field that turns the option on."""
        return dataclasses.fields(cls)[0]

    @property
    def is_on(self) -> bool:
        """Whether the option is on."""
        return bool(self.value != self.switch().default)

    @property
    def value(self) -> Any:
        """Value of the field that turns the option on."""
        return getattr(self, self.switch().name)

    def refuse(self, where: str) -> None:
        """Refuse the option if it is on.

        Parameters
        ----------
        where : str
            The case in which only the default is allowed, as it goes on in the message:
            ``" where …"``, or ``", which …"``.

        Raises
        ------
        ValueError
            Naming the field, its value and its default.
        """
        field = self.switch()
        if self.is_on:
            default = field.default if isinstance(field.default, str) else f"{field.default:g}"
            raise ValueError(f"{field.name} is {self.value}: expected {default}{where}")


@dataclass(frozen=True)
class Augmentation(Option):
    """Training samples that are changed, anew in every epoch.

    Attributes
    ----------
    of_images, of_spikes : bool
        Whether it changes images, and spike trains; else it is refused by name where these are
        learned.
    """

    single_samples: ClassVar[bool] = True
    of_images: ClassVar[bool] = True
    of_spikes: ClassVar[bool] = False
    needs_planes: ClassVar[bool] = True


@dataclass(frozen=True)
class RatePolicy(Option, ABC):
    """Another course of the learning rate over the epochs than that of Sec. 4.2."""

    single_samples: ClassVar[bool] = True

    @abstractmethod
    def learning_rate(self, config: DesireConfig, epoch: int) -> float:
        """Return η ≥ 0 of an epoch, counted from 0."""


@dataclass(frozen=True)
class CurrentFilter(Option):
    """What is left of a synaptic current when its step is over."""


@dataclass(frozen=True)
class EligibilityPolicy(Option, ABC):
    """Another mark than a spike of the steps in which a hidden neuron may learn (Eq. 4, 14).

    An output neuron, whose desire is given, then learns in every step: one whose marks have ceased
    would not come back, and its class would be lost.
    """

    single_samples: ClassVar[bool] = True

    @abstractmethod
    def band(self, threshold: float) -> tuple[float, float]:
        """Return the potentials between which a neuron is eligible, for compiled code.

        Rounded to float32, both are outside; the lower one is at least 0, so that a neuron without
        input is never eligible.

        Parameters
        ----------
        threshold : float
            θ > 0.
        """

    @abstractmethod
    def eligible(self, potential: Array, threshold: float) -> Array:
        """Tell which neurons are eligible.

        Parameters
        ----------
        potential : array
            p before its reset, (..., N) float32.
        threshold : float
            θ > 0.

        Returns
        -------
        array
            e, (..., N) bool.
        """

    @abstractmethod
    def error(self, desire: Array, share: Array, mask: Array | None = None) -> Array:
        """Return what a neuron passes back in place of Eq. 14.

        Parameters
        ----------
        desire : array
            d, (..., N) int8.
        share : array
            ē, eligible steps by T, (..., N) float32.
        mask : array, optional
            Dropout mask, (..., N) bool.

        Returns
        -------
        array
            c, (..., N) float32.
        """

    def integer_error(self, desire: Array, counts: Array, mask: Array | None = None) -> Array:
        """Return T times :meth:`error` where a network learns in integers; of one that offers it.

        Parameters
        ----------
        desire : ndarray
            d, (..., N) int8.
        counts : ndarray
            Eligible steps, (..., N) int64 in [0, T].
        mask : ndarray, optional
            Dropout mask, (..., N) bool.

        Returns
        -------
        ndarray
            c, (..., N) int64 in [−T, T].
        """
        raise NotImplementedError


@dataclass
class LayerUpdate:
    """What is known of the update of one layer by a minibatch, for :meth:`Term.factors`.

    Arrays are NumPy's or torch's. N_i is the number of presynaptic neurons (the inputs), N_o that
    of postsynaptic ones.

    For :meth:`Term.integer_factors` all numbers are integers: the learning rate is its mantissa on
    the grid of the layer, rates are R = ν · 2**23, (N,) int64, and the mean trace is in 1/256 of a
    trace's unit.

    Parameters
    ----------
    config : DesireConfig
        Of the network.
    layer : int
        ℓ in 1 to L.
    learning_rate : float or array
        η ≥ 0 with the layer's factor; an array is (1,) float64.
    num_samples : int
        B.
    input_rates, output_rates : array or None
        Mean firing rates ν in spikes a time step after this minibatch, (N_i,) and (N_o,) float64.
        None where no option that is on follows rates, and for the neurons of the output layer.
    desired_spikes : callable
        Returns Σ_b d_o · mask_o · n_o, spikes signed by desire, (N_o,) int64.
    mean_trace : float
        Mean over a window of the trace of an input that spikes in every step,
        :func:`~lava_desire.rule.mean_trace`.
    """

    config: DesireConfig
    layer: int
    learning_rate: Any
    num_samples: int
    input_rates: Array | None
    output_rates: Array | None
    desired_spikes: Callable[[], Array]
    mean_trace: Any


@dataclass(frozen=True)
class Term(Option, ABC):
    """A change of weights that is added after that of Eq. 4, in the order of positions."""

    single_samples: ClassVar[bool] = True  # where it has `numbers`

    @abstractmethod
    def factors(self, update: LayerUpdate) -> tuple[Array, Array] | None:
        """Return the factors of the change, which is post[:, None] * pre[None, :].

        post is (N_o,) float32, and pre (N_i,) float32; None where this layer does not change.

        Parameters
        ----------
        update : LayerUpdate
            The layer and what its neurons did.
        """

    def integer_factors(self, update: LayerUpdate) -> tuple[Array, Array, int] | None:
        """Return the factors where a network learns in integers; for a term that offers it.

        They are post, (N_o,) int64, pre, (N_i,) int64, and bits: the accumulator of Eq. 4 gets
        post[:, None] * pre[None, :] / 2**bits, rounded; None where this layer does not change.

        Parameters
        ----------
        update : LayerUpdate
            The layer and what its neurons did, in integers.
        """
        raise NotImplementedError

    def numbers(self, mean_trace: float, num_samples: int) -> tuple[float, float, float] | None:
        """Return what a compiled loop over minibatches, or single samples, computes factors from.

        a, c and g, where the factors are post = η · a · x and pre = g · ν_i, each rounded once: x_o
        are the neuron's spikes signed by desire, Σ_b d_o · n_o, or, where c is above 0, what its
        rate ν_o lacks of c, which changes no output layer. None where they are others.

        Parameters
        ----------
        mean_trace : float
            As of :class:`LayerUpdate`.
        num_samples : int
            B.
        """
        return None


@dataclass(frozen=True)
class Bound(Option, ABC):
    """A range that weights are clipped to, at first and after every change."""

    single_samples: ClassVar[bool] = True

    @abstractmethod
    def limit(self) -> float:
        """Return the largest magnitude of a weight, above 0."""


@dataclass(frozen=True)
class OutputPolicy(Option, ABC):
    """Another way to derive the output neurons' desire than Eq. 11."""

    @abstractmethod
    def desire(self, counts: Array, labels: Array) -> Array:
        """Return the desire of the output neurons.

        Parameters
        ----------
        counts : array
            n, spikes of the window, (B, K) int64.
        labels : array
            (B,) integers in [0, K).

        Returns
        -------
        array
            d, (B, K) int8 in {−1, 0, +1}.
        """


@dataclass(frozen=True)
class DecisionPolicy(Option, ABC):
    """Another way to decide for a class than Sec. 4.2. Learning does not depend on it."""

    @abstractmethod
    def predict(self, counts: Array, last_spikes: Array) -> Array:
        """Return the predicted class of each sample.

        Parameters
        ----------
        counts : array
            n, spikes of the window, (..., K) integers.
        last_spikes : array
            Time steps of their last spikes, (..., K) integers, 0 where silent:
            :func:`~lava_desire.rule.last_spikes`.

        Returns
        -------
        array
            (...,) int64 in [0, K), or −1 for none.
        """


@dataclass(frozen=True)
class FeedbackPolicy(Option, ABC):
    """What errors come back through in place of the weights (Eq. 13), of layers 2 to L."""

    @abstractmethod
    def held(self, initial: Array, drawn: Array, spread: float) -> Array:
        """Return what is kept of a layer while it learns.

        Parameters
        ----------
        initial, drawn : ndarray
            The layer's initial weights, and others drawn like them, `weight_shape` float32; the
            config's seed fixes both.
        spread : float
            Their standard deviation.

        Returns
        -------
        ndarray
            `weight_shape` float32.
        """

    @abstractmethod
    def matrix(self, weights: Array, held: Array) -> Array:
        """Return what takes the place of the weights.

        Parameters
        ----------
        weights, held : array
            `weight_shape` float32: weights before this sample's update, and what is kept. Of a
            policy that offers integers int16 as well: mantissas, and what is kept on their grid.

        Returns
        -------
        array
            B, `weight_shape`, of the same dtype.
        """


@dataclass(frozen=True)
class Filter(Option, ABC):
    """A map of images that is applied before they are encoded, in training and evaluation.

    Attributes
    ----------
    channels : int
        How many channels it makes of one: the input has a neuron for each of their pixels.
    equalizes : bool
        Whether images on any scale come out alike, so that nobody need be warned of theirs.
    """

    single_samples: ClassVar[bool] = True
    channels: ClassVar[int] = 1
    equalizes: ClassVar[bool] = False

    @abstractmethod
    def levels(self, brightness: Array) -> Array:
        """Return the filtered images.

        Parameters
        ----------
        brightness : array
            Levels in [0, 255], (..., N) uint8, also where images were given as floats: Lava sends
            these, and has to filter them as the engine does bytes. Of a filter that needs planes
            they are (..., C, H, W).

        Returns
        -------
        array
            Levels of the same shape, uint8; with several `channels`, of so many times C.
        """


def filtered(config: DesireConfig, images: Array) -> Array:
    """Return images as they are encoded: through all filters that are on.

    Images are (..., N) integer levels in [0, 255], or float brightness in [0, 1], of the config's
    `num_pixels`; they come back as levels, (..., N_0) uint8, or as they are where no filter is on.
    Raises ValueError naming the option, if a filter returns anything else.
    """
    if config.filters:
        images = as_levels(images)
    planes = config.image_planes
    for each in config.filters:
        samples = tuple(images.shape[:-1])
        given = images.reshape(*samples, *planes) if each.needs_planes else images
        levels = each.levels(given)
        shape = list(given.shape)
        shape[-3 if each.needs_planes else -1] *= each.channels
        _check_returned(each, "images", levels, tuple(shape), "uint8")
        images = levels.reshape(*samples, images.shape[-1] * each.channels)
        planes = (each.channels * planes[0], *planes[1:]) if planes else ()
    return images


def output_desires(config: DesireConfig, counts: Array, labels: Array) -> Array:
    """Return the desire of the output neurons: by Eq. 5 and 11, or what replaces Eq. 11.

    Counts n are (B, K) int64, labels (B,) integers in [0, K), desires d (B, K) int8 in {−1, 0, +1}.
    """
    policy = config.output_policy
    if policy is not None:
        desires = policy.desire(counts, labels)
        _check_returned(policy, "desires", desires, counts.shape, "int8")
        return desires
    rate = firing_rate(counts, config.num_steps, config.error_margin)
    return output_desire(rate, labels, config.desire_threshold_output)


def local_errors(
    config: DesireConfig, desire: Array, counts: Array, mask: Array | None = None
) -> Array:
    """Return what neurons pass back: by Eq. 14, or what replaces it.

    Desires d are (..., N) int8, counts (..., N) integers in [0, T], of spikes or of eligible steps,
    a dropout mask (..., N) bool; errors c come back as (..., N) float32.
    """
    policy = config.eligibility_policy
    if policy is not None:
        return policy.error(desire, firing_rate(counts, config.num_steps, 0), mask)
    rate = firing_rate(counts, config.num_steps, config.error_margin)
    return local_error(desire, rate, mask)


def decided(config: DesireConfig, counts: Array, last_spikes: Callable[[], Array]) -> Array:
    """Return the predicted class of each sample: by Sec. 4.2, or what replaces its decision.

    Counts n are (..., K) integers; `last_spikes`, called where needed, returns the time steps of
    their last spikes, (..., K) integers. Classes are (...,) int64 in [0, K), or −1 for none.
    """
    policy = config.decision_policy
    if policy is not None:
        classes = policy.predict(counts, last_spikes())
        _check_returned(policy, "classes", classes, counts.shape[:-1], "int64")
        return classes
    return predict(counts)


def check_decisions(config: DesireConfig, desires: Array | None, classes: Array | None) -> None:
    """Refuse values that a policy may not return; it asks a device for an answer.

    Desires are of :func:`output_desires`, classes of :func:`decided`. Raises ValueError naming the
    option and the range.
    """
    if desires is not None and config.output_policy is not None:
        _check_range(config.output_policy, "desires", desires, -1, 1)
    if classes is not None and config.decision_policy is not None:
        _check_range(config.decision_policy, "classes", classes, -1, config.num_classes - 1)


def term_factors(update: LayerUpdate) -> Iterator[tuple[Array, Array]]:
    """Return the factors of what the config's terms add to the update of a layer, in their order.

    A pair a term: post, (N_ℓ,) float32, and pre, (N_{ℓ−1},) float32. Raises ValueError naming the
    option, if a factor is of another shape or dtype.
    """
    pre_size, post_size = (update.config.num_neurons(update.layer + k) for k in (-1, 0))
    for term in update.config.terms:
        factors = term.factors(update)
        if factors is not None:
            post, pre = factors
            _check_returned(term, "post", post, (post_size,), "float32")
            _check_returned(term, "pre", pre, (pre_size,), "float32")
            yield post, pre


def integer_term_factors(update: LayerUpdate) -> Iterator[tuple[Array, Array, int]]:
    """Return what :func:`term_factors` does for a layer that learns in integers.

    Parameters
    ----------
    update : LayerUpdate
        The layer and what its neurons did, in integers.

    Returns
    -------
    iterator
        A triple a term: post, (N_ℓ,) int64, pre, (N_{ℓ−1},) int64, and bits.
    """
    pre_size, post_size = (update.config.num_neurons(update.layer + k) for k in (-1, 0))
    for term in update.config.terms:
        factors = term.integer_factors(update)
        if factors is not None:
            _check_returned(term, "post", factors[0], (post_size,), "int64")
            _check_returned(term, "pre", factors[1], (pre_size,), "int64")
            yield factors


def _check_returned(
    option: Option, name: str, array: Array, shape: tuple[int, ...], expected: str
) -> None:
    """Refuse what is of another shape or dtype: kernels would read past its end."""
    dtype = str(array.dtype).removeprefix("torch.")
    if tuple(array.shape) != tuple(shape) or dtype != expected:
        raise ValueError(
            f"{option.switch().name} returns {name} of {dtype} {tuple(array.shape)}: expected "
            f"{expected} {tuple(shape)}"
        )


def _check_range(option: Option, name: str, array: Array, smallest: int, largest: int) -> None:
    if not bool(((array >= smallest) & (array <= largest)).all()):
        raise ValueError(
            f"{option.switch().name} returns {name} outside [{smallest}, {largest}]: expected none"
        )


def refuse_in_integers(config: DesireConfig) -> None:
    """Refuse to learn in integers what only floating point offers.

    Raises ValueError naming the field of the configuration.
    """
    for option in config.options:
        if not option.integers:
            option.refuse(" where a network learns in integers")


def refuse_options(config: DesireConfig, kinds: Any, where: str) -> None:
    """Refuse options of a kind, or of several, that are on; `where` is as of :meth:`Option.refuse`.

    Raises ValueError naming the field of the configuration, its value and its default.
    """
    for option in config.options:
        if isinstance(option, kinds):
            option.refuse(where)


def refuse_planes(config: DesireConfig, where: str) -> None:
    """Refuse what needs to know which pixels lie beside each other.

    Raises ValueError naming the field of the configuration, as :meth:`Option.refuse`.
    """
    for option in config.options:
        if option.needs_planes:
            option.refuse(where)


def refuse_filters(config: DesireConfig, what: str) -> None:
    """Refuse to map images where `what` is given are spike trains.

    Raises ValueError naming the field of the configuration, as :meth:`Option.refuse`.
    """
    for each in config.filters:
        each.refuse(f" where {what} are spike trains, which no filter of images maps")


def refuse_augmentation_of(config: DesireConfig, *, spikes: bool) -> None:
    """Refuse to change training samples as only those of the other kind are changed.

    Raises ValueError naming the field of the configuration, as :meth:`Option.refuse`.
    """
    for option in config.options:
        if not isinstance(option, Augmentation):
            continue
        if spikes and not option.of_spikes:
            option.refuse(
                " where what is learned are spike trains, whose spikes cannot be shared among "
                "pixels as an image's brightness is"
            )
        if not spikes and not option.of_images:
            option.refuse(" where what is learned are images: it changes spike trains alone")
