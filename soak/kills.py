"""SIGKILL at random moments: of training, of saving, of downloading."""

from __future__ import annotations

import functools
import gzip
import hashlib
import http.server
import os
import signal
import socketserver
import struct
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stderr
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pooch
import requests  # noqa: F401 - so that a victim need not import it

from lava_desire.checkpoint import CheckpointError, read_checkpoint
from lava_desire.data import sources
from lava_desire.files import remove_partial
from lava_desire.training.run_folder import CHECKPOINT, PREVIOUS
from soak.victims import (
    Victim,
    expected_weights,
    go_on,
    kill_at_random,
    save_for_ever,
    train,
    wrong_at_the_end,
)

Counts = dict[str, Any]


def kill_training(count: int, folder: Path, random: Random) -> Counts:
    """Kill training again and again; each run goes on, and ends as an undisturbed one.

    A loss is a checkpoint that cannot be read after a kill, a run that cannot go on, or weights
    that differ at the end.
    """
    expected_weights()
    kills, runs, losses, place = 0, 0, [], folder / "run-0"
    while kills < count:
        resume = (place / CHECKPOINT).exists()
        victim = Victim(lambda tell, r=resume, p=place: train(p, r, tell) and None)
        status = kill_at_random(random, victim, 0.15)
        if status == -signal.SIGKILL:
            kills += 1
            losses += _unreadable(place)
            continue
        if status != 0:
            losses.append(f"a run could not go on after {kills} kills")
        else:
            losses += wrong_at_the_end(place)
        runs += 1
        place = folder / f"run-{runs}"
    losses += go_on(place, (place / CHECKPOINT).exists())
    return {"faults": kills, "runs_finished": runs + 1, "losses": losses}


def _unreadable(place: Path) -> list[str]:
    """Return what is wrong with a folder whose writer was killed: nothing, it is hoped."""
    wrong = []
    for name in (CHECKPOINT, PREVIOUS):
        try:
            if (place / name).exists():
                read_checkpoint(place / name)
        except CheckpointError as error:
            wrong.append(str(error))
    return wrong


def kill_saving(count: int, folder: Path, random: Random) -> Counts:
    """Kill a process that does nothing but save.

    A loss is a file that cannot be read, or one older than what was said to be written.
    """
    losses, in_the_middle, found = [], 0, 0
    for _ in range(count):
        victim = Victim(lambda tell, number=found: save_for_ever(folder, number, tell))
        kill_at_random(random, victim, 0.03)
        losses += _unreadable(folder)
        in_the_middle += any(path.name.startswith(".") for path in folder.iterdir())
        remove_partial(folder)
        said = victim.numbers[-1]
        found = read_checkpoint(folder / CHECKPOINT).state["number"]
        if found not in (said, said + 1):
            losses.append(f"checkpoint {said} was written and {found} is there")
        if found > 2 or (folder / PREVIOUS).exists():
            before = read_checkpoint(folder / PREVIOUS).state["number"]
            # Killed between the two names, both are of the same file.
            if before not in (found - 1, found):
                losses.append(f"{before} is kept as the one before {found}")
    return {"faults": count, "in_the_middle_of_a_file": in_the_middle, "losses": losses}


class _SlowHandler(http.server.SimpleHTTPRequestHandler):
    """Serves a file in small pieces, slowly."""

    def log_message(self, *arguments: Any) -> None:
        pass

    def copyfile(self, source: Any, outputfile: Any) -> None:
        while piece := source.read(512):
            outputfile.write(piece)
            time.sleep(0.002)


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True

    def handle_error(self, *arguments: Any) -> None:
        pass  # those who ask are killed while they listen


@contextmanager
def slow_mirror(folder: Path) -> Iterator[dict[str, str]]:
    """Serve four small files as MNIST, from a process of its own; yield their MD5 sums."""
    generator = np.random.default_rng(0)
    sums, saved = {}, {name: dict(getattr(sources, name)["mnist"]) for name in ("_SHA256",)}
    sums_before, mirror = dict(sources._ARCHIVE_MD5["mnist"]), sources._MIRRORS["mnist"]
    for file, shape in (
        (sources._TRAIN_IMAGES, (60, 28, 28)),
        (sources._TRAIN_LABELS, (60,)),
        (sources._TEST_IMAGES, (20, 28, 28)),
        (sources._TEST_LABELS, (20,)),
    ):
        array = generator.integers(0, 10, shape).astype(np.uint8)
        content = struct.pack(f">4B{array.ndim}I", 0, 0, 8, array.ndim, *shape) + array.tobytes()
        packed = gzip.compress(content, 1, mtime=0)
        (folder / f"{file}.gz").write_bytes(packed)
        sums[file] = hashlib.md5(packed).hexdigest()
        sources._SHA256["mnist"][file] = hashlib.sha256(content).hexdigest()
    server = _Server(("127.0.0.1", 0), functools.partial(_SlowHandler, directory=str(folder)))
    serving = Victim(lambda tell: server.serve_forever())
    port = server.server_port
    server.server_close()
    sources._ARCHIVE_MD5["mnist"].update(sums)
    sources._MIRRORS["mnist"] = f"http://127.0.0.1:{port}/"
    try:
        yield sums
    finally:
        serving.kill()
        serving.join()
        sources._SHA256["mnist"].update(saved["_SHA256"])
        sources._ARCHIVE_MD5["mnist"].update(sums_before)
        sources._MIRRORS["mnist"] = mirror


def kill_downloading(count: int, folder: Path, random: Random) -> Counts:
    """Kill downloads; what has a file's name is whole, and the next one ends well.

    A loss is a file of a data set that is not what it should be, or a download that cannot end.
    """
    mirror, cache = folder / "mirror", folder / "cache"
    mirror.mkdir()
    losses, kills, in_the_middle = [], 0, 0
    os.environ["XDG_CACHE_HOME"] = str(cache)
    with slow_mirror(mirror) as sums:
        while kills < count:
            victim = Victim(_download)
            status = kill_at_random(random, victim, 0.12)
            kills += status == -signal.SIGKILL
            files = [path for path in cache.rglob("*") if path.is_file()]
            known = {f"{name}.gz": md5 for name, md5 in sums.items()}
            for path in files:
                wrong = hashlib.md5(path.read_bytes()).hexdigest() != known.get(path.name)
                if path.name in known and wrong:
                    losses.append(f"{path.name} is there and is not whole")
                in_the_middle += path.name not in known
                if random.random() < 0.5:
                    path.unlink()
        if Victim(_download).join() != 0:
            losses.append("the data set could not be downloaded at the end")
    return {"faults": kills, "in_the_middle_of_a_file": in_the_middle, "losses": losses}


def _download(tell: Callable[[int], None]) -> None:
    tell(0)
    pooch.get_logger().disabled = True
    with Path(os.devnull).open("w") as nowhere, redirect_stderr(nowhere):
        data = sources.load_dataset("mnist")
    assert data.train_images.shape == (60, 784)
