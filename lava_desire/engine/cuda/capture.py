"""Training steps captured as CUDA graphs, and runs that train with them.

A step of a full minibatch has the same shapes every time: its launches are recorded once and
replayed, so that neither Python nor the driver stands between them. What changes from step to step
lies in buffers on the device: the chosen images and labels, the learning rates, the number of the
next sample, from which dropout masks are drawn, and the totals, which are read once in a while. The
last, smaller minibatch of an epoch takes the ordinary path, whose results are the same.

A graph can be captured on CUDA only, and **none has been yet**. On a CPU, in Triton's interpreter,
the body of a step runs as it is; the tests hold it to what the network's ``train_step`` does, and
to ask the device for no answer, as a capture would fail otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch
from torch import Tensor

from lava_desire.engine.augment import shift_images
from lava_desire.engine.cuda.dropout import DeviceDropout
from lava_desire.engine.cuda.kernels import TritonKernels
from lava_desire.engine.network import DesireNetwork, lag_of
from lava_desire.engine.trainer import TrainingRun
from lava_desire.randomness import DropoutStream, epoch_order

_STEPS_A_CHUNK = 64  # between two looks at the totals
_WARM_UP = 3


class CapturedStep:
    """A training step of one batch size (Eq. 1 to 16), replayed from a CUDA graph.

    Parameters
    ----------
    network : DesireNetwork
        With kernels ``"triton"``; its weights change in place.
    batch_size : int
        B.
    image_dtype : torch.dtype
        uint8, or float32.

    Attributes
    ----------
    images, labels : Tensor
        (B, N_0) and (B,) int64, to be filled before each step.
    totals : Tensor
        (2,) int64: samples predicted right and samples with desire, since :meth:`begin`.

    Raises
    ------
    ValueError
        If the network has other kernels.
    """

    def __init__(
        self, network: DesireNetwork, batch_size: int, image_dtype: torch.dtype = torch.uint8
    ) -> None:
        if network.kernels != "triton":
            raise ValueError(f"kernels is {network.kernels!r}: expected 'triton'")
        kernels = TritonKernels(network.config, network.device, network.precision)
        config, device = network.config, network.device
        self._network, self._kernels, self._batch_size = network, kernels, batch_size
        self.images = torch.zeros(
            (batch_size, config.layer_sizes[0]), dtype=image_dtype, device=device
        )
        self.labels = torch.zeros(batch_size, dtype=torch.int64, device=device)
        self.totals = torch.zeros(2, dtype=torch.int64, device=device)
        self._rates = torch.zeros(config.num_layers, dtype=torch.float64, device=device)
        self._position = torch.zeros(1, dtype=torch.int64, device=device)
        self._dropout = [
            _device_dropout(
                DropoutStream(size, config.dropout_of(layer), config.seed, layer), device
            )
            for layer, size in enumerate(config.layer_sizes[:-1])
        ]
        self._graph = self._capture() if device.type == "cuda" else None

    @torch.inference_mode()
    def _capture(self) -> torch.cuda.CUDAGraph:
        """Record the step. Rates are zero, so that the weights stay as they are."""
        followed = self._network.input_rates
        held = followed.held() if followed is not None else None
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UP):  # compiles the kernels, which a capture may not
                self.body()
        torch.cuda.current_stream().wait_stream(aside)
        if followed is not None and held is not None:
            followed.restore(*held)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self.body()
        return graph

    def begin(self, learning_rate: float, sample: int) -> None:
        """Set the learning rate η and the number of the next sample, and forget the totals."""
        rates = [
            learning_rate * self._network.config.learning_rate_scale_of(layer)
            for layer in range(1, self._network.config.num_layers + 1)
        ]
        self._rates.copy_(torch.tensor(rates, dtype=torch.float64))
        self._position.fill_(sample)
        self.totals.zero_()

    @torch.inference_mode()
    def run(self) -> None:
        """Learn from what the buffers hold; returns before the device is done."""
        if self._graph is None:
            self.body()
        else:
            self._graph.replay()

    def body(self) -> None:
        """Do the step: only launches, of shapes that never change."""
        masks = [None if stream is None else self._draw(stream) for stream in self._dropout]
        trains = self._forward(masks)
        prediction, desire = self._kernels.teach(trains[-1], self.labels)
        desires = self._backward(desire, trains, masks)
        active = self._learn(desires, trains, masks)
        correct = prediction == self.labels
        self.totals += torch.stack([correct.sum(), active.sum()])
        self._position += self._batch_size

    def _draw(self, stream: DeviceDropout) -> Tensor:
        return stream.draw(self._position, self._batch_size)

    def _forward(self, masks: Sequence[Tensor | None]) -> list[Tensor]:
        config, kernels = self._network.config, self._kernels
        trains = [kernels.encode(self.images)]
        if masks[0] is not None:
            trains[0] = kernels.drop(trains[0], masks[0])
        for layer, weights in enumerate(self._network.weights, start=1):
            gain, mask = config.dropout_gain(layer - 1), _mask_of(masks, layer)
            trains.append(kernels.run_layer(weights, trains[-1], lag_of(layer), gain, mask))
        return trains

    def _backward(
        self, desire: Tensor, trains: Sequence[Tensor], masks: Sequence[Tensor | None]
    ) -> list[Tensor]:
        desires = [desire]
        for layer in range(self._network.config.num_layers, 1, -1):
            weights, mask = self._network.weights[layer - 1], _mask_of(masks, layer)
            passed = self._kernels.hidden_desire(weights, desires[0], trains[layer], mask)
            desires.insert(0, passed)
        return desires

    def _learn(
        self,
        desires: Sequence[Tensor],
        trains: Sequence[Tensor],
        masks: Sequence[Tensor | None],
    ) -> Tensor:
        active = torch.zeros(self._batch_size, dtype=torch.bool, device=self.labels.device)
        for layer, desire in enumerate(desires, start=1):
            mask, rate = _mask_of(masks, layer), self._rates[layer - 1]
            active |= self._network.learn_layer(layer, trains, desire, mask, rate)
        return active


class CapturedRun(TrainingRun):
    """A training run whose full minibatches are captured steps.

    Data lie on the device already. Progress is told, checkpoints are due and interrupts are
    heard once every 64 minibatches, where the totals are read: the only wait for the device.
    """

    _step: CapturedStep | None = None

    def _minibatches(self) -> Iterator[None]:
        images, labels = self.train
        config, network = self.network.config, self.network
        batch_size = config.batch_size
        order = torch.from_numpy(epoch_order(config.seed, self.epoch, len(labels)))
        order = order.to(labels.device)
        shifts = self._shifts()
        while len(labels) - self.samples_done >= batch_size:
            if self._step is None:
                self._step = CapturedStep(network, batch_size, images.dtype)
            step = self._step
            step.begin(config.learning_rate_at(self.epoch), network.samples_seen)
            num_steps = min(_STEPS_A_CHUNK, (len(labels) - self.samples_done) // batch_size)
            last = self.samples_done + num_steps * batch_size
            for first in range(self.samples_done, last, batch_size):
                part = slice(first, first + batch_size)
                torch.index_select(images, 0, order[part], out=step.images)
                torch.index_select(labels, 0, order[part], out=step.labels)
                if shifts is not None:
                    step.images.copy_(shift_images(step.images, shifts[part]))
                step.run()
                if self.average is not None:
                    self.average.update()
            num_correct, num_active = step.totals.tolist()
            network.samples_seen += num_steps * batch_size
            self.samples_done = last
            self.num_correct += num_correct
            self.num_active += num_active
            yield
        if self.samples_done < len(labels):
            yield from super()._minibatches()


def _device_dropout(stream: DropoutStream, device: torch.device) -> DeviceDropout | None:
    """Return what draws a layer's masks; nothing where no neuron is dropped."""
    return DeviceDropout(stream, device) if stream.probability else None


def _mask_of(masks: Sequence[Tensor | None], layer: int) -> Tensor | None:
    """Return the dropout mask of layer ℓ; the output layer has none."""
    return masks[layer] if layer < len(masks) else None
