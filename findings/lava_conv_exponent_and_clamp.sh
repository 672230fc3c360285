#!/usr/bin/env bash
# Lava 0.10.0: weight_exp of Conv does nothing; a sum beyond 24 bits wraps around, in a function called signed_clamp; kernels
# are turned.
#
# One would expect weight * 2^weight_exp, as Conv's documentation says and as Dense does; a clamped sum to stay at the end of
# the range; and the correlation that PyTorch calls a convolution. Seen, under fixed_pt: weight_exp=3 leaves the sum as it is;
# 64 times a message of 2^17 becomes -2^23; and of the kernel [1, 2, 3] along x the input at x = 0 meets the 3.
# For our users: to_lava turns the kernels, multiplies exponents in, and refuses weights whose sum could leave 24 bits.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/python" -m pip -q install numpy==1.26.4 scipy==1.13.1 networkx==2.8.7 asteval==0.9.33 scikit-learn==1.5.2
"$folder/venv/bin/python" -m pip -q install --no-deps --ignore-requires-python lava-nc==0.10.0
cd "$folder"
cat > script.py <<'PYTHON'
import dataclasses
import functools
import sys

# From Python 3.11 on dataclasses refuse defaults that have no hash, of which Lava has three.
dataclasses.dataclass = functools.partial(dataclasses.dataclass, unsafe_hash=True)

import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.conv.process import Conv
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source


def out(kernel, spikes, **options):
    """Return what a kernel along x sends for spikes along x, one step later."""
    weight = np.array(kernel, np.int32).reshape(1, -1, 1, 1)  # out, x, y, in
    data = np.array(spikes, np.int32).reshape(-1, 1, 1, 1)  # x, y, channel, time
    source = Source(data=data)
    conv = Conv(weight=weight, input_shape=data.shape[:3], **options)
    sink = Sink(shape=conv.a_out.shape, buffer=2)
    source.s_out.connect(conv.s_in)
    conv.a_out.connect(sink.a_in)
    sink.run(RunSteps(2), Loihi2SimCfg(select_tag="fixed_pt"))
    sent = sink.data.get()[..., 1].ravel().astype(int).tolist()
    sink.stop()
    return sent


turned = out([1, 2, 3], [1, 0, 0])
plain, shifted = out([100], [1]), out([100], [1], weight_exp=3)
wrapped = out([64], [1 << 17], num_message_bits=20)
print("kernel [1, 2, 3], spike at x = 0:", turned)
print("weight 100:", plain, "; with weight_exp=3:", shifted)
print("64 times a message of 2^17:", wrapped)
sys.exit(not (turned == [3] and plain == shifted == [100] and wrapped == [-(1 << 23)]))
PYTHON
venv/bin/python script.py
