"""A process with Vars of every kind. It has its own folder: Lava runs every file beside it."""

from __future__ import annotations

import numpy as np

import lava_desire.proc  # noqa: F401  (lets Lava import)

from lava.magma.core.decorator import implements, requires, tag  # isort: skip
from lava.magma.core.model.py.model import PyLoihiProcessModel  # isort: skip
from lava.magma.core.model.py.type import LavaPyType  # isort: skip
from lava.magma.core.process.process import AbstractProcess  # isort: skip
from lava.magma.core.process.variable import Var  # isort: skip
from lava.magma.core.resources import CPU  # isort: skip
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol  # isort: skip


class Keeper(AbstractProcess):
    """Keeps what its Vars are set to."""

    def __init__(self):
        super().__init__()
        self.text = Var(shape=(5,), init="spike")
        self.whole = Var(shape=(1,), init=3)
        self.fraction = Var(shape=(1,), init=0.5)
        self.number = Var(shape=(1,), init=np.int32(3))
        self.switch = Var(shape=(2,), init=np.array([True, False]))
        self.bytes = Var(shape=(2, 3), init=np.arange(6).reshape(2, 3))
        self.short = Var(shape=(2,), init=0)
        self.listed = Var(shape=(3,), init=[1, 2, 3])


@implements(proc=Keeper, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class PyKeeperModel(PyLoihiProcessModel):
    text: str = LavaPyType(str, str)
    whole: int = LavaPyType(int, int)
    fraction: float = LavaPyType(float, float)
    number: int = LavaPyType(int, np.int32)
    switch: np.ndarray = LavaPyType(np.ndarray, bool)
    bytes: np.ndarray = LavaPyType(np.ndarray, np.int8)
    short: np.ndarray = LavaPyType(np.ndarray, np.float32)
    listed: np.ndarray = LavaPyType(np.ndarray, float)
