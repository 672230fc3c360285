"""One rank of the tests in ``test_distributed``: it does what they ask for and notes what came.

``rank_worker.py FOLDER`` with RANK and WORLD_SIZE in the environment, as torchrun sets them.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from datetime import timedelta
from pathlib import Path

from engine.spike_source import Counting, encoded
from lava_desire import DesireConfig, DesireNetwork, fit, load_dataset
from lava_desire.engine import Callback, Interrupted, RankError, open_process_group

BASE = DesireConfig(
    (64, 40, 20, 10),
    learning_rate=1e-3,
    batch_size=16,
    epochs=2,
    seed=7,
    dropout_input=0.05,
    image_shift=1,
    image_shift_share=0.75,
    image_brightness=0.3,
    weight_average=0.9,
    trace_baseline=0.8,
    baseline_samples=100,
    rates_over="desired",
    weight_limit=0.4,
    rate_floor=0.1,
    class_margin=6,
    tie_break="earliest",
)
# 16 is not divisible by 3, and the last minibatch has one sample: two ranks of three get none.
NUM_SAMPLES = 289
CASES = {
    "compiled": (BASE, {}),
    "torch operations": (BASE.replace(num_steps=65, epochs=1), {}),
    "fixed point": (BASE, {"arithmetic": "fixed_point"}),
    "spikes": (BASE.replace(image_shift=0, image_brightness=0.0), {}),
    "bfloat16x2": (BASE, {"precision": "bfloat16x2"}),
    "validated": (BASE, {}),
    "stopped": (BASE, {}),
    "configured": (BASE, {}),
    "begun anew": (BASE, {}),
}


class Enough(Callback):
    def on_epoch_end(self, run, record):
        run.stop("it is enough")


class Configures(Callback):
    def on_epoch_end(self, run, record):
        config = run.network.config
        run.network.config = config.replace(desire_threshold_output=0.5, weight_average=0.0)


class BeginsAnew(Callback):
    """Ends and begins what the state follows: the configuration is the one before."""

    def on_epoch_end(self, run, record):
        config = run.network.config
        run.network.config = config.replace(weight_average=0, trace_baseline=0, rate_floor=0)
        run.network.config = config


class OneAtATime(Callback):
    def on_epoch_end(self, run, record):
        run.network.config = run.network.config.replace(batch_size=1)


FIT = {
    "validated": {"validation": 0.2},
    "stopped": {"callbacks": [Enough()]},
    "configured": {"callbacks": [Configures()]},
    "begun anew": {"callbacks": [BeginsAnew()]},
}


def data(case="compiled"):
    digits = load_dataset("digits")
    train = digits.train_images[:NUM_SAMPLES], digits.train_labels[:NUM_SAMPLES]
    test = digits.test_images, digits.test_labels
    if case == "spikes":
        return tuple(Counting(encoded(BASE, images), labels) for images, labels in (train, test))
    return train, test


def network_of(case):
    config, options = CASES[case]
    return DesireNetwork(config, **options)


def caught(action):
    """Return the name and the text of what it raises."""
    try:
        action()
    except (Interrupted, RankError, ValueError, OSError) as error:
        return [type(error).__name__, str(error)]
    return None


def main(folder: Path) -> None:
    open_process_group(timedelta(seconds=60))
    rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
    train, test = data()
    found = {}
    for case in CASES:
        # Only rank 0 may touch the folder: what the others name is no folder at all.
        place = folder / case if rank == 0 else Path("/dev/null/nothing")
        network = network_of(case)
        history = fit(network, *data(case), folder=place, **FIT.get(case, {}))
        found[case] = [vars(record) for record in history.records]
        if rank == size - 1:
            network.save(folder / f"{case}.last_rank")

    def interrupt(progress):
        if rank == size - 1 and (progress.epoch, progress.samples_done) == (1, 160):
            os.kill(os.getpid(), signal.SIGTERM)

    def break_down(progress):
        if rank == 1 and progress.samples_done == 64:
            raise ValueError("the disk of rank 1 is on fire")

    other_data = ((train[0], (train[1] + rank) % 10), test)
    small = BASE.replace(batch_size=size - 1)
    found["interrupted"] = caught(
        lambda: fit(
            network_of("compiled"), train, test, folder=folder / "broken", on_progress=interrupt
        )
    )
    if (folder / "to resume").exists():
        fit(network_of("compiled"), train, test, folder=folder / "to resume", resume=True)
    found["failed"] = caught(
        lambda: fit(network_of("compiled"), train, test, on_progress=break_down)
    )
    found["other data"] = caught(lambda: fit(network_of("compiled"), *other_data))
    found["small batch"] = caught(lambda: fit(DesireNetwork(small), train, test))
    found["smaller batch"] = caught(
        lambda: fit(network_of("compiled"), train, test, callbacks=[OneAtATime()])
    )
    found["occupied"] = caught(
        lambda: fit(network_of("compiled"), train, test, folder=folder / "compiled")
    )
    path = folder / f"found.{rank}.json"
    path.write_text(json.dumps(found))
    if rank == 1:
        os._exit(0)  # without a word
    found["gone"] = caught(lambda: fit(network_of("compiled"), train, test))
    path.write_text(json.dumps(found))
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
