"""An account service without its node, and an authenticator of passkeys in software."""

from __future__ import annotations

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import cbor2
import orjson
from argon2 import PasswordHasher
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from pyotp import TOTP

from accounts.administering import Invited
from accounts.server import AccountServer
from runtime.authority import Authority
from runtime.clock import FixedClock
from runtime.config import Settings
from runtime.departments import Parents
from runtime.identity import APPLICANTS, Role
from runtime.portal_settings import PortalSettings, SignInSettings

ORIGIN = "https://localhost:8443"
PASSWORD = "蓝天 白云 青山 绿水 2026"  # by characters, not by letters
NUMBER = "990101199003070015"
OPERATOR = "departments/data-office/systems/node"


def session_key() -> bytes:
    """The public key of a fresh session."""
    return (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    )


@dataclass
class Office:
    """The service, its clock, its authority."""

    server: AccountServer
    clock: FixedClock
    authority: Authority

    def create(
        self,
        login: str = NUMBER,
        *,
        department: str = APPLICANTS,
        roles: tuple[Role, ...] = (),
        name: str = "赵示例",
    ) -> Invited:
        """A new account."""
        with self.server.database.unit_of_work() as work:
            return self.server.administering.create(
                work,
                actor=OPERATOR,
                department=department,
                roles=roles,
                login=login,
                display_name=name,
            )

    def enrol(self, made: Invited, password: str = PASSWORD) -> str:
        """Use a link up by password; the secret of the one-time codes."""
        offered = self.server.enrolling.begin(made.token)
        secret = offered.totp_secret
        self.server.enrolling.finish(
            made.token,
            flow=offered.flow,
            password=password,
            totp_code=self.code(secret),
            passkey="",
        )
        self.clock.advance(timedelta(seconds=30))
        return secret

    def code(self, secret: str) -> str:
        """What an authenticator shows now."""
        return TOTP(secret).at(self.clock.now())

    def sign_in(
        self, secret: str, login: str = NUMBER, password: str = PASSWORD, **changes: Any
    ) -> Any:
        """Try to sign in by password."""
        asked = {"public_key": session_key(), "client": "10.0.0.1", **changes}
        code = asked.pop("code", None) or self.code(secret)
        return self.server.signing_in.by_password(login, password, code, **asked)

    def leaves(self) -> list[dict[str, Any]]:
        """Audit records on their way."""
        with self.server.database.engine.connect() as connection:
            prefix = "" if connection.dialect.name == "sqlite" else "accounts."
            rows = connection.exec_driver_sql(
                f"SELECT leaf FROM {prefix}audit_outbox ORDER BY id"
            ).all()
        return [orjson.loads(bytes(raw)) for (raw,) in rows]


def office(
    folder: Path,
    url: str = "",
    sign_in: SignInSettings | None = None,
    parents: Parents | None = None,
) -> Office:
    """A fresh service."""
    clock = FixedClock(datetime.now(UTC))
    authority = Authority.create(
        folder / "ca", name="test", passphrase=b"long enough", now=clock.now()
    )
    settings = Settings(
        data=folder,
        database=url,
        department="data-office",
        portal=PortalSettings(listen="", origin=ORIGIN),
        sign_in=sign_in or SignInSettings(),
    )
    # Weak on purpose: what the real one costs is measured by hashing once, not at every sign-in.
    weak = PasswordHasher(time_cost=1, memory_cost=64, parallelism=1)
    server = AccountServer(settings, authority, clock, key=b"k" * 32, hasher=weak, parents=parents)
    server.migrate()
    return Office(server, clock, authority)


@dataclass
class Authenticator:
    """Makes a passkey and signs by it, as a telephone does; it can be told to do wrong."""

    origin: str = ORIGIN
    verified: bool = True
    uses: int = 0
    credential: bytes = field(default_factory=lambda: secrets.token_bytes(32))
    key: ec.EllipticCurvePrivateKey = field(
        default_factory=lambda: ec.generate_private_key(ec.SECP256R1())
    )

    def create(self, options: str) -> str:
        """Answer `navigator.credentials.create`."""
        asked = json.loads(options)
        numbers = self.key.public_key().public_numbers()
        cose = {1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32), -3: numbers.y.to_bytes(32)}
        data = (
            self._data(asked["rp"]["id"], 0x40)
            + bytes(16)
            + len(self.credential).to_bytes(2)
            + self.credential
            + cbor2.dumps(cose)
        )
        attestation = cbor2.dumps({"fmt": "none", "attStmt": {}, "authData": data})
        return self._answer(
            {
                "clientDataJSON": _encoded(self._client("webauthn.create", asked["challenge"])),
                "attestationObject": _encoded(attestation),
            }
        )

    def get(self, options: str) -> str:
        """Answer `navigator.credentials.get`."""
        asked = json.loads(options)
        self.uses += 1
        data = self._data(asked["rpId"], 0)
        client = self._client("webauthn.get", asked["challenge"])
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return self._answer(
            {
                "clientDataJSON": _encoded(client),
                "authenticatorData": _encoded(data),
                "signature": _encoded(signature),
            }
        )

    def _data(self, host: str, flags: int) -> bytes:
        flags |= 0x05 if self.verified else 0x01
        return hashlib.sha256(host.encode()).digest() + bytes([flags]) + self.uses.to_bytes(4)

    def _client(self, kind: str, challenge: str) -> bytes:
        return json.dumps(
            {"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}
        ).encode()

    def _answer(self, response: dict[str, str]) -> str:
        shown = _encoded(self.credential)
        return json.dumps({"id": shown, "rawId": shown, "type": "public-key", "response": response})


def _encoded(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
