"""The checks of a seal (SESeal) by itself, in the order of GM/T 0031-2025.

One rule, one function: (seal, store, now) -> Check. To add a rule, write the function and put it
in `SEAL_CHECKS`. What each stops:

- `seal_encoding`: two readings of one DER (told, since the bytes as received are what is verified);
- `seal_signature`: a seal nobody made, or changed since (other verifiers never look);
- `seal_creation`: a seal whose dates contradict each other, or made in the future;
- `seal_maker_certificate`: a maker nobody trusts, or whose certificate was no good when the seal
  was made (expired or revoked *since* is a notice);
- `seal_extensions`: a critical extension that is silently ignored;
- `seal_time_stamp`: a time-stamp that is silently ignored, or of something else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from runtime.errors import DataLoss, InvalidArgument
from seal.der_form import Finding
from seal.model import Check, failed, passed, undetermined
from seal.ses import Seal, unknown_critical, verify_seal
from seal.timestamp_token import check_token, read_token
from seal.timestamp_token import digest as token_digest
from seal.trust import ChainResult, Purpose, TrustStore, assess_chain, parse_certificate

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a signer's clock may be."""

SealCheck = Callable[[Seal, TrustStore, datetime], Check | None]


def check_encoding(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """Departures from DER with one meaning: read, verified as received, and told."""
    return encoding_notice("seal_encoding", seal.findings)


def encoding_notice(name: str, findings: tuple[Finding, ...]) -> Check:
    """Tell what departs from DER."""
    if not findings:
        return passed(name, "the encoding is DER", "编码符合 DER")
    told = findings[:5]
    told_zh = "；".join(f"{one.path} {one.detail_zh}" for one in told)
    return passed(
        name,
        f"verified as received, but not as it should be: {'; '.join(map(str, told))}",
        f"按收到的字节验证，但编码不合规：{told_zh}",
        notice=True,
    )


def check_signature(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """GM/T 0031-2025: the maker's signature over the bytes as received."""
    if verify_seal(seal):
        return passed(
            "seal_signature", "the seal maker's signature is good", "印章的制章者签名有效"
        )
    return failed("seal_signature", "the seal maker's signature is wrong", "印章的制章者签名无效")


def check_creation(seal: Seal, _store: TrustStore, now: datetime) -> Check | None:
    """A seal is not made in the future, and begins before it ends."""
    name = "seal_creation"
    if seal.created > now + CLOCK_SKEW:
        return failed(name, "the seal says it is made in the future", "印章制作时间晚于当前时间")
    if not seal.valid_from < seal.valid_to or seal.created > seal.valid_to:
        return failed(name, "the seal's dates contradict each other", "印章的制作时间与有效期矛盾")
    return passed(name, "the seal's dates are consistent", "印章的制作时间与有效期一致")


def check_maker_certificate(seal: Seal, store: TrustStore, now: datetime) -> Check | None:
    """The maker's certificate as of the seal's creation."""
    result = assess_chain(
        seal.maker_certificate, at=seal.created, store=store, purpose=Purpose.SEAL_MAKER
    )
    return chain_check("seal_maker_certificate", result, now=now, who=("seal maker", "制章者"))


def check_extensions(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """A critical extension that nobody understands may forbid what we are about to accept."""
    return extensions_check("seal_extensions", seal.extensions)


def extensions_check(name: str, extensions: tuple[tuple[str, bool, bytes], ...]) -> Check | None:
    """Tell of extensions, where there are any, that would have to be understood."""
    unknown = unknown_critical(extensions)
    if unknown:
        shown = ", ".join(unknown[:3])
        return undetermined(
            name,
            f"a critical extension is not understood: {shown}",
            f"存在无法识别的关键扩展：{shown}",
            reason="CRITICAL_EXTENSION",
        )
    return passed(name, "no extension is critical", "没有关键扩展") if extensions else None


def check_time_stamp(seal: Seal, store: TrustStore, now: datetime) -> Check | None:
    """A seal's time-stamp is over the maker's signature, trusted, and not from before it."""
    if seal.timestamp is None:
        return None
    return time_stamp_check(
        "seal_time_stamp",
        seal.timestamp,
        over=seal.signature,
        claimed=seal.created,
        store=store,
        now=now,
    )


def time_stamp_check(
    name: str,
    token: bytes,
    *,
    over: bytes,
    claimed: datetime | None,
    store: TrustStore,
    now: datetime,
) -> Check:
    """A time-stamp over a signature's value, which was made, as it says, at `claimed`.

    One by an authority nobody here trusts must not look as if it had been verified.
    """
    try:
        told = read_token(token)
        if told.imprint != token_digest(told.digest, over):
            return failed(name, "the time-stamp is of another signature", "时间戳不属于该签名")
    except InvalidArgument as error:
        return failed(name, error.message, error.message_zh)
    if claimed is not None and told.time < claimed - CLOCK_SKEW:
        return failed(
            name, "the signature says it is later than its time-stamp", "签名时间晚于时间戳"
        )
    try:
        check_token(
            token,
            over,
            anchors=store.roots(Purpose.TIMESTAMP, told.time),
            intermediates=store.intermediates,
            crls=store.crls,
            at=now,
        )
    except DataLoss as error:
        return undetermined(name, error.message, error.message_zh, reason="TIME_STAMP_NOT_VERIFIED")
    at = told.time.isoformat()
    return passed(name, f"the time-stamp says {at}", f"时间戳时间为 {at}")


def in_force(seal: Seal, *, at: datetime) -> Check:
    """Whether the seal may be used at that instant (GM/T 0031-2025: validity at signing)."""
    name, reason = "seal_in_force", "SEAL_NOT_IN_FORCE"
    if at < seal.valid_from:
        return failed(name, "the seal had not begun then", "印章当时尚未生效", reason=reason)
    if at > seal.valid_to:
        return failed(name, "the seal had ended by then", "印章当时已过有效期", reason=reason)
    return passed(name, "the seal was in force", "印章在有效期内")


SEAL_CHECKS: Final[tuple[SealCheck, ...]] = (
    check_encoding,
    check_signature,
    check_creation,
    check_maker_certificate,
    check_extensions,
    check_time_stamp,
)

_CHAIN_REASONS: Final = {
    "NO_ANCHOR": "NO_TRUST_ANCHOR",
    "EXPIRED": "CERTIFICATE_EXPIRED",
    "NOT_YET_VALID": "CERTIFICATE_NOT_YET_VALID",
    "REVOKED": "CERTIFICATE_REVOKED",
    "BAD_SIGNATURE": "CERTIFICATE_FORGED",
    "NOT_CA": "ISSUER_NOT_CA",
    "KEY_USAGE": "KEY_USAGE",
    "CRITICAL_EXTENSION": "CRITICAL_EXTENSION",
    "UNSUPPORTED_KEY": "UNSUPPORTED_KEY",
    "MALFORMED": "CERTIFICATE_MALFORMED",
}
# Nothing is wrong, but nothing is established either.
_OPEN: Final = frozenset(
    {
        "NO_ANCHOR",
        "PURPOSE_NOT_TRUSTED",
        "SUITE_NOT_TRUSTED",
        "ANCHOR_NOT_YET_TRUSTED",
        "ANCHOR_WITHDRAWN",
        "REVOCATION_UNKNOWN",
        "UNSUPPORTED_KEY",
        "CRITICAL_EXTENSION",
    }
)
_MAY_SIGN: Final = frozenset({"digital_signature", "non_repudiation"})


def chain_check(name: str, result: ChainResult, *, now: datetime, who: tuple[str, str]) -> Check:
    """A chain's result as a check; what happened after the instant asked about is a notice."""
    whose, whose_zh = f"the {who[0]}'s certificate: ", f"{who[1]}证书："
    if not result.is_trusted:
        make = undetermined if result.status in _OPEN else failed
        return make(
            name,
            whose + result.detail,
            whose_zh + result.detail_zh,
            reason=_CHAIN_REASONS.get(result.status, result.status),
        )
    leaf = result.path[0]
    if leaf.key_usage is not None and not leaf.key_usage & _MAY_SIGN:
        detail = whose + "its key may not sign"
        return failed(name, detail, whose_zh + "密钥用途不允许签名", reason="KEY_USAGE")
    notices = [
        (result.revoked_at is not None, "revoked since", "此后已被吊销"),
        (leaf.not_after < now, "good then, expired since", "当时有效，现已过期"),
        (not result.revocation_known, "no revocation list covers it", "没有覆盖该时刻的吊销列表"),
    ]
    told = [(english, chinese) for holds, english, chinese in notices if holds]
    return passed(
        name,
        whose + "; ".join([result.detail, *(english for english, _ in told)]),
        whose_zh + "；".join([result.detail_zh, *(chinese for _, chinese in told)]),
        notice=bool(told),
    )


def common_name(certificate: bytes) -> str:
    """The subject's common name, or its whole subject. Raises InvalidArgument."""
    info = parse_certificate(certificate)
    return info.subject_fields.get("CN") or info.subject
