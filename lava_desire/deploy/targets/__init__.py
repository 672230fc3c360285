"""Export targets, one file each: a file with a ``TARGET`` in this folder is a new one.

The command line, its help, the errors and :func:`export` are made from what the files declare.
"""

from __future__ import annotations

from dataclasses import fields
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from lava_desire.deploy.targets.base import Target

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.engine import DesireNetwork


def find_targets() -> dict[str, Target]:
    """Return all targets by their names, in alphabetical order."""
    names = sorted(each.name for each in iter_modules(__path__) if each.name != "base")
    found = [import_module(f"{__name__}.{name}").TARGET for name in names]
    return {target.name: target for target in found}


def export(
    network: DesireNetwork | IntegerNetwork, path: str | Path, to: str = "nir", **options: Any
) -> str:
    """Write a trained network for another backend, chip or framework.

    The command ``lava-desire export`` does the same; its ``--help`` lists the targets, what their
    files are called, and their options.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        What to write. Some targets take floating point only.
    path : str or Path
        The file, whose name ends as the target asks: ``net.nir``. An older one is replaced.
    to : str
        The target, the name of a file of ``lava_desire/deploy/targets``.
    **options
        The target's own, as ``weight_bits=6`` for ``fixed``. Samples that it needs are taken as
        :func:`~lava_desire.engine.fit` takes them: a Dataset, or images (S, N), uint8 or float
        brightness in [0, 1], and labels (S,) integers.

    Returns
    -------
    str
        What was written, and how to use it.

    Raises
    ------
    ValueError
        If there is no such target, it has no such option, the name ends otherwise, or the target
        cannot hold the network; the message says what it can.
    OSError
        If the file cannot be written.
    ImportError
        If a package that the target needs is not installed; the message says what to run.

    Examples
    --------
    >>> from lava_desire import DesireConfig, DesireNetwork
    >>> export(DesireNetwork(DesireConfig((64, 20, 10))), "net.net", to="nir")
    Traceback (most recent call last):
        ...
    ValueError: path is 'net.net': expected a name that ends in .nir
    """
    targets = find_targets()
    if to not in targets:
        raise ValueError(f"to is {to!r}: expected one of {', '.join(targets)}")
    target = targets[to]
    known = [each.name for each in fields(target.options)]
    for name in options:
        if name not in known:
            raise ValueError(
                f"{name} is given with to={to!r}: expected {' or '.join(known) or 'no option'}"
            )
    path, chosen = Path(path), target.options(**options)
    if path.suffix.lower() != target.suffix:
        raise ValueError(f"path is {str(path)!r}: expected a name that ends in {target.suffix}")
    target.check(network, chosen)
    if (
        target.samples is not None
        and target.needs_samples(network)
        and getattr(chosen, target.samples) is None
    ):
        needed = fields(target.options)[known.index(target.samples)].metadata["help"]
        raise ValueError(f"{target.samples} is not given with to={to!r}: expected samples {needed}")
    return target.write(network, path, chosen)
