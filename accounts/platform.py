"""The identity platform, as it is asked: what it says of itself, and what a code is worth.

1. What it answers is at most 256 KiB, in ten seconds in all, over https (http only to this
   machine), and nothing is followed elsewhere. Where it failed, nobody asks it again for five
   seconds.
2. An identity token is of the platform's issuer, for this node, signed by a key that the platform
   publishes, not over, and has the flow's nonce. Algorithms are those by public keys.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote_plus, urlsplit

import httpx
import orjson
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from accounts.signing_in import refused
from runtime.clock import Clock
from runtime.errors import FailedPrecondition, Unavailable
from runtime.portal_settings import SignInSettings

ALGORITHMS: Final = ["RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA"]
LEEWAY: Final = 60
GREATEST: Final = 256 * 1024
SECONDS: Final = 10.0
KEPT: Final = 3600.0
FAILURE_KEPT: Final = 5.0
GREATEST_SUBJECT: Final = 255
_LOOPBACK: Final = ("localhost", "127.0.0.1", "::1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a platform says of itself (OpenID Connect Discovery 1.0, RP-Initiated Logout 1.0)."""

    authorization: str
    token: str
    end_session: str
    keys: KeySet


class Platform:
    """The platform of the settings."""

    def __init__(self, settings: SignInSettings, clock: Clock, back: str) -> None:
        self._settings = settings
        self._clock = clock
        self._back = back
        self._lock = threading.Lock()
        self._known: tuple[Described, float] | None = None
        self._failed = -FAILURE_KEPT

    def described(self) -> Described:
        """What it says of itself, an hour old at most. Raises NO_PLATFORM, PLATFORM_UNAVAILABLE."""
        if not self._settings.issuer:
            raise FailedPrecondition(
                "there is no identity platform: sign in by password or passkey",
                reason="NO_PLATFORM",
                message_zh="未配置统一身份认证平台：请用密码或通行密钥登录",
            )
        with self._lock:
            now = time.monotonic()
            if self._known is None or now - self._known[1] > KEPT:
                if now - self._failed < FAILURE_KEPT:
                    raise unavailable()
                try:
                    self._known = (self._discover(), now)
                except Unavailable:
                    self._failed = time.monotonic()
                    raise
            return self._known[0]

    def claims(self, code: str, verifier: str, nonce: str) -> dict[str, Any]:
        """The claims of the identity token that a code is worth (rule 2).

        Raises Unauthenticated (SIGN_IN_REFUSED) and Unavailable (PLATFORM_UNAVAILABLE).
        """
        platform = self.described()
        answer = _asked(
            platform.token,
            data={
                "grant_type": "authorization_code",
                "code": code,
                "redirect_uri": self._back,
                "code_verifier": verifier,
            },
            # Form-encoded before they are joined (RFC 6749, 2.3.1).
            auth=(
                quote_plus(self._settings.client_id),
                quote_plus(self._settings.client_secret.get_secret_value()),
            ),
        )
        try:
            token = jwt.decode(str(answer["id_token"]), platform.keys, algorithms=ALGORITHMS)
        except (JoseError, KeyError, ValueError):
            self._known = None  # its keys may be others now
            raise refused() from None
        claims = dict(token.claims)
        if not self._is_for_us(claims, nonce):
            raise refused()
        return claims

    def _is_for_us(self, claims: dict[str, Any], nonce: str) -> bool:
        client, now = self._settings.client_id, self._clock.now().timestamp()
        audience, subject = claims.get("aud"), claims.get("sub")
        to_us = audience == client or (isinstance(audience, list) and client in audience)
        ends, made = claims.get("exp"), claims.get("iat", now)
        timely = (
            isinstance(ends, int | float)
            and isinstance(made, int | float)
            and made - LEEWAY <= now < ends + LEEWAY
        )
        issuer = normal_issuer(str(claims.get("iss", "")))
        fresh = secrets.compare_digest(str(claims.get("nonce", "")).encode(), nonce.encode())
        return bool(
            to_us
            and claims.get("azp", client) == client
            and timely
            and issuer == normal_issuer(self._settings.issuer)
            and fresh
            and isinstance(subject, str)
            and 0 < len(subject) <= GREATEST_SUBJECT
        )

    def _discover(self) -> Described:
        issuer = normal_issuer(self._settings.issuer)
        told = _asked(f"{issuer}/.well-known/openid-configuration")
        if normal_issuer(str(told.get("issuer", ""))) != issuer:
            raise unavailable()
        authorization, token, keys = (
            _checked(str(told.get(one, "")))
            for one in ("authorization_endpoint", "token_endpoint", "jwks_uri")
        )
        end_session = str(told.get("end_session_endpoint") or "")
        try:
            key_set = KeySet.import_key_set(_asked(keys))  # type: ignore[arg-type]
        except (JoseError, ValueError, KeyError, TypeError):
            raise unavailable() from None
        return Described(
            authorization=authorization,
            token=token,
            end_session=_checked(end_session) if end_session else "",
            keys=key_set,
        )


def normal_issuer(issuer: str) -> str:
    """An issuer as it is compared and kept: with a slash at its end it is no other."""
    return issuer.rstrip("/")


def unavailable() -> Unavailable:
    """What is said of every answer that is not as it should be."""
    return Unavailable(
        "the identity platform does not answer as it should: try again, or sign in another way",
        reason="PLATFORM_UNAVAILABLE",
        message_zh="统一身份认证平台暂时无法使用：请稍后再试，或换用其他登录方式",
    )


def _asked(
    address: str, *, data: dict[str, str] | None = None, auth: tuple[str, str] | None = None
) -> dict[str, Any]:
    """A JSON object that the platform answers (rule 1). Raises Unavailable, or refuses."""
    _checked(address)
    try:
        # On a loop of its own: only so does the time hold for all of it, whatever drips.
        status, body = asyncio.run(_exchange(address, data, auth))
    except (httpx.HTTPError, TimeoutError, httpx.InvalidURL):
        raise unavailable() from None
    if data is not None and 400 <= status < 500:
        raise refused()  # a code that is not, or not ours
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if status != 200 or not isinstance(found, dict):
        raise unavailable()
    return found


async def _exchange(
    address: str, data: dict[str, str] | None, auth: tuple[str, str] | None
) -> tuple[int, bytes]:
    body = b""
    async with asyncio.timeout(SECONDS):
        async with (
            httpx.AsyncClient(timeout=SECONDS, follow_redirects=False, trust_env=False) as client,
            client.stream("POST" if data else "GET", address, data=data, auth=auth) as answer,
        ):
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > GREATEST:
                    raise unavailable()
            return answer.status_code, body


def _checked(address: str) -> str:
    try:
        parts = urlsplit(address)
    except ValueError:
        raise unavailable() from None
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK
    if not (parts.scheme == "https" or plain):
        raise unavailable()
    return address
