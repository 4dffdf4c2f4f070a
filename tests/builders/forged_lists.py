"""Forged lists: whose signature it is, of several the bad or hidden one, a second document."""

from __future__ import annotations

import re
from datetime import timedelta

from tests.builders.forged_contents import without_root
from tests.builders.forging import (
    LIST,
    SEAL,
    SEALED,
    SIGN,
    VALUE,
    XML,
    Bench,
    Files,
    forgery,
    plain,
    replaced,
)
from tests.builders.ofd import HEAD, NS, pack, unpack

# --- whose signature, and which ----------------------------------------------------------------


def _other(bench: Bench) -> Files:
    """Another document that the same signer sealed."""
    return bench.files(bench.sealed(plain("另一文件", "ANOTHER DOCUMENT 123")))


@forgery(
    "foreign_signature",
    "data_hash",
    "The signature value is from another document.",
    "签章值取自另一文件。",
)
def foreign_value(bench: Bench) -> bytes:
    return pack({**bench.files(), VALUE: _other(bench)[VALUE]})


@forgery(
    "foreign_signature",
    "references",
    "The whole signature is from another document.",
    "整个签章取自另一文件。",
)
def foreign_signature(bench: Bench) -> bytes:
    other = _other(bench)
    return pack({**bench.files(), VALUE: other[VALUE], XML: other[XML]})


@forgery(
    "foreign_signature",
    "property_info",
    "The signature stands elsewhere than it was made for.",
    "签章被移到制作时指定位置之外。",
)
def moved_signature(bench: Bench) -> bytes:
    files = bench.files()
    files["Doc_0/Signs/Sign_7/Signature.xml"] = files.pop(XML)
    files[LIST] = replaced(files[LIST], b"Sign_0", b"Sign_7")
    return pack(files)


_VALUE_1 = "Doc_0/Signs/Sign_1/SignedValue.dat"


@forgery(
    "one_bad_of_several",
    "document_signature",
    "Of two signatures the second is bad.",
    "两个签章中第二个无效。",
)
def second_is_bad(bench: Bench) -> bytes:
    return bench.sealed(
        bench.sound, at=SEALED + timedelta(minutes=5), value=lambda _: bench.forged_value()
    )


@forgery(
    "one_bad_of_several",
    "document_signature",
    "Of two signatures the first is bad, the second good.",
    "两个签章中第一个无效，第二个有效。",
)
def first_is_bad(bench: Bench) -> bytes:
    bad = bench.sealed(value=lambda _: bench.forged_value())
    return bench.sealed(bad, at=SEALED + timedelta(minutes=5))


@forgery(
    "one_bad_of_several",
    "signature_format",
    "Of two signatures the second cannot be read.",
    "两个签章中第二个无法读取。",
)
def second_is_unreadable(bench: Bench) -> bytes:
    return pack({**bench.files(bench.twice), _VALUE_1: b"\x30\x03\x02\x01\x04"})


@forgery(
    "one_bad_of_several",
    "unlisted_signature",
    "One signature is listed twice, as if there were two.",
    "同一签章被列出两次。",
    reason="SIGNATURE_LISTED_TWICE",
)
def listed_twice(bench: Bench) -> bytes:
    files = bench.files()
    line = re.findall(rb"<ofd:Signature .*?/>", files[LIST])[0]
    files[LIST] = replaced(files[LIST], line, line + line.replace(b"s001", b"s009"))
    return pack(files)


def _unlisted(bench: Bench, number: int) -> bytes:
    files = bench.files(bench.twice)
    line = re.findall(rb"<ofd:Signature .*?/>", files[LIST])[number]
    files[LIST] = replaced(files[LIST], line, b"")
    return pack(files)


@forgery(
    "hidden_signature",
    "unlisted_signature",
    "The first of two signatures is taken off the list.",
    "从签名列表中去掉两个签章中的第一个。",
)
def hidden_first(bench: Bench) -> bytes:
    return _unlisted(bench, 0)


@forgery(
    "hidden_signature",
    "unlisted_signature",
    "The second of two signatures is taken off the list.",
    "从签名列表中去掉两个签章中的第二个。",
)
def hidden_second(bench: Bench) -> bytes:
    return _unlisted(bench, 1)


@forgery(
    "hidden_signature",
    "unlisted_signature",
    "The list is emptied, the signature's files stay.",
    "清空签名列表，保留签章文件。",
)
def hidden_all(bench: Bench) -> bytes:
    return pack({**bench.files(), LIST: (HEAD + f"<ofd:Signatures {NS}/>").encode()})


@forgery(
    "hidden_signature",
    "unlisted_signature",
    "OFD.xml names no signature list any more.",
    "OFD.xml 不再指向签名列表。",
)
def hidden_list(bench: Bench) -> bytes:
    files = bench.files()
    line = re.findall(rb"<ofd:Signatures>.*?</ofd:Signatures>", files["OFD.xml"])[0]
    files["OFD.xml"] = replaced(files["OFD.xml"], line, b"")
    return pack(files)


@forgery(
    "hidden_signature",
    "references",
    "The list of a closed document is changed.",
    "修改已封闭文件的签名列表。",
)
def closed_list_changed(bench: Bench) -> bytes:
    closed = bench.sealed(close=True)
    return bench.changed(LIST, b">s0001<", b">s0009<", closed)


@forgery(
    "hidden_signature",
    "signature_format",
    "The list says that the seal's signature is of another kind.",
    "签名列表将该签章标为其他类型。",
)
def listed_as_unknown(bench: Bench) -> bytes:
    return bench.changed(LIST, b'Type="Seal"', b'Type="Note"')


@forgery(
    "hidden_signature",
    "signature_format",
    "The list says that the seal is a plain signature, whose seal nobody asks about.",
    "签名列表将印章签章标为普通数字签名，从而不检查印章。",
    reason="MALFORMED_SIGNED_DATA",
)
def listed_as_sign(bench: Bench) -> bytes:
    return bench.changed(LIST, b'Type="Seal"', b'Type="Sign"')


# --- several documents -------------------------------------------------------------------------

_BODY = (
    b"<ofd:DocBody><ofd:DocInfo><ofd:DocID>00000000000000000000000000000002</ofd:DocID>"
    b"</ofd:DocInfo><ofd:DocRoot>Doc_1/Document.xml</ofd:DocRoot>%s</ofd:DocBody></ofd:OFD>"
)
_LIST_1 = LIST.replace("Doc_0", "Doc_1")


def _second(files: Files, signatures: bytes = b"") -> Files:
    """A second document with other content."""
    other = unpack(plain("另一文件", "ANOTHER DOCUMENT 123"))
    moved = {
        name.replace("Doc_0", "Doc_1"): data
        for name, data in other.items()
        if name.startswith("Doc_0")
    }
    root = replaced(files["OFD.xml"], b"</ofd:OFD>", _BODY % signatures)
    return {**files, **moved, "OFD.xml": root}


@forgery(
    "second_document",
    "uncovered_files",
    "A second document, unsigned, beside one that leaves OFD.xml unprotected.",
    "在未保护 OFD.xml 的文件旁加入未签章的第二个文档。",
    reason="ROOT_NOT_COVERED",
)
def second_document_unsigned(bench: Bench) -> bytes:
    return pack(_second(without_root(bench)))


@forgery(
    "second_document",
    "references",
    "OFD.xml names the signed document's root twice, as two documents.",
    "OFD.xml 将已签章文档列为两个文档。",
)
def second_document_same_root(bench: Bench) -> bytes:
    files = bench.files()
    body = (_BODY % b"").replace(b"Doc_1", b"Doc_0")
    files["OFD.xml"] = replaced(files["OFD.xml"], b"</ofd:OFD>", body)
    return pack(files)


@forgery(
    "second_document",
    "document_signature",
    "The second of two documents is badly signed.",
    "两个文档中第二个的签章无效。",
)
def second_document_badly_signed(bench: Bench) -> bytes:
    """Both lists are there before anything is signed: each signature covers the other's pages."""
    empty = (HEAD + f"<ofd:Signatures {NS}/>").encode()
    named = "<ofd:Signatures>/{}</ofd:Signatures>"
    files = _second(bench.files(bench.unsealed), named.format(_LIST_1).encode())
    listed = (named.format(LIST) + "</ofd:DocBody><ofd:DocBody>").encode()
    files["OFD.xml"] = replaced(files["OFD.xml"], b"</ofd:DocBody><ofd:DocBody>", listed)
    files = unpack(bench.sealed(pack({**files, LIST: empty, _LIST_1: empty})))
    for name in (LIST, XML, SEAL):
        moved = files[name] if name == SEAL else files[name].replace(b"Doc_0/Signs", b"Doc_1/Signs")
        files[name.replace("Doc_0", "Doc_1")] = moved
    return bench.signed(
        files, folder=SIGN.replace("Doc_0", "Doc_1"), value=lambda _: bench.forged_value()
    )
