"""What the loop over minibatches is given, and which networks it knows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_desire.backends.numba.events import EventLists
from lava_desire.backends.numba.minibatch import learn_minibatches
from lava_desire.backends.numba.online import Online
from lava_desire.backends.numba.scan import NARROW, TILE
from lava_desire.backends.numba.threads import (
    Workspace,
    boards_of,
    num_threads,
    ranges,
    share_stages,
    tiles,
)
from lava_desire.backends.numba.update import INPUTS, grain, room_of
from lava_desire.config import DesireConfig
from lava_desire.model.state import NetworkState


class InTurn:
    """Lets a network of dense layers learn minibatches one after the other.

    `learns` says whether it does all that the config asks for in learning; what changes samples is
    the training run's. `online` is what the network learns single samples with, `levels`, (256,)
    words, are the trains of pixels, and `events` the lists of single steps, which make room for
    those of the loop.
    """

    def __init__(
        self,
        config: DesireConfig,
        online: Online,
        levels: Any,
        events: EventLists,
        workspace: Workspace,
    ) -> None:
        self.learns = online.learns and config.batch_size > 1
        self._config, self._events, self._workspace = config, events, workspace
        self._plan, self._scales = (*online.plan, levels), online.scales
        self._neurons = list(config.neurons)

    def learn(
        self,
        state: NetworkState,
        images: Any,
        labels: Tensor,
        learning_rate: float,
        number: int,
        shares: Sequence[float],
    ) -> tuple[int, int, int]:
        """Learn minibatches in their order, as the steps of a network do (Eq. 1 to 16).

        Images are (S, N_0) uint8, or trains (S, N_0) words; labels are (S,) int64, and the last
        minibatch may be smaller. The state's weights, averages and mean rates change in place.
        `learning_rate` is η before a layer's factor; masks are drawn from the number of the first
        sample on. `shares`, one a minibatch or none, say by how much each moves the state's
        average. Returns the samples before the first minibatch that cannot be learned, and of these
        predicted right (Sec. 4.2), and with desire.
        """
        averages = state.average if len(shares) else []
        if not all(each.T.is_contiguous() for each in (*state.weights, *averages)):
            return 0, 0, 0
        self._events.clear()
        trains, nothing = images, np.empty((0, self._neurons[0]))
        if images.dtype == np.uint8:
            trains = nothing.astype(np.uint64)
        else:
            images = nothing.astype(np.uint8)
        rates, rated = np.empty(0), np.empty(0, np.int64)
        if state.holds("input_rates"):
            rates, rated = torch.cat(state.input_rates).numpy(), state.rated_samples.numpy()
        batch_size, found = self._config.batch_size, np.zeros(3, np.int64)
        whole = len(labels) // batch_size
        for size, begin, end in (
            (batch_size, 0, whole * batch_size),
            (len(labels) - whole * batch_size, whole * batch_size, len(labels)),
        ):
            if begin < end and found[0] == begin:
                self._run(
                    size,
                    images[begin:end],
                    trains[begin:end],
                    labels.numpy()[begin:end],
                    number + begin,
                    [each.data_ptr() for each in state.weights],
                    learning_rate,
                    [each.data_ptr() for each in averages],
                    np.array(shares[begin // batch_size :], np.float32),
                    (rates, rated),
                    found,
                )
        begin = 0
        for each in state.input_rates if len(rates) else ():
            each.copy_(torch.from_numpy(rates[begin : begin + len(each)]))
            begin += len(each)
        done, num_correct, num_active = found.tolist()
        return done, num_correct, num_active

    def _run(
        self,
        batch_size: int,
        images: Any,
        trains: Any,
        labels: Any,
        number: int,
        addresses: Sequence[int],
        learning_rate: float,
        averages: Sequence[int],
        shares: Any,
        mean_rates: tuple[Any, Any],
        found: Any,
    ) -> None:
        neurons, take = self._neurons, self._workspace.take
        widest, num_terms = max(neurons), len(self._config.terms)
        numbers = [each.numbers(self._config.mean_trace, batch_size) for each in self._config.terms]
        held, lists = self._held(batch_size, num_terms), self._lists(batch_size)
        chances = None
        if self._config.eligibility_policy is not None:
            chances = take("turn.chances", (batch_size * sum(neurons),), np.uint64)
        boards, edges = boards_of(self._stages(batch_size), num_threads())
        arguments = (
            images,
            trains,
            labels,
            number,
            batch_size,
            np.array(addresses, np.int64),
            learning_rate * self._scales,
            self._plan,
            np.array(numbers, np.float64).reshape(-1, 3),
            np.array(averages, np.int64),
            shares,
            *mean_rates,
            held,
            chances,
            lists,
        )

        num_sums, num_pairings = room_of(widest)

        def learn(stages: Any, thread: int) -> None:
            room = (
                take("tile", ((2 * widest + 2) * TILE,), np.float32),
                take("transposed", (widest * INPUTS,), np.float32),
                take("sums", (num_sums,), np.float64),
                take("pairings", (num_pairings,), np.float64),
            )
            learn_minibatches(*arguments, room, boards, edges, stages, found, thread)

        share_stages(learn)

    def _held(self, batch_size: int, num_terms: int) -> tuple[Any, ...]:
        """Return what all threads work on, layer behind layer."""
        neurons, num_layers = self._neurons, len(self._neurons) - 1
        widest, num_all = max(neurons), sum(neurons)

        def take(name: str, shape: tuple[int, ...], dtype: Any) -> Any:
            return self._workspace.take(f"turn.{name}", shape, dtype)

        return (
            take("words", (batch_size * num_all,), np.uint64),
            take("kept", (batch_size * (num_all - neurons[-1]),), np.bool_),
            take("desires", (batch_size * (num_all - neurons[0]),), np.int8),
            take("signs", (batch_size * (num_all - neurons[0]),), np.int8),
            take("seen", (widest,), np.uint64),
            take("used", (num_layers, widest), np.int64),
            take("num_used", (num_layers,), np.int64),
            take("with_desire", (num_layers, batch_size), np.bool_),
            take("chosen", (num_layers, batch_size + 1), np.int64),
            take("num_chosen", (num_layers,), np.int64),
            take("errors", (batch_size * widest,), np.float32),
            take("places", (batch_size * (widest + 1),), np.int32),
            take("values", (batch_size * (widest + 1),), np.float32),
            take("counts", (batch_size,), np.int64),
            take("posts", (num_layers, num_terms, widest), np.float32),
            take("pres", (num_layers, num_terms, widest), np.float32),
            take("is_asked", (num_layers, num_terms), np.bool_),
            take("following", (num_layers, 2), np.float64),
            take("is_rated", (batch_size,), np.bool_),
            take("desired", (num_layers, widest), np.int64),
        )

    def _lists(self, batch_size: int) -> tuple[Any, ...]:
        """Return room for the lists of :class:`~.events.Events` of all layers."""
        sizes = self._neurons[:-1]
        num_layers, num_inputs, num_steps = len(sizes), sum(sizes), self._config.num_steps

        def take(name: str, a_sample: int, dtype: Any) -> Any:
            return self._workspace.take(f"turn.{name}", (batch_size * a_sample,), dtype)

        return (
            take("unit_words", num_inputs, np.uint64),
            take("unit_begin", num_inputs + num_layers, np.int32),
            take("members", num_inputs, np.int32),
            take("inputs", num_inputs + num_layers, np.int32),
            take("unit_of", num_inputs, np.int32),
            self._workspace.take("turn.numbers", (num_layers, 6, batch_size), np.int64),
            take("groups", 16 * (num_inputs + num_layers), np.int32),
            take("events", num_steps * (num_inputs + 8 * num_layers), np.int32),
            take("step_begin", (num_steps + 1) * num_layers, np.int64),
        )

    def _stages(self, batch_size: int) -> list[Sequence[tuple[int, ...]]]:
        """Return the pieces of each board, in the order of the kinds of stages."""
        pairs = list(zip(self._neurons[:-1], self._neurons[1:], strict=True))
        samples = ranges(batch_size)
        masks = [(layer, *some) for layer in range(len(pairs)) for some in samples]
        return [
            masks,
            samples,
            *(tiles(size, TILE if size > NARROW else NARROW, batch_size) for _, size in pairs),
            *(ranges(size) for size, _ in pairs),
            *(ranges(size, INPUTS) for size, _ in pairs),
            *(ranges(size, grain(size)) for _, size in pairs),
            *(ranges(size) for size, _ in pairs),
        ]
