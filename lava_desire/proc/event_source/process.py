"""The source of recordings: spike trains as a process, one recording a window."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.process.ports.ports import OutPort

from lava_desire.config import DesireConfig
from lava_desire.data.checks import check_labels
from lava_desire.data.spike_trains import SpikeSource, SpikeTrains, check_size, read_samples
from lava_desire.proc.checks import check_count, check_layer, check_options
from lava_desire.proc.source import AbstractSource
from lava_desire.proc.window import sample_shape


class EventSource(AbstractSource):
    """Recordings as a process: one minibatch a window, and from the beginning after the last.

    Parameters
    ----------
    config : DesireConfig
        N_0, N_L, T, the length of a window and the seed are taken from it.
    spikes : array, SpikeTrains or SpikeSource
        (T, S, N_0) or (T, S, C, H, W) bool, C · H · W = N_0; the same, packed; or a data set with
        labels, as :class:`~lava_desire.data.events.EventDataset`, of which the recordings of a
        window are read when it begins, so that it may be larger than memory.
    labels : array, optional
        (S,) or (S, 1) integers in [0, N_L), or one-hot, (S, N_L) of 0 and 1; those of a data set
        when not given. Without any, `label_in` of a network is to be left open.
    held_out : tuple or SpikeSource, optional
        Spikes and labels, or a data set, to test with; sent in order while `evaluating` is on.
    shuffle : bool
        Whether each epoch visits the recordings in an order of its own, that of the engine.
    batch_size : int
        Recordings B a window, for a network that takes as many. An epoch that B does not divide
        ends within a window.
    position : int
        Recordings that have been sent before: where in which epoch to go on.

    Ports
    -----
    s_out : (N_0,) bool, spikes of t = step − 1 in the steps 1 to T of a window, as those of
        :class:`~lava_desire.proc.RateEncoder`; zeros in the L steps after them.
    label_out : (1,) int64, the same in every step of a window; −1 without labels.
        With B > 1 these are (B, N_0) and (B,).

    Vars
    ----
    sample, position, evaluating : as of :class:`~lava_desire.proc.SampleSource`.

    Raises
    ------
    ValueError
        If an argument is not as above; when a run begins, if `label_in` of a network hears a source
        without labels.
    TypeError
        If a parameter has another name than these, `name` and `log_config`.

    Examples
    --------
    >>> import numpy as np
    >>> from lava.magma.core.run_conditions import RunSteps
    >>> from lava_desire import DesireConfig
    >>> from lava_desire.proc import DesireSequential, DesireSimCfg, EventSource
    >>> config = DesireConfig((32, 20, 2), num_steps=10)
    >>> spikes = np.random.default_rng(0).random((10, 6, 32)) < 0.2  # time, recording, neuron
    >>> source = EventSource(config=config, spikes=spikes, labels=[0, 1, 0, 1, 0, 1])
    >>> network = DesireSequential(config=config)
    >>> source.s_out.connect(network.s_in)
    >>> source.label_out.connect(network.label_in)
    >>> network.run(RunSteps(2 * config.window_steps), DesireSimCfg("floating_pt"))
    >>> int(network.num_samples.get()[0])
    2
    >>> network.stop()
    """

    def __init__(
        self,
        *,
        config: DesireConfig,
        spikes: Any,
        labels: Any = None,
        held_out: Any = None,
        shuffle: bool = False,
        batch_size: int = 1,
        position: int = 0,
        **options: Any,
    ) -> None:
        check_options(type(self), options)
        check_layer(config, 1)
        batch_size = check_count("batch_size", batch_size, 1)
        samples = others = _checked(config, spikes, labels)
        if held_out is not None:
            is_data_set = isinstance(held_out, SpikeSource)
            held_spikes, held_labels = (held_out, None) if is_data_set else held_out
            others = _checked(config, held_spikes, held_labels, "held-out ")
        super().__init__(
            config=config,
            samples=samples,
            held_out=others,
            shuffle=shuffle,
            batch_size=batch_size,
            position=check_count("position", position, 0),
            **options,
        )
        self.s_out = OutPort(shape=sample_shape(batch_size, config.num_inputs))


class Recordings:
    """Spike trains that a model reads by their numbers, and shares: they may be larger than memory.

    Errors call the spikes, which are as :class:`EventSource` takes them, by `name`.
    """

    def __init__(self, spikes: Any, config: DesireConfig, name: str) -> None:
        if not isinstance(spikes, SpikeSource | SpikeTrains):
            spikes = SpikeTrains.pack(spikes, name)
        if not len(spikes):
            raise ValueError(f"{name} hold no sample: expected at least one")
        self._spikes, self._config, self._name = spikes, config, name
        self(np.zeros(1, np.int64))  # refused early

    def __len__(self) -> int:
        return len(self._spikes)

    def __deepcopy__(self, memo: Any) -> Recordings:
        return self  # of a network in one process parameters are copied

    def __call__(self, samples: Any) -> Any:
        """Return samples by their numbers, (B,) int64, as (T, B, N_0) bool."""
        found, config = read_samples(self._spikes, samples, self._name), self._config
        expected = config.num_steps, config.num_inputs
        check_size(found.num_steps, found.shape, expected, self._name, config.input_shape)
        return found.unpack()


def _checked(
    config: DesireConfig, spikes: Any, labels: Any, which: str = ""
) -> tuple[Recordings, Any]:
    """Return recordings and their labels as (S,) int64, −1 where none are given."""
    recordings = Recordings(spikes, config, f"{which}spikes")
    if labels is None:
        labels = getattr(spikes, "labels", None)
    num_samples = len(recordings)
    if labels is None:
        return recordings, np.full(num_samples, -1)
    labels = check_labels(labels, f"{which}labels", num_samples, config.num_classes)
    return recordings, np.asarray(labels)
