"""Calls as OpenTelemetry spans, by OTLP over HTTP in JSON; opt-in, and no library is needed.

A span is made of the same note as the record, off the hot path; when the handler began and ended
are events of it. The caller's `traceparent` (W3C Trace Context) is its parent. What the collector
does not take at once is dropped: traces help to find what is slow, they prove nothing.
"""

from __future__ import annotations

import http.client
import re
import secrets
from typing import Any
from urllib.parse import urlsplit

import orjson
from prometheus_client import Counter

from runtime.observing import Seen

SPANS = Counter("tongban_spans_total", "Spans for the collector.", ["outcome"])
SECONDS = 2.0
#: Spans of one second; more are dropped.
GREATEST = 5000
_PARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")
#: Of SpanKind and of StatusCode in opentelemetry/proto/trace/v1.
SERVER, ERROR = 2, 2


class Tracer:
    """Sends spans to one collector."""

    def __init__(self, address: str) -> None:
        self._url = urlsplit(address)

    def take(self, notes: list[Seen]) -> None:
        """Send the spans of these calls; never raises."""
        sent = [span_of(note) for note in notes[:GREATEST]]
        dropped = len(notes) - len(sent)
        try:
            self._post(payload(sent))
        except (OSError, http.client.HTTPException):
            dropped, sent = len(notes), []
        SPANS.labels(outcome="sent").inc(len(sent))
        SPANS.labels(outcome="dropped").inc(dropped)

    def _post(self, body: bytes) -> None:
        make = (
            http.client.HTTPSConnection
            if self._url.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = make(self._url.hostname or "", self._url.port, timeout=SECONDS)
        try:
            path = self._url.path.rstrip("/") + "/v1/traces"
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            if connection.getresponse().status != http.client.OK:
                raise OSError("not taken")
        finally:
            connection.close()


def payload(spans: list[dict[str, Any]]) -> bytes:
    """An ExportTraceServiceRequest in JSON."""
    resource = {"attributes": [_text("service.name", "tongban")]}
    scope = {"scope": {"name": "tongban"}, "spans": spans}
    return orjson.dumps({"resourceSpans": [{"resource": resource, "scopeSpans": [scope]}]})


def span_of(note: Seen) -> dict[str, Any]:
    """A call as a span."""
    parent = _PARENT.fullmatch(note.trace)
    service, _, method = note.method.strip("/").partition("/")
    handled = note.handled or note.ended
    answered = note.answered or note.ended
    span: dict[str, Any] = {
        "traceId": parent[1] if parent else secrets.token_hex(16),
        "spanId": secrets.token_hex(8),
        "name": note.method.strip("/"),
        "kind": SERVER,
        "startTimeUnixNano": str(note.at),
        "endTimeUnixNano": str(note.at + _nanos(note.ended - note.began)),
        "attributes": [
            _text("rpc.system", "grpc"),
            _text("rpc.service", service),
            _text("rpc.method", method),
            _text("rpc.response.status_code", note.code),
            _text("tongban.system", note.system),
        ],
        "events": [
            {"name": name, "timeUnixNano": str(note.at + _nanos(at - note.began))}
            for name, at in (("handler begin", handled), ("handler end", answered))
        ],
        "status": {} if note.code == "OK" else {"code": ERROR, "message": note.reason},
    }
    if parent:
        span["parentSpanId"] = parent[2]
    return span


def _text(key: str, value: str) -> dict[str, Any]:
    return {"key": key, "value": {"stringValue": value}}


def _nanos(seconds: float) -> int:
    return int(seconds * 1e9)
