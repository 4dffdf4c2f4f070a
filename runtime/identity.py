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

import fcntl
import re
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime import issued, names
from runtime.enrolment import key_of_request
from runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Unauthenticated,
)
from runtime.files import PRIVATE, PUBLIC, write_private, write_together

CRL_CHECK_SECONDS = 0.5
CRL_LIFETIME = timedelta(days=365)


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


def _bad_crl(path: Path) -> FailedPrecondition:
    return FailedPrecondition(
        f"{path.name} of this node's authority is missing or not its own: restore it from a backup",
        reason="BAD_REVOCATION_LIST",
        message_zh=f"本节点机构的吊销列表 {path.name} 缺失或不是其签发的：请从备份恢复",
    )


class Authority:
    """The certificate authority of a node: a folder with its certificate, key and CRL."""

    def __init__(
        self, folder: Path, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey
    ) -> None:
        self.folder = folder
        self.certificate = certificate
        self._key = key

    @property
    def pem(self) -> bytes:
        """The authority's certificate."""
        return self.certificate.public_bytes(serialization.Encoding.PEM)

    @property
    def issued_folder(self) -> Path:
        """Where every certificate that was issued is kept."""
        return self.folder / "issued"

    @property
    def crl_path(self) -> Path:
        """Where the revocation list is."""
        return self.folder / "crl.pem"

    @classmethod
    def create(cls, folder: Path, *, name: str, passphrase: bytes, now: datetime) -> Authority:
        """Make a new authority, valid ten years. Raises AlreadyExists where there is one."""
        if (folder / "ca.pem").exists():
            raise AlreadyExists(
                f"{folder} has an authority already",
                reason="AUTHORITY_EXISTS",
                message_zh=f"{folder} 中已有证书机构",
            )
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        certificate = (
            _builder(subject, subject, key.public_key(), now, timedelta(days=3650))
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(authority=True), critical=True)
            .sign(key, hashes.SHA256())
        )
        write_private(
            folder / "ca-key.pem",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase),
            ),
        )
        authority = cls(folder, certificate, key)
        authority._write_crl([], now)
        # Last, since its presence says that the authority is whole.
        write_private(folder / "ca.pem", authority.pem)
        return authority

    @classmethod
    def open(cls, folder: Path, *, passphrase: bytes) -> Authority:
        """Open an authority. Raises FailedPrecondition: AUTHORITY_MISSING, WRONG_PASSPHRASE."""
        try:
            certificate = x509.load_pem_x509_certificate((folder / "ca.pem").read_bytes())
            raw = (folder / "ca-key.pem").read_bytes()
        except OSError as error:
            raise FailedPrecondition(
                f"no authority in {folder}: make one with `tongban identity init`",
                reason="AUTHORITY_MISSING",
                message_zh=f"{folder} 中没有证书机构：请先运行 `tongban identity init`",
            ) from error
        try:
            key = serialization.load_pem_private_key(raw, passphrase)
        except ValueError as error:
            raise FailedPrecondition(
                f"the passphrase does not open ca-key.pem in {folder}: set `passphrase_file` to "
                "the file that held it when the authority was made, or restore that file",
                reason="WRONG_PASSPHRASE",
                message_zh=f"口令打不开 {folder} 中证书机构的密钥 ca-key.pem：请将 passphrase_file "
                "指向创建证书机构时的口令文件，或恢复该文件",
            ) from error
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            raise FailedPrecondition("the authority's key is not an EC key")
        return cls(folder, certificate, key)

    def issue(
        self,
        *,
        system: str,
        roles: Iterable[Role],
        now: datetime,
        lifetime: timedelta = timedelta(days=365),
        hosts: Sequence[str] = (),
    ) -> Credentials:
        """A new key and certificate for `departments/{d}/systems/{s}`.

        The key is made here, so whoever runs the node may have it: for the node itself, and for
        demonstrations. `hosts` are the names and addresses under which it serves, if it does.
        """
        key = ec.generate_private_key(ec.SECP256R1())
        pem = self._certified(system, roles, key.public_key(), now, lifetime, hosts)
        issued.keep(self.issued_folder, pem)
        return Credentials(
            authority=self.pem,
            certificate=pem,
            key=key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.NoEncryption(),
            ),
        )

    def certify(
        self,
        *,
        system: str,
        roles: Iterable[Role],
        request: bytes,
        now: datetime,
        lifetime: timedelta = timedelta(days=365),
    ) -> bytes:
        """The certificate of a system that has made its own key, by its request (PKCS #10, PEM).

        Raises InvalidArgument: BAD_CERTIFICATE_REQUEST, REQUEST_OF_ANOTHER.
        """
        key = key_of_request(request, system)
        pem = self._certified(system, roles, key, now, lifetime, ())
        issued.keep(self.issued_folder, pem, request)
        return pem

    def _certified(
        self,
        system: str,
        roles: Iterable[Role],
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
        hosts: Sequence[str],
    ) -> bytes:
        names.parse(names.SYSTEM, system, field="system")
        subject = x509.Name(
            [
                x509.NameAttribute(NameOID.COMMON_NAME, system),
                *(
                    x509.NameAttribute(NameOID.ORGANIZATIONAL_UNIT_NAME, role.value)
                    for role in sorted(set(roles))
                ),
            ]
        )
        alternatives: list[x509.GeneralName] = [
            x509.UniformResourceIdentifier(issued.TRUST_DOMAIN + system),
            *(_general_name(host) for host in hosts),
        ]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        certificate = (
            _builder(subject, self.certificate.subject, key, now, lifetime)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        return certificate.public_bytes(serialization.Encoding.PEM)

    def revoke_system(self, system: str, *, now: datetime) -> int:
        """Revoke every certificate that a system was given, and return how many they are.

        Raises NotFound (SYSTEM_NOT_ENROLLED) where there is none, and what `revoke` does.
        """
        names.parse(names.SYSTEM, system, field="system")
        held = issued.of_system(self.issued_folder, system)
        if not held:
            raise NotFound(
                f"{system} was never enrolled here: check its name, or give its certificate",
                reason="SYSTEM_NOT_ENROLLED",
                message_zh=f"本节点没有登记过 {system}：请核对名称，或给出其证书",
            )
        for pem in held:
            self.revoke(pem, now=now)
        return len(held)

    def revoke(self, certificate_pem: bytes, *, now: datetime) -> None:
        """Put a certificate of this authority on the revocation list.

        Raises InvalidArgument where the authority did not issue it, and FailedPrecondition
        (BAD_REVOCATION_LIST): a lost list is restored, never begun anew.
        """
        try:
            certificate = x509.load_pem_x509_certificate(certificate_pem)
            certificate.verify_directly_issued_by(self.certificate)
        except (ValueError, TypeError, InvalidSignature) as error:
            raise InvalidArgument(
                "that is not a certificate which this authority issued",
                reason="FOREIGN_CERTIFICATE",
                message_zh="该文件不是本机构签发的证书",
            ) from error
        # One at a time, over all processes: of two that add to one list, one would be lost.
        with (self.folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            held = read_crl(self.crl_path, self.certificate)
            if certificate.serial_number not in {r.serial_number for r in held}:
                entry = (
                    x509.RevokedCertificateBuilder()
                    .serial_number(certificate.serial_number)
                    .revocation_date(now)
                    .build()
                )
                self._write_crl([*held, entry], now)

    def _write_crl(self, entries: Sequence[x509.RevokedCertificate], now: datetime) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + CRL_LIFETIME)
        )
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(self._key, hashes.SHA256())
        write_private(self.crl_path, crl.public_bytes(serialization.Encoding.PEM))


def _builder(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePublicKey,
    now: datetime,
    lifetime: timedelta,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        # Clocks of two machines differ by a little; a fresh certificate must not be refused for it.
        .not_valid_before(now - timedelta(minutes=5))
        .not_valid_after(now + lifetime)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key), critical=False)
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    if re.fullmatch(r"[\d.]+|[\da-fA-F:]+", host):
        return x509.IPAddress(ip_address(host))
    return x509.DNSName(host)
