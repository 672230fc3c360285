"""Channels without threads carry what Lava's channels carry."""

from __future__ import annotations

import threading

import numpy as np
import pytest

pytest.importorskip("lava.magma", reason="Lava is not installed")

import lava_desire.proc  # noqa: F401  (lets Lava import)
from lava_desire.lava_runtime.actors import SupervisedProcessing
from lava_desire.lava_runtime.channels import DirectChannel, DirectSelector

from lava.magma.compiler.channels.pypychannel import CspSelector  # isort: skip


@pytest.fixture
def infrastructure():
    infrastructure = SupervisedProcessing(str)
    infrastructure.start()
    yield infrastructure
    infrastructure.end(0.0)


def channel_of(infrastructure, size=2, shape=(3,), dtype=np.int32):
    channel = DirectChannel(infrastructure, "sender", "receiver", shape, dtype, size)
    channel.src_port.start()
    channel.dst_port.start()
    return channel.src_port, channel.dst_port


def message(value):
    return np.full(3, value, np.int32)


def test_messages_arrive_in_order_and_a_full_channel_has_no_room(infrastructure):
    sender, receiver = channel_of(infrastructure)
    assert not receiver.probe()
    assert not receiver.wait(0.01)
    for value in (1, 2):
        assert sender.probe()
        sender.send(message(value))
    assert not sender.probe()
    assert not sender.wait(0.01)
    for value in range(1, 20):
        np.testing.assert_array_equal(receiver.peek(), message(value))
        np.testing.assert_array_equal(receiver.recv(), message(value))
        assert sender.wait(0.01)
        sender.send(message(value + 2))
    assert receiver.recv()[0] == 20


def test_a_message_is_a_copy(infrastructure):
    sender, receiver = channel_of(infrastructure, size=1)
    sender.send(message(1))
    first = receiver.recv()
    sender.send(message(2))
    np.testing.assert_array_equal(first, message(1))


def test_a_message_of_another_shape_is_refused_by_name(infrastructure):
    sender, receiver = channel_of(infrastructure)
    with pytest.raises(ValueError, match=r"shape \(4,\) was sent by sender: expected \(3,\)"):
        sender.send(np.zeros(4, np.int32))
    assert not receiver.probe()


@pytest.mark.parametrize("selector", [CspSelector, DirectSelector])
@pytest.mark.parametrize("already_there", [0, 1])
def test_several_channels_can_be_waited_for_at_once(infrastructure, selector, already_there):
    first, second = channel_of(infrastructure), channel_of(infrastructure)
    for value in range(already_there):
        second[0].send(message(value))
        assert second[1].recv()[0] == value
    actions = [(first[1], lambda: "first"), (second[1], lambda: "second")]
    timer = threading.Timer(0.05, lambda: second[0].send(message(7)))
    timer.start()
    assert selector().select(*actions) == "second"
    assert second[1].recv()[0] == 7
    first[0].send(message(8))
    assert selector().select(*actions) == "first"
    # Ports that have been waited for together go on alone.
    np.testing.assert_array_equal(first[1].peek(), message(8))
    assert first[1].wait(0.01)
    assert first[1].recv()[0] == 8
    assert not first[1].wait(0.01)
    timer.join()


def test_a_sender_can_be_waited_for_as_well(infrastructure):
    sender, receiver = channel_of(infrastructure)
    for value in (1, 2):
        sender.send(message(value))
    threading.Timer(0.05, receiver.recv).start()
    assert CspSelector().select((sender, lambda: "room")) == "room"
    assert sender.wait(0.01)
    sender.send(message(3))
    assert not sender.wait(0.01)
    assert [receiver.recv()[0] for _ in range(2)] == [2, 3]


def test_one_channel_alone_is_waited_for_without_a_thread(infrastructure):
    sender, receiver = channel_of(infrastructure)
    sender.send(message(1))
    assert DirectSelector().select((receiver, lambda: "ready")) == "ready"
    assert receiver.thread is None
    assert receiver.recv()[0] == 1
