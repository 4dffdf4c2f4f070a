"""What each check of a sealed OFD compares with: the words beside its outcome, both languages.

Kept apart from the rules, so that a rule reads as a rule and says the same whatever its outcome.
What a document itself says (paths, names) is shown on one line and cut.
"""

from __future__ import annotations

from typing import Final

from seal.judging.telling import holder, moment, plain
from seal.ofd.errors import PackageError
from seal.ofd.opened import OpenedDocument, OpenedSignature
from seal.ses import SealSignature

Words = tuple[str, str]


def package(document: OpenedDocument) -> Words:
    """The container's files and documents."""
    files, bodies = len(document.package.entries), len(document.bodies)
    return f"{files} entries, {bodies} document(s)", f"{files} 个条目，{bodies} 个文档"


def listed(document: OpenedDocument) -> Words:
    """The signature lists."""
    count = len(document.listed)
    return f"{count} signature(s) in the lists", f"列表中的 {count} 个签章"


def entries(document: OpenedDocument) -> Words:
    """The integrity list."""
    count = len(document.package.entries)
    return f"OFDEntries.xml, {count} files", f"OFDEntries.xml，{count} 个文件"


def form(_document: OpenedDocument, one: OpenedSignature) -> Words:
    """Where it stands and of what kind it says it is."""
    return form_of(one)


def form_of(one: OpenedSignature) -> Words:
    """`form`, without its document."""
    path = "/" + plain(one.listed.path)
    return f"{path}; Type {plain(one.listed.type)}", f"{path}；类型 {plain(one.listed.type)}"


def seal_file(_document: OpenedDocument, one: OpenedSignature, value: SealSignature) -> Words:
    """The seal inside the signature."""
    path = "/" + plain(one.xml.seal) if one.xml.seal else "-"
    size = len(value.seal.raw)
    return f"{path} with the signed seal ({size} bytes)", f"{path} 与所签印章（{size} 字节）"


def signing_time(document: OpenedDocument, _one: OpenedSignature, value: SealSignature) -> Words:
    """When it says it was signed, the seal's making, and today."""
    signed, made, now = map(moment, (value.signed_at, value.seal.created, document.now))
    return (
        f"signed {signed}; seal made {made}; now {now}",
        f"签章 {signed}；制章 {made}；当前 {now}",
    )


def signers(_document: OpenedDocument, _one: OpenedSignature, value: SealSignature) -> Words:
    """The signer among the seal's signers."""
    who, who_zh = holder(value.certificate)
    whole, digests = len(value.seal.cert_list), len(value.seal.cert_digests)
    kind, kind_zh = ("certificate(s)", "个证书") if whole else ("digest(s)", "个摘要")
    count = whole or digests
    return (
        f"{who} among the seal's {count} {kind}",
        f"{who_zh}与印章列出的 {count} {kind_zh}",
    )


def signer(_document: OpenedDocument, _one: OpenedSignature, value: SealSignature) -> Words:
    """The signer's key and the bytes it signed."""
    who, who_zh = holder(value.certificate)
    size = len(value.signed_bytes)
    return f"{who}, over {size} bytes as received", f"{who_zh}，按收到的 {size} 字节"


def data_hash(_document: OpenedDocument, one: OpenedSignature, _value: SealSignature) -> Words:
    """The digest of Signature.xml that was signed."""
    path = "/" + plain(one.listed.path)
    return f"SM3 of {path}", f"{path} 的 SM3 摘要"


def place(_document: OpenedDocument, one: OpenedSignature, value: SealSignature) -> Words:
    """The place it says it was made for, and where it stands."""
    said, path = plain(value.property_info), "/" + plain(one.listed.path)
    return f"made for {said}, stands at {path}", f"所签位置 {said}，实际位置 {path}"


def references(_document: OpenedDocument, one: OpenedSignature) -> Words:
    """The digests that the signer saw."""
    count = len(one.xml.references)
    return f"SM3 of {count} file(s)", f"{count} 个文件的 SM3 摘要"


def stamps(document: OpenedDocument, one: OpenedSignature) -> Words:
    """The stamps and the pages they name."""
    found = one.xml.stamps
    try:
        numbers = document.pages_of(one.listed.body)
    except PackageError:
        numbers = {}
    named = dict.fromkeys(stamp.page_ref for stamp in found[:_SHOWN])
    pages = ", ".join(str(numbers.get(name) or f"'{plain(name)}'") for name in named)
    return f"{len(found)} stamp(s) on page(s) {pages}", f"{len(found)} 个印章，第 {pages} 页"


def cover(document: OpenedDocument, one: OpenedSignature) -> Words:
    """All files, and those the signer saw."""
    files, seen = len(document.package.entries), len(one.xml.references)
    return (
        f"{files} files in the package, {seen} covered by this signature",
        f"文件包共 {files} 个文件，本签章保护 {seen} 个",
    )


_SHOWN: Final = 5
