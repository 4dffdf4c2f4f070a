"""Use cases of finding things: keep the index, search it.

1. The index changes in the transaction of the batch, and is never behind the catalog.
2. An index that another version of the tokens made, or none, is made anew when the node starts.
"""

from __future__ import annotations

from collections.abc import Sequence

from exchange.catalog.directory import NewVersion
from exchange.catalog.model import EntryState, entry_from_content
from exchange.catalog.search import model, store
from exchange.catalog.search.model import Filters, Found
from exchange.catalog.store import bump
from runtime import names, paging
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument


def keep_index(work: UnitOfWork, versions: Sequence[NewVersion], *, epoch: int) -> None:
    """Index what a batch has changed."""
    changed = [version.name for version in versions if version.version > 1]
    if changed:
        store.remove(work.session, changed)
    documents = (
        document
        for version in versions
        if version.state is EntryState.ACTIVE
        for document in model.documents(entry_from_content(version.content))
    )
    store.add(work.session, documents, first=epoch * store.EPOCH_ROOM)


def make_index(database: Database) -> None:
    """Make the index anew where it is not of these tokens; at the start of a node."""
    with database.reading() as session:
        if store.made_by(session) == model.TOKENS:
            return
    with database.unit_of_work() as work:
        session = work.session
        store.clear(session)
        first = bump(session) * store.EPOCH_ROOM
        for entries in store.entries_in_force(session):
            documents = (document for entry in entries for document in model.documents(entry))
            first += store.add(session, documents, first=first)
        store.note_made_by(session, model.TOKENS)


def search(
    database: Database,
    query: str,
    filters: Filters,
    *,
    page_size: int,
    page_token: str,
    clock: Clock,
) -> tuple[list[Found], str]:
    """A page of what has all the words and passes the filters, and the token of the next.

    Raises InvalidArgument (QUERY_INVALID, QUERY_REQUIRED).
    """
    words = model.query_tokens(query)
    if not words and not filters.given:
        raise InvalidArgument(
            "say what to look for, or filter: query is empty",
            reason="QUERY_REQUIRED",
            message_zh="query 为空：请输入要查找的词或给出筛选条件",
            violations=[FieldViolation("query", "is required without a filter")],
        )
    if filters.department:
        names.parse(names.DEPARTMENT, filters.department, field="department")
    size = paging.page_size(page_size)
    steps = model.steps(words, filters)
    place, after = _place(page_token)
    now = clock.now()
    found: list[tuple[int, Found]] = []
    with database.reading() as session:
        for number, step in enumerate(steps):
            if number < place or len(found) > size:
                continue
            rows = store.find(
                session,
                step,
                after=after if number == place else -1,
                limit=size + 1 - len(found),
                now=now,
                stale_only=filters.stale_only,
            )
            found += [(number, row) for row in rows]
    page, token = paging.cut(found, size, lambda one: f"{one[0]}.{one[1].id}")
    return [row for _, row in page], token


def _place(token: str) -> tuple[int, int]:
    """The step and the id that a page begins after."""
    text = paging.last_of(token)
    if not text:
        return 0, -1
    step, _, after = text.partition(".")
    if not (text.isascii() and step.isdigit() and after.isdigit() and len(text) <= 21):
        raise InvalidArgument(
            "page_token is not one that this list gave: begin again without it",
            reason="BAD_PAGE_TOKEN",
            message_zh="page_token 无效：请不带它从头开始",
            violations=[FieldViolation("page_token", "unknown token")],
        )
    return int(step), int(after)
