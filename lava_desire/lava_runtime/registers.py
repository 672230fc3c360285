"""Weak references in Lava's registers of processes and Vars, which keep networks alive.

A network that is dropped without ``stop()`` can then be collected, and its children end.
"""

from __future__ import annotations

import weakref
from collections.abc import Iterator
from typing import Any

from lava.magma.core.process.process import ProcessServer
from lava.magma.core.process.variable import VarServer


class Register:
    """A register that counts entries and holds them weakly.

    `members` are what was registered before.
    """

    def __init__(self, members: Any) -> None:
        self._length = 0
        self._members: weakref.WeakValueDictionary[int, Any] = weakref.WeakValueDictionary()
        for member in members:
            self.append(member)

    def append(self, member: Any) -> None:
        """Register a process or a Var."""
        self._members[self._length] = member
        self._length += 1

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Any]:
        return iter([member for _, member in sorted(self._members.items())])


def hold_weakly() -> None:
    """Make Lava's registers hold their entries weakly."""
    for server, name in ((ProcessServer(), "processes"), (VarServer(), "vars")):
        if isinstance(getattr(server, name), list):  # as Lava makes it, also after a reset
            setattr(server, name, Register(getattr(server, name)))
