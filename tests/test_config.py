from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from lava_desire import DesireConfig
from lava_desire.config import OPTIONS, PRESETS
from lava_desire.model.fields import choice, declared


def test_the_presets_hold_the_values_of_the_paper():
    mnist = DesireConfig.preset("mnist")
    assert mnist.layer_sizes == (784, 1600, 800, 10)
    assert (mnist.num_steps, mnist.decay, mnist.threshold, mnist.error_margin) == (20, 0.75, 1, 4)
    assert (mnist.desire_threshold_hidden, mnist.desire_threshold_output) == (0.05, 0.30)
    assert (mnist.dropout_input, mnist.dropout_hidden, mnist.epochs) == (0, 0.3, 150)
    assert (mnist.learning_rate, mnist.learning_rate_decay) == (1e-5, 0.04)
    fashion = DesireConfig.preset("fashion-mnist")
    assert fashion.layer_sizes == (784, 1000, 100, 10)
    assert (fashion.dropout_input, fashion.dropout_hidden, fashion.epochs) == (0.05, 0.4, 600)


def test_a_choice_of_punctuation_names_what_is_allowed_in_quotes():
    @dataclasses.dataclass
    class Mine:
        mark: str = choice(",", [",", ";", "dot"], doc="A mark.", help="a mark.")

    (field,) = dataclasses.fields(Mine)
    with pytest.raises(ValueError, match=r"^mark is '!': expected one of ',', ';', dot$"):
        declared(field).check("mark", "!", None)


@pytest.mark.parametrize("name", PRESETS)
def test_a_configuration_survives_json(name):
    config = DesireConfig.preset(name).replace(seed=3)
    assert DesireConfig.from_json(config.to_json()) == config


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("layer_sizes", ()),
        ("layer_sizes", (784,)),
        ("layer_sizes", (784, 0, 10)),
        ("layer_sizes", (784, 10.0)),
        ("layer_sizes", 7),
        ("num_steps", 0),
        ("num_steps", 2.5),
        ("num_steps", True),
        ("error_margin", 20),
        ("error_margin", -1),
        ("decay", 1.0),
        ("decay", -0.1),
        ("decay", math.nan),
        ("threshold", 0),
        ("desire_threshold_hidden", -0.1),
        ("desire_threshold_output", math.inf),
        ("dropout_input", -0.1),
        ("dropout_hidden", 1.0),
        ("dropout_hidden", 1.5),
        ("learning_rate", -1e-5),
        ("learning_rate", "fast"),
        ("learning_rate_decay", -1),
        ("batch_size", 0),
        ("epochs", -1),
        ("seed", -1),
        ("seed", 2**63),
        ("reset", "soft"),
        ("learning_rate_scale", (1.0, 2.0)),
        ("learning_rate_scale", (1.0, -1.0, 1.0)),
        ("learning_rate_scale", "111"),
        ("learning_rate_scale", 2.0),
        ("image_shift", -1),
        ("image_shift", 28),
        ("image_shift", 1.5),
        ("image_shift_share", -0.1),
        ("image_shift_share", 1.5),
        ("image_shift_start", -1),
        ("image_shift_start", 0.5),
        ("image_mirror", 1.5),
        ("time_shift", -1),
        ("time_shift", 20),
        ("spike_drop", 1),
        ("spike_drop", 2**-17),
        ("image_rotation", -1),
        ("image_rotation", 180.5),
        ("image_scale", -0.1),
        ("image_scale", 1.0),
        ("image_bend", 1001),
        ("image_brightness", 1.0),
        ("image_brightness", -0.1),
        ("weight_average", 1.0),
        ("trace_baseline", 1.5),
        ("trace_baseline", -0.5),
        ("baseline_samples", 0),
        ("rates_over", "some"),
        ("weight_limit", -0.1),
        ("rate_floor", -0.1),
        ("rate_floor", 1.0),
        ("class_margin", -1),
        ("class_margin", 21),
        ("class_margin", 1.5),
        ("tie_break", "first"),
        ("weight_average", -0.5),
        ("synapse_decay", 1.0),
        ("synapse_decay", -0.5),
    ],
)
def test_a_wrong_value_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"{field} is ") as caught:
        DesireConfig.preset("mnist").replace(**{field: value})
    assert "expected" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("class_margin", 2),
        ("tie_break", "earliest"),
        ("feedback", "sign"),
        ("eligibility_width", 0.5),
        ("learning_rate_schedule", "cosine"),
        ("synapse_decay", 0.5),
    ],
)
def test_two_options_that_replace_the_same_are_refused_by_name(name, value, monkeypatch):
    monkeypatch.setattr("lava_desire.config.OPTIONS", [*OPTIONS, *OPTIONS])
    with pytest.raises(ValueError, match=f"{name} and {name} are given: expected one of them"):
        DesireConfig((4, 3, 2), **{name: value})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "not JSON"),
        ("[]", "config is a list"),
        ("{}", "no layer_sizes"),
        ('{"layer_sizes": [2, 1], "rate": 1}', "no field rate"),
        ("[" * 2_000, "not JSON"),
    ],
)
def test_unreadable_json_is_refused(text, message):
    with pytest.raises(ValueError, match=message):
        DesireConfig.from_json(text)


def test_an_unknown_preset_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match="'cifar': expected one of digits, mnist, fashion-mnist"):
        DesireConfig.preset("cifar")


def test_a_configuration_cannot_be_changed():
    with pytest.raises(AttributeError):
        DesireConfig.preset("mnist").num_steps = 3  # type: ignore[misc]


def test_dropout_spares_the_output_layer():
    config = DesireConfig((4, 3, 2), dropout_input=0.2, dropout_hidden=0.5)
    assert [config.dropout_of(layer) for layer in range(3)] == [0.2, 0.5, 0.0]
    assert [config.dropout_gain(layer) for layer in range(3)] == [1.25, 2.0, 1.0]
    with pytest.raises(ValueError, match="layer is 3"):
        config.dropout_of(3)


def test_a_window_has_a_step_more_for_each_layer():
    assert DesireConfig((4, 3, 2), num_steps=20).window_steps == 22


def test_the_learning_rate_decays_exponentially():
    config = DesireConfig((2, 1), learning_rate=2.0, learning_rate_decay=0.5)
    assert config.learning_rate_at(0) == 2.0
    assert config.learning_rate_at(4) == pytest.approx(2.0 * math.exp(-2))


def test_the_learning_rate_follows_half_a_cosine():
    config = DesireConfig((2, 1), learning_rate=2.0, epochs=6, learning_rate_schedule="cosine")
    rates = [config.learning_rate_at(epoch) for epoch in range(8)]
    half = math.sqrt(3) / 2
    expected = [2, 1 + half, 1.5, 1, 0.5, 1 - half, 0, 0]
    assert rates == pytest.approx(expected, abs=1e-15)
    assert config.replace(learning_rate_decay=3.0).learning_rate_at(2) == rates[2]
    assert config.replace(epochs=0).learning_rate_at(0) == 2


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("mnist", {"image_shift", "rate_floor"}),
        (
            "fashion-mnist",
            {
                "dropout_hidden",
                "weight_limit",
                "rate_floor",
                "batch_size",
                "image_shift",
                "image_shift_share",
                "image_shift_start",
                "image_brightness",
                "rates_over",
            },
        ),
    ],
)
def test_a_best_preset_has_the_papers_network_and_says_what_it_changes(name, more):
    best = DesireConfig.preset(f"{name}-best").to_dict()
    papers = DesireConfig.preset(name).to_dict()
    assert {field for field in best if best[field] != papers[field]} == more | {
        "learning_rate",
        "learning_rate_decay",
        "epochs",
        "weight_average",
        "trace_baseline",
    }


@pytest.mark.parametrize(
    "change",
    [
        {"image_shift": 1},
        {"image_rotation": 2},
        {"image_scale": 0.5},
        {"image_bend": 1},
        {"image_mirror": 0.5},
    ],
)
def test_images_that_are_not_square_are_not_moved(change):
    (given,) = [f"{name} is {value}" for name, value in change.items()]
    with pytest.raises(ValueError, match=f"{given}.*: expected 0 where the inputs are no square"):
        DesireConfig((785, 10), **change)
    assert DesireConfig((785, 10), input_shape=(1, 5, 157), **change).moves_images(0)


def test_images_move_from_an_epoch_on():
    config = DesireConfig((784, 10), image_shift=1, image_shift_start=2)
    assert [config.moves_images(epoch) for epoch in range(4)] == [False, False, True, True]
    assert not config.replace(image_shift=0).moves_images(2)
    assert not config.replace(image_shift_share=0).moves_images(2)
    assert config.replace(image_shift=0, image_scale=0.1).moves_images(2)
    assert config.replace(image_shift=0, image_bend=0.5).moves_images(2)
    assert not config.replace(image_shift=0, image_rotation=5).moves_images(1)


def test_the_presets_leave_the_options_beyond_the_paper_off():
    for name in ("digits", "mnist", "fashion-mnist"):
        config = DesireConfig.preset(name)
        assert config.learning_rate_scale == ()
        assert (config.image_shift, config.image_brightness, config.weight_average) == (0, 0, 0)
        assert (config.trace_baseline, config.weight_limit, config.rate_floor) == (0, 0, 0)
        assert config.rates_over == "all"
        assert not config.breaks_ties
        assert config.class_margin == 0
        assert config.learning_rate_scale_of(1) == 1


def test_each_layer_has_its_learning_rate_scale():
    config = DesireConfig((4, 3, 2), learning_rate_scale=[0.5, 2])
    assert [config.learning_rate_scale_of(layer) for layer in (1, 2)] == [0.5, 2]
    assert DesireConfig.from_json(config.to_json()) == config
    with pytest.raises(ValueError, match="layer is 0"):
        config.learning_rate_scale_of(0)


def test_json_has_plain_types_only():
    assert json.loads(DesireConfig((2, 1)).to_json())["layer_sizes"] == [2, 1]


def test_numbers_of_numpy_become_pythons_own():
    plain = DesireConfig((48, 20, 4), learning_rate_scale=(1, 2))
    given = DesireConfig(
        np.array([48, 20, 4]),
        learning_rate_scale=np.array([1, 2]),
        **{
            name: (np.float64 if isinstance(value, float) else np.int32)(value)
            for name, value in dataclasses.asdict(plain).items()
            if isinstance(value, int | float)
        },
    )
    assert given == plain
    assert given.to_json() == plain.to_json()
    values = [*dataclasses.astuple(given), *given.layer_sizes, *given.learning_rate_scale]
    assert {type(value) for value in values} == {int, float, str, tuple}
    assert given.replace(decay=np.float32(0.5)).decay == 0.5


@pytest.mark.parametrize("field", ["batch_size", "seed", "error_margin", "decay", "layer_sizes"])
def test_truth_values_of_numpy_are_no_numbers(field):
    wrong = (np.bool_(True), 4) if field == "layer_sizes" else np.bool_(True)
    with pytest.raises(ValueError, match=rf"{field} is \(?(np\.)?True"):
        DesireConfig((48, 20, 4)).replace(**{field: wrong})
    if field not in ("decay", "layer_sizes"):
        with pytest.raises(ValueError, match=f"{field} is .*expected an integer"):
            DesireConfig((48, 20, 4)).replace(**{field: np.float64(2)})
