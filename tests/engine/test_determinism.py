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
train = digits.train_images[:200], digits.train_labels[:200]
test = digits.test_images[:50], digits.test_labels[:50]
config = DesireConfig((64, 70, 40, 10), batch_size=48, epochs=2, seed=int(sys.argv[1]),
                      learning_rate=3e-4, dropout_input=0.1)
digest = hashlib.sha256()
for threads in map(int, sys.argv[2:]):
    torch.set_num_threads(threads)
    for arithmetic in ("floating_point", "fixed_point"):
        network = DesireNetwork(config, arithmetic=arithmetic)
        history = fit(network, train, test)
        for weights in network.numpy_weights():
            digest.update(weights.tobytes())
        digest.update(repr(history.last.test_loss).encode())
        digest.update(network.forward(test[0]).spikes[-1].numpy().tobytes())
    print(digest.hexdigest())
    digest = hashlib.sha256()
"""


def digests(seed, *threads, **variables):
    path = os.pathsep.join(filter(None, sys.path))
    finished = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(seed), *map(str, threads)],
        env={**os.environ, "PYTHONPATH": path, **variables},
        capture_output=True,
        text=True,
        check=True,
    )
    return finished.stdout.split()


def test_threads_change_no_bit_and_a_seed_changes_many():
    one = digests(5, 1, OMP_NUM_THREADS="1", NUMBA_NUM_THREADS="1", MKL_NUM_THREADS="1")
    many = digests(5, 2, 3, OMP_NUM_THREADS="3", NUMBA_NUM_THREADS="3", MKL_NUM_THREADS="3")
    assert set(one) == set(many)
    assert digests(6, 1) != one
