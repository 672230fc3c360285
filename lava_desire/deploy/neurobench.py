"""NeuroBench: its metrics of a trained network (Yik et al., Nat. Commun. 16, 1545, 2025)."""

from __future__ import annotations

import contextlib
import importlib
import io
from typing import TYPE_CHECKING, Any

import torch

from lava_desire.deploy.torch_module import LIF, encoder_of, to_torch
from lava_desire.model.fields import checked_integer
from lava_desire.training.evaluation import checked_data
from lava_desire.training.samples import tested_pair

if TYPE_CHECKING:
    from lava_desire.deploy.integer_network import IntegerNetwork
    from lava_desire.engine import DesireNetwork

INSTALL = "pip install neurobench==2.3.0"
_STATIC = ("ParameterCount", "Footprint", "ConnectionSparsity")
_WORKLOAD = (
    "ClassificationAccuracy",
    "ActivationSparsity",
    "ActivationSparsityByLayer",
    "SynapticOperations",
    "MembraneUpdates",
    "NeuronOperations",
)


def _neurobench(module: str) -> Any:
    """Import a module of NeuroBench, or say how to install it."""
    try:
        return importlib.import_module(f"neurobench.{module}")
    except ModuleNotFoundError as error:
        if not (error.name or "").startswith("neurobench"):
            raise
        raise ImportError(f"neurobench is not installed; run: {INSTALL}") from None


def to_neurobench(network: DesireNetwork | IntegerNetwork) -> Any:
    """Return a trained network as a model for NeuroBench's ``Benchmark``.

    NeuroBench 2.3.0 knows no neurons but snnTorch's: of others it gives an activation sparsity,
    membrane updates and neuron operations of 0. This model registers its own.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        In floating point or in integers, dense or with convolutions.

    Returns
    -------
    neurobench.models.NeuroBenchModel
        Called with images (B, ...), or spikes (B, T, N_0) bool, it returns classes, (B,) int64, −1
        where undecided: no processor is needed before or after it.

    Raises
    ------
    ValueError
        If `network` is none, or has synapses of another kind.
    ImportError
        If ``neurobench`` is not installed; the message says what to run.
    """
    models = _neurobench("models")
    operations = _neurobench("metrics.workload.neuron_operations")
    # Each step does what one of snnTorch's Leaky does, or Synaptic where currents are filtered.
    table = operations.neuron_ops_reset_operations
    table[LIF.__name__] = table["Synaptic" if network.config.filters_currents else "Leaky"]
    module = to_torch(network)

    class Model(models.NeuroBenchModel):  # type: ignore[name-defined]
        """A network that learned by desire backpropagation."""

        def __init__(self) -> None:
            super().__init__()
            self.add_activation_module(LIF)

        def __call__(self, batch: Any) -> torch.Tensor:
            if torch.is_tensor(batch) and batch.dtype == torch.bool:
                return module.decide(module(batch.transpose(0, 1)))
            return module.predict(batch)

        def __net__(self) -> torch.nn.Module:
            return module

        def register_hooks(self) -> None:
            super().register_hooks()
            for hook in self.activation_hooks:
                hook.spiking = True  # else it asks for snnTorch's class, and sees no potential

    return Model()


def neurobench_report(
    network: DesireNetwork | IntegerNetwork, data: Any, batch_size: int = 100
) -> dict[str, Any]:
    """Return NeuroBench's standard report of a trained network on test samples.

    Parameters
    ----------
    network : DesireNetwork or IntegerNetwork
        In floating point or in integers.
    data : tuple, Dataset, mapping, torch Dataset or DataLoader, SpikeSource
        As :func:`~lava_desire.engine.evaluate` takes it: of a data set its test samples.
    batch_size : int
        Samples at a time, at least 1. No metric depends on it.

    Returns
    -------
    dict
        A value a metric, by NeuroBench's names: ``ParameterCount``; ``Footprint`` in bytes;
        ``ConnectionSparsity``; ``ClassificationAccuracy``; ``ActivationSparsity``, and by layer;
        ``SynapticOperations`` (``Effective_ACs``, ``Dense``, …), ``MembraneUpdates`` and
        ``NeuronOperations`` a sample.

    Raises
    ------
    ValueError
        If network or data are not as above.
    RuntimeError
        If a metric fails, for which NeuroBench itself would report 0.
    ImportError
        If ``neurobench`` is not installed; the message says what to run.
    """
    model = to_neurobench(network)
    static, workload = _neurobench("metrics.static"), _neurobench("metrics.workload")
    batch_size = checked_integer("batch_size", batch_size, 1)
    engine = encoder_of(network)
    pair = tested_pair(engine, data, "data", engine.class_names)
    inputs, labels = checked_data(engine, pair, "data")

    def drawn(numbers: list[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return spike trains as NeuroBench has them, (B, T, N_0), and labels."""
        chosen = torch.tensor(numbers, device=labels.device)
        spikes = engine.backend.unpack(engine.backend.encode(inputs[chosen]))
        return spikes.transpose(0, 1), labels[chosen]

    samples: Any = range(len(labels))
    loader = torch.utils.data.DataLoader(samples, min(batch_size, len(labels)), collate_fn=drawn)
    metrics = [[getattr(static, name) for name in _STATIC]]
    metrics.append([getattr(workload, name) for name in _WORKLOAD])
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        report = _neurobench("benchmarks").Benchmark(model, loader, [], [], metrics).run()
    for line in printed.getvalue().splitlines():
        if line.startswith("Error"):
            raise RuntimeError(f"NeuroBench: {line}")
    return report
