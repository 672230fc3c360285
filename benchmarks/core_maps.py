"""Map networks onto the chips of `lava_desire/deploy/chips`, and keep what they take.

``python -m benchmarks.core_maps`` needs no chip and no emulator: it counts.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lava_desire import DesireConfig
from lava_desire._provenance import commit
from lava_desire.cli.machine import environment
from lava_desire.deploy import CoreMap, map_network
from lava_desire.deploy.chips import find_chips

RESULT = Path(__file__).parent / "results" / "core_maps.json"
NETWORKS = {
    name: DesireConfig.preset(name).replace(reset="zero")
    for name in ("digits", "mnist", "fashion-mnist", "mnist-conv")
} | {"small-mnist": DesireConfig((784, 200, 100, 10), reset="zero")}
XYLO_SIZED = DesireConfig((16, 60, 60, 8))
LEARNING = {"learning": True}
CASES: list[tuple[DesireConfig, str, dict[str, Any]]] = [
    *((config, chip, {}) for config in NETWORKS.values() for chip in ("loihi1", "loihi2")),
    *((NETWORKS["mnist"], "loihi1", {"weight_bits": bits}) for bits in (4, 6)),
    (NETWORKS["mnist"].replace(reset="subtract"), "loihi1", {}),
    *((NETWORKS[name], "loihi1", LEARNING) for name in ("digits", "small-mnist", "mnist")),
    *(
        (config, name, {"weight_bits": min(8, chip.most("weight_bits", 8))})
        for config in (NETWORKS["digits"], XYLO_SIZED)
        for name, chip in find_chips().items()
        if not name.startswith("loihi")
    ),
]


def row(config: DesireConfig, found: CoreMap) -> dict[str, Any]:
    """Return what is kept of a map."""
    layers = found.layers
    parts = [f"{part}_bytes" for part in ("weight", "index", "list", "learning", "feedback")]
    return {
        "network": found.network,
        "reset": config.reset,
        "chip": found.chip,
        "weight_bits": found.weight_bits[0],
        "learning": found.learning,
        "fits": found.fits,
        "cores": None
        if found.has_cores and not all(each.cores for each in layers)
        else found.cores,
        "chip_cores": found.chip_cores,
        "cores_by_layer": [layer.cores for layer in layers],
        "limited_by": [layer.limited_by for layer in layers],
        "cores_of_weights_alone": sum(layer.weights_alone for layer in layers) or None,
        **{part: sum(getattr(each, part) for each in layers) for part in parts},
        "problems": list(found.problems),
    }


def main() -> None:
    """Map and write."""
    rows = [row(config, map_network(config, chip, **options)) for config, chip, options in CASES]
    report = {
        "command": "python -m benchmarks.core_maps",
        "commit": commit(),
        "environment": environment(),
        "results": rows,
    }
    RESULT.write_text(json.dumps(report, indent=2) + "\n")
    for each in rows:
        print(each["network"], each["chip"], each["cores"], "; ".join(each["problems"]))


if __name__ == "__main__":
    main()
