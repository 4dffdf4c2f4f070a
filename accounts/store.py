"""Where accounts are held. Times are UTC; what is personal comes in and goes out sealed."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Session

from accounts.model import Tries
from runtime.database import UtcDateTime

_TABLES = sa.MetaData()
_ID = sa.String(16)

_ACCOUNT = sa.Table(
    "account",
    _TABLES,
    sa.Column("id", _ID, primary_key=True),
    sa.Column("department", sa.String(80)),
    sa.Column("roles", sa.String(120)),
    sa.Column("state", sa.String(16)),
    sa.Column("display_name", sa.LargeBinary),
    sa.Column("login", sa.LargeBinary),
    sa.Column("found_by", sa.LargeBinary),
    sa.Column("password", sa.String(200)),
    sa.Column("totp", sa.LargeBinary),
    sa.Column("totp_step", sa.BigInteger),
    sa.Column("create_time", UtcDateTime),
    sa.Column("sign_in_time", UtcDateTime),
)
_INVITATION = sa.Table(
    "invitation",
    _TABLES,
    sa.Column("token", sa.LargeBinary, primary_key=True),
    sa.Column("account", _ID),
    sa.Column("expire_time", UtcDateTime),
    sa.Column("totp", sa.LargeBinary),
    sa.Column("challenge", sa.LargeBinary),
    sa.Column("openings", sa.Integer),
)
_PASSKEY = sa.Table(
    "passkey",
    _TABLES,
    sa.Column("credential", sa.LargeBinary, primary_key=True),
    sa.Column("account", _ID),
    sa.Column("public_key", sa.LargeBinary),
    sa.Column("uses", sa.BigInteger),
    sa.Column("create_time", UtcDateTime),
    sa.Column("used_time", UtcDateTime),
)
_SESSION = sa.Table(
    "session",
    _TABLES,
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("account", _ID),
    sa.Column("expire_time", UtcDateTime),
    sa.Column("ended", sa.Boolean),
    sa.Column("begin_time", UtcDateTime),
    sa.Column("method", sa.String(16)),
)
_WRONG = sa.Table(
    "wrong_try",
    _TABLES,
    sa.Column("found_by", sa.LargeBinary, primary_key=True),
    sa.Column("failures", sa.Integer),
    sa.Column("locked_until", UtcDateTime),
    sa.Column("time", UtcDateTime),
)
_FLOW = sa.Table(
    "flow",
    _TABLES,
    sa.Column("id", sa.LargeBinary, primary_key=True),
    sa.Column("kind", sa.String(16)),
    sa.Column("content", sa.LargeBinary),
    sa.Column("expire_time", UtcDateTime),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AccountRow:
    """An account as it lies in its table."""

    id: str
    department: str
    roles: str
    state: str
    display_name: bytes
    login: bytes
    found_by: bytes
    password: str = ""
    totp: bytes = b""
    #: The newest step of one-time codes that was used: none is taken twice.
    totp_step: int = 0
    create_time: datetime
    sign_in_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class InvitationRow:
    """A link; of its token only the hash."""

    token: bytes
    account: str
    expire_time: datetime
    totp: bytes
    challenge: bytes
    #: How often it was opened.
    openings: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRow:
    """A passkey: its public key, and how often its authenticator says that it was used."""

    credential: bytes
    account: str
    public_key: bytes
    uses: int
    create_time: datetime
    used_time: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionRow:
    """A session: its certificate's serial number, and how it began."""

    serial: str
    account: str
    expire_time: datetime
    ended: bool = False
    #: None of those that began before this was kept.
    begin_time: datetime | None = None
    method: str = ""


# --- accounts --------------------------------------------------------------------------------


def add_account(session: Session, row: AccountRow) -> None:
    """Keep a new account. A login in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(_ACCOUNT.insert().values(**_values(row)))


def account(session: Session, account_id: str, *, hold: bool = False) -> AccountRow | None:
    """An account; with `hold` nobody else changes it until the transaction ends."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.id == account_id)
    row = session.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else AccountRow(**row)


def accounts(session: Session, ids: Collection[str]) -> list[AccountRow]:
    """Some accounts, as far as there are such."""
    rows = session.execute(sa.select(_ACCOUNT).where(_ACCOUNT.c.id.in_(sorted(ids)))).mappings()
    return [AccountRow(**row) for row in rows]


def account_found_by(session: Session, found_by: bytes, *, hold: bool = False) -> AccountRow | None:
    """The account of a login."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.found_by == found_by)
    row = session.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else AccountRow(**row)


def change_account(session: Session, account_id: str, **values: object) -> None:
    """Put new values into an account."""
    session.execute(_ACCOUNT.update().where(_ACCOUNT.c.id == account_id).values(**values))


def take_step(session: Session, account_id: str, step: int) -> bool:
    """Use up a step of one-time codes; whether it, and no later one, was unused."""
    done = session.execute(
        _ACCOUNT.update()
        .where(_ACCOUNT.c.id == account_id, _ACCOUNT.c.totp_step < step)
        .values(totp_step=step)
    )
    return _count(done) == 1


def any_account(connection: sa.Connection) -> bool:
    """Whether there are accounts; False in a database that was never migrated."""
    if not sa.inspect(connection).has_table("account"):
        return False
    return connection.execute(sa.select(_ACCOUNT.c.id).limit(1)).first() is not None


def page(
    session: Session,
    *,
    department: str,
    departments: Collection[str] | None,
    but: str,
    after: str,
    limit: int,
    ids: Collection[str] = (),
) -> Sequence[AccountRow]:
    """Accounts of a department, of some, or of all but one, in order of id; only `ids`, if any."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.id > after, _ACCOUNT.c.department != but)
    if department:
        query = query.where(_ACCOUNT.c.department == department)
    if departments is not None:
        query = query.where(_ACCOUNT.c.department.in_(sorted(departments)))
    if ids:
        query = query.where(_ACCOUNT.c.id.in_(sorted(ids)))
    rows = session.execute(query.order_by(_ACCOUNT.c.id).limit(limit)).mappings()
    return [AccountRow(**row) for row in rows]


# --- links -----------------------------------------------------------------------------------


def add_invitation(session: Session, row: InvitationRow) -> None:
    """Keep a link; those that the account had before are gone."""
    session.execute(_INVITATION.delete().where(_INVITATION.c.account == row.account))
    session.execute(_INVITATION.insert().values(**_values(row)))


def invitation(session: Session, token: bytes) -> InvitationRow | None:
    """A link by the hash of its token."""
    row = session.execute(sa.select(_INVITATION).where(_INVITATION.c.token == token)).mappings()
    found = row.first()
    return None if found is None else InvitationRow(**found)


Invited = tuple[InvitationRow, AccountRow]


def invited(session: Session, token: bytes) -> Invited | None:
    """A link by the hash of its token, and whose it is."""
    link = invitation(session, token)
    row = account(session, link.account) if link else None
    return (link, row) if link and row else None


def take_invitation(session: Session, token: bytes) -> bool:
    """Use a link up; of two at once one finds it gone."""
    return _count(session.execute(_INVITATION.delete().where(_INVITATION.c.token == token))) == 1


def opened_invitation(session: Session, token: bytes, *, most: int) -> bool:
    """Count that a link was opened; whether it was not opened too often already."""
    done = session.execute(
        _INVITATION.update()
        .where(_INVITATION.c.token == token, _INVITATION.c.openings < most)
        .values(openings=_INVITATION.c.openings + 1)
    )
    return _count(done) == 1


def forget_credentials(session: Session, account_id: str) -> None:
    """Take links, passkeys, password and codes of an account away."""
    session.execute(_INVITATION.delete().where(_INVITATION.c.account == account_id))
    session.execute(_PASSKEY.delete().where(_PASSKEY.c.account == account_id))
    change_account(session, account_id, password="", totp=b"", totp_step=0)


# --- passkeys --------------------------------------------------------------------------------


def add_passkey(session: Session, row: PasskeyRow) -> None:
    """Keep a passkey."""
    session.execute(_PASSKEY.insert().values(**_values(row)))


def passkey(session: Session, credential: bytes) -> PasskeyRow | None:
    """A passkey by its id."""
    query = sa.select(_PASSKEY).where(_PASSKEY.c.credential == credential)
    row = session.execute(query.with_for_update()).mappings().first()
    return None if row is None else PasskeyRow(**row)


def used_passkey(session: Session, credential: bytes, uses: int, now: datetime) -> None:
    """Note that a passkey was used, and how often its authenticator says that it was."""
    session.execute(
        _PASSKEY.update()
        .where(_PASSKEY.c.credential == credential)
        .values(uses=uses, used_time=now)
    )


def passkeys_of(session: Session, account_id: str) -> list[PasskeyRow]:
    """An account's passkeys, the oldest first."""
    query = sa.select(_PASSKEY).where(_PASSKEY.c.account == account_id)
    rows = session.execute(query.order_by(_PASSKEY.c.create_time)).mappings()
    return [PasskeyRow(**row) for row in rows]


def remove_passkey(session: Session, account_id: str, credential: bytes) -> bool:
    """Take a passkey away; whether the account had it."""
    columns = _PASSKEY.c
    done = session.execute(
        _PASSKEY.delete().where(columns.credential == credential, columns.account == account_id)
    )
    return _count(done) == 1


# --- sessions --------------------------------------------------------------------------------


def add_session(session: Session, row: SessionRow) -> None:
    """Note a session; `sweep` forgets those that are over."""
    session.execute(_SESSION.insert().values(**_values(row)))


def session_by(session: Session, serial: str) -> SessionRow | None:
    """A session by its certificate's serial number, hexadecimal."""
    row = session.execute(sa.select(_SESSION).where(_SESSION.c.serial == serial)).mappings()
    found = row.first()
    return None if found is None else SessionRow(**found)


def sessions_of(session: Session, account_id: str, now: datetime) -> list[SessionRow]:
    """An account's sessions that are not over, the newest first."""
    columns = _SESSION.c
    query = sa.select(_SESSION).where(
        columns.account == account_id, columns.ended.is_(False), columns.expire_time > now
    )
    rows = session.execute(query.order_by(columns.expire_time.desc())).mappings()
    return [SessionRow(**row) for row in rows]


def all_sessions(session: Session, now: datetime) -> list[str]:
    """Serial numbers of all sessions whose certificates are not over, ended or not."""
    query = sa.select(_SESSION.c.serial).where(_SESSION.c.expire_time > now)
    return list(session.execute(query).scalars())


def end_sessions(session: Session, serials: Sequence[str]) -> None:
    """Note that sessions were ended."""
    session.execute(
        _SESSION.update().where(_SESSION.c.serial.in_(list(serials))).values(ended=True)
    )


# --- wrong tries -----------------------------------------------------------------------------


def tries(session: Session, found_by: bytes) -> Tries:
    """Wrong tries of a login."""
    row = session.execute(sa.select(_WRONG).where(_WRONG.c.found_by == found_by)).first()
    return Tries() if row is None else Tries(failures=row.failures, locked_until=row.locked_until)


def hold_tries(session: Session, found_by: bytes, now: datetime) -> Tries:
    """`tries`; nobody else judges this login until the transaction ends, whoever has it."""
    _add_new(session, _WRONG, found_by=found_by, failures=0, locked_until=None, time=now)
    row = session.execute(
        sa.select(_WRONG).where(_WRONG.c.found_by == found_by).with_for_update()
    ).one()
    return Tries(failures=row.failures, locked_until=row.locked_until)


def keep_tries(session: Session, found_by: bytes, held: Tries, now: datetime) -> None:
    """Keep wrong tries of a login, which this transaction holds or which nobody counted yet."""
    values = {"failures": held.failures, "locked_until": held.locked_until, "time": now}
    session.execute(_WRONG.update().where(_WRONG.c.found_by == found_by).values(**values))


# --- what was asked of a browser -------------------------------------------------------------


def take_flow(session: Session, digest: bytes, *, kind: str, expire_time: datetime) -> bool:
    """Note that a flow was taken; whether it was not before."""
    return _add_new(session, _FLOW, id=digest, kind=kind, content=b"", expire_time=expire_time)


def sweep(session: Session, *, now: datetime, tries_before: datetime) -> None:
    """Forget what is over: links, sessions, flows; and wrong tries of long ago."""
    for table in (_INVITATION, _SESSION, _FLOW):
        session.execute(table.delete().where(table.c.expire_time < now))
    session.execute(_WRONG.delete().where(_WRONG.c.time < tries_before))


def _add_new(session: Session, table: sa.Table, **values: object) -> bool:
    """Add a row where there is none by its key yet; whether there was none."""
    here = session.get_bind().dialect.name
    insert = postgresql.insert if here == "postgresql" else sqlite.insert
    statement = insert(table).values(**values).on_conflict_do_nothing()
    key = next(iter(table.primary_key))
    return session.execute(statement.returning(key)).first() is not None


def _values(row: AccountRow | InvitationRow | PasskeyRow | SessionRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _count(done: sa.Result[tuple[object, ...]]) -> int:
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE or DELETE has one
