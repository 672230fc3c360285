#!/usr/bin/env bash
# Norse 1.1.0: the fields of population_encode neither follow the range of values nor the number of neurons.
#
# One would expect neurons that tile the range, so that a value of 30 % of the largest has the same code in any unit.
# Seen: centres are spread over 0 to the largest value of the call, but squared distances are multiplied by that value
# instead of being divided by its square, and are as wide for any number of neurons. Of pixels from 0 to 255 all
# neurons are silent between the centres; of values up to 0.1 all answer with 1. Codes depend on the rest of the batch.
# For our users: divide by the range, give scale=1.0 and kernel=lambda d: torch.exp(-d * (n - 1) ** 2 / 2), n neurons.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install torch==2.13.0 numpy==2.4.6 norse==1.1.0
cd "$folder"
venv/bin/python - <<'PYTHON'
import sys

import torch
from norse.torch.functional.encode import population_encode


def code(top, **options):  # of 30 % of `top`
    return [round(float(value), 3) for value in population_encode(torch.tensor([0.3 * top, top]), 8, **options)[0]]


found = {top: code(top) for top in (255.0, 1.0, 0.1)}
for top, answers in found.items():
    print(f"8 neurons, 0.3 x {top} of values up to {top}:", answers)
alone, beside = (population_encode(torch.tensor(values), 3)[0].tolist() for values in ([1.0], [1.0, 4.0]))
print("1 alone:", alone, "; beside 4:", beside)
tiled = code(1.0, scale=1.0, kernel=lambda distances: torch.exp(-distances * 49 / 2))
print("with a kernel as wide as the centres are apart:", tiled)
sys.exit(
    any(found[255.0])
    or min(found[1.0]) < 0.7
    or min(found[0.1]) < 0.999
    or alone[2] != 1
    or beside[2] > 1e-6
    or [value > 0.3 for value in tiled] != [False, True, True, True, False, False, False, False]
)
PYTHON
