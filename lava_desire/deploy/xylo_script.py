"""A network on Xylo as a Python script that runs it in SynSense's simulator."""

from __future__ import annotations

from pathlib import Path

from lava_desire.deploy.script import write_script
from lava_desire.deploy.xylo_network import XyloNetwork
from lava_desire.engine import DesireNetwork

_NEEDS = """Needs numpy and xylosim, which a
C++ compiler builds when it is installed. For the chip itself, rockpool's
config_from_specification takes the arrays of the npz, all but `config`, by their names."""

_BODY = '''
from xylosim.v2 import XyloLayer, XyloSynapse


def arrays():
    """Return weights, thresholds and decays, by the names that rockpool gives them."""
    with np.load(Path(__file__).with_suffix(".npz"), allow_pickle=False) as file:
        return {name: file[name] for name in file.files if name != "config"}


def build(found):
    """Return the layer, and the synapses, which it holds only as long as Python does."""
    synapses = [
        [
            [XyloSynapse(int(post), 0, int(row[post])) for post in np.flatnonzero(row)]
            for row in found[name]
        ]
        for name in ("weights_in", "weights_rec", "weights_out")
    ]
    hidden, outputs = found["weights_out"].shape
    layer = XyloLayer(
        synapses_in=synapses[0],
        synapses_rec=synapses[1],
        synapses_out=synapses[2],
        aliases=[[] for _ in range(hidden)],
        threshold=found["threshold"].tolist(),
        threshold_out=found["threshold_out"].tolist(),
        has_bias=False,
        bias=[0] * hidden,
        bias_out=[0] * outputs,
        weight_shift_inp=int(found["weight_shift_in"]),
        weight_shift_rec=int(found["weight_shift_rec"]),
        weight_shift_out=int(found["weight_shift_out"]),
        dash_mem=found["dash_mem"].tolist(),
        dash_mem_out=found["dash_mem_out"].tolist(),
        dash_syns=[[dash] for dash in found["dash_syn"].tolist()],
        dash_syns_out=[[dash] for dash in found["dash_syn_out"].tolist()],
        name="network",
    )
    return layer, synapses


def simulate(counts):
    """Return the spikes of hidden and of output neurons, (T, S, H) and (T, S, N_L)."""
    layer, synapses = build(arrays())
    hidden, outputs = [], []
    for sample in counts.astype(int).transpose(1, 0, 2):
        layer.reset_all()
        outputs.append(layer.evolve(sample.tolist()))
        hidden.append(layer.rec_recurrent_spikes)
    return np.stack(hidden, axis=1), np.stack(outputs, axis=1)


def run(images):
    """Return the spike trains of the output neurons: image, time, neuron."""
    return simulate(encode(images))[1].transpose(1, 0, 2)
'''


def write_xylo_script(network: DesireNetwork, on_chip: XyloNetwork, path: str | Path) -> list[Path]:
    """Write a script ``*.py`` for xylosim 0.1.3, and beside it arrays ``*.npz``; return both.

    `on_chip` is what :func:`~lava_desire.deploy.to_xylo` made of the `network`, which says how to
    encode and to decide. Raises as :func:`~lava_desire.deploy.script.write_script`.
    """
    return write_script(
        network,
        path,
        summary="A trained spiking network in the integers of SynSense's Xylo, on xylosim.",
        needs=_NEEDS,
        body=_BODY,
        settings={},
        weights=on_chip.arrays(),
    )
