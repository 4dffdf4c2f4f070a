"""XML of an OFD package, read so that it means one thing.

1. UTF-8 only, without document type or entities, refused *before* a parser sees the bytes
   (entities in attributes expand while parsing); no network, no huge trees: a tree takes some fifty
   times its text, so that is bounded too.
2. A text is the whole text: a comment inside a value is refused, since some readers stop there.
3. A single-valued element that occurs twice is refused, since readers differ on which counts.
4. A location (ST_Loc) never leaves the package.

Source: GB/T 33190-2016 §6, §7.
"""

from __future__ import annotations

from typing import Final

from lxml import etree

from seal.package import OfdPackage, PackageError, limits_error, paths_error, structure_error

NAMESPACE: Final = "http://www.ofdspec.org/2016"
#: Only lists are parsed here (documents, pages, signatures, references), never a page's content.
GREATEST_XML: Final = 4 * 1024 * 1024


def read_xml(package: OfdPackage, name: str) -> etree._Element:
    """The root element of a file of the package. Raises PackageError."""
    return parse_xml(package.read(name), name)


def refuse_dtd(data: bytes, name: str) -> None:
    """Rule 1, cheap enough for every XML file of a package, parsed by us or not."""
    if b"\x00" in data[:4] or data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise PackageError("xml_well_formed", f"/{name} is not UTF-8", f"/{name} 不是 UTF-8 编码")
    if b"<!DOCTYPE" in data or b"<!ENTITY" in data:
        raise PackageError(
            "xml_no_dtd",
            f"/{name} declares a document type or entities",
            f"/{name} 含有文档类型或实体声明",
        )


def parse_xml(data: bytes, name: str) -> etree._Element:
    """Parse one file of a package; `name` is only for the message. Raises PackageError."""
    if len(data) > GREATEST_XML:
        raise limits_error(f"/{name} is larger than {GREATEST_XML} bytes")
    refuse_dtd(data, name)
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
        remove_pis=False,
    )
    try:
        root = etree.fromstring(data, parser)
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PackageError(
            "xml_well_formed",
            f"/{name} is not well-formed XML",
            f"/{name} 不是格式良好的 XML",
        ) from error
    encoding = root.getroottree().docinfo.encoding
    if encoding is not None and encoding.upper() not in (
        "UTF-8",
        "UTF8",
        "ASCII",
        "US-ASCII",
    ):
        raise PackageError("xml_well_formed", f"/{name} is not UTF-8", f"/{name} 不是 UTF-8 编码")
    return root


def tag(local: str) -> str:
    """The qualified name of an OFD element."""
    return f"{{{NAMESPACE}}}{local}"


def child(parent: etree._Element, local: str) -> etree._Element | None:
    """The only child of that name, or None. Two of them are refused: rule 3."""
    found = parent.findall(tag(local))
    if len(found) > 1:
        raise structure_error(f"more than one {local} element", f"{local} 元素重复")
    return found[0] if found else None


def text(element: etree._Element) -> str:
    """The text of a leaf element, stripped; a comment inside it is refused (rule 2)."""
    if len(element):
        raise structure_error("an element that holds a value holds other nodes")
    return (element.text or "").strip()


def required(parent: etree._Element, local: str) -> str:
    """The text of a child that must be there and not be empty."""
    found = child(parent, local)
    value = text(found) if found is not None else ""
    if not value:
        raise structure_error(f"the {local} element is missing or empty", f"缺少 {local} 元素")
    return value


def resolve(location: str, *, base: str) -> str:
    """The entry name an ST_Loc points to, from the file `base`. Raises PackageError.

    A leading slash means the root of the package, else the folder of `base` (GB/T 33190 §7.1).
    """
    if not location or "\\" in location or ":" in location or "\x00" in location:
        raise paths_error("a location inside the package is not a path")
    folder = [] if location.startswith("/") else base.split("/")[:-1]
    for part in location.removeprefix("/").split("/"):
        if part == "..":
            if not folder:
                raise paths_error("a location inside the package leaves it")
            folder.pop()
        elif part == "":
            raise paths_error("a location inside the package has an empty part")
        elif part != ".":
            folder.append(part)
    return "/".join(folder)
