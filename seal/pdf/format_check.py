"""The form of a PDF's signature value: PAdES or the older CMS, and what nobody signed of it."""

# asn1crypto and the PDF library publish no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

from contextlib import suppress

from runtime.errors import InvalidArgument
from seal.judging.telling import comparing, plain
from seal.model import Check, failed, passed
from seal.pdf.cms import unsigned_of
from seal.pdf.opened_signature import OpenedPdfSignature
from seal.pki.cms_form import remarks
from seal.pki.timestamp_token import read_token


def _form(one: OpenedPdfSignature) -> tuple[str, str]:
    return f"SubFilter {plain(one.kind)}", f"SubFilter {plain(one.kind)}"


@comparing(_form)
def check_format(one: OpenedPdfSignature) -> Check | None:
    """PAdES, or the older detached CMS, which is told; the room left for the value is empty."""
    name = "signature_format"
    if bytes(one.embedded.pkcs7_content)[len(one.form) :].strip(b"\x00"):
        return failed(name, "there is something after the signature value", "签名值之后有多余内容")
    try:
        brought = unsigned_of(one.form)
    except (InvalidArgument, ValueError) as error:
        why, why_zh = _why(error)
        detail = f"the signature value has not one meaning{why}"
        return failed(name, detail, f"签名值的结构有歧义{why_zh}")
    if one.value.content is not None:
        return failed(name, "the signature value has not one meaning", "签名值的结构有歧义")
    told = [] if one.is_pades else [_not_pades(one)]
    if one.certificate:
        told += remarks(brought, [one.certificate, *_stampers(one)])
    if not told:
        return passed(name, "the signature is PAdES", "签名为 PAdES 格式")
    if one.is_pades:
        told.insert(0, ("the signature is PAdES", "签名为 PAdES 格式"))
    english, chinese = zip(*told, strict=True)
    return passed(name, "; ".join(english), "；".join(chinese), notice=True)


def _stampers(one: OpenedPdfSignature) -> list[bytes]:
    """The certificates of the time-stamps over it that read; the others are `time_stamp`'s."""
    found = []
    for token in one.signer.stamps:
        with suppress(InvalidArgument):
            found.append(read_token(token).certificate)
    return found


def _not_pades(one: OpenedPdfSignature) -> tuple[str, str]:
    """Which of the two things it lacks."""
    if one.names_certificate:
        return "the signature is CMS, not PAdES", "签名为 CMS 格式，不是 PAdES"
    return (
        "the signature is CMS, not PAdES: it does not name its signer's certificate, so that "
        "another one of the same key could be put in its place",
        "签名为 CMS 格式，不是 PAdES：未指明签名者证书，同一密钥的其他证书可被替换进来",
    )


def _why(error: Exception) -> tuple[str, str]:
    """What a reader says, to be added to a text; nothing where it does not say."""
    if not isinstance(error, InvalidArgument):
        return "", ""
    return f": {error.message}", f"：{error.message_zh}"
