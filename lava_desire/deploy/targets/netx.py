"""netx: a file from which lava-dl builds Lava processes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lava_desire._text import listed
from lava_desire.deploy.targets import base

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.engine import DesireNetwork


@dataclass(frozen=True)
class Options(base.ResetOptions):
    """What becomes of what netx cannot hold."""

    convert_exponents: bool = base.option(
        False, "divide thresholds by the powers of two that weights in integers have too many of."
    )


def refuse(network: Any, options: Options) -> None:
    """Refuse reset by subtraction, unless it is to be converted."""
    options.refuse_subtraction(network, "netx builds neurons that")


def write(network: Any, path: Path, options: Options) -> str:
    """Write the network in 8-bit integers."""
    from lava_desire.deploy.integer_network import as_integers, is_floating

    integers = to_netx(network, path, **vars(options))
    report = (
        f"{path} holds {network.config.shape_text} in 8-bit integers; "
        f"read it with netx.hdf5.Network(..., reset_interval={integers.config.window_steps})"
    )
    if network.config.reset == "subtract":
        report += base.CONVERTED
    if not is_floating(network):
        before = as_integers(network).thresholds
        changed = [
            f"{old} is {new} in layer {layer}"
            for layer, (old, new) in enumerate(zip(before, integers.thresholds, strict=True), 1)
            if old != new
        ]
        if changed:
            report += (
                f"; exponents of weights went into thresholds ({listed(changed)}), which rounds "
                "otherwise: measure its accuracy"
            )
    return report


TARGET = base.Target(
    name="netx",
    summary="a file for lava-dl, whose neurons reset to zero.",
    suffix=".net",
    write=write,
    refuse=refuse,
    options=Options,
    synapses=("dense", "conv2d"),
)


def to_netx(
    network: DesireNetwork | IntegerNetwork,
    path: str | Path,
    *,
    convert_reset: bool = False,
    convert_exponents: bool = False,
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
    convert_exponents : bool
        Whether the exponent e of a layer whose weights W · 2^e are no integers in [−256, 254] may
        go into its threshold, divided by 2^e and rounded. Potentials are then rounded in another
        unit, and the accuracy has to be measured anew. Other exponents are multiplied in, exactly.

    Returns
    -------
    IntegerNetwork
        What was written, with ``reset="zero"``.

    Raises
    ------
    ValueError
        If the network resets by subtraction, or has exponents that netx cannot hold, and is not to
        be converted; if its integers do not fit the file.
    OSError
        If the file cannot be written.
    ImportError
        If ``h5py`` is not installed; the message says what to run.
    """
    from lava_desire.deploy.netx_file import write_netx
    from lava_desire.deploy.optional import import_optional

    import_optional("h5py")
    TARGET.check(network, Options(convert_reset, convert_exponents))
    return write_netx(network, path, convert_reset, convert_exponents)
