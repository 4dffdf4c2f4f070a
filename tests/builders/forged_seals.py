"""Forged seals, signers, signature values and times in documents."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import partial

from seal import der
from seal.ses import assemble_signature, parse_signature
from seal.suites import P256
from tests.builders.forging import (
    CREATED,
    SEAL,
    SEALED,
    VALUE,
    Bench,
    forgery,
    made_anew,
    numbers,
    signer_id,
)
from tests.builders.ofd import pack, png
from tests.builders.ses import rebuilt, stretched

_MINUTE = timedelta(minutes=1)
_DAY = timedelta(days=1)
ORDER = 0xFFFFFFFEFFFFFFFFFFFFFFFFFFFFFFFF7203DF6B21C6052B53BBF40939D54123

# --- the seal ----------------------------------------------------------------------------------


@forgery(
    "swapped_seal",
    "seal_match",
    "Seal.esl is another genuine seal.",
    "Seal.esl 换成另一枚真印章。",
)
def swapped_seal_file(bench: Bench) -> bytes:
    return pack({**bench.files(), SEAL: bench.seal(name="示范县财政局", es_id="99010100000002")})


@forgery(
    "swapped_seal",
    "document_signature",
    "Another genuine seal stands in the signature and in Seal.esl.",
    "签章数据和 Seal.esl 中的印章都换成另一枚真印章。",
)
def swapped_seal(bench: Bench) -> bytes:
    other = bench.seal(name="示范县财政局", es_id="99010100000002")
    files = bench.files()
    return pack({**files, SEAL: other, VALUE: rebuilt((0, 1), other, files[VALUE])})


@forgery(
    "reimaged_seal",
    "seal_match",
    "The picture in Seal.esl is another.",
    "Seal.esl 中的印章图像被更换。",
)
def reimaged_seal_file(bench: Bench) -> bytes:
    return pack({**bench.files(), SEAL: _reimaged(bench)})


@forgery(
    "reimaged_seal",
    "seal_signature",
    "The signer gives the seal another picture and signs with it.",
    "签章者更换印章图像后再签章。",
)
def reimaged_seal(bench: Bench) -> bytes:
    return bench.sealed(seal=_reimaged(bench))


def _reimaged(bench: Bench) -> bytes:
    return rebuilt((0, 3, 1), der.octets(png((0, 0, 0, 255), 16)), bench.good_seal)


@forgery(
    "seal_unsigned",
    "seal_signature",
    "The signer renames the seal and signs with it.",
    "签章者更改印章名称后再签章。",
)
def renamed_seal(bench: Bench) -> bytes:
    name = der.text(der.UTF8_STRING, "示范县人民政府")
    return bench.sealed(seal=rebuilt((0, 2, 1), name, bench.good_seal))


@forgery(
    "seal_unsigned",
    "seal_signature",
    "The signer puts itself on a seal's list of signers.",
    "签章者自行加入印章的签章者列表。",
)
def relisted_seal(bench: Bench) -> bytes:
    own = bench.issued("示范县他人")
    listed = der.sequence(der.octets(own.certificate))
    return bench.sealed(seal=rebuilt((0, 2, 3), listed, bench.good_seal), by=own)


@forgery(
    "seal_before_made",
    "signing_time",
    "The seal was made after it was used.",
    "印章在使用之后才制作。",
)
def seal_before_made(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(created=SEALED + _DAY))


@forgery(
    "seal_after_end",
    "seal_in_force",
    "The seal had ended when it was used.",
    "使用时印章已过有效期。",
    reason="SEAL_NOT_IN_FORCE",
)
def seal_after_end(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(valid_to=SEALED - _DAY))


@forgery(
    "seal_before_begin",
    "seal_in_force",
    "The seal had not begun when it was used.",
    "使用时印章尚未生效。",
    reason="SEAL_NOT_IN_FORCE",
)
def seal_before_begin(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(valid_from=SEALED + _DAY))


@forgery(
    "seal_expired",
    "seal_in_force",
    "The seal has ended since: told, as it was good then.",
    "印章此后已过有效期：提示，不判为无效。",
    indication="PASSED",
    now="OUT_OF_BOUNDS_NO_POE",
)
def seal_ended_since(bench: Bench) -> bytes:
    return bench.sealed(seal=bench.seal(valid_to=SEALED + _DAY))


@forgery(
    "seal_expired",
    "seal_creation",
    "The seal ends before it begins.",
    "印章的有效期止早于有效期起。",
)
def seal_ends_before_it_begins(bench: Bench) -> bytes:
    """The maker's own doing: no seal of ours is made so."""
    early = der.generalized_time(CREATED - 30 * _DAY)
    info = rebuilt((0, 2, 6), early, bench.good_seal)
    return bench.sealed(seal=made_anew(bench, info), at=SEALED)


# --- the values --------------------------------------------------------------------------------


def pair(r: int, s: int) -> bytes:
    """SEQ{r, s}, in range or not."""
    return der.sequence(der.integer(r), der.integer(s))


def _padded(signature: bytes) -> bytes:
    r, s = (one.content for one in der.children(signature))
    return der.sequence(der.tlv(der.INTEGER, b"\0\0" + r), der.tlv(der.INTEGER, s))


def bare(signature: bytes) -> bytes:
    return b"".join(number.to_bytes(32, "big") for number in numbers(signature))


VALUES: dict[str, tuple[Callable[[bytes], bytes], str, str]] = {
    "r_zero": (lambda v: pair(0, numbers(v)[1]), "r is zero", "r 为零"),
    "s_zero": (lambda v: pair(numbers(v)[0], 0), "s is zero", "s 为零"),
    "r_plus_order": (
        lambda v: pair(numbers(v)[0] + ORDER, numbers(v)[1]),
        "r is beyond the order",
        "r 超出阶",
    ),
    "s_plus_order": (
        lambda v: pair(numbers(v)[0], numbers(v)[1] + ORDER),
        "s is beyond the order",
        "s 超出阶",
    ),
    "r_negative": (
        lambda v: pair(numbers(v)[0] - ORDER, numbers(v)[1]),
        "r is negative",
        "r 为负数",
    ),
    "s_negative": (
        lambda v: pair(numbers(v)[0], numbers(v)[1] - ORDER),
        "s is negative",
        "s 为负数",
    ),
    "r_padded": (_padded, "r has octets too many", "r 的编码过长"),
    "trailing": (lambda v: v + b"\0", "octets follow the numbers", "数值之后附有多余字节"),
    "three_numbers": (
        lambda v: der.sequence(der.read(v).content, der.integer(1)),
        "there are three numbers",
        "含有三个数",
    ),
}


def _document_value(bench: Bench, *, change: Callable[[bytes], bytes]) -> bytes:
    return bench.sealed(value=change)


def _seal_value(bench: Bench, *, change: Callable[[bytes], bytes]) -> bytes:
    return bench.sealed(seal=revalued(bench, change))


def revalued(bench: Bench, change: Callable[[bytes], bytes]) -> bytes:
    """The seal with its maker's signature value changed."""
    value = der.children(bench.good_seal)[3].bits()
    return rebuilt((3,), der.bits(change(value)), bench.good_seal)


for _key, (_change, _en, _zh) in VALUES.items():
    forgery(
        "value_out_of_range",
        "document_signature",
        f"In the signer's signature {_en}.",
        f"签章者的签名中，{_zh}。",
        name=f"document_{_key}",
    )(partial(_document_value, change=_change))
    forgery(
        "value_out_of_range",
        "seal_signature",
        f"In the seal maker's signature {_en}.",
        f"制章者的签名中，{_zh}。",
        name=f"seal_{_key}",
    )(partial(_seal_value, change=_change))


@forgery(
    "wrong_signer_id",
    "document_signature",
    "The signer signs SM2 under another identity.",
    "签章者以非标准的 SM2 签名者标识签名。",
)
def wrong_signer_id(bench: Bench) -> bytes:
    seal = bench.good_seal
    with signer_id(b"8765432187654321"):
        return bench.sealed(seal=seal)


@forgery(
    "wrong_signer_id",
    "document_signature",
    "The signer signs SM2 under an empty identity.",
    "签章者以空的 SM2 签名者标识签名。",
)
def empty_signer_id(bench: Bench) -> bytes:
    seal = bench.good_seal
    with signer_id(b""):
        return bench.sealed(seal=seal)


@forgery(
    "wrong_signer_id",
    "seal_signature",
    "The seal maker signs SM2 under another identity.",
    "制章者以非标准的 SM2 签名者标识签名。",
)
def wrong_maker_id(bench: Bench) -> bytes:
    with signer_id(b"8765432187654321"):
        seal = bench.seal()
    return bench.sealed(seal=seal)


@forgery(
    "algorithm_mismatch",
    "document_signature",
    "The certificate's key is of P-256, the value is said to be SM2.",
    "证书密钥为 P-256，签名算法却写为 SM2。",
)
def algorithm_of_another_key(bench: Bench) -> bytes:
    return bench.used_by(bench.issued("示范县行政审批局", suite=P256))


@forgery(
    "algorithm_mismatch",
    "signature_format",
    "The value says ECDSA, Signature.xml says SM2.",
    "签章值写为 ECDSA，Signature.xml 写为 SM2。",
)
def value_of_another_algorithm(bench: Bench) -> bytes:
    holder = bench.issued("示范县行政审批局", suite=P256)
    files = bench.files(bench.used_by(holder))
    old = parse_signature(files[VALUE])
    tbs = der.children(files[VALUE])[0].raw
    files[VALUE] = assemble_signature(
        tbs, certificate=old.certificate, signature=old.signature, suite_oid="1.2.840.10045.4.3.2"
    )
    return pack(files)


# --- encodings ---------------------------------------------------------------------------------


@forgery(
    "reencoded",
    "document_signature",
    "What was signed is encoded otherwise: decoded and encoded again it would verify.",
    "被签数据改用另一种编码：若解码后重新编码再验证则会通过。",
)
def reencoded_signature(bench: Bench) -> bytes:
    files = bench.files()
    tbs = der.children(files[VALUE])[0].raw
    return pack({**files, VALUE: rebuilt((0,), stretched(tbs), files[VALUE])})


@forgery(
    "reencoded",
    "seal_signature",
    "The same of the seal; the signer signs with it.",
    "印章数据改用另一种编码后由签章者签章。",
)
def reencoded_seal(bench: Bench) -> bytes:
    return bench.sealed(seal=restretched(bench))


def restretched(bench: Bench) -> bytes:
    """The seal with what its maker signed encoded otherwise."""
    info = der.children(bench.good_seal)[0].raw
    return rebuilt((0,), stretched(info), bench.good_seal)


@forgery(
    "reencoded",
    "signature_encoding",
    "What nobody signs of the signature is not DER: told.",
    "签章数据中未被签名的部分不是 DER：提示。",
    indication="PASSED",
)
def not_canonical_signature(bench: Bench) -> bytes:
    files = bench.files()
    return pack({**files, VALUE: stretched(files[VALUE])})


@forgery(
    "reencoded",
    "seal_encoding",
    "The seal is signed as it is, and is not DER: told.",
    "印章按原样签名，但不是 DER：提示。",
    indication="PASSED",
)
def not_canonical_seal(bench: Bench) -> bytes:
    return bench.sealed(seal=made_anew(bench, restretched(bench)))


@forgery(
    "reencoded",
    "signature_encoding",
    "The signer's r and s stand bare, side by side: verified as such, and told.",
    "签章者签名中的 r、s 未经编码直接并列：按此验证并提示。",
    indication="PASSED",
)
def bare_document_value(bench: Bench) -> bytes:
    return bench.sealed(value=bare)


@forgery(
    "reencoded",
    "seal_encoding",
    "The same of the seal maker's.",
    "制章者签名亦然。",
    indication="PASSED",
)
def bare_seal_value(bench: Bench) -> bytes:
    return bench.sealed(seal=revalued(bench, bare))


@forgery(
    "reencoded",
    "signature_format",
    "Bytes follow the signature's structure.",
    "签章数据结构之后附有多余字节。",
)
def trailing_in_value(bench: Bench) -> bytes:
    files = bench.files()
    return pack({**files, VALUE: files[VALUE] + b"\0"})
