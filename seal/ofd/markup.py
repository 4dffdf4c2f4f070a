"""XML of an OFD package, read so that it means one thing.

1. UTF-8 only, without document type or entities, refused *before* a parser sees the bytes
   (entities in attributes expand while parsing); no network, no huge trees: a tree takes some fifty
   times its text, so that is bounded too.
2. A text is the whole text: a comment inside a value is refused, since some readers stop there.
3. A single-valued element that occurs twice is refused, since readers differ on which counts.
4. A location (ST_Loc) never leaves the package.
5. The namespace of the draft standard, in which much software still writes, means the same; a file
   with elements of both is refused, since readers differ on which they look at.

Source: GB/T 33190-2016 §6, §7.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, cast

from lxml import etree

from seal.ofd.package import OfdPackage, PackageError, limits_error, paths_error, structure_error

NAMESPACE: Final = "http://www.ofdspec.org/2016"
_DRAFT: Final = "{http://www.ofdspec.org}"
_DRAFT_DECLARED: Final = (b'http://www.ofdspec.org"', b"http://www.ofdspec.org'")
#: Only lists are parsed here (documents, pages, signatures, references), never a page's content.
GREATEST_XML: Final = 4 * 1024 * 1024


def read_xml(package: OfdPackage, name: str) -> etree._Element:
    """The root element of a file of the package. Raises PackageError."""
    return parse_xml(package.read(name), name)


#: What `refuse_dtd` finds wrong.
DECLARED: Final = frozenset({"xml_no_dtd", "xml_well_formed"})


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


def check_file(data: bytes, name: str) -> None:
    """`refuse_dtd` of a whole file, if it is XML by its name or its first byte."""
    if data[:1] == b"<" or name.lower().endswith(".xml"):
        refuse_dtd(data, name)


def checked_pieces(package: OfdPackage, name: str) -> Iterator[bytes]:
    """The bytes of a file by pieces, `check_pieces` done."""
    return check_pieces(package.pieces(name), name)


def check_pieces(pieces: Iterable[bytes], name: str) -> Iterator[bytes]:
    """These pieces; `refuse_dtd` of what is XML, before the piece is given out."""
    is_xml = name.lower().endswith(".xml")
    tail = b""
    for index, piece in enumerate(pieces):
        if index == 0:
            is_xml = is_xml or piece[:1] == b"<"
        if is_xml:
            # A mark may lie across two pieces.
            refuse_dtd(tail + piece if tail else piece, name)
            tail = piece[-_LONGEST_MARK:]
        yield piece


def parse_xml(data: bytes, name: str) -> etree._Element:
    """Parse one file of a package; `name` is only for the message. Raises PackageError."""
    if len(data) > GREATEST_XML:
        raise limits_error(
            f"/{name} is larger than {GREATEST_XML} bytes", f"/{name} 大于 {GREATEST_XML} 字节"
        )
    refuse_dtd(data, name)
    try:
        root = etree.fromstring(data, _parsers.of_this_thread)
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
    if is_draft(data):
        _leave_draft(root, name)
    return root


class _Parsers(threading.local):
    """One parser a thread, made once: nothing of a document stays in it."""

    def __init__(self) -> None:
        self.of_this_thread = etree.XMLParser(
            resolve_entities=False,
            no_network=True,
            load_dtd=False,
            dtd_validation=False,
            huge_tree=False,
            remove_pis=False,
        )


_parsers: Final = _Parsers()


def is_draft(data: bytes) -> bool:
    """Whether a file declares the namespace of the draft standard (rule 5)."""
    return _DRAFT_DECLARED[0] in data or _DRAFT_DECLARED[1] in data


def _leave_draft(root: etree._Element, name: str) -> None:
    """Rule 5: the elements of the draft's namespace, renamed to be those of the standard."""
    elements = list(root.iter(etree.Element))
    drafted = [one for one in elements if str(one.tag).startswith(_DRAFT)]
    if drafted and any(str(one.tag).startswith(tag("")) for one in elements):
        raise structure_error(
            f"/{name} mixes the namespaces of the standard and of its draft",
            f"/{name} 混用了标准与草案的命名空间",
        )
    for one in drafted:
        one.tag = tag(str(one.tag).removeprefix(_DRAFT))


class XmlScan:
    """What a page's content is read into, event by event; nothing is built. `done` ends it early.

    lxml calls the methods; names are qualified.
    """

    __slots__ = ("done",)

    def __init__(self) -> None:
        self.done = False

    def start(self, name: str, attributes: Mapping[str, str]) -> None:
        """An element begins."""

    def end(self, name: str) -> None:
        """An element ends."""

    def data(self, text: str) -> None:
        """A piece of text."""

    def close(self) -> None:
        """The document ends."""


def scan_xml(package: OfdPackage, name: str, scan: XmlScan) -> None:
    """Read a file of any length in bounded memory (rule 1 holds). Raises PackageError."""
    parser = etree.XMLParser(
        target=cast("Any", scan),  # the stubs want methods that lxml does not
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    encoding_known = False
    try:
        for piece in checked_pieces(package, name):
            if not encoding_known:
                _refuse_encoding(piece, name)
                encoding_known = True
            parser.feed(piece)
            if scan.done:
                return
        parser.close()
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PackageError(
            "xml_well_formed", f"/{name} is not well-formed XML", f"/{name} 不是格式良好的 XML"
        ) from error


def read_head(package: OfdPackage, name: str, *, ends_before: str) -> tuple[etree._Element, ...]:
    """The elements of a file that end before one begins (qualified name), in order.

    What is built is bounded (rule 1). Raises PackageError.
    """
    parser = etree.XMLPullParser(
        events=("start", "end"),
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        dtd_validation=False,
        huge_tree=False,
    )
    found: list[etree._Element] = []
    fed = 0
    try:
        for piece in _by_little(checked_pieces(package, name)):
            if fed == 0:
                _refuse_encoding(piece, name)
            fed += len(piece)
            parser.feed(piece)
            events: Iterator[Any] = parser.read_events()
            for event, element in events:
                if event == "end":
                    found.append(element)
                elif element.tag == ends_before:
                    return tuple(found)
            if fed > GREATEST_HEAD:
                raise limits_error(
                    f"/{name} has a head of more than {GREATEST_HEAD} bytes",
                    f"/{name} 的开头部分大于 {GREATEST_HEAD} 字节",
                )
        parser.close()
    except (etree.XMLSyntaxError, ValueError) as error:
        raise PackageError(
            "xml_well_formed", f"/{name} is not well-formed XML", f"/{name} 不是格式良好的 XML"
        ) from error
    return tuple(found)


def _by_little(pieces: Iterator[bytes]) -> Iterator[bytes]:
    for piece in pieces:
        for begin in range(0, len(piece), _LITTLE):
            yield piece[begin : begin + _LITTLE]


def _refuse_encoding(head: bytes, name: str) -> None:
    if not is_utf8_declared(head):
        raise PackageError("xml_well_formed", f"/{name} is not UTF-8", f"/{name} 不是 UTF-8 编码")


def is_utf8_declared(head: bytes) -> bool:
    """Whether a file, by its beginning, says that it is UTF-8, or nothing."""
    said = _DECLARED.match(head)
    return said is None or said[1].upper() in (b"UTF-8", b"UTF8", b"ASCII", b"US-ASCII")


_DECLARED: Final = re.compile(
    rb"""(?:\xef\xbb\xbf)?<\?xml[^>]*?\sencoding\s*=\s*["']([^"']*)["']"""
)
_LITTLE: Final = 2048
GREATEST_HEAD: Final = 128 * 1024
_LONGEST_MARK: Final = 8  # one less than "<!DOCTYPE"


def tag(local: str) -> str:
    """The qualified name of an OFD element."""
    return f"{{{NAMESPACE}}}{local}"


class _Tags(dict[str, str]):
    """Qualified names by local names, each made once: of our own words, so there are few."""

    def __missing__(self, local: str) -> str:
        made = self[local] = tag(local)
        return made


_TAGS: Final = _Tags()


def child(parent: etree._Element, local: str) -> etree._Element | None:
    """The only child of that name, or None. Two of them are refused: rule 3."""
    found = [*parent.iterchildren(_TAGS[local])]
    if len(found) > 1:
        raise structure_error(f"more than one {local} element", f"{local} 元素重复")
    return found[0] if found else None


def text(element: etree._Element) -> str:
    """The text of a leaf element, stripped; a comment inside it is refused (rule 2)."""
    if len(element):
        raise structure_error(
            "an element that holds a value holds other nodes", "取值元素内含有其他节点"
        )
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
        raise paths_error("a location inside the package is not a path", "文件包内的位置不是路径")
    # Nearly all locations.
    if location[0] == "/" != location[-1] and "//" not in location and "/." not in location:
        return location[1:]
    folder = [] if location.startswith("/") else base.split("/")[:-1]
    for part in location.removeprefix("/").split("/"):
        if part == "..":
            if not folder:
                raise paths_error(
                    "a location inside the package leaves it", "文件包内的位置越出文件包"
                )
            folder.pop()
        elif part == "":
            raise paths_error(
                "a location inside the package has an empty part", "文件包内的位置含有空的一级"
            )
        elif part != ".":
            folder.append(part)
    return "/".join(folder)
