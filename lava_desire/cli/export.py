"""``lava-desire export``: a trained network for another backend."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lava_desire.cli.printing import say
from lava_desire.cli.run import FIXED_POINT, check_output, trained_file
from lava_desire.cli.run_data import Source, data_of, describe
from lava_desire.files import write_atomically

if TYPE_CHECKING:
    from lava_desire.data import Dataset
    from lava_desire.engine import DesireNetwork

SUFFIXES = {"lava": ".py", "fixed": ".safetensors", "nir": ".nir", "netx": ".net"}
TARGETS = tuple(SUFFIXES)


def export(
    run: Annotated[str, typer.Argument(help="A checkpoint, or a run folder (its best).")],
    to: Annotated[str, typer.Option(help=f"{', '.join(TARGETS[:-1])} or {TARGETS[-1]}.")],
    output: Annotated[
        str,
        typer.Option(
            help="lava: .py, and a .npz beside; fixed: .safetensors; nir: .nir; netx: .net."
        ),
    ],
    convert_reset: Annotated[
        bool,
        typer.Option("--convert-reset", help="netx: write reset by subtraction as reset to zero."),
    ] = False,
    weight_bits: Annotated[
        int | None, typer.Option(help="fixed: bits of a weight, 2 to 8.", show_default="8")
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", help="fixed: a file or folder to choose scales with.")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help="fixed: the same, by name.", show_default="the run's")
    ] = None,
    data_dir: Annotated[str | None, typer.Option(help="fixed: folder of the IDX files.")] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Write a trained network for Lava, in integers, as a NIR graph, or for lava-dl.

    fixed and nir take either reset. Neurons of lava and netx reset to zero: train with
    --reset zero for them, or convert for netx with --convert-reset.
    """
    if to not in TARGETS:
        raise ValueError(f"--to is {to!r}: expected one of {', '.join(TARGETS)}")
    only_for = {
        "--convert-reset": ("netx", convert_reset),
        "--weight-bits": ("fixed", weight_bits is not None),
        "--data": ("fixed", data is not None),
        "--dataset": ("fixed", dataset is not None),
        "--data-dir": ("fixed", data_dir is not None),
    }
    for option, (its_target, is_given) in only_for.items():
        if is_given and to != its_target:
            raise ValueError(f"{option} is given with --to {to}: it is for {its_target}")
    path = trained_file(run)
    target = check_output("--output", output, (SUFFIXES[to],), path)
    source = Source.given(dataset, data_dir, data)

    from lava_desire.engine import DesireNetwork

    network = DesireNetwork.load(path)
    _check_reset(network, to, convert_reset)
    if network.arithmetic == FIXED_POINT and to in ("fixed", "nir"):
        cure = "copy its checkpoint" if to == "fixed" else "export one in floating point"
        raise ValueError(f"--to {to}: the network is in fixed point already: {cure}")
    if to == "lava":
        report = _lava(network, target)
    elif to == "nir":
        report = _nir(network, target)
    elif to == "netx":
        report = _netx(network, target, convert_reset)
    else:
        source, samples = data_of(Path(run), source)
        report = _fixed(network, target, samples, 8 if weight_bits is None else weight_bits)
        report += f", scaled on {describe(source, samples)}"
    if not quiet:
        say(report)


def _check_reset(network: DesireNetwork, to: str, convert_reset: bool) -> None:
    """Refuse a network whose neurons the target does not know, in the words of the options."""
    if network.config.reset == "zero" or to not in ("lava", "netx") or convert_reset:
        return
    others = "--convert-reset, and measure the accuracy then" if to == "netx" else "--to nir"
    builds = "runs stock Lava neurons, which" if to == "lava" else "netx builds neurons that"
    raise ValueError(
        f"--to {to}: reset is 'subtract', and {builds} reset to zero: train with --reset zero, or "
        f"export with {others}"
    )


def _lava(network: DesireNetwork, target: Path) -> str:
    from lava_desire.deploy.lava_script import write_lava_script

    script, weights = write_lava_script(network, target)
    return (
        f"{script} runs {_sizes(network)} on stock Lava processes (Dense, LIFReset), with the "
        f"weights of {weights}: python {script} images.npz"
    )


def _nir(network: DesireNetwork, target: Path) -> str:
    from lava_desire.deploy import to_nir
    from lava_desire.deploy.optional import import_optional

    graph = to_nir(network)
    packed = io.BytesIO()
    import_optional("nir").write(packed, graph)
    write_atomically(target, packed.getvalue())
    config = network.config
    steps = config.num_steps - config.num_layers + 1
    report = (
        f"{target} holds {_sizes(network)} with dt = {graph.metadata['dt']} s; without the delay "
        f"between layers {steps} steps give the spike counts of {config.num_steps} here"
    )
    if config.reset == "subtract":
        report += "; readers reset to zero until told to subtract, see docs/export.md"
    return report


def _netx(network: DesireNetwork, target: Path, convert_reset: bool) -> str:
    from lava_desire.deploy import to_netx

    integers = to_netx(network, target, convert_reset=convert_reset)
    report = (
        f"{target} holds {_sizes(network)} in 8-bit integers; "
        f"read it with netx.hdf5.Network(..., reset_interval={integers.config.window_steps})"
    )
    if network.config.reset == "subtract":
        report += "; it now resets to zero and spikes less: measure its accuracy"
    return report


def _fixed(network: DesireNetwork, target: Path, samples: Dataset, weight_bits: int) -> str:
    from lava_desire.deploy import quantize

    quantized = quantize(network, samples, weight_bits)
    quantized.network.save(target)
    return f"{quantized.report}\n{target} holds {_sizes(network)} in integers"


def _sizes(network: DesireNetwork) -> str:
    return "-".join(map(str, network.config.layer_sizes))
