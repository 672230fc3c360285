"""Training steps captured as CUDA graphs, and runs that train with them.

A step of a full minibatch has the same shapes every time: its launches are recorded once and
replayed, so that neither Python nor the driver stands between them. What changes from step to step
lies in buffers on the device: the samples of a chunk of steps, where in them the step begins, the
learning rates, the number of the next sample, from which dropout masks are drawn, and the totals,
which are read once a chunk. The last, smaller minibatch of an epoch takes the ordinary path, whose
results are the same.

A graph can be captured on CUDA only. On a CPU, in Triton's interpreter, the body of a step runs as
it is; the tests hold it to what the network's ``train_step`` does, and to ask the device for no
answer, as a capture would fail otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

import torch
import triton
from torch import Tensor

from lava_desire.backends.triton import neurons
from lava_desire.backends.triton.backend import Average, TritonBackend
from lava_desire.backends.triton.dropout import DeviceDropout
from lava_desire.network import DesireNetwork
from lava_desire.randomness import DropoutStream, epoch_order
from lava_desire.training.average import WeightAverage
from lava_desire.training.choose import is_captured
from lava_desire.training.loop import TrainingRun

_SAMPLES_A_CHUNK = 16_384  # between two looks at the totals
_WARM_UP = 3


class CapturedStep:
    """A training step of one batch size (Eq. 1 to 16), replayed from a CUDA graph.

    The network has kernels ``"triton"``, and its weights change in place; `num_steps` is the
    largest number of steps of a chunk, `average` takes in the weights after every step, and
    `totals`, (2,) int64, are samples predicted right and samples with desire since :meth:`begin`.
    Raises ValueError if the network has another backend.
    """

    def __init__(
        self,
        network: DesireNetwork,
        batch_size: int,
        num_steps: int = 1,
        average: WeightAverage | None = None,
    ) -> None:
        backend, config, device = network.backend, network.config, network.device
        if not isinstance(backend, TritonBackend):
            raise ValueError(f"kernels is {backend.name!r}: expected 'triton'")
        self._network, self._backend, self._average = network, backend, average
        self._batch_size, self.num_steps = batch_size, num_steps
        self._trains = torch.zeros(
            (num_steps * batch_size, config.num_inputs), dtype=backend.word, device=device
        )
        self._labels = torch.zeros(num_steps * batch_size, dtype=torch.int64, device=device)
        self._shares = torch.zeros(num_steps, device=device)
        self._rates = torch.zeros(config.num_layers, dtype=torch.float64, device=device)
        self._place = torch.zeros(1, dtype=torch.int64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self.totals = torch.zeros(2, dtype=torch.int64, device=device)
        self._halves = [
            backend.split(weights) if not backend.exact and weights.ndim == 2 else None
            for weights in network.weights
        ]
        self._dropout = [
            _device_dropout(
                DropoutStream(size, config.dropout_of(layer), config.seed, layer), device
            )
            for layer, size in enumerate(config.neurons[:-1])
        ]
        self._graph = self._capture() if device.type == "cuda" else None

    @torch.inference_mode()
    def _capture(self) -> torch.cuda.CUDAGraph:
        """Record the step. Rates and shares are zero, so that no weight changes."""
        held = self._network.state.copy()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):  # compiles the kernels, which a capture may not
                self._place.zero_()
                self.body()
        torch.cuda.current_stream().wait_stream(aside)
        self._network.state.restore(held)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.body()
        return graph

    @torch.inference_mode()
    def begin(self, images: Tensor, labels: Tensor, learning_rate: float, sample: int) -> None:
        """Take in the samples of a chunk of steps, and forget the totals.

        Images are (S, N) uint8 or float32, S at most the chunk's steps × B, labels (S,) int64;
        dropout masks are drawn from `sample` on, the number of the first of them.
        """
        self._trains[: len(images)] = self._backend.encode(images)
        self._labels[: len(labels)] = labels
        rates = [self._backend.rate_of(layer, learning_rate) for layer in self._backend.layers]
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64))
        if self._average is not None:
            shares = self._average.next_shares(len(labels) // self._batch_size)
            self._shares[: len(shares)] = torch.tensor(shares)
        for halves, weights in zip(self._halves, self._network.weights, strict=True):
            if halves is not None:  # the weights may have been changed by others
                self._backend.split(weights, halves)
        self._place.zero_()
        self._position.fill_(sample)
        self.totals.zero_()

    @torch.inference_mode()
    def run(self) -> None:
        """Learn from the next B samples of the chunk; returns before the device is done."""
        if self._graph is None:
            self.body()
        else:
            self._graph.replay()

    def body(self) -> None:
        """Do the step: only launches, of shapes that never change."""
        backend, network = self._backend, self._network
        masks = [None if stream is None else self._draw(stream) for stream in self._dropout]
        trains = self._forward([*masks, None])
        prediction, desire, error = backend.teach(trains[-1], self._labels, self._place)
        listed = backend.list_samples(desire)
        desires = [desire]
        for layer in backend.layers[:0:-1]:
            index = layer.number - 1
            desire, error = backend.pass_back_listed(
                layer, network.weights[index], error, listed, trains[index], masks[index]
            )
            desires.insert(0, desire)
        rates = network.input_rates
        rated = listed if network.config.rates_desired_samples else None
        for layer in backend.layers[::-1]:
            index = layer.number - 1
            pre, post = trains[index : index + 2]
            if rates is not None:
                backend.follow(rates, layer.number, pre, rated)
            counted = bool(network.config.terms)
            pairs = backend.pair(layer, desires[index], listed, pre, post, counted)
            learning_rate = self._rates[index : index + 1]
            terms = network.term_factors(
                layer.number, learning_rate, self._batch_size, partial(getattr, pairs, "net_spikes")
            )
            backend.update(
                network.weights[index],
                learning_rate,
                listed,
                pairs,
                halves=self._halves[index],
                terms=list(terms),
                average=self._averaged(layer.number),
                limit=min((bound.limit() for bound in network.config.bounds), default=0.0),
            )
        if rates is not None:
            rates.num_samples += self._batch_size if rated is None else rated.number
        self._advance(prediction, listed.number)

    def _draw(self, stream: DeviceDropout) -> Tensor:
        return stream.draw(self._position, self._batch_size)

    def _forward(self, masks: Sequence[Tensor | None]) -> list[Tensor]:
        config, backend = self._network.config, self._backend
        trains = [backend.take(self._trains, self._place, self._batch_size, masks[0])]
        layers = zip(backend.layers, self._network.weights, self._halves, masks[1:], strict=True)
        for layer, weights, halves, mask in layers:
            gain = config.dropout_gain(layer.number - 1)
            trains.append(backend.run(layer, weights, trains[-1], gain, mask, halves))
        return trains

    def _averaged(self, layer: int) -> Average | None:
        if self._average is None:
            return None
        weights = self._average.network.weights[layer - 1]
        return Average(weights, self._shares, self._place)

    def _advance(self, prediction: Tensor, num_active: Tensor) -> None:
        neurons.advance_kernel[1,](
            prediction,
            self._labels,
            num_active,
            self.totals,
            self._place,
            self._position,
            self._batch_size,
            BLOCK=triton.next_power_of_2(self._batch_size),
        )


class CapturedRun(TrainingRun):
    """A training run whose full minibatches are captured steps.

    Data lie on the device already. Progress is told, checkpoints are due and interrupts are heard
    once a chunk, where the totals are read: the only wait for the device.
    """

    _step: CapturedStep | None = None

    def _take_config(self) -> None:
        super()._take_config()
        self._step = None

    def _minibatches(self) -> Iterator[None]:
        if not is_captured(self.network):  # by a configuration that a callback has set
            yield from super()._minibatches()
            return
        labels, config = self.train[1], self.network.config
        batch_size = config.batch_size
        order = torch.from_numpy(epoch_order(config.seed, self.epoch, len(labels)))
        order = order.to(labels.device)
        moves = self._moves()
        while len(labels) - self.samples_done >= batch_size:
            step = self._captured()
            num_steps = min(step.num_steps, (len(labels) - self.samples_done) // batch_size)
            last = self.samples_done + num_steps * batch_size
            part = slice(self.samples_done, last)
            shown = self._shown(order[part], None if moves is None else moves[part])
            rate = config.learning_rate_at(self.epoch)
            step.begin(*shown, rate, self.network.samples_seen)
            for _ in range(num_steps):
                step.run()
            num_correct, num_active = step.totals.tolist()
            self.network.samples_seen += num_steps * batch_size
            self.samples_done = last
            self.num_correct += num_correct
            self.num_active += num_active
            yield
        if self.samples_done < len(labels):
            yield from super()._minibatches()

    def _captured(self) -> CapturedStep:
        if self._step is None:
            batch_size = self.network.config.batch_size
            most = max(1, min(_SAMPLES_A_CHUNK, len(self.train[1])) // batch_size)
            self._step = CapturedStep(self.network, batch_size, most, self.average)
        return self._step


def _device_dropout(stream: DropoutStream, device: torch.device) -> DeviceDropout | None:
    """Return what draws a layer's masks; nothing where no neuron is dropped."""
    return DeviceDropout(stream, device) if stream.probability else None
