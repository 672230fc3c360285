"""Vars that cross between parent and child whole.

As released, Lava hands over a Var a number at a time, each a message that the runtime service
passes on: seconds for the weights of a layer. Here a command and its answer go the same way, and
what the Var holds goes through the pipe that each child has to its parent.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np

from lava_desire.lava_runtime.variables import read, write

BY_PIPE = -1
"""Number of items that tells that the values go through the pipe, and that none follow."""


def goes_whole(model_class: Any) -> bool:
    """Return whether the Vars of a model go through the pipe, or as its own methods have it.

    A model that overrides Lava's handlers to bring its Vars up to date says with a method
    ``refresh_vars`` how that is done, and goes whole as well.
    """
    lava: Any = AbstractPyProcessModel
    if not issubclass(model_class, lava):
        return False
    is_lavas = model_class._get_var is lava._get_var and model_class._set_var is lava._set_var
    return is_lavas or hasattr(model_class, "refresh_vars")


def let_arrays_through(model: AbstractPyProcessModel, pipe: Connection) -> None:
    """Have a process model hand over its Vars through a pipe, in the child."""
    if not goes_whole(type(model)):
        return

    def name_of_var() -> str:
        name: str = model.var_id_to_var_map[int(model.service_to_process.recv()[0])]
        _be_ready(model)
        return name

    def get() -> None:
        name = name_of_var()
        model.process_to_service.send(enum_to_np(BY_PIPE))
        pipe.send(np.ascontiguousarray(read(model, name)))

    def set_() -> None:
        name = name_of_var()
        model.service_to_process.recv()  # the number of items, which is BY_PIPE
        values, idx = pipe.recv()
        write(model, name, values, idx)
        model.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
        model.on_var_update()

    model._cmd_handlers[MGMT_COMMAND.GET_DATA[0]] = get
    model._cmd_handlers[MGMT_COMMAND.SET_DATA[0]] = set_


def _be_ready(model: Any) -> None:
    """Let a model that keeps its Vars elsewhere bring them up to date."""
    refresh = getattr(model, "refresh_vars", None)
    if refresh is not None:
        refresh()
