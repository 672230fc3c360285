"""Vars that cross between parent and child whole.

As released, Lava hands over a Var a number at a time, each a message that the runtime service
passes on: seconds for the weights of a layer. Here a command and its answer go the same way, and
the array goes through the pipe that each child has to its parent.
"""

from __future__ import annotations

from multiprocessing.connection import Connection
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_to_np

BY_PIPE = -1
"""Number of items that tells that an array goes through the pipe, and that none follow."""


def let_arrays_through(model: AbstractPyProcessModel, pipe: Connection) -> None:
    """Have a process model hand over Vars that are arrays through a pipe, in the child.

    Parameters
    ----------
    model : AbstractPyProcessModel
        The model; other Vars go on as before, and so does what its own methods do around it.
    pipe : Connection
        The child's end.
    """
    by_number_get, by_number_set = model._get_var, model._set_var

    def is_array() -> bool:
        number = int(model.service_to_process.peek()[0])
        return isinstance(getattr(model, model.var_id_to_var_map[number]), np.ndarray)

    def name_of_var() -> str:
        name: str = model.var_id_to_var_map[int(model.service_to_process.recv()[0])]
        return name

    def get() -> None:
        if not is_array():
            by_number_get()
            return
        name = name_of_var()
        _be_ready(model)
        model.process_to_service.send(enum_to_np(BY_PIPE))
        pipe.send(np.ascontiguousarray(getattr(model, name)))

    def set_() -> None:
        if not is_array():
            by_number_set()
            return
        var: Any = getattr(model, name_of_var())
        num_items = int(model.service_to_process.recv()[0])
        _be_ready(model)
        if num_items == BY_PIPE:
            var[...] = pipe.recv()
        else:
            for index in range(num_items):
                var.flat[index] = model.service_to_process.recv()[0]
        model.process_to_service.send(MGMT_RESPONSE.SET_COMPLETE)
        model.on_var_update()

    model._cmd_handlers[MGMT_COMMAND.GET_DATA[0]] = get
    model._cmd_handlers[MGMT_COMMAND.SET_DATA[0]] = set_


def _be_ready(model: Any) -> None:
    """Let a model that keeps its Vars elsewhere bring them up to date."""
    refresh = getattr(model, "refresh_vars", None)
    if refresh is not None:
        refresh()
