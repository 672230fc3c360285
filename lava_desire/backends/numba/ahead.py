"""Kernels compiled by other processes, all at once, where numba's cache does not have them.

A process compiles one function after the other, under a lock of numba's; others do so meanwhile,
while this one imports torch, loads data and learns by torch operations, and leave what they compile
in the cache, which numba keeps beside the sources or, where they cannot be written, in a folder of
the user. Which functions are called with which types a recorded list says
(``python -m benchmarks.compiling`` writes it): of what is missing in it, or cannot be kept, numba
compiles as it always does, when it is called.
"""

from __future__ import annotations

import faulthandler
import os
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterable, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

LIST = Path(__file__).with_name("kernels.txt")
_ROOT = Path(__file__).parents[3]
_PACKAGE = "lava_desire.backends"
_CHILD = "from lava_desire.backends.numba.ahead import compile_listed; compile_listed()"
_LOOPS = "single", "loop", "near_loop"  # groups without which single steps are compiled as well
_MOST = 4  # processes

_LONGEST = 3600  # seconds after which a process ends, whatever it is at
_INTERVAL = 0.1  # seconds between two looks into the cache
_PATIENCE = 60.0  # seconds that a rank, or a forked process, waits for what others compile

_groups: dict[str, _Group] = {}  # that were asked for


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
            name = cache._cache_file._load_index().get(key)
            # numba writes a function after its entry.
            return name is None or not os.path.exists(cache._cache_file._data_path(name))
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


def all_groups() -> list[str]:
    """Return all groups of the list, in its order."""
    return list(dict.fromkeys(line.split(maxsplit=1)[0] for line in LIST.read_text().splitlines()))


def groups_of(batch_size: int | None, **has: bool) -> list[str]:
    """Return the groups of kernels that a network and its training call.

    `has` says of groups other than ``dense`` and ``single`` whether the network has what they are
    for; single samples are run by kernels of their own where it has no planes. Loops over
    minibatches, which link these kernels, are begun when they are there.
    """
    others = [group for group, wanted in has.items() if wanted]
    return ["dense", *(["single"] if batch_size == 1 and "planes" not in others else []), *others]


def groups_in_integers(has_planes: bool) -> list[str]:
    """Return the groups of kernels that a network in integers, and its training, call."""
    return ["integers", *(["integer_planes"] if has_planes else [])]


def say(text: str) -> None:
    """Print a line where errors are printed."""
    print(f"lava_desire: {text}", file=sys.stderr, flush=True)


def start(*groups: str, say: Callable[[str], None] | None = None, meanwhile: bool = False) -> None:
    """Let other processes compile what is missing of some groups, and say so, where they do.

    They finish even where this one ends before, so that the next finds what they have compiled;
    none goes on for more than an hour. Groups are those of ``kernels.txt``: ``dense``,
    ``single`` (samples), ``planes``, ``near`` (the threshold), ``loop`` (over minibatches),
    ``near_loop``, ``integers``, ``integer_single``, ``integer_planes``.
    `meanwhile` says that this process computes all the same.
    """
    new = [_Group(group) for group in groups if group not in _groups]
    _groups.update({group.name: group for group in new})
    if os.environ.get("LOCAL_RANK", "0") != "0":
        return  # the first rank of this machine does it
    for group in new:
        group.begin()
    missing = [kernel for group in new for kernel in group.missing]
    if missing and say is not None:
        what = f"{len(missing)} kernel{'s' * (len(missing) > 1)}"
        place = missing[0].function.stats.cache_path
        line = f"compiling {what} for this machine, once; kept in {place}"
        say(line + "; until then torch operations compute the same, slower" * meanwhile)


def finish(group: str) -> None:
    """Wait until the processes that this one has started for a group have ended."""
    for child in _groups[group].own if group in _groups else ():
        child.wait()
    if group in _groups:
        _groups[group].looked = -_INTERVAL


def is_done(group: str) -> bool:
    """Tell whether what was started of a group, if anything was, has ended."""
    return group not in _groups or all(child.poll() is not None for child in _groups[group].own)


def is_ready(group: str) -> bool:
    """Tell whether all of a group is compiled; from then on it stays so.

    What is missing is compiled by other processes from now on, if it was not before. Warns once,
    with a RuntimeWarning, where they have failed.
    """
    start(group)
    return _groups[group].is_ready()


def has_failed(group: str) -> bool:
    """Tell whether :func:`is_ready` has found that a group could not be compiled."""
    return group in _groups and _groups[group].has_failed


class _Group:
    """What is missing of a group, and the processes that compile it."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.missing = [kernel for kernel in listed([name]) if kernel.is_missing()]
        self.looked, self.known = -_INTERVAL, time.monotonic()
        self._children: list[subprocess.Popen[bytes]] = []
        self._process = os.getpid()
        self.has_failed = False

    @property
    def own(self) -> list[subprocess.Popen[bytes]]:
        """The processes that this one has started; one that was forked from it has none."""
        return self._children if self._process == os.getpid() else []

    @property
    def _others(self) -> str:
        """What computes in their place."""
        return "compiled single steps" if self.name in _LOOPS else "torch operations"

    def begin(self) -> None:
        """Start processes for what is missing."""
        self._process = os.getpid()
        self._children = [
            begin(each) for each in shares_of(self.missing, min(_processors(), _MOST))
        ]

    def is_ready(self) -> bool:
        """See the function."""
        now = time.monotonic()
        if not self.missing or self.has_failed or now - self.looked < _INTERVAL:
            return not self.missing
        self.looked = now
        # Asked before the cache is looked into, where the last one may just have left its work.
        have_ended = bool(self.own) and all(child.poll() is not None for child in self.own)
        self.missing = [kernel for kernel in self.missing if kernel.is_missing()]
        if self.missing and have_ended:
            self.has_failed = True
            names = ", ".join(sorted({kernel.name for kernel in self.missing}))
            warnings.warn(
                f"kernels could not be compiled, and {self._others} go on, slower: {names}; "
                "kernels='compiled' compiles them in this process, and says what is wrong",
                RuntimeWarning,
                stacklevel=2,
            )
        elif self.missing and not self.own and now - self.known > _PATIENCE:
            self.begin()  # whoever was to compile them does not
        return not self.missing


def compile_listed() -> None:
    """Compile the kernels named on the command line, as a child does; what fails is left out."""
    faulthandler.dump_traceback_later(_LONGEST, exit=True)
    wanted = set(sys.argv[1:])
    for kernel in listed({name.partition(":")[0] for name in wanted}):
        if f"{kernel.group}:{kernel.name}:{kernel.types}" in wanted:
            try:
                kernel.function.compile(kernel.arguments)
            except Exception as error:
                print(f"{kernel.name}: {error}", file=sys.stderr)


def begin(kernels: Sequence[Kernel]) -> subprocess.Popen[bytes]:
    """Start another process that compiles kernels, and ends with 0 also where it cannot."""
    paths = [str(_ROOT), os.environ.get("PYTHONPATH", "")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    names = [f"{kernel.group}:{kernel.name}:{kernel.types}" for kernel in kernels]
    return subprocess.Popen(
        [sys.executable, "-c", _CHILD, *names],
        env={**environment, "PYTHONSAFEPATH": "1"},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # Ctrl-C is for who trains
    )


def shares_of(kernels: Sequence[Kernel], number: int) -> list[list[Kernel]]:
    """Share the kernels out, the longest first, each to whom has least to do."""
    shares: list[list[Kernel]] = [[] for _ in range(number)]
    for kernel in sorted(kernels, key=lambda each: -each.milliseconds):
        min(shares, key=lambda share: sum(each.milliseconds for each in share)).append(kernel)
    return [share for share in shares if share]


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
