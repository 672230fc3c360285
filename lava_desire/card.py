"""Model cards: what a network was trained on, how far, and with what, in its checkpoint.

A card is a dict of JSON types, empty where nothing was trained by :func:`~lava_desire.engine.fit`.
What differs between two runs that end in the same bits, as time, place and device, is in no card,
but in the ``run.json`` of the run.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lava_desire._text import listed, printable
from lava_desire.model.fields import SHOWN
from lava_desire.strict_json import parse_json

if TYPE_CHECKING:
    from lava_desire.checkpoint import Checkpoint

MAX_CHARACTERS = 1 << 16
_MOST_BEFORE = 20


def before(card: Mapping[str, Any]) -> list[Any]:
    """Return what a network that has this card has learned when it is trained once more."""
    earlier = card.get("before", [])
    now = {name: card[name] for name in ("data", "epoch") if name in card}
    return [*(earlier if isinstance(earlier, list) else []), *([now] if "epoch" in now else [])][
        -_MOST_BEFORE:
    ]


def names_kept(names: Sequence[str] | None) -> list[str] | None:
    """Return names as a card holds them; None where there are none, or more than fit into it."""
    return list(names) if names and len(json.dumps(names)) < MAX_CHARACTERS // 4 else None


def learned(card: Mapping[str, Any], name: str, kind: type) -> tuple[Any, ...] | None:
    """Return a list of what is said of the data, all of a kind; None where there is none."""
    found = _object(card.get("data")).get(name)
    if not isinstance(found, list) or any(type(each) is not kind for each in found):
        return None  # a card may come from anywhere
    return tuple(found)


def in_floats(card: Mapping[str, Any]) -> bool:
    """Return whether a table of floats in [0, 1] was learned, as far as is said."""
    return _object(card.get("data")).get("floats") is True


def to_json(card: Mapping[str, Any]) -> str:
    """Return a card as it stands in a file.

    Raises ValueError if it holds what JSON does not, or too much.
    """
    try:
        text = json.dumps(card, allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(f"card is no JSON: {error}") from None
    _check_size(text)
    return text


def from_json(text: str) -> dict[str, Any]:
    """Return the card of a file, or raise ValueError."""
    _check_size(text)
    card = parse_json(text)
    if not isinstance(card, dict):
        raise ValueError(f"card is {text[:SHOWN]}: expected an object")
    return card


def _check_size(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise ValueError(f"card has {len(text)} characters: expected at most {MAX_CHARACTERS}")


def facts(checkpoint: Checkpoint, notes: Mapping[str, Any] | None = None) -> dict[str, str]:
    """Return what is known of a checkpoint, and of its run, as lines of a table.

    `notes` are what ``run.json`` says of the run.
    """
    card, config, notes = checkpoint.card, checkpoint.config, notes or {}
    data = _object(card.get("data"))
    weights = sum(each.size for each in checkpoint.weights)
    found = {
        "network": f"{config.shape_text}, {weights} weights in {checkpoint.arithmetic}, "
        f"{config.num_steps} time steps",
        "data": ", ".join(
            f"{data[name]}{said}"
            for name, said in (
                ("name", ""),
                ("training_samples", " training samples"),
                ("validation_samples", " validation samples"),
                ("test_samples", " test samples"),
            )
            if data.get(name) is not None
        ),
        "digest of data": data.get("digest"),
        "classes": listed(checkpoint.class_names),
        "epoch": f"{card['epoch']} of {config.epochs}" if "epoch" in card else None,
        "weights": card.get("weights"),
        "accuracy": ", ".join(
            f"{name} {100 * share:.2f} %"
            for name, share in _object(card.get("accuracy")).items()
            if isinstance(share, (int, float))
        ),
        "learned before": "; ".join(
            f"{_object(each.get('data')).get('name', 'data')}, {each.get('epoch')} epochs"
            for each in _objects(card.get("before"))
        ),
        "versions": _listed(card.get("versions")),
        "note": card.get("note"),
    }
    source = _object(notes.get("source"))
    found |= {f"run: {name}": notes.get(name) for name in ("begun", "command", "device", "backend")}
    found["run: data"] = source.get("file") or source.get("events") or source.get("dataset")
    found["run: environment"] = _listed(notes.get("environment"))
    return {name: printable(value, 1000) for name, value in found.items() if value}


def as_markdown(checkpoint: Checkpoint, name: str, notes: Mapping[str, Any] | None = None) -> str:
    """Return a model card as Hugging Face's hub reads it: YAML, and Markdown below.

    Of `notes`, which are what ``run.json`` says of the run, no path comes into the card.
    """
    card = checkpoint.card
    data = _object(card.get("data"))
    dataset = str(data.get("name") or "unknown")
    kinds = ["spiking-neural-network", "desire-backpropagation", "neuromorphic"]
    head: dict[str, Any] = {"library_name": "lava_desire", "tags": kinds}
    head |= {"datasets": [dataset]} if data else {}
    task = {"type": "image-classification"}
    results = [
        {
            "task": task,
            "dataset": {"name": f"{dataset}, {part}", "type": dataset, "split": part},
            "metrics": [{"type": "accuracy", "value": share}],
        }
        for part, share in _object(card.get("accuracy")).items()
        if part != "training" and isinstance(share, (int, float))
    ]
    head |= {"model-index": [{"name": name, "results": results}]} if results else {}
    # JSON is YAML; what a data set's or a class's name may hold stays a text in it.
    front = "\n".join(f"{key}: {json.dumps(value)}" for key, value in head.items())
    rows = {
        row: value
        for row, value in facts(checkpoint, notes).items()
        if row not in ("run: data", "run: command")
    }
    table = "\n".join(f"| {row} | {_cell(value)} |" for row, value in rows.items())
    return f"""---
{front}
---

# {_cell(name)}

A multi-layer spiking network, trained by desire backpropagation (Gerlinghoff et al., Neurocomputing
2023, doi:10.1016/j.neucom.2023.126773) with lava_desire.

| | |
| --- | --- |
{table}

## Use

```python
from lava_desire import DesireNetwork

network = DesireNetwork.load("network.safetensors")
classes = network.predict(images)  # (B, {checkpoint.config.num_pixels}) uint8, or floats in [0, 1]
```

## Configuration

```json
{checkpoint.config.to_json()}
```
"""


def _objects(value: Any) -> list[dict[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def _object(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _listed(value: Any) -> str:
    return ", ".join(f"{name} {each}" for name, each in _object(value).items())


def _cell(text: str) -> str:
    """Return a text as a cell of a table: no markup, no link, no new row."""
    shown = printable(" ".join(text.split()), 1000)
    return "".join(f"\\{each}" if each in r"\`*[]<>|#" else each for each in shown)
