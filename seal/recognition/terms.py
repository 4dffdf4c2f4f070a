"""What may stand in the terms of a recognition. Pure.

1. An anchor is a certificate authority of a kind that we verify, without extensions that we do not
   understand; its window lies within its certificate's dates, and its suites include its own.
2. An intermediate leads to one of the anchors: nothing else comes in beside them.
3. Nobody's certificate is two authorities' anchor at once, and none of this node's own is
   another's.
4. Who is recognised has a credit code with a good check character, or an id of another register;
   why, is said without personal data.
5. Whatever a caller chooses is bounded here.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import combinations
from typing import Final

from runtime.errors import AlreadyExists, DomainError, FieldViolation, InvalidArgument
from runtime.idcodes import credit_code_problem
from seal import suites
from seal.judging.plainly import china_day
from seal.orders import holds_citizen_number
from seal.pki.certificates import CertificateInfo, is_issued_by, parse_certificate
from seal.pki.exchanging import web_address
from seal.recognition.model import Anchor, Authority, Terms
from seal.trust import EVERY_PURPOSE, Purpose

MAX_NAME: Final = 80
MAX_BASIS: Final = 500
MAX_ANCHORS: Final = 16
MAX_CERTIFICATE: Final = 8192
MAX_INTERMEDIATES: Final = 32
MAX_MAKERS: Final = 64
MAX_URLS: Final = 8
MAX_URL: Final = 300
MAX_GRACE: Final = timedelta(days=30)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_FOREIGN_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9.:/_-]{1,63}")


@dataclass(frozen=True, slots=True)
class _Problem:
    field: str
    text: str
    text_zh: str


def anchor(
    certificate: bytes,
    *,
    purposes: Collection[Purpose] = (),
    allowed: Collection[str] = (),
    makers: Collection[str] = (),
    begin: datetime | None = None,
    end: datetime | None = None,
) -> Anchor:
    """An anchor; what is left out is everything, and its certificate's dates.

    Raises InvalidArgument (MALFORMED_CERTIFICATE).
    """
    info = parse_certificate(certificate)
    return Anchor(
        certificate=certificate,
        begin=(begin or info.not_before).replace(microsecond=0),
        end=(end or info.not_after).replace(microsecond=0),
        purposes=frozenset(purposes) or EVERY_PURPOSE,
        suites=frozenset(allowed),
        makers=tuple(dict.fromkeys(makers)),
    )


def check_terms(wanted: Terms) -> Terms:
    """The terms, with rules 1, 2, 4 and 5 held. Raises InvalidArgument (BAD_AUTHORITY_TERMS)."""
    problems = [*_of_name(wanted), *_of_urls(wanted)]
    if not 1 <= len(wanted.anchors) <= MAX_ANCHORS:
        problems.append(
            _Problem("anchors", f"1 to {MAX_ANCHORS} anchors", f"应有 1 至 {MAX_ANCHORS} 个信任锚")
        )
    elif len(wanted.intermediates) > MAX_INTERMEDIATES:
        problems.append(
            _Problem(
                "intermediates",
                f"at most {MAX_INTERMEDIATES} intermediates",
                f"中间证书最多 {MAX_INTERMEDIATES} 个",
            )
        )
    else:
        for one in wanted.anchors:
            problems += _of_anchor(one)
        problems += _of_windows(wanted.anchors)
        problems += _of_intermediates(wanted)
    if not timedelta(0) <= wanted.grace <= MAX_GRACE:
        problems.append(
            _Problem("grace", f"0 to {MAX_GRACE.days} days", f"应为 0 至 {MAX_GRACE.days} 天")
        )
    if problems:
        raise InvalidArgument(
            "the authority cannot be recognised on these terms: "
            + "; ".join(f"{one.field}: {one.text}" for one in problems),
            reason="BAD_AUTHORITY_TERMS",
            message_zh="互认条款有误："
            + "；".join(f"{one.field}：{one.text_zh}" for one in problems),
            violations=[FieldViolation(one.field, one.text) for one in problems],
        )
    return wanted


def check_unclaimed(wanted: Terms, *, others: Iterable[Authority], own: Collection[bytes]) -> None:
    """Rule 3. Raises AlreadyExists (ANCHOR_OF_ANOTHER)."""
    issuers = set(wanted.issuers)
    if issuers & set(own):
        raise _claimed("this node's own", "本节点自身")
    for other in others:
        held = {one.certificate for one in other.terms.anchors}
        if other.pending is not None:
            held |= {one.certificate for one in other.pending.anchors}
        if held & {one.certificate for one in wanted.anchors}:
            raise _claimed(f"that of {other.name}", f" {other.name} ")


def _claimed(whose: str, whose_zh: str) -> DomainError:
    return AlreadyExists(
        f"one of the certificates is {whose}: leave it out, or change the terms of that one",
        reason="ANCHOR_OF_ANOTHER",
        message_zh=f"其中有证书已属于{whose_zh}：请去掉该证书，或变更原有条款",
    )


# --- single rules ------------------------------------------------------------------------------


def _of_name(wanted: Terms) -> Iterable[_Problem]:
    name, basis = wanted.display_name, wanted.legal_basis.strip()
    if not 2 <= len(name) <= MAX_NAME or not name.isprintable() or holds_citizen_number(name):
        yield _Problem(
            "display_name",
            f"2 to {MAX_NAME} printable characters (--name)",
            f"应为 2 至 {MAX_NAME} 个可见字符（--name）",
        )
    if not 1 <= len(basis) <= MAX_BASIS or not basis.isprintable() or holds_citizen_number(basis):
        yield _Problem(
            "legal_basis",
            f"the agreement or document, in 1 to {MAX_BASIS} printable characters without personal "
            "data (--legal-basis)",
            f"请写明互认依据，1 至 {MAX_BASIS} 个可见字符，不含个人信息（--legal-basis）",
        )
    if bool(wanted.credit_code) == bool(wanted.foreign_id):
        yield _Problem(
            "credit_code",
            "give a credit code (--credit-code), or else an id of another register (--foreign-id)",
            "请填写统一社会信用代码（--credit-code），没有的填写其他登记标识（--foreign-id）",
        )
    elif wanted.credit_code and (problem := credit_code_problem(wanted.credit_code)):
        yield _Problem("credit_code", problem, "不是有效的统一社会信用代码（GB 32100）")
    elif wanted.foreign_id and (
        not _FOREIGN_ID.fullmatch(wanted.foreign_id) or holds_citizen_number(wanted.foreign_id)
    ):
        yield _Problem(
            "foreign_id",
            "2 to 64 of A-Z, a-z, 0-9 and . : / _ -, and no person's number",
            "应为 2 至 64 个字母、数字或 . : / _ -，且不得为个人号码",
        )


def _of_urls(wanted: Terms) -> Iterable[_Problem]:
    if len(wanted.list_urls) > MAX_URLS or not all(map(_is_url, wanted.list_urls)):
        yield _Problem(
            "list_urls",
            f"at most {MAX_URLS} http addresses without user or fragment",
            f"应为最多 {MAX_URLS} 个 http 地址，不含用户名和片段",
        )


def _is_url(text: str) -> bool:
    return len(text) <= MAX_URL and "#" not in text and web_address(text) is not None


def _of_anchor(one: Anchor) -> Iterable[_Problem]:
    info = parse_certificate(one.certificate)
    at = f"anchors {info.fingerprint[:16]}"
    if refused := _refuse_issuer(info):
        yield _Problem(at, *refused)
    unknown = one.suites - set(suites.suite_names())
    if unknown:
        known = ", ".join(suites.suite_names())
        yield _Problem(at, f"suites are of {known}", f"算法应取自 {known}")
    elif one.suites and info.suite not in one.suites:
        yield _Problem(
            at,
            f"its own suite, {info.suite}, is not among those allowed",
            f"其自身算法 {info.suite} 不在允许之列",
        )
    if len(one.makers) > MAX_MAKERS or not all(map(_FINGERPRINT.fullmatch, one.makers)):
        yield _Problem(
            at,
            f"makers are at most {MAX_MAKERS} SHA-256 in lower-case hexadecimal",
            f"制章者应为最多 {MAX_MAKERS} 个小写十六进制 SHA-256",
        )
    if not info.not_before <= one.begin < one.end <= info.not_after:
        yield _Problem(
            at,
            "trusted from before until, both within the certificate's dates "
            f"{china_day(info.not_before)} to {china_day(info.not_after)}",
            "信任期的起止应在证书有效期之内："
            f"{china_day(info.not_before)} 至 {china_day(info.not_after)}",
        )


def _refuse_issuer(info: CertificateInfo) -> tuple[str, str] | None:
    """What speaks against a certificate as one that issues others."""
    if len(info.raw) > MAX_CERTIFICATE:
        return f"it has more than {MAX_CERTIFICATE} bytes", f"证书超过 {MAX_CERTIFICATE} 字节"
    if not info.suite:
        return "its kind of key is not known here", "不支持其密钥类型"
    if not info.is_ca or (info.key_usage is not None and "key_cert_sign" not in info.key_usage):
        return "it is not a certificate authority's", "不是 CA 证书"
    if info.unknown_critical:
        return "it has a critical extension that is not understood", "含有无法识别的关键扩展"
    if info.subject_key == info.issuer_key and not is_issued_by(info, info):
        return "it says that it signed itself, and did not", "自签名证书的签名无效"
    return None


def _of_windows(anchors: tuple[Anchor, ...]) -> Iterable[_Problem]:
    for one, other in combinations(anchors, 2):
        apart = one.end < other.begin or other.end < one.begin
        if one.certificate == other.certificate and not apart:
            yield _Problem(
                f"anchors {one.sha256[:16]}",
                "it stands here twice for the same time",
                "同一时段内重复出现",
            )


def _is_under(one: CertificateInfo, above: CertificateInfo) -> bool:
    return one.issuer_key == above.subject_key and is_issued_by(one, above)


def _of_intermediates(wanted: Terms) -> Iterable[_Problem]:
    left = [parse_certificate(one) for one in dict.fromkeys(wanted.intermediates)]
    led = [parse_certificate(one.certificate) for one in wanted.anchors]
    while found := [one for one in left if any(_is_under(one, above) for above in led)]:
        led += found
        left = [one for one in left if one not in found]
    for one in left:
        yield _Problem(
            f"intermediates {one.fingerprint[:16]}",
            "no anchor or other intermediate issued it: leave it out, or add its issuer",
            "没有签发它的信任锚或中间证书：请去掉，或补充其上级证书",
        )
    for one in led[len(wanted.anchors) :]:
        if refused := _refuse_issuer(one):
            yield _Problem(f"intermediates {one.fingerprint[:16]}", *refused)
