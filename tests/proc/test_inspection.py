"""A window of a running network is recorded as it was, and drawn."""

from __future__ import annotations

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")
from matplotlib.image import imread

from lava_desire import DesireConfig
from lava_desire.proc import DesireChain, DesireSimCfg, SampleSource, WindowRecorder, plot_window

from lava.magma.core.run_conditions import RunSteps  # isort: skip

CONFIG = DesireConfig((6, 12, 8, 3), num_steps=8, error_margin=1, learning_rate=1e-2, seed=3)


@pytest.fixture(scope="module")
def run():
    generator = np.random.default_rng(0)
    chain = DesireChain.build(CONFIG)
    source = SampleSource(
        config=CONFIG, images=generator.random((4, 6)).astype(np.float32), labels=[0, 1, 2, 0]
    )
    source.brightness_out.connect(chain.encoder.brightness_in)
    source.label_out.connect(chain.teacher.label_in)
    recorder = WindowRecorder(chain, num_windows=4)
    learned = [connection.weights for connection in chain.connections]
    before = [var.init.copy() for var in learned]
    try:
        chain.teacher.run(RunSteps(4 * CONFIG.window_steps), DesireSimCfg())
        records = [recorder.window(index) for index in range(4)]
        after = [var.get() for var in learned]
    finally:
        chain.teacher.stop()
    return recorder, records, before, after


def test_spikes_and_desires_stand_in_their_steps(run):
    _, records, _, _ = run
    for record in records:
        for layer, desires in enumerate(record.desires, start=1):
            arrival = CONFIG.num_steps + 1 + CONFIG.num_layers - layer
            steps = np.flatnonzero(desires.any(axis=1)) + 1
            assert set(steps) <= {arrival}
            assert record.spikes[layer].shape == (CONFIG.window_steps, CONFIG.layer_sizes[layer])
            assert not record.spikes[layer][0].any()
            assert not record.spikes[layer][CONFIG.num_steps + 1 :].any()
    assert any(record.desires[0].any() for record in records)


def test_changes_add_up_to_what_was_learned(run):
    _, records, before, after = run
    for layer in range(CONFIG.num_layers):
        moved = np.abs(after[layer] - before[layer]).sum(axis=1)
        summed = np.sum([record.changes[layer] for record in records], axis=0)
        assert (summed >= moved - 1e-5).all()
        assert ((summed > 0) == (moved > 0)).all()


def test_a_window_is_drawn(run, tmp_path):
    _, records, _, _ = run
    path = tmp_path / "window.png"
    plot_window(records[1], path, label=1, neurons=(0, 7))
    picture = imread(path)
    assert picture.shape[0] > 800
    assert picture[..., :3].std() > 0.05


def test_what_was_not_recorded_is_refused(run, tmp_path):
    recorder, records, _, _ = run
    with pytest.raises(ValueError, match="index is 4: expected 0 <= index < 4"):
        recorder.window(4)
    with pytest.raises(ValueError, match=r"neurons is \(8,\): expected one to three in \[0, 8\)"):
        plot_window(records[0], tmp_path / "window.png", neurons=(8,))
