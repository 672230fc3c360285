"""A trained network as a Python script that runs it elsewhere, without this library.

What scripts of all targets share: they read images, encode them, decide and compare with labels.
"""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from string import Template
from typing import Any

import numpy as np

from lava_desire.deploy.integer_network import IntegerNetwork, is_floating
from lava_desire.engine import DesireNetwork
from lava_desire.files import open_regular, write_atomically
from lava_desire.model.encoding import BRIGHTEST
from lava_desire.model.options.image_brightness import ImageBrightness
from lava_desire.model.options.off_channel import OffChannel
from lava_desire.model.options.tie_break import TieBreak

_SCRIPT = Template('''"""$summary

    python $name.py images.npz [count]$report

classifies `test_images` (or `x_test`, `images`, `data`) of the file, (S, $pixels) or (S, height,
width), uint8 or float in [0, 1], and compares with `test_labels` (or `y_test`, `labels`, `target`)
where they are there. $needs
Weights are in $name.npz beside this file.
"""

import os
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np

SETTINGS = $settings
CLASSES = None  # where they are printed; None is stdout
if __name__ == "__main__":  # what a simulator prints goes to stderr
    CLASSES = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

$body

def encode(images):
    """Turn brightness into spikes: integrate, fire at the threshold, deduct it."""
    brightest = images.max()
    if images.dtype != np.uint8:
        images = images.astype(np.float32)
    if SETTINGS["off_channel"] or SETTINGS["image_brightness"]:  # filters take whole levels
        levels = images if images.dtype == np.uint8 else np.rint(images.astype(float) * 255)
        levels = levels.astype(np.int64)
        if SETTINGS["off_channel"]:  # as many channels again: how much darker than its surround
            planes = levels.reshape(-1, *SETTINGS["image_planes"])
            places = [np.arange(length) for length in planes.shape[2:]]
            reach = SETTINGS["off_channel"] // 2
            rows, columns = (abs(place[:, None] - place) <= reach for place in places)
            total, count = (rows @ each @ columns for each in (planes, np.ones_like(planes)))
            off = np.maximum(4 * (total - count * planes) + count, 0) // (2 * count)
            levels = np.concatenate([planes, np.minimum(off, 255)], axis=1)
            levels = levels.reshape(len(images), -1)
        if SETTINGS["image_brightness"]:  # every image is scaled to this mean
            total = levels.sum(axis=1, keepdims=True)
            wanted = round(255 * levels.shape[1] * SETTINGS["image_brightness"])
            levels = (2 * wanted * levels + total) // np.maximum(2 * total, 1)
        images = np.minimum(levels, 255).astype(np.uint8)
    if SETTINGS["brightest"] is not None:  # an encoder in integers
        if images.dtype != np.uint8:
            images = np.rint(images.astype(float) * SETTINGS["brightest"])
        images = images.astype(np.int64)
    elif images.dtype == np.uint8:
        images = images.astype(np.float32) / np.float32(255)
    threshold = SETTINGS["encoder_threshold"]
    potential, trains = np.zeros_like(images), []
    for _ in range(SETTINGS["num_steps"]):
        potential = potential + images
        trains.append(potential >= threshold)
        potential = potential - threshold * trains[-1].astype(images.dtype)
    if brightest > 0 and not np.any(trains):
        sys.exit(f"no pixel spikes, the brightest is {brightest}: expected up to 255, or 1.0")
    return np.stack(trains)


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
    damaged = OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error
    try:
        file = np.load(path, allow_pickle=False)
    except damaged as error:
        sys.exit(f"{path} is no .npz of images: {error}")
    if not hasattr(file, "files"):
        sys.exit(f"{path} holds one array: expected a .npz of images")
    with file:
        keys = {key.lower(): key for key in file.files}
        for images, labels in (*families, ("data", "target")):
            if images in keys:
                break
        else:
            sys.exit(f"{path} holds {', '.join(keys)}: expected test_images, or images")
        try:
            images, labels = (file[keys[key]] if key in keys else None for key in (images, labels))
        except damaged as error:  # objects of Python, too
            sys.exit(f"{path} is no .npz of images: {error}")
    pixels, classes = SETTINGS["num_pixels"], SETTINGS["num_classes"]
    if images.ndim < 2 or not images.size or images[0].size != pixels:
        sys.exit(f"images have shape {images.shape}: expected (S, {pixels}), or (S, h, w), S > 0")
    rows = images.reshape(len(images), -1)
    is_brightness = rows.dtype.kind == "f" and ((rows >= 0) & (rows <= 1)).all()
    if rows.dtype != np.uint8 and not is_brightness:
        sys.exit(f"images are {rows.dtype}: expected uint8, or float in [0, 1]")
    if rows.dtype == np.uint8 and rows.max() < 64:
        print(f"the largest byte of images is {rows.max()}, where white is 255", file=sys.stderr)
    if labels is None:
        return rows, None
    if labels.ndim == 2 and labels.shape[1] > 1:  # one-hot
        labels = labels.argmax(axis=1)
    labels = labels.reshape(-1)
    if SETTINGS["class_names"]:
        numbers = {name: number for number, name in enumerate(SETTINGS["class_names"])}
        unknown = sorted({str(label) for label in labels.tolist()} - numbers.keys())
        if unknown:
            sys.exit(f"a label is {unknown[0]!r}: expected one of {', '.join(numbers)}")
        labels = np.array([numbers[str(label)] for label in labels.tolist()])
    if labels.dtype.kind not in "iu" or labels.shape != (len(rows),):
        sys.exit(f"labels are {labels.dtype} {labels.shape}: expected integers, one an image")
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        sys.exit(f"a label is {outside[0]}: expected a class in [0, {classes})")
    return rows, labels


def main():
    """Classify, and print one class a line, -1 where it is not decided."""
    reports = "write_report" in globals()
    if not 2 <= len(sys.argv) <= 3 + reports or not "".join(sys.argv[2:3] or "1").isdecimal():
        sys.exit(__doc__)
    images, labels = read(sys.argv[1])
    count = int(sys.argv[2]) if len(sys.argv) > 2 else len(images)
    if not count:
        sys.exit("the number of images is 0: expected at least 1")
    if len(sys.argv) > 3 and not Path(sys.argv[3]).absolute().parent.is_dir():
        sys.exit(f"there is no folder for {sys.argv[3]}")
    images = images[:count]
    predicted = predict(run(images))
    names = SETTINGS["class_names"]
    shown = (names[each] if names and each >= 0 else each for each in predicted)
    print(*shown, sep="\\n", file=CLASSES, flush=True)
    if labels is not None:
        right = int((predicted == labels[: len(predicted)]).sum())
        print(f"{right} of {len(predicted)} right", file=sys.stderr)
    if len(sys.argv) > 3:
        write_report(sys.argv[3])


if __name__ == "__main__":
    main()
''')


def write_script(
    network: DesireNetwork | IntegerNetwork,
    path: str | Path,
    *,
    summary: str,
    needs: str,
    body: str,
    settings: Mapping[str, Any],
    weights: Mapping[str, Any],
) -> list[Path]:
    """Write a script ``*.py``, and beside it its weights ``*.npz``; return both.

    The script prints one class a line, and on stderr how many were right; it encodes and decides as
    the network does. A network of the engine in fixed point encodes in integers, plain integers as
    the rule does. `summary` is the first line of its documentation, `needs` says which packages it
    needs. `body` is Python text, the imports of the target and ``run(images)``, which returns the
    spikes of the output neurons, (S, T, N_L) int, of images (S, N); what it defines besides, the
    script has as well. It may use ``np``, ``sys``, ``Path``, ``SETTINGS`` and ``encode(images)``,
    the spikes of the input, (T, S, N_0) bool. With a ``write_report(path)`` the script takes a
    third argument, and calls it with that when all is run. `settings` are literals beside those
    that ``SETTINGS`` always has: ``num_steps``, ``num_inputs``, ``num_pixels``, ``image_planes``,
    ``num_classes``, ``tie_break``, ``off_channel``, ``image_brightness``, ``encoder_threshold``,
    ``brightest``, ``class_names``; `weights` are the arrays of the ``.npz`` by name, one of which
    must begin with ``weights_``. Raises ValueError if the network filters images or decides as
    scripts do not know, or the name is not that of a script, or that of a package; OSError if a
    file cannot be written, or a file that is none of an earlier export has the name of the weights.
    """
    path = check_script(network, path)
    _refuse_names(path, _imports_of(body))
    config, theta = network.config, network.config.threshold
    in_integers = getattr(network, "encodes_integers", not is_floating(network))
    every = {
        "num_steps": config.num_steps,
        "num_inputs": config.num_inputs,
        "num_pixels": config.num_pixels,
        "image_planes": config.image_planes,
        "num_classes": config.num_classes,
        "tie_break": config.tie_break,
        "off_channel": config.off_channel,
        "image_brightness": config.image_brightness,
        "encoder_threshold": round(BRIGHTEST * theta) if in_integers else theta,
        "brightest": BRIGHTEST if in_integers else None,
        "class_names": list(getattr(network, "class_names", None) or ()),
        **settings,
    }
    lines = "".join(f"    {name!r}: {value!r},\n" for name, value in every.items())
    text = _SCRIPT.substitute(
        name=path.stem,
        summary=summary,
        needs=needs,
        report=" [report.json]" if "def write_report(" in body else "",
        pixels=config.num_pixels,
        settings="{\n" + lines + "}",
        body=body.strip() + "\n",
    )
    packed = io.BytesIO()
    np.savez_compressed(packed, config=json.dumps(config.to_dict()), **weights)
    write_atomically(path.with_suffix(".npz"), packed.getvalue())
    write_atomically(path, text.encode())
    return [path, path.with_suffix(".npz")]


def check_script(network: DesireNetwork | IntegerNetwork, path: str | Path) -> Path:
    """Refuse what :func:`write_script` would, before anything is made; return the path.

    Raises as it does.
    """
    path = Path(path)
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise ValueError(
            f"output is {str(path)!r}: expected the name of a script that Python can import, of "
            "letters, digits and underscores, as my_net.py"
        )
    _refuse_names(path, {*sys.stdlib_module_names, "numpy"})
    beside = path.with_suffix(".npz")
    if os.path.lexists(beside) and not (path.is_file() and _holds_weights(beside)):
        raise FileExistsError(
            f"{beside} is there, where the weights of {path} go, and is not of an earlier export: "
            "move it, or give the script another name"
        )
    config = network.config
    for option in (*config.filters, config.decision_policy):
        if option is not None and not isinstance(option, (ImageBrightness, OffChannel, TieBreak)):
            option.refuse(", which a script knows how to do")
    return path


def _imports_of(body: str) -> set[str]:
    """Return the packages that a script imports."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(body)):
        if isinstance(node, ast.Import):
            found |= {each.name.partition(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def _refuse_names(path: Path, names: Collection[str]) -> None:
    """Refuse a script that would be imported in place of a package of its name."""
    if path.stem in names:
        raise ValueError(
            f"output is {str(path)!r}: expected another name than that of a package, which Python "
            "would take the script for"
        )


def _holds_weights(path: Path) -> bool:
    try:
        with open_regular(path) as file, zipfile.ZipFile(file) as archive:
            names = set(archive.namelist())
    except (OSError, zipfile.BadZipFile):
        return False
    return "config.npy" in names and any(name.startswith("weights_") for name in names)
