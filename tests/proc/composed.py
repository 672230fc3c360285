"""A network composed of the processes as a user would, for the tests in this folder."""

from __future__ import annotations

import numpy as np

from lava_desire import DesireConfig
from lava_desire.proc import DesireChain, SampleSource

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip


class Network:
    """A source and a chain of processes, under short names."""

    def __init__(self, config, weights, images, labels, masks=None, training=True, source=True):
        chain = DesireChain.build(
            config, weights, training=training, learning_enabled=training, dropout_masks=masks
        )
        self.encoder, self.teacher = chain.encoder, chain.teacher
        self.dense, self.lif = chain.connections, chain.layers
        if source:
            self.source = SampleSource(config=config, images=images, labels=labels)
            self.source.brightness_out.connect(self.encoder.brightness_in)
            self.source.label_out.connect(self.teacher.label_in)

    def run(self, steps):
        self.teacher.run(RunSteps(steps), Loihi2SimCfg(select_tag="floating_pt"))


def probed(member, steps):
    monitor = Monitor()
    monitor.probe(member, steps)

    def values():
        process = next(iter(monitor.get_data().values()))
        return next(iter(process.values()))

    return values


CONFIG = DesireConfig((4, 6, 3), num_steps=8, error_margin=1, learning_rate=1e-2)
IMAGES = np.eye(4, dtype=np.float32)[:3]
LABELS = np.arange(3)


def small(**options):
    generator = np.random.default_rng(0)
    weights = [generator.normal(0.5, 0.7, shape).astype(np.float32) for shape in ((6, 4), (3, 6))]
    return Network(CONFIG, weights, IMAGES, LABELS, **options)
