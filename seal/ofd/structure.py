"""The signatures of an OFD package as its XML tells them: lists, references, stamps.

1. Reading proves nothing; it only refuses what has more than one meaning.
2. Element order is not insisted on: other software differs from the standard there.
3. Names are entry names: resolved, inside the package, without a leading slash.

Source: GB/T 33190-2016 §7.4 (OFD.xml), §18 (signatures).
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from typing import Final, NamedTuple

from lxml import etree

from seal.ofd.boxes import Box, box_of
from seal.ofd.list_form import ListForm, read_form
from seal.ofd.markup import child, parse_xml, read_xml, required, resolve, tag, text
from seal.ofd.package import OfdPackage, structure_error
from seal.ofd.xml_form import more_in

ROOT: Final = "OFD.xml"
TYPE_SEAL: Final = "Seal"
TYPE_SIGN: Final = "Sign"
_MAX_DOCUMENTS: Final = 64
_MAX_SIGNATURES: Final = 256
_OF_STAMP: Final = frozenset({"ID", "PageRef", "Boundary", "Clip"})


@dataclass(frozen=True, slots=True, kw_only=True)
class DocBody:
    """One document of the package; names are entry names. `signatures` is the list's file."""

    index: int
    doc_root: str
    signatures: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ListedSignature:
    """One line of Signatures.xml; `path` is the entry name of its Signature.xml."""

    id: str
    type: str
    path: str
    body: int


class SignatureList(NamedTuple):
    """Signatures.xml: its lines, and what else it holds."""

    lines: tuple[ListedSignature, ...] = ()
    form: ListForm = ListForm()


class Reference(NamedTuple):
    """A file (entry name) and the digest the signer saw."""

    path: str
    check_value: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a seal shows: page id of Document.xml and x, y, width, height in mm.

    `clip` is the part of it that shows, within the boundary; None shows all of it.
    """

    id: str
    page_ref: str
    boundary: Box
    clip: Box | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SignatureXml:
    """Signature.xml as read; paths are entry names, `check_method` as written.

    `more` names what it holds beside a signature, where that was asked.
    """

    signed_value: str
    seal: str | None
    method: str
    signed_at_text: str
    check_method: str
    references: tuple[Reference, ...]
    stamps: tuple[Stamp, ...]
    more: tuple[str, ...] = ()


def doc_bodies(package: OfdPackage) -> tuple[DocBody, ...]:
    """The documents OFD.xml names. Raises PackageError (`ofd_structure`)."""
    bodies = bodies_of(read_xml(package, ROOT))
    for one in bodies:
        if one.doc_root not in package:
            raise structure_error(
                "OFD.xml names a document that is not in the package",
                "OFD.xml 列出的文档不在文件包中",
            )
    return bodies


def bodies_of(root: etree._Element) -> tuple[DocBody, ...]:
    """`doc_bodies` of OFD.xml as parsed."""
    if root.tag != tag("OFD"):
        raise structure_error("OFD.xml is not an OFD document", "OFD.xml 的根元素不是 OFD")
    bodies = []
    elements = [*root.iterchildren(tag("DocBody"))]
    if len(elements) != sum(1 for _ in root.iter("{*}DocBody")):
        raise structure_error(
            "a DocBody stands where GB/T 33190 has none, or in another namespace",
            "DocBody 位于标准规定之外的位置或属于其他命名空间",
        )
    if len(elements) > _MAX_DOCUMENTS:
        raise structure_error("OFD.xml names too many documents", "OFD.xml 列出的文档过多")
    for index, element in enumerate(elements):
        listed = child(element, "Signatures")
        where = text(listed) if listed is not None else ""
        bodies.append(
            DocBody(
                index=index,
                doc_root=resolve(required(element, "DocRoot"), base=ROOT),
                signatures=resolve(where, base=ROOT) if where else None,
            )
        )
    if not bodies:
        raise structure_error("OFD.xml names no document", "OFD.xml 未列出任何文档")
    return tuple(bodies)


def signature_list(package: OfdPackage, body: DocBody) -> tuple[ListedSignature, ...]:
    """The signatures of one document, in order. Raises PackageError."""
    return read_list(package, body).lines


def read_list(package: OfdPackage, body: DocBody) -> SignatureList:
    """The signature list of one document; without one it is empty. Raises PackageError.

    Signatures.xml is the one file nobody signs, so it may hold nothing but the list.
    """
    if body.signatures is None:
        return SignatureList()
    root = read_xml(package, body.signatures)
    form = read_form(root, package.read(body.signatures))
    listed = [
        ListedSignature(
            id=element.get("ID", ""),
            type=element.get("Type", TYPE_SEAL),
            path=resolve(element.get("BaseLoc", ""), base=body.signatures),
            body=body.index,
        )
        for element in root.iterchildren(tag("Signature"))
    ]
    if len(listed) > _MAX_SIGNATURES:
        raise structure_error("too many signatures", "签名数量过多")
    if len({one.id for one in listed}) != len(listed) or not all(one.id for one in listed):
        raise structure_error(
            "a signature has no identifier or that of another", "签名缺少标识或标识重复"
        )
    return SignatureList(tuple(listed), form)


def parse_signature_xml(data: bytes, path: str, *, alone: bool = True) -> SignatureXml:
    """Read a Signature.xml; element order is not insisted on. Raises PackageError.

    Where it is not `alone`, it is asked too what it holds that others did not see.
    """
    root = parse_xml(data, path)
    if root.tag != tag("Signature"):
        raise structure_error(
            "a listed file is not a Signature document", "签名列表所指文件的根元素不是 Signature"
        )
    info = child(root, "SignedInfo")
    references = child(info, "References") if info is not None else None
    if info is None or references is None:
        raise structure_error(
            "Signature.xml has no SignedInfo or no References",
            "Signature.xml 缺少 SignedInfo 或 References",
        )
    _refuse_misplaced(root, info)
    seal = child(info, "Seal")
    return SignatureXml(
        signed_value=resolve(required(root, "SignedValue"), base=path),
        seal=resolve(required(seal, "BaseLoc"), base=path) if seal is not None else None,
        method=optional(info, "SignatureMethod"),
        signed_at_text=optional(info, "SignatureDateTime"),
        check_method=references.get("CheckMethod", ""),
        references=tuple(
            Reference(
                path=resolve(one.get("FileRef", ""), base=path),
                check_value=_base64(required(one, "CheckValue")),
            )
            for one in references.iterchildren(tag("Reference"))
        ),
        stamps=tuple(_stamp(one) for one in info.iterchildren(tag("StampAnnot"))),
        more=() if alone else more_in(root),
    )


def _refuse_misplaced(root: etree._Element, info: etree._Element) -> None:
    """Some readers show every element of that local name, wherever it stands."""
    stamps = [*root.iter("{*}StampAnnot")]
    if len(stamps) != sum(1 for _ in info.iterchildren(tag("StampAnnot"))):
        raise structure_error(
            "a StampAnnot stands where GB/T 33190 has none, or in another namespace",
            "StampAnnot 位于标准规定之外的位置或属于其他命名空间",
        )
    named = {str(name) for one in stamps for name in one.attrib}
    if any(name[0] == "{" and name.rpartition("}")[2] in _OF_STAMP for name in named):
        raise structure_error(
            "a StampAnnot has a place or a page in another namespace",
            "StampAnnot 的位置或页面属性属于其他命名空间",
        )


def optional(parent: etree._Element, local: str) -> str:
    """The text of a child, empty when it is absent."""
    found = child(parent, local)
    return text(found) if found is not None else ""


def _base64(value: str) -> bytes:
    try:
        return base64.b64decode("".join(value.split()), validate=True)
    except ValueError as error:
        raise structure_error(
            "a CheckValue is not base64", "CheckValue 不是 base64 编码"
        ) from error


def _stamp(element: etree._Element) -> Stamp:
    clip = element.get("Clip", "").strip()
    return Stamp(
        id=element.get("ID", ""),
        page_ref=element.get("PageRef", ""),
        boundary=_box(element.get("Boundary", ""), "Boundary"),
        clip=_box(clip, "Clip") if clip else None,
    )


def _box(written: str, name: str) -> Box:
    box = box_of(written)
    if box is None:
        raise structure_error(f"a StampAnnot has no usable {name}", f"StampAnnot 的 {name} 不正确")
    return box


def page_ids(package: OfdPackage, doc_root: str) -> tuple[str, ...]:
    """The page identifiers of a document, in page order. Raises PackageError."""
    pages = child(read_xml(package, doc_root), "Pages")
    found = [] if pages is None else [one.get("ID", "") for one in pages.iterchildren(tag("Page"))]
    if not found or not all(found):
        raise structure_error(
            "Document.xml has no pages or a page without identifier",
            "Document.xml 没有页面或页面缺少标识",
        )
    return tuple(found)
