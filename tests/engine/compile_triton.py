"""Compile every kernel for GPUs that need not be there; print what the code is made of, as JSON.

Run without TRITON_INTERPRET, in a process of its own.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tempfile
from typing import Any

import triton
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from lava_desire.backends.triton import convolutions, dropout, neurons, products
from lava_desire.backends.triton.tiles import TILES

SHARED_LIMIT = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}
LIF = {"DECAY": 0.75, "SYNAPSE_DECAY": 0.5, "THRESHOLD": 1.0, "NUM_STEPS": 20}
LIF |= {"SUBTRACT": True, "BLOCK": 128}


def variants() -> list[tuple[Any, dict[str, str], dict[str, Any], dict[str, Any]]]:
    """List kernels with the types of their arguments, their constants and options."""
    plain = {"enable_fp_fusion": False}
    scan = {"currents": "*fp32", "keep": "*i1", "words": "*i32", "size": "i32"}
    listed = [
        (neurons.lif_scan_kernel, scan, {**LIF, "MASKED": True}, plain),
        (neurons.lif_scan_kernel, {**scan, "words": "*i64"}, {**LIF, "MASKED": False}, plain),
        (
            neurons.take_kernel,
            {
                "trains": "*i32",
                "keep": "*i1",
                "place": "*i64",
                "words": "*i32",
                "num_samples": "i32",
                "num_in": "i32",
            },
            {"MASKED": True, "BLOCK": 128},
            {},
        ),
        (
            neurons.spread_kernel,
            {
                "words": "*i32",
                "spikes": "*bf16",
                "num_samples": "i32",
                "num_in": "i32",
                "stride": "i32",
            },
            {"DELAY": 1, "NUM_STEPS": 20, "BLOCK": 128},
            plain,
        ),
        (
            neurons.count_kernel,
            {"words": "*i32", "counts": "*i64", "size": "i32"},
            {"BLOCK": 128},
            plain,
        ),
        (
            neurons.list_kernel,
            {
                "desire": "*i8",
                "active": "*i32",
                "num_active": "*i32",
                "num_samples": "i32",
                "num_neurons": "i32",
            },
            {"BLOCK_NEURONS": 16, "BLOCK": 128},
            plain,
        ),
        (
            neurons.teach_kernel,
            {
                "words": "*i32",
                "labels": "*i64",
                "place": "*i64",
                "table": "*i8",
                "errors": "*fp32",
                "desire": "*i8",
                "error": "*fp32",
                "prediction": "*i64",
                "num_classes": "i32",
            },
            {"NUM_COUNTS": 21, "BLOCK": 16},
            plain,
        ),
        (
            neurons.advance_kernel,
            {
                "prediction": "*i64",
                "labels": "*i64",
                "num_active": "*i32",
                "totals": "*i64",
                "place": "*i64",
                "position": "*i64",
                "num_samples": "i32",
            },
            {"BLOCK": 128},
            plain,
        ),
        *(
            (
                neurons.follow_kernel,
                {
                    "words": "*i32",
                    "rates": "*fp64",
                    "seen": "*i64",
                    "active": "*i32",
                    "num_active": "*i32",
                    "num_samples": "i32",
                    "num_in": "i32",
                },
                {
                    "LISTED": chosen,
                    "SAMPLES_MEANT": 10_000,
                    "NUM_STEPS": 20,
                    "BLOCK_SAMPLES": 64,
                    "BLOCK": 32,
                },
                plain,
            )
            for chosen in (False, True)
        ),
        (
            dropout.dropout_kernel,
            {
                "keep": "*i1",
                "key": "*i64",
                "position": "*i64",
                "num_neurons": "i32",
                "counters": "i32",
                "least": "i32",
            },
            {"BLOCK": 128},
            plain,
        ),
    ]
    for exact in (False, True):
        term = "*fp64" if exact else "*bf16"
        types = {"words": "*i32", "outputs": "*i32", "desire": "*i8", "active": "*i32"}
        types |= {"num_active": "*i32", "high": term, "low": term, "signed": term}
        types |= {"net_spikes": "*i32", **SIZES, **STRIDES}
        constants = {"DELAY": 1, "DECAY": 0.75, "SYNAPSE_DECAY": 0.5, "NUM_STEPS": 20}
        constants["EXACT"] = exact
        listed.append(
            (neurons.pair_kernel, types, {**constants, "COUNTED": True, "BLOCK": 128}, plain)
        )
    for (kernel, exact, _), tile in TILES.items():
        function, types, constants, options = product(kernel, exact, tile)
        listed.append((function, types, constants, options))
        if kernel == "update":
            listed.append((function, types, {**constants, "AVERAGED": True}, options))
    return listed + planes()


def planes() -> list[tuple[Any, dict[str, str], dict[str, Any], dict[str, Any]]]:
    """Return the kernels of convolutions, of a layer with padding and kernels that are oblong."""
    words = {"words": "*i32", "weights": "*fp32", "keep": "*i1", "active": "*i32"}
    words |= {"num_active": "*i32"}
    geometry = {"GEOMETRY": (16, 12, 12, 32, 6, 12, 5, 3, 2, 1, 2, 1)}
    spikes = {**geometry, "DELAY": 1, "DECAY": 0.75, "SYNAPSE_DECAY": 0.5, "NUM_STEPS": 20}
    scan = {"GAIN": 1 / 0.7, "THRESHOLD": 1.0, "SUBTRACT": True, "MASKED": True}
    back = {"errors": "*fp32", "table": "*fp32", "passed": "*i8", "passed_errors": "*fp32"}
    rule = {**geometry, "THRESHOLD": 0.2, "NUM_COUNTS": 21, "MASKED": True}
    pairs = {"outputs": "*i32", "desire": "*i32", "pairs": "*fp64"}
    run, desire, pair = convolutions.RUN, convolutions.DESIRE, convolutions.PAIR
    return [
        (
            convolutions.run_kernel,
            {**words, "spikes": "*i32", "num_samples": "i32"},
            {**spikes, **scan, **blocks(run.rows, run.columns, run.inner)},
            run.options,
        ),
        (
            convolutions.hidden_desire_kernel,
            {**words, **back},
            {**rule, **blocks(desire.rows, desire.inner, desire.columns)},
            desire.options,
        ),
        (
            convolutions.pair_kernel,
            {**words, **pairs},
            {**spikes, **blocks(pair.inner, pair.rows, pair.columns)},
            pair.options,
        ),
    ]


def blocks(rows: int, outputs: int, inputs: int) -> dict[str, int]:
    """Return block sizes as kernels take them."""
    return {"BLOCK_ROWS": rows, "BLOCK_OUT": outputs, "BLOCK_IN": inputs}


SIZES = {"num_in": "i32", "num_out": "i32"}
STRIDES = {"in_stride": "i32", "out_stride": "i32"}


def product(kernel: str, exact: bool, tile: Any) -> Any:
    """Return a kernel of :mod:`lava_desire.backends.triton.products` with its tile."""
    options = tile.options
    if kernel == "current":
        blocks = {"BLOCK_ROWS": tile.rows, "BLOCK_OUT": tile.columns, "BLOCK_IN": tile.inner}
        if exact:
            types = {"words": "*i32", "weights": "*fp32", "currents": "*fp32"}
            types |= {"num_samples": "i32", **SIZES}
            constants = {"GAIN": 1 / 0.7, "DELAY": 1, "NUM_STEPS": 20, **blocks}
            return products.exact_current_kernel, types, constants, options
        types = {"spikes": "*bf16", "terms": "*bf16", "currents": "*fp32"}
        types |= {"num_rows": "i32", "num_out": "i32", "stride": "i32"}
        return products.current_kernel, types, {"GAIN": 1 / 0.7, **blocks}, options
    if kernel == "update":
        term = "*fp64" if exact else "*bf16"
        types = {"signed": term, "high": term, "low": term, "num_active": "*i32"}
        types |= {"weights": "*fp32", "rate": "*fp64", "terms": "*bf16"}
        types |= {
            "posts": "*fp32",
            "pres": "*fp32",
            "average": "*fp32",
            "shares": "*fp32",
            "place": "*i64",
        }
        types |= {**SIZES, **STRIDES, "num_samples": "i32"}
        constants = {"NUM_STEPS": 20, "EXACT": exact, "SPLIT": not exact, "NUM_TERMS": 2}
        constants |= {"LIMIT": 0.3, "AVERAGED": False, "BLOCK_ROWS": tile.inner}
        constants |= {"BLOCK_OUT": tile.rows, "BLOCK_IN": tile.columns}
        return products.update_kernel, types, constants, options
    types = {"errors": "*fp32", "active": "*i32", "num_active": "*i32", "weights": "*fp32"}
    types |= {"words": "*i32", "keep": "*i1", "table": "*fp32", "passed": "*i8"}
    types |= {"passed_errors": "*fp32", **SIZES}
    constants = {"THRESHOLD": 0.05, "NUM_COUNTS": 21, "MASKED": True}
    constants |= {"BLOCK_SAMPLES": tile.rows, "BLOCK_OUT": tile.inner, "BLOCK_IN": tile.columns}
    return products.hidden_desire_kernel, types, constants, options


def describe(capability: int, kernel: Any, types: Any, constants: Any, options: Any) -> Any:
    """Compile one and read what came out."""
    signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
    # Sizes and strides are multiples of 16 and pointers aligned, as in a network of usual sizes.
    aligned = {
        (place,): [["tt.divisibility", 16]]
        for place, name in enumerate(kernel.arg_names)
        if signature[name] != "constexpr"
    }
    source = ASTSource(kernel, signature=signature, constexprs=constants, attrs=aligned)
    target = GPUTarget("cuda", capability, 32)
    code = triton.compile(source, target=target, options=options)
    ptx = code.asm["ptx"]
    # A product and a sum without .rn could be fused by the assembler as well.
    fused = len(re.findall(r"\bfma\.", ptx)) + len(
        re.findall(r"\b(?:mul|add|sub)\.f(?:32|64)", ptx)
    )
    return {
        "kernel": kernel.__name__,
        "capability": capability,
        "constants": {name: str(value) for name, value in constants.items()},
        "fused": fused,
        "tensor_core": len(re.findall(r"wgmma\.mma_async|mma\.sync|tcgen05\.mma", ptx)),
        "shared_bytes": code.metadata.shared,
        "shared_limit": SHARED_LIMIT[capability],
        **registers(ptx, capability),
    }


def registers(ptx: str, capability: int) -> dict[str, int]:
    """Ask the assembler for registers and for what it had to spill."""
    name = f"sm_{capability}a" if capability >= 90 else f"sm_{capability}"
    with tempfile.NamedTemporaryFile("w", suffix=".ptx") as file:
        file.write(ptx)
        file.flush()
        done = subprocess.run(
            [get_ptxas(capability).path, "-v", f"--gpu-name={name}", "-o", "/dev/null", file.name],
            capture_output=True,
            text=True,
            check=False,
        )
    if done.returncode:
        raise RuntimeError(f"ptxas for {name}: {done.stderr[-1000:]}")
    spilled = re.findall(r"(\d+) bytes spill stores", done.stderr)
    used = re.findall(r"Used (\d+) registers", done.stderr)
    return {"registers": max(map(int, used)), "spilled_bytes": sum(map(int, spilled))}


if __name__ == "__main__":
    rows = [describe(capability, *case) for capability in (80, 90) for case in variants()]
    json.dump(rows, sys.stdout, indent=1)
