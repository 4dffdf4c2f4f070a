"""Pages on which an auditor verifies records and the whole log, and looks at traffic.

What is checked here is checked in the portal by the offline verifier (`verifying`), with the key
that the auditor gives; without one the node's own, and the page says so.
"""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Final

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from portal.auditor import traffic, verifying
from portal.auditor.asking import log_of
from portal.auditor.kinds import KINDS
from portal.auditor.words import OUTCOMES, WORKS
from portal.pages import language_of, page, sayer
from portal.sessions.access import for_roles, form_of, one
from portal.sessions.keeping import Person
from portal.verifier.recorded import check_name
from portal.working import works_of
from runtime.errors import DomainError
from runtime.identity import Role

_AUDITOR = for_roles(Role.AUDITOR)
_OVERSEERS = for_roles(Role.AUDITOR, Role.ADMINISTRATOR)
_KEY: Final = 1000


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
        work=works_of(request).of(person, "log"),
        works=WORKS,
        most=verifying.MOST,
        verified=(),
    )


@_AUDITOR
async def verify(request: Request, person: Person) -> Response:
    """Records that were chosen, each verified with its proof."""
    given, log = await form_of(request, person), log_of(request, person)
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
        work=works_of(request).of(person, "log"),
        works=WORKS,
        most=verifying.MOST,
        verified=verified,
        outcomes=OUTCOMES,
        check_name=check_name,
        kinds=KINDS,
        own_key=bool(key),
    )


@_AUDITOR
async def verify_all(request: Request, person: Person) -> Response:
    """Begin to verify the whole log, or stop it."""
    given, works = await form_of(request, person), works_of(request)
    if one(given, "act") == "stop":
        works.stop(person, "log")
        return RedirectResponse("/audit/verify", 303)
    log, key = log_of(request, person), one(given, "key")[:_KEY]
    held = await log.checkpoint()
    note, used = str(held.checkpoint), key or str(held.verifier_key)
    try:
        work = verifying.whole(note, used, own_key=bool(key), node=request.app.state.node.address)
    except DomainError as error:
        return await _ask(request, person, error, key=key)
    await works.begin(person, "log", work)
    return RedirectResponse("/audit/verify", 303)


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
        charts=[
            traffic.picture(
                points, title=title, description=description, words=words, narrow=narrow
            )
            for narrow in (False, True)
        ],
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
    Route("/audit/traffic", over_time, methods=["GET"]),
)
