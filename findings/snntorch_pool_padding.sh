#!/usr/bin/env bash
# snnTorch 1.0.0: an AvgPool2d with padding is exported to NIR as one without.
#
# One would expect padding=(1, 1) in the node, which has the field, or an error. Seen: the exporter writes (0, 0) whatever the
# layer has, with no warning; where the sizes come out alike, as 3 x 3 of 9 x 9 do, nothing raises later either, and the
# network that snnTorch itself builds from the graph pools other neurons.
# For our users: from_nir folds pools without padding into the kernels behind them; check that yours have none.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 nir==1.0.8 nirtorch==2.6 snntorch==1.0.0 numpy==2.4.6
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys
import warnings

import nir
import torch
from snntorch.export_nir import export_to_nir
from snntorch.import_nir import import_from_nir

torch.manual_seed(0)
network = torch.nn.Sequential(torch.nn.AvgPool2d((3, 3), (3, 3), (1, 1)), torch.nn.Conv2d(1, 2, 1))
planes = torch.rand(1, 9, 9)
with warnings.catch_warnings(record=True) as said:
    warnings.simplefilter("always")
    graph = export_to_nir(network, planes)
node = next(node for node in graph.nodes.values() if isinstance(node, nir.AvgPool2d))
told = [str(warning.message) for warning in said if "pad" in str(warning.message)]
again = import_from_nir(graph)(planes)
again = again[0] if isinstance(again, tuple) else again
expected = network(planes)
differ = int((again != expected).sum())
print(f"AvgPool2d with padding (1, 1) is exported with padding {tuple(node.padding)}; warnings about it: {told}")
print(f"after the way out and back {differ} of {expected.numel()} values differ, shapes {tuple(expected.shape)}, {tuple(again.shape)}")
sys.exit(not (tuple(node.padding) == (0, 0) and not told and again.shape == expected.shape and differ > 0))
PYTHON
