"""SynSense's Xylo Audio 2 (SYNS61201)."""

from lava_desire.deploy.chips.base import Chip, Figure

_OVERVIEW = "Rockpool 3.1.0, docs/devices/xylo-overview.ipynb"
_MAPPER = "Rockpool 3.1.0, devices/xylo/syns61201/xylo_mapper.py"
_MEMORY = "Rockpool 3.1.0, devices/xylo/syns61201/xa2_devkit_utils.py"


def _limit(value: int, unit: str, source: str) -> Figure:
    return Figure(value, unit, source, "documented")


CHIP = Chip(
    name="xylo",
    title="SynSense Xylo Audio 2",
    inputs=_limit(16, "channels", f"{_MAPPER}, le_16_input_channels"),
    hidden=_limit(1000, "neurons", f"{_MAPPER}, max_hidden_neurons"),
    outputs=_limit(8, "neurons", f"{_MAPPER}, max_output_neurons"),
    hidden_synapses=_limit(32_000, "synapses", f"{_MEMORY}: RFORAM, from 0xA920 to 0x12620"),
    fan_out=_limit(64, "synapses", f"{_OVERVIEW}: max. fanout, between hidden neurons"),
    weight_bits=_limit(8, "bits", f"{_MAPPER}, weight_dtype"),
    notes=(
        "A synaptic filter cannot be switched off, and hidden neurons fire up to 31 times a step.",
        "Xylo Audio 3 has 992 hidden and 32 output neurons, Xylo IMU 496 and 16; only 128 hidden "
        "neurons of either have synapses from the inputs, or to the outputs.",
    ),
)
