"""The checks of a seal (SESeal) by itself, in the order of GM/T 0031-2025.

One rule, one function: (seal, store, now) -> Check. To add a rule, write the function and put it
in `SEAL_CHECKS`; but the maker's, which has to know who signs, and the picture's
(`seal.judging.seal_picture`), which has to know the others of a document. What each stops:

- `seal_encoding`: two readings of one DER (told, since the bytes as received are what is verified);
- `seal_signature`: a seal nobody made, or changed since (other verifiers never look);
- `seal_picture`: a picture that is none, or is shown by some readers as something else;
- `seal_creation`: a seal whose dates contradict each other, or made in the future;
- `seal_maker_certificate`: a maker nobody trusts, a signer that makes itself a seal, or a maker
  whose certificate was no good when the seal was made (expired or revoked *since* is a notice; and
  so is that no list says who makes seals);
- `seal_extensions`: a critical extension that is silently ignored;
- `seal_time_stamp`: a time-stamp that is silently ignored, or of something else.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from runtime.errors import DataLoss, InvalidArgument
from seal.der_form import Finding
from seal.judging.seal_picture import Nested, check_picture
from seal.judging.self_made import is_self_made
from seal.judging.stamps import proving, stamped_by, unknown_since
from seal.judging.telling import holder, moment, named, plain
from seal.model import Check, Indication, Trust, failed, passed, undetermined
from seal.pki.timestamp_token import UntrustedTimestamp, check_token, read_token
from seal.pki.timestamp_token import digest as token_digest
from seal.ses import Seal, unknown_critical, verify_seal
from seal.trust import ChainResult, Purpose, TrustStore, assess_chain, parse_certificate

CLOCK_SKEW: Final = timedelta(minutes=5)
"""How far ahead of ours a signer's clock may be."""

SealCheck = Callable[[Seal, TrustStore, datetime], Check | None]


def check_encoding(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """Departures from DER with one meaning: read, verified as received, and told."""
    return encoding_notice("seal_encoding", seal.findings)


def encoding_notice(name: str, findings: tuple[Finding, ...]) -> Check:
    """Tell what departs from DER."""
    against = ("DER, over the bytes as received", "DER 编码规则，按收到的字节")
    if not findings:
        return passed(name, "the encoding is DER", "编码符合 DER", against=against)
    told = findings[:5]
    told_zh = "；".join(f"{one.path} {one.detail_zh}" for one in told)
    return passed(
        name,
        f"verified as received, but not as it should be: {'; '.join(map(str, told))}",
        f"按收到的字节验证，但编码不合规：{told_zh}",
        notice=True,
        against=against,
    )


def check_signature(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """GM/T 0031-2025: the maker's signature over the bytes as received."""
    name, (maker, maker_zh) = "seal_signature", holder(seal.maker_certificate)
    against = (f"{maker}, over the seal as received", f"{maker_zh}，按收到的印章数据")
    if verify_seal(seal):
        good = ("the seal maker's signature is good", "印章的制章者签名有效")
        return passed(name, *good, against=against)
    wrong = ("the seal maker's signature is wrong", "印章的制章者签名无效")
    return failed(name, *wrong, against=against)


def check_creation(seal: Seal, _store: TrustStore, now: datetime) -> Check | None:
    """A seal is not made in the future, and begins before it ends."""
    name, made = "seal_creation", moment(seal.created)
    period, period_zh = _period(seal)
    against = (f"made {made}, {period}", f"制作于 {made}，{period_zh}")
    if seal.created > now + CLOCK_SKEW:
        future = ("the seal says it is made in the future", "印章制作时间晚于当前时间")
        return failed(name, *future, against=against)
    if not seal.valid_from < seal.valid_to or seal.created > seal.valid_to:
        apart = ("the seal's dates contradict each other", "印章的制作时间与有效期矛盾")
        return failed(name, *apart, against=against)
    one = ("the seal's dates are consistent", "印章的制作时间与有效期一致")
    return passed(name, *one, against=against)


def _period(seal: Seal) -> tuple[str, str]:
    first, last = moment(seal.valid_from), moment(seal.valid_to)
    return f"valid {first} to {last}", f"有效期 {first} 至 {last}"


def check_maker_certificate(
    seal: Seal, store: TrustStore, now: datetime, signer: bytes = b""
) -> Check:
    """The maker's certificate as of the seal's creation; `signer` is who signs with the seal."""
    result = assess_chain(
        seal.maker_certificate, at=seal.created, store=store, purpose=Purpose.SEAL_MAKER, now=now
    )
    name = "seal_maker_certificate"
    check = chain_check(name, result, at=seal.created, now=now, who=("seal maker", "制章者"))
    # A list of makers names it, or the trust list itself does: as an anchor of its own.
    is_named = result.is_listed_maker or len(result.path) == 1
    if check.indication is not Indication.PASSED or is_named:
        return check
    if is_self_made(seal, signer):
        return undetermined(
            name,
            "the seal's maker is a signer of this seal too (by its certificate, its key or its "
            "name), and no list says that it makes seals: whoever may sign could have made it",
            "制章者同时是该印章的签章者（证书、密钥或名称相同），且没有名单表明其可以制章："
            "任何签章者均可自制此章",
            reason="SELF_MADE_SEAL",
            against=(check.against, check.against_zh),
        )
    return check._replace(
        detail=check.detail + "; no list says who makes seals under that root",
        detail_zh=check.detail_zh + "；没有名单表明该根证书下由谁制章",
        notice=True,
    )


def check_extensions(seal: Seal, _store: TrustStore, _now: datetime) -> Check | None:
    """A critical extension that nobody understands may forbid what we are about to accept."""
    return extensions_check("seal_extensions", seal.extensions)


def extensions_check(name: str, extensions: tuple[tuple[str, bool, bytes], ...]) -> Check | None:
    """Tell of extensions, where there are any, that would have to be understood."""
    if not extensions:
        return None
    unknown = unknown_critical(extensions)
    against = (f"{len(extensions)} extension(s)", f"{len(extensions)} 个扩展")
    if unknown:
        shown = ", ".join(unknown[:3])
        return undetermined(
            name,
            f"a critical extension is not understood: {shown}",
            f"存在无法识别的关键扩展：{shown}",
            reason="CRITICAL_EXTENSION",
            against=against,
        )
    return passed(name, "no extension is critical", "没有关键扩展", against=against)


def check_time_stamp(seal: Seal, store: TrustStore, now: datetime) -> Check | None:
    """A seal's time-stamp is over the maker's signature, trusted, and not from before it."""
    if seal.timestamp is None:
        return None
    return time_stamp_check(
        "seal_time_stamp",
        seal.timestamp,
        over=seal.signature,
        claimed=None,
        seal_made=seal.created,
        store=store,
        now=now,
    )


def time_stamp_check(
    name: str,
    token: bytes,
    *,
    over: bytes,
    claimed: datetime | None,
    seal_made: datetime | None = None,
    store: TrustStore,
    now: datetime,
) -> Check:
    """A time-stamp over a signature's value, which was made, as it says, at `claimed`.

    It is not from before the seal was made (GM/T 0031-2025), nor from before the signature. One by
    an authority nobody here trusts must not look as if it had been verified.
    """
    against = ("the signature value as received", "收到的签名值")
    try:
        told = read_token(token)
        against = stamped_by(told)
        if told.imprint != token_digest(told.digest, over):
            other = ("the time-stamp is of another signature", "时间戳不属于该签名")
            return failed(name, *other, reason="TIME_STAMP_OF_OTHER_BYTES", against=against)
    except InvalidArgument as error:
        return failed(name, error.message, error.message_zh, against=against)
    if seal_made is not None and told.time < seal_made - CLOCK_SKEW:
        older = ("the time-stamp is older than the seal", "时间戳早于印章制作时间")
        return failed(name, *older, reason="TIME_STAMP_TOO_EARLY", against=against)
    if claimed is not None and told.time < claimed - CLOCK_SKEW:
        early = ("the signature says it is later than its time-stamp", "签名时间晚于时间戳")
        return failed(name, *early, reason="TIME_STAMP_TOO_EARLY", against=against)
    try:
        good = check_token(token, over, store=store, at=now)
    except UntrustedTimestamp as error:
        reason = "TIME_STAMP_NOT_TRUSTED"
        return undetermined(name, error.message, error.message_zh, reason=reason, against=against)
    except DataLoss as error:
        reason = "TIME_STAMP_NOT_GOOD"
        return failed(name, error.message, error.message_zh, reason=reason, against=against)
    return proving(name, good, store, now)


def in_force(seal: Seal, *, at: datetime) -> Check:
    """Whether the seal may be used at that instant (GM/T 0031-2025: validity at signing)."""
    name, reason = "seal_in_force", "SEAL_NOT_IN_FORCE"
    (period, period_zh), used = _period(seal), moment(at)
    against = (f"{period}; used {used}", f"{period_zh}；使用于 {used}")
    if at < seal.valid_from:
        early = ("the seal had not begun then", "印章当时尚未生效")
        return failed(name, *early, reason=reason, against=against)
    if at > seal.valid_to:
        late = ("the seal had ended by then", "印章当时已过有效期")
        return failed(name, *late, reason=reason, against=against)
    return passed(name, "the seal was in force", "印章在有效期内", against=against)


SEAL_CHECKS: Final[tuple[SealCheck, ...]] = (
    check_encoding,
    check_signature,
    check_creation,
    check_extensions,
    check_time_stamp,
)


def judge_seal(
    seal: Seal,
    store: TrustStore,
    now: datetime,
    *,
    signer: bytes = b"",
    nested: Nested | None = None,
) -> list[Check | None]:
    """Every rule about a seal, by itself or as a signer (DER certificate) signs with it.

    `nested` are the pictures of the same document's other seals (GB/T 38540 §6: a picture is of the
    kind that the seal says).
    """
    found = [rule(seal, store, now) for rule in SEAL_CHECKS]
    picture = check_picture(seal.picture_type, seal.picture, nested)
    return [*found, picture, check_maker_certificate(seal, store, now, signer)]


_CHAIN_REASONS: Final = {
    "NO_ANCHOR": "NO_TRUST_ANCHOR",
    "OTHER_KEY": "ISSUER_KEY_DIFFERS",
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
        "OTHER_KEY",
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


def chain_check(
    name: str,
    result: ChainResult,
    *,
    now: datetime,
    who: tuple[str, str],
    at: datetime | None = None,
) -> Check:
    """A chain's result, as of `at`, as a check; what has happened since is told (`ended`)."""
    whose, whose_zh = f"the {who[0]}'s certificate: ", f"{who[1]}证书："
    against = _chain_against(result, at)
    if not result.is_trusted:
        make = undetermined if result.status in _OPEN else failed
        return make(
            name,
            whose + result.detail,
            whose_zh + result.detail_zh,
            reason=_CHAIN_REASONS.get(result.status, result.status),
            against=against,
        )
    leaf = result.path[0]
    if leaf.key_usage is not None and not leaf.key_usage & _MAY_SIGN:
        detail, detail_zh = whose + "its key may not sign", whose_zh + "密钥用途不允许签名"
        return failed(name, detail, detail_zh, reason="KEY_USAGE", against=against)
    endings = _endings(result, now)
    told = [ending[2:] for ending in endings]
    if not result.revocation_known:
        told.append(("no revocation data covers it", "没有覆盖该时刻的吊销信息"))
    if result.is_data_ahead:
        told.append(("revocation data from the future is left out", "来自未来的吊销信息不予采用"))
    if result.is_meant_otherwise:
        told.append(("its extended key usage names other uses", "扩展密钥用途所列为其他用途"))
    first = min(endings, default=None)
    trust = Trust(
        role=name,
        source=result.source,
        anchor=plain(result.anchor),
        fingerprint=result.path[-1].fingerprint,
    )
    return Check(
        name=name,
        indication=Indication.PASSED,
        detail=whose + "; ".join([result.detail, *(english for english, _ in told)]),
        detail_zh=whose_zh + "；".join([result.detail_zh, *(chinese for _, chinese in told)]),
        against=against[0],
        against_zh=against[1],
        notice=bool(told),
        trust=trust,
        ended=first[0] if first else None,
        ended_why=first[1] if first else "",
        unknown=unknown_since(result, now),
    )


def _chain_against(result: ChainResult, at: datetime | None) -> tuple[str, str]:
    """Which certificate, as of when, and on what list and root its trust would rest."""
    whose, whose_zh = named(result.path[0]) if result.path else holder(b"")
    told, told_zh = [whose], [whose_zh]
    if at is not None:
        told.append(f"as of {moment(at)}")
        told_zh.append(f"时刻 {moment(at)}")
    if result.source:
        told.append(f"trust list '{plain(result.source)}'")
        told_zh.append(f"信任列表“{plain(result.source)}”")
    if result.anchor:
        told.append(f"anchor '{plain(result.anchor)}'")
        told_zh.append(f"根证书“{plain(result.anchor)}”")
    return "; ".join(told), "；".join(told_zh)


def _endings(result: ChainResult, now: datetime) -> list[tuple[datetime, str, str, str]]:
    """What of a chain that was good has ended by now: when, why, and in words."""
    ends = min(one.not_after for one in result.path)
    revoked = f" ({result.revoked_why})" if result.revoked_why else ""
    found = [
        (result.revoked_at, "CERTIFICATE_REVOKED", f"revoked since{revoked}", "此后已被吊销"),
        (result.withdrawn_at, "TRUST_WITHDRAWN", "not recognised any more", "此后不再受信任"),
        (ends, "CERTIFICATE_EXPIRED", "good then, expired since", "当时有效，现已过期"),
    ]
    return [
        (when, why, f"{english}, {moment(when)}", f"{chinese}（{moment(when)}）")
        for when, why, english, chinese in found
        if when is not None and when <= now
    ]


def common_name(certificate: bytes) -> str:
    """The subject's common names, or its whole subject. Raises InvalidArgument."""
    return parse_certificate(certificate).shown_name
