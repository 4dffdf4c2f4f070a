"""A SoftHSM token in a folder of its own, for the time of a test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pkcs11
from pkcs11 import Attribute, KeyType

from seal import der, suites
from seal.keys import pkcs11_device

PIN = "482913"
_FLAGS = bytes.fromhex("000000008000534b0000000000000002")  # CKA_OS_TOKENFLAGS, an unsigned long
_LOCKED = 0x00040000  # CKF_USER_PIN_LOCKED
_LAST_TRY = 0x00020000  # CKF_USER_PIN_FINAL_TRY


def module() -> str:
    """The library, where Debian and Fedora put it."""
    places = ("/usr/lib/softhsm/libsofthsm2.so", "/usr/lib64/pkcs11/libsofthsm2.so")
    return next(one for one in places if Path(one).exists())


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftHsm:
    """One token, and what its operator may do to it."""

    folder: Path
    label: str = "seals"

    @property
    def pin_file(self) -> Path:
        """Where the PIN is."""
        return self.folder / "pin"

    def address(self, **key: str) -> str:
        """The address of a key, or of the token."""
        path = "".join(f";{name}={value}" for name, value in key.items())
        return (
            f"pkcs11:token={self.label}{path}"
            f"?module-path={module()}&pin-source=file:{self.pin_file}"
        )

    def write_pin(self, pin: str) -> None:
        """Put a PIN into the file."""
        self.pin_file.write_text(pin)
        self.pin_file.chmod(0o600)

    def initialize(self, label: str | None = None) -> None:
        """Make the token."""
        _run("--init-token", "--free", "--label", label or self.label, "--so-pin", "99887766")

    def generate(self, suite: str, label: str) -> bytes:
        """A key pair made in the token; its DER SubjectPublicKeyInfo."""
        session = self._session()
        try:
            stored = {"store": True, "label": label, "id": label.encode()}
            if suite == suites.RSA:
                public, _ = session.generate_keypair(KeyType.RSA, 3072, **stored)
                return _rsa_info(public)
            kind, parameters = {
                suites.P256: (KeyType.EC, der.oid(suites.P256_CURVE_OID)),
                suites.SM2: (KeyType.EC, der.oid(suites.SM2_CURVE_OID)),
                suites.ED25519: (KeyType.EC_EDWARDS, der.oid(suites.ED25519_OID)),
                "brainpool": (KeyType.EC, der.oid("1.3.36.3.3.2.8.1.1.11")),
            }[suite]
            domain = session.create_domain_parameters(
                kind, {Attribute.EC_PARAMS: parameters}, local=True
            )
            if suite == suites.ED25519:
                stored["mechanism"] = pkcs11.Mechanism.EC_EDWARDS_KEY_PAIR_GEN
            public, _ = domain.generate_keypair(**stored)
            algorithm = (
                der.sequence(parameters)
                if suite == suites.ED25519
                else der.sequence(der.oid("1.2.840.10045.2.1"), parameters)
            )
            return der.sequence(algorithm, der.bits(der.read(public[Attribute.EC_POINT]).octets()))
        finally:
            session.close()

    def destroy(self, label: str) -> None:
        """Take the keys of that label out of the token."""
        session = self._session()
        try:
            for one in list(session.get_objects({Attribute.LABEL: label})):
                one.destroy()
        finally:
            session.close()

    def lock(self, *, last_try: bool = False) -> None:
        """Set what a device sets after wrong PINs. SoftHSM counts none: its file is changed."""
        [file] = (self.folder / "tokens").glob("*/token.object")
        content = bytearray(file.read_bytes())
        at = content.index(_FLAGS) + len(_FLAGS)
        flags = int.from_bytes(content[at : at + 8], "big") | (_LAST_TRY if last_try else _LOCKED)
        content[at : at + 8] = flags.to_bytes(8, "big")
        file.write_bytes(content)

    def restart(self) -> None:
        """As if the device had been pulled and put back: every session and handle is void."""
        pkcs11_device._allow_threads(module())

    def _session(self) -> pkcs11.Session:
        pkcs11_device.close_all()
        library = pkcs11.lib(module())
        return library.get_token(token_label=self.label).open(rw=True, user_pin=PIN)


def _rsa_info(public: pkcs11.PublicKey) -> bytes:
    numbers = (public[Attribute.MODULUS], public[Attribute.PUBLIC_EXPONENT])
    bits = der.sequence(*(der.integer(int.from_bytes(one, "big")) for one in numbers))
    return der.sequence(suites.suite(suites.RSA).key_algorithm, der.bits(bits))


def _run(*arguments: str) -> None:
    command = ["softhsm2-util", *arguments, "--pin", PIN]
    subprocess.run(command, check=True, capture_output=True, timeout=60)


@contextmanager
def softhsm(folder: Path) -> Iterator[SoftHsm]:
    """A fresh token, the only one this process sees."""
    (folder / "tokens").mkdir(parents=True)
    settings = folder / "softhsm2.conf"
    settings.write_text(f"directories.tokendir = {folder / 'tokens'}\nlog.level = ERROR\n")
    before = os.environ.get("SOFTHSM2_CONF")
    os.environ["SOFTHSM2_CONF"] = str(settings)
    made = SoftHsm(folder=folder)
    made.initialize()
    made.write_pin(PIN)
    pkcs11_device.close_all()
    try:
        yield made
    finally:
        pkcs11_device.close_all()
        if before is None:
            del os.environ["SOFTHSM2_CONF"]
        else:
            os.environ["SOFTHSM2_CONF"] = before
