"""What :mod:`test_invented` claims, run where the package finds the options of `invented`."""

from __future__ import annotations

import dataclasses
import multiprocessing
from functools import cache
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from differential.accounts import ENGINE_PAIRS, LAVA_PAIRS, Examination
from differential.by_engine import run_engine
from differential.draw import draw
from differential.trace import compare
from lava_desire import DesireConfig, DesireNetwork
from lava_desire.cli import main
from lava_desire.model.fields import declared

pytestmark = pytest.mark.filterwarnings("ignore::lava_desire.data.DataWarning")

INVENTED = {
    field.name: declared(field).example
    for field in dataclasses.fields(DesireConfig)
    if field.name in ("spike_cost", "target_count", "least_lead", "image_cut")
}
CASE = 63  # a network that learns, in two epochs


def case_of(**changes):
    """Return a case in which all of them are on."""
    case = draw(CASE)
    return dataclasses.replace(
        case,
        config=case.config.replace(
            class_margin=0, tie_break="undecided", image_brightness=0.0, **INVENTED | changes
        ),
    )


@cache
def examination():
    found = Examination(CASE)
    found.case = case_of()
    return found


def test_each_of_them_changes_what_is_learned_or_decided():
    with_all = run_engine(case_of())
    for name in INVENTED:
        default = DesireConfig.__dataclass_fields__[name].default
        without = run_engine(case_of(**{name: default}))
        assert any((with_all[key] != without[key]).any() for key in without), name


@pytest.mark.parametrize("pair", ENGINE_PAIRS, ids=" = ".join)
def test_backends_compute_the_same_with_them(pair):
    assert examination().compare(pair)


@pytest.mark.parametrize("pair", LAVA_PAIRS, ids=" = ".join)
@pytest.mark.skipif(find_spec("lava") is None, reason="Lava is not installed")
def test_lava_computes_the_same_with_them(pair):
    assert examination().compare(pair)


def test_what_is_not_for_integers_is_refused_by_name():
    config = DesireConfig((4, 3), **INVENTED)
    network = DesireNetwork(config, arithmetic="fixed_point")
    with pytest.raises(ValueError, match=r"spike_cost is 0\.5: expected 0 where a network learns"):
        network.train_step(np.full((1, 4), 200, np.uint8), np.array([1]), 0.01)


def rank(number, place, told):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{place}", rank=number, world_size=2
    )
    told.send(run_engine(case_of(batch_size=4)))


def test_two_ranks_learn_what_one_does(tmp_path):
    context = multiprocessing.get_context("fork")
    answers = []
    for number in (0, 1):
        answer, told = context.Pipe(duplex=False)
        arguments = (number, tmp_path / "store", told)
        context.Process(target=rank, args=arguments, daemon=True).start()
        answers.append(answer)
    alone = run_engine(case_of(batch_size=4))
    for answer in answers:
        assert answer.poll(300), "a rank hangs"
        assert compare(alone, answer.recv(), ("one", "two"))


def call(*arguments):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 0


def test_the_command_line_offers_them_and_resumes(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    call("train", "--help")
    said = capsys.readouterr().out
    given = [f"--{name.replace('_', '-')}={value}" for name, value in INVENTED.items()]
    assert all(option.split("=")[0] in said for option in given)
    shape = ["--layers=20", "--batch-size=64", "--quiet", *given]
    call("train", "--epochs=2", "--output=straight", *shape)
    call("train", "--epochs=1", "--output=broken", *shape)
    call("train", "--epochs=2", "--resume=broken", "--quiet")
    straight, broken = (
        DesireNetwork.load(f"{name}/checkpoint.safetensors") for name in ("straight", "broken")
    )
    assert {name: getattr(broken.config, name) for name in INVENTED} == INVENTED
    for one, other in zip(straight.numpy_weights(), broken.numpy_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    call("eval", "straight", "--least-lead=0", "--json")
