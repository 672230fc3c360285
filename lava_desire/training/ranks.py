"""Messages between the ranks of a torch.distributed process group.

Every exchange is a *meeting*: a header of four integers from every rank, then as many bytes as the
headers announce. A rank that fails between two meetings comes to the next one with its message, so
that the others learn why and stop, instead of waiting for a timeout.
"""

from __future__ import annotations

import os
import re
import signal
import sys
import threading
import time
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import numpy as np
import torch
import torch.distributed
from torch import Tensor

from lava_desire.errors import RankError

TIMEOUT = timedelta(minutes=10)
"""How long a rank waits for another: longer than a download, or a checkpoint on a slow disk."""

_POLL_SECONDS = 0.02
_WATCH_SECONDS = 1.0
_GRACE_SECONDS = 60.0  # to save and stop
_OK, _FAILED = 0, 1
_NUMBERS = 2  # beside status and number of bytes


def as_payload(content: bytes) -> Tensor:
    """Return bytes as a 1-D uint8 tensor."""
    return torch.from_numpy(np.frombuffer(content, np.uint8).copy())


class Ranks:
    """The default process group, seen from one of its ranks.

    What is exchanged lives on `device`: with a CUDA device and an NCCL backend the bytes go from
    device to device, else through the CPU.
    """

    def __init__(self, device: torch.device) -> None:
        distributed: Any = torch.distributed
        self.rank: int = distributed.get_rank()
        self.size: int = distributed.get_world_size()
        backends = distributed.get_backend_config()
        on_cpu = torch.device("cpu")
        self._bytes_on = device if device.type == "cuda" and "cuda:nccl" in backends else on_cpu
        self._numbers_on = on_cpu if "cpu:" in backends else device
        self._device = device
        self._is_over = False

    @property
    def is_first(self) -> bool:
        """Whether this is rank 0, the one that writes and speaks."""
        return self.rank == 0

    def share_of(self, num_samples: int) -> slice:
        """Return this rank's part of so many samples: parts are consecutive, and even to one."""
        return slice(
            num_samples * self.rank // self.size, num_samples * (self.rank + 1) // self.size
        )

    def meet(self, payload: Tensor, *numbers: int) -> tuple[list[Tensor], list[tuple[int, ...]]]:
        """Exchange bytes and up to two numbers with all ranks.

        Bytes are any number of uint8. Returns those of all ranks in their order, 1-D uint8 on this
        rank's device, and their numbers. Raises RankError if a rank has failed, or cannot be
        reached within the group's timeout.
        """
        headers = self._headers(_OK, payload.numel(), numbers)
        failed = [rank for rank, header in enumerate(headers) if header[0] == _FAILED]
        if failed:
            self._is_over = True
            sizes = [header[1] if header[0] == _FAILED else 0 for header in headers]
            message = self._bytes(payload[:0], sizes)[failed[0]]
            raise RankError(bytes(message.tolist()).decode(errors="replace"), failed[0])
        payloads = self._bytes(payload.flatten(), [header[1] for header in headers])
        return payloads, [header[2 : 2 + len(numbers)] for header in headers]

    def fail(self, error: BaseException) -> bool:
        """Tell the others, at their next meeting, that this rank has failed, and why.

        Returns whether they have been told, now or before; not so where the group is over already.
        """
        if getattr(error, "was_told", False):
            return True
        if self._is_over:
            return False
        text = f"{error}" or type(error).__name__
        message = as_payload(text.encode())
        try:
            headers = self._headers(_FAILED, len(message), ())
            sizes = [header[1] if header[0] == _FAILED else 0 for header in headers]
            self._bytes(message, sizes)
        except RankError:
            return False
        finally:
            self._is_over = True
        error.was_told = True  # type: ignore[attr-defined]
        return True

    def from_first(self, payload: Tensor) -> Tensor:
        """Return rank 0's bytes, 1-D uint8, on every rank; those of the others are not looked at.

        Raises RankError as :meth:`meet`.
        """
        _, numbers = self.meet(payload[:0], payload.numel())
        received = torch.empty(numbers[0][0], dtype=torch.uint8, device=self._bytes_on)
        if self.is_first:
            received.copy_(payload.flatten())
        self._collect(torch.distributed.broadcast, received, 0)
        return received.to(self._device)

    def _headers(
        self, status: int, num_bytes: int, numbers: Sequence[int]
    ) -> list[tuple[int, ...]]:
        padded = [status, num_bytes, *numbers, *[0] * (_NUMBERS - len(numbers))]
        mine = torch.tensor(padded, dtype=torch.int64, device=self._numbers_on)
        found = mine.new_empty(self.size, len(padded))
        self._collect(torch.distributed.all_gather, list(found), mine)
        return [tuple(row) for row in found.tolist()]

    def _bytes(self, payload: Tensor, sizes: list[int]) -> list[Tensor]:
        """Gather payloads of these sizes; the collective wants them padded to the largest."""
        largest = max(sizes)
        found = torch.empty(self.size, largest, dtype=torch.uint8, device=self._bytes_on)
        if largest:
            mine = torch.zeros(largest, dtype=torch.uint8, device=self._bytes_on)
            mine[: len(payload)] = payload.to(self._bytes_on)
            self._collect(torch.distributed.all_gather, list(found), mine)
        found = found.to(self._device)
        return [row[:size] for row, size in zip(found, sizes, strict=True)]

    def _collect(self, collective: Any, *arguments: Any) -> None:
        try:
            collective(*arguments)
        except RuntimeError as error:
            self._is_over = True
            raise _lost(self.rank, error) from error


def open_process_group(timeout: timedelta = TIMEOUT) -> None:
    """Make the default process group of what torchrun has set in the environment.

    It does what ``torch.distributed.init_process_group`` does, with gloo for the CPU and NCCL for
    GPUs where there are some, and works after a restart as well: torchrun may keep its store of
    addresses from one start to the next, and a rank could take an address of the last one. The
    process ends when its torchrun is gone: a killed one leaves no rank behind.

    Parameters
    ----------
    timeout : timedelta
        How long a rank waits for another.

    Raises
    ------
    ValueError
        If the process was not started by torchrun.
    RankError
        If the others cannot be reached.
    """
    distributed: Any = torch.distributed
    has_nccl = torch.cuda.is_available() and distributed.is_nccl_available()
    missing = {"RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"} - os.environ.keys()
    if missing:
        raise ValueError(
            f"{', '.join(sorted(missing))} is not in the environment: expected a process that "
            "torchrun has started"
        )
    end_with_torchrun()
    rank = int(os.environ["RANK"])
    try:
        store, rank, size = next(distributed.rendezvous("env://", timeout=timeout))
        store.set_timeout(timeout)
        distributed.init_process_group(
            "cpu:gloo,cuda:nccl" if has_nccl else "gloo",
            store=distributed.PrefixStore(_agree_on_name(store, rank, size, timeout), store),
            rank=rank,
            world_size=size,
            timeout=timeout,
        )
    except RuntimeError as error:
        raise _lost(rank, error) from error


def end_with_torchrun() -> None:
    """Let this process end when the torchrun that has started it is gone, however that ended.

    It then gets a SIGTERM, at which training saves and stops, and a while later a SIGKILL. Where
    no torchrun has started it, or the system is not POSIX, nothing is done.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ or sys.platform == "win32":
        return
    agent = os.getppid()

    def watch() -> None:
        while os.getppid() == agent:
            time.sleep(_WATCH_SECONDS)
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(_GRACE_SECONDS)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=watch, name="lava_desire watches torchrun", daemon=True).start()


def _agree_on_name(store: Any, rank: int, size: int, timeout: timedelta) -> str:
    """Return a name that all ranks of this start, and none of an earlier one, get from rank 0.

    Every rank asks with a number of its own, so an answer to an earlier rank is not taken for
    its own; rank 0 answers whoever has asked, until as many as there are have taken its name.
    """
    mine = uuid.uuid4().hex
    if rank > 0:
        store.set(f"lava_desire/asks/{rank}", mine)
        name = str(store.get(f"lava_desire/answers/{mine}").decode())
        store.add(f"lava_desire/joined/{name}", 1)
        return name
    answered: set[str] = set()
    deadline = time.monotonic() + timeout.total_seconds()
    while store.add(f"lava_desire/joined/{mine}", 0) < size - 1:
        for other in range(1, size):
            key = f"lava_desire/asks/{other}"
            asks = store.get(key).decode() if store.check([key]) else ""
            if asks and asks not in answered:
                store.set(f"lava_desire/answers/{asks}", mine)
                answered.add(asks)
        if time.monotonic() > deadline:
            raise RuntimeError(f"not all of {size} ranks came within {timeout}")
        time.sleep(_POLL_SECONDS)
    return mine


def _lost(rank: int, error: RuntimeError) -> RankError:
    """Return the error of a rank that cannot reach another, with torch's reason in short."""
    reason = re.sub(r"\[/[^]]*]\s*", "", str(error).strip().splitlines()[-1])
    return RankError(
        f"rank {rank} has lost another rank, which ended, hangs or cannot be reached: "
        + reason.partition(". This is")[0]
    )
