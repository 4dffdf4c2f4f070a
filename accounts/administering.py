"""Who has an account: making, resetting, listing, disabling.

1. Accounts of departments are made by the node's operator, who also enrols their systems: nobody
   makes themselves a second person for acts that take two. A counter makes those of applicants whom
   it has identified.
2. A new or a reset account has a link, told once, by which its owner alone enrols; of its token the
   hash is kept.
3. An administrator disables with a second one, who confirms, and a counter resets an applicant's
   account by two persons (`acts`); the operator does either alone. A reset takes everything away by
   which somebody could sign in, and ends all sessions; so does disabling, for good.
4. Every act is a leaf: `account_created`, `account_reset`, `account_disabled`, with the account and
   its roles; names and numbers are in none.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from accounts import model, store
from accounts.acts.model import check_reason
from accounts.holding import Holding
from accounts.model import INVITATION, Account, AccountState, Event
from accounts.own import store as events
from accounts.sessions import Sessions
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import AlreadyExists, InvalidArgument, NotFound, PermissionDenied
from runtime.identity import APPLICANTS, Principal, Role
from runtime.paging import last_of
from runtime.records import Value, make_record

TOKEN_BYTES = 20
_MOST_NAMED = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Invited:
    """An account and the link to it."""

    account: Account
    token: str
    expire_time: datetime


def token_hash(token: str) -> bytes:
    """What of a link's token is kept."""
    return hashlib.sha256(b"tongban invitation\0" + token.encode()).digest()


def account_not_found() -> NotFound:
    """The one refusal for an account that is absent and for one that is not the caller's to see."""
    return NotFound(
        "there is no such account, or it is not yours to see: check the name or the number",
        reason="ACCOUNT_NOT_FOUND",
        message_zh="没有这个账户，或不在您的管理范围：请核对名称或号码",
    )


class Administering:
    """The use cases."""

    def __init__(
        self, database: Database, holding: Holding, sessions: Sessions, clock: Clock
    ) -> None:
        self._database = database
        self._holding = holding
        self._sessions = sessions
        self._clock = clock

    def create(
        self,
        work: UnitOfWork,
        *,
        actor: str,
        department: str,
        roles: Iterable[Role],
        login: str,
        display_name: str,
    ) -> Invited:
        """Make an account; of APPLICANTS for an applicant, whose login is their number.

        Raises InvalidArgument (BAD_HOLDER_CODE, BAD_LOGIN, BAD_NAME, UNKNOWN_ROLE) and
        AlreadyExists (ACCOUNT_EXISTS).
        """
        names.parse(names.DEPARTMENT, department, field="department")
        model.check_display_name(display_name)
        if department == APPLICANTS:
            model.check_holder_code(login)
            asked = frozenset({Role.APPLICANT})
        else:
            model.check_login(login)
            asked = model.check_roles(roles)
        found_by = self._holding.found_by(login)
        if store.account_found_by(work.session, found_by) is not None:
            raise AlreadyExists(
                "somebody has an account by this login: reset it if it is theirs",
                reason="ACCOUNT_EXISTS",
                message_zh="该登录名或证件号码已有账户：如属本人，请重置账户",
            )
        held = Account(
            id=names.random_id(),
            department=department,
            roles=asked,
            state=AccountState.INVITED,
            display_name=display_name,
            login=login,
            create_time=self._clock.now(),
        )
        store.add_account(work.session, self._holding.row(held, found_by))
        self._record(work, "account_created", held, actor)
        events.add_event(work.session, held.id, kind=Event.CREATED.value, at=held.create_time)
        return self._invited(work, held)

    def reset(self, work: UnitOfWork, name: str, *, actor: str, reason: str = "") -> Invited:
        """Take the account's credentials away and make a fresh link (rule 3); its owner sees why.

        Raises NotFound (ACCOUNT_NOT_FOUND); a disabled account is none any more.
        """
        held = self._held(work, name)
        if held.state is AccountState.DISABLED:
            raise account_not_found()
        store.forget_credentials(work.session, held.id)
        store.change_account(work.session, held.id, state=AccountState.INVITED.value)
        self._sessions.end_of(work, held.id)
        held = replace(held, state=AccountState.INVITED)
        self._record(work, "account_reset", held, actor, reason=reason)
        events.add_event(
            work.session,
            held.id,
            kind=Event.RESET.value,
            at=self._clock.now(),
            reason=self._holding.event_reason(held.id, reason),
        )
        return self._invited(work, held)

    def of_holder(self, work: UnitOfWork, holder_code: str) -> Account:
        """The account of an identified applicant, if it can be reset.

        Raises InvalidArgument (BAD_HOLDER_CODE) and NotFound (ACCOUNT_NOT_FOUND).
        """
        model.check_holder_code(holder_code)
        row = store.account_found_by(work.session, self._holding.found_by(holder_code))
        disabled = AccountState.DISABLED.value
        if row is None or row.department != APPLICANTS or row.state == disabled:
            raise NotFound(
                "nobody signs in by this number: check it, or make them an account",
                reason="ACCOUNT_NOT_FOUND",
                message_zh="该证件号码没有可用的账户：请核对号码，或为其开户",
            )
        return self._holding.account(row)

    def check_disable(self, work: UnitOfWork, name: str, principal: Principal | None) -> Account:
        """The account, if it can be disabled; by an administrator only one of a department.

        Raises NotFound (ACCOUNT_NOT_FOUND) and PermissionDenied (OWN_ACCOUNT).
        """
        held = self._held(work, name)
        if principal is not None and held.is_applicant:
            raise account_not_found()
        if principal is not None and held.system == principal.system:
            raise PermissionDenied(
                "nobody disables their own account: ask another administrator",
                reason="OWN_ACCOUNT",
                message_zh="不能停用自己的账户：请由另一位管理员操作",
            )
        return held

    def disable(
        self, work: UnitOfWork, name: str, *, reason: str, actor: str, principal: Principal | None
    ) -> Account:
        """End an account: the operator, or the second of two administrators (`principal`).

        Raises what `check_disable` does, and InvalidArgument (REASON_REQUIRED).
        """
        reason = check_reason(reason)
        held = self.check_disable(work, name, principal)
        if held.state is not AccountState.DISABLED:
            store.forget_credentials(work.session, held.id)
            store.change_account(work.session, held.id, state=AccountState.DISABLED.value)
            self._sessions.end_of(work, held.id)
            held = replace(held, state=AccountState.DISABLED)
            self._record(work, "account_disabled", held, actor, reason=reason)
        return held

    def get(self, name: str) -> Account:
        """An account of a department. Raises NotFound (ACCOUNT_NOT_FOUND)."""
        with self._database.reading() as session:
            row = store.account(session, names.parse(names.ACCOUNT, name)["account"])
        if row is None or row.department == APPLICANTS:
            raise account_not_found()
        return self._holding.account(row)

    def page(
        self,
        department: str,
        *,
        size: int,
        token: str,
        everybody: bool,
        departments: Collection[str] | None = None,
        named: Collection[str] = (),
    ) -> list[Account]:
        """At most `size` + 1 accounts in order of id; applicants' only for `everybody`.

        `departments`: only of these; `named`: only these, if any are. Raises InvalidArgument
        (TOO_MANY_NAMES).
        """
        if len(named) > _MOST_NAMED:
            raise InvalidArgument(
                f"at most {_MOST_NAMED} accounts are asked for by name at once",
                reason="TOO_MANY_NAMES",
                message_zh=f"一次最多按名称查询 {_MOST_NAMED} 个账户",
            )
        if department:
            names.parse(names.DEPARTMENT, department, field="department")
        with self._database.reading() as session:
            rows = store.page(
                session,
                department=department,
                departments=departments,
                ids=[names.parse(names.ACCOUNT, one)["account"] for one in named],
                but="" if everybody else APPLICANTS,
                after=last_of(token),
                limit=size + 1,
            )
        return [self._holding.account(row) for row in rows]

    def _held(self, work: UnitOfWork, name: str) -> Account:
        row = store.account(work.session, names.parse(names.ACCOUNT, name)["account"], hold=True)
        if row is None:
            raise account_not_found()
        return self._holding.account(row)

    def _invited(self, work: UnitOfWork, held: Account) -> Invited:
        token = secrets.token_urlsafe(TOKEN_BYTES)
        expire_time = self._clock.now() + INVITATION
        store.add_invitation(
            work.session,
            store.InvitationRow(
                token=token_hash(token),
                account=held.id,
                expire_time=expire_time,
                # Each opening of the link has its own (`enrolling`).
                totp=b"",
                challenge=b"",
            ),
        )
        return Invited(account=held, token=token, expire_time=expire_time)

    def _record(
        self, work: UnitOfWork, kind: str, held: Account, actor: str, *, reason: str = ""
    ) -> None:
        facts: dict[str, Value] = {
            "account": held.name,
            "system": held.system,
            "roles": sorted(held.roles),
        }
        commitments = {"reason": reason.encode()} if reason else None
        work.record(
            make_record(
                kind, at=self._clock.now(), actor=actor, facts=facts, commitments=commitments
            )
        )
