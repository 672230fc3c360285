"""Lava does on every supported Python and NumPy what it does on those that it was made for."""

from __future__ import annotations

import inspect
import json
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

pytest.importorskip("lava.magma", reason="Lava is not installed")

from lava_desire.lava_runtime import import_lava, mends

import_lava()

from lava.magma.core.process.ports.connection_config import ConnectionConfig  # isort: skip
from lava.magma.core.process.ports.ports import ReshapePort  # isort: skip
from lava.magma.core.process.process import AbstractProcess, Collection  # isort: skip
from lava.proc.clp.nsm.models import PyAllocatorModel  # isort: skip
from lava.proc.conv import utils  # isort: skip
from lava.proc.graded import models as graded  # isort: skip
from lava.magma.core.run_conditions import RunSteps  # isort: skip
from lava.magma.core.run_configs import Loihi2SimCfg  # isort: skip
from lava.proc.graded.process import NormVecDelay  # isort: skip
from lava.proc.io.sink import RingBuffer as Sink  # isort: skip
from lava.proc.io.source import RingBuffer as Source  # isort: skip
from lava.proc.lif.process import LIF  # isort: skip
from lava.utils import serialization, sparse  # isort: skip

HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def deprecations_are_errors():
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        yield


def test_fixed_point_has_the_bits_of_numpy_1(monkeypatch):
    monkeypatch.syspath_prepend(HERE)
    from fixed_traces import traces

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert traces() == json.loads((HERE / "fixed_traces.json").read_text())


def test_a_port_is_reshaped_both_ways():
    class Port(ReshapePort):
        pass

    mends._reshape_by_position(SimpleNamespace(ReshapePort=Port))
    port, data = Port(new_shape=(3, 2), old_shape=(6,)), np.arange(6)
    forward, backward = port.get_transform_func_fwd(), port.get_transform_func_bwd()
    np.testing.assert_array_equal(forward(data), [[0, 1], [2, 3], [4, 5]])
    np.testing.assert_array_equal(backward(forward(data)), data)


def test_a_collection_has_no_attribute_that_it_has_not():
    class Ports(Collection):
        pass

    mends._miss_as_python_does(SimpleNamespace(Collection=Ports))
    ports = Ports(LIF(shape=(1,)), "OutPort")
    assert not hasattr(ports, "__wrapped__")
    with pytest.raises(AssertionError, match="'b' is not a member of 'OutPort'"):
        ports.b  # noqa: B018


def test_a_collection_can_be_looped_over_at_any_time():
    variables = LIF(shape=(1,)).vars
    everything = list(variables)
    assert len(everything) == len(variables.member_names) > 2
    next(iter(variables))
    assert list(variables) == everything
    assert [(one, other) for one in variables for other in variables] == [
        (one, other) for one in everything for other in everything
    ]


def test_a_process_is_bound_by_its_with_statement():
    neurons = LIF(shape=(1,))
    with neurons as bound:
        assert bound is neurons


def test_each_out_port_may_be_connected_with_a_configuration():
    sender, source = NormVecDelay((1,)), Source(data=np.ones((1, 2), int))
    source.s_out.connect([sender.a_in1, sender.a_in2])
    sinks = [Sink(shape=(1,), buffer=2) for _ in range(3)]
    sender.s_out.connect(sinks[0].a_in, connection_configs=ConnectionConfig())
    sender.s2_out.connect(
        [sinks[1].a_in, sinks[2].a_in], connection_configs=[ConnectionConfig()] * 2
    )
    try:
        sender.run(RunSteps(2), Loihi2SimCfg(select_tag="fixed_pt"))
        assert sinks[2].data.get().shape == (1, 2)
    finally:
        sender.stop()


def test_what_is_saved_under_a_name_is_loaded_under_it(tmp_path):
    name = str(tmp_path / "network")
    serialization.save(LIF(shape=(3,), name="saved"), name)
    for each in (name, f"{name}.pickle"):
        assert serialization.load(each)[0].name == "saved"
    with pytest.raises(OSError, match=r"other\.pickle could not be found"):
        serialization.load(str(tmp_path / "other"))
    with pytest.raises(TypeError, match="must be string"):
        serialization.load(3)


def test_explicit_zeros_are_found_in_a_matrix_that_may_only_be_read():
    stored = csr_matrix(([2.0, 0.0], ([0, 1], [1, 2])), shape=(2, 3))
    stored.data.flags.writeable = False
    rows, columns, values = sparse.find(stored, explicit_zeros=True)
    np.testing.assert_array_equal([rows, columns, values], [[0, 1], [1, 2], [2, 0]])


@pytest.mark.parametrize(
    ("of_ours", "said"),
    [
        (AbstractProcess.__enter__, "Return the process, which is stopped at the end of the block"),
        (Collection.__iter__, "Return an iterator of its own over the members"),
    ],
)
def test_what_does_something_else_than_lavas_says_so(of_ours, said):
    assert inspect.getdoc(of_ours) == f"{said}."


def test_what_does_the_same_keeps_lavas_words():
    assert inspect.getdoc(sparse.find).startswith("Behaves like scipy.sparse.find")


def test_an_allocator_counts_the_neurons_that_it_allocates():
    class Allocator(PyAllocatorModel):
        def __init__(self):
            pass

    mends._allocate_by_slice(SimpleNamespace(PyAllocatorModel=Allocator))
    assert Allocator.run_spk.__doc__.startswith("Send the id of the next neuron")
    sent, asked = [], iter([[0], [1], [1]])
    model = Allocator()
    model.next_alloc_id = np.array([1], np.int32)
    model.trigger_in = SimpleNamespace(recv=lambda: np.array(next(asked)))
    model.allocate_out = SimpleNamespace(shape=(2,), send=sent.append)
    for _ in range(3):
        model.run_spk()
    np.testing.assert_array_equal(sent, [[0, 0], [1, 0], [2, 0]])


def test_the_inverse_root_takes_an_array_of_one_number():
    module = SimpleNamespace(inv_sqrt=graded.inv_sqrt)
    mends._take_a_number(module)
    assert module.inv_sqrt(np.array([4096 * 4], np.int32)) == graded.inv_sqrt(4096 * 4)
    # 1 / √4 with 12 bits behind the point
    assert module.inv_sqrt(np.array([4096 * 4], np.int32)) == pytest.approx(2048, abs=2)


def test_a_convolution_takes_planes_of_more_than_127_pixels():
    module = SimpleNamespace(conv=utils.conv)
    mends._measure_in_int(module)
    plane = np.arange(300.0).reshape(300, 1, 1)
    pair, one, none = (np.array([n, 1 if n else 0], np.int8) for n in (2, 1, 0))
    summed = module.conv(plane, np.ones((1, 2, 1, 1)), pair, one, none, one, np.int8(1))
    np.testing.assert_array_equal(summed[:, 0, 0], plane[:-1, 0, 0] + plane[1:, 0, 0])
    far = np.array([200, 1])  # a kernel whose span is more than 127
    summed = module.conv(plane, np.ones((1, 2, 1, 1)), pair, one, none, far, np.int8(1))
    np.testing.assert_array_equal(summed[:, 0, 0], plane[:-200, 0, 0] + plane[200:, 0, 0])
