"""Repairs modules of Lava while they are imported, whoever imports them first.

A finder that stands before Python's own knows the names of the modules in :mod:`mends
<lava_desire.lava_runtime.mends>` and does nothing for any other. The installed package puts it
there by a ``.pth`` file, once something asks for the name ``lava``; without one (``PYTHONPATH``,
``pip install --target``) ``import lava_desire`` does.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import cached_property
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_desire.lava_runtime.mends import Mend


class Finder:
    """Finds the modules to be mended where Python would, and mends what their code leaves.

    `mends` is called when a module of `package` is asked for first.
    """

    def __init__(self, package: str, mends: Callable[[], Sequence[Mend]]) -> None:
        self._prefix = f"{package}."
        self._load = mends

    @cached_property
    def _mends(self) -> dict[str, list[Mend]]:
        mends: dict[str, list[Mend]] = {}
        for mend in self._load():
            if mend.needed:
                mends.setdefault(mend.module, []).append(mend)
        return mends

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> ModuleSpec | None:
        """Return how a module is loaded and mended, or None if it needs no mend; Python asks."""
        if not name.startswith(self._prefix) or name not in self._mends:
            return None
        for finder in sys.meta_path:
            spec = finder.find_spec(name, path, target) if finder is not self else None
            if spec is not None and spec.loader is not None:
                loader: Any = spec.loader
                # Set on this one loader, which stays what it is for whoever asks for sources.
                loader.exec_module = self._run(name, loader.exec_module)
                return spec
        return None

    def _run(self, name: str, execute: Callable[[ModuleType], None]) -> Any:
        def exec_module(module: ModuleType) -> None:
            with ExitStack() as contexts:
                for mend in self._mends[name]:
                    if mend.around is not None:
                        contexts.enter_context(mend.around())
                execute(module)
            self._finish(name, module)

        return exec_module

    def _finish(self, name: str, module: ModuleType) -> None:
        for mend in self._mends[name]:
            if mend.after is not None:
                mend.after(module)

    def mend_loaded(self) -> None:
        """Mend what was imported before this finder stood."""
        for name, module in list(sys.modules.items()):
            if name.startswith(self._prefix) and name in self._mends:
                self._finish(name, module)


_finder: Finder | None = None


def arm() -> None:
    """Repair Lava from now on; modules that are imported already are repaired at once."""
    global _finder
    if _finder is None:
        _finder = Finder("lava", _mends_of_lava)
        sys.meta_path.insert(0, _finder)
        _finder.mend_loaded()


def _mends_of_lava() -> Sequence[Mend]:
    from lava_desire.lava_runtime.mends import MENDS

    return MENDS
