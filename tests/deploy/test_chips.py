"""Chips are data: a file each, and a document for every number."""

import pytest

from lava_desire.deploy.chips import find_chip, find_chips
from lava_desire.deploy.chips.base import Figure

CHIPS = find_chips()


@pytest.mark.parametrize("chip", CHIPS.values(), ids=CHIPS)
def test_a_chip_has_limits_and_is_named_as_its_file(chip):
    assert chip.limits()
    assert CHIPS[chip.name] is chip
    for figures in (chip.energies, *chip.simulators.values()):
        assert all(figure.value > 0 and figure.unit == "pJ" for figure in figures.values())


def test_loihi_has_what_its_paper_says():
    chip = find_chip("loihi1")
    memory, energies = chip.synaptic_bytes_per_core, chip.energies
    assert memory is not None
    assert (memory.value, memory.kind) == (131072, "documented")
    assert chip.limits()["cores"].text == "128 cores"
    assert energies["synaptic_operation"].text == "23.6 pJ"
    assert {figure.kind for figure in energies.values()} == {"simulated"}


def test_an_unknown_chip_is_refused_by_name():
    with pytest.raises(ValueError, match=r"chip is 'loihi9': expected one of .*loihi1"):
        find_chip("loihi9")


@pytest.mark.parametrize(
    ("source", "kind", "said"), [("a paper", "guessed", "kind is"), ("", "measured", "source is")]
)
def test_a_number_needs_a_document(source, kind, said):
    with pytest.raises(ValueError, match=said):
        Figure(1, "pJ", source, kind)
