"""The database: engine, unit of work, and the two tables every service has.

1. SQLite (WAL, synchronous=FULL) and PostgreSQL run the same code; only the URL differs. On
   PostgreSQL each service lives in a schema of its own.
2. A unit of work is one transaction that may write. SQLite's begins IMMEDIATE, so that a writer
   waits for its turn at the start and never fails half-way.
3. A mutation runs through `UnitOfWork.once`: a repeated `request_id` returns the first answer; the
   same id with another request is refused. Answer, audit record and act commit together.
4. The hot paths hold a driver's connection per thread and run fixed SQL (`Held`).
5. A full or unwritable disk is an `Unavailable` that says so, and changes nothing. What else fails
   is logged, without the values of the statement; a value that cannot be stored is the caller's.
"""

from __future__ import annotations

import hashlib
import re
import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar, cast

import sqlalchemy as sa
from alembic import command
from alembic.config import Config as AlembicConfig
from google.protobuf.message import Message
from sqlalchemy import event
from sqlmodel import Session

from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument
from runtime.held import BUSY_TIMEOUT_MS, Held
from runtime.names import check_no_citizen
from runtime.records import SealedRecord, check_record
from runtime.storage_errors import storage_errors

Answer = TypeVar("Answer", bound=Message)
REQUEST_ID_LIMIT = 64
_PRINTABLE = re.compile(r"[!-~]+")

GROUND = sa.MetaData()

#: First answers by request id.
answered_request = sa.Table(
    "answered_request",
    GROUND,
    sa.Column("actor", sa.String(200), primary_key=True),
    sa.Column("method", sa.String(120), primary_key=True),
    sa.Column("request_id", sa.String(REQUEST_ID_LIMIT), primary_key=True),
    sa.Column("request_digest", sa.LargeBinary, nullable=False),
    sa.Column("answer", sa.LargeBinary, nullable=False),
    sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
)

#: Audit records on their way to the log: written with their act, taken by the log in order of id.
audit_outbox = sa.Table(
    "audit_outbox",
    GROUND,
    sa.Column(
        "id",
        sa.BigInteger().with_variant(sa.Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    ),
    sa.Column("leaf", sa.LargeBinary, nullable=False),
    sa.Column("salt", sa.LargeBinary, nullable=False),
    # An id is never given twice, even after the table was emptied: the log remembers the last one.
    sqlite_autoincrement=True,
)


_ADD_RECORD = sa.text("INSERT INTO audit_outbox (leaf, salt) VALUES (:leaf, :salt)")


class UtcDateTime(sa.types.TypeDecorator[datetime]):
    """An aware UTC time in every database: SQLite forgets zones, so they are put back."""

    impl = sa.DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Only aware times go in, as UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a stored time must be aware")
        return value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, dialect: sa.Dialect) -> datetime | None:
        """Aware UTC times come out."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


class _Once:
    """First answers by request id, in one transaction."""

    def once(
        self,
        actor: str,
        method: str,
        request: Message,
        request_id: str,
        answer_type: type[Answer],
        act: Callable[[], Answer],
    ) -> Answer:
        """The first answer to this request id: run `act` now, or return what it answered then.

        Raises InvalidArgument (REQUEST_ID_REQUIRED) without an id of at most 64 characters and
        AlreadyExists (REQUEST_ID_REUSED) where the id came with another request.
        """
        check_request_id(request_id)
        digest = hashlib.sha256(request.SerializeToString(deterministic=True)).digest()
        held = self.answered(actor, method, request_id)
        if held is not None:
            if held[0] != digest:
                raise AlreadyExists(
                    "this request_id was used for another request: take a fresh one",
                    reason="REQUEST_ID_REUSED",
                    message_zh="该 request_id 已用于另一请求：请换新的",
                )
            return answer_type.FromString(held[1])
        answer = act()
        self._keep(actor, method, request_id, digest, answer.SerializeToString())
        return answer

    def answered(self, actor: str, method: str, request_id: str) -> tuple[bytes, bytes] | None:
        """Digest of the request and the answer held for a request id, if any."""
        raise NotImplementedError

    def _keep(self, actor: str, method: str, request_id: str, digest: bytes, answer: bytes) -> None:
        raise NotImplementedError


class UnitOfWork(_Once):
    """One transaction that may write: its session, and what every act owes."""

    def __init__(self, session: Session) -> None:
        self.session = session

    def record(self, record: SealedRecord) -> None:
        """Put the act's audit record on its way, in this transaction. Raises as `check_record`."""
        check_record(record)
        self.session.execute(_ADD_RECORD, {"leaf": record.leaf, "salt": record.salt})

    def _keep(self, actor: str, method: str, request_id: str, digest: bytes, answer: bytes) -> None:
        self.session.execute(
            answered_request.insert().values(
                actor=actor,
                method=method,
                request_id=request_id,
                request_digest=digest,
                answer=answer,
                answered_at=datetime.now(UTC),
            )
        )

    def answered(self, actor: str, method: str, request_id: str) -> tuple[bytes, bytes] | None:
        """Digest of the request and the answer held for a request id, if any."""
        columns = answered_request.c
        row = self.session.execute(
            sa.select(columns.request_digest, columns.answer).where(
                columns.actor == actor,
                columns.method == method,
                columns.request_id == request_id,
            )
        ).first()
        return None if row is None else (row[0], row[1])


class FixedWork(_Once):
    """What `UnitOfWork` is, on the driver's own connection: fixed SQL, for a hot path.

    A statement has passed through `Held.sql`. What is read once may be kept in `memo` for as long
    as the transaction lasts.
    """

    def __init__(self, held: Held, connection: Any) -> None:
        self._held = held
        self._connection = connection
        self.memo: dict[object, Any] = {}

    def run(self, text: str, parameters: Sequence[object]) -> int:
        """How many rows a statement changed."""
        return int(self._connection.execute(text, parameters).rowcount)

    def row(self, text: str, parameters: Sequence[object]) -> tuple[Any, ...] | None:
        """The first row of a statement."""
        return cast("tuple[Any, ...] | None", self._connection.execute(text, parameters).fetchone())

    def time(self, at: datetime) -> object:
        """An aware time as a parameter: `UtcDateTime` reads it."""
        return self._held.time(at)

    def record(self, record: SealedRecord) -> None:
        """Put the act's audit record on its way, in this transaction. Raises as `check_record`."""
        check_record(record)
        self.run(self._held.add_record, (record.leaf, record.salt))

    def answered(self, actor: str, method: str, request_id: str) -> tuple[bytes, bytes] | None:
        """Digest of the request and the answer held for a request id, if any."""
        row = self.row(self._held.find_answer, (actor, method, request_id))
        return None if row is None else (bytes(row[0]), bytes(row[1]))

    def _keep(self, actor: str, method: str, request_id: str, digest: bytes, answer: bytes) -> None:
        at = self.time(datetime.now(UTC))
        self.run(self._held.add_answer, (actor, method, request_id, digest, answer, at))


def check_request_id(request_id: str) -> None:
    """Refuse what is not 1 to 64 printable ASCII, or holds a citizen number: it is kept.

    Raises InvalidArgument (REQUEST_ID_REQUIRED, CITIZEN_NUMBER_IN_ID).
    """
    if not 0 < len(request_id) <= REQUEST_ID_LIMIT or not _PRINTABLE.fullmatch(request_id):
        raise InvalidArgument(
            "request_id is required: a fresh UUID for each new act, the same one to repeat it",
            reason="REQUEST_ID_REQUIRED",
            message_zh="必须提供 request_id：新操作用新的 UUID，重试用同一个",
        )
    check_no_citizen(request_id, field="request_id")


def _read(url: str) -> sa.URL:
    """The URL of a database, with the driver that is installed; its password is never told.

    Raises FailedPrecondition (BAD_DATABASE_URL).
    """
    try:
        found = sa.make_url(url)
    except (ValueError, sa.exc.ArgumentError):  # its text may hold the password
        found = None
    if found is not None and found.drivername in ("postgresql", "postgres"):
        found = found.set(drivername="postgresql+psycopg")
    if found is None or found.drivername not in ("sqlite", "postgresql+psycopg"):
        raise FailedPrecondition(
            "the setting `database` is not the URL of a PostgreSQL database: write "
            "postgresql://user:password@host:port/name, or leave it empty",
            reason="BAD_DATABASE_URL",
            message_zh="设置项 database 不是 PostgreSQL 数据库的 URL：请写作 "
            "postgresql://用户:口令@主机:端口/库名，或留空",
        ) from None
    return found


class Database:
    """An engine over SQLite or PostgreSQL; raises as `_read` where the URL is of neither."""

    def __init__(self, url: str, *, schema: str) -> None:
        self.url = _read(url)
        self.schema = schema
        self.is_sqlite = self.url.get_backend_name() == "sqlite"
        #: Of the file, whose disk may be full; None for a server.
        self.folder = Path(self.url.database or ".").parent if self.is_sqlite else None
        if self.is_sqlite:
            self.engine = sa.create_engine(
                self.url, connect_args={"timeout": BUSY_TIMEOUT_MS / 1000}, hide_parameters=True
            )
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_plain)
        else:
            options = {"options": f"-csearch_path={schema}"}
            self.engine = sa.create_engine(
                self.url, connect_args=options, pool_pre_ping=True, hide_parameters=True
            )
        self.held = Held(self)

    def connect_driver(self) -> Any:
        """A new connection of the driver itself, autocommitting, prepared as the engine's are."""
        if self.is_sqlite:
            connection = sqlite3.connect(
                str(self.url.database),
                isolation_level=None,
                check_same_thread=False,
                timeout=BUSY_TIMEOUT_MS / 1000,
            )
            _pragmas(connection)
            return connection
        import psycopg  # only where PostgreSQL is used

        plain = self.url.set(drivername="postgresql").render_as_string(hide_password=False)
        return psycopg.connect(
            plain, autocommit=True, options=f"-csearch_path={self.schema}", prepare_threshold=1
        )

    @contextmanager
    def unit_of_work(self) -> Iterator[UnitOfWork]:
        """A transaction that may write; commits at the end, rolls back on any error."""
        with storage_errors(self.folder), Session(self.engine, expire_on_commit=False) as session:
            if self.is_sqlite:
                session.connection(execution_options={"tongban_begin": "IMMEDIATE"})
            yield UnitOfWork(session)
            session.commit()

    def once(
        self,
        actor: str,
        request: Any,
        answer_type: type[Answer],
        act: Callable[[UnitOfWork], Answer],
    ) -> Answer:
        """`UnitOfWork.once` in a transaction of its own, of a method whose request this is.

        The request has a `request_id`, and is called as its method is: `PutRowRequest`. `act` gets
        the transaction.
        """
        method = type(request).__name__.removesuffix("Request")
        with self.unit_of_work() as work:
            return work.once(
                actor, method, request, request.request_id, answer_type, lambda: act(work)
            )

    @contextmanager
    def fixed_work(self) -> Iterator[FixedWork]:
        """`unit_of_work` for fixed SQL, on this thread's connection of the driver."""
        with self.held.transaction() as connection:
            yield FixedWork(self.held, connection)

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads, from one snapshot."""
        with storage_errors(self.folder), Session(self.engine, expire_on_commit=False) as session:
            yield session

    def migrate(self, migrations: Path) -> None:
        """Bring the schema to the newest version with the Alembic scripts of a service."""
        with storage_errors(self.folder):
            if not self.is_sqlite:
                with self.engine.begin() as connection:
                    connection.execute(sa.text(f'CREATE SCHEMA IF NOT EXISTS "{self.schema}"'))
            config = AlembicConfig()
            config.set_main_option("script_location", str(migrations).replace("%", "%%"))
            with self.engine.connect() as connection:
                config.attributes["connection"] = connection
                command.upgrade(config, "head")
                connection.commit()

    def is_newest(self, migrations: Path) -> bool:
        """Whether the schema is of the newest version; changes nothing."""
        from alembic.migration import MigrationContext
        from alembic.script import ScriptDirectory

        with storage_errors(self.folder), self.engine.connect() as connection:
            held = MigrationContext.configure(connection).get_current_heads()
        return set(held) == set(ScriptDirectory(str(migrations)).get_heads())

    def close(self) -> None:
        """Close all connections; the database is not used again."""
        self.held.close()
        self.engine.dispose()


def run_migrations() -> None:
    """The body of every `migrations/env.py`: run in the connection that `migrate` gave."""
    from alembic import context

    context.configure(connection=context.config.attributes["connection"], render_as_batch=True)
    with context.begin_transaction():
        context.run_migrations()


def _pragmas(connection: Any) -> None:
    for pragma in (
        "journal_mode=WAL",
        "synchronous=FULL",
        "foreign_keys=ON",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "journal_size_limit=67108864",
        "cache_size=-8192",
    ):
        connection.execute(f"PRAGMA {pragma}")


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver must not begin transactions by itself: `begin` below says which kind.
    connection.isolation_level = None
    _pragmas(connection)


def _begin_plain(connection: sa.Connection) -> None:
    kind = connection.get_execution_options().get("tongban_begin", "")
    connection.exec_driver_sql(f"BEGIN {kind}".strip())
