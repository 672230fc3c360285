"""The kind of connection of each layer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from lava_desire.model.fields import NETWORK, Declared, declare
from lava_desire.model.option import Option
from lava_desire.model.synapses import Synapse, connections_of


@dataclass(frozen=True)
class Connections(Option):
    """Layers whose neurons are connected otherwise than all to all."""

    position: ClassVar[int] = 99
    integers: ClassVar[bool] = True

    connections: tuple[str, ...] = declare(
        (),
        Declared(
            lambda name, value, config: connections_of(value, config.num_layers),
            str,
            "tuple of str",
            doc="Kind of connection of each plastic layer, first to last, by the `name` of a "
            ":class:`~lava_desire.model.synapses.Synapse`; ``()``, the paper's network, is "
            '``"dense"`` for all.',
            # No option of the command line where there is nothing to choose.
            help="Kind a layer: dense,dense." if len(Synapse.kinds) > 1 else "",
            panel=NETWORK,
            parse=lambda text: tuple(text.split(",")),
        ),
    )
