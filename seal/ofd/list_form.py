"""The closed grammar of Signatures.xml, the one file of an OFD that no signature covers.

Whatever it held besides its lines, no signer saw. So there is at most one MaxSignId of digits,
lines of ID, Type and BaseLoc, and nothing else: no comment, instruction, text, further attribute or
element, and no more bytes than so many lines need. Prefixes, the order of attributes, white space
between lines and a few namespaces that are declared and not used differ between makers.

Source: GB/T 33190-2016 §18.1.
"""

from __future__ import annotations

import re
from typing import Final

from lxml import etree

from seal.ofd.errors import PackageError, structure_error
from seal.ofd.markup import tag

_URI: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[A-Za-z0-9/:.#_-]{1,48}")
_MOST_NAMESPACES: Final = 4
_LONGEST_PREFIX: Final = 16
_ATTRIBUTES: Final = frozenset({"ID", "Type", "BaseLoc"})
# A number, or an xs:ID of a number, as the standard recommends ("sNNN").
_GREATEST: Final = re.compile(r"\s*[A-Za-z_]{0,8}[0-9]{1,10}\s*")
_LONGEST: Final = {"ID": 64, "Type": 16, "BaseLoc": 512}
_HEAD_BYTES: Final = 1024
_LINE_BYTES: Final = 1024


def refuse_more(root: etree._Element, data: bytes) -> None:
    """Raise PackageError (`ofd_structure`) where a signature list holds more than signatures."""
    if root.tag != tag("Signatures"):
        raise structure_error(
            "the signature list is not a Signatures document", "签名列表的根元素不是 Signatures"
        )
    lines = [*root]
    greatest = [one for one in lines if one.tag == tag("MaxSignId")]
    if (
        root.getprevious() is not None
        or root.getnext() is not None
        or root.attrib
        or _is_said(root.text)
        or len(greatest) > 1
        or not all(map(_is_greatest, greatest))
        or not all(_is_line(one) for one in lines if one not in greatest)
        or any(_is_said(one.tail) or not _is_declared(one)
               for one in (root, *lines))
        or len(data) > _HEAD_BYTES + _LINE_BYTES * len(lines)
    ):  # fmt: skip
        raise _more()


def _is_said(text: str | None) -> bool:
    return bool(text and text.strip(" \t\r\n"))


def _is_declared(one: etree._Element) -> bool:
    """Namespaces that an element inherits count too."""
    spaces = one.nsmap
    return len(spaces) <= _MOST_NAMESPACES and all(
        len(prefix or "") <= _LONGEST_PREFIX and _URI.fullmatch(uri) is not None
        for prefix, uri in spaces.items()
    )


def _is_greatest(one: etree._Element) -> bool:
    return not len(one) and not one.attrib and _GREATEST.fullmatch(one.text or "") is not None


def _is_line(one: etree._Element) -> bool:
    return (
        one.tag == tag("Signature")
        and not len(one)
        and not _is_said(one.text)
        and _ATTRIBUTES.issuperset(map(str, one.attrib))
        and all(len(one.get(key, "")) <= longest for key, longest in _LONGEST.items())
    )


def _more() -> PackageError:
    return structure_error(
        "the signature list holds something else than signatures", "签名列表含有签名以外的内容"
    )
