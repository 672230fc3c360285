"""Intel's Loihi 2 of 2021."""

from lava_desire.deploy.chips.base import Chip, Figure

_BRIEF = "Intel, Loihi 2 technology brief, 2021, comparison with Loihi, as others quote it"

CHIP = Chip(
    name="loihi2",
    title="Intel Loihi 2",
    year=2021,
    cores=Figure(128, "cores", f"{_BRIEF}; papers count 120 to 128", "secondary"),
    neurons_per_core=Figure(
        8192, "neurons", f"{_BRIEF}: a million neurons over 128 cores", "secondary"
    ),
    synaptic_bytes_per_core=Figure(
        192 * 1024,
        "bytes",
        f"{_BRIEF}: 192 KB, flexible allocation, for all of a core",
        "secondary",
    ),
    weight_bits=Figure(
        8, "bits", "papers on Loihi 2 use 8; no document gives a limit", "secondary"
    ),
    shares_weights=f"{_BRIEF}: convolutional compression",
    learns=f"{_BRIEF}: three factors",
    notes=(
        "The memory of a core is shared with neurons and axons, 0 to 4096 bytes a neuron.",
        "No public document gives the layout of its synapses, or energies of events.",
    ),
)
