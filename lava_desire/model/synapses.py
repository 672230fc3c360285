"""Connections between layers: spikes forward, errors backward, pairings (Eq. 1, 4, 13).

A kind of connection is one subclass of :class:`Synapse`. Whatever runs, stores or trains a layer
asks its synapse for shapes and sums and knows no kind by name; a backend may have a faster way for
some kinds. Synapses know nothing of neurons.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any, ClassVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import shown


class Synapse(ABC):
    """How the neurons of a layer are connected to those of the layer before.

    A subclass sets `name`, `weight_shape` and `fan_in` and defines three sums: :meth:`forward`,
    :meth:`transpose` and :meth:`pair`. From then on its name may stand in the config's
    `connections`. Shapes, initial weights, sums in floating point and in integers follow.

    Parameters
    ----------
    pre_shape : tuple of int
        Shape of the presynaptic neurons. In arrays they are flat, in C order.
    num_post : int
        Postsynaptic neurons N_o.
    numbers : int
        One for each of the kind's `parameters`.

    Attributes
    ----------
    name : str
        What `connections` calls this kind.
    parameters : tuple of str
        Names of integers that follow the name in `connections`, as in ``"conv:5:2"``; none here.
    kinds : dict
        All kinds by name.
    pre_shape, post_shape : tuple of int
        Shapes of the neurons on both sides; `post_shape` is the `pre_shape` of the next layer.
    num_pre, num_post : int
        Neurons N_i and N_o.
    weight_shape : tuple of int
        Of the array of weights, postsynaptic neurons or channels first.
    fan_in : int
        Synapses that end at a neuron.
    num_positions : int
        Positions P at which a weight is used; η of the layer is divided by it. 1: none is shared.

    Raises
    ------
    ValueError
        If the kind cannot connect these neurons.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    kinds: ClassVar[dict[str, type[Synapse]]] = {}
    post_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    fan_in: int
    num_positions: int = 1

    def __init_subclass__(cls) -> None:
        """Offer the kind by its name."""
        if "name" in vars(cls):
            taken = Synapse.kinds.setdefault(cls.name, cls)
            if (taken.__module__, taken.__qualname__) != (cls.__module__, cls.__qualname__):
                raise ValueError(
                    f"{cls.__qualname__} is a kind of connection named {cls.name}: expected "
                    f"another name, {taken.__module__}.{taken.__qualname__} has that"
                )
            Synapse.kinds[cls.name] = cls

    def __init__(self, pre_shape: tuple[int, ...], num_post: int, *numbers: int) -> None:
        self.pre_shape, self.num_pre = pre_shape, math.prod(pre_shape)
        self.post_shape, self.num_post = (num_post,), num_post

    @property
    def num_weights(self) -> int:
        """Weights that are stored."""
        return math.prod(self.weight_shape)

    @property
    def weight_table(self) -> tuple[int, int]:
        """Rows and columns of the weights as a table, a row a postsynaptic neuron or channel."""
        return self.weight_shape[0], self.num_weights // self.weight_shape[0]

    @property
    def fan_out(self) -> float:
        """Synapses that begin at a presynaptic neuron, on average."""
        return self.num_post * self.fan_in / self.num_pre

    @property
    def initial_spread(self) -> float:
        """Standard deviation √(2 / fan-in) of initial weights (Kaiming-normal)."""
        return math.sqrt(2.0 / self.fan_in)

    def by_neuron(self, values: Array) -> Array:
        """Sum values of weights over those of a neuron, `weight_shape` → (N_o,) float32."""
        xp = namespace(values)
        table = xp.reshape(xp.astype(values, xp.float32), self.weight_table)
        return xp.repeat(xp.sum(table, axis=1), self.num_post // len(table))

    @abstractmethod
    def forward(self, weights: Array, pre: Array) -> Array:
        """Return Σ_i W_oi·u_i: W of `weight_shape`, u (..., N_i) → (..., N_o), all float64."""

    @abstractmethod
    def transpose(self, weights: Array, post: Array) -> Array:
        """Return Σ_o W_oi·c_o: W of `weight_shape`, c (..., N_o) → (..., N_i), all float64."""

    @abstractmethod
    def pair(self, post: Array, pre: Array) -> Array:
        """Return Σ_r s_ro·r_ri a weight: s (R, N_o), r (R, N_i) → `weight_shape`, of one dtype.

        A weight that is used at several positions gets the sum over them.
        """

    def current(self, weights: Array, spikes: Array, gain: float = 1.0) -> Array:
        """Sum the weighted spikes of every neuron's inputs, a = W (g·u)  (Eq. 1).

        Parameters
        ----------
        weights : array
            W, `weight_shape`, float32; or mantissas, integers.
        spikes : array
            u, (..., N_i), 0 or 1.
        gain : float
            g, 1 / (1 − P_drop) of the presynaptic layer while training (Eq. 16). Integers have
            their gain elsewhere: 1.

        Returns
        -------
        array
            a, (..., N_o) float32, rounded once; of mantissas int64, exact.
        """
        xp = namespace(weights, spikes)
        wide = xp.astype(spikes, xp.float64) * gain
        return _narrow(self.forward(xp.astype(weights, xp.float64), wide), weights)

    def backward(self, weights: Array, errors: Array) -> Array:
        """Send local errors back through the synapses, z = Wᵀ c  (Eq. 13).

        Parameters
        ----------
        weights : array
            W before this sample's update, `weight_shape`, float32; or mantissas, integers.
        errors : array
            c of the postsynaptic neurons, (..., N_o) float32; or integers.

        Returns
        -------
        array
            z, (..., N_i) float32, rounded once; of mantissas int64, exact.
        """
        xp = namespace(weights, errors)
        wide = self.transpose(xp.astype(weights, xp.float64), xp.astype(errors, xp.float64))
        return _narrow(wide, weights)

    def pairings(self, signed: Array, traces: Array) -> Array:
        """Sum pairs of postsynaptic spike and presynaptic trace, Σ_b d_o Σ_t s_o·r_i  (Eq. 4).

        Parameters
        ----------
        signed : array
            d · mask · s, (..., N_o) in {−1, 0, +1}: a row a sample and time step.
        traces : array
            r, (..., N_i) float32 or float64; or integers, below 2**31.

        Returns
        -------
        array
            `weight_shape`, dtype of `traces`; of integers int64, exact.
        """
        xp = namespace(signed, traces)
        wide = traces.dtype if xp.isdtype(traces.dtype, "real floating") else xp.float64
        post = xp.reshape(xp.astype(signed, wide), (-1, self.num_post))
        pre = xp.reshape(xp.astype(traces, wide), (-1, self.num_pre))
        pairs = self.pair(post, pre)
        return pairs if wide == traces.dtype else xp.astype(pairs, xp.int64)

    def outer(self, post: Array, pre: Array) -> Array:
        """Return a change of weights from a factor a neuron on both sides.

        Parameters
        ----------
        post : array
            (N_o,) float32.
        pre : array
            (N_i,) float32.

        Returns
        -------
        array
            Their products, summed where a weight is shared, `weight_shape` float32, rounded once.
        """
        xp = namespace(post, pre)
        pairs = self.pair(xp.astype(post, xp.float64)[None], xp.astype(pre, xp.float64)[None])
        return xp.astype(pairs, xp.float32)


def _narrow(sums: Array, weights: Array) -> Array:
    """Round float64 sums to float32; those of integers are integers."""
    xp = namespace(sums)
    is_float = xp.isdtype(weights.dtype, "real floating")
    return xp.astype(sums, xp.float32 if is_float else xp.int64)


class Dense(Synapse):
    """Every neuron is connected to every neuron of the layer before; weights (N_o, N_i)."""

    name = "dense"

    def __init__(self, pre_shape: tuple[int, ...], num_post: int) -> None:
        super().__init__(pre_shape, num_post)
        self.weight_shape, self.fan_in = (num_post, self.num_pre), self.num_pre

    @classmethod
    def of(cls, weights: Array) -> Dense:
        """Return the connection of which these are the weights, (N_o, N_i)."""
        return cls(weights.shape[1:], weights.shape[0])

    def forward(self, weights: Array, pre: Array) -> Array:
        """See :class:`Synapse`."""
        return pre @ weights.T

    def transpose(self, weights: Array, post: Array) -> Array:
        """See :class:`Synapse`."""
        return post @ weights

    def pair(self, post: Array, pre: Array) -> Array:
        """See :class:`Synapse`."""
        return post.T @ pre

    def outer(self, post: Array, pre: Array) -> Array:
        """See :class:`Synapse`; a product of two is rounded once in float32, too."""
        return post[:, None] * pre[None, :]


def delayed(spikes: Array, delay: int) -> Array:
    """Return spike trains as they arrive after a synaptic delay, silence first.

    Parameters
    ----------
    spikes : array
        (T, ...).
    delay : int
        In time steps, at most T.

    Returns
    -------
    array
        (T, ...), dtype of `spikes`.
    """
    xp = namespace(spikes)
    return xp.concat([xp.zeros_like(spikes[:delay]), spikes[: len(spikes) - delay]])


def connections_of(given: Any, num_layers: int) -> tuple[str, ...]:
    """Return the kinds of connection as a tuple, ``()`` where all are dense, or refuse them.

    Raises
    ------
    ValueError
        Naming what was given and what is allowed.
    """
    spelled = (":".join((kind.name, *kind.parameters)) for kind in Synapse.kinds.values())
    expected = f"expected {num_layers} of {', '.join(spelled)}, one a plastic layer, or none"
    if not isinstance(given, (tuple, list)) or len(given) not in (0, num_layers):
        raise ValueError(f"connections is {shown(given)}: {expected}")
    for text in given:
        name, *numbers = text.split(":") if isinstance(text, str) else ("",)
        kind = Synapse.kinds.get(name)
        fits = kind is not None and len(numbers) == len(kind.parameters)
        if not fits or not all(number.isdecimal() for number in numbers):
            raise ValueError(f"connections is {shown(given)}: {expected}")
    return tuple(given) if set(given) - {Dense.name} else ()


def make_synapses(neurons: tuple[int, ...], connections: tuple[str, ...]) -> tuple[Synapse, ...]:
    """Make the connections of a network, layer 1 first.

    Parameters
    ----------
    neurons : tuple of int
        ``(N_0, ..., N_L)``.
    connections : tuple of str
        Kind of each, in :attr:`Synapse.kinds`; ``()`` is dense for all.

    Returns
    -------
    tuple of Synapse
        L of them.

    Raises
    ------
    ValueError
        If a kind cannot connect the layers on its sides; the message names the layer.
    """
    shape: tuple[int, ...] = neurons[:1]
    made = []
    for layer, num_post in enumerate(neurons[1:], start=1):
        kind = connections[layer - 1] if connections else Dense.name
        name, *numbers = kind.split(":")
        try:
            made.append(Synapse.kinds[name](shape, num_post, *map(int, numbers)))
        except ValueError as error:
            raise ValueError(f"connection of layer {layer} is {kind}: {error}") from None
        shape = made[-1].post_shape
    return tuple(made)


def refuse_synapses(config: Any, name: str, known: tuple[str, ...] = ("dense",)) -> None:
    """Refuse synapses of other kinds than those `known` to what has the `name`.

    Raises
    ------
    ValueError
        Naming layer and kind.
    """
    for layer, synapse in enumerate(config.synapses, start=1):
        if synapse.name not in known:
            raise ValueError(
                f"synapses of layer {layer} are {synapse.name}: {name} knows "
                f"{' and '.join(known)} only"
            )
