"""Exports: a trained network in integers, for other backends, chips and frameworks.

Names load on first use, so that what one of them needs (Lava, ``nir``, ``h5py``) is not asked of
the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lava_desire._lazy import lazily

if TYPE_CHECKING:
    from lava_desire.deploy.authors import from_authors
    from lava_desire.deploy.chip_energy import Energy, energy
    from lava_desire.deploy.core_map import CoreMap, map_network
    from lava_desire.deploy.integer_network import IntegerNetwork, scale_to_integers
    from lava_desire.deploy.lava_processes import LavaNetwork, to_lava
    from lava_desire.deploy.loihi_neuron.process import DesireErrors, DesireLearningLIF
    from lava_desire.deploy.loihi_rule import LoihiRule, loihi_feedback_rule, loihi_learning_rule
    from lava_desire.deploy.neurobench import neurobench_report, to_neurobench
    from lava_desire.deploy.nir_import import from_nir
    from lava_desire.deploy.quantization import Quantized, quantize
    from lava_desire.deploy.targets import export
    from lava_desire.deploy.targets.netx import to_netx
    from lava_desire.deploy.targets.nir import to_nir
    from lava_desire.deploy.torch_module import to_torch
    from lava_desire.deploy.xylo_network import XyloNetwork, XyloRun
    from lava_desire.deploy.xylo_quantization import XyloQuantized, XyloReport, to_xylo

__all__ = [
    "CoreMap",
    "DesireErrors",
    "DesireLearningLIF",
    "Energy",
    "IntegerNetwork",
    "LavaNetwork",
    "LoihiRule",
    "Quantized",
    "XyloNetwork",
    "XyloQuantized",
    "XyloReport",
    "XyloRun",
    "energy",
    "export",
    "from_authors",
    "from_nir",
    "loihi_feedback_rule",
    "loihi_learning_rule",
    "map_network",
    "neurobench_report",
    "quantize",
    "scale_to_integers",
    "to_lava",
    "to_netx",
    "to_neurobench",
    "to_nir",
    "to_torch",
    "to_xylo",
]

# No module bears the name of what it holds, which importing it would hide.
_HOMES = {
    "deploy.authors": "from_authors",
    "deploy.chip_energy": "Energy energy",
    "deploy.core_map": "CoreMap map_network",
    "deploy.integer_network": "IntegerNetwork scale_to_integers",
    "deploy.lava_processes": "LavaNetwork to_lava",
    "deploy.loihi_neuron.models": "DesireErrors DesireLearningLIF",
    "deploy.loihi_rule": "LoihiRule loihi_feedback_rule loihi_learning_rule",
    "deploy.targets.netx": "to_netx",
    "deploy.targets.nir": "to_nir",
    "deploy.neurobench": "neurobench_report to_neurobench",
    "deploy.nir_import": "from_nir",
    "deploy.quantization": "Quantized quantize",
    "deploy.targets": "export",
    "deploy.torch_module": "to_torch",
    "deploy.xylo_network": "XyloNetwork XyloRun",
    "deploy.xylo_quantization": "XyloQuantized XyloReport to_xylo",
}

__getattr__, __dir__ = lazily(__name__, _HOMES)
