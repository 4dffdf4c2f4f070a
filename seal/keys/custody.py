"""The node's seal keys: a small hierarchy made once, the signers' keys, each opened once a process.

    root-sm2 ── maker            signs seals (SESeal); never documents
             └─ a seal's SM2 key signs OFD documents
    root-p256 ─ a seal's P-256 key signs PDF documents

The maker may be elsewhere (`seal.keys.maker`); with a device (PKCS#11) the P-256 keys are made and
stay in it, and it wraps the passphrase that opens the SM2 keys' files, as few devices sign SM2.

1. A key is in place before its certificate; a folder with a key and no certificate is half made and
   is finished, never made anew. A certificate without its key is an error: keys are not replaced.
2. A key file appears whole or not at all: it is written under another name and linked into place.
3. One maker at a time, over all processes: `.lock` is held while anything is made.
4. Opening a key takes 0.1 s and more on purpose (key derivation), so each is opened once and kept
   until the process ends; only a maker's key that is elsewhere is opened for each use. The
   passphrase itself is not kept.
5. Signers never leave this package; what others get is signatures and certificates.
6. A key that is in a device has a file too, with its address, so that rules 1 to 3 hold for it. A
   crash may leave a key in the device that no file names: it is never used.
"""

from __future__ import annotations

import fcntl
import os
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Final

from runtime import names
from runtime.clock import Clock
from runtime.errors import AlreadyExists, DomainError, FailedPrecondition, NotFound, Unavailable
from runtime.files import write_private
from seal.keys.folder_secret import FolderSecret, make_key_file, write_whole
from seal.keys.hierarchy import MAKER, ROOT_P256, ROOT_SM2, Appointment, Hierarchy, check_pair
from seal.keys.maker import MakerKey
from seal.keys.private_files import sync_folder, unwritable, wiped, write_once
from seal.keys.signers import Passphrase, Signer, open_key
from seal.pki.certificates import parse_certificate
from seal.pki.issuing import issue_certificate
from seal.suites import P256, SM2

_SUITES: Final = {ROOT_SM2: SM2, MAKER: SM2, ROOT_P256: P256}
_ROOT_LIFETIME: Final = timedelta(days=20 * 365)
_MAKER_LIFETIME: Final = timedelta(days=10 * 365)
# Clocks of two machines differ a little; a fresh authority must not be refused for it.
_BACKDATED: Final = timedelta(hours=1)


class Custody:
    """The keys in one folder, and what they may be asked."""

    def __init__(
        self,
        folder: Path,
        *,
        passphrase: Callable[[], Passphrase],
        clock: Clock,
        device: str = "",
        maker: MakerKey | None = None,
    ) -> None:
        self._folder = folder
        self._secret = FolderSecret(folder, passphrase, device)
        self._clock = clock
        self._maker_key = maker
        self._lock = threading.Lock()
        self._open: dict[Path, Signer] = {}
        self._hierarchy: Hierarchy | None = None

    @property
    def hierarchy(self) -> Hierarchy:
        """The public side, once `prepare` has run."""
        if self._hierarchy is None:
            raise Unavailable(
                "the seal service has not started: its keys are not open yet",
                reason="SEAL_SERVICE_STARTING",
                message_zh="印章服务尚未就绪，请稍后重试",
                retry_after=1,
            )
        return self._hierarchy

    def prepare(self, *, expected: bool = False) -> Hierarchy:
        """Make, finish or open the hierarchy, and see that the passphrase is the right one.

        `expected`: seals exist already, so a missing hierarchy is a loss and is not made anew.
        Raises FailedPrecondition: SEAL_KEYS_MISSING, WRONG_PASSPHRASE, KEY_AND_CERTIFICATE_DIFFER,
        KEY_FILE_UNWRITABLE, KEY_FILE_TOO_OPEN, HSM_NOT_SET, and what a device is refused for.
        """
        with self._making():
            made = [ROOT_SM2, ROOT_P256] + ([] if self._maker_key else [MAKER])
            if expected and not all(self._certificate_path(one).exists() for one in made):
                raise self._lost("the certificates of the roots and the maker")
            self._secret.prepare()
            root_sm2 = self._root(ROOT_SM2, "Tongban Seal Root SM2")
            maker = self._appointed() if self._maker_key else self._maker(root_sm2)
            root_p256 = self._root(ROOT_P256, "Tongban Seal Root P-256")
        # A key tells at start, not at the first seal, whether the passphrase is right.
        if self._maker_key is None and maker is not None:
            check_pair(self.key(MAKER), maker)
        else:
            check_pair(self.key(ROOT_SM2), root_sm2)
        self._secret.keep()
        self._hierarchy = Hierarchy(root_sm2=root_sm2, root_p256=root_p256, appointed=maker)
        if self._maker_key is not None and maker is not None:
            self._check_maker()
        return self._hierarchy

    def key(self, name: str) -> Signer:
        """The signer of the maker or of a root. Raises FailedPrecondition (MAKER_KEY_OFFLINE)."""
        if name == MAKER and self._maker_key is not None:
            signer = self._maker_key.open()
            check_pair(signer, self.maker_certificate())
            return signer
        return self._signer(self._folder / f"{name}.key")

    def maker_certificate(self) -> bytes:
        """The seal maker's, read again where a ceremony may have been held since the start.

        Raises FailedPrecondition (MAKER_KEY_OFFLINE) before the ceremony.
        """
        if self._maker_key is not None:
            self._hierarchy = replace(self.hierarchy, appointed=self._appointed())
        return self.hierarchy.maker

    def ends(self) -> dict[str, datetime]:
        """When the roots' certificates end, and the maker's, where one is appointed and reads."""
        held = {ROOT_SM2: self.hierarchy.root_sm2, ROOT_P256: self.hierarchy.root_p256}
        with suppress(FailedPrecondition):
            held[MAKER] = self.maker_certificate()
        return {name: parse_certificate(one).not_after for name, one in held.items()}

    def makers(self) -> tuple[str, ...]:
        """SHA-256 (hex) of the certificates of every maker there has been, the present one first.

        Each made seals that stay good. They are read anew: a ceremony may have been held since.

        Raises FailedPrecondition (SEAL_KEYS_MISSING) where one of them does not read.
        """
        former = sorted(one.stem for one in self._folder.glob(f"{MAKER}-*.pem"))
        present = [MAKER] if self._certificate_path(MAKER).exists() else []
        found = [self._read_certificate(one, with_key=False) for one in (*present, *former)]
        return tuple(dict.fromkeys(parse_certificate(one).fingerprint for one in found))

    def appoint(self, path: Path, passphrase: Passphrase, *, anew: bool) -> Appointment:
        """Make the maker's key in a file of its own and certify it; see `seal.keys.ceremony`.

        A key that is there already, of an earlier try, is taken up again. With `anew` the
        certificate of the maker before stays in the folder under its own name; the seals it made
        stay good, as each holds it.

        Raises AlreadyExists (MAKER_EXISTS), FailedPrecondition as `prepare`, WRONG_PASSPHRASE.
        """
        root = self.prepare_roots()
        with self._making():
            before = self._appointed()
            signer = make_key_file(path, SM2, passphrase)
            if before is not None:
                if parse_certificate(before).public_key == signer.public_key:
                    return Appointment(
                        signer=signer, certificate=before, root=root, before=None, is_new=False
                    )
                if not anew:
                    raise _maker_exists()
                kept = self._folder / f"{MAKER}-{parse_certificate(before).fingerprint[:16]}.pem"
                self._write_pem(kept, before)
            certificate = self._issue_maker(signer, root)
        return Appointment(signer=signer, certificate=certificate, root=root, before=before)

    def prepare_roots(self) -> bytes:
        """Make, finish or open the SM2 root; its certificate."""
        with self._making():
            self._secret.prepare()
            root = self._root(ROOT_SM2, "Tongban Seal Root SM2")
        check_pair(self.key(ROOT_SM2), root)
        self._secret.keep()
        return root

    def seal_key(self, seal: str, suite: str) -> Signer:
        """A seal's signer, by the seal's resource name. Raises FailedPrecondition."""
        return self._signer(self._seal_folder(seal) / f"{suite}.key")

    def make_seal_keys(self, seal: str) -> None:
        """Make the two keys of a seal, or what is missing of them. Keys that are there stay."""
        folder = self._seal_folder(seal)
        for suite in (SM2, P256):
            path = folder / f"{suite}.key"
            if not path.exists():
                with self._making():
                    self._ensure_key(path, suite)

    def issue_signer(
        self,
        root: str,
        signer: Signer,
        *,
        subject: Mapping[str, str],
        not_before: datetime,
        not_after: datetime,
    ) -> bytes:
        """A document signer's certificate (DER) from a root of the hierarchy."""
        return issue_certificate(
            issuer=self.key(root),
            issuer_certificate=self.hierarchy.of(root),
            subject_key=signer.public_key,
            subject=subject,
            not_before=not_before,
            not_after=not_after,
            extended_key_usage=("document_signing",),
        )

    # --- the hierarchy -----------------------------------------------------------------------

    def _root(self, name: str, title: str) -> bytes:
        path = self._certificate_path(name)
        if path.exists():
            return self._read_certificate(name)
        signer = self._ensure_key(self._folder / f"{name}.key", _SUITES[name])
        now = self._now()
        certificate = issue_certificate(
            issuer=signer,
            issuer_certificate=None,
            subject_key=signer.public_key,
            subject=_subject(title, signer),
            not_before=now - _BACKDATED,
            not_after=now + _ROOT_LIFETIME,
            is_ca=True,
            path_length=0,
        )
        return self._write_certificate(name, certificate)

    def _maker(self, root: bytes) -> bytes:
        if self._certificate_path(MAKER).exists():
            return self._read_certificate(MAKER)
        return self._issue_maker(self._ensure_key(self._folder / f"{MAKER}.key", SM2), root)

    def _appointed(self) -> bytes | None:
        """The certificate of a maker whose key is elsewhere; None before the ceremony."""
        if not self._certificate_path(MAKER).exists():
            return None
        return self._read_certificate(MAKER, with_key=False)

    def _check_maker(self) -> None:
        """A wrong half or another maker's key is told at start; an absent one is no error."""
        try:
            check_pair(self.key(MAKER), self.hierarchy.maker)
        except FailedPrecondition as error:
            if error.reason != "MAKER_KEY_OFFLINE":
                raise

    def _issue_maker(self, signer: Signer, root: bytes) -> bytes:
        now = self._now()
        certificate = issue_certificate(
            issuer=self.key(ROOT_SM2),
            issuer_certificate=root,
            subject_key=signer.public_key,
            subject=_subject("Tongban Seal Maker", signer),
            not_before=now - _BACKDATED,
            not_after=now + _MAKER_LIFETIME,
        )
        return self._write_certificate(MAKER, certificate)

    def _certificate_path(self, name: str) -> Path:
        return self._folder / f"{name}.pem"

    def _read_certificate(self, name: str, *, with_key: bool = True) -> bytes:
        try:
            text = self._certificate_path(name).read_text(encoding="ascii")
            certificate = ssl.PEM_cert_to_DER_cert(text)
            parse_certificate(certificate)
        except (OSError, ValueError, DomainError) as error:
            raise self._lost(f"{name}.pem, or it is damaged") from error
        if with_key and not (self._folder / f"{name}.key").exists():
            raise self._lost(f"{name}.key")
        return certificate

    def _write_certificate(self, name: str, certificate: bytes) -> bytes:
        return self._write_pem(self._certificate_path(name), certificate)

    def _write_pem(self, path: Path, certificate: bytes) -> bytes:
        try:
            write_private(path, ssl.DER_cert_to_PEM_cert(certificate).encode("ascii"))
            sync_folder(path.parent)
        except OSError as error:
            raise unwritable(path, error) from error
        return certificate

    # --- key files ---------------------------------------------------------------------------

    def _ensure_key(self, path: Path, suite: str) -> Signer:
        """The key at `path`, made if absent (rule 2). Only while `.lock` is held."""
        if path.exists():
            return self._signer(path)
        device = self._secret.device
        if device is not None and suite == P256:
            write_whole(path, lambda scratch: _make_in_device(scratch, device, self._label(path)))
            return self._signer(path)
        with wiped(self._secret.read()) as passphrase:
            signer = make_key_file(path, suite, passphrase)
        with self._lock:
            return self._open.setdefault(path, signer)

    def _label(self, path: Path) -> str:
        return str(path.relative_to(self._folder).with_suffix(""))

    def _signer(self, path: Path) -> Signer:
        held = self._open.get(path)
        if held is not None:
            return held
        with self._lock:
            held = self._open.get(path)
            if held is None:
                held = self._opened(path)
                self._open[path] = held
            return held

    def _opened(self, path: Path) -> Signer:
        try:
            address = self._secret.address_in(path)
            return open_key(address or path.absolute().as_uri(), passphrase=self._secret.read)
        except NotFound as error:
            raise self._lost(str(path.relative_to(self._folder))) from error
        except FailedPrecondition as error:
            if error.reason != "WRONG_PASSPHRASE":
                raise
            raise self._secret.wrong(path) from error

    def _seal_folder(self, seal: str) -> Path:
        ids = names.parse(names.SEAL, seal, field="seal")
        return self._folder / "signers" / ids["department"] / ids["seal"]

    @contextmanager
    def _making(self) -> Iterator[None]:
        """Rule 3. Each holder has its own descriptor, so threads exclude each other too."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor = os.open(self._folder / ".lock", os.O_RDWR | os.O_CREAT, 0o600)
        except OSError as error:
            raise unwritable(self._folder / ".lock", error) from error
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def _now(self) -> datetime:
        return self._clock.now().replace(microsecond=0)

    def _lost(self, what: str) -> FailedPrecondition:
        return FailedPrecondition(
            f"the seal keys in {self._folder} lack {what}: restore the folder from a backup; keys "
            "are never made anew under seals that exist",
            reason="SEAL_KEYS_MISSING",
            message_zh=f"{self._folder} 中的印章密钥缺少 {what}：请从备份恢复；"
            "已有印章时不会重新生成密钥",
        )


def _subject(title: str, signer: Signer) -> dict[str, str]:
    """The key's own digest tells the authorities of two nodes apart."""
    return {
        "C": "CN",
        "O": "Tongban",
        "OU": sha256(signer.public_key).hexdigest()[:16],
        "CN": title,
    }


def _make_in_device(scratch: Path, device: str, label: str) -> None:
    from seal.keys import (
        pkcs11,  # loaded only where a device is set
        pkcs11_uri,  # loaded only where a device is set
    )

    made = pkcs11.generate_p256(pkcs11_uri.parse(device), label)
    write_once(scratch, made.key_uri().encode("ascii"))


def _maker_exists() -> AlreadyExists:
    return AlreadyExists(
        "a seal maker is appointed already: add --replace to appoint another; the seals of the one "
        "before stay good",
        reason="MAKER_EXISTS",
        message_zh="已有制章者：如需更换请加 --replace，原制章者所制印章仍然有效",
    )
