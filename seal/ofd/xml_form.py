"""What a Signature.xml holds beside a signature.

A signer signs all of its own Signature.xml, but one who signed before saw nothing of it: to that
signer it may be nothing but a signature, or what is more is told. What GB/T 33190 has no word for
is more: other elements and attributes, texts where none belongs or longer than any, comments.

Source: GB/T 33190-2016 §18.2.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple

from lxml import etree

from seal.ofd.markup import tag

_LONGEST: Final = 256  # of an attribute, or of a text that is no digest and no path


class _Form(NamedTuple):
    """What an element may hold; one without elements has a text."""

    parent: str
    attributes: frozenset[str] = frozenset()
    has_text: bool = False
    longest: int = _LONGEST


_LONGEST_PATH: Final = 1024
_FORMS: Final = {
    tag("Signature"): _Form(""),
    tag("SignedInfo"): _Form(tag("Signature")),
    tag("SignedValue"): _Form(tag("Signature"), has_text=True, longest=_LONGEST_PATH),
    tag("Provider"): _Form(
        tag("SignedInfo"), frozenset({"ProviderName", "Version", "Company", "ExtendData"})
    ),
    tag("SignatureMethod"): _Form(tag("SignedInfo"), has_text=True),
    tag("SignatureDateTime"): _Form(tag("SignedInfo"), has_text=True),
    tag("Seal"): _Form(tag("SignedInfo")),
    tag("BaseLoc"): _Form(tag("Seal"), has_text=True, longest=_LONGEST_PATH),
    tag("StampAnnot"): _Form(tag("SignedInfo"), frozenset({"ID", "PageRef", "Boundary", "Clip"})),
    tag("References"): _Form(tag("SignedInfo"), frozenset({"CheckMethod"})),
    tag("Reference"): _Form(tag("References"), frozenset({"FileRef"}), longest=_LONGEST_PATH),
    tag("CheckValue"): _Form(tag("Reference"), has_text=True),
}


def more_in(root: etree._Element) -> tuple[str, ...]:
    """The names of what is more, once each, in order; () for nothing but a signature."""
    found: dict[str, None] = {}
    if root.getprevious() is not None or root.getnext() is not None:
        found["#comment"] = None
    for element in root.iter():
        found |= dict.fromkeys(_more_of(element))
    return tuple(found)


def _more_of(element: etree._Element) -> Iterator[str]:
    """What is more of one element, and right behind it."""
    if not isinstance(element.tag, str):
        yield "#comment"
        return
    form = _FORMS.get(element.tag)
    parent = element.getparent()
    if form is None or form.parent != ("" if parent is None else parent.tag):
        yield etree.QName(element).localname
        return
    for name, value in element.attrib.items():
        if name not in form.attributes or len(value) > form.longest:
            yield f"@{etree.QName(name).localname}"
    words = (element.text or "").strip()
    if len(words) > (form.longest if form.has_text else 0) or (element.tail or "").strip():
        yield "#text"
