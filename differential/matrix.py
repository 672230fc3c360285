"""The dense layer that a connection is, written out weight by weight."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np

from lava_desire.model.conv2d import Conv2d
from lava_desire.model.synapses import Synapse


class Matrix:
    """Where each weight of a connection stands in the matrix of the dense layer that it is.

    Parameters
    ----------
    synapse : Synapse
        Dense, or a convolution.
    """

    def __init__(self, synapse: Synapse) -> None:
        self._shape = synapse.weight_shape
        weights = np.arange(synapse.num_weights).reshape(self._shape)
        if isinstance(synapse, Conv2d):
            neurons = np.arange(synapse.num_post).reshape(synapse.post_shape)
            inputs = np.arange(synapse.num_pre).reshape(synapse.pre_shape)
            index = np.full((synapse.num_post, synapse.num_pre), -1)
            (_, height, width), kernel = synapse.pre_shape, weights.shape[1:]
            for o, y, x in product(*map(range, neurons.shape)):
                for c, i, j in product(*map(range, kernel)):
                    row = y * synapse.stride[0] + i - synapse.padding[0]
                    column = x * synapse.stride[1] + j - synapse.padding[1]
                    if 0 <= row < height and 0 <= column < width:
                        index[neurons[o, y, x], inputs[c, row, column]] = weights[o, c, i, j]
            weights = index
        self._there, self._index = weights >= 0, weights[weights >= 0]

    def unroll(self, weights: Any) -> Any:
        """Return weights as the matrix, (N_o, N_i)."""
        matrix = np.zeros(self._there.shape, weights.dtype)
        matrix[self._there] = weights.reshape(-1)[self._index]
        return matrix

    def fold(self, values: Any) -> Any:
        """Sum values of the matrix, (N_o, N_i), over the copies of each weight."""
        sums = np.zeros(self._shape, values.dtype)
        np.add.at(sums.reshape(-1), self._index, values[self._there])
        return sums
