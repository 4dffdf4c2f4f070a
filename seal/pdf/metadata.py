"""The dates that an update of a signed PDF may set anew, in its information and in its XMP.

1. Who wrote it last and when: nothing else of the information or of the metadata is new, or gone.
2. What may be set anew has a form, and stands there once: a date holds a date. There is no room in
   it, beside it or before it (attributes, names, comments, doctypes) for anything to be said.
"""

# The PDF library publishes no types.
# mypy: disable-error-code=no-untyped-call

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree
from pyhanko.pdf_utils import generic

from seal.pdf.entries import entry
from seal.pdf.refused import UpdateRefused
from seal.pdf.streams import STREAM_KEYS, inflated

_LONGEST: Final = 200
_DATE: Final = re.compile(r"\s*((D:)?[0-9]{4}[0-9T:.+Z'-]{0,36})?\s*")
_NAME: Final = re.compile(r"\s*[A-Za-z0-9.:-]{0,100}\s*")
_TEXT: Final = re.compile(rf"[^\x00-\x08\x0b-\x1f]{{0,{_LONGEST}}}")
_DATED: Final = {"/ModDate": _DATE, "/Producer": _TEXT}
_XMP_DATED: Final = {
    "{http://ns.adobe.com/xap/1.0/}ModifyDate": _DATE,
    "{http://ns.adobe.com/xap/1.0/}MetadataDate": _DATE,
    "{http://ns.adobe.com/pdf/1.3/}Producer": _TEXT,
    "{http://ns.adobe.com/xap/1.0/mm/}InstanceID": _NAME,
}
_META: Final = "adobe:ns:meta/"
_RDF: Final = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_FRAME: Final = frozenset({f"{{{_META}}}xmpmeta", f"{{{_RDF}}}RDF", f"{{{_RDF}}}Description"})
_TOOL: Final = f"{{{_META}}}xmptk"
_ABOUT: Final = f"{{{_RDF}}}about"
_PACKET: Final = re.compile(r"(begin|end)=[\"']\S{0,5}[\"'](\s+id=[\"']\w{0,32}[\"'])?\s*")
_ROOM: Final = 8 * 1024

Said = tuple[str, str, str]


def check_information(old: Any, new: Any) -> None:
    """Rule 1, of the information dictionary. Raises UpdateRefused."""
    before, after = (_information(one) for one in (old, new))
    for name in {*before.keys(), *after.keys()}:
        if entry(before, name) == entry(after, name):
            continue
        if name not in _DATED or (name in after and not _has_form(after[name], _DATED[name])):
            raise _changed("information", "文档信息")


def _information(view: Any) -> Any:
    """As of that revision: what the trailer leads to by itself is read as of today."""
    if "/Info" not in view.trailer_view:
        return {}
    raw = view.trailer_view.raw_get("/Info")
    return view(raw.reference) if isinstance(raw, generic.IndirectObject) else raw


def _has_form(text: Any, form: re.Pattern[str]) -> bool:
    """Whether a text is short, and of that form."""
    return is_short(text) and form.fullmatch(str(text)) is not None


def is_short(text: Any) -> bool:
    """A text in which not much can be said."""
    strings = (generic.TextStringObject, generic.ByteStringObject)
    return isinstance(text, strings) and len(text) <= _LONGEST


def check_metadata(old: Any, new: Any) -> None:
    """The rules, of the XMP. Raises UpdateRefused."""
    # Not by the name: the library makes another kind of object of it then.
    before, after = (
        one.root.raw_get("/Metadata").get_object() if "/Metadata" in one.root else None
        for one in (old, new)
    )
    if after is None and before is None:
        return
    if after is None or not set(after.keys()) <= STREAM_KEYS:
        raise _changed("metadata", "元数据")
    was, now = (b"" if one is None else inflated(one) for one in (before, after))
    if was == now:
        return
    if len(now) > len(was) + _ROOM or not _is_redated(_Xmp(was), _Xmp(now)):
        raise _changed("metadata", "元数据")


def _changed(what: str, what_zh: str) -> UpdateRefused:
    return UpdateRefused(
        f"the document's {what} was changed, and not its dates alone",
        f"{what_zh}被修改，且不只是日期",
    )


class _Xmp:
    """What XMP says, in its order; apart from it what may be set anew, and how often it stands."""

    def __init__(self, data: bytes) -> None:
        self.said: list[Said] = []
        self.free: Counter[str] = Counter()
        self.namespaces = {_META, _RDF, *(name[1:].split("}")[0] for name in _XMP_DATED)}
        if not data:
            return
        parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False)
        root: Any = etree.fromstring(data.strip(b"\x00"), parser)
        doctype = root.getroottree().docinfo.doctype
        if doctype:
            self.said.append(("doctype", "", str(doctype)))
        for one in (*reversed(list(root.itersiblings(preceding=True))), *root.itersiblings()):
            self._aside(one)
        self.said += self._element(root)

    def _aside(self, one: Any) -> None:
        """A comment or an instruction; those that wrap a packet stand twice."""
        text = str(one.text or "")
        if getattr(one, "target", "") == "xpacket" and _PACKET.fullmatch(text):
            self.free[text[:3]] += 1
        else:
            self.said.append(("aside", str(getattr(one, "target", "")), text))

    def _element(self, one: Any) -> Iterator[Said]:
        if not isinstance(one.tag, str):
            yield "aside", str(getattr(one, "target", "")), str(one.text)
            return
        tag, text = str(one.tag), one.text or ""
        self.namespaces.update(one.nsmap.values())
        pattern = _XMP_DATED.get(tag)
        if pattern and not len(one) and not one.attrib and pattern.fullmatch(text):
            self.free[tag] += 1
            return
        for name, value in sorted(one.attrib.items()):
            if self._is_free(tag, str(name), str(value)):
                self.free[str(name)] += 1
            else:
                yield tag, str(name), str(value)
        if tag not in _FRAME or text.strip():
            yield tag, "", text.strip()
        for held in one:
            yield from self._element(held)
            if (held.tail or "").strip():
                yield tag, "tail", str(held.tail).strip()

    @staticmethod
    def _is_free(tag: str, name: str, value: str) -> bool:
        if name in _XMP_DATED:
            return tag in _FRAME and bool(_XMP_DATED[name].fullmatch(value))
        if tag not in _FRAME:
            return False
        return (name == _ABOUT and not value) or (
            name == _TOOL and _TEXT.fullmatch(value) is not None
        )


def _is_redated(was: _Xmp, now: _Xmp) -> bool:
    """Whether nothing but the dates is said anew, each of them once."""
    return (
        bool(now.free)
        and was.said == now.said
        and (now.namespaces <= was.namespaces)
        and all(
            name == _ABOUT or count <= max(1, was.free[name]) for name, count in now.free.items()
        )
    )
