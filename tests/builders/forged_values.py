"""Forged seals by themselves (.esl), and forged signatures over a digest (.dat)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from seal import der
from tests.builders.forged_seals import ORDER, VALUES, pair, restretched, revalued
from tests.builders.forged_signers import extended_seal
from tests.builders.forged_times import stamped_seal
from tests.builders.forging import (
    ABOUT,
    CREATED,
    DIGEST,
    JUDGED,
    SEALED,
    Bench,
    forgery,
    numbers,
    signer_id,
    with_unknown,
)
from tests.builders.ofd import png
from tests.builders.ses import rebuilt, stretched

_DAY = timedelta(days=1)
Make = Callable[[Bench], bytes]


def _seal(  # as `forgery`
    item: str, check: str, en: str, zh: str, *, indication: str = "FAILED", reason: str = ""
) -> Callable[[Make], Make]:
    return forgery(item, check, en, zh, kind="seal", indication=indication, reason=reason)


def _detached(
    item: str, check: str, en: str, zh: str, *, indication: str = "FAILED", reason: str = ""
) -> Callable[[Make], Make]:
    return forgery(item, check, en, zh, kind="detached", indication=indication, reason=reason)


# --- seals -------------------------------------------------------------------------------------


@_seal("reimaged_seal", "seal_signature", "The picture is another.", "印章图像被更换。")
def esl_reimaged(bench: Bench) -> bytes:
    return rebuilt((0, 3, 1), der.octets(png((0, 0, 0, 255), 16)), bench.good_seal)


@_seal(
    "seal_unsigned",
    "seal_signature",
    "The list of signers is another.",
    "签章者列表被更换。",
)
def esl_relisted(bench: Bench) -> bytes:
    listed = der.sequence(der.octets(bench.issued("示范县他人").certificate))
    return rebuilt((0, 2, 3), listed, bench.good_seal)


@_seal(
    "seal_unsigned",
    "seal_signature",
    "The maker's certificate is swapped for another's.",
    "制章者证书被换成他人的证书。",
)
def esl_of_another_maker(bench: Bench) -> bytes:
    other = bench.issued("示范制章")
    return rebuilt((1,), der.octets(other.certificate), bench.good_seal)


@_seal(
    "wrong_signer_id",
    "seal_signature",
    "The maker signs SM2 under another identity.",
    "制章者以非标准的 SM2 签名者标识签名。",
)
def esl_wrong_id(bench: Bench) -> bytes:
    with signer_id(b"8765432187654321"):
        return bench.seal()


@_seal("value_out_of_range", "seal_signature", "r is beyond the order.", "r 超出阶。")
def esl_r_plus_order(bench: Bench) -> bytes:
    return revalued(bench, lambda v: pair(numbers(v)[0] + ORDER, numbers(v)[1]))


@_seal(
    "reencoded",
    "seal_signature",
    "What the maker signed is encoded otherwise.",
    "制章者所签数据改用另一种编码。",
)
def esl_reencoded(bench: Bench) -> bytes:
    return restretched(bench)


@_seal(
    "reencoded",
    "seal_encoding",
    "What nobody signs is not DER: told.",
    "未被签名的部分不是 DER：提示。",
    indication="PASSED",
)
def esl_not_canonical(bench: Bench) -> bytes:
    return stretched(bench.good_seal)


@_seal("reencoded", "seal_format", "Bytes follow the seal.", "印章数据之后附有多余字节。")
def esl_trailing(bench: Bench) -> bytes:
    return bench.good_seal + b"\0"


@_seal("seal_expired", "seal_creation", "It is made in the future.", "印章制作时间晚于当前。")
def esl_from_the_future(bench: Bench) -> bytes:
    return bench.seal(created=JUDGED + _DAY)


@_seal(
    "seal_expired",
    "seal_in_force",
    "It has ended: it may not be used today.",
    "印章已过有效期，不能再使用。",
    reason="SEAL_NOT_IN_FORCE",
)
def esl_ended(bench: Bench) -> bytes:
    return bench.seal(valid_to=JUDGED - _DAY)


@_seal(
    "look_alike",
    "seal_maker_certificate",
    "Root, intermediate and maker have the genuine names and other keys.",
    "根、中间和制章者证书与真证书同名，但密钥不同。",
    indication="INDETERMINATE",
    reason="ISSUER_KEY_DIFFERS",
)
def esl_look_alike(bench: Bench) -> bytes:
    return bench.seal(maker=bench.issued("示范制章", bench.other_intermediate))


@_seal(
    "revoked_maker",
    "seal_maker_certificate",
    "The maker's certificate was revoked before.",
    "制章者证书在制章前已被吊销。",
    reason="CERTIFICATE_REVOKED",
)
def esl_revoked_maker(bench: Bench) -> bytes:
    return bench.seal(maker=bench.revoked_maker)


@_seal(
    "critical_extension",
    "seal_extensions",
    "It has a critical extension that nobody knows.",
    "印章含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def esl_critical(bench: Bench) -> bytes:
    return extended_seal(bench)


@_seal(
    "time_stamp_other_bytes",
    "seal_time_stamp",
    "Its time-stamp is of another seal.",
    "印章的时间戳属于另一枚印章。",
    reason="TIME_STAMP_OF_OTHER_BYTES",
)
def esl_stamp_of_another(bench: Bench) -> bytes:
    at = CREATED + timedelta(minutes=1)
    return stamped_seal(bench, lambda _: bench.stamp(at)(b"another seal"))


# --- signatures over a digest ------------------------------------------------------------------


@_detached("foreign_signature", "data_hash", "It is over another digest.", "签名针对另一摘要。")
def dat_of_another_digest(bench: Bench) -> bytes:
    return bench.detached(data_hash=DIGEST[::-1])


@_detached(
    "foreign_signature",
    "property_info",
    "It says that its digest is of another record.",
    "签名所述的摘要来源是另一条记录。",
)
def dat_about_another(bench: Bench) -> bytes:
    return bench.detached(property_info=ABOUT + "0")


@_detached(
    "swapped_seal",
    "document_signature",
    "The seal in it is another genuine one.",
    "其中的印章换成另一枚真印章。",
)
def dat_swapped_seal(bench: Bench) -> bytes:
    return rebuilt((0, 1), bench.seal(name="示范县财政局"), bench.detached())


@_detached(
    "reimaged_seal",
    "seal_signature",
    "The signer gives the seal another picture and signs with it.",
    "签章者更换印章图像后再签名。",
)
def dat_reimaged_seal(bench: Bench) -> bytes:
    return bench.detached(esl_reimaged(bench))


@_detached(
    "signer_not_listed",
    "signer_listed",
    "The seal does not list the signer.",
    "印章的签章者列表不含该签名者。",
)
def dat_not_listed(bench: Bench) -> bytes:
    return bench.detached(by=bench.issued("示范县他人"))


@_detached(
    "seal_before_made", "signing_time", "The seal was made after it.", "印章在签名之后才制作。"
)
def dat_before_seal(bench: Bench) -> bytes:
    return bench.detached(bench.seal(created=SEALED + _DAY))


@_detached(
    "seal_after_end",
    "seal_in_force",
    "The seal had ended.",
    "签名时印章已过有效期。",
    reason="SEAL_NOT_IN_FORCE",
)
def dat_after_end(bench: Bench) -> bytes:
    return bench.detached(bench.seal(valid_to=SEALED - _DAY))


@_detached(
    "revoked_signer",
    "signer_certificate",
    "The signer's certificate was revoked.",
    "签名时签名者证书已被吊销。",
    reason="CERTIFICATE_REVOKED",
)
def dat_revoked_signer(bench: Bench) -> bytes:
    seal = bench.seal(cert_list=(bench.revoked_signer.certificate,))
    return bench.detached(seal, by=bench.revoked_signer)


@_detached(
    "critical_extension",
    "signer_certificate",
    "The signer's certificate has a critical extension that nobody knows.",
    "签名者证书含有无法识别的关键扩展。",
    indication="INDETERMINATE",
    reason="CRITICAL_EXTENSION",
)
def dat_critical_in_signer(bench: Bench) -> bytes:
    odd = with_unknown(bench.issued("示范县行政审批局"), bench.intermediate)
    return bench.detached(bench.seal(cert_list=(odd.certificate,)), by=odd)


@_detached(
    "wrong_signer_id",
    "document_signature",
    "The signer signs SM2 under another identity.",
    "签名者以非标准的 SM2 签名者标识签名。",
)
def dat_wrong_id(bench: Bench) -> bytes:
    seal = bench.good_seal
    with signer_id(b"8765432187654321"):
        return bench.detached(seal)


def _valued(bench: Bench, *, change: Callable[[bytes], bytes]) -> bytes:
    return bench.detached(value=change)


for _key in ("r_zero", "s_plus_order", "r_negative", "r_padded"):
    _change, _en, _zh = VALUES[_key]
    forgery(
        "value_out_of_range",
        "document_signature",
        f"In the signature {_en}.",
        f"签名值中，{_zh}。",
        name=f"dat_{_key}",
        kind="detached",
    )(partial(_valued, change=_change))


@_detached(
    "time_stamp_other_bytes",
    "time_stamp",
    "Its time-stamp is of another signature.",
    "时间戳属于另一签名。",
    reason="TIME_STAMP_OF_OTHER_BYTES",
)
def dat_stamp_of_another(bench: Bench) -> bytes:
    return bench.detached(stamp=lambda _: bench.stamp()(b"another signature"))


@_detached(
    "time_stamp_before_seal",
    "time_stamp",
    "Its time-stamp is older than the seal.",
    "时间戳早于印章的制作时间。",
    reason="TIME_STAMP_TOO_EARLY",
)
def dat_stamp_before_seal(bench: Bench) -> bytes:
    return bench.detached(stamp=bench.stamp(CREATED - _DAY))


@_detached(
    "reencoded",
    "document_signature",
    "What was signed is encoded otherwise.",
    "被签数据改用另一种编码。",
)
def dat_reencoded(bench: Bench) -> bytes:
    whole = bench.detached()
    return rebuilt((0,), stretched(der.children(whole)[0].raw), whole)


@_detached("reencoded", "signature_format", "Bytes follow it.", "签章数据之后附有多余字节。")
def dat_trailing(bench: Bench) -> bytes:
    return bench.detached() + b"\0"
