"""A seed decides the weights; the number of threads, wherever it is set, does not."""

from __future__ import annotations

import os
import subprocess
import sys

SCRIPT = """
import hashlib, sys
import torch
from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
digits = load_dataset("digits")
train = digits.train_images[:120], digits.train_labels[:120]
test = digits.test_images[:50], digits.test_labels[:50]
config = DesireConfig((64, 70, 40, 10), batch_size=48, epochs=1, learning_rate=3e-4,
                      dropout_input=0.1)
for asked in sys.argv[1:]:
    seed, threads = map(int, asked.split(":"))
    config = config.replace(seed=seed)
    torch.set_num_threads(threads)
    digest = hashlib.sha256()
    for arithmetic in ("floating_point", "fixed_point"):
        network = DesireNetwork(config, arithmetic=arithmetic)
        history = fit(network, train, test)
        for weights in network.numpy_weights():
            digest.update(weights.tobytes())
        digest.update(repr(history.last.test_loss).encode())
        digest.update(network.forward(test[0]).spikes[-1].numpy().tobytes())
    print(digest.hexdigest())
"""


def digests(*asked, **variables):
    path = os.pathsep.join(filter(None, sys.path))
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, *asked],
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.split()


def test_threads_change_no_bit_and_a_seed_changes_many():
    one = {"OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1", "NUMBA_NUM_THREADS": "1"}
    first, other_seed = digests("5:1", "6:1", **one)
    assert digests("5:2", "5:3", **dict.fromkeys(one, "3")) == [first, first]
    assert other_seed != first
