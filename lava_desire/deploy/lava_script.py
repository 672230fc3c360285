"""A trained network as a Python script that runs it in Lava, without this library."""

from __future__ import annotations

import io
import json
import os
import zipfile
from pathlib import Path
from typing import Any

import numpy as np

from lava_desire.config import DesireConfig
from lava_desire.deploy.integer_network import IntegerNetwork
from lava_desire.deploy.lava_processes import FIXED, on_stock
from lava_desire.engine import DesireNetwork
from lava_desire.files import open_regular, write_atomically
from lava_desire.model.options.image_brightness import ImageBrightness
from lava_desire.model.options.tie_break import TieBreak

_SETTINGS = "SETTINGS = {}\n"

_SCRIPT = '''"""A trained spiking network on the stock processes of Lava: {processes}.

    python {name}.py images.npz [count]

classifies `test_images` (or `x_test`, `images`, `data`) of the file, (S, {inputs}) or (S, height,
width), uint8 or float in [0, 1], and compares with `test_labels` (or `y_test`, `labels`, `target`)
where they are there. Needs numpy and lava-nc; on Python
3.11 and later and with NumPy 2, for which Lava 0.10 is not made, lava_desire as well. Weights are
in {name}.npz beside this file.
"""

import sys
from pathlib import Path

import numpy as np

try:
    from lava_desire.lava_runtime.compat import import_lava

    import_lava()
except ImportError:
    pass

from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIFReset
from lava.utils.weightutils import SignMode

{settings}

def build():
    """Return the connections and the layers of neurons, wired."""
    window = SETTINGS["num_steps"] + len(SETTINGS["neurons"])
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        weights = [file[f"weights_{{layer + 1}}"] for layer in range(len(SETTINGS["neurons"]))]
    connections = [connect(*pair) for pair in zip(weights, SETTINGS["connections"])]
    # A sample takes a window of steps, and in the first of them all layers are cleared.
    layers = [
        LIFReset(shape=(each.a_out.size,), reset_interval=window, reset_offset=1, **parameters)
        for each, parameters in zip(connections, SETTINGS["neurons"])
    ]
    for index, (connection, layer) in enumerate(zip(connections, layers)):
        if index:
            hear(connection, layers[index - 1].s_out)
        # Neurons are in a row: channel by channel, row by row. A Conv has x, y, channel.
        planes = connection.a_out
        row = planes.transpose((2, 1, 0)).flatten() if len(planes.shape) == 3 else planes
        row.connect(layer.a_in)
    return connections, layers, window


def connect(weights, options):
    """Return a connection."""
    if "input_shape" in options:
        return Conv(weight=weights, **options)
    # In fixed point a weight is an even number up to 254; floating point has no use for the rest.
    return Dense(weights=weights, num_weight_bits=8, sign_mode=SignMode.MIXED, **options)


def hear(connection, spikes):
    """Connect a port of neurons in a row to a connection."""
    shape = connection.s_in.shape
    if len(shape) == 3:
        spikes = spikes.reshape(shape[::-1]).transpose((2, 1, 0))
    spikes.connect(connection.s_in)


def encode(images):
    """Turn brightness into spikes: integrate, fire at the threshold, deduct it."""
    if SETTINGS["image_brightness"]:  # every image is scaled to this mean, in whole levels
        levels = images if images.dtype == np.uint8 else np.rint(images.astype(float) * 255)
        levels = levels.astype(np.int64)
        total = levels.sum(axis=1, keepdims=True)
        wanted = round(255 * levels.shape[1] * SETTINGS["image_brightness"])
        levels = (2 * wanted * levels + total) // np.maximum(2 * total, 1)
        images = np.minimum(levels, 255).astype(np.uint8)
    if SETTINGS["brightest"] is not None:  # an encoder in integers
        if images.dtype != np.uint8:
            images = np.rint(images * SETTINGS["brightest"])
        images = images.astype(np.int64)
    elif images.dtype == np.uint8:
        images = images.astype(np.float32) / np.float32(255)
    else:
        images = images.astype(np.float32)
    threshold = SETTINGS["encoder_threshold"]
    potential, trains = np.zeros_like(images), []
    for _ in range(SETTINGS["num_steps"]):
        potential = potential + images
        trains.append(potential >= threshold)
        potential = potential - threshold * trains[-1].astype(images.dtype)
    return np.stack(trains)


def run(images):
    """Return the spike trains of the output neurons: image, time, neuron."""
    connections, layers, window = build()
    num_steps, num_samples = SETTINGS["num_steps"], len(images)
    spikes = encode(images)
    if images.max() > 0 and not spikes.any():
        sys.exit(f"no pixel spikes, the brightest is {{images.max()}}: expected up to 255, or 1.0")
    windows = np.zeros((num_samples, window, images.shape[1]), np.int32)
    windows[:, :num_steps] = spikes.transpose(1, 0, 2)
    source = Source(data=windows.reshape(-1, images.shape[1]).T)
    sink = Sink(shape=layers[-1].s_out.shape, buffer=num_samples * window)
    hear(connections[0], source.s_out)
    layers[-1].s_out.connect(sink.a_in)
    try:
        sink.run(RunSteps(num_samples * window), Loihi2SimCfg(select_tag=SETTINGS["tag"]))
        received = sink.data.get()
    finally:
        sink.stop()
    # The spikes of time t are sent in step t + 2 of a window, counted from 1.
    return received.T.reshape(num_samples, window, -1)[:, 1 : 1 + num_steps].astype(int)


def count_spikes(images):
    """Return the spikes of the output neurons, one row an image."""
    return run(images).sum(axis=1)


def predict(spikes):
    """Return the class whose neuron spikes most, -1 where that is not decided."""
    counts = spikes.sum(axis=1)
    leads = counts == counts.max(axis=1, keepdims=True)
    if SETTINGS["tie_break"] == "earliest":  # a tie goes to who reached the count first
        last = (spikes * np.arange(1, spikes.shape[1] + 1)[:, None]).max(axis=1)
        reached = np.where(leads, last, spikes.shape[1] + 1)
        leads = reached == reached.min(axis=1, keepdims=True)
    return np.where(leads.sum(axis=1) > 1, -1, leads.argmax(axis=1))


def read(path):
    """Return images, a row each, and the numbers of their classes where the file has labels."""
    families = ("test_images", "test_labels"), ("x_test", "y_test"), ("images", "labels")
    with np.load(path, allow_pickle=False) as file:
        keys = {{key.lower(): key for key in file.files}}
        for images, labels in (*families, ("data", "target")):
            if images in keys:
                break
        else:
            sys.exit(f"{{path}} holds {{', '.join(keys)}}: expected test_images, or images")
        images, labels = (file[keys[key]] if key in keys else None for key in (images, labels))
    rows = images.reshape(len(images), -1)
    if rows.shape[1] != {inputs} or not len(rows):
        sys.exit(f"images have shape {{images.shape}}: expected (S, {inputs}), or (S, h, w)")
    is_brightness = rows.dtype.kind == "f" and ((rows >= 0) & (rows <= 1)).all()
    if rows.dtype != np.uint8 and not is_brightness:
        sys.exit(f"images are {{rows.dtype}}: expected uint8, or float in [0, 1]")
    if rows.dtype == np.uint8 and rows.max() < 64:
        print(f"the largest byte of images is {{rows.max()}}, where white is 255", file=sys.stderr)
    if labels is None:
        return rows, None
    if labels.ndim == 2 and labels.shape[1] > 1:  # one-hot
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if SETTINGS["class_names"]:
        numbers = {{name: number for number, name in enumerate(SETTINGS["class_names"])}}
        unknown = sorted({{str(label) for label in labels.tolist()}} - numbers.keys())
        if unknown:
            sys.exit(f"a label is {{unknown[0]!r}}: expected one of {{', '.join(numbers)}}")
        labels = np.array([numbers[str(label)] for label in labels.tolist()])
    if labels.dtype.kind not in "iu" or labels.shape != (len(rows),):
        sys.exit(f"labels are {{labels.dtype}} {{labels.shape}}: expected integers, one an image")
    outside = labels[(labels < 0) | (labels >= {classes})]
    if outside.size:
        sys.exit(f"a label is {{outside[0]}}: expected a class in [0, {classes})")
    return rows, labels


def main():
    """Classify, and print one class a line, -1 where it is not decided."""
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    images, labels = read(sys.argv[1])
    images = images[: int(sys.argv[2]) if len(sys.argv) == 3 else None]
    predicted = predict(run(images))
    names = SETTINGS["class_names"]
    print(*(names[each] if names and each >= 0 else each for each in predicted), sep="\\n")
    if labels is not None:
        right = int((predicted == labels[: len(predicted)]).sum())
        print(f"{{right}} of {{len(predicted)}} right", file=sys.stderr)


if __name__ == "__main__":
    main()
'''


def write_lava_script(network: DesireNetwork | IntegerNetwork, path: str | Path) -> list[Path]:
    """Write a script ``*.py``, and beside it its weights ``*.npz``; return both.

    Floating point runs with the tag ``floating_pt``, integers with ``fixed_pt``. Raises ValueError
    if the network resets by subtraction, filters images or decides as the script does not know, or
    the name is not that of a script; OSError if a file cannot be written, or a file that is none of
    an earlier export has the name of the weights.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ValueError(
            f"output is {str(path)!r}: expected the name of a Python script, as net.py"
        )
    _check_place(path)
    refuse_subtraction(network)
    config = network.config
    for option in (*config.filters, config.decision_policy):
        if option is not None and not isinstance(option, (ImageBrightness, TieBreak)):
            option.refuse(", which a script knows how to do")
    tag, synapses, neurons = on_stock(network)
    connections = [options for _, options in synapses]
    # A network of the engine in fixed point encodes in integers, plain integers as the rule does.
    in_integers = tag == FIXED and not isinstance(network, IntegerNetwork)
    engine: Any = network
    settings = {
        "tag": tag,
        "num_steps": config.num_steps,
        "tie_break": config.tie_break,
        "image_brightness": config.image_brightness,
        "encoder_threshold": engine.rule.encoder_threshold if in_integers else config.threshold,
        "brightest": 255 if in_integers else None,
        "connections": connections,
        "neurons": neurons,
        "class_names": list(getattr(network, "class_names", None) or ()),
    }
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in settings.items())
    text = _SCRIPT.format(
        name=path.stem,
        processes=processes_of(network.config),
        inputs=config.num_inputs,
        classes=config.num_classes,
        settings=_SETTINGS.format("{\n" + lines + "}"),
    )
    packed = io.BytesIO()
    arrays = {f"weights_{layer}": array for layer, (array, _) in enumerate(synapses, start=1)}
    np.savez_compressed(packed, config=json.dumps(config.to_dict()), **arrays)
    write_atomically(path.with_suffix(".npz"), packed.getvalue())
    write_atomically(path, text.encode())
    return [path, path.with_suffix(".npz")]


def processes_of(config: DesireConfig) -> str:
    """Return the names of the processes that a script for a network is made of."""
    names = {"Conv" if synapse.name == "conv2d" else "Dense" for synapse in config.synapses}
    return ", ".join([*sorted(names), "LIFReset"])


def refuse_subtraction(network: DesireNetwork | IntegerNetwork) -> None:
    """Refuse reset by subtraction, which no stock neuron does: raises ValueError."""
    if network.config.reset != "zero":
        raise ValueError(
            "reset is 'subtract', and stock Lava neurons reset to zero: train with reset='zero', "
            "or export with to='nir', or use lava_desire.deploy.to_lava, which puts DesireLIF in "
            "their place"
        )


def _check_place(script: Path) -> None:
    """Refuse to replace a file by the weights that no script here has written."""
    beside = script.with_suffix(".npz")
    if not os.path.lexists(beside) or (script.is_file() and _holds_weights(beside)):
        return
    raise FileExistsError(
        f"{beside} is there, where the weights of {script} go, and is not of an earlier export: "
        "move it, or give the script another name"
    )


def _holds_weights(path: Path) -> bool:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
    layers = range(1, len(names))
    return bool(layers) and names == {"config.npy", *(f"weights_{layer}.npy" for layer in layers)}
