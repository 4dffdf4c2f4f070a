"""What the keys of a node stand for: two roots, the seal maker, and their certificates."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from runtime.errors import FailedPrecondition
from seal.keys.maker import not_appointed
from seal.keys.signers import Signer
from seal.pki.certificates import parse_certificate

ROOT_SM2: Final = "root-sm2"
ROOT_P256: Final = "root-p256"
MAKER: Final = "maker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Hierarchy:
    """The public side: DER certificates of the two roots and the seal maker."""

    root_sm2: bytes
    root_p256: bytes
    appointed: bytes | None

    @property
    def maker(self) -> bytes:
        """The seal maker's. Raises FailedPrecondition (MAKER_KEY_OFFLINE) before the ceremony."""
        if self.appointed is None:
            raise not_appointed()
        return self.appointed

    def of(self, name: str) -> bytes:
        """The certificate of a root by its name."""
        return {ROOT_SM2: self.root_sm2, ROOT_P256: self.root_p256}[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Appointment:
    """A maker: its key, its certificate, that of its root, and that of the maker before, if any.

    `is_new` is false where it was appointed already, and nothing changed.
    """

    signer: Signer
    certificate: bytes
    root: bytes
    before: bytes | None
    is_new: bool = True


def check_pair(signer: Signer, certificate: bytes) -> None:
    """Raises FailedPrecondition (KEY_AND_CERTIFICATE_DIFFER): a restored folder of another node."""
    if parse_certificate(certificate).public_key != signer.public_key:
        raise FailedPrecondition(
            "the key on this node is not the one of the seal's certificate: restore the folder "
            "of seal keys that belongs to this database",
            reason="KEY_AND_CERTIFICATE_DIFFER",
            message_zh="本节点的密钥与印章证书不匹配：请恢复与该数据库对应的密钥目录",
        )
