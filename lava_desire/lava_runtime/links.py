"""Ports of models whose messages kernels can read where they were written."""

from __future__ import annotations

import os
from typing import Any

import numpy as np
from lava.magma.core.model.py.ports import (
    IdentityTransformer,
    PyInPortVectorDense,
    PyOutPortVectorDense,
    VirtualPortTransformer,
)

from lava_desire.lava_runtime.arrays import Unfit
from lava_desire.lava_runtime.local import LocalChannel

_HERE = os.path.dirname(__file__)
_ACTS = {"send", "recv", "peek", "probe", "flush", "read", "write", "wait"}
"""What a model asks of its ports."""


def ports_of(model: Any, kind: type) -> list[tuple[str, Any]]:
    """Return the ports of a kind that a model has, by name."""
    return [(name, port) for name, port in vars(model).items() if isinstance(port, kind)]


def is_ours(port: Any) -> bool:
    """Tell whether what a port sends and receives with, of its own, is of this runtime."""
    own = [getattr(vars(port)[name], "__code__", None) for name in _ACTS & vars(port).keys()]
    return all(code and os.path.dirname(code.co_filename) == _HERE for code in own)


def _channels(name: str, port: Any) -> list[LocalChannel]:
    channels = [getattr(end, "channel", None) for end in port.csp_ports]
    if any(not isinstance(each, LocalChannel) or each.is_external for each in channels):
        raise Unfit(f"has a port {name} to the outside")
    return channels  # type: ignore[return-value]


def leaves_as_it_is(transformer: Any) -> bool:
    """Tell whether messages come through a port's transformation unchanged."""
    return type(transformer) is IdentityTransformer or (
        type(transformer) is VirtualPortTransformer
        and not any(transformer._csp_port_to_fp.values())
    )


def sent_to(name: str, port: Any, messages: dict[str, Any]) -> list[LocalChannel]:
    """Return the channels of an out port, to which the message goes as it is."""
    if not port.csp_ports:
        return []
    if type(port) is not PyOutPortVectorDense or name not in messages:
        raise Unfit(f"sends at {name} what has no kernel")
    channels = _channels(name, port)
    for each in channels:
        if each.dtype != messages[name].dtype:
            raise Unfit(f"sends at {name} {each.dtype}, and its kernel {messages[name].dtype}")
    return channels


def plain(name: str, port: Any, dtype: Any) -> list[LocalChannel]:
    """Return the channels of an in port whose messages are read as they are."""
    channels = _channels(name, port)
    if not channels:
        raise Unfit(f"hears nothing at {name}, which is not connected")
    if type(port) is not PyInPortVectorDense or not leaves_as_it_is(port._transformer):
        raise Unfit(f"hears at {name} messages that are reshaped, or no dense vectors")
    for each in channels:
        comes = np.result_type(port._d_type, each.dtype)
        if each.shape != port._shape:
            raise Unfit(f"hears at {name} messages {each.shape}: its kernel takes {port._shape}")
        if dtype is not None and not each.dtype == comes == dtype:
            raise Unfit(f"hears {each.dtype} at {name}: its kernel takes {dtype}")
    if len(channels) > 1 and dtype != np.float64:
        raise Unfit(f"hears {len(channels)} senders at {name}: its kernel takes one")
    return channels
