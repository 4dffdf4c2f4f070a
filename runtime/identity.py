"""Who calls: certificates, and the Principal they stand for.

1. A certificate names one system of one department by a URI in its SAN,
   `spiffe://tongban/departments/{department}/systems/{system}`; each OU of its subject is a role.
2. The node trusts one authority, whose key is an encrypted file. An unknown authority never gets
   past the TLS handshake.
3. Revocation is a CRL file that the authority signs; the node reads it again when it changes, so a
   revoked system is refused within half a second without a restart. While the list is missing or
   not the authority's, nobody is admitted.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.x509.oid import NameOID

from runtime import issued, names
from runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    Unauthenticated,
)
from runtime.files import PRIVATE, PUBLIC, write_together

CRL_CHECK_SECONDS = 0.5


class Role(StrEnum):
    """What a system may be; a certificate may carry several."""

    DEPARTMENT = "department"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    #: A counter or terminal that has identified an applicant and acts for them.
    COUNTER = "counter"
    #: The node's own services, calling each other.
    NODE = "node"


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: a system of a department, with its roles."""

    system: str
    department: str
    roles: frozenset[Role]
    serial: int

    def has(self, role: Role) -> bool:
        """Whether the caller holds the role."""
        return role in self.roles


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What one side of mTLS needs, PEM."""

    authority: bytes
    certificate: bytes
    key: bytes

    @classmethod
    def read(cls, folder: Path) -> Credentials:
        """Read `ca.pem`, `cert.pem` and `key.pem`.

        Before any connection is made it raises FailedPrecondition where one is missing
        (IDENTITY_MISSING), is not PEM (IDENTITY_UNREADABLE) or key and certificate are not of each
        other (KEY_AND_CERTIFICATE_DIFFER), and Unauthenticated (CERTIFICATE_EXPIRED) where the
        certificate's time is over.
        """
        try:
            parts = [(folder / n).read_bytes() for n in ("ca.pem", "cert.pem", "key.pem")]
        except OSError as error:
            raise FailedPrecondition(
                f"no identity in {folder}: make one with `tongban identity enrol --out {folder}`",
                reason="IDENTITY_MISSING",
                message_zh=f"{folder} 中没有身份证书：请用 `tongban identity enrol` 登记",
            ) from error
        found = cls(authority=parts[0], certificate=parts[1], key=parts[2])
        found._check_key(folder)
        if found.not_after < datetime.now(UTC):
            raise Unauthenticated(
                f"the certificate in {folder} expired on {found.not_after:%Y-%m-%d}: enrol the "
                "system again",
                reason="CERTIFICATE_EXPIRED",
                message_zh="证书已过期：请重新登记该系统",
            )
        return found

    def _check_key(self, folder: Path) -> None:
        try:
            x509.load_pem_x509_certificate(self.authority)
            certificate = x509.load_pem_x509_certificate(self.certificate)
            key = serialization.load_pem_private_key(self.key, None)
        except (ValueError, TypeError, UnsupportedAlgorithm) as error:
            raise FailedPrecondition(
                f"ca.pem, cert.pem or key.pem in {folder} is not PEM: enrol the system again",
                reason="IDENTITY_UNREADABLE",
                message_zh=f"{folder} 中有文件不是有效的 PEM：请重新登记该系统",
            ) from error
        if key.public_key() != certificate.public_key():
            raise FailedPrecondition(
                f"key.pem in {folder} is not the key of cert.pem: put together the two that were "
                "made together, or enrol the system again",
                reason="KEY_AND_CERTIFICATE_DIFFER",
                message_zh=f"{folder} 中的 key.pem 与 cert.pem 不是一对：请更正，或重新登记该系统",
            )

    @property
    def not_after(self) -> datetime:
        """The certificate's end."""
        return x509.load_pem_x509_certificate(self.certificate).not_valid_after_utc

    def write(self, folder: Path) -> None:
        """Write the three files, all or none; the key is readable by its owner only.

        What the folder held before is lost: see `check_folder`. Raises OSError.
        """
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_together(
            (folder / "ca.pem", self.authority, PUBLIC),
            (folder / "cert.pem", self.certificate, PUBLIC),
            (folder / "key.pem", self.key, PRIVATE),
        )

    @staticmethod
    def check_folder(folder: Path, *, system: str, authority: bytes) -> None:
        """A folder may take a system's identity where it holds none, or an older one of its own.

        The key of what is overwritten would be lost. Raises FailedPrecondition (FOLDER_OF_ANOTHER).
        """
        held = folder / "cert.pem"
        if not held.exists():
            return
        try:
            certificate = x509.load_pem_x509_certificate(held.read_bytes())
            certificate.verify_directly_issued_by(x509.load_pem_x509_certificate(authority))
            theirs = issued.system_of(certificate)
        except (ValueError, TypeError, InvalidSignature):
            theirs = ""
        if theirs != system:
            raise FailedPrecondition(
                f"{folder} holds the identity of {theirs or 'another node or program'}, whose key "
                "would be lost: name another folder with --out",
                reason="FOLDER_OF_ANOTHER",
                message_zh=f"{folder} 中已有{theirs or '其他节点或程序'}的身份证书，"
                "覆盖会丢失其私钥：请用 --out 另选目录",
            )


def principal_of(certificate: x509.Certificate) -> Principal:
    """The Principal that a certificate stands for. Raises Unauthenticated, NOT_A_SYSTEM."""
    refusal = Unauthenticated(
        "the certificate names no system of a department: enrol it with `tongban identity enrol`",
        reason="NOT_A_SYSTEM",
        message_zh="证书未指明部门的系统：请用 `tongban identity enrol` 登记",
    )
    try:
        system = issued.system_of(certificate)
        names.parse(names.SYSTEM, system)
        units = certificate.subject.get_attributes_for_oid(NameOID.ORGANIZATIONAL_UNIT_NAME)
        roles = frozenset(Role(str(unit.value)) for unit in units)
    except (ValueError, InvalidArgument):
        raise refusal from None
    return Principal(
        system=system,
        department=names.department_of(system),
        roles=roles,
        serial=certificate.serial_number,
    )


class Authenticator:
    """Turns the certificate of a connection into a Principal, and refuses revoked ones."""

    def __init__(self, authority: bytes, crl: Path) -> None:
        self._authority = x509.load_pem_x509_certificate(authority)
        self._crl = crl
        self._stamp: tuple[int, int] | None = None
        self._revoked: frozenset[int] = frozenset()
        self._checked = 0.0
        self._known: dict[bytes, tuple[Principal, float]] = {}

    def principal(self, certificate_pem: bytes) -> Principal:
        """Who holds this certificate, which the TLS layer has verified.

        Raises Unauthenticated: NOT_A_SYSTEM, CERTIFICATE_EXPIRED (a connection may outlive its
        certificate) or CERTIFICATE_REVOKED; and FailedPrecondition (BAD_REVOCATION_LIST).
        """
        known = self._known.get(certificate_pem)
        if known is None:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            known = (principal_of(certificate), certificate.not_valid_after_utc.timestamp())
            if len(self._known) > 4096:
                self._known.clear()
            self._known[certificate_pem] = known
        principal, expires = known
        self._refresh()
        if time.time() > expires:
            raise Unauthenticated(
                "the certificate is expired: enrol the system again",
                reason="CERTIFICATE_EXPIRED",
                message_zh="证书已过期：请重新登记该系统",
            )
        if principal.serial in self._revoked:
            raise Unauthenticated(
                "the certificate is revoked: ask the node's administrator for a new one",
                reason="CERTIFICATE_REVOKED",
                message_zh="证书已被吊销：请向节点管理员申请新证书",
            )
        return principal

    def _refresh(self) -> None:
        now = time.monotonic()
        if now - self._checked < CRL_CHECK_SECONDS:
            return
        try:
            status = self._crl.stat()
        except OSError as error:
            raise _bad_crl(self._crl) from error
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            self._revoked = frozenset(r.serial_number for r in read_crl(self._crl, self._authority))
            self._stamp = stamp
        self._checked = now  # last: what could not be read is looked at again by the next call


def read_crl(path: Path, authority: x509.Certificate) -> list[x509.RevokedCertificate]:
    """The entries of the authority's CRL. Raises FailedPrecondition where it is not its own."""
    try:
        crl = x509.load_pem_x509_crl(path.read_bytes())
        if not crl.is_signature_valid(authority.public_key()):  # type: ignore[arg-type]
            raise InvalidSignature
    except (OSError, ValueError, InvalidSignature) as error:
        raise _bad_crl(path) from error
    return list(crl)


def revocations(path: Path) -> list[tuple[datetime, int]]:
    """From when which serial number is revoked, by the CRL beside the authority's own `ca.pem`.

    Raises FailedPrecondition (BAD_REVOCATION_LIST), and OSError where there is no authority.
    """
    authority = x509.load_pem_x509_certificate((path.parent / "ca.pem").read_bytes())
    return [(entry.revocation_date_utc, entry.serial_number) for entry in read_crl(path, authority)]


def _bad_crl(path: Path) -> FailedPrecondition:
    return FailedPrecondition(
        f"{path.name} of this node's authority is missing or not its own: restore it from a backup",
        reason="BAD_REVOCATION_LIST",
        message_zh=f"本节点机构的吊销列表 {path.name} 缺失或不是其签发的：请从备份恢复",
    )
