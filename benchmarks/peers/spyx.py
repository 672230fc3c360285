"""The network in Spyx, on JAX: a whole round of batches is compiled at once.

``spyx.nn.run`` scans a network step by step, as all of Spyx's examples do. With the option
``layers`` it scans each layer's neurons alone, and a layer's window is one product, as elsewhere.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import jax
import numpy as np
import optax
import spyx
from flax import nnx
from jax import numpy as jnp
from spyx import optimize
from spyx.nn import LIF, Sequential, run

from benchmarks.peers.encoder import DECAY, LEARNING_RATE, encoder_table

WHOLE_ROUNDS = True  # a step takes all samples of a round, batch after batch


def build(layers: tuple[int, ...], option: str, batch_size: int) -> Any:
    """See :mod:`benchmarks.peers`."""
    rngs, spike = nnx.Rngs(0), spyx.axn.arctan()
    parts: list[Any] = []
    for before, behind in pairwise(layers):
        parts.append(nnx.Linear(before, behind, use_bias=False, rngs=rngs))
        parts.append(LIF((behind,), beta=DECAY, activation=spike, rngs=rngs))
    graph, parameters, rest = nnx.split(Sequential(*parts), nnx.Param, ...)
    table = jnp.asarray(encoder_table())

    def counts(parameters: Any, images: Any) -> Any:
        network, spikes = nnx.merge(graph, parameters, rest), table[:, images]
        if "layers" not in option:
            return run(network, spikes)[0].sum(0)
        for product, neurons in zip(network.layers[::2], network.layers[1::2], strict=True):
            spikes = run(neurons, product(spikes))[0]
        return spikes.sum(0)

    def loss(parameters: Any, batch: Any) -> Any:
        images, labels = batch
        logits = counts(parameters, images)
        return optax.softmax_cross_entropy_with_integer_labels(logits, labels).mean()

    solver = optimize.backprop(optax.adam(LEARNING_RATE))(loss, parameters)

    @jax.jit
    def train(state: Any, batches: Any) -> Any:
        return jax.lax.scan(lambda state, batch: solver.step(state, batch, None), state, batches)[0]

    @jax.jit
    def predict(parameters: Any, images: Any) -> Any:
        return jax.lax.map(lambda batch: counts(parameters, batch).argmax(1), images)

    # Without the arrays' weak types, which a step makes strong, and so has it compiled once more.
    state = jax.tree.map(lambda array: jnp.asarray(np.asarray(array)), solver.init(None))

    def step(images: np.ndarray, labels: np.ndarray) -> None:
        nonlocal state
        batches = images.reshape(-1, batch_size, images.shape[1]), labels.reshape(-1, batch_size)
        if "predict" in option:
            jax.block_until_ready(predict(solver.get_params(state), batches[0]))
        else:
            state = jax.block_until_ready(train(state, batches))

    return step
