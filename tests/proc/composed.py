"""A network composed of the processes as a user would, for the tests in this folder."""

from __future__ import annotations

import numpy as np

from lava_desire import DesireConfig
from lava_desire.proc import DesireDense, DesireLIF, DesireTeacher, RateEncoder, SampleSource

from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.monitor.process import Monitor  # isort: skip


class Network:
    """Source, encoder, connections, layers and teacher, wired as a user would."""

    def __init__(self, config, weights, images, labels, masks=None, training=True, source=True):
        masks = masks or [None] * config.num_layers
        common = {"config": config, "training": training}
        self.encoder = RateEncoder(dropout_masks=masks[0], **common)
        self.dense = [
            DesireDense(
                layer=layer, weights=weights[layer - 1], learning_enabled=training, **common
            )
            for layer in range(1, config.num_layers + 1)
        ]
        self.lif = [
            DesireLIF(
                layer=layer,
                dropout_masks=masks[layer] if layer < config.num_layers else None,
                **common,
            )
            for layer in range(1, config.num_layers + 1)
        ]
        self.teacher = DesireTeacher(config=config)
        if source:
            self.source = SampleSource(config=config, images=images, labels=labels)
            self.source.brightness_out.connect(self.encoder.brightness_in)
            self.source.label_out.connect(self.teacher.label_in)
        below = self.encoder
        for dense, lif in zip(self.dense, self.lif, strict=True):
            below.s_out.connect(dense.s_in)
            dense.a_out.connect(lif.a_in)
            lif.s_out.connect(dense.s_post_in)
            if lif is not self.lif[-1]:
                lif.desire_out.connect(dense.desire_in)
            if below is not self.encoder:
                dense.z_out.connect(below.z_in)
            below = lif
        below.s_out.connect(self.teacher.s_in)
        self.teacher.desire_out.connect(self.dense[-1].desire_in)

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
