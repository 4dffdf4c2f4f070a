"""Forged times: signatures dated back or ahead, and time-stamps, in documents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from seal import der
from tests.builders.forging import (
    CREATED,
    JUDGED,
    REVOKED_SINCE,
    SEALED,
    Bench,
    forgery,
)
from tests.builders.seal_pki import Holder, issue
from tests.builders.tokens import bent, critical_extension, stamping, token, unsigned

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)

# --- what the signature says -------------------------------------------------------------------


@forgery(
    "backdated",
    "signer_certificate",
    "The signature says it is older than its signer's revocation; its time-stamp is younger.",
    "签章自述时间早于签章者证书的吊销时间，而时间戳晚于吊销。",
    indication="PASSED",
    now="REVOKED_NO_POE",
)
def backdated_before_revocation(bench: Bench) -> bytes:
    return bench.used_by(bench.later_revoked, stamp=bench.stamp(REVOKED_SINCE + _DAY))


@forgery(
    "backdated",
    "seal_in_force",
    "The signature says it is older than its seal's end; its time-stamp is younger.",
    "签章自述时间早于印章失效时间，而时间戳晚于失效。",
    indication="PASSED",
    now="OUT_OF_BOUNDS_NO_POE",
)
def backdated_before_end(bench: Bench) -> bytes:
    seal = bench.seal(valid_to=SEALED + _DAY)
    return bench.sealed(seal=seal, stamp=bench.stamp(SEALED + 2 * _DAY))


@forgery(
    "backdated",
    "signing_time",
    "The signature says it is older than its signer's certificate; its time-stamp is younger.",
    "签章自述时间早于签章者证书的生效时间，而时间戳晚于生效。",
    reason="SIGNED_BEFORE_CERTIFICATE",
)
def backdated_before_certificate(bench: Bench) -> bytes:
    late = bench.issued("示范县行政审批局", not_before=SEALED - 30 * _DAY)
    seal = bench.seal(cert_list=(late.certificate,))
    return bench.sealed(seal=seal, by=late, at=CREATED + 30 * _DAY, stamp=bench.stamp())


@forgery("from_the_future", "signing_time", "It is signed tomorrow.", "签章时间为明天。")
def signed_in_the_future(bench: Bench) -> bytes:
    return bench.sealed(at=JUDGED + _DAY)


@forgery(
    "from_the_future",
    "seal_creation",
    "The seal is made tomorrow.",
    "印章制作时间为明天。",
)
def sealed_with_the_future(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(created=JUDGED + _DAY))


@forgery(
    "from_the_future",
    "time_stamp",
    "The time-stamp is of tomorrow.",
    "时间戳为明天。",
    reason="TIME_STAMP_NOT_GOOD",
)
def stamped_in_the_future(bench: Bench) -> bytes:
    return bench.sealed(stamp=bench.stamp(JUDGED + _DAY))


# --- time-stamps -------------------------------------------------------------------------------


@forgery(
    "time_stamp_before_seal",
    "time_stamp",
    "The time-stamp is older than the seal.",
    "时间戳早于印章的制作时间。",
    reason="TIME_STAMP_TOO_EARLY",
)
def time_stamp_before_seal(bench: Bench) -> bytes:
    return bench.sealed(stamp=bench.stamp(CREATED - _DAY))


@forgery(
    "time_stamp_before_seal",
    "time_stamp",
    "The signature says it is younger than its time-stamp.",
    "签章自述时间晚于其时间戳。",
    reason="TIME_STAMP_TOO_EARLY",
)
def time_stamp_before_signing(bench: Bench) -> bytes:
    return bench.sealed(stamp=bench.stamp(SEALED - _DAY))


@forgery(
    "time_stamp_before_seal",
    "seal_time_stamp",
    "The seal's own time-stamp is older than the seal.",
    "印章自身的时间戳早于印章的制作时间。",
    reason="TIME_STAMP_TOO_EARLY",
)
def seal_time_stamp_before_seal(bench: Bench) -> bytes:
    return bench.sealed(seal=stamped_seal(bench, lambda value: bench.stamp(CREATED - _DAY)(value)))


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp is of another signature.",
    "时间戳属于另一签名。",
    reason="TIME_STAMP_OF_OTHER_BYTES",
)
def time_stamp_of_another(bench: Bench) -> bytes:
    return bench.sealed(stamp=lambda _: bench.stamp()(b"another signature"))


@forgery(
    "time_stamp_other_bytes",
    "seal_time_stamp",
    "The seal's time-stamp is of another seal.",
    "印章的时间戳属于另一枚印章。",
    reason="TIME_STAMP_OF_OTHER_BYTES",
)
def seal_time_stamp_of_another(bench: Bench) -> bytes:
    at = CREATED + _MINUTE
    return bench.sealed(seal=stamped_seal(bench, lambda _: bench.stamp(at)(b"another seal")))


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time in the time-stamp was changed.",
    "时间戳中的时间被修改。",
    reason="TIME_STAMP_NOT_GOOD",
)
def time_stamp_changed(bench: Bench) -> bytes:
    def changed(value: bytes) -> bytes:
        made = bench.stamp(SEALED + _MINUTE)(value)
        old, new = (der.generalized_time(SEALED + n * _MINUTE) for n in (1, 2))
        return made.replace(old, new)

    return bench.sealed(stamp=changed)


@forgery(
    "time_stamp_untrusted",
    "time_stamp",
    "The time-stamp is by an authority that nobody knows.",
    "时间戳由无人知晓的机构签发。",
    indication="INDETERMINATE",
    reason="TIME_STAMP_NOT_TRUSTED",
)
def time_stamp_untrusted(bench: Bench) -> bytes:
    stamper = stamping(issue("示范时间戳根", None, is_ca=True))
    return bench.sealed(stamp=lambda value: token(stamper, value, at=SEALED + _MINUTE))


@forgery(
    "time_stamp_untrusted",
    "time_stamp",
    "The time-stamp is by the signer itself.",
    "时间戳由签章者自己签发。",
    reason="TIME_STAMP_NOT_GOOD",
)
def time_stamp_by_signer(bench: Bench) -> bytes:
    return bench.sealed(stamp=lambda value: token(bench.signer, value, at=SEALED + _MINUTE))


@forgery(
    "time_stamp_untrusted",
    "time_stamp",
    "The time-stamp authority's signature is of another key.",
    "时间戳的签名出自另一密钥。",
    reason="TIME_STAMP_NOT_GOOD",
)
def time_stamp_forged(bench: Bench) -> bytes:
    false = Holder(signer=bench.other_root.signer, certificate=bench.stamper.certificate)
    return bench.sealed(stamp=lambda value: token(false, value, at=SEALED + _MINUTE))


@forgery(
    "time_stamp_untrusted",
    "time_stamp",
    "The time-stamp has a critical extension that nobody understands.",
    "时间戳含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="TIME_STAMP_NOT_TRUSTED",
)
def time_stamp_critical_extension(bench: Bench) -> bytes:
    more = [critical_extension()]
    return bench.sealed(
        stamp=lambda value: token(bench.stamper, value, at=SEALED + _MINUTE, more=more)
    )


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp tells more than a time.",
    "时间戳中夹带时间以外的内容。",
)
def time_stamp_tells_more(bench: Bench) -> bytes:
    more = [der.octets(b"VOID" * 50)]
    return bench.sealed(
        stamp=lambda value: token(bench.stamper, value, at=SEALED + _MINUTE, more=more)
    )


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp has an unsigned attribute that nobody knows.",
    "时间戳含有未知的未签名属性。",
)
def time_stamp_with_attribute(bench: Bench) -> bytes:
    junk = unsigned("1.3.6.1.4.1.99999.9", der.octets(b"VOID" * 50))
    return bench.sealed(stamp=lambda value: bent(bench.stamp()(value), attribute=junk))


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp has a text where revocation lists belong.",
    "时间戳的吊销列表处夹带文字。",
)
def time_stamp_with_text(bench: Bench) -> bytes:
    junk = der.octets(b"VOID" * 50)
    return bench.sealed(stamp=lambda value: bent(bench.stamp()(value), lists=[junk]))


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp has a certificate that is none.",
    "时间戳所附的证书不是证书。",
)
def time_stamp_with_no_certificate(bench: Bench) -> bytes:
    junk = der.sequence(der.octets(b"VOID" * 50))
    return bench.sealed(stamp=lambda value: bent(bench.stamp()(value), certificates=[junk]))


@forgery(
    "time_stamp_other_bytes",
    "time_stamp",
    "The time-stamp is of version 99.",
    "时间戳的版本号为 99。",
)
def time_stamp_version(bench: Bench) -> bytes:
    return bench.sealed(stamp=lambda value: bent(bench.stamp()(value), version=99))


def stamped_seal(bench: Bench, stamp: Callable[[bytes], bytes]) -> bytes:
    """A seal of version 5 with a time-stamp over its maker's signature."""
    seal = bench.seal(version=5)
    members = [one.raw for one in der.children(seal)]
    value = der.children(seal)[3].bits()
    return der.sequence(*members, der.tlv(0xA0, der.bits(stamp(value))))


@forgery(
    "seal_before_made",
    "signing_time",
    "The seal holds a time-stamp of its own that is of months after the signature.",
    "印章自带的时间戳比签章晚数月。",
    reason="SIGNED_BEFORE_SEAL",
)
def seal_stamped_since(bench: Bench) -> bytes:
    return bench.sealed(seal=stamped_seal(bench, bench.stamp(SEALED + 90 * _DAY)))


@forgery(
    "seal_before_made",
    "signing_time",
    "The seal holds a time-stamp of its own that is of months after the signature's.",
    "印章自带的时间戳比签章的时间戳晚数月。",
    reason="SIGNED_BEFORE_SEAL",
)
def seal_stamped_since_stamp(bench: Bench) -> bytes:
    seal = stamped_seal(bench, bench.stamp(SEALED + 90 * _DAY))
    return bench.sealed(seal=seal, stamp=bench.stamp())


@forgery(
    "seal_before_made",
    "signing_time",
    "A detached signature is of months before the time-stamp in its seal.",
    "独立签章比其印章自带的时间戳早数月。",
    kind="detached",
    reason="SIGNED_BEFORE_SEAL",
)
def detached_stamped_since(bench: Bench) -> bytes:
    return bench.detached(stamped_seal(bench, bench.stamp(SEALED + 90 * _DAY)))


# --- order in time ------------------------------------------------------------------------------


@forgery(
    "backdated",
    "signing_time",
    "A later signature says it is of months before the one that it covers.",
    "后一签章自述时间早于其所覆盖的签章数月。",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)
def backdated_before_covered(bench: Bench) -> bytes:
    return bench.sealed(bench.sound, at=CREATED + _DAY)


@forgery(
    "backdated",
    "signing_time",
    "A later signature says it is of an hour before the time-stamp of the one that it covers.",
    "后一签章自述时间比其所覆盖签章的时间戳早一小时。",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)
def backdated_before_covered_stamp(bench: Bench) -> bytes:
    return bench.sealed(bench.sealed(stamp=bench.stamp()), at=SEALED - 60 * _MINUTE)


@forgery(
    "backdated",
    "signing_time",
    "A later signature has a time-stamp of a month before the one that it covers.",
    "后一签章的时间戳比其所覆盖的签章早一个月。",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)
def stamped_before_covered(bench: Bench) -> bytes:
    first, at = bench.sealed(stamp=bench.stamp()), SEALED - 30 * _DAY
    return bench.sealed(first, at=at, stamp=bench.stamp(at + _MINUTE))
