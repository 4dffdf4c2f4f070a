"""A later signer's Signature.xml as a carrier: the first signer saw nothing of what it holds."""

from __future__ import annotations

from datetime import timedelta

from seal import ses
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from tests.builders.forging import LIST, SEALED, Bench, Files, forgery, replaced
from tests.builders.ofd import pack, unpack

_FOLDER = "Doc_0/Signs/Sign_1/"
_XML, _VALUE, _SEAL = (_FOLDER + name for name in ("Signature.xml", "SignedValue.dat", "Seal.esl"))
_LATER = SEALED + timedelta(minutes=5)
_ANNOTATIONS = "Doc_0/Annots/Annotations.xml"
_END = b"</ofd:Signature>"


def _signed(bench: Bench, files: Files, path: str) -> bytes:
    """The package with the later Signature.xml at `path`, signed anew by its signer."""
    tbs = ses.to_be_signed(
        seal=files[_SEAL],
        signed_at=_LATER,
        data_hash=digest(SM3_OID, files[path]),
        property_info="/" + path,
    )
    files[_VALUE] = ses.assemble_signature(
        tbs,
        certificate=bench.signer.certificate,
        signature=bench.signer.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )
    return pack(files)


@forgery(
    "smuggled_signature",
    "uncovered_files",
    "A later signer's Signature.xml holds what is no signature: told.",
    "后一签名的 Signature.xml 含有签名以外的内容：提示。",
    indication="PASSED",
)
def later_signature_with_content(bench: Bench) -> bytes:
    files = bench.files(bench.twice)
    page = b'<x:Page xmlns:x="urn:x" PageID="10">' + b"smuggled " * 50 + b"</x:Page>"
    files[_XML] = replaced(files[_XML], _END, page + _END)
    return _signed(bench, files, _XML)


@forgery(
    "smuggled_signature",
    "uncovered_files",
    "A later signer's Signature.xml stands where a link of the signed document led to nothing.",
    "后一签名的 Signature.xml 放在所签文件中悬空链接指向的位置。",
)
def later_signature_at_a_dangling_link(bench: Bench) -> bytes:
    plain = unpack(bench.unsealed)
    link = b"<ofd:Annotations>Annots/Annotations.xml</ofd:Annotations></ofd:Document>"
    root = replaced(plain["Doc_0/Document.xml"], b"</ofd:Document>", link)
    first = bench.sealed(pack({**plain, "Doc_0/Document.xml": root}))
    files = unpack(bench.sealed(first, at=_LATER))
    files[_ANNOTATIONS] = files.pop(_XML)
    files[LIST] = replaced(files[LIST], _XML.encode(), _ANNOTATIONS.encode())
    return _signed(bench, files, _ANNOTATIONS)
