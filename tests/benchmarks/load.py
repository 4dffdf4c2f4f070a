"""A cheap load client: unary gRPC calls over HTTP/2 and mTLS, many in flight, one thread.

The usual load tools present no client certificate, and the gRPC library for Python spends as much
on a call as the server does. This one sends frames that are made beforehand and reads no more of an
answer than it must: 20 to 30 µs a call, most of it TLS. A call counts as good when it brought a
message and ended; one refused brings no message. What the messages say is checked before, by a real
client.

Only what two gRPC servers need of RFC 9113 and RFC 7541 is here.
"""

from __future__ import annotations

import selectors
import socket
import ssl
import struct
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

WARM_UP = 0.3  # seconds, not counted
PATIENCE = 10.0  # seconds without any answer

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_FRAME = struct.Struct(">IBI")  # length and type, flags, stream
_DATA, _HEADERS, _RST_STREAM, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
_ACK = _END_STREAM = 1
_END_HEADERS = 4
_GREATEST_WINDOW = 2**31 - 1
_FIRST_WINDOW = 65_535
_INITIAL_WINDOW_SIZE = 4
_PREFIX = 5  # bytes before a gRPC message
#: :method POST, :scheme https, then the five fields that the first request put into the table.
_KNOWN_FIELDS = bytes([0x83, 0x87, 0xC2, 0xC1, 0xC0, 0xBF, 0xBE])


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A method of a server, and the identity to call it with."""

    port: int
    path: str
    identity: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """What came of it; latencies in milliseconds, from the request's sending to its end."""

    completed: int
    failed: int
    seconds: float
    latencies: Sequence[float]
    mean_answer: int
    #: CPU time of this client per call, µs.
    client_cost: float

    @property
    def rate(self) -> float:
        """Good calls a second. Raises RuntimeError where any was not good."""
        if self.failed or not self.completed:
            raise RuntimeError(f"{self.failed} of {self.failed + self.completed} calls failed")
        return self.completed / self.seconds

    def latency(self, share: float) -> float:
        """The latency that this share of calls stayed below, ms."""
        return self.latencies[min(int(len(self.latencies) * share), len(self.latencies) - 1)]


def drive(
    target: Target,
    messages: Sequence[bytes],
    *,
    in_flight: int,
    connections: int,
    seconds: float,
) -> Load:
    """Keep `in_flight` calls under way for some seconds, with serialised messages in turn."""
    source = cycle(messages)
    opened = [_Connection(target, source) for _ in range(connections)]
    try:
        return _drive(opened, in_flight // connections, seconds)
    finally:
        for one in opened:
            one.close()


def _drive(opened: list[_Connection], each: int, seconds: float) -> Load:
    selector = selectors.DefaultSelector()
    for one in opened:
        selector.register(one.socket, selectors.EVENT_READ, one)
        one.ask(each)
    began = time.perf_counter() + WARM_UP
    end = began + seconds
    began_cpu: float | None = None
    while (now := time.perf_counter()) < end:
        if began_cpu is None and now >= began:
            began, began_cpu = now, time.process_time()
            for one in opened:
                one.forget()
        ready = selector.select(PATIENCE)
        if not ready:
            raise RuntimeError("the server does not answer")
        for key, _ in ready:
            one = key.data
            one.ask(one.receive())
            writing = selectors.EVENT_WRITE if one.waits_to_send else 0
            selector.modify(one.socket, selectors.EVENT_READ | writing, one)
    took = time.perf_counter() - began
    cost = time.process_time() - (began_cpu or 0.0)
    completed = sum(len(one.latencies) for one in opened)
    return Load(
        completed=completed,
        failed=sum(one.failed for one in opened),
        seconds=took,
        latencies=sorted(took * 1000 for one in opened for took in one.latencies),
        mean_answer=sum(one.received for one in opened) // max(completed, 1),
        client_cost=cost / max(completed, 1) * 1e6,
    )


class _Connection:
    """One HTTP/2 connection."""

    def __init__(self, target: Target, messages: Iterator[bytes]) -> None:
        self.latencies: list[float] = []
        self.failed = 0
        self.received = 0
        self._messages = messages
        self._fields = _first_fields(target.path)
        self._stream = 1
        self._owed = 0
        self._window = _FIRST_WINDOW
        self._began: dict[int, float] = {}
        self._answered: set[int] = set()
        self._in = bytearray()
        self._out = bytearray()
        raw = socket.create_connection(("127.0.0.1", target.port), PATIENCE)
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = _context(target.identity).wrap_socket(raw, server_hostname="localhost")
        settings = struct.pack(">HI", _INITIAL_WINDOW_SIZE, _GREATEST_WINDOW)
        # The connection's window is never enlarged again: it is enough for 2 GiB of answers.
        more = struct.pack(">I", _GREATEST_WINDOW - _FIRST_WINDOW)
        self.socket.sendall(
            _PREFACE + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, more)
        )
        self.socket.setblocking(False)

    @property
    def waits_to_send(self) -> bool:
        """Whether the socket took less than it was given."""
        return bool(self._out)

    def forget(self) -> None:
        """Begin to count."""
        self.latencies.clear()
        self.failed = self.received = 0

    def close(self) -> None:
        """Hang up."""
        self.socket.close()

    def ask(self, count: int) -> None:
        """Begin so many calls, as far as the server's window goes; the others follow."""
        self._owed += count
        out, now = self._out, time.perf_counter()
        while self._owed:
            message = next(self._messages)
            size = len(message) + _PREFIX
            if size > self._window:
                break
            stream = self._stream
            out += _frame(_HEADERS, _END_HEADERS, stream, self._fields)
            out += _FRAME.pack(size << 8 | _DATA, _END_STREAM, stream)
            out += b"\0" + struct.pack(">I", len(message)) + message
            self._began[stream] = now
            self._window -= size
            self._owed -= 1
            self._stream += 2
            self._fields = _KNOWN_FIELDS
        self._flush()

    def receive(self) -> int:
        """Read what is there; how many calls ended."""
        try:
            while True:
                data = self.socket.recv(1 << 18)
                if not data:
                    raise RuntimeError("the server hung up")
                self._in += data
        except ssl.SSLWantReadError:
            pass
        now, ended, at = time.perf_counter(), 0, 0
        buffer = self._in
        while len(buffer) - at >= 9:
            word, flags, stream = _FRAME.unpack_from(buffer, at)
            size, kind = word >> 8, word & 0xFF
            if len(buffer) - at < 9 + size:
                break
            if kind == _DATA:
                self._answered.add(stream)
                self.received += size
            elif kind == _HEADERS:
                if flags & _END_STREAM:
                    ended += 1
                    self._end(stream, now)
            else:
                ended += self._control(kind, flags, stream, buffer[at + 9 : at + 9 + size], now)
            at += 9 + size
        del buffer[:at]
        return ended

    def _end(self, stream: int, now: float) -> None:
        began = self._began.pop(stream)
        if stream in self._answered:
            self._answered.discard(stream)
            self.latencies.append(now - began)
            self.received -= _PREFIX
        else:
            self.failed += 1

    def _control(self, kind: int, flags: int, stream: int, body: bytearray, now: float) -> int:
        if kind == _WINDOW_UPDATE and stream == 0:
            self._window += int.from_bytes(body, "big")
        elif kind == _SETTINGS and not flags & _ACK:
            self._out += _frame(_SETTINGS, _ACK, 0, b"")
        elif kind == _PING and not flags & _ACK:
            self._out += _frame(_PING, _ACK, 0, bytes(body))
        elif kind == _GOAWAY:
            raise RuntimeError(f"the server goes away: {bytes(body[8:])!r}")
        elif kind == _RST_STREAM and stream in self._began:
            self._answered.discard(stream)
            self._end(stream, now)
            return 1
        return 0

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self.socket.send(self._out)
                del self._out[:sent]
        except ssl.SSLWantWriteError:
            pass


def _frame(kind: int, flags: int, stream: int, body: bytes) -> bytes:
    return _FRAME.pack(len(body) << 8 | kind, flags, stream) + body


def _first_fields(path: str) -> bytes:
    """The fields of the first request, which the server keeps in its table (RFC 7541 6.2.1)."""

    def text(value: bytes) -> bytes:
        assert len(value) < 127
        return bytes([len(value)]) + value

    return b"".join(
        [
            b"\x83\x87",
            b"\x44" + text(path.encode()),
            b"\x41" + text(b"localhost"),
            b"\x40" + text(b"te") + text(b"trailers"),
            b"\x5f" + text(b"application/grpc"),
            b"\x7a" + text(b"tongban-bench"),
        ]
    )


def _context(identity: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(identity / "ca.pem"))
    context.load_cert_chain(identity / "cert.pem", identity / "key.pem")
    context.set_alpn_protocols(["h2"])
    return context
