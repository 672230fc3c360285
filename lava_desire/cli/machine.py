"""What this machine offers, and the versions that a result depends on."""

from __future__ import annotations

import ctypes
import importlib.util
import os
import platform
from pathlib import Path
from typing import Any

from lava_desire._provenance import commit, version_of, versions
from lava_desire.backends.registry import default_precision

_NAME_BYTES = 256


def environment() -> dict[str, Any]:
    """Return the versions and the machine that a result depends on."""
    import torch

    return {
        **versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "threads": torch.get_num_threads(),
        **({"gpu": torch.cuda.get_device_name()} if torch.cuda.is_available() else {}),
    }


def processor_name() -> str:
    """Return what the operating system calls the processor."""
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def facts(devices: bool) -> dict[str, Any]:
    """Return what ``lava-desire info`` prints; torch is imported where devices are asked for.

    Without it CUDA devices are those that NVIDIA's driver tells, where torch is built for them.
    """
    known: dict[str, Any] = {
        **versions(),
        "platform": platform.platform(),
        "processor": processor_name(),
        "processors": _usable_processors(),
    }
    if devices:
        import torch

        number = torch.cuda.device_count() if torch.cuda.is_available() else 0
        cuda = [torch.cuda.get_device_name(index) for index in range(number)]
        known["threads"] = torch.get_num_threads()
        known["ranks"] = f"torchrun with {', '.join(_rank_backends()) or 'nothing'}"
    else:
        cuda = _cuda_devices()
    known["cuda"] = cuda
    known["default precision"] = default_precision("cuda" if cuda else "cpu")
    known["lava-nc"] = version_of("lava-nc")
    return known


def version_lines() -> str:
    """Return what ``lava-desire --version`` prints; torch is not imported."""
    known, made = versions(), commit()
    lines = [f"lava-desire {known['lava_desire']}" + (f" (commit {made})" if made else "")]
    lines += [
        f"{name} {known[name] or 'is not installed'}" for name in ("python", "torch", "numpy")
    ]
    return "\n".join([*lines, f"lava-nc {version_of('lava-nc') or 'is not installed'}"])


def _usable_processors() -> int:
    """Return how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _rank_backends() -> list[str]:
    """Return what carries what ranks say to each other, here."""
    import torch.distributed as distributed

    if not distributed.is_available():
        return []
    offered = {"gloo": distributed.is_gloo_available, "nccl": distributed.is_nccl_available}
    return [name for name, is_there in offered.items() if is_there()]


def _cuda_devices() -> list[str]:
    """Ask NVIDIA's driver for its devices, where torch is built for them."""
    torch = importlib.util.find_spec("torch")
    places = (torch and torch.submodule_search_locations) or []
    if not any((Path(place) / "lib" / "libtorch_cuda.so").exists() for place in places):
        return []
    try:
        driver = ctypes.CDLL("libcuda.so.1")
    except OSError:
        return []
    number = ctypes.c_int()
    if driver.cuInit(0) or driver.cuDeviceGetCount(ctypes.byref(number)):
        return []
    names = []
    for index in range(number.value):
        name = ctypes.create_string_buffer(_NAME_BYTES)
        if driver.cuDeviceGetName(name, _NAME_BYTES, index) == 0:
            names.append(name.value.decode())
    return names
