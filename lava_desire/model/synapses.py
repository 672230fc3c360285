"""Connections between layers: spikes forward, errors backward, pairings (Eq. 1, 4, 13).

A kind of connection is one subclass of :class:`Synapse`. Whatever runs, stores or trains a layer
asks its synapse for shapes and sums and knows no kind by name; a backend may have a faster way for
some kinds. Synapses know nothing of neurons.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from copy import copy
from typing import Any, ClassVar, TypeVar

from lava_desire.model.arrays import Array, namespace
from lava_desire.model.fields import MAX_NEURONS, checked_integer, shown

Kind = TypeVar("Kind", bound="Synapse")


class Synapse(ABC):
    """How the neurons of a layer are connected to those of the layer before.

    A subclass takes its own parameters, says in ``_connect`` what follows from the neurons
    before it, and defines three sums: :meth:`forward`, :meth:`transpose` and :meth:`pair`. From
    then on it may stand among the config's `layers`. Initial weights, sums in floating point and in
    integers follow.

    Parameters
    ----------
    numbers : int
        One for each of the kind's `parameters`.

    Attributes
    ----------
    name : str
        What the kind is called in texts, as in ``"sparse:100:5"``.
    parameters : tuple of str
        Names of the integers that say which connection of the kind this is.
    kinds : dict
        All kinds by name.
    pre_shape, post_shape : tuple of int
        Shapes of the neurons on both sides, (N,) or (C, H, W), of a connection that is
        :meth:`connected`; `post_shape` is the `pre_shape` of the next layer. In arrays neurons are
        flat, in C order.
    num_pre, num_post : int
        Neurons N_i and N_o, likewise.
    weight_shape : tuple of int
        Of the array of weights, postsynaptic neurons or channels first.
    fan_in : int
        Synapses that end at a neuron.
    num_positions : int
        Positions P at which a weight is used; η of the layer is divided by it. 1: none is shared.
    """

    name: ClassVar[str]
    parameters: ClassVar[tuple[str, ...]] = ()
    kinds: ClassVar[dict[str, type[Synapse]]] = {}
    pre_shape: tuple[int, ...] = ()
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

    def __init__(self, *numbers: int) -> None:
        self.numbers = numbers

    @classmethod
    def parse(cls, text: str) -> Synapse | None:
        """Make the connection that a text says.

        Parameters
        ----------
        text : str
            Such as ``"sparse:100:5"``: the name, and a number for each of the `parameters`.

        Returns
        -------
        Synapse or None
            Not connected; None if the text is of another kind.

        Raises
        ------
        ValueError
            If the kind refuses a number.
        """
        name, *numbers = text.split(":")
        if name != cls.name or len(numbers) != len(cls.parameters):
            return None
        return cls(*map(int, numbers)) if all(map(str.isdecimal, numbers)) else None

    @classmethod
    def spelling(cls) -> str:
        """Return what texts of this kind look like.

        Returns
        -------
        str
            As messages show it.
        """
        return ":".join((cls.name, *cls.parameters))

    def __str__(self) -> str:
        """Return the text that :meth:`parse` reads."""
        return ":".join((self.name, *map(str, self.numbers)))

    def __repr__(self) -> str:
        """Return what makes this connection."""
        return f"{type(self).__name__}({', '.join(map(str, self.numbers))})"

    def __eq__(self, other: object) -> bool:
        """Two are equal that connect the same neurons in the same way."""
        if not isinstance(other, Synapse):
            return NotImplemented
        return self._identity == other._identity

    def __hash__(self) -> int:
        """See :meth:`__eq__`."""
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[Any, ...]:
        return self.name, self.numbers, self.pre_shape

    def connected(self: Kind, pre_shape: tuple[int, ...]) -> Kind:
        """Return this connection, of certain neurons.

        Parameters
        ----------
        pre_shape : tuple of int
            Shape of the presynaptic neurons.

        Returns
        -------
        Synapse
            A copy that knows its shapes.

        Raises
        ------
        ValueError
            If the kind cannot connect these neurons.
        """
        made = copy(self)
        made.pre_shape = pre_shape
        made._connect(pre_shape)
        return made

    @abstractmethod
    def _connect(self, pre_shape: tuple[int, ...]) -> None:
        """Set `post_shape`, `weight_shape` and `fan_in`, and `num_positions` of shared weights."""

    @property
    def num_pre(self) -> int:
        """Presynaptic neurons N_i."""
        return math.prod(self.pre_shape)

    @property
    def num_post(self) -> int:
        """Postsynaptic neurons N_o."""
        return math.prod(self.post_shape)

    @property
    def num_weights(self) -> int:
        """Weights that are stored."""
        return math.prod(self.weight_shape)

    @property
    def weight_table(self) -> tuple[int, int]:
        """Rows and columns of the weights as a table, a row a postsynaptic neuron or channel."""
        return self.weight_shape[0], self.num_weights // self.weight_shape[0]

    @property
    def initial_spread(self) -> float:
        """Standard deviation √(2 / fan-in) of initial weights (Kaiming-normal)."""
        return math.sqrt(2.0 / self.fan_in)

    def by_neuron(self, values: Array) -> Array:
        """Sum values of weights over those of a neuron, `weight_shape` → (N_o,) float32."""
        xp = namespace(values)
        table = xp.reshape(xp.astype(values, xp.float32), self.weight_table)
        return xp.repeat(xp.sum(table, axis=1), self.num_post // len(table))

    def matrix(self, weights: Array) -> Array:
        """Return the dense matrix of the synapses, each weight at all positions where it is used.

        Parameters
        ----------
        weights : array
            W, `weight_shape`, float32; or mantissas, integers.

        Returns
        -------
        array
            (N_o, N_i) of the same dtype; 0 where there is no synapse.
        """
        xp = namespace(weights)
        columns = self.current(weights, xp.eye(self.num_pre))
        return xp.astype(columns, weights.dtype).T

    @abstractmethod
    def forward(self, weights: Array, pre: Array) -> Array:
        """Sum over presynaptic neurons, Σ_i W_oi·u_i.

        Parameters
        ----------
        weights : array
            W, `weight_shape` float64.
        pre : array
            u, (..., N_i) float64.

        Returns
        -------
        array
            (..., N_o) float64.
        """

    @abstractmethod
    def transpose(self, weights: Array, post: Array) -> Array:
        """Sum over postsynaptic neurons, Σ_o W_oi·c_o.

        Parameters
        ----------
        weights : array
            W, `weight_shape` float64.
        post : array
            c, (..., N_o) float64.

        Returns
        -------
        array
            (..., N_i) float64.
        """

    @abstractmethod
    def pair(self, post: Array, pre: Array) -> Array:
        """Sum products of both sides of every synapse, Σ_r s_ro·r_ri.

        Parameters
        ----------
        post : array
            s, (R, N_o) float32 or float64.
        pre : array
            r, (R, N_i), of the same dtype.

        Returns
        -------
        array
            `weight_shape`, of that dtype; a weight that is used at several positions gets the sum
            over them.
        """

    def current(self, weights: Array, spikes: Array, gain: float = 1.0) -> Array:
        """Sum the weighted spikes of every neuron's inputs, a = W (g·u)  (Eq. 1).

        The sum is taken in float64, of which g is a factor: the sum of float32 weights that are not
        too different is exact, in any order.

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
        wide = xp.astype(spikes, xp.float64)
        return _narrow(self.forward(xp.astype(weights, xp.float64), wide) * gain, weights)

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
    """Every neuron is connected to every neuron of the layer before; weights (N_o, N_i).

    Parameters
    ----------
    num_neurons : int
        N_o; at least 1 in a network.

    Raises
    ------
    ValueError
        If that is none.
    """

    name = "dense"
    parameters = ("num_neurons",)

    def __init__(self, num_neurons: int) -> None:
        self.num_neurons = checked_integer("num_neurons", num_neurons, 0, MAX_NEURONS)
        super().__init__(self.num_neurons)

    @classmethod
    def parse(cls, text: str) -> Synapse | None:
        """See :class:`Synapse`; ``"10"`` is ten neurons."""
        return cls(int(text)) if text.isdecimal() else super().parse(text)

    @classmethod
    def spelling(cls) -> str:
        """See :class:`Synapse`."""
        return "10"

    def __str__(self) -> str:
        """See :class:`Synapse`."""
        return str(self.numbers[0])

    def _connect(self, pre_shape: tuple[int, ...]) -> None:
        self.post_shape = self.numbers
        self.weight_shape, self.fan_in = (self.numbers[0], self.num_pre), self.num_pre

    @classmethod
    def of(cls, weights: Array) -> Dense:
        """Return the connection that has these weights.

        Parameters
        ----------
        weights : array
            (N_o, N_i), of any dtype.

        Returns
        -------
        Dense
            Connected.
        """
        return cls(weights.shape[0]).connected(tuple(weights.shape[1:]))

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

    Trains are (T, ...), and the delay at most T time steps.
    """
    xp = namespace(spikes)
    return xp.concat([xp.zeros_like(spikes[:delay]), spikes[: len(spikes) - delay]])


def layers_of(given: Any) -> tuple[Synapse, ...]:
    """Return the layers of a network as connections, or refuse what is none.

    Given are a sequence of :class:`Synapse`, their texts, and integers, which are dense layers;
    first to last. Returned ones are not connected. Raises ValueError naming what was given and what
    is allowed.
    """
    spelled = ", ".join(kind.spelling() for kind in Synapse.kinds.values())
    expected = f"expected a sequence of connections, or of texts like {spelled}"
    if isinstance(given, str) or not isinstance(given, Sequence):
        raise ValueError(f"layers is {shown(given)}: {expected}")
    made = []
    for index, each in enumerate(given, start=1):
        found: Any = each
        if isinstance(each, str):
            parsed = (kind.parse(each) for kind in Synapse.kinds.values())
            try:
                found = next((one for one in parsed if one is not None), None)
            except ValueError as error:
                raise ValueError(f"layer {index} is {shown(each)}: {error}") from None
        elif not isinstance(each, (Synapse, bool)):
            try:
                found = Dense(each)
            except ValueError:
                found = None
        if not isinstance(found, Synapse):
            raise ValueError(f"layers holds {shown(each)} as layer {index}: {expected}")
        # As it was before it was connected, if ever.
        if found.pre_shape:
            found = copy(found)
            found.pre_shape = ()
        made.append(found)
    return tuple(made)


def connect(pre_shape: tuple[int, ...], layers: Sequence[Synapse]) -> tuple[Synapse, ...]:
    """Connect the layers of a network, layer 1 first.

    Returns the L layers, which now know their shapes. Raises ValueError, with the layer, if a kind
    cannot connect the layers on its sides.
    """
    made: list[Synapse] = []
    for index, layer in enumerate(layers, start=1):
        try:
            made.append(layer.connected(made[-1].post_shape if made else pre_shape))
        except ValueError as error:
            raise ValueError(f"layer {index} is {layer}: {error}") from None
        if not 1 <= made[-1].num_post <= MAX_NEURONS:
            raise ValueError(
                f"layer {index} is {layer}, of {made[-1].num_post} neurons: expected 1 to "
                f"{MAX_NEURONS}"
            )
    return tuple(made)


def refuse_synapses(config: Any, name: str, known: tuple[str, ...] = ("dense",)) -> None:
    """Refuse synapses of other kinds than those `known` to what has the `name`.

    Raises ValueError naming layer and kind.
    """
    for layer, synapse in enumerate(config.synapses, start=1):
        if synapse.name not in known:
            raise ValueError(
                f"synapses of layer {layer} are {synapse.name}: {name} knows "
                f"{' and '.join(known)} only"
            )
