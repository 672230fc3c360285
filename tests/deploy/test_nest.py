"""A script for NEST holds the network; that NEST runs it so is seen by `make check-emulators`."""

from __future__ import annotations

import runpy
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, load_dataset
from lava_desire.deploy import export, scale_to_integers
from lava_desire.deploy.integer_network import IntegerNetwork, encode_images

# A package of NEST's name in which nothing spikes; it gives floats then, as NEST 3.10.0.
BANNER = """
from types import SimpleNamespace
import numpy as np


class VerbosityLevel:
    ERROR = 0


class Group(list):
    global_id, V_m = np.arange(1), 0.0
    events = {"times": np.zeros(0), "senders": np.zeros(0)}


def Create(model, size=1, values=()):
    group = Group(SimpleNamespace() for _ in range(size))
    group.global_id = np.arange(1, 1 + size)
    return group


def ResetKernel(*arguments):
    pass


Connect = Simulate = ResetKernel
"""
PLANES = {"layers": ("3c3s2", "3"), "input_shape": (1, 8, 8)}


class Nest:
    """As much of NEST as a script uses."""

    VerbosityLevel = SimpleNamespace(ERROR=0)

    class Group:
        def __init__(self, first, size, values):
            self.global_id = np.arange(first, first + size)
            self.nodes = [SimpleNamespace(spike_times=()) for _ in range(size)]
            for name, value in values.items():
                setattr(self, name, value)

        def __iter__(self):
            return iter(self.nodes)

    def ResetKernel(self):  # noqa: N802
        self.groups, self.links, self.now = [], [], 0

    def Create(self, model, size=1, values=()):  # noqa: N802
        first = 1 + sum(len(group.global_id) for group in self.groups)
        group = self.Group(first, size, dict(values))
        group.model = model
        group.__class__ = type("Group", (self.Group,), {"__add__": lambda a, b: Joined([a, b])})
        self.groups.append(group)
        return group

    def Connect(self, pre, post, rule=None, synapses=None):  # noqa: N802
        if synapses:
            self.links.append((pre, post, synapses["weight"]))

    def Simulate(self, duration):  # noqa: N802
        size = 1 + sum(len(group.global_id) for group in self.groups)
        source, *layers = [g for g in self.groups if g.model != "spike_recorder"]
        recorder = next(g for g in self.groups if g.model == "spike_recorder")
        fired = getattr(self, "fired", np.zeros(size, bool)) if self.now else np.zeros(size, bool)
        for _ in range(int(duration)):
            self.now += 1
            arriving = np.zeros(size)
            for pre, post, weight in self.links:
                np.add.at(arriving, post, weight * fired[pre])
            fired = np.zeros(size, bool)
            for node, neuron in zip(source.nodes, source.global_id, strict=True):
                fired[neuron] = self.now in np.atleast_1d(node.spike_times)
            for layer in layers:
                potential = np.exp(-1 / layer.tau_m) * np.asarray(layer.V_m)
                potential = potential + arriving[layer.global_id]
                spikes = potential >= layer.V_th
                fired[layer.global_id] = spikes
                layer.V_m = np.where(spikes, layer.V_reset, potential)
            self.events += [
                (self.now, n) for n in np.flatnonzero(fired) if n > source.global_id[-1]
            ]
        self.fired = fired
        times, senders = np.array(self.events, int).reshape(-1, 2).T
        recorder.events = {"times": times.astype(float), "senders": senders}

    def __init__(self):
        self.events = []


class Joined:
    def __init__(self, parts):
        object.__setattr__(self, "parts", parts)

    @property
    def global_id(self):
        return np.concatenate([part.global_id for part in self.parts])

    @property
    def V_m(self):  # noqa: N802
        return np.concatenate(
            [np.broadcast_to(part.V_m, len(part.global_id)) for part in self.parts]
        )

    def __setattr__(self, name, value):
        sizes = np.cumsum([len(part.global_id) for part in self.parts])[:-1]
        whole = np.broadcast_to(value, len(self.global_id))
        for part, mine in zip(self.parts, np.split(whole, sizes), strict=True):
            setattr(part, name, mine)


@pytest.mark.parametrize("shape", [{"layer_sizes": (64, 12, 10)}, PLANES], ids=["dense", "planes"])
@pytest.mark.parametrize("arithmetic", ["floating_point", "integers"])
def test_a_script_spikes_as_the_network_does(shape, arithmetic, tmp_path, monkeypatch):
    network = DesireNetwork(DesireConfig(**shape, num_steps=8, error_margin=1, reset="zero"))
    images = load_dataset("digits").test_images[:4]
    if arithmetic == "integers":
        network = scale_to_integers(network)
        inputs = encode_images(images, network.config)
        wanted = network.spikes(inputs)
    else:
        inputs, *wanted = [train.numpy() for train in network.forward(images).spikes]
    report = export(network, tmp_path / "net.py", to="nest")
    assert "no spike differed" in report
    monkeypatch.setitem(sys.modules, "nest", Nest())
    script = runpy.run_path(str(tmp_path / "net.py"))
    np.testing.assert_array_equal(script["encode"](images), inputs)
    for mine, ours in zip(script["record"](inputs), wanted, strict=True):
        assert ours.any()
        np.testing.assert_array_equal(mine, ours)
    monkeypatch.setitem(sys.modules, "nest", Nest())
    script = runpy.run_path(str(tmp_path / "net.py"))
    np.testing.assert_array_equal(script["run"](images), wanted[-1].transpose(1, 0, 2))


def test_what_nest_cannot_do_is_refused_by_name(tmp_path):
    subtracting = DesireNetwork(DesireConfig((8, 4, 3)))
    config = DesireConfig((2, 1), reset="zero")
    shifted = IntegerNetwork(config, (np.ones((1, 2), int),), (5,), (-1,))
    for network, message in (
        (subtracting, "iaf_psc_delta neurons of NEST reset to zero: train with reset='zero', or"),
        (shifted, "weight exponent of layer 1 is -1: expected at least 0, as NEST adds weight by"),
    ):
        with pytest.raises(ValueError, match=r".+") as caught:
            export(network, tmp_path / "net.py", to="nest")
        assert message in str(caught.value)
    assert not list(tmp_path.iterdir())
    report = export(subtracting, tmp_path / "net.py", to="nest", convert_reset=True)
    assert "it now resets to zero and spikes less" in report


def test_a_script_has_no_name_of_a_package_and_prints_classes_alone(tmp_path):
    network = DesireNetwork(DesireConfig((64, 10), reset="zero"))
    for name in ("nest", "numpy", "json"):
        with pytest.raises(ValueError, match=f"{name}.py': expected another name than that of a"):
            export(network, tmp_path / f"{name}.py", to="nest")
    export(network, tmp_path / "net.py", to="nest")
    (tmp_path / "nest.py").write_text(f'print("a banner")\n{BANNER}')
    images = load_dataset("digits").test_images[:3]
    for file, array in {
        "images": images,
        "empty": images[:0],
        "flat": images[0],
        "objects": np.array([[None]]),
    }.items():
        np.savez(tmp_path / f"{file}.npz", images=array)
    (tmp_path / "half.npz").write_bytes((tmp_path / "images.npz").read_bytes()[:300])

    def call(*arguments):
        program = [sys.executable, "net.py", *arguments]
        return subprocess.run(program, cwd=tmp_path, capture_output=True, text=True)

    done = call("images.npz")
    assert done.stdout.split() == ["-1"] * 3
    assert "a banner" in done.stderr
    for arguments, said in (
        (("none.npz",), "none.npz is no .npz of images"),
        (("net.py",), "net.py is no .npz of images"),
        (("half.npz",), "half.npz is no .npz of images: File is not a zip file"),
        (("empty.npz",), "images have shape (0, 64): expected (S, 64), or (S, h, w), S > 0"),
        (("flat.npz",), "images have shape (64,): expected (S, 64)"),
        (("objects.npz",), "objects.npz is no .npz of images: Object arrays cannot be loaded"),
        (("images.npz", "0"), "the number of images is 0: expected at least 1"),
    ):
        refused = call(*arguments)
        assert (refused.returncode, refused.stdout) == (1, "")
        assert refused.stderr.splitlines()[-1].startswith(said)


@pytest.mark.parametrize("dtype", ["float16", "float64"])
@pytest.mark.parametrize("arithmetic", ["floating_point", "fixed_point"])
def test_a_script_rounds_brightness_as_the_network_does(dtype, arithmetic, tmp_path, monkeypatch):
    config = DesireConfig((64, 12, 10), reset="zero")
    network = DesireNetwork(config, arithmetic=arithmetic)
    export(network, tmp_path / "net.py", to="nest")
    monkeypatch.setitem(sys.modules, "nest", Nest())
    encode = runpy.run_path(str(tmp_path / "net.py"))["encode"]
    images = np.random.default_rng(0).random((100, 64)).astype(dtype)
    np.testing.assert_array_equal(encode(images), network.forward(images).spikes[0].numpy())
