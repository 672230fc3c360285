"""Turns running out of memory into an error that says what to lower."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from lava_desire.errors import DeviceMemoryError, is_out_of_memory

if TYPE_CHECKING:
    from lava_desire.network import DesireNetwork


@contextmanager
def memory_advice(network: DesireNetwork, folder: object = None) -> Iterator[None]:
    """Turn any lack of memory within into a :class:`DeviceMemoryError` that says what to lower.

    A minibatch that was broken off may have changed some layers and not others, so nothing may be
    saved after it. The last checkpoint is in `folder`, where there is one.
    """
    try:
        yield
    except DeviceMemoryError:
        raise
    except Exception as error:
        if not is_out_of_memory(error):
            raise
        config = network.config
        kept = "" if folder is None else f"; the last checkpoint is whole in {folder}"
        raise DeviceMemoryError(
            f"{network.device} is out of memory with batch_size = {config.batch_size}, num_steps = "
            f"{config.num_steps} and layers of {config.shape_text} neurons: lower "
            f"them, batch_size first, or free memory on the device and resume{kept}"
        ) from error
