"""The data officer's pages of directory sync: runs, what they rejected, corrected and run again.

1. A corrected entry is judged by the flow's own rules, compared with what the catalog holds, and
   applied as the person, so the catalog judges it last; then its reject is settled.
2. What was typed stays on the page until it is taken.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC
from typing import Any, Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from exchange.v1 import catalog_pb2, syncing_pb2
from flows import directory
from flows.tables import Row
from flows.telling import rows_of
from portal import actors, catalog
from portal.node import told
from portal.officer.asking import OFFICER, SECONDS, Asking, asking
from portal.officer.words import REJECTS
from portal.pages import after, language_of, page, sayer
from portal.sessions.access import form_of, one
from portal.sessions.keeping import Person
from runtime.errors import DomainError, FailedPrecondition, InvalidArgument, NotFound

GREATEST_CELLS: Final = 2_000
"""Cells that are corrected on a page; a larger entry is corrected in its file."""
_LONG: Final = 60


def _name(request: Request) -> str:
    ids: Any = request.path_params
    return f"departments/{ids['department']}/syncRuns/{ids['id']}"


@OFFICER
async def runs(request: Request, person: Person) -> Response:
    """The department's runs, the newest first."""
    found = await asking(request, person).runs(after(request))
    return page(
        request,
        "officer/runs.html",
        runs=[(each, each.create_time.ToDatetime(UTC)) for each in found.runs],
        following=found.next_page_token,
    )


@OFFICER
async def run(request: Request, person: Person) -> Response:
    """One run, and its rejects."""
    ask = asking(request, person)
    held = await ask.run(_name(request))
    titles = await ask.titles(each.entry for each in held.rejects if _is_fixed(each))
    return page(
        request,
        "officer/run.html",
        who=actors.teller(sayer(language_of(request)), await ask.departments(), {}),
        held=held,
        at=held.create_time.ToDatetime(UTC),
        rejects=[
            (each, REJECTS[each.state], each.name.rpartition("/")[2], became(each, titles))
            for each in held.rejects
        ],
    )


def _is_fixed(reject: syncing_pb2.SyncReject) -> bool:
    return bool(reject.state == syncing_pb2.SYNC_REJECT_STATE_FIXED)


def became(reject: syncing_pb2.SyncReject, titles: Mapping[str, str]) -> tuple[str, str] | None:
    """What the catalog calls the entry of a reject that was taken, and its page, if it has one.

    None where it was not taken, or was taken under another name than the file's.
    """
    if not _is_fixed(reject) or reject.entry not in titles:
        return None
    _, department, kind, last = reject.entry.split("/")
    place = f"/data/quality/{department}/{last}" if kind == "resources" else ""
    return titles[reject.entry], place


@OFFICER
async def reject(request: Request, person: Person) -> Response:
    """One reject, to be corrected."""
    held, found = await _found(request, person)
    titles: Mapping[str, str] = {}
    if _is_fixed(found):
        titles = await asking(request, person).titles([found.entry])
    return _reject(request, held, found, rows_of(found.rows), entry=became(found, titles))


async def _found(
    request: Request, person: Person
) -> tuple[syncing_pb2.SyncRun, syncing_pb2.SyncReject]:
    held = await asking(request, person).run(_name(request))
    wanted = f"{held.name}/rejects/{request.path_params['number']}"
    for each in held.rejects:
        if each.name == wanted:
            return held, each
    raise HTTPException(404)


def _reject(
    request: Request,
    held: syncing_pb2.SyncRun,
    found: syncing_pb2.SyncReject,
    rows: Sequence[Row],
    error: DomainError | None = None,
    entry: tuple[str, str] | None = None,
) -> Response:
    is_open = found.state == syncing_pb2.SYNC_REJECT_STATE_OPEN
    cells = sum(len(row.cells) for row in rows)
    is_service = "/serviceItems/" in found.entry
    return page(
        request,
        "officer/reject.html",
        held=held,
        found=found,
        state=REJECTS[found.state],
        rows=[
            (
                row,
                [
                    (number, column, value, len(value) > _LONG)
                    for number, (column, value) in enumerate(row.cells.items())
                    if not place or column in directory.ITEM_COLUMNS or is_service
                ],
            )
            for place, row in enumerate(rows)
        ],
        correctable=is_open and 0 < cells <= GREATEST_CELLS,
        is_open=is_open,
        is_fixed=_is_fixed(found),
        settled=found.settle_time.ToDatetime(UTC) if found.HasField("settle_time") else None,
        entry=entry,
        request_id=str(uuid.uuid4()),
        error=error,
    )


@OFFICER
async def settle(request: Request, person: Person) -> Response:
    """Run a corrected entry again, or give it up."""
    given = await form_of(request, person, fields=GREATEST_CELLS + 10)
    held, found = await _found(request, person)
    ask, rows = asking(request, person), typed(found, given)
    fixed = one(given, "act") != "give_up"
    try:
        if fixed:
            await run_again(ask, found, rows)
        await ask.settle(found.name, fixed=fixed, request_id=one(given, "request_id"))
    except DomainError as error:
        return _reject(request, held, found, rows, error)
    return RedirectResponse(request.url.path.partition("/rejects/")[0], 303)


def typed(found: syncing_pb2.SyncReject, given: Mapping[str, list[str]]) -> list[Row]:
    """The rows of a reject with what was typed into their cells."""
    rows = []
    for place, row in enumerate(rows_of(found.rows)):
        cells = {
            column: (given.get(f"c-{place}-{number}") or [value])[0].strip()
            for number, (column, value) in enumerate(row.cells.items())
        }
        rows.append(Row(line=row.line, cells=cells))
    return rows


async def run_again(ask: Asking, found: syncing_pb2.SyncReject, rows: Sequence[Row]) -> None:
    """Judge a corrected entry, and put it into the catalog.

    Raises InvalidArgument with the reason of the flow, and what the catalog refuses.
    """
    registered = await catalog.departments(ask.catalog)
    departments = {name.partition("/")[2]: one for name, one in registered.items()}
    is_item = "/serviceItems/" in found.entry
    reader = directory.read_service_items if is_item else directory.read_resources
    try:
        wanted = reader(list(rows), file=found.file, departments=departments)
    except KeyError as missing:
        raise FailedPrecondition(
            f"the file has no column {missing.args[0]}: correct it there, and sync it again",
            reason="COLUMNS_MISSING",
            message_zh=f"文件缺少“{missing.args[0]}”列：请在文件中更正后重新同步",
        ) from None
    if wanted.rejects:
        again = wanted.rejects[0]
        raise InvalidArgument(
            f"line {again.line}: {again.detail}",
            reason=again.reason,
            message_zh=f"第 {again.line} 行：{again.detail_zh}",
        )
    held: dict[str, directory.Entry] = {}
    for name in wanted.entries:
        try:
            held[name] = await _held(ask, name)
        except NotFound:
            continue
    changes = directory.compare(wanted, held)
    if changes.batch:
        asked_to = catalog_pb2.ApplyDirectoryRequest(
            changes=changes.batch,
            source=f"{found.file} · {found.line}"[:200],
            request_id=changes.request_id,
        )
        await told(ask.catalog.ApplyDirectory(asked_to, timeout=SECONDS))


async def _held(ask: Asking, name: str) -> directory.Entry:
    if "/serviceItems/" in name:
        asked = catalog_pb2.GetServiceItemRequest(name=name)
        item: catalog_pb2.ServiceItem = (
            await told(ask.catalog.GetServiceItem(asked, timeout=SECONDS))
        ).service_item
        return item
    return await ask.resource(name)


_ONE: Final = "/data/runs/{department}/{id}"
ROUTES: Final = (
    Route("/data/runs", runs, methods=["GET"]),
    Route(_ONE, run, methods=["GET"]),
    Route(f"{_ONE}/rejects/{{number}}", reject, methods=["GET"]),
    Route(f"{_ONE}/rejects/{{number}}", settle, methods=["POST"]),
)
