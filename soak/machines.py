"""Faults of the machine and of those who run it: disks, permissions, signals, clocks, memory."""

from __future__ import annotations

import errno
import os
import resource
import shutil
import signal
import subprocess
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from typing import Any

import torch

from lava_desire.checkpoint import CheckpointError, read_checkpoint
from lava_desire.engine import DesireNetwork, DeviceMemoryError, Interrupted
from lava_desire.files import FolderInUseError, FolderLock
from lava_desire.training.run_folder import CHECKPOINT, read_latest
from soak.victims import CONFIG, Victim, expected_weights, go_on, train, wrong_at_the_end

Counts = dict[str, Any]
_FULL, _REFUSED = 3, 4
_MAX_FILE = 16_384  # between the sizes of config and checkpoint


@contextmanager
def small_disk(folder: Path, kibibytes: int) -> Iterator[bool]:
    """Mount a file system of that size on a folder where that is allowed; yield whether it is."""
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(folder)]
    try:
        is_mounted = subprocess.run(mount, capture_output=True).returncode == 0
    except OSError:
        is_mounted = False
    try:
        yield is_mounted
    finally:
        if is_mounted:
            subprocess.run(["umount", "-l", str(folder)], check=True)


def fill_disk(count: int, folder: Path, random: Random) -> Counts:
    """Fill the disk, at another point each time; nothing is lost, and with room the run goes on.

    Where no file system may be mounted, the size of a file is limited instead.
    """
    expected_weights()
    losses, refusals, mounted = [], 0, 0
    for number in range(count):
        disk = folder / f"disk-{number}"
        disk.mkdir()
        with small_disk(disk, 64) as is_mounted:
            mounted += is_mounted
            place = disk / "run"
            begun = Victim(lambda tell, p=place: train(p, False, _stop_after(tell, 3)))
            begun.join()
            ballast = disk / "ballast"
            if is_mounted:
                free = os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize
                ballast.write_bytes(bytes(max(0, free - random.randrange(0, 16_384))))
            status = Victim(lambda tell, p=place, m=is_mounted: _until_full(p, m, tell)).join()
            refusals += status == _FULL
            if status not in (0, _FULL):
                losses.append(f"a full disk ended training with status {status}")
            losses += _readable(place)
            ballast.unlink(missing_ok=True)
            losses += go_on(place)
    return {"faults": count, "on_a_small_disk": mounted, "refusals": refusals, "losses": losses}


def _stop_after(tell: Callable[[int], None], steps: int) -> Callable[[int], None]:
    """Return what tells, and after so many steps has the process interrupted, which saves."""

    def told(step: int) -> None:
        tell(step)
        if step == steps:
            os.kill(os.getpid(), signal.SIGTERM)

    return told


def _until_full(place: Path, is_mounted: bool, tell: Callable[[int], None]) -> int:
    if not is_mounted:
        resource.setrlimit(resource.RLIMIT_FSIZE, (_MAX_FILE, _MAX_FILE))
    try:
        train(place, True, tell)
    except OSError as error:
        good = error.errno in (errno.ENOSPC, errno.EFBIG) and "untouched" in str(error)
        return _FULL if good else 1
    return 0


def _readable(place: Path) -> list[str]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            read_latest(place)
    except (CheckpointError, OSError, Warning) as error:
        return [f"after a fault: {error}"]
    return []


def damage(count: int, folder: Path, random: Random) -> Counts:
    """Cut a checkpoint at every length and flip bits all over it; each is noticed.

    A few damaged ones are also gone on from, by way of the checkpoint before; `count` is how many
    bits are flipped.
    """
    expected_weights()
    place = folder / "run"
    Victim(lambda tell: train(place, False, _stop_after(tell, 9))).join()
    path, losses = place / CHECKPOINT, []
    whole = path.read_bytes()
    shown = folder / "shown"
    step = max(1, len(whole) // count)
    cuts = [*range(0, min(64, len(whole))), *range(64, len(whole), step), len(whole) - 1]
    for length in cuts:
        shown.write_bytes(whole[:length])
        losses += _is_taken(shown, f"cut at {length}")
    for _ in range(count):
        spoiled, bit = bytearray(whole), random.randrange(8 * len(whole))
        spoiled[bit // 8] ^= 1 << bit % 8
        shown.write_bytes(spoiled)
        losses += _is_taken(shown, f"bit {bit} flipped")
    for spoiled in (whole[: len(whole) // 2], b"", whole[:-1] + bytes([whole[-1] ^ 1])):
        again = folder / f"again-{len(spoiled)}"
        shutil.copytree(place, again)
        (again / CHECKPOINT).write_bytes(spoiled)
        losses += go_on(again)
    counts = {"faults": len(cuts) + count + 3, "refusals": len(cuts) + count - len(losses)}
    return {**counts, "losses": losses}


def _is_taken(path: Path, how: str) -> list[str]:
    try:
        read_checkpoint(path)
    except CheckpointError:
        return []
    return [f"a checkpoint {how} is taken for whole"]


def crowd(count: int, folder: Path, random: Random) -> Counts:
    """Have several processes train in one folder at once: one does, the others name it.

    Then the one is killed, and the next is let in by the lock of a dead process.
    """
    expected_weights()
    losses, refusals = [], 0
    for number in range(count):
        place = folder / f"run-{number}"
        first = Victim(lambda tell, p=place: train(p, False, tell) and None)
        first.wait_for_number()
        others = [
            Victim(lambda tell, p=place, owner=first.pid: _intrude(p, owner, tell))
            for _ in range(random.randrange(1, 4))
        ]
        turned_away = [other.join() == _REFUSED for other in others]
        refusals += sum(turned_away)
        first.kill()
        if first.join() == -signal.SIGKILL and not all(turned_away):
            losses.append(f"run {number} was written by two processes")
        losses += go_on(place)
    return {"faults": count, "refusals": refusals, "losses": losses}


def _intrude(place: Path, owner: int, tell: Callable[[int], None]) -> int:
    try:
        with FolderLock(place):
            return 0
    except FolderInUseError as error:
        return _REFUSED if f"process {owner}:" in str(error) else 1


def terminate(count: int, folder: Path, random: Random) -> Counts:
    """Send SIGTERM at random moments, as a scheduler does: each run saves and goes on."""
    expected_weights()
    losses, saved, place, runs, done = [], 0, folder / "run-0", 0, 0
    while saved < count:
        resume = (place / CHECKPOINT).exists()
        victim = Victim(lambda tell, p=place, r=resume: _interrupted_status(p, r, tell))
        if victim.wait_for_number():
            time.sleep(random.uniform(0, 0.05))
            victim.kill(signal.SIGTERM)
        status = victim.join()
        if status == 128 + signal.SIGTERM:
            saved += 1
            losses += _not_saved(place, done, victim.numbers[-1])
            done = _progress(place)
        elif status == 0:
            losses += wrong_at_the_end(place)
            runs += 1
            done = 0
            place = folder / f"run-{runs}"
        else:
            losses.append(f"SIGTERM ended a run with status {status}")
            break
    if (place / CHECKPOINT).exists():
        losses += go_on(place)
    return {"faults": saved, "runs_finished": runs + 1, "losses": losses}


def _interrupted_status(place: Path, resume: bool, tell: Callable[[int], None]) -> int:
    """Train with no checkpoint but those of the ends of epochs and of a signal."""
    signal.signal(signal.SIGTERM, lambda *_: None)  # where the run has just ended
    try:
        train(place, resume, tell, checkpoint_seconds=1e9)
    except Interrupted as interrupted:
        return 128 + interrupted.signal
    return 0


def _progress(place: Path) -> int:
    """Return how many calls of progress a run has behind it: a minibatch's, and an epoch's."""
    state = read_checkpoint(place / CHECKPOINT).state
    minibatches = 320 // CONFIG.batch_size
    return int(state["epoch"]) * (minibatches + 1) + int(state["samples_done"]) // CONFIG.batch_size


def _not_saved(place: Path, before: int, steps: int) -> list[str]:
    """Look whether the minibatch at which the signal came is in the checkpoint."""
    found = _progress(place)
    return [] if found == before + steps else [f"{before} + {steps} steps done, {found} saved"]


def read_only(count: int, folder: Path, random: Random) -> Counts:
    """Train in a folder that cannot be written: refused before the first step, nothing changed."""
    expected_weights()
    losses, refusals = [], 0
    os.chmod(folder, 0o755)
    place = folder / "run"
    Victim(lambda tell: train(place, False, _stop_after(tell, 3))).join()
    before = {path.name: path.read_bytes() for path in place.iterdir()}
    os.chmod(place, 0o555)
    for number in range(count):
        resume = bool(number % 2)
        where = place if resume else place / "new"
        victim = Victim(lambda tell, w=where, r=resume: _refused_by_permission(w, r, tell))
        refused = victim.join() == _REFUSED and not victim.numbers
        refusals += refused
        losses += [] if refused else ["a folder that cannot be written was trained in"]
    if before != {path.name: path.read_bytes() for path in place.iterdir()}:
        losses.append("a folder that cannot be written was changed")
    os.chmod(place, 0o755)
    losses += go_on(place)
    return {"faults": count, "refusals": refusals, "losses": losses}


def _refused_by_permission(place: Path, resume: bool, tell: Callable[[int], None]) -> int:
    if os.geteuid() == 0:
        os.setegid(65534)
        os.seteuid(65534)  # root may write anywhere
    try:
        train(place, resume, tell)
    except PermissionError:
        return _REFUSED
    return 0


def out_of_memory(count: int, folder: Path, random: Random) -> Counts:
    """Have the device refuse memory within a step: one line that says what to lower."""
    expected_weights()
    losses, refusals = [], 0
    for number in range(count):
        place, step = folder / f"run-{number}", random.randrange(2, 70)
        status = Victim(lambda tell, p=place, s=step: _until_memory_ends(p, s, tell)).join()
        refusals += status == _REFUSED
        if status != _REFUSED:
            losses.append(f"lack of memory ended a run with status {status}")
        losses += _readable(place) + go_on(place)
    return {"faults": count, "refusals": refusals, "losses": losses}


def _until_memory_ends(place: Path, step: int, tell: Callable[[int], None]) -> int:
    update, calls = DesireNetwork.update_layer, 0

    def failing(*arguments: Any) -> Any:
        nonlocal calls
        calls += 1
        if calls == 2 * step + 1:  # between the layers: the first has changed, the second has not
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")
        return update(*arguments)

    DesireNetwork.update_layer = failing  # type: ignore[method-assign]
    DesireNetwork.learns_in_turn = False  # type: ignore[assignment, method-assign]
    try:
        train(place, False, tell)
    except DeviceMemoryError as error:
        said = str(error)
        good = "\n" not in said and all(name in said for name in ("batch_size = 16", str(place)))
        return _REFUSED if good else 1
    return 0


def turn_clock_back(count: int, folder: Path, random: Random) -> Counts:
    """Set the clock back by up to a year while training, and between two parts of a run."""
    expected_weights()
    losses = []
    for number in range(count):
        place = folder / f"run-{number}"
        for resume in (False, True):
            back = random.uniform(0, 3e7)
            Victim(lambda tell, p=place, r=resume, b=back: _train_back(p, r, b, tell)).join()
        losses += go_on(place)
        state = read_checkpoint(place / CHECKPOINT).state
        times = [record["seconds"] for record in state["records"]] + [state["seconds"]]
        if min(times) < 0:
            losses.append(f"a negative time: {min(times)}")
    return {"faults": count, "losses": losses}


def _train_back(place: Path, resume: bool, back: float, tell: Callable[[int], None]) -> None:
    now, monotonic, calls = time.time, time.monotonic, 0

    def turned() -> float:
        nonlocal calls
        calls += 1
        return now() - (back if calls % 2 else 0)

    time.time = turned
    # What is monotonic begins anew when a machine does.
    time.monotonic = lambda: monotonic() - back
    train(place, resume, _stop_after(tell, 30))
