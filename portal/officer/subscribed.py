"""The data officer's pages of subscriptions: how far behind each is, and what did not arrive."""

from __future__ import annotations

import asyncio
import uuid
from datetime import UTC, datetime
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import grants_pb2
from portal.officer.asking import OFFICER, asking
from portal.officer.words import LETTERS, REASONS
from portal.pages import after, page
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, InvalidArgument

_UNKNOWN: Final = ("amber", "—", "—")
_DIGITS: Final = 18


def _name(request: Request) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/subscriptions/{ids['id']}"


def _is_over(grant: grants_pb2.Grant) -> bool:
    """Whether a grant was revoked or has run out: then nothing more is delivered under it."""
    if grant.state == grants_pb2.GRANT_STATE_REVOKED:
        return True
    return grant.HasField("end_time") and grant.end_time.ToDatetime(UTC) <= datetime.now(UTC)


def _lag(held: Any, grant: grants_pb2.Grant) -> tuple[str, str, str]:
    """How far behind a subscription is: colour, English, Chinese."""
    if _is_over(grant):
        return ("red", "the grant has ended: nothing more comes", "授权已终止，不再交付")
    if not held.HasField("undelivered"):
        if held.distance == 0:
            return ("green", "at the end", "已到最新")
        return (
            "amber",
            f"{held.distance} of the whole log away",
            f"距全部日志末尾 {held.distance}",
        )
    if held.undelivered == 0:
        return ("green", "nothing waits", "无待取变更")
    return ("amber", f"{held.undelivered} change(s) wait", f"{held.undelivered} 条变更待取")


def _age(held: Any) -> tuple[str, str]:
    """Since when the oldest undelivered change waits."""
    if not held.HasField("oldest_time"):
        return ("", "")
    minutes = int((datetime.now(UTC) - held.oldest_time.ToDatetime(UTC)).total_seconds()) // 60
    if minutes < 1:
        return ("less than a minute", "不到 1 分钟")
    if minutes < 120:
        return (f"{minutes} minute(s)", f"{minutes} 分钟")
    hours = minutes // 60
    if hours < 48:
        return (f"{hours} hours", f"{hours} 小时")
    return (f"{hours // 24} days", f"{hours // 24} 天")


@OFFICER
async def subscriptions(request: Request, person: Person) -> Response:
    """The department's subscriptions, with what waits in each."""
    ask = asking(request, person)
    found = await ask.subscriptions(after(request))
    held = await asyncio.gather(*(ask.subscription(each.name) for each in found.subscriptions))
    under = await ask.subscribed(each.grant for each in held)
    return page(
        request,
        "officer/subscriptions.html",
        titles={name: title for name, (title, _) in under.items()},
        subscriptions=[
            (each, _lag(each, under[each.grant][1]), _age(each), each.create_time.ToDatetime(UTC))
            for each in held
        ],
        following=found.next_page_token,
    )


@OFFICER
async def subscription(request: Request, person: Person) -> Response:
    """One subscription: its lanes, and what could not be delivered."""
    return await _subscription(request, person)


async def _subscription(
    request: Request, person: Person, error: DomainError | None = None, reason: str = ""
) -> Response:
    ask, name = asking(request, person), _name(request)
    held, letters = await asyncio.gather(
        ask.subscription(name), ask.dead_letters(name, after(request))
    )
    title, grant = (await ask.subscribed([held.grant]))[held.grant]
    return page(
        request,
        "officer/subscription.html",
        held=held,
        title=title,
        over=_is_over(grant),
        lag=_lag(held, grant),
        age=_age(held),
        letters=[
            (
                each,
                LETTERS.get(each.state, _UNKNOWN),
                REASONS.get(each.reason),
                each.create_time.ToDatetime(UTC),
            )
            for each in letters.dead_letters
        ],
        request_id=str(uuid.uuid4()),
        reason=reason,
        error=error,
        following=letters.next_page_token,
    )


@OFFICER
async def act(request: Request, person: Person) -> Response:
    """Deliver dead letters again, those that were chosen or all; or give the chosen up."""
    given = await form_of(request, person, fields=200)
    ask, name = asking(request, person), _name(request)
    reason, request_id = one(given, "reason"), one(given, "request_id")
    try:
        if one(given, "act") == "all":
            await ask.replay(name, [], request_id)
        elif one(given, "act") == "give_up":
            await ask.give_up(name, _chosen(given.get("offset", [])), reason, request_id)
        else:
            await ask.replay(name, _chosen(given.get("offset", [])), request_id)
    except DomainError as error:
        return await _subscription(request, person, error, reason)
    return RedirectResponse(request.url.path, 303)


@OFFICER
async def letter(request: Request, person: Person) -> Response:
    """One dead letter with its change: looking at it is a record of the log."""
    await form_of(request, person)
    ids: Any = request.path_params
    if not _is_number(ids["offset"]):
        raise HTTPException(404)
    ask = asking(request, person)
    shown = await ask.dead_letter(f"{_name(request)}/deadLetters/{ids['offset']}")
    held, has_record = shown.dead_letter, shown.HasField("change")
    labels = await ask.labels(_name(request)) if has_record else {}
    return page(
        request,
        "officer/letter.html",
        held=held,
        state=LETTERS.get(held.state, _UNKNOWN),
        why=REASONS.get(held.reason),
        labels=labels,
        change=shown.change if has_record else None,
        withdrawn=shown.change.type == 2,
        at=held.create_time.ToDatetime(UTC),
        back=request.url.path.partition("/letters/")[0],
    )


def _chosen(words: list[str]) -> list[int]:
    """What was ticked: none of them would be all, to the service. Raises InvalidArgument."""
    offsets = [int(word) for word in words if _is_number(word)]
    if not offsets:
        raise InvalidArgument(
            "tick at least one of them first",
            reason="NOTHING_CHOSEN",
            message_zh="请先勾选至少一条",
        )
    return offsets


def _is_number(word: str) -> bool:
    return word.isascii() and word.isdecimal() and len(word) <= _DIGITS


_ONE: Final = "/data/subscriptions/{department}/{id}"
ROUTES: Final = (
    Route("/data/subscriptions", subscriptions, methods=["GET"]),
    Route(_ONE, subscription, methods=["GET"]),
    Route(_ONE, act, methods=["POST"]),
    Route(f"{_ONE}/letters/{{offset}}", letter, methods=["POST"]),
)
