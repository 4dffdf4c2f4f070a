"""The closed grammar of Signatures.xml, the one file of an OFD that no signature covers.

Whatever it held besides its lines, no signer saw. So there is at most one MaxSignId of digits,
lines of ID, Type and BaseLoc, and no instruction, text, further attribute or element, and no more
bytes than so many lines need. The order of attributes, white space between lines and the namespaces
that every XML tool knows, under their usual prefixes or none, differ between makers.

What a maker may well have written, though it means nothing and anybody may have written it since,
is told and not refused (`ODDITIES`): comments, where the schema lies, a namespace of somebody's own
that nothing uses, another prefix than the usual one, an identifier that is no number, a MaxSignId
without one.

Source: GB/T 33190-2016 §18.1.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final, NamedTuple

from lxml import etree

from seal.ofd.errors import PackageError, structure_error
from seal.ofd.markup import NAMESPACE, tag

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9/:.#_-]{1,48}")
_XSI: Final = "http://www.w3.org/2001/XMLSchema-instance"
_OWN: Final = frozenset({None, "ofd"})
_PREFIXES: Final[dict[str, frozenset[str | None]]] = {
    NAMESPACE: _OWN,
    "http://www.ofdspec.org": _OWN,
    _XSI: frozenset({"xsi"}),
    "http://www.w3.org/2001/XMLSchema": frozenset({"xsd", "xs"}),
}
"""The namespaces that are known, each with the prefixes that all write for it."""
# What programs write that give names themselves; and what is read of the draft has it too.
_NUMBERED: Final = re.compile(r"ns[0-9]{1,2}")
_SCHEMA: Final = frozenset({f"{{{_XSI}}}schemaLocation", f"{{{_XSI}}}noNamespaceSchemaLocation"})
_LOCATION: Final = re.compile(r"[A-Za-z0-9/:.#_\s-]{1,256}")
_COMMENT: Final = type(etree.Comment(""))
_MOST_NAMESPACES: Final = 4
_MOST_COMMENTS: Final = 4
_LONGEST_COMMENT: Final = 128
_LONGEST_PREFIX: Final = 16
_ATTRIBUTES: Final = frozenset({"ID", "Type", "BaseLoc"})
# A number, or an xs:ID of a number, as the standard recommends ("sNNN").
_NUMBER: Final = re.compile(r"\s*[A-Za-z_-]{0,8}([0-9]{1,10})\s*")
# What else a program writes without a person's help: a UUID, a number with a longer word before it.
_ID: Final = re.compile(r"[A-Za-z0-9_.-]{1,40}")
_LONGEST: Final = {"Type": 16, "BaseLoc": 512}
_HEAD_BYTES: Final = 1024
_LINE_BYTES: Final = 1024

ODDITIES: Final = {
    "COMMENT": ("a comment", "注释"),
    "SCHEMA": ("where its schema lies", "模式位置"),
    "NAMESPACE": ("a namespace that nothing uses", "未使用的命名空间"),
    "PREFIX": ("an unusual prefix of a namespace", "不常用的命名空间前缀"),
    "ID": ("an identifier that is no number", "非编号的标识"),
    "NO_NUMBER": ("a MaxSignId without a number", "没有编号的 MaxSignId"),
}
"""What the list may hold besides signatures: told in English and Chinese."""


class ListForm(NamedTuple):
    """What a list that was not refused holds besides its lines.

    Which of `ODDITIES`, and the number that MaxSignId says (None where it says none).
    """

    oddities: frozenset[str] = frozenset()
    greatest: int | None = None


def read_form(root: etree._Element, data: bytes) -> ListForm:
    """Raise PackageError (`ofd_structure`) where a signature list holds more than signatures."""
    if root.tag != tag("Signatures"):
        raise structure_error(
            "the signature list is not a Signatures document", "签名列表的根元素不是 Signatures"
        )
    around = [*root.itersiblings(preceding=True), *root.itersiblings()]
    comments = [one for one in (*around, *root) if isinstance(one, _COMMENT)]
    elements = [one for one in root if not isinstance(one, _COMMENT)] if comments else [*root]
    greatest = [one for one in elements if one.tag == tag("MaxSignId")]
    lines = [one for one in elements if one not in greatest] if greatest else elements
    spaces = [root.nsmap]
    # Nearly all lists declare one namespace, and that has to be at their root, which is in it.
    if data.count(b"xmlns") > 1:
        spaces += [one.nsmap for one in elements]
    if (
        not all(isinstance(one, _COMMENT) for one in around)
        or not _are_few(comments)
        or not _is_schema_at_most(root)
        or _is_said(root.text)
        or len(greatest) > 1
        or not all(map(_is_greatest, greatest))
        or not all(map(_is_line, lines))
        or any(_is_said(one.tail) for one in root)
        or not all(map(_is_declared, spaces))
        or len(data) > _HEAD_BYTES + _LINE_BYTES * len(elements)
    ):
        raise _more()
    said = greatest[0].text or "" if greatest else None
    holds = {
        "COMMENT": bool(comments),
        "SCHEMA": bool(root.attrib),
        "NAMESPACE": any(uri not in _PREFIXES for each in spaces for uri in each.values()),
        "PREFIX": any(
            not _is_usual(prefix, uri) for each in spaces for prefix, uri in each.items()
        ),
        "ID": any(_NUMBER.fullmatch(one.get("ID", "")) is None for one in lines),
        "NO_NUMBER": said is not None and not _is_said(said),
    }
    found = frozenset(name for name, is_held in holds.items() if is_held)
    return ListForm(found, number_of(said) if said else None)


def number_of(identifier: str) -> int | None:
    """The number of an identifier ("s001", "1"); None where it is none."""
    found = _NUMBER.fullmatch(identifier)
    return int(found[1]) if found else None


def _are_few(comments: Sequence[etree._Element]) -> bool:
    """What a maker says of itself."""
    return len(comments) <= _MOST_COMMENTS and all(
        len(one.text or "") <= _LONGEST_COMMENT for one in comments
    )


def _is_schema_at_most(root: etree._Element) -> bool:
    return all(
        key in _SCHEMA and _LOCATION.fullmatch(str(value)) for key, value in root.attrib.items()
    )


def _is_said(text: str | None) -> bool:
    return bool(text and text.strip(" \t\r\n"))


def _is_declared(spaces: dict[str | None, str]) -> bool:
    """Namespaces that an element inherits count too."""
    return len(spaces) <= _MOST_NAMESPACES and all(
        len(prefix or "") <= _LONGEST_PREFIX
        and (uri in _PREFIXES or _URI.fullmatch(uri) is not None)
        for prefix, uri in spaces.items()
    )


def _is_usual(prefix: str | None, uri: str) -> bool:
    """Whether all write it so; of a namespace of somebody's own that itself is told."""
    known = _PREFIXES.get(uri)
    return known is None or prefix in known or _NUMBERED.fullmatch(prefix or "") is not None


def _is_greatest(one: etree._Element) -> bool:
    if len(one) or one.attrib:
        return False
    return not _is_said(one.text) or _NUMBER.fullmatch(one.text or "") is not None


def _is_line(one: etree._Element) -> bool:
    return (
        one.tag == tag("Signature")
        and not len(one)
        and not _is_said(one.text)
        and _ATTRIBUTES.issuperset(map(str, one.attrib))
        and _ID.fullmatch(one.get("ID", "-")) is not None
        and all(len(one.get(key, "")) <= longest for key, longest in _LONGEST.items())
    )


def _more() -> PackageError:
    return structure_error(
        "the signature list holds something else than signatures", "签名列表含有签名以外的内容"
    )
