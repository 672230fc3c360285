"""What ``fit``, ``evaluate``, ``forward`` and ``quantize`` take as data, and say of it."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pytest
import torch
from torch.utils.data import (
    DataLoader,
    IterableDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
)
from torch.utils.data import Dataset as TorchDataset

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.analysis import plot_confusion, plot_learning_curve
from lava_desire.checkpoint import read_checkpoint
from lava_desire.data import DataError, Dataset, DataWarning
from lava_desire.deploy import quantize
from lava_desire.training.run_folder import BEST, BEST_AVERAGE, CHECKPOINT

CONFIG = DesireConfig((48, 10, 4), epochs=2, batch_size=8, learning_rate=1e-3)
PICTURES = np.random.default_rng(5).integers(0, 256, (40, 6, 8), dtype=np.uint8)
ROWS = PICTURES.reshape(40, 48)
LABELS = np.arange(40) % 4
NAMES = np.array(["ant", "bee", "cat", "dog"])
KINDS = [{}, {"kernels": "torch"}, {"arithmetic": "fixed_point"}]


@pytest.fixture(scope="module")
def expected():
    """Weights of two epochs, of samples as they were always given."""
    network = DesireNetwork(CONFIG)
    fit(network, (ROWS, LABELS), (ROWS, LABELS))
    return network.numpy_weights()


class Items(TorchDataset):
    def __init__(self, image=torch.from_numpy):
        self.image = image

    def __len__(self):
        return 40

    def __getitem__(self, index):
        if index >= 40:
            raise IndexError
        return self.image(PICTURES[index : index + 1]), int(LABELS[index])


class Stream(IterableDataset):
    def __iter__(self):
        return iter([(PICTURES[index], LABELS[index]) for index in range(40)])


class Samples(TorchDataset):
    """More samples than are drawn at once, made by a function of their number."""

    def __init__(self, sample):
        self.sample = sample

    def __len__(self):
        return 301

    def __getitem__(self, index):
        return self.sample(index)


TENSORS = TensorDataset(torch.from_numpy(PICTURES), torch.from_numpy(LABELS))
PAIR = (ROWS, LABELS)


@pytest.mark.parametrize(
    "given",
    [
        (PICTURES, LABELS),
        [PICTURES[:, None], LABELS[:, None]],
        (torch.from_numpy(PICTURES)[..., None], torch.eye(4)[torch.from_numpy(LABELS)]),
        Dataset("mine", PICTURES, LABELS, *PAIR),
        Dataset("mine", PICTURES, NAMES[LABELS], *(ROWS, NAMES[LABELS])),
        {"x_train": PICTURES, "y_train": LABELS + 1, "x_test": PICTURES, "y_test": LABELS + 1},
        TENSORS,
        Items(),
        Subset(Items(), range(40)),
        DataLoader(TENSORS, 8, shuffle=True),
        DataLoader(Items(), 8),
        DataLoader(Stream(), 8),
    ],
    ids=lambda given: type(given).__name__,
)
def test_every_form_is_learned_as_rows_and_numbers_are(given, expected):
    network = DesireNetwork(CONFIG)
    brings_test = isinstance(given, Dataset | dict)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        history = fit(network, given, None if brings_test else given)
        accuracy = evaluate(network, given).accuracy
    assert history.last.test_accuracy == accuracy
    for mine, other in zip(network.numpy_weights(), expected, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_no_images_have_no_activity(kind):
    network = DesireNetwork(CONFIG, **kind)
    for images in (ROWS[:0], ROWS[:0] / 255, PICTURES[:0], torch.from_numpy(PICTURES[:0]), []):
        activity = network.forward(images)
        assert activity.prediction.shape == (0,)
        assert [spikes.shape for spikes in activity.spikes] == [(20, 0, n) for n in (48, 10, 4)]
        assert [counts.shape for counts in activity.counts] == [(0, n) for n in (48, 10, 4)]
        assert network.predict(images).shape == (0,)
    with pytest.raises(ValueError, match="images hold no sample: expected at least one to learn"):
        network.train_step(ROWS[:0], LABELS[:0], 1e-3)


def doors(network):
    """Each way for images to come in, with what it calls them."""
    yield lambda images: network.forward(images), "images"
    yield lambda images: network.predict(images), "images"
    yield lambda images: network.train_step(images, LABELS, 1e-3), "images"
    yield lambda images: fit(network, (images, LABELS)), "train images"
    yield lambda images: fit(network, PAIR, (images, LABELS)), "test images"
    yield lambda images: evaluate(network, (images, LABELS)), "data images"
    if network.arithmetic == "floating_point":
        yield lambda images: quantize(network, (images, LABELS)), "data images"


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_bytes_on_a_scale_of_their_own_are_warned_of_or_refused(kind):
    network = DesireNetwork(CONFIG, **kind)
    for door, name in doors(network):
        with pytest.warns(DataWarning, match=f"largest byte of {name} is 16, .* images / 16, flo"):
            door(ROWS % 17)
        with pytest.raises(ValueError, match=f"largest byte of {name} is 1, .* make no spike of"):
            door(ROWS % 2)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.filterwarnings("ignore", "none of the 4 neurons of layer 2 spikes")
            door((ROWS % 17) / 16)
            door(ROWS)


def test_what_no_pixel_can_spike_of_depends_on_the_encoder():
    sixteen = ROWS % 17
    with pytest.raises(ValueError, match="and 10 time steps at threshold 1 make no spike of it"):
        DesireNetwork(CONFIG.replace(num_steps=10)).forward(sixteen)
    with pytest.warns(DataWarning, match="is 1, where white is 255"):
        DesireNetwork(CONFIG.replace(num_steps=300)).forward(ROWS % 2)
    # Images of the same mean brightness have no scale.
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        DesireNetwork(CONFIG.replace(image_brightness=0.2)).forward(sixteen)
    with pytest.warns(DataWarning, match="largest byte of images is 16"):
        DesireNetwork(CONFIG.replace(off_channel=3, input_shape=(1, 6, 8))).forward(sixteen)
    with pytest.warns(DataWarning, match="2 time steps at threshold 3 make no spike of any pixel"):
        evaluate(DesireNetwork(CONFIG.replace(num_steps=2, error_margin=1, threshold=3.0)), PAIR)
    with pytest.raises(ValueError, match=r"the largest brightness of data images is 0\.00392"):
        evaluate(DesireNetwork(CONFIG), (ROWS / 255 / 255, LABELS))


def test_a_black_image_is_black_on_any_scale():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert DesireNetwork(CONFIG).predict(ROWS[:1] * 0).tolist() == [-1]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda net: fit(net, (ROWS, NAMES[LABELS])), "texts, as 'ant'.* lava_desire.data.Da"),
        (lambda net: fit(net, (PICTURES, LABELS), (PICTURES.swapaxes(1, 2), LABELS)), "are 8 x 6"),
        (
            lambda net: quantize(net, (PICTURES, LABELS), test=(PICTURES.swapaxes(1, 2), LABELS)),
            "8",
        ),
        (lambda net: fit(net, (ROWS, np.eye(3)[LABELS % 3])), "one-hot of 3 classes: expected 4"),
        (
            lambda net: fit(net, (np.stack([PICTURES] * 3, -1), LABELS)),
            "images .*3 channels",
        ),
        (lambda net: fit(net, 7), "train is a int: expected a pair"),
        (lambda net: evaluate(net, Dataset("mine", ROWS, LABELS)), "mine has no test set"),
        (
            lambda net: fit(net, Dataset("mine", *PAIR, *PAIR), PAIR),
            "beside mine, which has a te",
        ),
        (
            lambda net: fit(net, DataLoader(TENSORS, 8, sampler=SubsetRandomSampler([1, 2]))),
            r"SubsetRandomSampler of its own: .*torch\.utils\.data\.Subset",
        ),
        (lambda net: fit(net, Items(lambda image: object())), "does not give pairs .image, label."),
        (lambda net: fit(net, (ROWS, LABELS + 1)), r"in \[0, 4\); .*from 1 subtract 1, or put"),
        (
            lambda net: fit(net, (ROWS % 2, LABELS)),
            r"if 1 is white, give images\.astype\(np.float32",
        ),
        (lambda net: net.predict(np.ma.masked_less(ROWS, 9)), r"masked values: .*\.filled\("),
        (lambda net: evaluate(net, (ROWS, np.ma.masked_equal(LABELS, 1))), r"masked .*\.filled\("),
        (
            lambda net: fit(net, Samples(lambda n: (np.ma.masked_less(PICTURES[n % 40], 9), 1))),
            "sample 0 of train hold masked values",
        ),
        (
            lambda net: fit(net, Samples(lambda n: (PICTURES[n % 40][: 6 - n // 300], 1))),
            r"sample 300 of train has an image of shape \(5, 8\): expected \(6, 8\), as sample 0",
        ),
        (
            lambda net: fit(net, Samples(lambda n: {"image": PICTURES[0], "label": 1})),
            r"sample 0 of train is a dict of image, label: expected a pair \(image, label\)",
        ),
        (
            lambda net: fit(net, DataLoader(Samples(lambda n: (PICTURES[0], "cat")), 8)),
            "sample 0 of train has the label 'cat', a text: .*numbers the classes",
        ),
        (
            lambda net: evaluate(net, Samples(lambda n: (PICTURES[0], 1, n))),
            "sample 0 of data is a tuple of 3 parts: expected a pair",
        ),
        (
            lambda net: fit(net, TensorDataset(*TENSORS.tensors, TENSORS.tensors[1])),
            "train is a TensorDataset of 3 tensors: expected two",
        ),
        (lambda net: fit(net, DataLoader(TENSORS, None)), "batch_size=None, which gives no batc"),
        (lambda net: fit(net, DataLoader(Stream(), None)), "batch_size=None, which gives no batc"),
        (
            lambda net: fit(net, Dataset("mine", ROWS, NAMES[LABELS % 3])),
            "a label is 'ant': .*mine is of the classes ant, bee, cat, .* integers 0 to 3",
        ),
        (
            lambda net: fit(net, Dataset("mine", ROWS, LABELS % 3, class_names=tuple("abc"))),
            "a label is 'a': .*mine is of the classes a, b, c, .* integers 0 to 3",
        ),
        (
            lambda net: evaluate(net, Dataset("mine", ROWS, NAMES[LABELS], ROWS, NAMES[LABELS])),
            "a label is 'ant': .*give those as labels, or train a network .*with names",
        ),
        (
            lambda net: evaluate(net, Dataset("mine", ROWS, LABELS + 1, ROWS, LABELS + 1)),
            "a label is '4': expected one of the classes 0, 1, 2, 3: .*give those",
        ),
    ],
)
def test_what_is_not_taken_is_refused_with_its_cure(call, message):
    network = DesireNetwork(CONFIG)
    before = network.numpy_weights()
    with pytest.raises(ValueError, match=message):
        call(network)
    assert network.class_names is None
    for mine, other in zip(network.numpy_weights(), before, strict=True):
        np.testing.assert_array_equal(mine, other)


def test_batches_of_a_loader_that_are_not_learned_are_told():
    with pytest.warns(DataWarning, match=r"batches of 16: .*in batches of 8, the network's"):
        fit(DesireNetwork(CONFIG), DataLoader(TENSORS, 16))


def test_names_of_classes_are_kept_and_looked_up(tmp_path):
    network = DesireNetwork(CONFIG)
    data = Dataset("mine", ROWS, NAMES[LABELS], ROWS[:4], NAMES[LABELS[:4]])
    fit(network, data, folder=tmp_path)
    for name in (CHECKPOINT, BEST):
        assert DesireNetwork.load(tmp_path / name).class_names == tuple(NAMES)
    loaded = DesireNetwork.load(tmp_path / CHECKPOINT)
    few = Dataset("few", ROWS[[3, 1]], ["dog", "bee"], ROWS[[3, 1]], ["dog", "bee"])
    assert evaluate(loaded, few).confusion.sum(axis=1).tolist() == [0, 1, 0, 1]
    other = Dataset("other", ROWS, LABELS, ROWS, LABELS)
    with pytest.raises(DataError, match="a label is '0': expected one of the classes ant, bee"):
        evaluate(loaded, other)
    assert quantize(loaded, data).network.class_names == tuple(NAMES)
    plot_confusion(evaluate(loaded, data), tmp_path / "c.png", class_names=loaded.class_names)
    with pytest.raises(ValueError, match="2 class_names: expected 4"):
        plot_confusion(evaluate(loaded, data), tmp_path / "c.png", class_names=("a", "b"))


def test_a_network_of_numbers_finds_them_in_a_part_of_the_classes():
    network = DesireNetwork(CONFIG)
    some = Dataset("some", ROWS[2:4], [1, 3], ROWS[2:4], [1, 3])
    assert some.class_names == ("1", "3")
    assert evaluate(network, some).confusion.sum(axis=1).tolist() == [0, 1, 0, 1]


def test_labels_mean_the_same_whichever_of_them_are_there():
    """Classes of a network without names are numbers: labels 1 to 3 of it are never 0 to 2."""
    network = DesireNetwork(CONFIG)
    fit(network, PAIR)
    right = evaluate(network, PAIR).confusion
    for part in (LABELS > 0, LABELS < 3, LABELS % 2 == 1, LABELS >= 0):
        data = Dataset("part", ROWS[part], LABELS[part], ROWS[part], LABELS[part])
        found = evaluate(network, data).confusion
        np.testing.assert_array_equal(found, right * np.isin(range(4), LABELS[part])[:, None])
        texts = Dataset("part", *[ROWS[part], LABELS[part].astype(str)] * 2)
        np.testing.assert_array_equal(evaluate(network, texts).confusion, found)
    # What has learned numbers takes no names afterwards, by their place.
    named = Dataset("named", ROWS, NAMES[LABELS])
    for call in (fit, quantize):
        with pytest.raises(DataError, match="a label is 'ant': expected one of the classes 0, 1"):
            call(network, named)
    assert network.class_names is None


def test_integers_of_a_part_of_the_outputs_are_learned_as_they_are():
    """Names that are the numbers of outputs are these outputs, and need not be kept."""
    network, other = DesireNetwork(CONFIG), DesireNetwork(CONFIG)
    fit(network, Dataset("mine", ROWS, LABELS % 3 + 1))
    fit(other, (ROWS, LABELS % 3 + 1))
    assert network.class_names is None
    for mine, theirs in zip(network.numpy_weights(), other.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_names_of_data_that_are_refused_are_not_kept():
    network = DesireNetwork(CONFIG)
    with pytest.raises(ValueError, match="make no spike of"):
        fit(network, Dataset("mine", ROWS % 2, NAMES[LABELS]))
    assert network.class_names is None


def test_checkpoints_without_names_are_as_they_were(tmp_path):
    network = DesireNetwork(CONFIG)
    network.save(tmp_path / "a")
    header = (tmp_path / "a").read_bytes()
    assert b"class_names" not in header
    assert read_checkpoint(tmp_path / "a").class_names == []


def test_names_that_no_reader_would_take_are_not_written(tmp_path):
    network = DesireNetwork(CONFIG)
    for names, message in (
        (("a", "b"), "class_names are 2, so .* is not written: expected 4"),
        (("a", "b", "c", "c"), "two classes are called 'c'"),
    ):
        network.class_names = names
        with pytest.raises(ValueError, match=message):
            network.save(tmp_path / "a")
        assert not (tmp_path / "a").exists()


def test_without_a_test_set_the_history_says_so(tmp_path, expected):
    network = DesireNetwork(CONFIG)
    history = fit(network, PAIR, folder=tmp_path)
    assert history.best is None
    assert [record.test_accuracy for record in history.records] == [None, None]
    assert history.last.train_accuracy > 0
    for mine, other in zip(network.numpy_weights(), expected, strict=True):
        np.testing.assert_array_equal(mine, other)
    assert (tmp_path / CHECKPOINT).exists()
    assert not (tmp_path / BEST).exists()
    summary = json.loads((tmp_path / "metrics.json").read_text())
    assert summary["best"] is None
    assert summary["last"]["test_accuracy"] is None
    names, row, _ = (tmp_path / "metrics.csv").read_text().splitlines()
    values = dict(zip(names.split(","), row.split(","), strict=True))
    assert (values["test_accuracy"], values["undecided_share"], values["epoch"]) == ("", "", "1")
    plot_learning_curve(history, tmp_path / "curve.png")
    longer = DesireNetwork(CONFIG.replace(epochs=3))
    again = fit(longer, PAIR, folder=tmp_path, resume=True)
    assert [record.epoch for record in again.records] == [1, 2, 3]


def test_without_a_test_set_the_latest_average_is_kept(tmp_path):
    network = DesireNetwork(CONFIG.replace(weight_average=0.5))
    fit(network, PAIR, folder=tmp_path)
    average = DesireNetwork.load(tmp_path / BEST_AVERAGE).numpy_weights()
    stored = read_checkpoint(tmp_path / CHECKPOINT).average
    for mine, other in zip(average, stored, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("kind", KINDS, ids=str)
def test_a_network_knows_the_shape_of_the_images_that_it_learned(kind, tmp_path):
    network = DesireNetwork(CONFIG.replace(epochs=1), **kind)
    assert network.image_shape is None
    fit(network, (PICTURES, LABELS))
    network.save(tmp_path / "network.safetensors")
    turned = PICTURES.transpose(0, 2, 1)
    for each in (network, DesireNetwork.load(tmp_path / "network.safetensors")):
        assert each.image_shape == (6, 8)
        assert torch.equal(each.predict(PICTURES), each.predict(ROWS))
        for use in (
            lambda: each.predict(turned),  # noqa: B023
            lambda: evaluate(each, (turned, LABELS)),  # noqa: B023
            lambda: evaluate(each, Dataset("turned", turned, LABELS, turned, LABELS)),  # noqa: B023
            lambda: each.train_step(turned, LABELS, 1e-3),  # noqa: B023
            lambda: fit(each, (turned, LABELS)),  # noqa: B023
            lambda: fit(each, Dataset("turned", turned, LABELS)),  # noqa: B023
        ):
            with pytest.raises(ValueError, match=r"8 x 6: expected 6 x 8.*turned images are"):
                use()


def test_held_out_data_sets_of_turned_images_are_refused():
    turned = Dataset("turned", PICTURES.transpose(0, 2, 1), LABELS).as_test()
    for train in ((PICTURES, LABELS), Dataset("straight", PICTURES, LABELS)):
        for part in ("test", "validation"):
            with pytest.raises(DataError, match=f"{part} images are 8 x 6: expected 6 x 8, as tho"):
                fit(DesireNetwork(CONFIG), train, **{part: turned})


@pytest.mark.parametrize("found", [5, "6", [6, "8"], [[6], [8]], {"6": 8}, None])
def test_a_card_that_says_something_else_says_nothing(found):
    network = DesireNetwork(CONFIG)
    network.card = {"data": {"image_shape": found, "feature_names": found}}
    assert (network.image_shape, network.feature_names) == (None, None)
    assert len(network.predict(PICTURES)) == 40


def test_samples_of_one_class_are_said_to_be():
    with pytest.warns(DataWarning, match="all 40 training samples are of class 2"):
        fit(DesireNetwork(CONFIG.replace(epochs=0)), (ROWS, np.full(40, 2)))


def test_a_network_knows_the_columns_of_the_table_that_it_learned(tmp_path):
    names = [f"column {place}" for place in range(48)]
    network = DesireNetwork(CONFIG)
    learned = Dataset("table", ROWS, LABELS, ROWS, LABELS, feature_names=names)
    fit(network, learned)
    network.save(tmp_path / "network.safetensors")
    back = names[::-1]
    turned = Dataset("table", ROWS[:, ::-1], LABELS, ROWS[:, ::-1], LABELS, feature_names=back)
    other = Dataset("table", ROWS, LABELS, ROWS, LABELS, feature_names=["f0", *names[1:]])
    for each in (network, DesireNetwork.load(tmp_path / "network.safetensors")):
        expected = evaluate(each, (ROWS, LABELS)).confusion
        np.testing.assert_array_equal(evaluate(each, turned).confusion, expected)
        with pytest.raises(DataError, match=r"column 0.*f0"):
            evaluate(each, other)
    again = [DesireNetwork.load(tmp_path / "network.safetensors") for _ in range(2)]
    for one, data in zip(again, (learned, turned), strict=True):
        fit(one, data)
    for first, second in zip(*(one.numpy_weights() for one in again), strict=True):
        np.testing.assert_array_equal(first, second)
    with pytest.raises(DataError, match=r"column 0.*f0"):
        fit(again[0], other)
