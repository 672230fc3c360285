"""IBM's TrueNorth of 2014."""

from lava_desire.deploy.chips.base import Chip, Figure

_PAPER = "Merolla et al., Science 345(6197), 2014, as others cite it"


def _limit(value: int, unit: str, words: str = "") -> Figure:
    return Figure(value, unit, f"{_PAPER}{words}", "secondary")


CHIP = Chip(
    name="truenorth",
    title="IBM TrueNorth",
    year=2014,
    cores=_limit(4096, "cores"),
    neurons_per_core=_limit(256, "neurons"),
    input_axons_per_core=_limit(256, "axons", ", rows of the crossbar"),
    fan_in=_limit(256, "synapses", ", rows of the crossbar"),
    weight_bits=_limit(1, "bits", ": a synapse is there or not; a neuron has four weights"),
    notes=("Its makers measured 26 pJ a synaptic event of the whole chip, all else included.",),
)
