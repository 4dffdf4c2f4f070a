"""MonitoringService: the store to protobuf, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from google.protobuf.timestamp_pb2 import Timestamp

from exchange.monitoring import traffic
from exchange.monitoring.model import Alert, AlertKind, CallRecord
from exchange.monitoring.store import MonitoringStore
from exchange.v1 import monitoring_pb2 as pb
from runtime import paging
from runtime.errors import FieldViolation, InvalidArgument
from runtime.identity import Role
from runtime.rpc import Call

_OVERSEERS = frozenset({Role.ADMINISTRATOR, Role.AUDITOR})
POLICY: Mapping[str, frozenset[Role]] = {
    "ListCallRecords": _OVERSEERS,
    "ListAlerts": _OVERSEERS,
    "MeasureTraffic": _OVERSEERS,
}
_KINDS = {
    AlertKind.VOLUME: pb.ALERT_KIND_UNUSUAL_VOLUME,
    AlertKind.SEQUENCE: pb.ALERT_KIND_SEQUENTIAL_KEYS,
    AlertKind.OFF_HOURS: pb.ALERT_KIND_OFF_HOURS,
    AlertKind.REFUSED: pb.ALERT_KIND_REFUSED_ATTEMPTS,
    AlertKind.CLAIMS: pb.ALERT_KIND_REPEATED_CLAIMS,
}
_BY_NUMBER = {number: kind.value for kind, number in _KINDS.items()} | {0: ""}


class MonitoringServicer:
    """The methods of MonitoringService; plain ones, as they ask the database."""

    def __init__(self, store: MonitoringStore) -> None:
        self._store = store

    def ListCallRecords(  # noqa: N802  # the protocol's name
        self, request: pb.ListCallRecordsRequest, _call: Call
    ) -> pb.ListCallRecordsResponse:
        """A page of records."""
        size = paging.page_size(request.page_size)
        rows = self._store.records(
            before=paging.last_number_of(request.page_token),
            limit=size + 1,
            system=request.system,
            grant=request.grant,
            refused=request.refused_only,
        )
        page, token = paging.cut(rows, size, lambda one: str(one.number))
        return pb.ListCallRecordsResponse(
            records=[_record(one) for one in page], next_page_token=token
        )

    def MeasureTraffic(  # noqa: N802
        self, request: pb.MeasureTrafficRequest, _call: Call
    ) -> pb.MeasureTrafficResponse:
        """Calls over time. Raises InvalidArgument (BAD_SPAN)."""
        steps = traffic.steps_of(
            request.start_time.seconds, request.end_time.seconds, request.step_seconds
        )
        rows = self._store.traffic(steps.start, steps.end, steps.length)
        return pb.MeasureTrafficResponse(
            steps=[
                pb.TrafficStep(
                    start_time=Timestamp(seconds=one.start),
                    calls=one.calls,
                    refused=one.refused,
                    failed=one.failed,
                    median_ms=one.median_ms,
                    p95_ms=one.p95_ms,
                )
                for one in traffic.told(rows)
            ]
        )

    def ListAlerts(  # noqa: N802
        self, request: pb.ListAlertsRequest, _call: Call
    ) -> pb.ListAlertsResponse:
        """A page of alerts. Raises InvalidArgument for a kind that there is not."""
        size = paging.page_size(request.page_size)
        if request.kind not in _BY_NUMBER:
            raise InvalidArgument(
                "there is no such kind of alert",
                message_zh="没有这种告警类型",
                violations=[FieldViolation("kind", "unknown")],
            )
        rows = self._store.alerts(
            before=paging.last_number_of(request.page_token),
            limit=size + 1,
            kind=_BY_NUMBER[request.kind],
        )
        page, token = paging.cut(rows, size, lambda one: str(one.number))
        return pb.ListAlertsResponse(alerts=[_alert(one) for one in page], next_page_token=token)


def _record(one: CallRecord) -> pb.CallRecord:
    return pb.CallRecord(
        system=one.system,
        method=one.method,
        request_time=_micros(one.request_in),
        handler_begin_time=_micros(one.handler_begin),
        handler_end_time=_micros(one.handler_end),
        response_time=_micros(one.response_out),
        request_bytes=one.request_bytes,
        response_bytes=one.response_bytes,
        code=one.code,
        reason=one.reason,
        grant=one.grant,
        resource=one.resource,
        purpose_hash=one.purpose,
        rows=one.rows,
        items=one.items,
    )


def _alert(one: Alert) -> pb.Alert:
    return pb.Alert(
        number=one.number,
        kind=_KINDS[one.kind],
        subject=one.subject,
        system=one.system,
        window_start_time=_time(one.window_start),
        window_end_time=_time(one.window_end),
        count=one.count,
        threshold=one.threshold,
    )


def _micros(value: int) -> Timestamp:
    made = Timestamp()
    made.FromMicroseconds(value)
    return made


def _time(at: datetime) -> Timestamp:
    made = Timestamp()
    made.FromDatetime(at)
    return made
