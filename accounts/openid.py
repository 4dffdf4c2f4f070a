"""Signing in at the identity platform: OpenID Connect, authorization code with PKCE (RFC 7636).

1. The node asks the platform itself (`platform`): the portal only sends the browser there and
   brings back what it answered. State and nonce are random, of one flow, and used once; the portal
   binds the flow to the browser. The platform asks for the password anew, unless `prompt` says
   otherwise.
2. Roles come from its claims and from nowhere else: whoever lost a role there has lost it here at
   the next sign-in. An applicant has a number in a claim of its own; who has no role gets no
   account. A disabled account stays disabled.
3. The platform gives only those roles that the settings name (`roles`; applicant and department
   where they say nothing), of departments that they name, or that there are; never of the node's
   office, unless it is named: the platform alone does not make who keeps all directories.
4. What it changes of an account is a leaf: `account_created`, `account_changed` (other roles),
   `account_disabled` (somebody else now); and what is refused is one, too.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import replace
from typing import Any, Final
from urllib.parse import urlencode

import orjson

from accounts import model, store
from accounts.departments import Departments
from accounts.holding import NAME as NAME_ROW
from accounts.holding import Holding, roles_text
from accounts.model import Account, AccountState, Event, Method
from accounts.own import store as events
from accounts.platform import Platform, normal_issuer
from accounts.sessions import Begun, Sessions
from accounts.signing_in import SigningIn, refused
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import DomainError, InvalidArgument, PermissionDenied, Unavailable
from runtime.identity import APPLICANTS, Role
from runtime.portal_settings import SignInSettings
from runtime.records import Value, make_record

OPEN_ID: Final = "open_id"
CALLBACK: Final = "/sign-in/platform/answer"


class OpenId:
    """The use cases."""

    def __init__(
        self,
        settings: SignInSettings,
        database: Database,
        holding: Holding,
        sessions: Sessions,
        signing_in: SigningIn,
        departments: Departments,
        clock: Clock,
        origin: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._holding = holding
        self._sessions = sessions
        self._signing_in = signing_in
        self._departments = departments
        self._clock = clock
        self._origin = origin
        self._back = origin + CALLBACK
        self._platform = Platform(settings, clock, self._back)

    @property
    def title(self) -> str:
        """What the platform is called; empty where there is none."""
        return self._settings.title if self._settings.issuer else ""

    def begin(self) -> tuple[str, str]:
        """The flow, and where to send the browser. Raises NO_PLATFORM, PLATFORM_UNAVAILABLE."""
        platform = self._platform.described()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        flow = self._signing_in.flows.begin(OPEN_ID, orjson.dumps([state, nonce, verifier]))
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": self._back,
            "scope": "openid profile",
            "state": state,
            "nonce": nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        if self._settings.prompt:
            query["prompt"] = self._settings.prompt
        return flow, _with_query(platform.authorization, query)

    def finish(self, flow: str, *, state: str, code: str, public_key: bytes) -> Begun:
        """Begin a session by what the platform answered.

        Raises Unauthenticated (SIGN_IN_REFUSED), PermissionDenied (NO_ROLE), NO_PLATFORM and
        PLATFORM_UNAVAILABLE.
        """
        try:
            return self._finish(flow, state, code, public_key)
        except Unavailable:
            raise  # nothing was judged
        except DomainError:
            with self._database.unit_of_work() as work:
                self._signing_in.record_refusal(work, Method.OPEN_ID, "")
            raise

    def _finish(self, flow: str, state: str, code: str, public_key: bytes) -> Begun:
        with self._database.unit_of_work() as work:
            content = self._signing_in.flows.take(work, OPEN_ID, flow)
        if content is None:
            raise refused()
        expected, nonce, verifier = orjson.loads(content)
        if not secrets.compare_digest(expected.encode(), state.encode()):
            raise refused()
        claims = self._platform.claims(code, verifier, nonce)
        wanted = self._wanted(claims)
        with self._database.unit_of_work() as work:
            held = self._account(work, claims["sub"], wanted)
            begun = self._sessions.begin(work, held, Method.OPEN_ID, public_key)
        return replace(begun, sign_out_url=self._sign_out_url())

    def _sign_out_url(self) -> str:
        end = self._platform.described().end_session
        query = {"client_id": self._settings.client_id, "post_logout_redirect_uri": self._origin}
        return _with_query(end, query) if end else ""

    def _wanted(self, claims: dict[str, Any]) -> Account:
        """The account as the claims have it (rules 2 and 3). Raises NO_ROLE."""
        roles = self._roles(claims.get(self._settings.roles_claim))
        name = str(claims.get("name") or claims.get("preferred_username") or "—")
        shown = "".join(one for one in name if one.isprintable()).strip()[: model.GREATEST_NAME]
        login = ""
        try:
            if roles == {Role.APPLICANT}:
                login = str(claims.get(self._settings.holder_claim, "")).upper()
                model.check_holder_code(login)
                department = APPLICANTS
            else:
                model.check_roles(roles)
                department = self._department(claims.get(self._settings.department_claim))
        except InvalidArgument:
            raise _no_role() from None
        return Account(
            id=names.random_id(),
            department=department,
            roles=roles,
            state=AccountState.ACTIVE,
            display_name=shown or "—",
            login=login,
            create_time=self._clock.now(),
        )

    def _roles(self, given: object) -> frozenset[Role]:
        said = {given} if isinstance(given, str) else set()
        if isinstance(given, list):
            said = {one for one in given if isinstance(one, str)}
        return frozenset(role for role in Role if role in said & set(self._settings.roles))

    def _department(self, given: object) -> str:
        """Whose somebody is. Raises NO_ROLE, InvalidArgument, and what asking the catalog does."""
        place = given if isinstance(given, str) else ""
        department = names.make(names.DEPARTMENT, department=place)
        listed = self._settings.departments
        named = place in listed
        if department == APPLICANTS or (listed and not named):
            raise _no_role()
        if not named and self._departments.is_office(department):
            raise _no_role()
        if not self._departments.exists(department):
            raise _no_role()
        return department

    def _account(self, work: UnitOfWork, subject: str, wanted: Account) -> Account:
        """The platform's account of a subject: made, or brought to what the claims say."""
        row, found_by = self._row(work, subject)
        if row is not None and row.state != AccountState.ACTIVE.value:
            raise refused()
        held = self._holding.account(row) if row is not None else None
        # Who is somebody else now has another account: acts of the first stay the first's.
        if held is not None and (held.department, held.holder_code) != (
            wanted.department,
            wanted.holder_code,
        ):
            self._leave(work, held)
            held = None
        if held is None:
            store.add_account(work.session, self._holding.row(wanted, found_by))
            self._record(work, "account_created", wanted)
            return wanted
        if held.roles != wanted.roles:
            self._sessions.end_of(work, held.id)
            self._record(work, "account_changed", replace(held, roles=wanted.roles), held=held)
        store.change_account(
            work.session,
            held.id,
            roles=roles_text(wanted.roles),
            display_name=self._holding.secrecy.close(wanted.display_name, row=NAME_ROW + held.id),
        )
        return replace(held, roles=wanted.roles, display_name=wanted.display_name)

    def _row(self, work: UnitOfWork, subject: str) -> tuple[store.AccountRow | None, bytes]:
        """The subject's row, and what it is found by; one of before is found by either form."""
        issuer = normal_issuer(self._settings.issuer)
        found_by = self._holding.found_by_subject(issuer, subject)
        row = store.account_found_by(work.session, found_by, hold=True)
        if row is None:
            before = self._holding.found_by_subject(f"{issuer}/", subject)
            row = store.account_found_by(work.session, before, hold=True)
            if row is not None:
                store.change_account(work.session, row.id, found_by=found_by)
        return row, found_by

    def _leave(self, work: UnitOfWork, held: Account) -> None:
        """End the account of who is somebody else now at the platform."""
        store.change_account(
            work.session,
            held.id,
            state=AccountState.DISABLED.value,
            found_by=secrets.token_bytes(32),
        )
        self._sessions.end_of(work, held.id)
        self._record(work, "account_disabled", held)

    def _record(
        self, work: UnitOfWork, kind: str, account: Account, *, held: Account | None = None
    ) -> None:
        now = self._clock.now()
        facts: dict[str, Value] = {
            "account": account.name,
            "system": account.system,
            "department": account.department,
            "roles": sorted(account.roles),
            "by": OPEN_ID,
        }
        if held is not None:
            facts["roles_before"] = sorted(held.roles)
        if kind == "account_created":
            events.add_event(work.session, account.id, kind=Event.CREATED.value, at=now)
        work.record(make_record(kind, at=now, actor=account.system, facts=facts))


def _with_query(address: str, query: dict[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(query)}"


def _no_role() -> PermissionDenied:
    return PermissionDenied(
        "the identity platform gives you no role here: ask the one who keeps your entry there",
        reason="NO_ROLE",
        message_zh="统一身份认证平台未赋予您在本系统的角色：请联系平台管理员",
    )
