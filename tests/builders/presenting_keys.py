"""Presenting keys without a node, and status lists that they sign."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from licenses.presenting_keys import PresentingKeys, TrustedKey
from licenses.statuslist import model as lists
from licenses.statuslist.model import Status
from licenses.tokens import encode, write_cwt, write_jwt
from runtime.authority import Authority
from runtime.clock import FixedClock
from tests.builders.licenses import NOW

URI = "urn:tongban:status:data-office/0"


class Signer:
    """Presenting keys of an authority of its own."""

    def __init__(self, folder: Path) -> None:
        self.clock = FixedClock(NOW)
        self.authority = Authority.create(folder, name="test", passphrase=b"long enough", now=NOW)
        self.folder = folder / "presenting"
        self.keys = self.again()

    def again(self) -> PresentingKeys:
        return PresentingKeys(
            self.folder,
            b"long enough",
            lambda key, now: self.authority.certify_signer(
                key, name="presenting", now=now, lifetime=timedelta(days=365)
            ),
            self.clock,
        )


def public_pem(key: TrustedKey) -> str:
    """The public key, as foreign libraries take it."""
    return key.public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def status_tokens(signer: Signer, entries: dict[int, Status]) -> tuple[bytes, bytes]:
    """A list of these, as a JWT and as a CWT."""
    lst = lists.compress(lists.pack(entries.items()))
    iat, exp = int(NOW.timestamp()), int(NOW.timestamp()) + 86_400
    said = {"bits": 2, "lst": encode(lst).decode()}
    as_jwt = write_jwt(
        {"sub": URI, "iat": iat, "exp": exp, "ttl": 3600, "status_list": said},
        signer.keys,
        kind=lists.JWT_TYPE,
    )
    as_cwt = write_cwt(
        {2: URI, 6: iat, 4: exp, 65534: 3600, 65533: {"bits": 2, "lst": lst}},
        signer.keys,
        kind=lists.CWT_TYPE,
    )
    return as_jwt, as_cwt
