"""BrainScaleS-2, of Heidelberg University."""

from lava_desire.deploy.chips.base import Chip, Figure

_GUIDE = 'BrainScaleS-2 documentation, "The BrainScaleS-2 system"'

CHIP = Chip(
    name="brainscales2",
    title="BrainScaleS-2",
    year=2022,
    cores=Figure(1, "cores", _GUIDE, "documented"),
    neurons_per_core=Figure(512, "neurons", f"{_GUIDE}: 512 neuron circuits", "documented"),
    fan_in=Figure(
        128,
        "synapses",
        "four blocks of 128 by 256 synapses; a signed weight takes two",
        "secondary",
    ),
    weight_bits=Figure(6, "bits", f"{_GUIDE}: 6 bits, the sign of a row beside", "documented"),
    learns=f"{_GUIDE}: a processor beside the synapses",
    notes=(
        "Neurons and synapses are analogue: no emulator can give their bits.",
        "Neuron circuits can be merged, each bringing its synapses: a neuron of 256 takes two.",
    ),
)
