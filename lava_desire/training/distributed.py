"""Training by several processes, each on a device of its own: torchrun and torch.distributed.

Every rank runs its share of the minibatch forward and finds its desires. Then those samples that
desire a change are gathered, spikes as bits and desires as bytes, and every rank computes the same
update of the whole minibatch, in the order of one process. So all ranks hold the same weights at
every step, to the bit, and they are those of one process. There are no hooks and no autograd: each
step is one explicit exchange, :meth:`~lava_desire.training.ranks.Ranks.meet`.

Random numbers are keyed by sample and step, so each rank draws those of its samples and skips the
others. Only rank 0 has the run's folder; signals are exchanged with the step, so that all ranks
stop after the same one.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.activity import Activity
from lava_desire.backends.inputs import Inputs
from lava_desire.backends.wire import num_planes
from lava_desire.checkpoint import Checkpoint
from lava_desire.network import DesireNetwork
from lava_desire.training.augment import Moves
from lava_desire.training.evaluation import EVALUATION_BATCH, Metrics, chunks, classify, tally_up
from lava_desire.training.history import History, Progress
from lava_desire.training.interrupt import Interrupted
from lava_desire.training.loop import TrainingRun, fingerprint
from lava_desire.training.ranks import Ranks, as_payload

_FIRST = Path("the checkpoint of rank 0")
_PLACE_BYTES = 4  # the sample's place in the minibatch, int32


class DistributedRun(TrainingRun):
    """One rank's part of a call of :func:`~lava_desire.engine.fit`.

    Arguments are those of :func:`~lava_desire.engine.fit`, the same on every rank but for the
    device; only rank 0 reads and writes the folder. Raises ValueError if there are more ranks than
    samples in a minibatch, or the data do not fit the network; RankError if another rank has
    failed: its message, or that it is gone.
    """

    def __init__(
        self,
        network: DesireNetwork,
        train: tuple[Any, Any],
        test: tuple[Any, Any],
        folder: Path | None,
        validation: Any = None,
        choose: str = "best",
    ) -> None:
        self._ranks = Ranks(network.device)
        self._kept_in = folder
        self._stop = False
        try:
            kept_in = folder if self._ranks.is_first else None
            super().__init__(network, train, test, kept_in, validation, choose)
            self._fingerprint = self._fingerprint or self._digest()
        except Exception as error:
            self._ranks.fail(error)
            raise

    @classmethod
    def check_network(cls, network: DesireNetwork) -> None:
        """Refuse a network whose minibatches have fewer samples than there are ranks, and others.

        Raises ValueError, as the engine's.
        """
        size, batch_size = torch.distributed.get_world_size(), network.config.batch_size
        if batch_size < size:
            raise ValueError(
                f"batch_size is {batch_size} for {size} ranks: expected at least one sample a rank"
            )
        super().check_network(network)

    @property
    def _learns_in_turn(self) -> bool:
        return False  # every minibatch is an exchange

    def carry_out(
        self,
        resume: bool = False,
        checkpoint_seconds: float = 60.0,
        on_progress: Callable[[Progress], None] | None = None,
        *,
        after_each: bool = True,
    ) -> History:
        """Train to the last epoch, together; see :func:`~lava_desire.engine.fit`."""
        try:
            return super().carry_out(resume, checkpoint_seconds, on_progress, after_each=after_each)
        except Interrupted as interrupted:
            interrupted.folder = self._kept_in
            raise
        except Exception as error:
            self._ranks.fail(error)
            raise

    def begin(self) -> None:
        """Open the folder of a new run, once all ranks are found to hold the same."""
        state, held = self.network.state.copy(), {}
        for name in state.names():
            value = getattr(state, name)
            parts = value if isinstance(value, list) else [value]
            held[name] = fingerprint(*map(torch.as_tensor, parts))
        self._agree(held)
        super().begin()

    def resume(self) -> None:
        """Go back to where the checkpoint in rank 0's folder is."""
        self._agree({"weights": "from the checkpoint"})
        mine = None
        if self._ranks.is_first:
            super().resume()
            mine = self._checkpoint()
        first = self._from_first(mine)
        if not self._ranks.is_first:
            self._restore(first, _FIRST)

    def _from_first(self, mine: Checkpoint | None) -> Checkpoint:
        """Return the checkpoint that rank 0 has, on every rank."""
        content = b"" if mine is None else mine.to_bytes()
        payload = self._ranks.from_first(as_payload(content)).cpu()
        return Checkpoint.from_bytes(payload.numpy().tobytes(), _FIRST)

    def _best_weights(self, name: str) -> Checkpoint:
        return self._from_first(super()._best_weights(name) if self._ranks.is_first else None)

    def _agree(self, held: dict[str, str]) -> None:
        """Compare what must be the same on every rank; refuse to begin where it is not."""
        network = self.network
        mine = {
            "config": network.config.to_json(),
            "precision": network.precision,
            "formats": network.format_fields(),
            "training and test data": self._fingerprint,
            "test data": self._test_digest,
            **held,
        }
        payloads, _ = self._ranks.meet(as_payload(json.dumps(mine).encode()))
        answers = [json.loads(bytes(found.tolist())) for found in payloads]
        for rank, answer in enumerate(answers):
            for key in answers[0]:
                if answer.get(key) != answers[0][key]:
                    raise ValueError(
                        f"rank {rank} has another {key} than rank 0: expected the same on all ranks"
                    )

    @torch.inference_mode()
    def _learn(self, chosen: Tensor, moves: Moves | None, learning_rate: float) -> tuple[int, int]:
        """Run this rank's share of a minibatch, and learn all of it."""
        network, batch_size = self.network, len(chosen)
        mine = self._ranks.share_of(batch_size)
        masks = network.draw_masks(batch_size, mine)
        activity, num_correct = None, 0
        packed = torch.empty(0, dtype=torch.uint8, device=network.device)
        if mine.stop > mine.start:
            images, labels = self._shown(chosen[mine], None if moves is None else moves[mine])
            activity = network.forward_checked(images, masks)
            num_correct = int((activity.prediction == labels).sum())
            packed = pack_samples(activity, network.desires(activity, labels), mine.start)
        counted = pack_num_spikes(network, activity)
        gathered, numbers = self._ranks.meet(
            torch.cat([counted, packed]), num_correct, self._interrupt.is_set
        )
        self._stop = any(stops for _, stops in numbers)
        num_spikes = unpack_num_spikes(network, [payload[: len(counted)] for payload in gathered])
        rows = torch.cat([payload[len(counted) :] for payload in gathered])
        activity, desires = unpack_samples(network, rows, batch_size, num_spikes)
        num_active = network.update(activity, desires, learning_rate)
        return sum(correct for correct, _ in numbers), num_active

    def _stops(self) -> bool:
        return self._stop

    def _call(self, name: str, *arguments: Any) -> None:
        if self._ranks.is_first:
            super()._call(name, *arguments)

    def _follow_config(self) -> None:
        """Follow rank 0, which alone has callbacks: its config, and what began anew with it."""
        network, content = self.network, b""
        if self._ranks.is_first and network.backend is not self._followed:
            super()._follow_config()
            content = self._checkpoint().to_bytes()
        payload = self._ranks.from_first(as_payload(content))
        if not self._ranks.is_first and payload.numel():
            first = Checkpoint.from_bytes(payload.cpu().numpy().tobytes(), _FIRST)
            network.config = first.config
            super()._follow_config()
            network.restore(first)

    def _is_stopped(self) -> bool:
        """Tell whether rank 0, which alone has callbacks, has stopped the run."""
        reason = self._ranks.from_first(as_payload((self.history.stopped or "").encode()))
        self.history.stopped = bytes(reason.tolist()).decode() or None
        return self.history.stopped is not None

    def _warn(self, message: str, kind: type[Warning]) -> None:
        if self._ranks.is_first:
            super()._warn(message, kind)

    def _evaluate(self, network: DesireNetwork, samples: tuple[Inputs, Tensor]) -> Metrics:
        """Classify samples, chunks of them in turn, and add up as one process does."""
        size, num_classes = self._ranks.size, network.config.num_classes
        images, labels = samples
        parts = chunks(labels, EVALUATION_BATCH)
        mine = [
            classify(network, images[part], labels[part])
            for part in parts[self._ranks.rank :: size]
        ]
        kind = np.dtype(
            [
                ("confusion", np.int64, (num_classes, num_classes + 1)),
                ("margins", np.int64, (network.config.num_steps + 1, 2)),
                ("loss", np.float64),
            ]
        )
        payloads, _ = self._ranks.meet(as_payload(np.array(mine, kind).tobytes()))
        tables = [np.frombuffer(payload.cpu().numpy().tobytes(), kind) for payload in payloads]
        found = [tables[index % size][index // size] for index in range(len(parts))]
        return tally_up(
            [(part["confusion"], part["margins"], float(part["loss"])) for part in found]
        )


def pack_num_spikes(network: DesireNetwork, activity: Activity | None) -> Tensor:
    """Pack how often each layer's inputs spiked in a share of a minibatch, for its mean rates.

    The activity is None where the share has no samples. Returns (8 · (N_0 + … + N_{L−1}),) uint8;
    empty where the network follows no rates, or those of samples with desire, which are sent in any
    case.
    """
    sizes = network.config.neurons[:-1]
    if not _sends_num_spikes(network):
        return torch.empty(0, dtype=torch.uint8, device=network.device)
    if activity is None:
        return torch.zeros(8 * sum(sizes), dtype=torch.uint8, device=network.device)
    spikes = [activity.backend.counts_together(trains) for trains in activity.trains[:-1]]
    return torch.cat(spikes).view(torch.uint8)


def _sends_num_spikes(network: DesireNetwork) -> bool:
    return network.input_rates is not None and not network.config.rates_desired_samples


def unpack_num_spikes(network: DesireNetwork, packed: list[Tensor]) -> list[Tensor] | None:
    """Add up what :func:`pack_num_spikes` has packed on every rank: L of (N_{ℓ−1},) int64."""
    if not _sends_num_spikes(network):
        return None
    total = sum(part.clone().view(torch.int64) for part in packed)
    return list(torch.split(torch.as_tensor(total), list(network.config.neurons[:-1])))


def pack_samples(activity: Activity, desires: list[Tensor], first: int) -> Tensor:
    """Pack the samples that desire a change, to be learned elsewhere.

    Desires are L of (B, N_ℓ) int8, before the dropout mask; `first` is the place of the first
    sample in the whole minibatch. Returns (R · row,) uint8, R ≤ B. A row is the sample's place, its
    L + 1 trains, a bit a spike, and its L desires after the mask: 4 + ⌈T/8⌉·(N_0 + … + N_L) + N_1 +
    … + N_L bytes; and behind the trains, where the network learns at them, its L eligible steps.
    """
    masks = activity.masks or []
    kept = [
        desire * masks[layer] if layer < len(masks) else desire
        for layer, desire in enumerate(desires, start=1)
    ]
    chosen = torch.stack([desire.any(dim=1) for desire in kept]).any(dim=0).nonzero().squeeze(1)
    places = (chosen + first).to(torch.int32).unsqueeze(1)
    parts = [places.view(torch.uint8)]
    sent = [*activity.trains, *(activity.eligible or ())]
    parts += [activity.backend.to_bytes(trains, chosen).flatten(1) for trains in sent]
    parts += [desire[chosen].view(torch.uint8) for desire in kept]
    return torch.cat(parts, dim=1).flatten()


def unpack_samples(
    network: DesireNetwork,
    packed: Tensor,
    batch_size: int,
    num_spikes: list[Tensor] | None = None,
) -> tuple[Activity, list[Tensor]]:
    """Return activity and desires of a whole minibatch from what :func:`pack_samples` has packed.

    Rows, (R · row,) uint8, come in order of the samples' places. Samples that are not packed are
    silent and without desire, but for spikes that :func:`unpack_num_spikes` returned. The
    prediction is not known, and −1; desires are L of (B, N_ℓ) int8, after the dropout mask.
    """
    sizes, planes = network.config.neurons, num_planes(network.config.num_steps)
    is_eligible = network.config.eligibility_policy is not None
    sent = sizes + sizes[1:] if is_eligible else sizes
    widths = [_PLACE_BYTES, *(planes * size for size in sent), *sizes[1:]]
    columns = torch.split(packed.view(-1, sum(widths)), widths, dim=1)
    # A copy: a single row counts as contiguous with the stride of the whole, which no view takes.
    places = columns[0].clone(memory_format=torch.contiguous_format).view(torch.int32)
    places = places.squeeze(1).to(torch.int64)
    trains = [
        network.backend.from_bytes(column.reshape(-1, planes, size), places, batch_size)
        for column, size in zip(columns[1:], sent, strict=False)
    ]
    desires = []
    for column, size in zip(columns[1 + len(sent) :], sizes[1:], strict=True):
        desire = torch.zeros(batch_size, size, dtype=torch.int8, device=network.device)
        desire[places] = column.view(torch.int8)
        desires.append(desire)
    prediction = torch.full((batch_size,), -1, dtype=torch.int64, device=network.device)
    spikes, eligible = trains[: len(sizes)], trains[len(sizes) :] or None
    return Activity(spikes, prediction, None, network.backend, num_spikes, eligible), desires
