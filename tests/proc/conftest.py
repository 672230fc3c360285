"""Every test in this folder leaves no child and no shared memory behind."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import pytest

SEGMENTS = Path("/dev/shm")


@pytest.fixture(autouse=True)
def forked(request, monkeypatch):
    """Fork the networks of a test that is marked so; others run as they do for a user."""
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    from lava_desire.lava_runtime import install
    from lava_desire.lava_runtime.modes import VARIABLE

    if request.node.get_closest_marker("forked") is not None:
        monkeypatch.setenv(VARIABLE, "processes")
    install()
    yield
    monkeypatch.undo()
    install()


@pytest.fixture(autouse=True)
def nothing_is_left(monkeypatch):
    pytest.importorskip("lava.magma", reason="Lava is not installed")
    from lava_desire.lava_runtime.compat import import_lava

    import_lava()
    from lava.magma.runtime.message_infrastructure import shared_memory_manager

    manager = shared_memory_manager.SharedMemoryManager
    create, names = manager.create_shared_memory, []

    def create_and_note(self, size):
        handle = create(self, size)
        names.append(handle.name)
        return handle

    monkeypatch.setattr(manager, "create_shared_memory", create_and_note)
    before = set(multiprocessing.active_children())
    yield
    assert set(multiprocessing.active_children()) <= before
    if SEGMENTS.is_dir():
        assert [name for name in names if (SEGMENTS / name.lstrip("/")).exists()] == []
