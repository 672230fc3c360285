"""The Triton kernels compute what the rule says, to the bit.

On CUDA where there is one, else in Triton's interpreter on the CPU.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from lava_desire import DesireConfig, DesireNetwork, fit, rule
from lava_desire.backends.registry import has_triton
from lava_desire.backends.torch_ops import TorchBackend
from lava_desire.backends.wire import pack_spikes
from lava_desire.randomness import DropoutStream

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
if DEVICE == "cpu":
    os.environ["TRITON_INTERPRET"] = "1"  # read when triton is imported
triton = pytest.importorskip(
    "triton", reason="triton is not installed (torch for CUDA brings it, or the extra gpu)"
)

from recordings import Golden, read

from lava_desire.backends.triton import neurons
from lava_desire.backends.triton.backend import TritonBackend
from lava_desire.backends.triton.dropout import DeviceDropout
from lava_desire.training.average import WeightAverage
from lava_desire.training.captured import CapturedStep

from .test_synapses import one_to_one as one_to_one

WHOLE = ("mnist_online_dropout", "float32")
NUM_IN, NUM_OUT, BATCH = 70, 140, 5  # more than a tile has, and no multiple of it
SMALL = DesireConfig(
    (60, 40, 24, 10), dropout_input=0.1, learning_rate=1e-2, batch_size=8, epochs=2, seed=3
)


OPTIONS = {
    "trace_baseline": 0.9,
    "rate_floor": 0.2,
    "rates_over": "desired",
    "weight_limit": 0.3,
    "class_margin": 6,
    "synapse_decay": 0.5,
    "tie_break": "earliest",
}


class Layer:
    """A layer on both kernels, and trains for it."""

    def __init__(self, seed: int, scale: float = 0.3, precision: str = "float32", **fields) -> None:
        self.config = DesireConfig((1, NUM_IN, NUM_OUT), error_margin=0, **fields)
        self.mine = TritonBackend(self.config, torch.device(DEVICE), precision)
        self.exact = TorchBackend(self.config, torch.device("cpu"), "float32")
        draw = np.random.default_rng(seed)
        weights = (draw.standard_normal((NUM_OUT, NUM_IN)) * scale).astype(np.float32)
        rate = draw.random((BATCH, NUM_IN)) * 0.6
        self.weights = torch.from_numpy(weights)
        self.spikes = torch.from_numpy(draw.random((self.config.num_steps, BATCH, NUM_IN)) < rate)
        self.mask = torch.from_numpy(draw.random((BATCH, NUM_OUT)) >= 0.3)
        desire = draw.integers(-1, 2, (BATCH, NUM_OUT))
        desire[1::3] = 0
        self.desire = torch.from_numpy(desire.astype(np.int8))
        self.trains = self.pack(self.spikes)

    def place(self, delay: int = 0):
        return replace(self.exact.layers[1], delay=delay)

    def pack(self, spikes: torch.Tensor) -> torch.Tensor:
        return self.mine.pack(spikes).to(DEVICE)

    def run(self, delay: int = 0, gain: float = 1.0, masked: bool = False):
        mask = self.mask if masked else None
        place, kept = self.place(delay), mask if mask is None else to(mask)
        mine = self.mine.run(place, self.weights.to(DEVICE), self.trains, gain, kept)
        exact = self.exact.run(place, self.weights, self.spikes, gain, mask)
        return self.mine.unpack(mine).cpu(), exact


def to(tensor: torch.Tensor) -> torch.Tensor:
    return tensor.to(DEVICE)


@pytest.mark.parametrize("num_steps", [7, 20, 33, 64])
def test_trains_sent_as_bytes_come_back(num_steps):
    layer = Layer(5, num_steps=num_steps)
    chosen = torch.tensor([0, 2, 3])
    planes = layer.mine.to_bytes(layer.trains, to(chosen))
    assert torch.equal(planes.cpu(), layer.exact.to_bytes(layer.spikes, chosen))
    back = layer.mine.unpack(layer.mine.from_bytes(planes, to(chosen), BATCH)).cpu()
    assert torch.equal(back[:, chosen], layer.spikes[:, chosen])
    assert not back[:, [1, 4]].any()


@pytest.mark.parametrize(
    ("fields", "options"),
    [
        ({}, {}),
        ({}, {"delay": 1, "gain": 1 / 0.7, "masked": True}),
        ({"num_steps": 1}, {}),
        ({"num_steps": 31, "reset": "zero"}, {"delay": 1}),
        ({"num_steps": 32, "decay": 0.9, "threshold": 0.3}, {"delay": 1, "gain": 1 / 0.95}),
        ({"num_steps": 64, "decay": 0.875}, {"delay": 1, "masked": True}),
        ({"num_steps": 5, "decay": 0.0}, {}),
        ({"num_steps": 9, "synapse_decay": 0.6}, {"delay": 1, "gain": 1 / 0.7}),
    ],
)
def test_a_layer_spikes_as_the_rule_says(fields, options):
    mine, exact = Layer(5, **fields).run(**options)
    assert exact.any()
    assert torch.equal(mine, exact)


@pytest.mark.parametrize("scale", [1e-3, 1e6])
def test_the_size_of_weights_does_not_matter(scale):
    mine, exact = Layer(1, scale).run()
    assert torch.equal(mine, exact)


@pytest.mark.parametrize("unit", [2.0**-4, 0.1])
def test_a_membrane_that_meets_the_threshold_is_decided_exactly(unit):
    layer = Layer(7, threshold=0.5)
    layer.weights = torch.round(layer.weights / unit) * unit
    mine, exact = layer.run()
    assert torch.equal(mine, exact)


def test_a_fused_multiply_add_would_decide_otherwise_and_is_not_used():
    decay, threshold = np.float32(0.9), np.float32(0.3)
    draw = np.random.default_rng(0)
    # The second step brings a membrane from far below to the threshold.
    first = (draw.random(2000) * -8).astype(np.float32)
    second = threshold - decay * first
    apart = decay * first + second >= threshold
    # In float64 the product is exact and the sum nearly so.
    fused = (np.float64(decay) * first.astype(np.float64) + second).astype(np.float32) >= threshold
    chosen = np.flatnonzero(apart != fused)
    assert len(chosen) > 20
    currents = np.stack([first[chosen], second[chosen]])[:, None]
    words = torch.zeros(1, len(chosen), dtype=torch.int32, device=DEVICE)
    neurons.lif_scan_kernel[(triton.cdiv(len(chosen), 128),)](
        to(torch.from_numpy(currents)),
        words,
        words,
        len(chosen),
        DECAY=0.9,
        SYNAPSE_DECAY=0.0,
        THRESHOLD=0.3,
        NUM_STEPS=2,
        SUBTRACT=True,
        MASKED=False,
        BLOCK=128,
        enable_fp_fusion=False,
    )
    assert np.array_equal((words[0].cpu().numpy() >> 1) & 1, apart[chosen])


def test_two_bfloat16_terms_differ_only_where_a_membrane_is_close_to_the_threshold():
    layer = Layer(11, precision="bfloat16x2")
    mine, exact = layer.run(delay=1, gain=1 / 0.7)
    current = rule.synaptic_current(
        layer.weights, torch.cat([torch.zeros_like(layer.spikes[:1]), layer.spikes[:-1]]), 1 / 0.7
    )
    potential, distance = torch.zeros_like(current[0]), torch.full_like(current[0], torch.inf)
    for step in range(layer.config.num_steps):
        value = layer.config.decay * potential + current[step]
        distance = torch.minimum(distance, (value - layer.config.threshold).abs())
        _, potential = rule.integrate_and_fire(
            potential, current[step], layer.config.decay, layer.config.threshold
        )
    differs = (mine != exact).any(0)
    assert not (differs & (distance > 1e-4)).any()
    assert differs.float().mean() < 0.01


@pytest.mark.parametrize("threshold", [0.0, 0.05])
@pytest.mark.parametrize("masked", [False, True])
def test_hidden_desires_are_those_of_the_rule(threshold, masked):
    layer = Layer(2, desire_threshold_hidden=threshold)
    outputs = torch.rand(20, BATCH, NUM_OUT, generator=torch.Generator().manual_seed(1)) < 0.2
    mask = layer.mask if masked else None
    place, kept = layer.place(), mask if mask is None else to(mask)
    mine = layer.mine.pass_back(
        place, to(layer.weights), to(layer.desire), layer.pack(outputs), kept
    )
    exact = layer.exact.pass_back(place, layer.weights, layer.desire, outputs, mask)
    assert exact.any()
    assert torch.equal(mine.cpu(), exact)


@pytest.mark.parametrize(
    ("num_steps", "delay", "alpha"), [(20, 0, 0.0), (20, 1, 0.5), (33, 1, 0.0)]
)
def test_updates_are_those_of_the_rule(num_steps, delay, alpha):
    layer = Layer(4, num_steps=num_steps, synapse_decay=alpha)
    outputs = torch.rand(num_steps, BATCH, NUM_OUT, generator=torch.Generator().manual_seed(2))
    outputs = outputs < 0.2
    mine, exact = to(layer.weights.clone()), layer.weights.clone()
    place = layer.place(delay)
    active = layer.mine.learn(
        place, mine, 1e-2, to(layer.desire), to(layer.mask), layer.trains, layer.pack(outputs)
    )
    expected = layer.exact.learn(
        place, exact, 1e-2, layer.desire, layer.mask, layer.spikes, outputs
    )
    assert not torch.equal(exact, layer.weights)
    assert torch.equal(mine.cpu(), exact)
    assert torch.equal(active.cpu(), expected)
    assert active.any()
    assert not active.all()


def test_a_batch_without_desire_changes_no_weight():
    layer = Layer(4)
    mine = to(layer.weights.clone())
    outputs = layer.pack(torch.ones(20, BATCH, NUM_OUT, dtype=torch.bool))
    none = to(torch.zeros_like(layer.desire))
    active = layer.mine.learn(layer.place(), mine, 1e-2, none, None, layer.trains, outputs)
    assert torch.equal(mine.cpu(), layer.weights)
    assert not active.any()


@pytest.mark.parametrize("num_steps", [20, 63, 64])
def test_spikes_are_counted_and_unpacked(num_steps):
    layer = Layer(6, num_steps=num_steps)
    layer.spikes[:, 0] = True
    trains = layer.pack(layer.spikes)
    assert torch.equal(layer.mine.counts(trains).cpu(), layer.spikes.sum(0))
    assert torch.equal(layer.mine.unpack(trains).cpu(), layer.spikes)


@pytest.mark.parametrize(("num_steps", "error_margin"), [(20, 4), (20, 0), (13, 2), (64, 9)])
def test_predictions_and_output_desires_are_those_of_the_rule(num_steps, error_margin):
    config = DesireConfig((4, 10), num_steps=num_steps, error_margin=error_margin)
    made = TritonBackend(config, torch.device(DEVICE), "float32")
    generator = torch.Generator().manual_seed(0)
    spikes = torch.rand(num_steps, 60, 10, generator=generator) < torch.rand(
        60, 10, generator=generator
    )
    spikes[:, 0] = False
    spikes[:, 1, 3:6] = True
    spikes[:, 2] = False
    spikes[:4, 2, 7] = spikes[1:5, 2, 3] = True
    labels = torch.randint(0, 10, (60,), generator=generator)
    prediction, desire, error = made.teach(to(made.pack(spikes)), to(labels))
    counts = spikes.sum(0)
    rate = rule.firing_rate(counts, num_steps, error_margin)
    assert torch.equal(prediction.cpu(), rule.predict(counts))
    assert (prediction[:3] == -1).all()
    made = TritonBackend(config.replace(tie_break="earliest"), torch.device(DEVICE), "float32")
    earliest, *_ = made.teach(to(made.pack(spikes)), to(labels))
    assert torch.equal(earliest.cpu(), rule.predict(counts, rule.last_spikes(spikes)))
    assert earliest[:3].tolist() == [-1, -1, 7]
    expected = rule.output_desire(rate, labels, config.desire_threshold_output)
    assert torch.equal(desire.cpu(), expected)
    assert torch.equal(error.cpu(), rule.local_error(expected, rate))
    made = TritonBackend(config.replace(class_margin=3), torch.device(DEVICE), "float32")
    _, desire, error = made.teach(to(made.pack(spikes)), to(labels))
    expected = rule.margin_desire(counts, labels, 3)
    assert torch.equal(desire.cpu(), expected)
    assert torch.equal(error.cpu(), rule.local_error(expected, rate))


@pytest.mark.parametrize(
    ("num_neurons", "probability", "seed", "layer"),
    [(784, 0.05, 0, 0), (1601, 0.3, 7, 1), (10, 0.999, 2**40 + 3, 2), (37, 0.5, 2**63 + 5, 3)],
)
def test_masks_drawn_on_the_device_are_those_of_the_host(num_neurons, probability, seed, layer):
    stream = DropoutStream(num_neurons, probability, seed, layer)
    device = DeviceDropout(stream, torch.device(DEVICE))
    for position in (0, 5, 60_000 * 150):
        stream.seek(position)
        mine = device.draw(torch.tensor([position], device=DEVICE), 3)
        assert np.array_equal(mine.cpu().numpy(), stream.draw(3))


def small_data(num_samples: int):
    draw = np.random.default_rng(9)
    images = (draw.random((num_samples, 60)) ** 2 * 255).astype(np.uint8)
    return images, draw.integers(0, 10, num_samples)


class AsksNothing(TorchDispatchMode):
    """Fails where the host would have to wait for a value, which no capture survives."""

    def __torch_dispatch__(self, function, types, args=(), kwargs=None):
        waits = ("_local_scalar_dense", "nonzero", "masked_select", "is_nonzero", "unique")
        assert not any(name in str(function) for name in waits), function
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("precision", ["float32", "bfloat16x2"])
def test_the_body_of_a_captured_step_is_a_training_step(precision):
    images, labels = small_data(16)
    reference = DesireNetwork(SMALL, precision=precision, kernels="torch")
    network = DesireNetwork(SMALL, DEVICE, precision=precision, kernels="triton")
    step = CapturedStep(network, 8, 2)
    step.begin(*(to(torch.from_numpy(array)) for array in (images, labels)), 1e-2, 0)
    num_correct = num_active = 0
    for first in (0, 8):
        part = slice(first, first + 8)
        result = reference.train_step(images[part], labels[part], 1e-2)
        num_correct += result.num_correct
        num_active += result.num_active
        step.run()
    assert step.totals.tolist() == [num_correct, num_active]
    for mine, expected in zip(network.weights, reference.weights, strict=True):
        difference = (mine.cpu() - expected).abs().max()
        assert difference == 0 if precision == "float32" else difference < 1e-5


def test_spikes_that_come_packed_are_the_trains_that_images_are_encoded_as():
    images = torch.from_numpy(small_data(16)[0])
    for config in (SMALL, SMALL.replace(num_steps=33)):  # words of 32 bits and of 64
        backend = DesireNetwork(config, DEVICE, kernels="triton").backend
        spikes = TorchBackend(config, torch.device("cpu"), "float32").encode(images)
        assert torch.equal(backend.encode(to(pack_spikes(spikes))), backend.encode(to(images)))


@pytest.mark.parametrize("samples", ["all", "desired"])
def test_a_captured_step_averages_follows_and_limits_as_the_network_does(samples):
    config = SMALL.replace(trace_baseline=0.8, weight_limit=0.25, baseline_samples=20)
    config = config.replace(weight_average=0.7, rate_floor=0.1, rates_over=samples)
    images, labels = small_data(40)
    reference, network = DesireNetwork(config), DesireNetwork(config, DEVICE, kernels="triton")
    expected, average = WeightAverage(reference), WeightAverage(network)
    step = CapturedStep(network, 8, 3, average)
    for first, last in ((0, 24), (24, 40)):
        part = slice(first, last)
        shown = [to(torch.from_numpy(array[part])) for array in (images, labels)]
        step.begin(*shown, 1e-2, first)
        for _ in range((last - first) // 8):
            step.run()
    for first in range(0, 40, 8):
        part = slice(first, first + 8)
        reference.train_step(images[part], labels[part], 1e-2)
        expected.update()
    for mine, theirs in zip(network.weights, reference.weights, strict=True):
        assert torch.equal(mine.cpu(), theirs)
        assert theirs.abs().max() == 0.25
    for mine, theirs in zip(network.input_rates.rates, reference.input_rates.rates, strict=True):
        assert torch.equal(mine.cpu(), theirs)
    rated = network.input_rates.num_samples.tolist()
    assert rated == reference.input_rates.num_samples.tolist()
    assert rated == [40] * 3 if samples == "all" else 0 < rated[0] <= 40
    averaged = network.state.minibatches_averaged
    assert averaged == reference.state.minibatches_averaged > 0
    for mine, theirs in zip(average.network.weights, expected.network.weights, strict=True):
        # The interpreter rounds a fused product before it adds.
        assert (mine.cpu() - theirs).abs().max() <= (0 if DEVICE == "cuda" else 2**-25)


@pytest.mark.skipif(DEVICE == "cuda", reason="on CUDA the capture itself shows it")
@pytest.mark.parametrize("options", [{}, OPTIONS], ids=["paper", "options"])
def test_a_captured_step_asks_the_device_for_no_answer(options):
    step = CapturedStep(DesireNetwork(SMALL.replace(**options), kernels="triton"), 8)
    with AsksNothing():
        step.body()
    with pytest.raises(AssertionError), AsksNothing():
        int(step.totals[0])


@pytest.mark.parametrize(
    "changes", [{"threshold": 0.7}, {"weight_average": 0.9}, {"eligibility_width": 0.5}]
)
def test_captured_steps_follow_a_configuration_that_a_callback_sets(changes):
    images, labels = small_data(21)
    config = SMALL.replace(layer_sizes=(49, 20, 10), epochs=3)
    found = []
    for options in ({"device": DEVICE, "kernels": "triton"}, {}):
        network = DesireNetwork(config, **options)

        def set_config(record, network=network):
            network.config = network.config.replace(**changes)

        history = fit(network, (images[:, :49], labels), callbacks=[set_config])
        found.append([*network.numpy_weights(), [each.train_accuracy for each in history.records]])
        assert len(network.state.average) == (2 if "weight_average" in changes else 0)
    np.testing.assert_equal(*found)


@pytest.mark.parametrize("shift", [0, 1])
def test_a_run_of_captured_steps_is_any_run_and_resumes(tmp_path: Path, shift):
    config = SMALL.replace(
        layer_sizes=(49, 20, 10),
        weight_average=0.9,
        image_shift=shift,
        image_brightness=0.3,
        learning_rate_scale=(1, 2),
        **OPTIONS,
    )
    images, labels = small_data(21)  # two full minibatches and a smaller one
    data = (images[:, :49], labels)
    reference = DesireNetwork(config)
    expected = fit(reference, data, data)
    network = DesireNetwork(config.replace(epochs=1), DEVICE, kernels="triton")
    fit(network, data, data, folder=tmp_path)
    network = DesireNetwork(config, DEVICE, kernels="triton")
    history = fit(network, data, data, folder=tmp_path, resume=True)
    for mine, theirs in zip(network.numpy_weights(), reference.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, theirs)
    for mine, theirs in zip(history.records, expected.records, strict=True):
        assert mine.train_accuracy == theirs.train_accuracy
        assert mine.active_share == theirs.active_share
        assert mine.average_accuracy == theirs.average_accuracy


def test_a_synapse_without_a_kernel_takes_torch_operations_and_is_not_captured(one_to_one):
    data = small_data(12)
    data = (data[0][:, : one_to_one.num_inputs], data[1])
    config = one_to_one.replace(batch_size=8, epochs=1, weight_limit=0.9)
    networks = [
        DesireNetwork(config, kernels="torch"),
        DesireNetwork(config, DEVICE, kernels="triton"),
    ]
    assert not networks[1].backend.captures
    for network in networks:
        fit(network, data)
    for mine, theirs in zip(*(network.weights for network in networks), strict=True):
        assert torch.equal(mine, theirs.cpu())


@pytest.mark.golden
@pytest.mark.parametrize("precision", ["float32", "bfloat16x2"])
def test_train_step_repeats_the_recording(golden_path: Path, precision: str):
    # The interpreter takes about a second a sample: one recording is repeated whole there.
    whole = (golden_path.stem, precision) == WHOLE
    assert_repeats(read(golden_path), precision, None if whole else 3)


@pytest.mark.golden
def test_train_step_repeats_the_recording_of_convolutions(convolution_path: Path):
    assert_repeats(read(convolution_path), "float32", 1)


def assert_repeats(golden: Golden, precision: str, num_samples: int | None) -> None:
    """Look at all samples on a GPU, at so many in the interpreter."""
    config, num_recorded = golden.config, len(golden.labels)
    network = DesireNetwork(config, DEVICE, golden.initial, precision=precision, kernels="triton")
    whole = DEVICE == "cuda" or num_samples is None
    for sample in range(num_recorded if whole else num_samples):
        chosen = slice(sample, sample + 1)
        masks = [mask[chosen] for mask in golden.masks[: config.num_layers]]
        shown = golden.images[chosen], golden.labels[chosen]
        result = network.train_step(*shown, config.learning_rate, masks)
        for k in range(config.num_layers):
            counts, desire = result.counts[k + 1][0].cpu(), result.desires[k][0].cpu()
            np.testing.assert_array_equal(counts, golden.counts[k][sample])
            np.testing.assert_array_equal(desire, golden.desires[k][sample])
            if sample < len(golden.spikes[0]):
                spikes = result.spikes[k + 1][:, 0].cpu()
                np.testing.assert_array_equal(spikes, golden.spikes[k + 1][sample])
    for mine, final in zip(network.numpy_weights(), golden.final, strict=True):
        assert not whole or np.abs(mine - final).max() < 1e-6


@pytest.mark.skipif(DEVICE == "cpu", reason="no CUDA device here to choose kernels for")
def test_a_network_on_cuda_chooses_these_kernels_where_they_apply():
    assert DesireNetwork(SMALL, DEVICE).backend.name == "triton"
    assert DesireNetwork(SMALL.replace(num_steps=65), DEVICE).backend.name == "torch"


def test_an_older_triton_is_refused_by_name(monkeypatch):
    monkeypatch.setattr("importlib.metadata.version", lambda name: "3.1.0+git")
    assert not has_triton()
    with pytest.raises(ValueError, match=r"of which 3\.6 or later is not installed"):
        DesireNetwork(SMALL, DEVICE, kernels="triton")


def test_kernels_that_do_not_apply_are_refused_by_name(monkeypatch):
    with pytest.raises(ValueError, match="kernels is 'cuda': expected one of auto"):
        DesireNetwork(SMALL, kernels="cuda")
    with pytest.raises(ValueError, match="num_steps is 65: expected at most 64"):
        DesireNetwork(SMALL.replace(num_steps=65), DEVICE, kernels="triton")
    with pytest.raises(ValueError, match="precision is 'float16'"):
        DesireNetwork(SMALL, DEVICE, precision="float16", kernels="triton")
    monkeypatch.setattr("lava_desire.backends.triton.backend.INTERPRETED", False)
    with pytest.raises(ValueError, match="expected cuda, or TRITON_INTERPRET=1"):
        DesireNetwork(SMALL, "cpu", kernels="triton")


def test_every_kernel_compiles_for_gpus_and_the_scan_fuses_nothing():
    """What can be known of a GPU without one: Triton compiles for it here."""
    script = Path(__file__).with_name("compile_triton.py")
    environment = {name: text for name, text in os.environ.items() if name != "TRITON_INTERPRET"}
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    compiled = json.loads(done.stdout)
    assert {row["capability"] for row in compiled} == {80, 90}
    for row in compiled:
        # An average moves by one fused operation, as torch's does.
        assert row["fused"] == 0 or row["constants"].get("AVERAGED") == "True", row
        assert row["shared_bytes"] <= row["shared_limit"], row
        assert row["spilled_bytes"] == 0, row
        if row["kernel"] in ("current_kernel", "exact_current_kernel", "update_kernel"):
            assert row["tensor_core"] > 0, row
