"""A map of cores counts what a chip's documents say a network takes."""

from __future__ import annotations

import json
import re

import numpy as np
import pytest

from lava_desire import Conv2d, DesireConfig, DesireNetwork, load_dataset
from lava_desire.analysis import plot_core_map
from lava_desire.deploy import map_network, quantize
from lava_desire.deploy.axons import axons, list_bits, split
from lava_desire.deploy.chips import find_chip, find_chips
from lava_desire.deploy.placement import place

LARGE = DesireConfig((784, 1600, 800, 10), reset="zero")
LISTS = find_chip("loihi1").lists


def test_the_papers_network_takes_25_cores_of_loihi_and_its_weights_alone_21():
    found = map_network(LARGE, "loihi1", 8)
    assert [layer.cores for layer in found.layers] == [12, 12, 1]
    assert sum(layer.weights_alone for layer in found.layers) == 21
    assert [layer.limited_by for layer in found.layers] == ["synaptic memory"] * 2 + [""]
    first = found.layers[0]
    assert sum(first.used["neurons"]) == 1600
    # 134 weights of 8 bits are lists of 64, 64 and 6: 576 + 576 + 64 bits, for each of 784 axons
    assert first.used["synaptic memory"][0] == 784 * (576 + 576 + 64) // 8
    assert first.used["input axons"] == (784,) * 12
    assert first.used["output axons"][0] == 134 * 12
    assert (first.weights, first.weight_bytes) == (784 * 1600, 784 * 1600)
    stored = first.weight_bytes + first.index_bytes + first.list_bytes
    assert stored == sum(first.used["synaptic memory"])
    assert found.fits


@pytest.mark.parametrize(
    ("synapses", "bits"),
    [(1, 64), (6, 64), (7, 128), (64, 576), (65, 640), (134, 1216), (1600, 25 * 576)],
)
def test_lists_are_as_long_as_nengo_loihi_makes_them(synapses, bits):
    assert list_bits(np.array([synapses]), 8, LISTS).tolist() == [bits]


@pytest.mark.parametrize("bits", [1, 4, 7, 8])
def test_weights_take_the_width_that_the_chip_has(bits):
    layer = map_network(LARGE, weight_bits=bits).layers[1]
    assert layer.weight_bytes == 1600 * 800 * {1: 1, 4: 4, 7: 8, 8: 8}[bits] / 8


def test_one_core_less_exceeds_the_limit_that_is_named():
    for size in (300, 700, 1500, 2500):
        layer = map_network(DesireConfig((600, size, 10), reset="zero")).layers[0]
        most = find_chip("loihi1").most("synaptic_bytes_per_core", 0)
        fuller = -(-size // (layer.cores - 1))
        assert layer.limited_by == "synaptic memory"
        assert max(layer.used["synaptic memory"]) <= most
        assert 600 * list_bits(np.array([fuller]), 8, LISTS)[0] / 8 > most
    # which nengo-loihi splits over two, and refuses
    assert map_network(DesireConfig((300, 770), reset="zero")).cores == 3


def test_a_neuron_that_subtracts_takes_two_compartments_of_loihi():
    wide = DesireConfig((4, 2000, 4))
    assert map_network(wide.replace(reset="zero")).layers[0].cores == 2
    layer = map_network(wide).layers[0]
    assert (layer.cores, layer.compartments, layer.limited_by) == (4, 4000, "neurons")
    assert map_network(wide, "loihi2").layers[0].compartments == 2000


def test_output_axons_limit_too():
    layer = map_network(DesireConfig((8, 1000, 900, 900, 10), reset="zero")).layers[0]
    following = map_network(DesireConfig((8, 1000, 900, 900, 10), reset="zero")).layers[1]
    assert following.cores > 4096 / 1000
    assert layer.limited_by == "output axons"
    assert max(layer.used["output axons"]) <= 4096


def test_learning_takes_tags_and_a_second_set_of_synapses():
    plain, learning = (map_network(LARGE, learning=each) for each in (False, True))
    assert learning.cores > 2 * plain.cores
    first, second, last = learning.layers
    assert first.learning_bytes == 784 * 1600 * 9 / 8
    assert first.feedback_bytes > second.synapses  # of Wᵀ of layer 2: its weights, and their tags
    assert last.feedback_bytes == 0
    assert first.used["input axons"][0] == 2 * (784 + 800)
    with pytest.raises(ValueError, match="layer 1 shares weights"):
        map_network(DesireConfig(layers=["2c3", 4], input_shape=(1, 8, 8)), learning=True)
    assert "no document says" in map_network(LARGE, "xylo", learning=True).problems[0]


def brute_force(synapse, cores, groups):
    """Return the lists of (weight, neuron relative to the first) that each core stores."""
    names = np.arange(1, synapse.num_weights + 1.0).reshape(synapse.weight_shape)
    connected = np.stack([synapse.transpose(names, row) for row in np.eye(synapse.num_post)])
    found = []
    for part in split(synapse.post_shape, cores, groups):
        lists = [column for column in connected[part].T if column.any()]
        kept = {
            tuple((int(column[i]), int(i - column.nonzero()[0][0])) for i in column.nonzero()[0])
            for column in lists
        }
        every = sorted(map(np.count_nonzero, lists))
        found.append((len(lists), every, sorted(map(len, kept))))
    return found


@pytest.mark.parametrize(("cores", "groups"), [(1, 1), (3, 1), (7, 1), (1, 3), (4, 2), (25, 1)])
def test_a_core_stores_each_list_of_a_convolution_once(cores, groups):
    synapse = Conv2d(3, 3, stride=2, padding=1).connected((2, 9, 8))
    reached = np.zeros(synapse.num_pre, int)
    for part in split(synapse.post_shape, cores, groups):
        members = np.isin(np.arange(synapse.num_post), part).astype(float)
        reached += synapse.transpose(np.ones(synapse.weight_shape), members) > 0
    for shares in (False, True):
        stored = axons(synapse, cores, shares=shares, groups=groups)
        assert stored.reached.tolist() == reached.tolist()
        for core, (number, every, once) in enumerate(brute_force(synapse, cores, groups)):
            assert stored.number[core] == number
            assert np.repeat(*stored.lists[core]).tolist() == (once if shares else every)


def test_a_convolution_is_spread_over_channels_where_that_takes_fewer_cores():
    config = DesireConfig(layers=["64c3"], input_shape=(64, 16, 16), reset="zero")
    found = map_network(config)
    (layer,) = found.layers
    assert (layer.cores, layer.channel_groups, layer.limited_by) == (28, 4, "synaptic memory")
    assert layer.used["neurons"] == (16 * 2 * 14,) * 28
    assert layer.used["input axons"] == (64 * 4 * 16,) * 28
    assert "Layer 1: 4 groups of channels, each on 7 cores." in " ".join(found.report.split())
    numbers = place(config, find_chip("loihi1"))[1]
    assert (np.bincount(numbers)[-28:] == 448).all()


def test_shared_weights_are_stored_where_the_documents_say_so():
    config = DesireConfig(layers=["16c5s2", "32c5s2", 10], input_shape=(1, 28, 28), reset="zero")
    shared, unrolled = map_network(config, "loihi1"), map_network(config, "truenorth")
    assert shared.layers[0].weights < unrolled.layers[0].weights == 57_600
    assert shared.layers[0].index_bytes > 0
    assert any("once" in sentence for sentence in shared.assumptions)
    assert any("every position" in sentence for sentence in unrolled.assumptions)


def test_a_map_of_xylo_lists_every_limit_and_the_widest_fan_out():
    found = map_network(DesireConfig((16, 50, 40, 64, 8)), "xylo")
    rows = dict(re.findall(r"^(\w[\w ]+?)  +([\d,]+  [\d,]+)$", found.report, re.MULTILINE))
    assert rows == {
        "inputs": "16  16",
        "hidden neurons": "154  1,000",
        "outputs": "8  8",
        "synapses from a hidden neuron": "64  64",
        "synapses between hidden neurons": "4,560  32,000",
    }
    assert found.fits


@pytest.mark.parametrize(
    ("config", "chip", "said"),
    [
        (DesireConfig((784, 4000, 3000, 2000, 10)), "loihi1", "254 cores: a chip .* 2 chips"),
        (DesireConfig((5000, 10)), "loihi1", "one neuron alone takes more input axons"),
        (DesireConfig((64, 10)), "truenorth", "weights of 8 bits: the chip holds 1"),
        (DesireConfig((300, 10)), "truenorth", "300 synapses end at a neuron.* split into 2"),
        (DesireConfig((64, 20, 10)), "xylo", "64 inputs: the chip has 16"),
        (DesireConfig((16, 900, 200, 8)), "xylo", "1,100 hidden neurons: the chip has 1,000"),
        (DesireConfig((16, 936, 64, 8)), "xylo", "59,904 synapses between .*: the chip has 32,000"),
        (DesireConfig((16, 200, 100, 8)), "xylo", "100 synapses begin at a hidden neuron .* 64"),
        (DesireConfig((100, 200, 100)), "odin", "300 neurons: the chip has 256"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_said_with_why(config, chip, said):
    found = map_network(config, chip)
    assert not found.fits
    assert ("cores, it does not fit" in found.report) == all(each.cores for each in found.layers)
    assert any(re.search(said, problem) for problem in found.problems), found.problems
    said_in_full = " ".join(found.report.split())
    assert all(f"Does not fit: {problem}." in said_in_full for problem in found.problems)


@pytest.mark.parametrize("chip", find_chips())
@pytest.mark.parametrize(
    "config",
    [
        DesireConfig((16, 60, 60, 8)),
        DesireConfig((16, 8)),
        DesireConfig((784, 1600, 800, 10), reset="zero"),
        DesireConfig(layers=["4c3", "8c3s2", 8], input_shape=(1, 12, 12)),
    ],
    ids=lambda config: config.shape_text,
)
def test_every_chip_answers_in_words_numbers_and_a_picture(chip, config, tmp_path):
    found = map_network(config, chip)
    assert max(map(len, found.report.splitlines())) <= 100
    assert json.loads(json.dumps(found.to_dict()))["cores"] == found.cores
    figure = plot_core_map(found, tmp_path / "map.svg")
    assert (tmp_path / "map.svg").stat().st_size > 1000
    assert figure.get_tightbbox().y1 <= figure.get_figheight()
    cells = [patch for patch in figure.axes[0].patches if not patch.get_fill()]
    free = found.chip_cores if found.has_cores and found.chip_cores <= 256 else 0
    assert len(cells) == (max(free, found.cores) if found.has_cores else len(found.limits))


def test_bits_are_those_of_a_network_in_integers():
    network = DesireNetwork(DesireConfig((64, 20, 10)))
    assert map_network(network).weight_bits == (8, 8)
    images, labels = load_dataset("digits").train
    integers = quantize(network, (images[:20], labels[:20]), weight_bits=5).network
    assert map_network(integers).weight_bits == (5, 5)
    assert map_network(integers, weight_bits=3).weight_bits == (3, 3)
    told = map_network(integers, weight_bits=np.int64(3)).to_dict()
    assert json.loads(json.dumps(told))["weight_bits"] == [3, 3]


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"chip": "loihi3"}, "chip is 'loihi3': expected one of"),
        ({"weight_bits": 0}, r"weight_bits is 0: expected an integer in \[1, 32\]"),
        ({"network": 5}, "network is a int: expected"),
        ({"chip": None}, r"chip is None: expected one of .*loihi1"),
    ],
)
def test_bad_input_is_refused(given, said):
    with pytest.raises(ValueError, match=said):
        map_network(**{"network": LARGE} | given)
