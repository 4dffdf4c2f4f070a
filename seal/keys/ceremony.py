"""The ceremony that makes the seal maker's key under dual control, and the protocol of it.

1. Two persons each bring a half of the passphrase; neither alone opens the key (`seal.keys.maker`).
2. The key is in its file before its certificate is issued. A ceremony that was cut short is held
   again with the same halves: it takes up the key that is there.
3. The protocol names offices or systems, never persons, and holds nothing secret. The new key
   signs it: DER SM2 over the canonical JSON (RFC 8785) of all but `signature`, which proves that
   both halves opened the key.
"""

from __future__ import annotations

import base64
import ssl
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from runtime import names
from runtime.clock import Clock
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.records import canonical
from seal.keys.custody import Custody
from seal.keys.hierarchy import Appointment
from seal.keys.maker import Half, check_halves, join_halves
from seal.keys.private_files import wiped
from seal.keys.signers import path_of
from seal.pki.certificates import parse_certificate
from seal.suites import SM2, suite

KIND: Final = "tongban-seal-maker-ceremony-1"


def hold(
    custody: Custody,
    *,
    key: str,
    halves: tuple[Half, Half],
    custodians: tuple[str, str],
    clock: Clock,
    replace: bool = False,
) -> dict[str, Any]:
    """Make the maker's key at `key` (file:/…) and appoint it; the protocol, ready for JSON.

    Raises InvalidArgument (WEAK_HALF, SAME_HALVES, SAME_CUSTODIANS, MALFORMED_NAME,
    UNKNOWN_KEY_SCHEME), AlreadyExists (MAKER_EXISTS), FailedPrecondition (MAKER_KEY_NOT_SET, and
    as `Custody.prepare`; WRONG_PASSPHRASE where the key is there and other halves made it).
    """
    if not key:
        raise _not_set()
    path = path_of(key)
    check_halves(*halves)
    _check_custodians(custodians)
    with wiped(join_halves(*halves)) as passphrase:
        appointed = custody.appoint(path, passphrase, anew=replace)
    return _protocol(appointed, path=path, custodians=custodians, clock=clock)


def is_genuine(protocol: Mapping[str, Any]) -> bool:
    """Whether the key of the certificate in it signed the protocol, as it stands."""
    try:
        certificate = ssl.PEM_cert_to_DER_cert(protocol["certificate"])
        signature = base64.b64decode(protocol["signature"], validate=True)
        holder = parse_certificate(certificate)
    except (KeyError, TypeError, ValueError, InvalidArgument):
        return False
    said = canonical({name: value for name, value in protocol.items() if name != "signature"})
    return (
        sha256(certificate).hexdigest() == protocol.get("certificate_sha256")
        and holder.suite == SM2
        and suite(SM2).verify(holder.public_key, said, signature)
    )


def _protocol(
    appointed: Appointment, *, path: Path, custodians: tuple[str, str], clock: Clock
) -> dict[str, Any]:
    info = parse_certificate(appointed.certificate)
    said: dict[str, Any] = {
        "kind": KIND,
        "time": clock.now().replace(microsecond=0).isoformat().replace("+00:00", "Z"),
        "custodians": list(custodians),
        "control": "both halves are needed; the passphrase is scrypt of both",
        "outcome": "appointed" if appointed.is_new else "appointed before, nothing changed",
        "suite": appointed.signer.suite_name,
        "key_file": path.name,
        "public_key_sha256": sha256(appointed.signer.public_key).hexdigest(),
        "certificate_sha256": info.fingerprint,
        "certificate_subject": info.subject,
        "certificate_serial": f"{info.serial:x}",
        "not_before": info.not_before.isoformat().replace("+00:00", "Z"),
        "not_after": info.not_after.isoformat().replace("+00:00", "Z"),
        "root_certificate_sha256": sha256(appointed.root).hexdigest(),
        "replaced_certificate_sha256": (
            sha256(appointed.before).hexdigest() if appointed.before else ""
        ),
        "certificate": ssl.DER_cert_to_PEM_cert(appointed.certificate),
    }
    signature = appointed.signer.sign(canonical(said))
    return {**said, "signature": base64.b64encode(signature).decode("ascii")}


def _check_custodians(custodians: tuple[str, str]) -> None:
    for one in custodians:
        if not names.ID.fullmatch(one):
            names.parse(names.SYSTEM, one, field="custodian")
    if custodians[0] == custodians[1]:
        raise InvalidArgument(
            "The two custodians are the same: two persons of different offices or systems hold a "
            "half each.",
            reason="SAME_CUSTODIANS",
            message_zh="两名保管人相同：须由两个不同岗位或系统的人各持一半。",
        )


def _not_set() -> FailedPrecondition:
    return FailedPrecondition(
        "The settings do not say where the maker's key is to be: set maker_key = "
        '"file:/…/maker.key" and maker_halves in the [seal] part first.',
        reason="MAKER_KEY_NOT_SET",
        message_zh="配置未指明制章密钥的位置：请先在 [seal] 中设置 "
        'maker_key = "file:/…/maker.key" 与 maker_halves。',
    )
