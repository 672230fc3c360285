"""ODIN, of the Université catholique de Louvain, of 2019."""

from lava_desire.deploy.chips.base import Chip, Figure

_PAPER = "Frenkel et al., IEEE Trans. Biomed. Circuits Syst. 13(1), 2019, as others cite it"


def _limit(value: int, unit: str, words: str) -> Figure:
    return Figure(value, unit, f"{_PAPER}{words}", "secondary")


CHIP = Chip(
    name="odin",
    title="ODIN",
    year=2019,
    cores=_limit(1, "cores", ""),
    neurons_per_core=_limit(256, "neurons", ", title"),
    input_axons_per_core=_limit(256, "axons", ": a crossbar of 256 by 256"),
    fan_in=_limit(256, "synapses", ": a crossbar of 256 by 256"),
    weight_bits=_limit(4, "bits", ""),
    learns=f"{_PAPER}: spike-driven synaptic plasticity, which is another rule",
    notes=("Its makers measured 12.7 pJ a synaptic operation at 0.55 V (title).",),
)
