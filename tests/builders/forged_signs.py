"""Forgeries of a signature of Type=Sign: a seal it vouches for by nothing, and what nobody signed.

The sound one is the sound document's content signed by GB/T 35275: a SignedData over Signature.xml,
without seal and stamp.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from seal import der
from tests.builders.forging import (
    LIST,
    SEAL,
    SEALED,
    VALUE,
    XML,
    Bench,
    Files,
    forgery,
    reference,
    replaced,
)
from tests.builders.ofd import pack
from tests.builders.seal_pki import Holder, issue
from tests.builders.signed_data import FORMS, STANDARD, Form, signed_data

_SEAL_LINES = rb"<ofd:Seal>.*?</ofd:Seal>|<ofd:StampAnnot[^>]*/>"


def _files(bench: Bench, *, sealed: bool = False) -> Files:
    """The sound document, whose signature is to be of Type=Sign; `sealed` leaves seal and stamp."""
    files = bench.files()
    files[LIST] = replaced(files[LIST], b'Type="Seal"', b'Type="Sign"')
    if not sealed:
        own = reference(SEAL, files.pop(SEAL))
        files[XML] = re.sub(_SEAL_LINES, b"", files[XML]).replace(own, b"")
    return files


def _signed(files: Files, by: Holder, form: Form = STANDARD) -> bytes:
    files[VALUE] = signed_data(files[XML], (by.signer, by.certificate), form=form)
    return pack(files)


def signed(bench: Bench, form: Form = STANDARD) -> bytes:
    """The sound one."""
    return _signed(_files(bench), bench.signer, form)


# --- seals -------------------------------------------------------------------------------------


@forgery(
    "seal_unvouched",
    "seal_match",
    "Anybody's signature of Type=Sign shows the department's seal.",
    "他人的 Sign 类型签名附带并显示行政审批局的印章。",
    reason="SEAL_NOT_SIGNED",
)
def sign_shows_a_seal(bench: Bench) -> bytes:
    return _signed(_files(bench, sealed=True), bench.issued("示范县某村卫生室"))


@forgery(
    "seal_unvouched",
    "seal_match",
    "A signature of Type=Sign says where a seal shows, and brings none.",
    "Sign 类型签名只标明印章位置而没有印章。",
    reason="SEAL_NOT_SIGNED",
)
def sign_shows_a_stamp(bench: Bench) -> bytes:
    files = _files(bench)
    stamp = b'<ofd:StampAnnot ID="9" PageRef="10" Boundary="20 20 42 42"/></ofd:SignedInfo>'
    files[XML] = replaced(files[XML], b"</ofd:SignedInfo>", stamp)
    return _signed(files, bench.signer)


@forgery(
    "two_dates",
    "signature_date_time",
    "Signature.xml shows another date than the one among the signed attributes: told.",
    "Signature.xml 显示的日期与签名属性中的时间不一致：提示。",
    indication="PASSED",
)
def sign_of_two_dates(bench: Bench) -> bytes:
    files = _files(bench)
    shown = rb"\g<1>20200101000000Z"
    files[XML] = re.sub(rb"(<ofd:SignatureDateTime>)[^<]*", shown, files[XML])
    return _signed(files, bench.signer, replace(FORMS["attributes-time"], signing_time=SEALED))


# --- what nobody signed of the value -----------------------------------------------------------

Parts = list[bytes]


def _rebuilt(bench: Bench, change: Callable[[Parts, Parts], None]) -> bytes:
    """The sound value with the parts of its SignedData and of its signer changed."""
    files = _files(bench)
    value = signed_data(files[XML], (bench.signer.signer, bench.signer.certificate))
    kind, wrapped = der.children(value)
    parts = [one.raw for one in wrapped.members()[0].members()]
    signer = [one.raw for one in der.read(parts[-1]).members()[0].members()]
    change(parts, signer)
    parts[-1] = der.tlv(der.SET, der.sequence(*signer))
    files[VALUE] = der.sequence(kind.raw, der.tlv(0xA0, der.sequence(*parts)))
    return pack(files)


def _attribute(oid: str, value: bytes) -> bytes:
    return der.tlv(0xA1, der.sequence(der.oid(oid), der.tlv(der.SET, value)))


_TEXT = der.octets(b"smuggled text " * 200)
_COUNTERSIGNATURE = "1.2.840.113549.1.9.6"


def _add_attribute(_parts: Parts, signer: Parts) -> None:
    signer.append(_attribute("1.3.6.1.4.1.99999.9", _TEXT))


def _add_list(parts: Parts, _signer: Parts) -> None:
    parts.insert(4, der.tlv(0xA1, _TEXT))


def _add_text_as_certificate(parts: Parts, _signer: Parts) -> None:
    parts[3] = der.tlv(0xA0, der.read(parts[3]).content + der.sequence(_TEXT))


def _of_version_99(parts: Parts, _signer: Parts) -> None:
    parts[0] = der.integer(99)


def _signer_of_version_99(_parts: Parts, signer: Parts) -> None:
    signer[0] = der.integer(99)


def _text_as_digest(parts: Parts, _signer: Parts) -> None:
    parts[1] = der.tlv(der.SET, _TEXT)


def _text_beside_digest(_parts: Parts, signer: Parts) -> None:
    signer[2] = der.sequence(der.read(signer[2]).content, _TEXT)


def _text_beside_method(_parts: Parts, signer: Parts) -> None:
    signer[3] = der.sequence(der.read(signer[3]).content, _TEXT)


_REFUSED: dict[str, tuple[Callable[[Parts, Parts], None], str, str]] = {
    "attribute": (_add_attribute, "an unsigned attribute of nobody's", "未知的未签名属性"),
    "list": (_add_list, "text as a revocation list", "伪装成吊销列表的文字"),
    "certificate": (_add_text_as_certificate, "text as a certificate", "伪装成证书的文字"),
    "version": (_of_version_99, "version 99", "不存在的版本号"),
    "signer_version": (_signer_of_version_99, "a signer of version 99", "不存在的签名者版本号"),
    "digest": (_text_as_digest, "text as a digest's name", "伪装成摘要算法的文字"),
    "digest_text": (_text_beside_digest, "text beside the digest's name", "摘要算法旁的文字"),
    "method_text": (_text_beside_method, "text beside the algorithm", "签名算法旁的文字"),
}
for _key, (_change, _en, _zh) in _REFUSED.items():
    forgery(
        "smuggled_value",
        "signature_format",
        f"Nobody signed it: a SignedData with {_en}.",
        f"签名数据中未签名的部分含有{_zh}。",
        name=f"sign_with_{_key}",
        reason="MALFORMED_SIGNED_DATA",
    )(partial(_rebuilt, change=_change))


def _stranger(parts: Parts, _signer: Parts) -> None:
    more = issue("VOID " * 12, None).certificate
    parts[3] = der.tlv(0xA0, der.read(parts[3]).content + more)


def _countersigned(_parts: Parts, signer: Parts) -> None:
    signer.append(_attribute(_COUNTERSIGNATURE, _TEXT))


def _other_digest(parts: Parts, _signer: Parts) -> None:
    more = der.sequence(der.oid("2.16.840.1.101.3.4.2.1"))
    parts[1] = der.tlv(der.SET, der.read(parts[1]).content + more)


_TOLD: dict[str, tuple[Callable[[Parts, Parts], None], str, str]] = {
    "stranger": (_stranger, "a certificate that is on no path", "无关的证书"),
    "countersignature": (_countersigned, "an attribute that is not used", "未被使用的属性"),
    "other_digest": (_other_digest, "the name of a digest that is not used", "未使用的摘要算法"),
}
for _key, (_change, _en, _zh) in _TOLD.items():
    forgery(
        "smuggled_value",
        "signature_format",
        f"Nobody signed it: a SignedData with {_en}: told.",
        f"签名数据中未签名的部分含有{_zh}：提示。",
        name=f"sign_with_{_key}",
        indication="PASSED",
    )(partial(_rebuilt, change=_change))
