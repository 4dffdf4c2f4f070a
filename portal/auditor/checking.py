"""Pages on which an auditor checks: records, the whole log, two departments' receipts, evidence.

1. What is checked here is checked in the portal by the offline verifier (`verifying`), with the key
   that the auditor gives; without one the node's own, and the page says so.
2. Files that are sent are held in memory for the answer, and kept nowhere.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import catalog_pb2_grpc
from portal.auditor import comparing, traffic, verifying
from portal.auditor.evidence import GREATEST_DOCUMENT, bundle_of
from portal.auditor.log import Log, read
from portal.auditor.verifying import Work, Works
from portal.auditor.words import KINDS, OUTCOMES, SIDES, WORKS
from portal.catalog import display_names
from portal.pages import language_of, page, sayer
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from portal.uploads import File, Form, form_with_files
from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument
from runtime.identity import Role

_AUDITOR = for_roles(Role.AUDITOR)
_OVERSEERS = for_roles(Role.AUDITOR, Role.ADMINISTRATOR)
_KEY: Final = 1000
MOST_RECEIPTS: Final = 400
GREATEST_RECEIPT: Final = 1024 * 1024
TOGETHER: Final = 32 * 1024 * 1024
STRETCH: Final = 20_000
LONGEST_PERIOD: Final = 366
SHOWN: Final = 500


def works_of(request: Request) -> Works:
    """The works of this process."""
    state = request.app.state
    if not hasattr(state, "works"):
        state.works = Works()
    held: Works = state.works
    return held


def _log(request: Request, person: Person) -> Log:
    return Log(person, request.app.state.node.address)


@_AUDITOR
async def ask(request: Request, person: Person) -> Response:
    """What may be verified, and how far the whole log is."""
    return await _ask(request, person)


async def _ask(
    request: Request, person: Person, error: DomainError | None = None, **said: str
) -> Response:
    return page(
        request,
        "auditor/verify.html",
        error=error,
        typed={"which": "", "key": "", **said},
        work=works_of(request).of(person.account),
        works=WORKS,
        most=verifying.MOST,
        verified=(),
    )


@_AUDITOR
async def verify(request: Request, person: Person) -> Response:
    """Records that were chosen, each verified with its proof."""
    given, log = await form_of(request, person), _log(request, person)
    which, key = one(given, "which"), one(given, "key")[:_KEY]
    try:
        chosen = ", ".join([*given.get("index", []), which])
        indexes = verifying.indexes_in(chosen)  # a form is bounded; what is cut is another number
        node_key = (await log.checkpoint()).verifier_key
        verified = await verifying.verify(log, indexes, key or node_key)
    except DomainError as error:
        return await _ask(request, person, error, which=which, key=key)
    return page(
        request,
        "auditor/verify.html",
        error=None,
        typed={"which": which, "key": key},
        work=works_of(request).of(person.account),
        works=WORKS,
        most=verifying.MOST,
        verified=verified,
        outcomes=OUTCOMES,
        kinds=KINDS,
        own_key=bool(key),
    )


@_AUDITOR
async def verify_all(request: Request, person: Person) -> Response:
    """Begin to verify the whole log, or stop it."""
    given, works = await form_of(request, person), works_of(request)
    if one(given, "act") == "stop":
        works.stop(person.account)
        return RedirectResponse("/audit/verify", 303)
    log, key = _log(request, person), one(given, "key")[:_KEY]
    held = await log.checkpoint()
    used = key or held.verifier_key
    size = int(str(held.checkpoint).splitlines()[1])
    work = Work(size=size, key=used, own_key=bool(key), begun=datetime.now(UTC))
    try:
        works.begin(person.account, work, log, held.checkpoint)
    except DomainError as error:
        return await _ask(request, person, error, key=key)
    return RedirectResponse("/audit/verify", 303)


@_AUDITOR
async def compare(request: Request, person: Person) -> Response:
    """Which departments, which period, whose receipts."""
    return await _compare(request, person)


async def _compare(
    request: Request,
    person: Person,
    error: DomainError | None = None,
    said: dict[str, str] | None = None,
) -> Response:
    stub: Any = catalog_pb2_grpc.CatalogServiceStub(person.channel(request.app.state.node.address))
    today = datetime.now(CHINA).date()
    return page(
        request,
        "auditor/compare.html",
        error=error,
        departments=sorted((await display_names(stub)).items(), key=lambda pair: pair[1]),
        typed=said
        or {
            "first": "",
            "second": "",
            "since": (today - timedelta(days=30)).isoformat(),
            "until": today.isoformat(),
        },
        most=MOST_RECEIPTS,
    )


@_AUDITOR
async def compared(request: Request, person: Person) -> Response:
    """Where two departments agree, and where they do not."""
    form = await form_with_files(
        request, person, most=MOST_RECEIPTS, each=GREATEST_RECEIPT, together=TOGETHER
    )
    said = {name: form.one(name)[:200] for name in ("first", "second", "since", "until")}
    try:
        return await _compared(request, person, form, said)
    except InvalidArgument as error:
        return await _compare(request, person, error, said)


async def _compared(request: Request, person: Person, form: Form, said: dict[str, str]) -> Response:
    node = request.app.state.node.address
    stub: Any = catalog_pb2_grpc.CatalogServiceStub(person.channel(node))
    names = await display_names(stub)
    first, second = said["first"], said["second"]
    if first not in names or second not in names or first == second:
        raise InvalidArgument(
            "choose two different departments",
            reason="DEPARTMENTS_REQUIRED",
            message_zh="请选择两个不同的部门",
        )
    since, until = _day(said["since"]), _day(said["until"]) + timedelta(days=1)
    if not timedelta() < until - since <= timedelta(days=LONGEST_PERIOD):
        raise InvalidArgument(
            f"the period ends after it begins, and has at most {LONGEST_PERIOD} days",
            reason="BAD_PERIOD",
            message_zh=f"期间的结束应晚于开始，至多 {LONGEST_PERIOD} 天",
        )
    log = _log(request, person)
    key = (await log.checkpoint()).verifier_key
    sides = [
        await asyncio.to_thread(_shown, form.files.get(name, []), key)
        for name in ("receipts_first", "receipts_second")
    ]
    logged, whole = await _between(log, first, second, since, until)
    lines = comparing.compare(sides[0], sides[1], logged, complete=whole)
    counts = dict.fromkeys(comparing.Verdict, 0)
    for line in lines:
        counts[line.verdict] += 1
    return page(
        request,
        "auditor/compared.html",
        names=(names[first], names[second]),
        typed=said,
        lines=lines[:SHOWN],
        more=max(0, len(lines) - SHOWN),
        counts=counts,
        sides=SIDES,
        kinds=KINDS,
        whole=whole,
        stretch=STRETCH,
        given=[len(side) for side in sides],
        unread=[one for side in sides for one in comparing.unread(side)],
    )


def _shown(files: Sequence[File], key: str) -> list[comparing.Shown]:
    return [comparing.shown(file.name, file.content, key) for file in files]


async def _between(
    log: Log, first: str, second: str, since: datetime, until: datetime
) -> tuple[list[Any], bool]:
    """Records of a period that are between two departments; whether all of it was read."""
    start = await log.first_since(since - timedelta(minutes=5))
    end = await log.first_since(until + timedelta(minutes=5))
    leaves = await log.leaves(start, min(end - start, STRETCH))
    marks = [first.encode(), second.encode()]
    from_log = []
    for place, leaf in enumerate(leaves):
        if all(mark in leaf for mark in marks):
            record = read(start + place, leaf)
            in_time = record.time is not None and since <= record.time < until
            if in_time and comparing.is_between(record, first, second):
                from_log.append(record)
    return from_log, end - start <= STRETCH


def _day(text: str) -> datetime:
    """The begin of a day in China. Raises InvalidArgument (BAD_PERIOD)."""
    try:
        return datetime.strptime(text, "%Y-%m-%d").replace(tzinfo=CHINA)
    except ValueError:
        raise InvalidArgument(
            "write days as 2026-01-31",
            reason="BAD_PERIOD",
            message_zh="日期应写作 2026-01-31",
        ) from None


@_AUDITOR
async def evidence(request: Request, person: Person) -> Response:
    """Which document a bundle is made of."""
    return _evidence(request)


def _evidence(request: Request, error: DomainError | None = None) -> Response:
    return page(
        request,
        "auditor/evidence.html",
        error=error,
        greatest=GREATEST_DOCUMENT >> 20,
    )


@_AUDITOR
async def bundle(request: Request, person: Person) -> Response:
    """The bundle of a document, with the log's proofs of it."""
    form = await form_with_files(
        request, person, most=1, each=GREATEST_DOCUMENT, together=GREATEST_DOCUMENT
    )
    try:
        file: File | None = next(iter(form.files.get("document", [])), None)
        if file is None:
            raise InvalidArgument(
                "choose a document: an OFD or a PDF file",
                reason="DOCUMENT_REQUIRED",
                message_zh="请选择文件：OFD 或 PDF",
            )
        made = await bundle_of(
            person, request.app.state.node.address, file.content, bare=bool(form.one("bare"))
        )
    except DomainError as error:
        return _evidence(request, error)
    headers = {"Content-Disposition": f'attachment; filename="evidence-{made.digest[:12]}.zip"'}
    return Response(made.content, media_type="application/vnd.etsi.asic-e+zip", headers=headers)


@_OVERSEERS
async def over_time(request: Request, person: Person) -> Response:
    """Traffic and latency over time."""
    say = sayer(language_of(request))
    span = traffic.span_of(request.query_params.get("span", ""))
    points = await traffic.measure(person, request.app.state.node.address, span, datetime.now(UTC))
    held = [point for point in points if point.calls]
    calls = sum(point.calls for point in held)
    slowest = max((point.p95_ms for point in held), default=0.0)
    title = say("Traffic and latency", "访问量与响应时间")
    description = say(
        f"{calls} calls; in the slowest step 95 of 100 were answered within {slowest:.0f} ms. "
        "The table below says the same, step by step.",
        f"共 {calls} 次调用；最慢的时段内 95% 的调用在 {slowest:.0f} 毫秒内答复。"
        "下表逐时段列出相同数据。",
    )
    words = (
        say("Calls (red: refused or failed)", "调用次数（红色：被拒绝或失败）"),
        "",
        say("Answered within, ms (95 of 100)", "95% 的调用在此毫秒数内答复"),
    )
    return page(
        request,
        "auditor/traffic.html",
        chart=traffic.picture(points, title=title, description=description, words=words),
        description=description,
        points=[asdict(point) for point in reversed(held)],
        spans=traffic.SPANS,
        span=span,
        calls=calls,
    )


ROUTES: Final = (
    Route("/audit/verify", ask, methods=["GET"]),
    Route("/audit/verify", verify, methods=["POST"]),
    Route("/audit/verify/all", verify_all, methods=["POST"]),
    Route("/audit/compare", compare, methods=["GET"]),
    Route("/audit/compare", compared, methods=["POST"]),
    Route("/audit/evidence", evidence, methods=["GET"]),
    Route("/audit/evidence", bundle, methods=["POST"]),
    Route("/audit/traffic", over_time, methods=["GET"]),
)
