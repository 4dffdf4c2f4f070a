"""Who calls: certificates, and the Principal they stand for.

1. A certificate names one system of one department by a URI in its SAN,
   `spiffe://tongban/departments/{department}/systems/{system}`; each OU of its subject is a role.
2. The node trusts one authority, whose key is an encrypted file. An unknown authority never gets
   past the TLS handshake.
3. Revocation is a CRL file that the authority signs; the node reads it again when it changes, so a
   revoked system is refused within half a second without a restart. While the list is missing or
   not the authority's, nobody is admitted.
4. A person who signed in has a certificate of hours over the key of their session, as
   `departments/{department}/systems/person-{id}`. Sessions that were ended are on a list of their
   own beside the first, under the same rule.
5. An applicant is a person of no department (`departments/applicants`), has the role APPLICANT and
   no other, and a mark of their number (`holders`). Nobody else has any of the three.
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

from runtime import holders, issued, names
from runtime.errors import (
    FailedPrecondition,
    InvalidArgument,
    Unauthenticated,
)
from runtime.files import PRIVATE, PUBLIC, write_together

CRL_CHECK_SECONDS = 0.5
ENDED = "ended.pem"  # the list of ended sessions, beside the authority's list
PERSON = "person-"  # what a person's id among the systems of a department begins with
APPLICANTS = "departments/applicants"


class Role(StrEnum):
    """What a system may be; a certificate may carry several."""

    DEPARTMENT = "department"
    ADMINISTRATOR = "administrator"
    AUDITOR = "auditor"
    #: A counter or terminal that has identified an applicant and acts for them.
    COUNTER = "counter"
    #: The node's own services, calling each other.
    NODE = "node"
    #: The node's web pages, before anybody has signed in.
    PORTAL = "portal"
    #: A citizen or a company, signed in: sees their own and nothing else.
    APPLICANT = "applicant"


#: What a system of a department may be, and a person who works there.
OF_DEPARTMENTS = frozenset({Role.DEPARTMENT, Role.ADMINISTRATOR, Role.AUDITOR, Role.COUNTER})


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """A caller: a system of a department, with its roles; or a person (`is_person`)."""

    system: str
    department: str
    roles: frozenset[Role]
    serial: int
    #: An applicant's mark (`holders`); empty for all others.
    holder: bytes = b""

    def has(self, role: Role) -> bool:
        """Whether the caller holds the role."""
        return role in self.roles

    @property
    def is_person(self) -> bool:
        """Whether a person signed in, and no program."""
        return is_person(self.system)


def is_person(system: str) -> bool:
    """Whether the name of a system is that of a person who signs in."""
    return system.rpartition("/")[2].startswith(PERSON)


def check_holder(principal: Principal, holder_code: str) -> bool:
    """Whether a caller may act for the holder of this citizen number or credit code.

    A counter may for whomever it has identified, an applicant for themselves, nobody else for
    anybody. Where it is False, answer as if there were no such holder.
    """
    if principal.has(Role.APPLICANT):
        return holders.is_of(principal.holder, holder_code)
    return principal.has(Role.COUNTER)


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
        certificate's time is over, (AUTHORITY_ENDED) where that of the authority is.
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
        ends = x509.load_pem_x509_certificate(found.authority).not_valid_after_utc
        if ends < datetime.now(UTC):
            raise Unauthenticated(
                f"ca.pem in {folder} ended on {ends:%Y-%m-%d}: put the node's renewed ca.pem in "
                "its place, which the node's operator has",
                reason="AUTHORITY_ENDED",
                message_zh=f"{folder} 中的 ca.pem 已于 {ends:%Y-%m-%d} 到期：请向节点运营者索取"
                "续期后的 ca.pem 并替换",
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

    @property
    def roles(self) -> frozenset[Role]:
        """The roles that the certificate names."""
        return principal_of(x509.load_pem_x509_certificate(self.certificate)).roles

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

    @property
    def department(self) -> str:
        """Of the system that the certificate names. Raises Unauthenticated (NOT_A_SYSTEM)."""
        return principal_of(x509.load_pem_x509_certificate(self.certificate)).department

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
        holder = holders.mark_of(certificate)
    except (ValueError, InvalidArgument):
        raise refusal from None
    department = names.department_of(system)
    # Rule 5: all three, or none of them.
    if {Role.APPLICANT in roles, department == APPLICANTS, bool(holder)} not in ({True}, {False}):
        raise refusal
    if holder and (roles != {Role.APPLICANT} or not is_person(system)):
        raise refusal
    return Principal(
        system=system,
        department=department,
        roles=roles,
        serial=certificate.serial_number,
        holder=holder,
    )


class Authenticator:
    """Turns the certificate of a connection into a Principal, and refuses revoked ones."""

    def __init__(self, authority: bytes, crl: Path) -> None:
        self._authority = x509.load_pem_x509_certificate(authority)
        self._lists = (
            _Revoked(crl, self._authority),
            _Revoked(crl.parent / ENDED, self._authority),
        )
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
        revoked, ended = self._lists
        if time.time() > expires:
            raise Unauthenticated(
                "the certificate is expired: enrol the system again",
                reason="CERTIFICATE_EXPIRED",
                message_zh="证书已过期：请重新登记该系统",
            )
        if principal.serial in revoked.now():
            raise Unauthenticated(
                "the certificate is revoked: ask the node's administrator for a new one",
                reason="CERTIFICATE_REVOKED",
                message_zh="证书已被吊销：请向节点管理员申请新证书",
            )
        if principal.is_person and principal.serial in ended.now():
            raise Unauthenticated(
                "the session was ended: sign in again",
                reason="SESSION_ENDED",
                message_zh="会话已结束：请重新登录",
            )
        return principal


class _Revoked:
    """A list of the authority's, read again when its file changes."""

    def __init__(self, path: Path, authority: x509.Certificate) -> None:
        self._path = path
        self._authority = authority
        self._stamp: tuple[int, int] | None = None
        self._serials: frozenset[int] = frozenset()
        self._checked = -CRL_CHECK_SECONDS

    def now(self) -> frozenset[int]:
        """The serial numbers on it. Raises FailedPrecondition (BAD_REVOCATION_LIST)."""
        now = time.monotonic()
        if now - self._checked < CRL_CHECK_SECONDS:
            return self._serials
        try:
            status = self._path.stat()
        except OSError as error:
            raise _bad_crl(self._path) from error
        stamp = (status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            held = read_crl(self._path, self._authority)
            self._serials = frozenset(one.serial_number for one in held)
            self._stamp = stamp
        self._checked = now  # last: what could not be read is looked at again by the next call
        return self._serials


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
