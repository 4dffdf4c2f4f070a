"""Signing in at the identity platform: OpenID Connect, authorization code with PKCE (RFC 7636).

1. The node asks the platform itself: the portal only sends the browser there and brings back what
   it answered. State and nonce are random, of one flow, and used once; the portal binds the flow to
   the browser.
2. An identity token is of the platform's issuer, for this node, signed by a key that the platform
   publishes, not over, and has the flow's nonce. Algorithms are those by public keys.
3. Roles come from its claims and from nowhere else: whoever lost a role there has lost it here at
   the next sign-in. An applicant has a number in a claim of its own; who has no role gets no
   account. A disabled account stays disabled.
4. What the platform answers is at most 256 KiB, within ten seconds, over https (http only to this
   machine), and nothing is followed elsewhere.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode, urlsplit

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accounts import model, store
from accounts.holding import NAME as NAME_ROW
from accounts.holding import Holding, roles_text
from accounts.model import Account, AccountState, Method
from accounts.sessions import Begun, Sessions
from accounts.signing_in import SigningIn, flow_id, refused
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, InvalidArgument, PermissionDenied, Unavailable
from runtime.identity import APPLICANTS, Role
from runtime.portal_settings import SignInSettings
from runtime.records import make_record

OPEN_ID: Final = "open_id"
CALLBACK: Final = "/sign-in/platform/answer"
ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
LEEWAY: Final = 60
GREATEST: Final = 256 * 1024
SECONDS: Final = 10.0
KEPT: Final = 3600.0
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Platform:
    """What a platform says of itself (OpenID Connect Discovery 1.0)."""

    authorization: str
    token: str
    keys: str


class OpenId:
    """The use cases, and what the platform was last known as."""

    def __init__(
        self,
        settings: SignInSettings,
        database: Database,
        holding: Holding,
        sessions: Sessions,
        signing_in: SigningIn,
        clock: Clock,
        origin: str,
    ) -> None:
        self._settings = settings
        self._database = database
        self._holding = holding
        self._sessions = sessions
        self._signing_in = signing_in
        self._clock = clock
        self._back = origin + CALLBACK
        self._lock = threading.Lock()
        self._platform: tuple[Platform, KeySet, float] | None = None

    @property
    def title(self) -> str:
        """What the platform is called; empty where there is none."""
        return self._settings.title if self._settings.issuer else ""

    def begin(self) -> tuple[str, str]:
        """The flow, and where to send the browser. Raises NO_PLATFORM, PLATFORM_UNAVAILABLE."""
        platform, _ = self._known()
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        content = orjson.dumps({"state": state, "nonce": nonce, "verifier": verifier})
        flow = self._signing_in.begin_flow(OPEN_ID, content)
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
        joined = "&" if "?" in platform.authorization else "?"
        return flow, f"{platform.authorization}{joined}{urlencode(query)}"

    def finish(self, flow: str, *, state: str, code: str, public_key: bytes) -> Begun:
        """Begin a session by what the platform answered.

        Raises Unauthenticated (SIGN_IN_REFUSED), PermissionDenied (NO_ROLE), NO_PLATFORM and
        PLATFORM_UNAVAILABLE.
        """
        with self._database.unit_of_work() as work:
            content = store.take_flow(work.session, flow_id(flow), OPEN_ID, self._clock.now())
        asked = orjson.loads(content) if content else {}
        if not asked or not secrets.compare_digest(asked["state"].encode(), state.encode()):
            raise refused()
        claims = self._claims(code, asked["verifier"], asked["nonce"])
        wanted = self._wanted(claims)
        with self._database.unit_of_work() as work:
            held = self._account(work, str(claims["sub"]), wanted)
            return self._sessions.begin(work, held, Method.OPEN_ID, public_key)

    def _wanted(self, claims: dict[str, Any]) -> Account:
        """The account as the claims have it (rule 3)."""
        given = claims.get(self._settings.roles_claim, [])
        said = {given} if isinstance(given, str) else set(map(str, given))
        roles = frozenset(role for role in Role if role in said)
        name = str(claims.get("name") or claims.get("preferred_username") or "—")
        shown = "".join(one for one in name if one.isprintable()).strip()[: model.GREATEST_NAME]
        department, login = "", str(claims["sub"])[: model.GREATEST_LOGIN]
        try:
            if roles == {Role.APPLICANT}:
                login = str(claims.get(self._settings.holder_claim, "")).upper()
                model.check_holder_code(login)
                department = APPLICANTS
            else:
                model.check_roles(roles)
                place = str(claims.get(self._settings.department_claim, ""))
                department = names.make(names.DEPARTMENT, department=place)
                if department == APPLICANTS:
                    raise _no_role()
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

    def _account(self, work: UnitOfWork, subject: str, wanted: Account) -> Account:
        """The platform's account of a subject: made, or brought to what the claims say."""
        found_by = self._holding.found_by_subject(self._settings.issuer, subject)
        row = store.account_found_by(work.session, found_by, hold=True)
        if row is not None and row.state != AccountState.ACTIVE.value:
            raise refused()
        held = self._holding.account(row) if row is not None else None
        # Who is somebody else now has another account: acts of the first stay the first's.
        moved = held is not None and (held.department, held.holder_code) != (
            wanted.department,
            wanted.holder_code,
        )
        if held is not None and moved:
            store.change_account(
                work.session,
                held.id,
                state=AccountState.DISABLED.value,
                found_by=secrets.token_bytes(32),
            )
            self._sessions.end_of(work, held.id)
        if held is None or moved:
            store.add_account(work.session, self._holding.row(wanted, found_by))
            facts = {"account": wanted.name, "system": wanted.system, "by": OPEN_ID}
            work.record(
                make_record(
                    "account_created",
                    at=self._clock.now(),
                    actor=wanted.system,
                    facts={**facts, "roles": sorted(wanted.roles)},
                )
            )
            return wanted
        if held.roles != wanted.roles:
            self._sessions.end_of(work, held.id)
        store.change_account(
            work.session,
            held.id,
            roles=roles_text(wanted.roles),
            display_name=self._holding.secrecy.close(wanted.display_name, row=NAME_ROW + held.id),
        )
        row = store.account(work.session, held.id)
        if row is None:
            raise AssertionError("an account that is held in this transaction")
        return self._holding.account(row)

    # --- asking the platform ----------------------------------------------------------------

    def _claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """The claims of the identity token that a code is worth (rule 2)."""
        platform, keys = self._known()
        answer = _asked(
            platform.token,
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._back,
                "code_verifier": verifier,
            },
            auth=(self._settings.client_id, self._settings.client_secret.get_secret_value()),
        )
        try:
            token = jwt.decode(str(answer["id_token"]), keys, algorithms=ALGORITHMS)
        except (JoseError, KeyError, ValueError):
            self._platform = None  # its keys may be others now
            raise refused() from None
        claims, now = dict(token.claims), self._clock.now().timestamp()
        audience = claims.get("aud")
        to_us = audience == self._settings.client_id or (
            isinstance(audience, list)
            and self._settings.client_id in audience
            and claims.get("azp", self._settings.client_id) == self._settings.client_id
        )
        ends, made = claims.get("exp"), claims.get("iat", now)
        timely = (
            isinstance(ends, int | float)
            and isinstance(made, int | float)
            and made - LEEWAY <= now < ends + LEEWAY
        )
        issuer = str(claims.get("iss", "")).rstrip("/") == self._settings.issuer.rstrip("/")
        fresh = secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
        if not (to_us and timely and issuer and fresh and claims.get("sub")):
            raise refused()
        return claims

    def _known(self) -> tuple[Platform, KeySet]:
        """What the platform says of itself, an hour old at most."""
        if not self._settings.issuer:
            raise FailedPrecondition(
                "there is no identity platform: sign in by password or passkey, or set "
                "sign_in.issuer",
                reason="NO_PLATFORM",
                message_zh="未配置统一身份认证平台：请用密码或通行密钥登录，或设置 sign_in.issuer",
            )
        with self._lock:
            if self._platform is None or time.monotonic() - self._platform[2] > KEPT:
                self._platform = (*self._discover(), time.monotonic())
            return self._platform[0], self._platform[1]

    def _discover(self) -> tuple[Platform, KeySet]:
        issuer = self._settings.issuer.rstrip("/")
        told = _asked(f"{issuer}/.well-known/openid-configuration")
        if str(told.get("issuer", "")).rstrip("/") != issuer:
            raise _unavailable()
        addresses = [
            str(told.get(one, ""))
            for one in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        ]
        for address in addresses:
            _check_address(address)
        platform = Platform(authorization=addresses[0], token=addresses[1], keys=addresses[2])
        try:
            return platform, KeySet.import_key_set(_asked(platform.keys))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError):
            raise _unavailable() from None


def _asked(
    address: str, *, data: dict[str, str] | None = None, auth: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A JSON object that the platform answers (rule 4). Raises Unavailable, or refuses."""
    _check_address(address)
    body = b""
    try:
        with (
            httpx.Client(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream("POST" if data else "GET", address, data=data, auth=auth) as answer,
        ):
            for part in answer.iter_bytes():
                body += part
                if len(body) > GREATEST:
                    raise _unavailable()
            status = answer.status_code
    except httpx.HTTPError:
        raise _unavailable() from None
    if data is not None and 400 <= status < 500:
        raise refused()  # a code that is not, or not ours
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if status != 200 or not isinstance(found, dict):
        raise _unavailable()
    return found


def _check_address(address: str) -> None:
    parts = urlsplit(address)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.scheme == "https" or plain):
        raise _unavailable()


def _unavailable() -> Unavailable:
    return Unavailable(
        "the identity platform does not answer as it should: try again, or sign in another way",
        reason="PLATFORM_UNAVAILABLE",
        message_zh="统一身份认证平台暂时无法使用：请稍后再试，或换用其他登录方式",
    )


def _no_role() -> PermissionDenied:
    return PermissionDenied(
        "the identity platform gives you no role here: ask the one who keeps your entry there",
        reason="NO_ROLE",
        message_zh="统一身份认证平台未赋予您在本系统的角色：请联系平台管理员",
    )
