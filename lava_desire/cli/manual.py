"""What stands below the options in the help of a command: examples, and where to read on."""

from __future__ import annotations

import shutil
import textwrap
from typing import NamedTuple


class Manual(NamedTuple):
    """Examples of a command, each with what it does, and what to read."""

    examples: dict[str, str]
    see: str


MANUAL = {
    "train": Manual(
        {
            "lava-desire train": "digits, with the preset of that name, into runs/",
            "lava-desire train --dataset mnist --layers 200 100 --epochs 10 --output runs/a": (
                "MNIST, which is downloaded, with two hidden layers"
            ),
            "lava-desire train --data mine.npz --config mine.yaml --validation 0.1": (
                "your own samples; a tenth of them chooses the best epoch"
            ),
            "lava-desire train --seeds 0,1,2 --validation 0.1 --patience 5": (
                "three runs and a table, each ended when it gets no better"
            ),
            "lava-desire train --resume runs/a": "go on after Ctrl-C, to the bit",
        },
        "eval, config; docs/start.md, docs/your_data.md, docs/training.md",
    ),
    "eval": Manual(
        {
            "lava-desire eval runs/a": "on the run's own test samples, with its best weights",
            "lava-desire eval runs/a --backend fixed": "the same network in 8-bit integers",
            "lava-desire eval runs/a --backend lava": "as Lava processes, spike by spike",
            "lava-desire eval runs/a/checkpoint.safetensors --data other.npz --json": (
                "the last weights on other samples, for programs"
            ),
        },
        "train, info; docs/training.md",
    ),
    "predict": Manual(
        {
            "lava-desire predict runs/a --data new.npz --output new.csv": (
                "class, counts and margin of samples that need no labels"
            ),
            "lava-desire predict runs/a --output own.json --json": "of the run's own test samples",
        },
        "eval; docs/your_data.md",
    ),
    "report": Manual(
        {
            "lava-desire report runs/a": "one run, as report.html",
            "lava-desire report runs/a runs/b --output both.html": "what differs stands in bold",
            "lava-desire report runs/a --data moved.npz": "whose samples are elsewhere now",
        },
        "compare, eval; docs/training.md",
    ),
    "compare": Manual(
        {
            "lava-desire compare runs": "all runs below a folder, the most accurate first",
            "lava-desire compare 'runs/seed-*' --csv seeds.csv": "some, for a spreadsheet too",
            "lava-desire compare runs/a runs/b --json": "for programs",
        },
        "report; docs/training.md",
    ),
    "watch": Manual(
        {
            "lava-desire watch runs/a": "until it has ended; Ctrl-C ends the view, not the run",
            "lava-desire watch runs/a --once --json": "where it is now, for scripts",
        },
        "train, report, compare; docs/training.md",
    ),
    "sweep": Manual(
        {
            "lava-desire sweep --over learning_rate=1e-5..1e-3:log --output runs/rates": (
                "20 learning rates, chosen by a tenth of the training samples"
            ),
            "lava-desire sweep --over decay=0.5,0.75 --over dropout_hidden=0,0.3 --seeds 0,1": (
                "a grid of four, two seeds each"
            ),
            "lava-desire sweep --resume runs/rates --trials 40": "go on, or join those who work",
        },
        "train, config; docs/training.md, docs/choosing.md",
    ),
    "find-rate": Manual(
        {
            "lava-desire find-rate --dataset mnist --layers 200 100": "nine rates, 1e-6 to 1e-2",
            "lava-desire find-rate --data mine.npz --lowest 1e-5 --count 5": "fewer, on your own",
        },
        "train, sweep; docs/training.md",
    ),
    "reproduce": Manual(
        {
            "lava-desire reproduce figures --quick": "the paper's figures, in small",
            "lava-desire reproduce mnist-best --seed 0,1,2": "three seeds, chosen by validation",
            "lava-desire reproduce mnist --protocol test": "as the paper: the best on the test set",
        },
        "train; results/README.md",
    ),
    "config": Manual(
        {
            "lava-desire config explain learning_rate": "what a field is; all of them without one",
            "lava-desire config show --preset mnist": "a preset, with a comment on each field",
            "lava-desire config write mine.yaml --preset digits": "the same as a file, to change",
            "lava-desire config write mine.toml --source runs/a": "what a run was trained with",
            "lava-desire config check mine.yaml": "say what is wrong, with its line",
        },
        "train --config; docs/configuration.md, docs/choosing.md",
    ),
    "import": Manual(
        {
            "lava-desire import models/mnist.pt --output mnist.safetensors": (
                "a network of their repository"
            ),
            "lava-desire import mine.pt --output mine.safetensors --config mine.yaml": (
                "one that their script trained with other values"
            ),
        },
        "eval, info; docs/configuration.md",
    ),
    "export": Manual(
        {
            "lava-desire export runs/a --to nir --output mine.nir": "for readers of NIR",
            "lava-desire export runs/a --to fixed --output mine.safetensors": "a chip's integers",
        },
        "map; docs/export.md",
    ),
    "map": Manual(
        {
            "lava-desire map runs/a --chip loihi2": "a trained network",
            "lava-desire map 784-200-100-10 --figure cores.png": "layers, before any training",
            "lava-desire map --dataset mnist --layers 200 100": "the same, as train spells it",
        },
        "energy, export; docs/chips.md",
    ),
    "energy": Manual(
        {
            "lava-desire energy runs/a": "of a sample, and of a training step",
            "lava-desire energy runs/a --chip loihi1 --json energy.json": "all numbers, as a file",
        },
        "map, neurobench; docs/energy.md",
    ),
    "neurobench": Manual(
        {
            "lava-desire neurobench runs/a": "on the run's own test samples",
            "lava-desire neurobench runs/a --backend fixed": "of its integers",
        },
        "energy, eval; docs/export.md",
    ),
    "info": Manual(
        {
            "lava-desire info": "this machine",
            "lava-desire info runs/a": "what a network was trained on, how far and with what",
            "lava-desire info runs/a --card README.md": "the same, as a model card for a hub",
        },
        "eval; docs/training.md",
    ),
    "demo": Manual(
        {
            "lava-desire demo": "images of digits",
            "lava-desire demo --events --output runs/camera": "as an event camera sees them",
        },
        "train; docs/start.md",
    ),
    "completion": Manual(
        {
            "lava-desire completion --install": "in the shell that this runs in",
            "lava-desire completion zsh": "print the script of a shell",
        },
        "docs/install.md",
    ),
    "install-lava": Manual(
        {
            "lava-desire install-lava": "beside what is there",
            "lava-desire install-lava --help": "what it would do",
        },
        "info; docs/install.md",
    ),
}

_STATUS = (
    "0: done. 1: map, of a network that does not fit. 2: bad input, or not enough disk or "
    "memory; one line says what. 130: stopped by Ctrl-C, 143: by SIGTERM; one line says what is "
    "kept."
)
_ENVIRONMENT = (
    "LAVA_DESIRE_DATA: folder of data sets. LAVA_DESIRE_LAVA_MODE, LAVA_DESIRE_LAVA_COMPILED: how "
    "Lava runs (docs/lava.md). "
    "OMP_NUM_THREADS: threads of torch. NO_COLOR, COLUMNS: how help is printed."
)


def text(command: str) -> str:
    """Return examples, exit status, environment and what to read of a command."""
    examples, see = MANUAL.get(command, Manual({}, "docs/index.md"))
    listed = (f"  {line}\n{_wrapped(what, '      ')}" for line, what in examples.items())
    sections = {
        **({"Examples": "\n".join(listed)} if examples else {}),
        "Exit status": _wrapped(_STATUS, "  "),
        "Environment": _wrapped(_ENVIRONMENT, "  "),
        "See also": _wrapped(see, "  "),
    }
    return "".join(f" {name}\n{said}\n\n" for name, said in sections.items())


def _wrapped(said: str, indent: str) -> str:
    width = min(max(shutil.get_terminal_size().columns, 40), 100)
    return textwrap.fill(said, width, initial_indent=indent, subsequent_indent=indent)
