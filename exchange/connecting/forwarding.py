"""Forwarding: a question that was authorized goes to the source's own system, and its answer back.

1. Which resources are forwarded is in memory, fresh within `CHECK_SECONDS`, and at once in the
   process that changed it. If the store cannot be asked, nothing is answered from stale memory.
2. A question takes as long as its caller still waits, less a margin for projection and the record,
   and never longer than the endpoint's own time.
3. An endpoint whose host is approved no longer is not called. Nor is one whose breaker is open, or
   that has as many questions under way as it may: these are refused at once, without waiting.
   A department has never more under way than there are places free beside, so that one whose
   questions take long leaves places to the others, however many it asks.
4. Logs and metrics say which resource, how it went and how long it took; no key, value or text.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path

import structlog
from prometheus_client import Counter as Counting
from prometheus_client import Histogram

from exchange.catalog.schema import ResourceSchema
from exchange.connecting.asking import (
    Asked,
    Connector,
    Hides,
    Outcome,
    SourceFailed,
    nothing,
    records_of,
)
from exchange.connecting.breaker import Breaker, BreakerState, Rule
from exchange.connecting.grpc_fetch import GrpcConnector
from exchange.connecting.http_json import HttpConnector
from exchange.connecting.model import Endpoint, Kind
from exchange.connecting.national import PlatformConnector
from exchange.connecting.store import EndpointReader
from exchange.connecting.transport import tls
from exchange.freshness import Watch
from runtime.clock import Clock
from runtime.database import Database
from runtime.errors import DomainError
from runtime.identity import Credentials
from runtime.vault import Vault

CHECK_SECONDS = 0.25
MARGIN = 0.05  # seconds for what comes after the source's answer
LEAST = 0.02  # seconds: with less, nothing is asked

FETCHES = Counting("tongban_source_fetches_total", "Questions to sources.", ["resource", "outcome"])
SECONDS = Histogram(
    "tongban_source_seconds",
    "Time from a question to a source to its answer.",
    ["resource"],
    buckets=(0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30),
)
_log = structlog.get_logger()


class Forwarding:
    """Asks sources; used on one event loop.

    `identity` is the folder of the node's own certificate, which sources are shown.
    """

    def __init__(self, database: Database, *, identity: Path, vault: Vault, clock: Clock) -> None:
        self._reader = EndpointReader(database)
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._endpoints: dict[str, tuple[Endpoint, bool]] = {}
        self._watch = Watch(epoch=self._reader.epoch, moved=self._read, seconds=CHECK_SECONDS)
        self._lines: dict[str, _Line] = {}
        self._closing: set[asyncio.Task[None]] = set()

    def serves(self, resource: str) -> bool:
        """Whether questions about a resource are forwarded. Raises Unavailable."""
        self._watch.look()
        return resource in self._endpoints

    def is_platform(self, resource: str) -> bool:
        """Whether a forwarded resource is a service of the national platform."""
        endpoint, _ = self._endpoints.get(resource, (None, False))
        return endpoint is not None and endpoint.kind is Kind.PLATFORM

    def invalidate(self) -> None:
        """See this process's own change with the next look: called after its commit."""
        self._watch.invalidate()

    def state(self, resource: str) -> BreakerState:
        """How this process sees an endpoint."""
        line = self._lines.get(resource)
        return BreakerState.CLOSED if line is None else line.breaker.state

    async def fetch(
        self,
        *,
        schema: ResourceSchema,
        keys: Sequence[str],
        items: Sequence[str],
        purpose: str,
        case_number: str,
        consumer: str,
        grant: str,
        time_remaining: Callable[[], float | None],
        hides: Hides = nothing,
    ) -> dict[str, str | None]:
        """The records by key, as canonical JSON of the wanted items; None for an absent one.

        What does not fit and is hidden counts as absent (`records_of`).

        At most `asking.GREATEST_KEYS` keys, each once. Raises SourceFailed.
        """
        asked = Asked(
            resource=schema.resource,
            keys=tuple(keys),
            items=tuple(items),
            purpose=purpose,
            case_number=case_number,
            consumer=consumer,
            grant=grant,
            request_id=str(uuid.uuid4()),
        )
        began = time.monotonic()
        outcome = Outcome.NOT_CALLED
        try:
            found = await self._fetch(asked, schema, time_remaining(), hides)
            outcome = Outcome.ANSWERED
        except SourceFailed as failed:
            outcome = failed.outcome
            _log.warning(
                "source_failed",
                resource=asked.resource,
                outcome=outcome.value,
                status=failed.status,
                request_id=asked.request_id,
            )
            raise
        finally:
            FETCHES.labels(resource=asked.resource, outcome=outcome.value).inc()
            SECONDS.labels(resource=asked.resource).observe(time.monotonic() - began)
        return found

    async def _fetch(
        self, asked: Asked, schema: ResourceSchema, remaining: float | None, hides: Hides
    ) -> dict[str, str | None]:
        endpoint, approved = self._endpoints.get(asked.resource, (None, False))
        if endpoint is None:  # removed since it was looked up
            raise SourceFailed(Outcome.NOT_CALLED, retry_after=1)
        if not approved:
            raise SourceFailed(Outcome.NOT_APPROVED, retry_after=60)
        own = endpoint.timeout_ms / 1000
        seconds = own if remaining is None else min(own, remaining - MARGIN)
        if seconds < LEAST:
            raise SourceFailed(Outcome.TIMED_OUT, retry_after=1)
        line = self._line(endpoint)
        return await line.fetch(asked, schema, seconds, hides, whole=seconds >= own)

    def _line(self, endpoint: Endpoint) -> _Line:
        line = self._lines.get(endpoint.resource)
        if line is None or line.endpoint.etag != endpoint.etag:
            self._retire(line)
            line = self._lines[endpoint.resource] = _Line(
                endpoint, identity=self._identity, vault=self._vault, clock=self._clock
            )
        return line

    def _retire(self, line: _Line | None) -> None:
        if line is not None:
            task = asyncio.get_running_loop().create_task(line.retire())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _read(self, _seen: int, _now: int) -> None:
        self._endpoints = self._reader.read()

    def renew(self) -> None:
        """Show sources the certificate that is in the folder now, from the next question on."""
        lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            self._retire(line)

    async def close(self) -> None:
        """Close all connections."""
        lines, self._lines = list(self._lines.values()), {}
        await asyncio.gather(*(line.retire() for line in lines), *self._closing)


class _Line:
    """One endpoint as it is spoken to: its connector, its breaker, what is under way."""

    def __init__(self, endpoint: Endpoint, *, identity: Path, vault: Vault, clock: Clock) -> None:
        self.endpoint = endpoint
        pause = timedelta(seconds=endpoint.cool_down_seconds)
        self.breaker = Breaker(rule=Rule(failures=endpoint.failures, cool_down=pause))
        self._identity = identity
        self._vault = vault
        self._clock = clock
        self._making = asyncio.Lock()
        self._connector: Connector | None = None
        self._under_way: Counter[str] = Counter()  # by the department that asks
        self._idle = asyncio.Event()
        self._idle.set()

    async def fetch(
        self, asked: Asked, schema: ResourceSchema, seconds: float, hides: Hides, *, whole: bool
    ) -> dict[str, str | None]:
        """The records. `whole`: the source gets all of its own time, and must answer in it."""
        free = self.endpoint.max_in_flight - self._under_way.total()
        if self._under_way[asked.consumer] >= free:
            raise SourceFailed(Outcome.NOT_CALLED, retry_after=1)
        now = self._clock.now()
        self.breaker, may = self.breaker.admit(now)
        if not may:
            raise SourceFailed(Outcome.NOT_CALLED, retry_after=self.breaker.retry_after(now))
        turn = self.breaker.turn
        self._under_way[asked.consumer] += 1
        self._idle.clear()
        try:
            found = await self._ask(asked, schema, seconds, hides)
        except SourceFailed as failed:
            self._judge(turn, failed, whole, asked.consumer)
            raise
        except BaseException:  # the caller is gone
            self.breaker = self.breaker.abandoned(turn, self._clock.now())
            raise
        else:
            self.breaker = self.breaker.succeeded(turn)
            return found
        finally:
            self._under_way[asked.consumer] -= 1
            if not self._under_way[asked.consumer]:
                del self._under_way[asked.consumer]
            if not self._under_way:
                self._idle.set()

    async def _ask(
        self, asked: Asked, schema: ResourceSchema, seconds: float, hides: Hides
    ) -> dict[str, str | None]:
        connector = self._connector or await self._made()
        fetched = await connector.fetch(asked, timeout=seconds)
        return records_of(fetched, asked, schema, hides)

    def _judge(self, turn: int, failed: SourceFailed, whole: bool, consumer: str) -> None:
        now = self._clock.now()
        if failed.outcome is Outcome.TIMED_OUT and not whole:
            self.breaker = self.breaker.abandoned(turn, now)
        elif failed.down:
            before = self.breaker.state
            # It was reached, and answered badly or not in time: perhaps because of what was asked.
            reached = failed.outcome in (Outcome.REFUSED, Outcome.MALFORMED, Outcome.TIMED_OUT)
            self.breaker = self.breaker.failed(turn, now, consumer if reached else "")
            if self.breaker.state is not before:
                _log.warning("source_closed", resource=self.endpoint.resource)
        else:
            self.breaker = self.breaker.succeeded(turn)

    async def _made(self) -> Connector:
        async with self._making:
            if self._connector is None:
                try:
                    self._connector = await self._make()
                except DomainError as error:
                    _log.error(
                        "connector_failed", resource=self.endpoint.resource, reason=error.reason
                    )
                    raise SourceFailed(Outcome.NOT_CALLED) from None
            return self._connector

    async def _make(self) -> Connector:
        """Its connector. Off the loop: reading files, and above all opening a secret, takes time.

        Raises FailedPrecondition where the node's certificate or the secret does not open.
        """
        endpoint = self.endpoint
        if endpoint.kind is Kind.GRPC:
            own = await asyncio.to_thread(Credentials.read, self._identity)
            return GrpcConnector(endpoint, own)
        context = await asyncio.to_thread(tls, endpoint.authority, self._identity)
        if endpoint.kind is Kind.HTTP_JSON:
            return HttpConnector(endpoint, context)
        secret = await asyncio.to_thread(self._vault.open, endpoint.secret, name=endpoint.resource)
        return PlatformConnector(endpoint, context, secret=secret, clock=self._clock)

    async def retire(self) -> None:
        """Close, once what is under way has ended."""
        await self._idle.wait()
        if self._connector is not None:
            await self._connector.close()
