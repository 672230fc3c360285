"""Processes to be killed: each does one thing again and again, and says when it has done it.

They are forked from a parent that has imported and compiled everything, so that one starts in a
moment; it computes with one thread, and so has none that a fork would lose.
"""

from __future__ import annotations

import functools
import os
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import torch

from lava_desire import DesireConfig
from lava_desire.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from lava_desire.data import load_dataset
from lava_desire.engine import DesireNetwork, Interrupted, fit
from lava_desire.randomness import initial_weights
from lava_desire.training.run_folder import CHECKPOINT, PREVIOUS

CONFIG = DesireConfig((64, 16, 10), learning_rate=3e-4, batch_size=16, epochs=4, seed=3)
SAVED = DesireConfig((64, 1000, 10), epochs=0)


class Victim:
    """A forked process and a pipe through which it says how far it is.

    Parameters
    ----------
    work : callable
        Takes a function that sends a number; the child exits with 0 when it returns, with what it
        returns if that is a number, and with 1 if it raises.
    """

    def __init__(self, work: Callable[[Callable[[int], None]], Any]) -> None:
        self._read, write = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._read)
            _be_child(work, write)
        os.close(write)
        self.numbers: list[int] = []
        self.status: int | None = None
        self._rest = b""

    def wait_for_number(self) -> bool:
        """Wait for the next number; False if the process ended without one."""
        known = len(self.numbers)
        while len(self.numbers) == known:
            piece = os.read(self._read, 4096)
            if not piece:
                return False
            self._take(piece)
        return True

    def kill(self, number: int = signal.SIGKILL) -> None:
        """Send a signal; one that has ended already is none's loss."""
        os.kill(self.pid, number)

    def join(self) -> int:
        """Wait for the end, take all numbers, return the exit status or minus the signal."""
        while piece := os.read(self._read, 65536):
            self._take(piece)
        os.close(self._read)
        self.status = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        return self.status

    def _take(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        self.numbers += [int(line) for line in lines]


def _be_child(work: Callable[[Callable[[int], None]], Any], write: int) -> None:
    status = 1
    try:
        torch.set_num_threads(1)
        warnings.simplefilter("ignore")
        found = work(lambda number: _send(write, number))
        status = found if isinstance(found, int) else 0
    except Interrupted:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _send(write: int, number: int) -> None:
    os.write(write, b"%d\n" % number)


def digits() -> tuple[Any, Any]:
    """Return a part of the digits, to train with and to test."""
    data = load_dataset("digits")
    train = (data.train_images[:320], data.train_labels[:320])
    return train, (data.test_images[:60], data.test_labels[:60])


def train(folder: Path | None, resume: bool, tell: Callable[[int], None], **options: Any) -> Any:
    """Train to the end, a checkpoint after every minibatch, telling each; return the weights."""
    network = DesireNetwork(CONFIG)
    steps = 0

    def progress(_: Any) -> None:
        nonlocal steps
        steps += 1
        tell(steps)

    settings: dict[str, Any] = {"checkpoint_seconds": 0, "on_progress": progress, **options}
    fit(network, *digits(), folder=folder, resume=resume, **settings)
    return network.numpy_weights()


@functools.cache
def expected_weights() -> tuple[np.ndarray[Any, Any], ...]:
    """Return what an undisturbed run ends with, and have everything compiled that victims need."""
    torch.set_num_threads(1)
    return tuple(train(None, False, lambda step: None))


def wrong_at_the_end(folder: Path) -> list[str]:
    """Return what is wrong with a finished run: other weights to a bit, or files left behind."""
    found = read_checkpoint(folder / CHECKPOINT).weights
    left = [path.name for path in folder.iterdir() if path.name.startswith(".")]
    pairs = zip(found, expected_weights(), strict=True)
    same = all(np.array_equal(one, other) for one, other in pairs)
    wrong = [] if same else [f"{folder.name} ends with other weights"]
    return wrong + ([f"{left} are left in {folder.name}"] if left else [])


def go_on(folder: Path, resume: bool = True) -> list[str]:
    """Finish a run in a process of its own; return what is wrong at its end."""
    if Victim(lambda tell: train(folder, resume, tell) and None).join() != 0:
        return [f"the run in {folder.name} could not go on"]
    return wrong_at_the_end(folder)


def save_for_ever(folder: Path, number: int, tell: Callable[[int], None]) -> None:
    """Write the checkpoints after that number, saying each one's when it is written."""
    weights = initial_weights(SAVED)
    while True:
        number += 1
        checkpoint = Checkpoint(SAVED, weights, number, {"number": number})
        write_checkpoint(checkpoint, folder / CHECKPOINT, previous=folder / PREVIOUS)
        tell(number)


def kill_at_random(random: Random, victim: Victim, longest: float) -> int:
    """Let a process begin, kill it at a random moment after, return its exit status."""
    if victim.wait_for_number():
        time.sleep(random.uniform(0, longest))
    victim.kill()
    return victim.join()
