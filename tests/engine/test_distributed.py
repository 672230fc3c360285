"""Several ranks train as one process does. Each number of ranks is started once, for all tests."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from lava_desire import DesireNetwork, fit
from lava_desire.backends.wire import pack_spikes, pack_words, unpack_spikes, unpack_words
from lava_desire.checkpoint import read_checkpoint
from lava_desire.engine import Interrupted, open_process_group
from lava_desire.training.distributed import pack_samples, unpack_samples

from .rank_worker import BASE, CASES, FIT, data, network_of

TIMING = ("samples_per_second", "seconds")
EXACT = [case for case in CASES if case != "bfloat16x2"]


def start(size, folder):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    shared = {"WORLD_SIZE": str(size), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared |= {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    script = Path(__file__).parent / "rank_worker.py"
    processes = [
        subprocess.Popen(
            [sys.executable, str(script), str(folder)],
            env={**os.environ, **shared, "RANK": str(rank)},
        )
        for rank in range(size)
    ]
    try:
        assert [process.wait(timeout=240) for process in processes] == [0] * size
    finally:
        for process in processes:
            process.kill()
    return [json.loads((folder / f"found.{rank}.json").read_text()) for rank in range(size)]


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    """One process: every case, and a run broken off in its second epoch."""
    folder = tmp_path_factory.mktemp("alone")
    for case in CASES:
        fit(network_of(case), *data(case), folder=folder / case, **FIT.get(case, {}))

    def interrupt(progress):
        if (progress.epoch, progress.samples_done) == (1, 80):
            raise InterruptedError

    with pytest.raises(InterruptedError):
        fit(
            network_of("compiled"),
            *data(),
            folder=folder / "broken",
            checkpoint_seconds=0,
            on_progress=interrupt,
        )
    return folder


@pytest.fixture(scope="module", params=[2, 3])
def ranks(request, alone, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"ranks-{request.param}")
    shutil.copytree(alone / "broken", folder / "to resume")
    return folder, start(request.param, folder)


def without_timing(records):
    return [
        {name: value for name, value in record.items() if name not in TIMING} for record in records
    ]


def assert_same_run(one, other):
    mine, expected = (read_checkpoint(place / "checkpoint.safetensors") for place in (one, other))
    for name in ("weights", "average", "input_rates"):
        for left, right in zip(getattr(mine, name), getattr(expected, name), strict=True):
            np.testing.assert_array_equal(left, right)
    states = [{**checkpoint.state, "seconds": 0} for checkpoint in (mine, expected)]
    for state in states:
        state["records"] = without_timing(state["records"])
    assert states[0] == states[1]
    assert mine.samples_seen == expected.samples_seen
    assert mine.formats == expected.formats
    assert mine.rated_samples == expected.rated_samples


@pytest.mark.parametrize("case", EXACT)
def test_ranks_end_as_one_process_to_the_bit(alone, ranks, case):
    folder, found = ranks
    assert_same_run(folder / case, alone / case)
    histories = [without_timing(answer[case]) for answer in found]
    assert histories == [histories[0]] * len(found)
    last = DesireNetwork.load(folder / f"{case}.last_rank")
    first = DesireNetwork.load(folder / case / "checkpoint.safetensors")
    for mine, expected in zip(last.numpy_weights(), first.numpy_weights(), strict=True):
        np.testing.assert_array_equal(mine, expected)


def test_bfloat16x2_is_as_close_as_it_can_be(alone, ranks):
    folder, _ = ranks
    for mine, expected in zip(
        read_checkpoint(folder / "bfloat16x2" / "checkpoint.safetensors").weights,
        read_checkpoint(alone / "bfloat16x2" / "checkpoint.safetensors").weights,
        strict=True,
    ):
        np.testing.assert_allclose(mine, expected, atol=1e-6)


def test_only_the_first_rank_writes(alone, ranks):
    folder, _ = ranks
    names = [{path.name for path in (place / "compiled").iterdir()} for place in (folder, alone)]
    assert names[0] == names[1]


def test_a_signal_to_one_rank_stops_all_at_one_step_and_one_process_goes_on(alone, ranks):
    folder, found = ranks
    assert {answer["interrupted"][0] for answer in found} == {Interrupted.__name__}
    place = folder / "broken"
    state = read_checkpoint(place / "checkpoint.safetensors").state
    # The flag travels with the step that follows the signal.
    assert (state["epoch"], state["samples_done"]) == (1, 176)
    fit(network_of("compiled"), *data(), folder=place, resume=True)
    assert_same_run(place, alone / "compiled")


def test_ranks_go_on_with_the_run_of_one_process(alone, ranks):
    folder, _ = ranks
    assert_same_run(folder / "to resume", alone / "compiled")


def test_all_ranks_learn_why_one_has_failed(ranks):
    _, found = ranks
    message = "the disk of rank 1 is on fire"
    assert found[1]["failed"] == ["ValueError", message]
    assert all(
        found[rank]["failed"] == ["RankError", message] for rank in (0, *range(2, len(found)))
    )


def test_what_differs_between_ranks_is_refused_by_all(ranks):
    _, found = ranks
    message = "rank 1 has another training and test data than rank 0: expected the same"
    for answer in found:
        assert answer["other data"][1].startswith(message)


@pytest.mark.parametrize("case", ["small batch", "smaller batch"])
def test_more_ranks_than_samples_are_refused_by_all(ranks, case):
    _, found = ranks
    for answer in found:
        assert answer[case][0] in ("ValueError", "RankError")
        assert "expected at least one sample a rank" in answer[case][1]


def test_a_refusal_of_the_first_rank_reaches_all(ranks):
    _, found = ranks
    assert found[0]["occupied"][0] == "FileExistsError"
    for answer in found:
        assert "already holds a run" in answer["occupied"][1]


def test_a_rank_that_is_gone_is_missed_at_once(ranks):
    _, found = ranks
    assert found[0]["gone"][0] == "RankError"
    assert "has lost another rank" in found[0]["gone"][1]


@pytest.mark.parametrize("num_steps", [1, 8, 20, 64])
def test_packed_trains_come_back(num_steps):
    generator = np.random.Generator(np.random.Philox(key=num_steps))
    spikes = torch.from_numpy(generator.random((num_steps, 3, 5)) < 0.5)
    planes = pack_spikes(spikes)
    assert planes.shape == (3, -(-num_steps // 8), 5)
    assert torch.equal(unpack_spikes(planes, num_steps), spikes)
    weights = torch.tensor([1 << step for step in range(63)] + [-(1 << 63)])[:num_steps]
    words = (spikes.to(torch.int64) * weights[:, None, None]).sum(0)
    assert torch.equal(pack_words(words, num_steps), planes)
    assert torch.equal(unpack_words(planes), words)


def test_samples_without_desire_do_not_travel():
    network = DesireNetwork(BASE)
    (images, labels), _ = data()
    activity = network.forward(images[:8])
    desires = [desire.clone() for desire in network.desires(activity, labels[:8])]
    for desire in desires:
        desire[[0, 3, 4]] = 0
        desire[[1, 2, 5, 6, 7], 0] = 1
    packed = pack_samples(activity, desires, first=2)
    row = 4 + 3 * (64 + 40 + 20 + 10) + 40 + 20 + 10
    assert packed.numel() == 5 * row
    whole, received = unpack_samples(network, packed, batch_size=12)
    for mine, expected in zip(received, desires, strict=True):
        assert torch.equal(mine[2:10], expected)
        assert not mine[:2].any()
    for mine, expected in zip(whole.spikes, activity.spikes, strict=True):
        assert torch.equal(mine[:, [3, 4, 7, 8, 9]], expected[:, [1, 2, 5, 6, 7]])
        assert not mine[:, [0, 1, 2, 5, 6, 10, 11]].any()


@pytest.mark.parametrize("num_desiring", [0, 1, 2])
def test_few_samples_travel_whatever_the_length_of_a_row(num_desiring):
    config = BASE.replace(layer_sizes=(5, 3, 2), image_shift=0)
    network = DesireNetwork(config)
    activity = network.forward(np.ones((4, 5), np.float32))
    desires = [torch.zeros(4, size, dtype=torch.int8) for size in config.layer_sizes[1:]]
    desires[0][:num_desiring, 1] = -1
    packed = pack_samples(activity, desires, first=1)
    row = 4 + 3 * (5 + 3 + 2) + 3 + 2  # no multiple of the four bytes of a place
    assert packed.numel() == num_desiring * row
    whole, received = unpack_samples(network, packed, batch_size=6)
    for mine, expected in zip(received, desires, strict=True):
        assert torch.equal(mine[1:5], expected)
    for mine, expected in zip(whole.spikes, activity.spikes, strict=True):
        assert torch.equal(mine[:, 1 : 1 + num_desiring], expected[:, :num_desiring])


def test_a_process_that_torchrun_has_not_started_is_no_rank(monkeypatch):
    monkeypatch.delenv("RANK", raising=False)
    with pytest.raises(ValueError, match=r"RANK.* not in the environment: expected a process that"):
        open_process_group()
