"""The index of the catalog, and every SQL statement on it.

1. `catalog_document` says what is shown of a thing; `catalog_tokens` what it is found by: an FTS5
   table with a column for names, one for all words and one for marks on SQLite, a tsvector with a
   GIN index on PostgreSQL. There words of names stand once more, after "=": weights would do too,
   but the index does not know them, and the planner does not count them.
2. Ids follow from the batch's epoch, so a batch needs no statement to learn them.
3. A batch costs two deletions and two bulk writes, however large it is.
4. A page costs at most one statement a step (`model.steps`), each of at most a page's rows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from itertools import islice

import sqlalchemy as sa
from sqlmodel import Field, Session, SQLModel

from exchange.catalog import store
from exchange.catalog.model import Entry, EntryState, entry_from_content
from exchange.catalog.registry.store import NAME
from exchange.catalog.search.model import DATA_ITEM, RESOURCE, Document, Found, Step
from exchange.catalog.store import ENTRIES

#: More documents than a batch can have: 5,000 resources of 500 items.
EPOCH_ROOM = 1 << 22
CHUNK = 5_000


class DocumentRow(SQLModel, table=True):
    """What is shown of one thing."""

    __tablename__ = "catalog_document"

    id: int = Field(sa_column=sa.Column(sa.BigInteger, primary_key=True, autoincrement=False))
    entry: str = Field(sa_type=NAME, index=False)
    item: str = Field(max_length=64)
    display_name: str = Field(max_length=200)
    resource_display_name: str = Field(max_length=200)

    __table_args__ = (sa.Index("catalog_document_of_entry", "entry"),)


class IndexRow(SQLModel, table=True):
    """Which version of the tokens made the index; one row."""

    __tablename__ = "catalog_index"

    id: int = Field(primary_key=True)
    made_by: int


DOCUMENTS: sa.Table = DocumentRow.__table__  # type: ignore[attr-defined]  # made by the metaclass
INDEX: sa.Table = IndexRow.__table__  # type: ignore[attr-defined]
TABLES = (DOCUMENTS, INDEX)

_ADD_SQLITE = sa.text(
    "INSERT INTO catalog_tokens (rowid, title, body, mark) VALUES (:id, :title, :body, :mark)"
)
_ADD_POSTGRESQL = sa.text(
    "INSERT INTO catalog_tokens (id, tokens) VALUES (:id, CAST(:tokens AS tsvector))"
)


def made_by(session: Session) -> int:
    """Which version of the tokens made the index; 0 is none."""
    return session.execute(sa.select(INDEX.c.made_by)).scalar_one_or_none() or 0


def note_made_by(session: Session, tokens: int) -> None:
    """Say which version of the tokens made the index."""
    session.execute(sa.delete(INDEX))
    session.execute(INDEX.insert().values(id=1, made_by=tokens))


def clear(session: Session) -> None:
    """Forget everything."""
    session.execute(sa.text("DELETE FROM catalog_tokens"))
    session.execute(sa.delete(DOCUMENTS))


def entries_in_force(session: Session) -> Iterator[list[Entry]]:
    """All entries in force, some at a time."""
    after = ""
    while True:
        rows = session.execute(
            sa.select(ENTRIES.c.name, ENTRIES.c.content)
            .where(ENTRIES.c.name > after, ENTRIES.c.state == EntryState.ACTIVE.value)
            .order_by(ENTRIES.c.name)
            .limit(CHUNK // 10)
        ).all()
        if not rows:
            return
        after = rows[-1][0]
        yield [entry_from_content(content.encode()) for _, content in rows]


def remove(session: Session, entries: Sequence[str]) -> None:
    """Forget the documents of these entries; two statements."""
    ids = sa.select(DOCUMENTS.c.id).where(DOCUMENTS.c.entry.in_(entries))
    tokens = sa.table("catalog_tokens", sa.column("id"), sa.column("rowid"))
    key = tokens.c.rowid if _is_sqlite(session) else tokens.c.id
    session.execute(sa.delete(tokens).where(key.in_(ids)))
    session.execute(sa.delete(DOCUMENTS).where(DOCUMENTS.c.entry.in_(entries)))


def add(session: Session, documents: Iterable[Document], *, first: int) -> int:
    """Index documents by ids from `first` on, and return how many they were."""
    sqlite, count = _is_sqlite(session), 0
    remaining = iter(documents)
    while chunk := list(islice(remaining, CHUNK)):
        numbered = list(enumerate(chunk, first + count))
        connection = session.connection()
        connection.execute(
            DOCUMENTS.insert(),
            [
                {
                    "id": number,
                    "entry": document.entry,
                    "item": document.item,
                    "display_name": document.display_name,
                    "resource_display_name": document.resource_display_name,
                }
                for number, document in numbered
            ],
        )
        said = _columns if sqlite else _vector
        connection.execute(
            _ADD_SQLITE if sqlite else _ADD_POSTGRESQL,
            [{"id": number, **said(document)} for number, document in numbered],
        )
        count += len(chunk)
    return count


def _columns(document: Document) -> dict[str, str]:
    return {
        "title": " ".join(document.title),
        "body": " ".join(document.body),
        "mark": " ".join(document.mark),
    }


def _vector(document: Document) -> dict[str, str]:
    """A tsvector as text: what is in the name is there a second time. Tokens hold no quotes."""
    said = (*_in_name(document.title), *document.body, *document.mark)
    return {"tokens": " ".join(f"'{token}'" for token in said)}


def _in_name(tokens: Sequence[str]) -> list[str]:
    return [f"={token}" for token in tokens]


def find(
    session: Session, step: Step, *, after: int, limit: int, now: datetime, stale_only: bool
) -> list[Found]:
    """At most `limit` things of a step whose ids follow `after`."""
    hits = _hits(session, step, after)
    shown, stale = DOCUMENTS.c, store.stale(now)
    if not stale_only:  # then the index alone knows what the page holds
        hits = hits.limit(limit)
    page = hits.subquery()
    query = (
        sa.select(
            shown.id, shown.entry, shown.item, shown.display_name, shown.resource_display_name,
            ENTRIES.c.sharing, ENTRIES.c.kind, _base_library(session), stale,
        )
        .select_from(page)
        .join(DOCUMENTS, shown.id == page.c.id)
        .join(ENTRIES, ENTRIES.c.name == shown.entry)
        .order_by(page.c.id)
        .limit(limit)
    )  # fmt: skip
    if stale_only:
        query = query.where(stale)
    return [
        Found(
            id=number,
            kind=DATA_ITEM if item else RESOURCE if kind == store.RESOURCE_KIND else "service",
            entry=entry,
            item=item,
            display_name=display_name,
            resource_display_name=resource_display_name,
            sharing=sharing,
            base_library=base_library or "",
            stale=bool(is_stale),
        )
        for number, entry, item, display_name, resource_display_name, sharing, kind,
            base_library, is_stale in session.execute(query)
    ]  # fmt: skip


def _base_library(session: Session) -> sa.ColumnElement[str | None]:
    """What the content says of the base library; a service item's says nothing."""
    content = ENTRIES.c.content
    if _is_sqlite(session):
        return sa.func.json_extract(content, "$.base_library", type_=sa.String)
    said: sa.ColumnElement[str | None] = sa.cast(content, sa.JSON)["base_library"].as_string()
    return said


def _hits(session: Session, step: Step, after: int) -> sa.Select[tuple[int]]:
    """The ids of a step's things that follow `after`, in order."""
    sqlite = _is_sqlite(session)
    tokens = sa.table("catalog_tokens", sa.column("id"), sa.column("rowid"))
    key = tokens.c.rowid if sqlite else tokens.c.id
    condition = "catalog_tokens MATCH :asked" if sqlite else "tokens @@ CAST(:asked AS tsquery)"
    asked = _match(step) if sqlite else _tsquery(step)
    has = sa.text(condition).bindparams(asked=asked)
    return sa.select(key.label("id")).where(has, key > after).order_by(key)


def _match(step: Step) -> str:
    """A step in FTS5's words."""
    marks = f"mark : ({_all(step.marks)})"
    if not step.words:
        return marks
    words = _all(step.words)
    if step.in_title:
        return f"title : ({words}) AND {marks}"
    return f"(body : ({words}) AND {marks}) NOT title : ({words})"


def _all(tokens: Sequence[str]) -> str:
    return " AND ".join(f'"{token}"' for token in tokens)


def _tsquery(step: Step) -> str:
    """A step in PostgreSQL's words."""
    title = _in_name(step.words)
    if step.in_title:
        return _both((*title, *step.marks))
    return f"{_both((*step.words, *step.marks))} & !({_both(title)})"


def _both(tokens: Sequence[str]) -> str:
    return " & ".join(f"'{token}'" for token in tokens)


def _is_sqlite(session: Session) -> bool:
    return session.get_bind().dialect.name == "sqlite"
