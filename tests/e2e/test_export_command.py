"""``lava-desire export`` as a user meets it."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from lava_desire import DesireConfig, DesireNetwork, load_dataset


@pytest.fixture(autouse=True)
def two_networks(run):
    """Leave a network of either reset in the folder of the command."""
    for reset in ("zero", "subtract"):
        brightness = 0.3 if reset == "zero" else 0
        network = DesireNetwork(
            DesireConfig((64, 20, 10), reset=reset, image_brightness=brightness)
        )
        digits = load_dataset("digits")
        for first in range(0, 320, 16):
            part = slice(first, first + 16)
            network.train_step(digits.train_images[part], digits.train_labels[part], 1e-3)
        network.save(f"{reset}.safetensors")


@pytest.mark.parametrize("arithmetic", ["floating", "fixed"])
def test_the_script_for_lava_classifies_as_the_network_does(run, arithmetic):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    checkpoint = "zero.safetensors"
    if arithmetic == "fixed":
        checkpoint = "fixed.safetensors"
        options = ("--to", "fixed", "--dataset", "digits", "--quiet", "--output", checkpoint)
        assert run("export", "zero.safetensors", *options) == (0, "", "")
    status, out, err = run("export", checkpoint, "--to", "lava", "--output", "net.py")
    assert (status, err) == (0, "")
    assert "64-20-10 on stock Lava processes (Dense, LIFReset)" in out
    images, labels = load_dataset("digits").test
    np.savez("images.npz", test_images=images, test_labels=labels)
    done = subprocess.run(
        [sys.executable, "net.py", "images.npz", "30"],
        capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    wanted = DesireNetwork.load(checkpoint).predict(images[:30]).tolist()
    assert [int(line) for line in done.stdout.split()] == wanted
    assert f"{int((np.array(wanted) == labels[:30]).sum())} of 30 right" in done.stderr


def test_the_script_for_lava_takes_data_and_names_classes_as_the_network_does(run):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    network = DesireNetwork(DesireConfig((48, 4), reset="zero"))
    network.class_names = ("1", "2", "3", "b")
    network.save("named.safetensors")
    assert run("export", "named.safetensors", "--to", "lava", "--output", "named.py")[0] == 0
    pictures = np.random.default_rng(5).integers(0, 256, (6, 6, 8), dtype=np.uint8)
    names = np.array(network.class_names)
    labels = names[[0, 1, 2, 3, 0, 1]]
    np.savez("good.npz", x_test=pictures[:, None], Y_test=labels[:, None])
    np.savez("dark.npz", images=pictures % 2)
    np.savez("float.npz", images=pictures / 1.0)
    np.savez("wide.npz", images=pictures[..., :7])
    np.savez("labels.npz", images=pictures, labels=[1, 2, 3, 1, 2])
    np.savez("other.npz", images=pictures, labels=np.array(["b", "c", "1", "1", "1", "1"]))
    np.savez("none.npz", pixels=pictures)
    program = (
        "import named, sys\n"
        "for name in ('dark', 'float', 'wide', 'labels', 'other', 'none'):\n"
        "    try:\n"
        "        images, labels = named.read(f'{name}.npz')\n"
        "        named.count_spikes(images)\n"
        "    except SystemExit as error:\n"
        "        print(error)\n"
        "sys.argv[1:] = ['good.npz']\n"
        "named.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    *refusals, predicted = done.stdout.split("\n", 6)
    for refusal, message in zip(
        refusals,
        (
            "no pixel spikes, the brightest is 1:",
            "images are float64",
            "(6, 6, 7)",
            "(5,)",
            "a label is 'c': expected one of 1, 2, 3, b",
            "pixels",
        ),
        strict=True,
    ):
        assert message in refusal
    wanted = network.predict(pictures)
    assert predicted.split() == [names[each] if each >= 0 else "-1" for each in wanted]
    right = int((names[wanted] == labels)[wanted >= 0].sum())
    assert f"{right} of 6 right" in done.stderr


def test_a_nir_file_comes_back_and_names_the_steps(run):
    pytest.importorskip("nir", reason="nir is not installed")
    from lava_desire.deploy import from_nir

    status, out, _ = run("export", "subtract.safetensors", "--to", "nir", "--output", "net.nir")
    assert status == 0
    assert "19 steps give the spike counts of 20 here; readers reset to zero until" in out
    assert from_nir("net.nir").config == DesireConfig((64, 20, 10))


def test_netx_converts_only_when_told(run, tmp_path):
    pytest.importorskip("h5py", reason="h5py is not installed")
    command = ("export", "subtract.safetensors", "--to", "netx", "--output", "net.net")
    status, _, err = run(*command)
    assert status == 2
    assert "netx builds neurons that reset to zero" in err
    assert not (tmp_path / "net.net").exists()
    status, out, _ = run(*command, "--convert-reset")
    assert status == 0
    assert "measure its accuracy" in out
    assert (tmp_path / "net.net").exists()


def test_integers_are_a_checkpoint_that_goes_on_to_lava(run):
    command = ("--to", "fixed", "--output", "fixed.safetensors", "--dataset", "digits")
    status, out, _ = run("export", "zero.safetensors", *command)
    assert status == 0
    assert "accuracy on 359 samples" in out
    assert DesireNetwork.load("fixed.safetensors").arithmetic == "fixed_point"
    status, out, _ = run("export", "fixed.safetensors", "--to", "lava", "--output", "net.py")
    assert status == 0
    again = ("--to", "fixed", "--output", "again.safetensors")
    status, _, err = run("export", "fixed.safetensors", *again)
    assert status == 2
    assert "in fixed point already" in err
    status, _, err = run("export", "fixed.safetensors", "--to", "nir", "--output", "x.nir")
    assert status == 2
    assert "the network is in fixed point already: export one in floating point" in err


def test_weights_for_lava_replace_only_those_of_an_earlier_export(run, tmp_path):
    command = ("export", "zero.safetensors", "--to", "lava", "--output", "net.py")
    for taken in ("net.npz", "net.npz and a script"):
        np.savez("net.npz", images=np.eye(3))
        if "script" in taken:
            (tmp_path / "net.py").write_text("print('mine')")
        before = (tmp_path / "net.npz").read_bytes()
        status, out, err = run(*command)
        assert (status, out) == (2, "")
        assert "net.npz is there, where the weights of net.py go" in err
        assert "move it, or give the script another name" in err
        assert (tmp_path / "net.npz").read_bytes() == before
    for name in ("net.npz", "net.py"):
        (tmp_path / name).unlink()
    for _ in range(2):
        assert run(*command, "--quiet") == (0, "", "")


def test_netx_says_in_words_of_the_command_what_to_do_about_exponents(run):
    pytest.importorskip("h5py", reason="h5py is not installed")
    network = DesireNetwork(DesireConfig((8, 4, 3), reset="zero"), arithmetic="fixed_point")
    network.save("integers.safetensors")
    status, out, err = run("export", "integers.safetensors", "--to", "netx", "--output", "n.net")
    assert (status, out) == (2, "")
    assert "as netx knows no exponent; export with --convert-exponents, and measure the" in err
    command = ("export", "integers.safetensors", "--to", "netx", "--output", "n.net")
    status, out, err = run(*command, "--convert-exponents")
    assert (status, err) == (0, "")
    assert "exponents of weights went into thresholds (" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("zero.safetensors", "--to", "none", "--output", "x"), "--to is 'none': expected one of"),
        (("zero.safetensors", "--to", "nir", "--output", "no/x.nir"), "there is no folder no"),
        (("zero.safetensors", "--to", "lava", "--output", "x.txt"), "a name that ends in .py"),
        (
            ("zero.safetensors", "--to", "lava", "--output", "a-b.py"),
            "name of a script that Python can import",
        ),
        (("zero.safetensors", "--to", "nir", "--output", "m.net"), "a name that ends in .nir"),
        (("zero.safetensors", "--to", "fixed", "--output", "m.npz"), "ends in .safetensors"),
        (("subtract.safetensors", "--to", "lava", "--output", "x.py"), "reset is 'subtract'"),
        (
            ("subtract.safetensors", "--to", "lava", "--output", "x.py"),
            "train with --reset zero, or",
        ),
        (
            ("subtract.safetensors", "--to", "netx", "--output", "x.net"),
            "with --convert-reset, and",
        ),
        (("none.safetensors", "--to", "nir", "--output", "x.nir"), "No such file"),
        (
            ("zero.safetensors", "--to", "nir", "--output", "x.nir", "--convert-reset"),
            "--convert-reset is given with --to nir: it is for nest or netx",
        ),
        (
            ("zero.safetensors", "--to", "nir", "--output", "x.nir", "--data", "mine.npz"),
            "--data is given with --to nir: it is for fixed",
        ),
        (
            ("zero.safetensors", "--to", "lava", "--output", "x.py", "--weight-bits", "8"),
            "--weight-bits is given with --to lava: it is for fixed",
        ),
        (
            ("zero.safetensors", "--to", "fixed", "--output", "x.safetensors"),
            "in no folder of a run, whose run.json would tell its data: expected --data",
        ),
    ],
)
def test_a_wrong_option_is_one_line(run, arguments, message):
    status, out, err = run("export", *arguments)
    assert (status, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1
