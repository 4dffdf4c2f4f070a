"""Credentials with selective disclosure (SD-JWT, RFC 9901; as a credential, SD-JWT VC), ES256.

1. What is signed is `header.payload`, both base64url. The header is written here and nowhere else:
   `alg` ES256, `typ` dc+sd-jwt, `x5c` with the signer's certificate. So a seal's P-256 key never
   signs a text that a caller made up: what it signs here cannot be taken for a PDF's signed
   attributes (DER), nor for a token of another kind.
2. A payload to sign is a JSON object with `vct`, `iat` and `_sd_alg` sha-256, of bounded size.
3. What is read has one meaning: canonical base64url, no member twice, no number that is none.
4. Every disclosure is one whose digest was signed, once, and adds no name that is there already
   (RFC 9901 §7.1); what was not disclosed stays unknown, and decoys cannot be told from it.
5. The certificate is judged as of `iat`, like that of any signature without a time-stamp. `exp` and
   `nbf` say until when the *credential* is good: that is told by `claims`, not judged here.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, NoReturn

from runtime.errors import FieldViolation, InvalidArgument
from seal import der
from seal.judging.seal_checks import CLOCK_SKEW, chain_check, common_name
from seal.judging.signing_times import signer_chain
from seal.judging.telling import facts_of
from seal.model import Check, SignatureReport, Verdict, conclude, failed, passed, undetermined
from seal.pki.certificates import parse_certificate
from seal.suites import P256, suite
from seal.trust import TrustStore

FORMAT: Final = "SD_JWT_VC"
TYPE: Final = "dc+sd-jwt"
MAGIC: Final = b"eyJ"  # `{"` in base64url
MAX_PAYLOAD: Final = 64 * 1024
MAX_CREDENTIAL: Final = 4 * 1024 * 1024
_LABEL: Final = "credential"
_OCTETS: Final = 32
_MOST_DISCLOSURES: Final = 4096
_DEEPEST: Final = 16
_LATEST: Final = 253402300799  # 9999-12-31T23:59:59Z


# --- to sign -----------------------------------------------------------------------------------


def check_payload(payload: bytes) -> bytes:
    """Rule 2. Raises InvalidArgument, BAD_CREDENTIAL, which repeats nothing of it."""
    if not 0 < len(payload) <= MAX_PAYLOAD:
        raise _bad(f"its payload has 1 to {MAX_PAYLOAD >> 10} KiB")
    found = _json(payload)
    if not isinstance(found, dict) or not isinstance(found.get("vct"), str) or not found["vct"]:
        raise _bad("its payload is a JSON object with a text `vct`")
    if found.get("_sd_alg") != "sha-256":
        raise _bad("its payload says `_sd_alg` sha-256")
    _issued_at(found)
    return payload


def to_be_signed(payload: bytes, certificate: bytes) -> bytes:
    """What the key signs (rule 1), for a payload that was checked and a DER certificate."""
    header = {"alg": "ES256", "typ": TYPE, "x5c": [base64.b64encode(certificate).decode()]}
    written = json.dumps(header, separators=(",", ":")).encode()
    return encode(written) + b"." + encode(payload)


def assemble(tbs: bytes, signature: bytes) -> bytes:
    """The compact JWS, of the suite's DER signature (RFC 7518 §3.4 has r and s side by side)."""
    pair = [int.from_bytes(one.content, "big") for one in der.children(signature)]
    return tbs + b"." + encode(b"".join(one.to_bytes(_OCTETS, "big") for one in pair))


def encode(data: bytes) -> bytes:
    """base64url without padding (RFC 7515 §2)."""
    return base64.urlsafe_b64encode(data).rstrip(b"=")


# --- to read -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A credential as read: nothing of it is verified but that it reads, and rule 4.

    `claims` is the signed payload with what was disclosed in its place. `certificates` is x5c, DER,
    the signer's first; `key_binding` the holder's proof after the last tilde, unread.
    """

    claims: Mapping[str, Any] = field(repr=False)
    issued_at: datetime
    certificates: tuple[bytes, ...]
    signed: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    key_binding: bytes = field(repr=False)


def read_credential(data: bytes) -> Credential:
    """Read a compact SD-JWT (`jws~disclosure~…~`), or the bare JWS of one.

    Raises InvalidArgument, BAD_CREDENTIAL, which repeats nothing of it.
    """
    if len(data) > MAX_CREDENTIAL:
        raise _bad(f"it is larger than {MAX_CREDENTIAL >> 20} MiB")
    jws, *disclosures = data.split(b"~")
    key_binding = disclosures.pop() if disclosures else b""
    parts = jws.split(b".")
    if len(parts) != 3 or len(disclosures) > _MOST_DISCLOSURES:
        raise _bad("it is no compact SD-JWT")
    header, payload = _json(_decode(parts[0])), _json(_decode(parts[1]))
    if not isinstance(header, dict) or not isinstance(payload, dict):
        raise _bad("its header and its payload are JSON objects")
    if header.get("alg") != "ES256" or header.get("typ") != TYPE or "crit" in header:
        raise _bad(f"its header says alg ES256 and typ {TYPE}, and nothing critical")
    if payload.get("_sd_alg", "sha-256") != "sha-256":
        raise _bad("its digests are SHA-256")
    signature = _decode(parts[2])
    if len(signature) != 2 * _OCTETS:
        raise _bad("its signature has 64 octets")
    return Credential(
        claims=_Unpacking(disclosures).of(payload),
        issued_at=_issued_at(payload),
        certificates=_certificates(header),
        signed=parts[0] + b"." + parts[1],
        signature=signature,
        key_binding=key_binding,
    )


class _Unpacking:
    """Puts disclosures in the place of their digests (rule 4)."""

    def __init__(self, disclosures: list[bytes]) -> None:
        self._left: dict[str, list[Any]] = {}
        for one in disclosures:
            found = _json(_decode(one))
            digest = encode(hashlib.sha256(one).digest()).decode()
            if not isinstance(found, list) or len(found) not in (2, 3) or digest in self._left:
                raise _bad("each disclosure is a JSON array of two or three, and there once")
            self._left[digest] = found
        self._seen: set[str] = set()

    def of(self, payload: dict[str, Any]) -> dict[str, Any]:
        """The claims. Raises InvalidArgument where a disclosure belongs nowhere."""
        claims: dict[str, Any] = self._unpacked(payload, _DEEPEST)
        claims.pop("_sd_alg", None)
        if self._left:
            raise _bad("a disclosure has no digest among those that were signed")
        return claims

    def _unpacked(self, value: Any, left: int) -> Any:
        if not left:
            raise _bad("it is nested too deep")
        if isinstance(value, list):
            return [
                self._unpacked(one, left - 1)
                for item in value
                if (one := self._element(item)) is not _HIDDEN
            ]
        if not isinstance(value, dict):
            return value
        found = {k: self._unpacked(v, left - 1) for k, v in value.items() if k != "_sd"}
        digests = value.get("_sd", [])
        if not isinstance(digests, list):
            raise _bad("`_sd` is a list of digests")
        for digest in digests:
            disclosed = self._take(digest, members=3)
            if disclosed is None:
                continue
            _, name, inner = disclosed
            if not isinstance(name, str) or name in ("_sd", "...", "_sd_alg") or name in found:
                raise _bad("a disclosure has a name that is there already, or that none may have")
            found[name] = self._unpacked(inner, left - 1)
        return found

    def _element(self, item: Any) -> Any:
        if not isinstance(item, dict) or "..." not in item:
            return item
        disclosed = self._take(item["..."], members=2) if len(item) == 1 else None
        return _HIDDEN if disclosed is None else disclosed[1]

    def _take(self, digest: Any, *, members: int) -> list[Any] | None:
        if not isinstance(digest, str) or digest in self._seen:
            raise _bad("a digest is no text, or is there twice")
        self._seen.add(digest)
        found = self._left.pop(digest, None)
        if found is not None and len(found) != members:
            raise _bad("a disclosure is of another kind than its place")
        return found


_HIDDEN: Final = object()


def _issued_at(payload: Mapping[str, Any]) -> datetime:
    at = payload.get("iat")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at <= _LATEST:
        raise _bad("its payload says when it was issued: `iat`, in whole seconds")
    return datetime.fromtimestamp(at, UTC)


def _certificates(header: Mapping[str, Any]) -> tuple[bytes, ...]:
    listed = header.get("x5c")
    if not isinstance(listed, list) or not 1 <= len(listed) <= 8:
        raise _bad("its header has the signer's certificate in x5c")
    try:
        return tuple(base64.b64decode(one, validate=True) for one in listed)
    except (TypeError, ValueError):
        raise _bad("its certificates are base64") from None


def _decode(text: bytes) -> bytes:
    """Canonical base64url."""
    try:
        found = base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
    except (binascii.Error, ValueError):
        raise _bad("a part of it is no base64url") from None
    if encode(found) != text:
        raise _bad("a part of it is no canonical base64url")
    return found


def _json(data: bytes) -> Any:
    try:
        return json.loads(data.decode(), object_pairs_hook=_object, parse_constant=_no_number)
    except (UnicodeDecodeError, ValueError, RecursionError):
        raise _bad("a part of it is no JSON that has one meaning") from None


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a member twice")
    return found


def _no_number(_text: str) -> NoReturn:
    raise ValueError("no number")


def _bad(why: str) -> InvalidArgument:
    return InvalidArgument(
        f"this is no credential that can be used: {why}",
        reason="BAD_CREDENTIAL",
        message_zh="凭证（SD-JWT）格式有误",
        violations=[FieldViolation("document", why)],
    )


# --- to judge ----------------------------------------------------------------------------------


def assess_credential(data: bytes, *, store: TrustStore, now: datetime) -> Verdict:
    """Judge a compact SD-JWT with its disclosures. Never raises on what it holds."""
    try:
        read = read_credential(data)
    except InvalidArgument as error:
        against = (f"{len(data)} bytes as received", f"收到的 {len(data)} 字节")
        why = error.violations[0].description if error.violations else error.message
        found = failed("signature_format", why, error.message_zh, against=against)
        return conclude(FORMAT, [found], [])
    leaf = read.certificates[0]
    checks = [
        _check_format(read),
        _check_value(read, leaf),
        _check_time(read, now),
        *_check_certificate(read, leaf, store, now),
    ]
    try:
        signer, facts = common_name(leaf), facts_of(leaf)
    except InvalidArgument:
        signer, facts = "", None
    report = SignatureReport(
        id=_LABEL,
        signer=signer,
        seal_name="",
        es_id="",
        signed_at=read.issued_at,
        format=FORMAT,
        certificate=facts,
        checks=tuple(one.about(_LABEL) for one in checks),
    )
    return conclude(FORMAT, [], [report])


def _check_format(read: Credential) -> Check:
    name = "signature_format"
    if read.key_binding:
        told = ("the holder's key binding is not judged here", "此处不验证持有人密钥绑定")
        return undetermined(name, *told, reason="NOT_CHECKED")
    told = (
        "the credential reads, and every disclosure is one that was signed",
        "凭证可读，且每个披露项均在签署范围内",
    )
    return passed(name, *told)


def _check_value(read: Credential, leaf: bytes) -> Check:
    name = "document_signature"
    r, s = (int.from_bytes(read.signature[at : at + _OCTETS], "big") for at in (0, _OCTETS))
    pair = der.sequence(der.integer(r), der.integer(s))
    try:
        key = parse_certificate(leaf)
    except InvalidArgument as error:
        return failed(name, error.message, error.message_zh, reason="CERTIFICATE_MALFORMED")
    if key.suite == P256 and suite(P256).verify(key.public_key, read.signed, pair):
        return passed(name, "the signer's signature is good", "签名值验证通过")
    return failed(name, "the signer's signature is wrong", "签名值验证不通过")


def _check_time(read: Credential, now: datetime) -> Check:
    name = "signing_time"
    against = (f"issued {read.issued_at.isoformat()}", f"签发时间 {read.issued_at.isoformat()}")
    if read.issued_at > now + CLOCK_SKEW:
        told = ("it says that it was issued in the future", "签发时间晚于当前时间")
        return failed(name, *told, against=against)
    told = ("the time of issuing is not in the future", "签发时间不晚于当前时间")
    return passed(name, *told, against=against)


def _check_certificate(
    read: Credential, leaf: bytes, store: TrustStore, now: datetime
) -> list[Check]:
    found = signer_chain(
        leaf,
        claimed=read.issued_at,
        existed_at=None,
        store=store,
        now=now,
        extra=read.certificates[1:],
    )
    if found is None:
        return []
    result, at = found
    name = "signer_certificate"
    return [chain_check(name, result, at=at, now=now, who=("signer", "签名者"))]
