"""Counts the operations of a forward pass, to estimate energy from."""

from __future__ import annotations

from dataclasses import dataclass

from lava_desire.activity import Activity
from lava_desire.network import DesireNetwork

_FLOAT_BITS = 32


@dataclass(frozen=True)
class LayerOperations:
    """Operations of one plastic layer in forward passes; all are sums over samples.

    Parameters
    ----------
    num_samples : int
        Windows that were run.
    spikes_received : int
        Input spikes that reached the layer inside the window. The last spikes of a hidden layer
        arrive one step late and are not among them.
    spikes_sent : int
        Spikes of its neurons.
    synaptic_operations : int
        Weights added to activations: each spike received goes through the synapses that begin at
        its neuron, N_ℓ of a dense layer; of a convolution the copies of weights that reach it,
        which are fewer at the edge of a plane.
    neuron_updates : int
        Time steps times neurons: decays, with a `synapse_decay` of the current too, comparisons.
    weight_bytes_read : float
        Bytes of weights that the synaptic operations read, packed.
    weight_bytes_stored : float
        Bytes of all weights of the layer, packed, whatever the number of samples.
    """

    num_samples: int
    spikes_received: int
    spikes_sent: int
    synaptic_operations: int
    neuron_updates: int
    weight_bytes_read: float
    weight_bytes_stored: float


def count_operations(network: DesireNetwork, activity: Activity) -> list[LayerOperations]:
    """Count the operations of a forward pass, layer 1 first.

    Parameters
    ----------
    network : DesireNetwork
        The network, in floating point (32 bits a weight) or in integers.
    activity : Activity
        A forward pass of it.

    Returns
    -------
    list of LayerOperations

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork, load_dataset
    >>> network = DesireNetwork(DesireConfig((64, 20, 10)))
    >>> layers = count_operations(network, network.forward(load_dataset("digits").test_images[:5]))
    >>> [layer.neuron_updates for layer in layers]  # 5 samples, 20 steps, 20 and 10 neurons
    [2000, 1000]
    """
    config = network.config
    num_samples = len(activity.prediction)
    fields = network.format_fields()
    counted = []
    for layer in range(1, config.num_layers + 1):
        synapse = config.synapses[layer - 1]
        spikes = activity.counts[layer - 1].sum(0).double()
        if config.delay(layer):
            spikes -= activity.spikes[layer - 1][-config.delay(layer) :].sum((0, 1))
        # How many synapses begin at each neuron: at the edge of a plane, fewer.
        ones = spikes.new_ones(synapse.num_post)
        begin = synapse.transpose(ones.new_ones(synapse.weight_shape), ones)
        received, operations = int(spikes.sum()), int(spikes @ begin)
        bytes_a_weight = (fields[layer - 1]["weight_bits"] if fields else _FLOAT_BITS) / 8
        counted.append(
            LayerOperations(
                num_samples=num_samples,
                spikes_received=received,
                spikes_sent=int(activity.counts[layer].sum()),
                synaptic_operations=operations,
                neuron_updates=num_samples * config.num_steps * synapse.num_post,
                weight_bytes_read=operations * bytes_a_weight,
                weight_bytes_stored=synapse.num_weights * bytes_a_weight,
            )
        )
    return counted
