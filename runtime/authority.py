"""The certificate authority of a node: a folder with its certificate, its encrypted key, its list.

1. It issues certificates of `runtime.identity`, keeps each before it hands it out
   (`runtime.issued`), and never sees a key that a system made for itself.
2. What it revokes stays on its list: a list that is lost is restored, never begun anew.
3. Persons who sign in get certificates of at most `SESSION` over the keys of their sessions. They
   are not kept; one that was ended is on a list of its own until it would have ended by itself.
4. Nothing that it certifies lasts longer than its own certificate. That one is renewed over the
   same key, under the same name and from the same beginning: whoever trusts the new one accepts
   what was given out before, and whoever still trusts the old one accepts, until that one ends,
   what is given out since.
"""

from __future__ import annotations

import fcntl
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from runtime import certificates, holders, issued, names
from runtime.enrolment import key_of_request
from runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from runtime.files import write_private
from runtime.identity import (
    APPLICANTS,
    ENDED,
    OF_DEPARTMENTS,
    Credentials,
    Role,
    is_person,
    read_crl,
)

LIFETIME = timedelta(days=3650)
CRL_LIFETIME = timedelta(days=365)
#: How long a person is signed in at most.
SESSION = timedelta(hours=8)


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

    @property
    def ended_path(self) -> Path:
        """Where the list of ended sessions is."""
        return self.folder / ENDED

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
        certificate = _self_signed(key, subject, begins=now, ends=now + LIFETIME)
        write_private(
            folder / "ca-key.pem",
            key.private_bytes(
                serialization.Encoding.PEM,
                serialization.PrivateFormat.PKCS8,
                serialization.BestAvailableEncryption(passphrase),
            ),
        )
        authority = cls(folder, certificate, key)
        authority._write_crl(authority.crl_path, [], now)
        authority._write_crl(authority.ended_path, [], now)
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
            raise FailedPrecondition(
                "the authority's key is not an EC key", message_zh="证书机构的密钥不是椭圆曲线密钥"
            )
        return cls(folder, certificate, key)

    @property
    def ends(self) -> datetime:
        """When its certificate ends, and with it whatever it has certified."""
        return self.certificate.not_valid_after_utc

    def check(self, now: datetime) -> None:
        """Raises FailedPrecondition (AUTHORITY_ENDED) where its certificate has ended."""
        if now >= self.ends:
            raise FailedPrecondition(
                f"the certificate of the authority in {self.folder} ended on {self.ends:%Y-%m-%d}: "
                "renew it with `tongban identity renew-authority`, and give the new ca.pem to "
                "every system",
                reason="AUTHORITY_ENDED",
                message_zh=f"{self.folder} 中证书机构的证书已于 {self.ends:%Y-%m-%d} 到期：请运行 "
                "`tongban identity renew-authority` 续期，并将新的 ca.pem 交给各系统",
            )

    def renew(self, *, now: datetime) -> Authority:
        """The same authority with a certificate that ends `LIFETIME` from now (rule 4).

        It is kept like whatever is issued. A node that runs takes it up when it is started again.
        """
        certificate = _self_signed(
            self._key,
            self.certificate.subject,
            begins=self.certificate.not_valid_before_utc + certificates.CLOCKS_DIFFER,
            ends=now + LIFETIME,
        )
        renewed = Authority(self.folder, certificate, self._key)
        issued.keep(self.issued_folder, renewed.pem)
        write_private(self.folder / "ca.pem", renewed.pem)
        return renewed

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
        _check_system(system, roles := list(roles))
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
        _check_system(system, roles := list(roles))
        key = key_of_request(request, system)
        pem = self._certified(system, roles, key, now, lifetime, ())
        issued.keep(self.issued_folder, pem, request)
        return pem

    def certify_session(
        self,
        *,
        system: str,
        roles: Iterable[Role],
        holder: bytes,
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta = SESSION,
    ) -> bytes:
        """The certificate of a person's session, PEM, over the key that the session has made.

        `holder`: an applicant's mark (`holders.mark`), empty for who works at a department. Raises
        InvalidArgument (NOT_A_PERSON) where names, roles and mark are not of one kind of person.
        """
        asked = frozenset(roles)
        of_applicant = (system.rpartition("/systems/")[0] == APPLICANTS, asked == {Role.APPLICANT})
        kinds = {*of_applicant, bool(holder)}
        if not is_person(system) or len(kinds) != 1 or (not holder and not asked <= OF_DEPARTMENTS):
            raise InvalidArgument(
                "a session is of a person: an applicant with a mark, or one of a department",
                reason="NOT_A_PERSON",
                message_zh="会话只能属于个人：带标记的申请人，或部门工作人员",
            )
        return self._certified(system, asked, key, now, min(lifetime, SESSION), (), holder)

    def certify_signer(
        self, key: ec.EllipticCurvePublicKey, *, name: str, now: datetime, lifetime: timedelta
    ) -> bytes:
        """The certificate of a key that signs for the node and makes no connection, PEM.

        It names no system and is for signing documents alone (RFC 9336).
        """
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        signing = x509.ObjectIdentifier("1.3.6.1.5.5.7.3.36")
        certificate = (
            certificates.builder(
                subject, self.certificate.subject, key, now, self._lasting(now, lifetime)
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(certificates.key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([signing]), critical=True)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
            .sign(self._key, hashes.SHA256())
        )
        pem = certificate.public_bytes(serialization.Encoding.PEM)
        issued.keep(self.issued_folder, pem)
        return pem

    def end_sessions(self, serials: Collection[int], *, now: datetime) -> None:
        """End sessions by the serial numbers of their certificates; ending one twice is nothing.

        Raises FailedPrecondition (BAD_REVOCATION_LIST).
        """
        with self._listing():
            held = [
                one
                for one in read_crl(self.ended_path, self.certificate)
                # Whatever was ended before then is over by itself.
                if one.revocation_date_utc > now - SESSION - certificates.CLOCKS_DIFFER
            ]
            known = {one.serial_number for one in held}
            fresh = [certificates.revoked(serial, now) for serial in sorted(set(serials) - known)]
            self._write_crl(self.ended_path, [*held, *fresh], now)

    def begin_ended_list(self, serials: Collection[int] = (), *, now: datetime) -> None:
        """Make the list of ended sessions where there is none, with these serial numbers on it.

        Where it was lost they are those of all sessions that may last: which of them were ended is
        not known any more.
        """
        if not self.ended_path.exists():
            ended = [certificates.revoked(serial, now) for serial in sorted(serials)]
            self._write_crl(self.ended_path, ended, now)

    def _lasting(self, now: datetime, lifetime: timedelta) -> timedelta:
        """How long what is certified now may last (rule 4). Raises as `check` does."""
        self.check(now)
        return min(lifetime, self.ends - now)

    def _certified(
        self,
        system: str,
        roles: Iterable[Role],
        key: ec.EllipticCurvePublicKey,
        now: datetime,
        lifetime: timedelta,
        hosts: Sequence[str],
        holder: bytes = b"",
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
            *(certificates.general_name(host) for host in hosts),
        ]
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH]
        if hosts:
            usages.append(ExtendedKeyUsageOID.SERVER_AUTH)
        builder = (
            certificates.builder(
                subject, self.certificate.subject, key, now, self._lasting(now, lifetime)
            )
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(certificates.key_usage(authority=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage(usages), critical=False)
            .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
            .add_extension(
                x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()),
                critical=False,
            )
        )
        if holder:
            builder = builder.add_extension(holders.extension(holder), critical=False)
        certificate = builder.sign(self._key, hashes.SHA256())
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
        with self._listing():
            held = read_crl(self.crl_path, self.certificate)
            if certificate.serial_number not in {r.serial_number for r in held}:
                entry = certificates.revoked(certificate.serial_number, now)
                self._write_crl(self.crl_path, [*held, entry], now)

    @contextmanager
    def _listing(self) -> Iterator[None]:
        """One at a time, over all processes: of two that add to one list, one would be lost."""
        with (self.folder / ".lock").open("wb") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _write_crl(
        self, path: Path, entries: Sequence[x509.RevokedCertificate], now: datetime
    ) -> None:
        builder = (
            x509.CertificateRevocationListBuilder()
            .issuer_name(self.certificate.subject)
            .last_update(now)
            .next_update(now + CRL_LIFETIME)
        )
        for entry in entries:
            builder = builder.add_revoked_certificate(entry)
        crl = builder.sign(self._key, hashes.SHA256())
        write_private(path, crl.public_bytes(serialization.Encoding.PEM))


def _self_signed(
    key: ec.EllipticCurvePrivateKey, name: x509.Name, *, begins: datetime, ends: datetime
) -> x509.Certificate:
    return (
        certificates.builder(name, name, key.public_key(), begins, ends - begins)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(certificates.key_usage(authority=True), critical=True)
        .sign(key, hashes.SHA256())
    )


def _check_system(system: str, roles: Iterable[Role]) -> None:
    """Raises InvalidArgument (NAME_OF_PERSONS): persons sign in, systems are enrolled."""
    if is_person(system) or system.startswith(f"{APPLICANTS}/") or Role.APPLICANT in roles:
        raise InvalidArgument(
            "a system is not named or enrolled like a person: persons get accounts "
            "(`tongban account create`) and sign in",
            reason="NAME_OF_PERSONS",
            message_zh="系统不能以个人的名称或角色登记：个人请建立账户"
            "（tongban account create）后登录",
        )
