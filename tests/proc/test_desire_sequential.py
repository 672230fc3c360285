"""One process, two models behind it: from outside nobody can tell which."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire import DesireConfig, rule
from lava_desire.checkpoint import read_checkpoint
from lava_desire.lava_runtime.discovery import find_models
from lava_desire.proc import DesireSequential, DesireSimCfg, ProcessError, SampleSource
from lava_desire.proc.desire_sequential.models import (
    PyDesireSequentialModelTorch,
    SubDesireSequentialModel,
)
from lava_desire.proc.run_config import TAGS
from lava_desire.randomness import initial_weights

from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi1SimCfg, Loihi2SimCfg  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip

CONFIG = DesireConfig(
    (6, 12, 8, 3),
    num_steps=8,
    error_margin=1,
    learning_rate=1e-2,
    dropout_input=0.1,
    seed=3,
    image_brightness=0.6,
    trace_baseline=0.8,
    baseline_samples=5,
    rates_over="desired",
    weight_limit=0.6,
    rate_floor=0.2,
    class_margin=3,
    tie_break="earliest",
)
IMAGES = np.random.default_rng(0).random((12, 6)).astype(np.float32)
LABELS = np.arange(12) % 3
WINDOW = CONFIG.window_steps

needs_torch = pytest.mark.skipif(
    "not __import__('importlib.util').util.find_spec('torch')", reason="torch is not installed"
)
BOTH = pytest.mark.parametrize("tag", ["floating_pt", pytest.param("torch", marks=needs_torch)])


def build(batch_size=1, position=0, config=CONFIG, **options):
    source = SampleSource(
        config=config,
        images=IMAGES,
        labels=LABELS,
        shuffle=True,
        batch_size=batch_size,
        position=position,
    )
    network = DesireSequential(config=config, batch_size=batch_size, **options)
    source.brightness_out.connect(network.brightness_in)
    source.label_out.connect(network.label_in)
    return source, network


def probed(target, steps):
    monitor = Monitor()
    monitor.probe(target, steps)
    return lambda: next(iter(next(iter(monitor.get_data().values())).values()))


def weights_after(network, tag, windows, settings=DesireSimCfg):
    try:
        network.run(RunSteps(windows * WINDOW), settings(select_tag=tag))
        return [var.get() for var in network.weights]
    finally:
        network.stop()


@pytest.mark.parametrize(
    ("settings", "tag"),
    [
        (Loihi1SimCfg, "floating_pt"),
        (Loihi2SimCfg, "fixed_pt"),
        pytest.param(Loihi2SimCfg, "torch", marks=needs_torch),
    ],
)
def test_lavas_own_run_configurations_choose_the_arithmetic_by_their_tag(settings, tag):
    config = DesireConfig((6, 5, 3), num_steps=6, learning_rate=1e-2)  # for integers as well
    networks = (build(config=config)[1] for _ in range(2))
    stock, ours = (
        weights_after(network, tag, 2, each)
        for network, each in zip(networks, (settings, DesireSimCfg), strict=True)
    )
    for mine, other in zip(stock, ours, strict=True):
        np.testing.assert_array_equal(mine, other)


@pytest.mark.parametrize("settings", [Loihi1SimCfg, Loihi2SimCfg])
def test_lavas_own_run_configurations_choose_the_model_by_any_tag(settings):
    _, network = build()
    models = find_models(network)
    parts, torch_model = SubDesireSequentialModel, PyDesireSequentialModelTorch
    chosen = {tag: settings(select_tag=tag).select(network, models) for tag in (None, *TAGS)}
    assert chosen == {None: parts, "floating_pt": parts, "fixed_pt": parts, "torch": torch_model}
    by_kind = settings(select_tag="fixed_pt", select_sub_proc_model=True)
    assert by_kind.select(network, models) is parts


def test_the_former_name_is_the_same_process():
    from lava_desire.proc import DesireMLP
    from lava_desire.proc.desire_mlp.process import DesireMLP as AtItsPlace

    assert DesireMLP is AtItsPlace is DesireSequential


@needs_torch
def test_both_models_show_the_same_in_every_step():
    steps = len(LABELS) * WINDOW
    watched = ("s_out", "prediction_out", "counts_out", "desire_out", "counts", "desire")
    watched += ("desire_1", "desire_2", "weights_1", "weights_2", "weights_3", "num_correct")
    seen = {}
    for tag in ("floating_pt", "torch"):
        _, network = build()
        read = {name: probed(getattr(network, name), steps) for name in watched}
        try:
            network.run(RunSteps(steps), DesireSimCfg(tag))
            seen[tag] = {name: values() for name, values in read.items()}
            for name in (
                *("confusion", "loss", "num_samples", "num_active", "samples_seen"),
                *("rated_samples", "input_rates_1", "input_rates_2", "input_rates_3"),
            ):
                seen[tag][name] = getattr(network, name).get()
        finally:
            network.stop()
    for name, values in seen["floating_pt"].items():
        np.testing.assert_array_equal(values, seen["torch"][name], err_msg=name)
    assert seen["torch"]["s_out"].any()
    assert seen["torch"]["desire_1"].any()
    assert (seen["torch"]["weights_1"][0] != seen["torch"]["weights_1"][-1]).any()


@needs_torch
def test_a_batched_network_learns_as_the_engine_does():
    from lava_desire.engine import DesireNetwork
    from lava_desire.randomness import epoch_order

    _, network = build(batch_size=4)
    learned = weights_after(network, "torch", windows=6)
    engine = DesireNetwork(CONFIG)
    order = np.concatenate([epoch_order(CONFIG.seed, epoch, len(LABELS)) for epoch in (0, 1)])
    for chosen in np.split(order, 6):
        engine.train_step(IMAGES[chosen], LABELS[chosen], CONFIG.learning_rate)
    for mine, other in zip(learned, engine.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, other)


def test_processes_refuse_more_than_one_sample_a_window():
    _, network = build(batch_size=4)
    with pytest.raises(ValueError, match=r'batch_size of .* is 4: .* a run with the tag "torch"'):
        network.run(RunSteps(1), DesireSimCfg("floating_pt"))


@BOTH
def test_a_mode_reaches_all_parts(tag):
    source, network = build()
    before = [
        rule.limit_weights(weights, CONFIG.weight_limit) for weights in initial_weights(CONFIG)
    ]
    try:
        network.learning_enabled.init = np.array([False])
        network.run(RunSteps(2 * WINDOW), DesireSimCfg(tag))
        for var, old in zip(network.weights, before, strict=True):
            np.testing.assert_array_equal(var.get(), old)
        assert network.samples_seen.get() == 2
        network.training.set(np.array([False]))
        source.evaluating.set(np.array([True]))
        network.run(RunSteps(3 * WINDOW), DesireSimCfg(tag))
        assert network.samples_seen.get() == 2  # evaluation draws no masks
        assert source.position.get() == 2
        network.training.set(np.array([True]))
        network.learning_enabled.set(np.array([True]))
        network.learning_rate.set(np.array([0.5]))
        network.run(RunSteps(8 * WINDOW), DesireSimCfg(tag))
        assert all(
            (var.get() != old).any() for var, old in zip(network.weights, before, strict=True)
        )
    finally:
        network.stop()


@needs_torch
def test_weights_set_between_runs_count_from_the_next_window():
    finals = []
    for tag in ("floating_pt", "torch"):
        _, network = build()
        try:
            network.run(RunSteps(2 * WINDOW), DesireSimCfg(tag))
            network.weights_2.set(np.full((8, 12), 0.2, np.float32))
            network.run(RunSteps(4 * WINDOW), DesireSimCfg(tag))
            finals.append([var.get() for var in network.weights])
        finally:
            network.stop()
    for one, other in zip(*finals, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize(
    "tag", ["floating_pt", "fixed_pt", pytest.param("torch", marks=needs_torch)]
)
def test_a_network_goes_on_from_its_checkpoint(tag, tmp_path):
    path = tmp_path / "network.safetensors"
    # Integers learn with neither.
    config = (
        CONFIG.replace(trace_baseline=0, weight_limit=0, rate_floor=0)
        if tag == "fixed_pt"
        else CONFIG
    )
    _, network = build(config=config)
    unbroken = weights_after(network, tag, windows=9)
    _, network = build(config=config)
    try:
        network.run(RunSteps(5 * WINDOW), DesireSimCfg(tag))
        network.to_checkpoint(path)
    finally:
        network.stop()
    with pytest.raises(RuntimeError, match="has been stopped"):
        network.to_checkpoint(path)
    stored = read_checkpoint(path)
    assert stored.samples_seen == 5
    assert stored.arithmetic == ("fixed_point" if tag == "fixed_pt" else "floating_point")
    source = SampleSource(config=CONFIG, images=IMAGES, labels=LABELS, shuffle=True, position=5)
    again = DesireSequential.from_checkpoint(path)
    source.brightness_out.connect(again.brightness_in)
    source.label_out.connect(again.label_in)
    for one, other in zip(unbroken, weights_after(again, tag, windows=4), strict=True):
        np.testing.assert_array_equal(one, other)


AFTER_TORCH_HAS_COMPUTED = """
import sys
sys.path.insert(0, {folder!r})
import torch
torch.set_num_threads(2)
left = torch.rand(600, 600)
print(float((left @ left).sum()) > 0)
from test_desire_sequential import build, weights_after
print(len(weights_after(build()[1], "torch", 2)), torch.cuda.is_initialized())
"""


@needs_torch
@pytest.mark.forked
def test_the_torch_model_runs_after_its_parent_has_used_torchs_threads(request):
    script = AFTER_TORCH_HAS_COMPUTED.format(folder=str(request.path.parent))
    run = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=200
    )
    assert run.stdout.split() == ["True", "3", "False"], run.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"config": None}, "config is a NoneType"),
        ({"weights": [np.ones((12, 6))]}, "weights holds 1 arrays: expected 3"),
        (
            {"weights": [np.ones((12, 6)), np.ones((8, 11)), np.ones((3, 8))]},
            r"weights of layer 2 is float64 \(8, 11\): expected float or integer \(8, 12\)",
        ),
        ({"dropout_masks": [None]}, "dropout_masks holds 1 arrays: expected 3"),
        ({"samples_seen": -1}, r"samples_seen is -1: expected an integer in \[0, 9007199254740992"),
        ({"batch_size": 0}, r"batch_size is 0: expected an integer in \[1, 9007199254740992\]"),
        ({"device": "gpu"}, "device is 'gpu': expected cpu, cuda or cuda:N"),
        ({"precision": "half"}, "precision is 'half'"),
    ],
)
def test_a_wrong_argument_is_named(options, message):
    with pytest.raises(ValueError, match=message):
        DesireSequential(**{"config": CONFIG, **options})


def test_a_tag_that_does_not_exist_is_refused():
    with pytest.raises(ValueError, match="select_tag is 'gpu': expected one of floating_pt"):
        DesireSimCfg("gpu")


def test_a_process_without_a_model_for_the_tag_is_named():
    message = (
        r"DesireSequential Process_\d+ has no model tagged 'fixed_pt': there is .*Torch \(torch\)"
    )
    with pytest.raises(ValueError, match=message):
        DesireSimCfg("fixed_pt").select(
            DesireSequential(config=CONFIG), [PyDesireSequentialModelTorch]
        )


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({"weight": None}, "'weight': did you mean 'weights'[?]"),
        ({"nam": "net"}, "'nam': did you mean 'name'[?]"),
        (
            {"zzz": 1},
            "'zzz': expected some of config, .*, rated_samples, image_shape, name, log_config",
        ),
    ],
)
def test_a_parameter_that_does_not_exist_is_refused(options, hint):
    with pytest.raises(TypeError, match=f"DesireSequential has no parameter {hint}"):
        DesireSequential(config=CONFIG, **options)


def test_parameters_of_lava_and_of_a_class_of_ones_own_are_taken():
    class Mine(DesireSequential):
        def __init__(self, *, colour, **options):
            super().__init__(colour=colour, **options)

    mine = Mine(config=CONFIG, colour="red", name="net")
    assert (mine.name, mine.proc_params["colour"]) == ("net", "red")
    with pytest.raises(TypeError, match="Mine has no parameter 'weight'"):
        Mine(config=CONFIG, colour="red", weight=None)


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"precision": "bfloat16x2"}], ids=str)
@pytest.mark.parametrize("tag", ["floating_pt", "fixed_pt"])
def test_processes_refuse_what_only_the_torch_model_uses(options, tag):
    _, network = build(**options)
    ((name, value),) = options.items()
    with pytest.raises(
        ValueError, match=f'{name} of .* is {value!r}: .* a run with the tag "torch"'
    ):
        network.run(RunSteps(1), DesireSimCfg(tag))


@pytest.mark.parametrize(
    "value", ["x", b"x", None, object(), [[1.0], [1.0, 2.0]], 1j], ids=lambda value: repr(value)[:9]
)
@pytest.mark.parametrize("name", ["learning_rate", "training", "weights_1", "num_samples"])
def test_a_var_of_numbers_is_set_to_numbers_alone(name, value):
    network = DesireSequential(config=CONFIG)
    message = rf"{name} of DesireSequential \(Process_\d+\) was set to "
    with pytest.raises(ValueError, match=message):
        getattr(network, name).set(value)


@BOTH
def test_a_text_for_a_number_changes_nothing_in_a_network_that_has_begun(tag):
    _, network = build()
    try:
        network.run(RunSteps(1), DesireSimCfg(tag))
        with pytest.raises(
            ValueError, match=r"learning_rate of .* was set to str .*: expected num"
        ):
            network.learning_rate.set("x")
        assert network.learning_rate.get() == CONFIG.learning_rate
    finally:
        network.stop()


@needs_torch
def test_a_device_that_is_not_there_ends_the_run_by_name():
    torch = pytest.importorskip("torch")
    missing = f"cuda:{torch.cuda.device_count()}"
    _, network = build(device=missing)
    message = rf"DesireSequential \(Process_\d+\): ValueError: device is '{missing}'"
    with pytest.raises(ProcessError, match=message):
        network.run(RunSteps(1), DesireSimCfg("torch"))


@BOTH
def test_weights_that_are_not_finite_are_refused_and_the_network_goes_on(tag):
    _, network = build()
    network.run(RunSteps(WINDOW), DesireSimCfg(tag))
    before = network.weights_1.get()
    with pytest.raises(ValueError, match=r"weights.* of Desire.*: it was set to NaN or infinity"):
        network.weights_1.set(np.full((12, 6), np.nan, np.float32))
    np.testing.assert_array_equal(network.weights_1.get(), before)
    network.run(RunSteps(WINDOW), DesireSimCfg(tag))

    def spoil():
        part = network.weights_1.aliased_var or network.weights_1
        Var.set(part, np.full((12, 6), np.nan, np.float32))  # past the check, as a RefPort would
        network.run(RunSteps(WINDOW), DesireSimCfg(tag))

    with pytest.raises(ProcessError, match=r"weights .*hold NaN or infinity"):
        spoil()


@needs_torch
def test_what_else_a_network_learns_has_vars_of_its_name(monkeypatch):
    from lava_desire import DesireNetwork
    from lava_desire.model.state import ARRAYS, COUNTERS, Counted, Layered, NetworkState

    monkeypatch.setitem(ARRAYS, "momentum", Layered(lambda config, layer: (layer,)))
    monkeypatch.setitem(COUNTERS, "pushes", Counted(of="momentum"))
    monkeypatch.setattr(NetworkState, "momentum", [], raising=False)
    monkeypatch.setattr(NetworkState, "pushes", 0, raising=False)
    update = DesireNetwork.update_layer

    def pushing(network, layer, *arguments):
        network.state.momentum[layer - 1] += 1
        network.state.pushes += 1
        return update(network, layer, *arguments)

    monkeypatch.setattr(DesireNetwork, "update_layer", pushing)
    momentum = [np.full(layer, 5.0) for layer in (1, 2, 3)]
    _, network = build(momentum=momentum, pushes=7)
    try:
        network.run(RunSteps(2 * WINDOW), DesireSimCfg("torch"))
        np.testing.assert_array_equal(network.momentum_2.get(), [7, 7])
        assert network.pushes.get() == 13
        network.momentum_2.set(np.array([0.0, 1.0]))
        network.run(RunSteps(WINDOW), DesireSimCfg("torch"))
        np.testing.assert_array_equal(network.state().momentum[1], [1, 2])
        assert network.state().pushes == 16
    finally:
        network.stop()
    with pytest.raises(ValueError, match=r"momentum of Process_\d+: only the torch model"):
        build()[1].run(RunSteps(1), DesireSimCfg("floating_pt"))
    with pytest.raises(ValueError, match=r"momentum of layer 2 is .*: expected float \(2,\)"):
        build(momentum=momentum[:1] * 3)
