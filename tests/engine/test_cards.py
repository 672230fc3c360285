"""A checkpoint says what it was trained on, how far, and how well it does."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from lava_desire import DesireConfig, DesireNetwork, evaluate, fit
from lava_desire.card import as_markdown, facts
from lava_desire.checkpoint import BEST, CHECKPOINT, Checkpoint, CheckpointError, read_checkpoint
from lava_desire.data import Dataset

CONFIG = DesireConfig((6, 5, 2), num_steps=6, error_margin=1, epochs=3, batch_size=8)
RANDOM = np.random.default_rng(0)
IMAGES, LABELS = RANDOM.integers(0, 256, (40, 6), np.uint8), np.arange(40) % 2
DATA = Dataset("stripes", IMAGES, LABELS, IMAGES[:12], LABELS[:12], class_names=("a", "b"))


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("cards") / "run"
    network = DesireNetwork(CONFIG)
    return folder, network, fit(network, DATA, folder=folder)


def test_the_last_and_the_best_say_their_own_epochs_and_accuracies(run):
    folder, network, history = run
    for name, record in ((CHECKPOINT, history.last), (BEST, history.best)):
        card = read_checkpoint(folder / name).card
        assert card["epoch"] == record.epoch
        assert card["accuracy"] == {"training": record.train_accuracy, "test": record.test_accuracy}
        assert {**card["data"], "digest": None} == {
            "name": "stripes",
            "digest": None,
            "training_samples": 40,
            "test_samples": 12,
        }
    assert network.card == DesireNetwork.load(folder / CHECKPOINT).card
    assert network.card["versions"]["lava_desire"]


def test_equal_runs_write_the_same(run, tmp_path):
    fit(DesireNetwork(CONFIG), DATA, folder=tmp_path / "again")
    headers = []
    for folder in (run[0], tmp_path / "again"):
        content = (folder / BEST).read_bytes()
        end = 8 + int.from_bytes(content[:8], "little")
        headers.append((json.loads(content[8:end]), content[end:]))
    assert headers[0] == headers[1]  # with a digest of all; in the file fields have any order


def test_validation_chooses_and_the_best_has_the_test_sets_accuracy(tmp_path):
    network = DesireNetwork(CONFIG.replace(weight_average=0.5))
    history = fit(network, DATA, folder=tmp_path / "run", validation=0.25)
    card = read_checkpoint(tmp_path / "run" / history.test.weights).card
    assert card["accuracy"]["test"] == history.test.accuracy
    assert card["epoch"] == history.test.epoch
    assert "test" not in network.card["accuracy"]
    assert network.card["accuracy"]["validation"] == history.last.validation_accuracy
    assert network.card["data"]["validation_samples"] == 10


def test_what_was_learned_before_is_kept_and_a_resumed_run_says_the_same(run, tmp_path):
    network = DesireNetwork.load(run[0] / CHECKPOINT)
    first = network.card
    fit(network, (IMAGES, LABELS), folder=tmp_path / "b")
    assert network.card["before"] == [{"data": first["data"], "epoch": 3}]
    assert "name" not in network.card["data"]
    again = DesireNetwork(CONFIG)
    fit(again, (IMAGES, LABELS), folder=tmp_path / "b", resume=True)
    assert again.card == network.card


def test_a_minibatch_later_no_accuracy_is_claimed(tmp_path):
    def stop(progress):
        if progress.epoch == 1 and progress.samples_done == 16:
            raise StopIteration

    network = DesireNetwork(CONFIG)
    with pytest.raises(StopIteration):
        fit(network, DATA, on_progress=stop)
    assert network.card["epoch"] == 1
    assert "accuracy" not in network.card


@pytest.mark.parametrize(
    "change", ["train_step", "in_turn", "update", "load_state_dict", "weights", "settings"]
)
def test_nor_is_one_of_weights_that_were_changed(run, change, tmp_path):
    network = DesireNetwork.load(run[0] / CHECKPOINT)
    seen = network.forward(IMAGES[:4], [np.ones((4, size), bool) for size in (6, 5)])
    assert "accuracy" in network.card
    if change == "train_step":
        network.train_step(IMAGES[:4], LABELS[:4], 1e-3)
    elif change == "in_turn":
        network.learn_in_turn(torch.from_numpy(IMAGES[:4]), torch.from_numpy(LABELS[:4]), 1e-3)
    elif change == "update":
        network.update(seen, network.desires(seen, LABELS[:4]), 1e-3)
    elif change == "load_state_dict":
        network.load_state_dict(DesireNetwork(network.config).state_dict())
    elif change == "weights":
        network.weights = DesireNetwork(network.config).weights
    else:
        network.config = network.config.replace(learning_rate=1e-5, epochs=9)
        assert "accuracy" in network.card  # it spikes and decides as before
        network.config = network.config.replace(tie_break="earliest")
    network.save(tmp_path / "a.safetensors")
    card = read_checkpoint(tmp_path / "a.safetensors").card
    what = "settings" if change == "settings" else "weights"
    assert card["note"] == f"{what} were changed since its epochs"
    assert "accuracy" not in card


def test_whole_numbers_of_a_table_are_floats_where_floats_were_learned(tmp_path):
    """They were taken for bytes, of which 1 is nearly black."""
    names, halves = tuple("abcdef"), np.tile(np.float32([0, 0.5, 1]), (8, 2))
    network = DesireNetwork(CONFIG)
    fit(network, Dataset("halves", halves, LABELS[:8], feature_names=names))
    network.save(tmp_path / "a.safetensors")
    network = DesireNetwork.load(tmp_path / "a.safetensors")
    whole = np.eye(6, dtype=np.uint8)
    table = Dataset("whole", whole, LABELS[:6], feature_names=names).as_test()
    loss = evaluate(network, (whole.astype(np.float32), LABELS[:6])).loss
    assert evaluate(network, table).loss == loss
    more = DesireNetwork(CONFIG.replace(epochs=1, learning_rate=0.0))
    fit(more, Dataset("halves", halves, LABELS[:8], feature_names=names), table)
    large = Dataset("large", 9 * whole, LABELS[:6], feature_names=names).as_test()
    with pytest.raises(ValueError, match="large holds whole numbers up to 9: expected numbers in"):
        evaluate(network, large)


def test_more_epochs_are_refused_where_learning_rates_follow_them(tmp_path):
    config = CONFIG.replace(epochs=1, learning_rate_schedule="cosine")
    fit(DesireNetwork(config), DATA, folder=tmp_path / "a")
    fit(DesireNetwork(config), DATA, folder=tmp_path / "a", resume=True)
    more = DesireNetwork(config.replace(epochs=2))
    with pytest.raises(CheckpointError, match="epochs is 2: expected 1, with which"):
        fit(more, DATA, folder=tmp_path / "a", resume=True)


def test_a_network_that_was_not_trained_has_none(tmp_path):
    network = DesireNetwork(CONFIG)
    network.save(tmp_path / "a.safetensors")
    assert read_checkpoint(tmp_path / "a.safetensors").card == network.card == {}
    network.card["note"] = "by hand"
    network.save(tmp_path / "a.safetensors")
    assert DesireNetwork.load(tmp_path / "a.safetensors").card == {"note": "by hand"}


def test_integers_say_what_they_were_made_of(run):
    from lava_desire.deploy import quantize

    integers = quantize(run[1], DATA).network
    assert integers.card == {**run[1].card, "note": integers.card["note"]}
    assert "quantised to 8 bits" in integers.card["note"]


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"a": {1}}, "card is no JSON"),
        ({"a": float("nan")}, "card is no JSON"),
        ({"a": "x" * (1 << 17)}, "expected at most 65536"),
    ],
)
def test_a_card_that_no_file_can_hold_is_refused(card, said):
    checkpoint = DesireNetwork(CONFIG).checkpoint()
    checkpoint.card = card
    with pytest.raises(ValueError, match=said):
        checkpoint.to_bytes()


@pytest.mark.parametrize("text", ["[1]", "{", '{"a": 1, "a": 2}', "[" * 10_000])
def test_a_card_that_is_none_is_refused(text, monkeypatch):
    from lava_desire import card as cards

    checkpoint = DesireNetwork(CONFIG).checkpoint()
    checkpoint.card = {"a": 1}
    with monkeypatch.context() as patched:
        patched.setattr(cards, "to_json", lambda card: text)
        content = checkpoint.to_bytes()
    with pytest.raises(CheckpointError):
        Checkpoint.from_bytes(content)


HOSTILE = "x\n---\n| [a](http://b) <script> \x1b[2J"


def test_the_card_for_the_hub_is_yaml_and_markdown_whatever_names_hold(run):
    yaml = pytest.importorskip("yaml", reason="PyYAML is not installed")
    checkpoint = run[1].checkpoint()
    checkpoint.class_names = [HOSTILE, "b"]
    checkpoint.card = {**checkpoint.card, "data": {"name": HOSTILE}, "note": HOSTILE}
    text = as_markdown(checkpoint, HOSTILE, {"command": "--data /home/me", "begun": HOSTILE})
    head, body = text.removeprefix("---\n").split("\n---\n", 1)
    front = yaml.safe_load(head)
    assert front["datasets"] == [HOSTILE]
    assert (
        front["model-index"][0]["results"][0]["metrics"][0]["value"]
        == (run[1].card["accuracy"]["test"])
    )
    assert "/home/me" not in text
    assert "\x1b" not in body
    assert "<script>" not in body.replace("\\<", "")
    rows = [line for line in body.splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(facts(checkpoint, {"begun": "b"}))
    assert json.loads(body.split("```json")[1].split("```")[0]) == CONFIG.to_dict()


@pytest.mark.parametrize(
    "card",
    [
        {"data": 1, "accuracy": [1], "before": 3, "versions": "x", "epoch": [], "weights": {}},
        {"data": {"name": {}}, "accuracy": {"test": "much"}, "before": {"a": 1}, "note": 5},
    ],
)
def test_odd_cards_of_strangers_are_shown_all_the_same(card):
    checkpoint = DesireNetwork(CONFIG).checkpoint()
    checkpoint.card = card
    assert facts(checkpoint)["network"].startswith("6-5-2")
    assert as_markdown(checkpoint, "a")
