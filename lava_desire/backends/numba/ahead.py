"""Kernels compiled by other processes, all at once, where numba's cache does not have them.

A process compiles one function after the other, under a lock of numba's; others do so meanwhile,
while this one imports torch and loads data, and leave what they compile in the cache, which numba
keeps beside the sources or, where they cannot be written, in a folder of the user. Which functions
are called with which types a recorded list says (``python -m benchmarks.compiling`` writes it): of
what is missing in it, or cannot be had, numba compiles as it always does, when it is called.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

LIST = Path(__file__).with_name("kernels.txt")
_ROOT = Path(__file__).parents[3]
_PACKAGE = "lava_desire.backends"
_CHILD = "from lava_desire.backends.numba.ahead import compile_listed; compile_listed()"
_MOST = 4  # processes

_children: dict[str, list[subprocess.Popen[bytes]]] = {}  # of each group that was started


class Kernel(NamedTuple):
    """A compiled function that is called from Python, in one combination of types."""

    group: str
    milliseconds: int  # that it took to compile, where the list was recorded
    name: str  # module below lava_desire.backends, and function
    types: str

    @property
    def function(self) -> Any:
        """The dispatcher; its module is imported."""
        module, _, name = self.name.rpartition(".")
        return getattr(import_module(f"{_PACKAGE}.{module}"), name)

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The types, as numba's."""
        from numba.core.sigutils import normalize_signature

        return tuple(normalize_signature(f"({self.types},)")[0])

    def is_missing(self) -> bool:
        """Tell whether the function was not compiled yet, here or in the cache."""
        function, arguments = self.function, self.arguments
        try:
            cache = function._cache  # numba offers no other way to ask without loading it
            key = cache._index_key(arguments, function.targetctx.codegen())
            return key not in cache._cache_file._load_index()
        except AttributeError:  # another numba, or none: compiled when it is called
            return False


def listed(groups: Iterable[str]) -> list[Kernel]:
    """Return the kernels of some groups, as recorded."""
    kernels = []
    for line in LIST.read_text().splitlines():
        group, milliseconds, name, types = line.split(maxsplit=3)
        if group in groups:
            kernels.append(Kernel(group, int(milliseconds), name, types))
    return kernels


def groups_of(batch_size: int | None, has_planes: bool) -> list[str]:
    """Return the groups of kernels that a network and its training call."""
    single = batch_size == 1 and not has_planes
    return ["dense", *(["single"] if single else []), *(["planes"] if has_planes else [])]


def say(text: str) -> None:
    """Print a line where errors are printed."""
    print(f"lava_desire: {text}", file=sys.stderr, flush=True)


def start(*groups: str, say: Callable[[str], None] | None = None) -> None:
    """Let other processes compile what is missing of some groups, and say so, where they do.

    They finish even where this one ends before, so that the next finds what they have compiled.
    Groups are those of ``kernels.txt``: ``dense``, ``single`` (samples), ``planes``, ``integers``.
    """
    new = [group for group in groups if group not in _children]
    _children.update({group: [] for group in new})
    if not new or _processors() == 1 or os.environ.get("LOCAL_RANK", "0") != "0":
        return
    missing = {group: [each for each in listed([group]) if each.is_missing()] for group in new}
    for group, kernels in missing.items():
        shares = _shares(kernels, min(_processors(), _MOST))
        _children[group] += [_begin(share) for share in shares]
    first = next(filter(None, missing.values()), None)
    if first is not None and say is not None:
        number, place = sum(map(len, missing.values())), first[0].function.stats.cache_path
        what = "kernels" if number > 1 else "kernel"
        say(f"compiling {number} {what} for this machine, once; kept in {place}")


def finish(group: str) -> None:
    """Wait until what was started of a group is compiled."""
    for child in _children.get(group, ()):
        child.wait()


def is_done(group: str) -> bool:
    """Tell whether what was started of a group is compiled; from then on it stays so."""
    return all(child.poll() is not None for child in _children.get(group, ()))


def compile_listed() -> None:
    """Compile the kernels named on the command line, as a child does; what fails is left out."""
    wanted = set(sys.argv[1:])
    for kernel in listed({name.partition(":")[0] for name in wanted}):
        if f"{kernel.group}:{kernel.name}:{kernel.types}" in wanted:
            try:
                kernel.function.compile(kernel.arguments)
            except Exception as error:
                print(f"{kernel.name}: {error}", file=sys.stderr)


def _begin(kernels: Sequence[Kernel]) -> subprocess.Popen[bytes]:
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    names = [f"{kernel.group}:{kernel.name}:{kernel.types}" for kernel in kernels]
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *names],
        env={**environment, "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def _shares(kernels: Sequence[Kernel], number: int) -> list[list[Kernel]]:
    """Share the kernels out, the longest first, each to whom has least to do."""
    shares: list[list[Kernel]] = [[] for _ in range(number)]
    for kernel in sorted(kernels, key=lambda each: -each.milliseconds):
        min(shares, key=lambda share: sum(each.milliseconds for each in share)).append(kernel)
    return [share for share in shares if share]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
