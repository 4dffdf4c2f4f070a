"""Where accounts are held. Times are UTC; what is personal comes in and goes out sealed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
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
)
_PASSKEY = sa.Table(
    "passkey",
    _TABLES,
    sa.Column("credential", sa.LargeBinary, primary_key=True),
    sa.Column("account", _ID),
    sa.Column("public_key", sa.LargeBinary),
    sa.Column("uses", sa.BigInteger),
    sa.Column("create_time", UtcDateTime),
)
_SESSION = sa.Table(
    "session",
    _TABLES,
    sa.Column("serial", sa.String(40), primary_key=True),
    sa.Column("account", _ID),
    sa.Column("expire_time", UtcDateTime),
    sa.Column("ended", sa.Boolean),
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


@dataclass(frozen=True, slots=True, kw_only=True)
class PasskeyRow:
    """A passkey: its public key, and how often its authenticator says that it was used."""

    credential: bytes
    account: str
    public_key: bytes
    uses: int
    create_time: datetime


# --- accounts --------------------------------------------------------------------------------


def add_account(session: Session, row: AccountRow) -> None:
    """Keep a new account. A login in use is an IntegrityError (CONCURRENT_CHANGE)."""
    session.execute(_ACCOUNT.insert().values(**_values(row)))


def account(session: Session, account_id: str, *, hold: bool = False) -> AccountRow | None:
    """An account; with `hold` nobody else changes it until the transaction ends."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.id == account_id)
    row = session.execute(query.with_for_update() if hold else query).mappings().first()
    return None if row is None else AccountRow(**row)


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


def page(
    session: Session, *, department: str, but: str, after: str, limit: int
) -> Sequence[AccountRow]:
    """Accounts of a department, or of all but one, in order of id."""
    query = sa.select(_ACCOUNT).where(_ACCOUNT.c.id > after, _ACCOUNT.c.department != but)
    if department:
        query = query.where(_ACCOUNT.c.department == department)
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


def take_invitation(session: Session, token: bytes) -> bool:
    """Use a link up; of two at once one finds it gone."""
    return _count(session.execute(_INVITATION.delete().where(_INVITATION.c.token == token))) == 1


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


def used_passkey(session: Session, credential: bytes, uses: int) -> None:
    """Note how often an authenticator says that it was used."""
    session.execute(_PASSKEY.update().where(_PASSKEY.c.credential == credential).values(uses=uses))


# --- sessions --------------------------------------------------------------------------------


def add_session(session: Session, *, serial: str, account_id: str, expire_time: datetime) -> None:
    """Note a session; those that are long over are forgotten."""
    session.execute(
        _SESSION.insert().values(
            serial=serial, account=account_id, expire_time=expire_time, ended=False
        )
    )


def open_sessions(session: Session, account_id: str, now: datetime) -> list[str]:
    """Serial numbers of an account's sessions that are not over."""
    columns = _SESSION.c
    query = sa.select(columns.serial).where(
        columns.account == account_id, columns.ended.is_(False), columns.expire_time > now
    )
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


def keep_tries(session: Session, found_by: bytes, held: Tries, now: datetime) -> None:
    """Keep wrong tries of a login; none are kept where there were none."""
    session.execute(_WRONG.delete().where(_WRONG.c.found_by == found_by))
    if held.failures:
        values = {"failures": held.failures, "locked_until": held.locked_until, "time": now}
        session.execute(_WRONG.insert().values(found_by=found_by, **values))


# --- what is asked of a browser --------------------------------------------------------------


def add_flow(
    session: Session, *, flow: bytes, kind: str, content: bytes, expire_time: datetime
) -> None:
    """Keep what an answer will be held against."""
    session.execute(
        _FLOW.insert().values(id=flow, kind=kind, content=content, expire_time=expire_time)
    )


def take_flow(session: Session, flow: bytes, kind: str, now: datetime) -> bytes | None:
    """What an answer is held against, once; None where it was, or its time is over."""
    columns = _FLOW.c
    query = sa.select(_FLOW).where(columns.id == flow, columns.kind == kind)
    row = session.execute(query).first()
    done = _count(session.execute(_FLOW.delete().where(columns.id == flow)))
    return bytes(row.content) if row is not None and done and row.expire_time > now else None


def sweep(session: Session, *, now: datetime, tries_before: datetime) -> None:
    """Forget what is over: links, sessions, flows; and wrong tries of long ago."""
    for table in (_INVITATION, _SESSION, _FLOW):
        session.execute(table.delete().where(table.c.expire_time < now))
    session.execute(_WRONG.delete().where(_WRONG.c.time < tries_before))


def flows(session: Session) -> int:
    """How many flows are open."""
    return int(session.execute(sa.select(sa.func.count()).select_from(_FLOW)).scalar_one())


def _values(row: AccountRow | InvitationRow | PasskeyRow) -> dict[str, object]:
    return {name: getattr(row, name) for name in row.__dataclass_fields__}


def _count(done: sa.Result[tuple[object, ...]]) -> int:
    return int(done.rowcount)  # type: ignore[attr-defined]  # an UPDATE or DELETE has one
