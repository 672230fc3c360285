"""Channels inside one operating-system process: a queue; each message is copied once.

They stand in the place of Lava's channels of shared memory. The sender copies the message, and
casts it to the type of the port; the receiver has that copy for itself. An end that must wait sets
its model aside, see :mod:`lava_desire.lava_runtime.driver`.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.compiler.channels.interfaces import Channel, ChannelType
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSelector, CspSendPort
from lava.magma.core.model.py.ports import (
    IdentityTransformer,
    PyInPortVectorDense,
    PyOutPortVectorDense,
)
from lava.utils.sparse import find
from scipy.sparse import csr_matrix

_POKE_SECONDS = 0.1
"""How long a thread outside the network waits for it at a stretch; Ctrl-C is seen in between."""

_INT32_OF_LAVA = 4
"""What Lava has for the type int32 where a model in C is at the other end."""


class _End:
    """Base of both ends of a channel."""

    thread = None
    _done = False
    observer: Callable[[], Any] | None = None
    """What is called when a thread outside the network may find the end ready."""
    _name: str
    _shape: tuple[int, ...]
    _dtype: Any
    _size: int
    send: Callable[[Any], None]
    recv: Callable[[], Any]
    peek: Callable[[], Any]

    def __init__(self, channel: LocalChannel, name: str) -> None:
        self.channel = channel
        self._name = name
        self._shape, self._dtype, self._size = channel.shape, channel.dtype, channel.size

    def start(self) -> None:
        """Do nothing: there is nothing to map."""

    def join(self) -> None:
        """Do nothing: there is nothing to give back."""
        self._done = True

    def __deepcopy__(self, memo: Any) -> Any:
        """Return itself: an end belongs to its channel."""
        return self


class LocalSendPort(_End, CspSendPort):
    """The end that sends."""

    def __init__(self, channel: LocalChannel, name: str) -> None:
        super().__init__(channel, name)
        self.send = _sender(channel, _copier(channel.dtype))

    def probe(self) -> bool:
        """Return whether there is room for a message."""
        return len(self.channel.queue) < self.channel.size


class LocalRecvPort(_End, CspRecvPort):
    """The end that receives."""

    def __init__(self, channel: LocalChannel, name: str) -> None:
        super().__init__(channel, name)
        self._queue = _Count(channel.queue)
        self.recv = _receiver(channel)

    def probe(self) -> bool:
        """Return whether there is a message."""
        return bool(self.channel.queue)

    def peek(self) -> Any:
        """Return the next message, and leave it there."""
        channel = self.channel
        if not channel.queue:
            channel.wait(True)
        return channel.queue[0].copy()


class _Count:
    """Lava's processes for input and output ask a queue for its size."""

    def __init__(self, queue: deque[Any]) -> None:
        self.qsize = queue.__len__


class LocalChannel(Channel):
    """A channel between two models of one operating-system process.

    It holds `size` messages. `waiting` are the greenlets that wait: to receive under True, to send
    under False. Where messages are answers of a VarPort, `serve` has its owner answer, and
    returns whether it did.
    """

    def __init__(
        self,
        infrastructure: Any,
        src_name: str,
        dst_name: str,
        shape: tuple[int, ...],
        dtype: Any,
        size: int,
        *_: Any,
    ) -> None:
        self.driver = infrastructure.driver
        self.shape, self.size = shape, size
        self.dtype = np.dtype(
            np.int32 if isinstance(dtype, int) and dtype == _INT32_OF_LAVA else dtype
        )
        self.queue: deque[Any] = deque()
        self.waiting: dict[bool, Any] = {True: None, False: None}
        self.serve: Callable[[], bool] | None = None
        self.is_external = False
        # Who has the ends, for messages; the runtime fills it in.
        self.source: Any = None
        self.destination: Any = None
        self._src_port = LocalSendPort(self, src_name)
        self._dst_port = LocalRecvPort(self, dst_name)

    @property
    def src_port(self) -> Any:
        """The end that sends."""
        return self._src_port

    @property
    def dst_port(self) -> Any:
        """The end that receives."""
        return self._dst_port

    def is_ready(self, receives: bool) -> bool:
        """Return whether there is a message to receive, or room for one to send."""
        return bool(self.queue) if receives else len(self.queue) < self.size

    def wait(self, receives: bool) -> None:
        """Wait for a message, or for room for one."""
        while not self.is_ready(receives):
            if self.serve is None or not self.serve():
                self.driver.wait_for(self, receives)

    def wake(self, receives: bool) -> None:
        """Let the model go on that waits at one end."""
        waiting, self.waiting[receives] = self.waiting[receives], None
        if waiting is not None:
            self.driver.ready.append(waiting)


def _copier(dtype: np.dtype[Any]) -> Callable[[Any], Any]:
    """Return what makes a message of an array: a copy of that type."""

    def copied(data: Any) -> Any:
        return data.copy() if data.dtype is dtype else data.astype(dtype, order="C")

    return copied


def _sender(channel: LocalChannel, copied: Callable[[Any], Any]) -> Callable[[Any], None]:
    """Return the function that sends; a step of a network comes by here some dozen times."""
    queue, shape, dtype, size = channel.queue, channel.shape, channel.dtype, channel.size
    append, waiting = queue.append, channel.waiting

    def send(data: Any) -> None:
        """Send a copy of a message, when there is room for it."""
        if data.__class__ is not np.ndarray:
            data = _as_lava_does(data, shape, dtype)
        if data.shape != shape:
            name = channel.src_port.name
            raise ValueError(
                f"a message of shape {data.shape} was sent by {name}: expected {shape}"
            )
        if len(queue) >= size:
            channel.wait(False)
        append(copied(data))
        if waiting[True] is not None:
            channel.wake(True)

    return send


def _as_lava_does(data: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    if data.shape != shape:
        return data  # the caller says so
    if isinstance(data, csr_matrix):
        data = find(data, explicit_zeros=True)[2]
    message = np.empty(shape, dtype)
    message[:] = data[:]
    return message


def _receiver(channel: LocalChannel) -> Callable[[], Any]:
    queue, waiting = channel.queue, channel.waiting
    popleft = queue.popleft

    def recv() -> Any:
        """Receive the next message."""
        if not queue:
            channel.wait(True)
        message = popleft()
        if waiting[False] is not None:
            channel.wake(False)
        return message

    return recv


class ExternalChannel(LocalChannel):
    """A channel of which one end is in the network and the other in the program that runs it.

    The program sends where it `leads_in`, else it receives.
    """

    def __init__(self, *arguments: Any, leads_in: bool) -> None:
        super().__init__(*arguments)
        self.is_external = True
        self._moved = threading.Condition()
        inside_send, inside_recv = self._src_port.send, self._dst_port.recv

        def send_outside(data: Any) -> None:
            self._wait_outside(False)
            inside_send(data)
            self.driver.poke()

        def recv_outside() -> Any:
            self._wait_outside(True)
            message = inside_recv()
            self.driver.poke()
            return message

        def send_inside(data: Any) -> None:
            inside_send(data)
            self._tell(self._dst_port)

        def recv_inside() -> Any:
            message = inside_recv()
            self._tell(self._src_port)
            return message

        self._src_port.send = send_outside if leads_in else send_inside
        self._dst_port.recv = recv_inside if leads_in else recv_outside
        if not leads_in:
            self._dst_port.__dict__["peek"] = self._peek_outside

    def _peek_outside(self) -> Any:
        self._wait_outside(True)
        return self.queue[0].copy()

    def _tell(self, end: Any) -> None:
        with self._moved:
            self._moved.notify_all()
        if end.observer is not None:
            end.observer()

    def _wait_outside(self, receives: bool) -> None:
        with self._moved:
            while not self.is_ready(receives):
                if self.driver.has_ended:
                    raise RuntimeError("the network has ended: nothing is sent or received")
                self._moved.wait(_POKE_SECONDS)


class LocalSelector(CspSelector):
    """Waits for several ports at once, as models do that use Lava's selector."""

    def __init__(self, driver: Any) -> None:
        super().__init__()
        self._driver = driver

    def select(self, *channel_actions: Any) -> Any:
        """Wait until a port is ready, and return what its action returns."""
        ends = [port for port, _ in channel_actions]
        while True:
            for port, action in channel_actions:
                if port.probe():
                    return action()
            self._driver.wait_for_any(
                [(port.channel, isinstance(port, LocalRecvPort)) for port in ends]
            )


class CommandPort(_End, CspRecvPort):
    """Where a model receives the commands that the driver gives it."""

    def __init__(self, driver: Any) -> None:
        self.queue: deque[Any] = deque()
        self._name = "service_to_process"
        self._shape, self._dtype, self._size = (1,), np.dtype(np.float64), 64
        self._driver = driver
        self._queue = _Count(self.queue)

    def recv(self) -> Any:
        """Receive the next command."""
        return self.queue.popleft()

    def peek(self) -> Any:
        """Return the next command, and leave it there."""
        return self.queue[0]

    def probe(self) -> bool:
        """Return whether there is a command, after the other models have had a turn."""
        if not self.queue:
            self._driver.give_way()
        return bool(self.queue)


class ReplyPort(_End, CspSendPort):
    """Where a model sends its replies to the driver."""

    def __init__(self) -> None:
        self.replies: list[float] = []
        self._name = "process_to_service"
        self._shape, self._dtype, self._size = (1,), np.dtype(np.float64), 64

    def send(self, data: Any) -> None:
        """Send a reply, an array of one number."""
        self.replies.append(float(data[0]))

    def probe(self) -> bool:
        """Return True: there is always room."""
        return True


class LocalInfrastructure:
    """Lava's message infrastructure without operating-system processes."""

    def __init__(self, driver: Any) -> None:
        self.driver = driver
        self.actors: list[Any] = []
        self.smm = None

    def start(self) -> None:
        """Do nothing: there is no shared memory."""

    def stop(self) -> None:
        """Do nothing: there are no children."""

    def channel_class(self, channel_type: ChannelType) -> Any:
        """Return what channels between Python processes are made of."""
        if channel_type is not ChannelType.PyPy:
            raise ValueError(f"a channel is of type {channel_type!r}: expected one between Pythons")
        return LocalChannel


def make_ports_direct(models: list[Any]) -> None:
    """Spare the common ports of models what they do not need; messages are the same to the bit.

    An in port without a transformation adds its messages to zeros, as Lava does, which makes a -0.0
    into 0.0. Where it has one link, that is done as the message is copied. An out port sends
    straight to its links.
    """
    ports = [port for model in models for port in model.py_ports]
    for port in ports:
        if type(port) is PyInPortVectorDense and type(port._transformer) is IdentityTransformer:
            channels = [end.channel for end in port.csp_ports if isinstance(end, _End)]
            zeros = np.zeros(port._shape, port._d_type)
            if len(channels) == len(port.csp_ports) > 0 and all(
                each.shape == zeros.shape for each in channels
            ):
                port.recv = _direct_recv(zeros, channels)
    for port in ports:  # once the ends are what they will be
        if type(port) is PyOutPortVectorDense:
            sends = [end.send for end in port.csp_ports if isinstance(end, _End)]
            if len(sends) == len(port.csp_ports) > 0:
                port.send = sends[0] if len(sends) == 1 else _send_to_all(sends)


def _send_to_all(sends: list[Callable[[Any], None]]) -> Callable[[Any], None]:
    def send(data: Any) -> None:
        for each in sends:
            each(data)

    return send


def _direct_recv(zeros: Any, channels: list[LocalChannel]) -> Callable[[], Any]:
    recvs = [channel.dst_port.recv for channel in channels]
    if len(channels) == 1 and not channels[0].is_external:
        added = _adder(zeros, channels[0].dtype)
        if added is not None:
            channels[0].src_port.send = _sender(channels[0], added)
            return recvs[0]

    def recv_and_add() -> Any:
        message = zeros
        for recv in recvs:
            message = message + recv()
        return message

    return recv_and_add


def _adder(zeros: Any, dtype: np.dtype[Any]) -> Callable[[Any], Any] | None:
    """Return what makes a message of an array, cast to a type and added to zeros."""
    result = np.result_type(zeros.dtype, dtype)
    if dtype.kind in "biu" and result.kind in "biuf":
        if result == dtype:
            return _copier(dtype)
        return lambda data: data.astype(dtype).astype(result, order="C")
    if dtype.kind != "f" or result != dtype:
        return None
    zeros, add = zeros.astype(dtype), np.add

    def added(data: Any) -> Any:
        if data.dtype is dtype:
            return add(zeros, data, order="C")
        message = data.astype(dtype, order="C")
        return message if data.dtype.kind in "biu" else add(zeros, message, message)

    return added
