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
import triton.language as tl
from triton.backends.compiler import GPUTarget
from triton.backends.nvidia.compiler import get_ptxas
from triton.compiler import ASTSource

from lava_desire.engine.cuda import dropout, neurons, products
from lava_desire.engine.cuda.kernels import WIDE_PRODUCTS
from lava_desire.engine.cuda.tiles import TILES

SHARED_LIMIT = {80: 163 * 1024, 90: 227 * 1024, 100: 227 * 1024}
LIF = {"DECAY": 0.75, "THRESHOLD": 1.0, "NUM_STEPS": 20, "SUBTRACT": True, "BLOCK": 128}


def variants() -> list[tuple[Any, dict[str, str], dict[str, Any], dict[str, Any]]]:
    """List kernels with the types of their arguments, their constants and options."""
    plain = {"enable_fp_fusion": False}
    scan = {"currents": "*fp32", "keep": "*i1", "words": "*i32", "size": "i32"}
    listed = [
        (neurons.lif_scan_kernel, scan, {**LIF, "MASKED": True}, plain),
        (neurons.lif_scan_kernel, {**scan, "words": "*i64"}, {**LIF, "MASKED": False}, plain),
        (
            neurons.count_kernel,
            {"words": "*i32", "counts": "*i64", "size": "i32"},
            {"BLOCK": 128},
            plain,
        ),
        (
            neurons.compact_kernel,
            {"desiring": "*i1", "active": "*i32", "num_active": "*i32", "num_samples": "i32"},
            {"BLOCK": 128},
            plain,
        ),
        (
            neurons.teach_kernel,
            {
                "words": "*i32",
                "labels": "*i64",
                "table": "*i8",
                "desire": "*i8",
                "prediction": "*i64",
                "num_classes": "i32",
            },
            {"NUM_COUNTS": 21, "BLOCK": 16},
            plain,
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
        trace = {"words": "*i32", "active": "*i32", "num_active": "*i32"}
        trace |= {"high": term, "low": term, "num_in": "i32"}
        constants = {"LAG": 1, "DECAY": 0.75, "NUM_STEPS": 20, "EXACT": exact, "BLOCK": 128}
        listed.append((neurons.trace_kernel, trace, constants, plain))
    listed += [
        product(*key, tile)
        for key, tile in TILES.items()
        if WIDE_PRODUCTS or not key[1] or key[0] == "current"
    ]
    return listed


def product(kernel: str, exact: bool, few: bool, tile: Any) -> Any:
    """Return a kernel of :mod:`lava_desire.engine.cuda.products` with its tile."""
    options = {"num_warps": tile.warps, "num_stages": tile.stages, "enable_fp_fusion": False}
    sizes = {"num_in": "i32", "num_out": "i32"}
    term = "*fp64" if exact else "*bf16"
    if kernel == "current":
        types = {"words": "*i32", "weights": "*fp32", "currents": "*fp32", "num_samples": "i32"}
        constants = {"GAIN": 1 / 0.7, "LAG": 1, "NUM_STEPS": 20, "EXACT": exact}
        constants |= {"TERM": tl.bfloat16, "BLOCK_ROWS": tile.rows}
        constants |= {"BLOCK_OUT": tile.columns, "BLOCK_IN": tile.inner}
        return products.current_kernel, types | sizes, constants, options
    if kernel == "update":
        types = {"signs": "*i8", "words": "*i32", "high": term, "low": term, "active": "*i32"}
        types |= {"num_active": "*i32", "weights": "*fp32", "rate": "*fp64"}
        constants = {"NUM_STEPS": 20, "EXACT": exact, "BLOCK_ROWS": tile.inner}
        constants |= {"BLOCK_OUT": tile.rows, "BLOCK_IN": tile.columns}
        return products.update_kernel, types | sizes, constants, options
    types = {"desire": "*i8", "keep": "*i1", "words": "*i32", "errors": "*fp32"}
    types |= {"weights": "*fp32", "passed": "*i8", "num_samples": "i32"}
    constants = {"THRESHOLD": 0.05, "NUM_COUNTS": 21, "MASKED": True}
    constants |= {"BLOCK_SAMPLES": tile.rows, "BLOCK_OUT": tile.inner, "BLOCK_IN": tile.columns}
    return products.hidden_desire_kernel, types | sizes, constants, options


def describe(capability: int, kernel: Any, types: Any, constants: Any, options: Any) -> Any:
    """Compile one and read what came out."""
    signature = {name: types.get(name, "constexpr") for name in kernel.arg_names}
    source = ASTSource(kernel, signature=signature, constexprs=constants)
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
