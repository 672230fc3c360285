"""Intel's Loihi of 2018."""

from dataclasses import replace

from lava_desire.deploy.chips.base import Chip, Figure, SynapseLists

_PAPER = "Davies et al., IEEE Micro 38(1), 2018"
_NENGO = "nengo-loihi 1.1.0, block.py"


def _limit(value: int, unit: str, where: str) -> Figure:
    return Figure(value, unit, f"{_PAPER}, {where}", "documented")


def _energy(value: float, row: str) -> Figure:
    source = f'{_PAPER}, Table 2, "{row}", SDF and SPICE simulations at 0.75 V'
    return Figure(value, "pJ", source, "simulated")


def _time(value: float, row: str) -> Figure:
    return replace(_energy(value, row), unit="ns")


def _sanafe(value: float, entry: str) -> Figure:
    source = f"sanafe 2.2.9, sanafe/examples/loihi.yaml, {entry}"
    return Figure(value, "pJ", source, "secondary")


CHIP = Chip(
    name="loihi1",
    title="Intel Loihi",
    year=2018,
    cores=_limit(128, "cores", "p. 86"),
    neurons_per_core=_limit(1024, "compartments", "p. 89, constraint 1"),
    synaptic_bytes_per_core=_limit(128 * 1024, "bytes", "p. 89, constraint 2"),
    output_axons_per_core=_limit(4096, "axons", "p. 89, constraint 3"),
    input_axons_per_core=_limit(4096, "axons", "p. 89, constraint 4"),
    compartments_to_subtract=Figure(
        2,
        "compartments",
        "Rueckauer et al., NxTF, arXiv:2101.04261, as others cite it",
        "secondary",
    ),
    weight_bits=_limit(9, "bits", "p. 87: one to nine bits with the sign"),
    lists=SynapseLists(
        word_bits=64,
        header_bits=10,
        synapses_per_list=64,
        weight_bits=(1, 2, 3, 4, 5, 6, 8),
        index_bits=(6, 7, 8, 9, 10, 11, 12),
        tag_bits=9,
        learning_axons=2,
        source=f"{_NENGO}, SynapseConfig: lists of at most 64 synapses with 4 + 6 bits before "
        "them, in words of 64 bits; no indices where they count up; learning synapses take two "
        f"axon indices; tags of 9 bits: {_PAPER}, Table 1",
    ),
    shares_weights=f"{_NENGO}, set_population_weights: input axons that share a list",
    learns=f"{_PAPER}, p. 91",
    energies={
        "synaptic_operation": _energy(23.6, "Energy per synaptic spike op (min)"),
        "synapse_update": _energy(120, "Energy per synaptic update (pairwise STDP)"),
        "neuron_update": _energy(81, "Energy per neuron update (active / inactive)"),
        "neuron_update_idle": _energy(52, "Energy per neuron update (active / inactive)"),
        "spike": _energy(1.7, "Within-tile spike energy"),
        "hop_east_west": _energy(3.0, "Energy per tile hop (E-W / N-S)"),
        "hop_north_south": _energy(4.0, "Energy per tile hop (E-W / N-S)"),
    },
    times={
        "synaptic_operation": _time(3.5, "Time per synaptic spike op (max)"),
        "synapse_update": _time(6.1, "Time per synaptic update (pairwise STDP)"),
        "neuron_update": _time(8.4, "Time per neuron update (active / inactive)"),
        "neuron_update_idle": _time(5.3, "Time per neuron update (active / inactive)"),
        "barrier": _time(465, "Mesh-wide barrier sync time (1-32 tiles)"),
    },
    simulators={
        # Its head names the paper for all of them, which has none of these but the hops east.
        "sanafe": {
            "synaptic_operation": _sanafe(35.5, "loihi_dense_synapse energy_process_spike"),
            "synaptic_operation_sparse": _sanafe(33.6, "loihi_sparse_synapse energy_process_spike"),
            "synaptic_operation_shared": _sanafe(24.0, "loihi_conv_synapse energy_process_spike"),
            "neuron_access": _sanafe(51.2, "loihi_lif energy_access_neuron"),
            "neuron_update": _sanafe(21.6, "loihi_lif energy_update_neuron, on top of the access"),
            "spike": _sanafe(69.3, "loihi_lif energy_spike_out"),
            "message": _sanafe(111.0, "loihi_out energy_message_out"),
            "hop_east_west": _sanafe(3.0, "energy_east_hop"),
            "hop_north_south": _sanafe(4.2, "energy_north_hop"),
        }
    },
    notes=(
        "No document gives a limit to the synapses of one neuron: the core's memory is the limit.",
        "A list stores at most 8 bits a weight: of nine, with the sign, the lowest is 0.",
    ),
)
