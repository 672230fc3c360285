"""Which model runs each process: one tag for a whole network."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from lava.magma.core.model.py.model import AbstractPyProcessModel
from lava.magma.core.model.sub.model import AbstractSubProcessModel
from lava.magma.core.run_configs import Loihi2SimCfg

TAGS = ("floating_pt", "fixed_pt", "torch")
"""The arithmetic and the engine that a network can be run with."""

# Only a whole network has a torch model; what it is wired to runs in floating point beside it.
_STAND_INS = {"torch": ("floating_pt",)}


class DesireSimCfg(Loihi2SimCfg):
    """Simulates on the CPU and picks the model of every process by one tag.

    A process without a model of that tag is run by its untagged model, if it has one, and in a
    network run by ``"torch"`` by its floating-point model. Unlike Lava's own configurations it
    takes hierarchical models as readily as others, and says what there is when nothing fits.

    Parameters
    ----------
    select_tag : {"floating_pt", "fixed_pt", "torch"}
        What to run with.
    exception_proc_model_map : dict, optional
        Models chosen by hand: process class to model class.

    Raises
    ------
    ValueError
        If there is no such tag; when a network is compiled, if a process has no model for it.
    """

    def __init__(
        self,
        select_tag: str = "floating_pt",
        *,
        exception_proc_model_map: dict[Any, Any] | None = None,
    ) -> None:
        if select_tag not in TAGS:
            raise ValueError(f"select_tag is {select_tag!r}: expected one of {', '.join(TAGS)}")
        super().__init__(select_tag=select_tag, exception_proc_model_map=exception_proc_model_map)

    def select(self, process: Any, proc_models: Sequence[Any]) -> Any:
        """Return the model class that runs a process; Lava's compiler asks for it.

        Parameters
        ----------
        process : AbstractProcess
            The process.
        proc_models : sequence of type
            Its models, as Lava found them.

        Returns
        -------
        type
            One of them.

        Raises
        ------
        ValueError
            If no model of the process fits.
        """
        if type(process) in self.exception_proc_model_map:
            return self.exception_proc_model_map[type(process)]
        runnable = [
            model
            for model in proc_models
            if issubclass(model, (AbstractPyProcessModel, AbstractSubProcessModel))
        ]
        for tag in (self.select_tag, *_STAND_INS.get(self.select_tag, ())):
            for model in runnable:
                if tag in model.tags:
                    return model
        for model in runnable:
            if not model.tags:
                return model
        found = [f"{model.__name__} ({', '.join(model.tags)})" for model in runnable]
        raise ValueError(
            f"{type(process).__name__} {process.name} has no model tagged {self.select_tag!r}: "
            f"there is {', '.join(found) or 'none that runs on a CPU'}"
        )
