"""netx: a file from which lava-dl builds Lava processes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire.deploy.targets import base

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.engine import DesireNetwork


def refuse(network: Any, options: base.ResetOptions) -> None:
    """Refuse reset by subtraction, unless it is to be converted."""
    options.refuse_subtraction(network, "netx builds neurons that")


def write(network: Any, path: Path, options: base.ResetOptions) -> str:
    """Write the network in 8-bit integers."""
    integers = to_netx(network, path, convert_reset=options.convert_reset)
    report = (
        f"{path} holds {network.config.shape_text} in 8-bit integers; "
        f"read it with netx.hdf5.Network(..., reset_interval={integers.config.window_steps})"
    )
    if network.config.reset == "subtract":
        report += base.CONVERTED
    return report


TARGET = base.Target(
    name="netx",
    summary="a file for lava-dl, whose neurons reset to zero.",
    suffix=".net",
    write=write,
    refuse=refuse,
    options=base.ResetOptions,
    synapses=("dense", "conv2d"),
)


def to_netx(
    network: DesireNetwork | IntegerNetwork, path: str | Path, *, convert_reset: bool = False
) -> IntegerNetwork:
    """Write a network as a file that ``lava.lib.dl.netx.hdf5.Network`` reads.

    Read it with ``reset_interval=T + L`` to clear the potentials between samples. Spikes come out
    as with :func:`~lava_desire.deploy.to_lava` in fixed point.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        Weights in floating point are first scaled to integers, layer by layer, by the largest.
    path : str or Path
        The file, ``.net`` by lava-dl's custom; an older one is replaced when the new one is whole.
    convert_reset : bool
        Whether a network that resets by subtraction may be written as one that resets to zero.
        What a neuron had beyond its threshold at a spike is then lost, so it spikes less, and the
        accuracy has to be measured anew.

    Returns
    -------
    IntegerNetwork
        What was written, with ``reset="zero"``.

    Raises
    ------
    ValueError
        If the network resets by subtraction and is not to be converted, or its integers do not fit
        the file.
    OSError
        If the file cannot be written.
    ImportError
        If ``h5py`` is not installed; the message says what to run.
    """
    from lava_desire.deploy.netx_file import write_netx
    from lava_desire.deploy.optional import import_optional

    import_optional("h5py")
    TARGET.check(network, base.ResetOptions(convert_reset=convert_reset))
    return write_netx(network, path, convert_reset)
