"""The XML of a signature being made, in the element order of GB/T 33190-2016 §18.

1. Equal input gives equal bytes.
2. Identifiers are xs:ID, each once in its file; MaxSignId is one too, so it is written differently
   from the identifier that has its number.
3. Existing lines of a signature list stay as they are.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from xml.sax.saxutils import escape, quoteattr

from lxml import etree

from seal import der
from seal.ofd.markup import NAMESPACE, parse_xml, tag
from seal.ofd.package import OfdPackage
from seal.ofd.structure import TYPE_SEAL, DocBody
from seal.placement import Stamp
from seal.suites import SM3_OID

_PLAIN: Final = re.compile(r"[A-Za-z0-9_./ -]*")
XML_HEAD: Final = '<?xml version="1.0" encoding="UTF-8"?>\n'


@dataclass(frozen=True, slots=True, kw_only=True)
class Provider:
    """What made the signature (GB/T 33190 §18.2.1 Provider)."""

    name: str = "Tongban"
    company: str = "Tongban"
    version: str = "1.0"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """The files of the signature being made (entry names), and its number from 1."""

    folder: str
    number: int

    @property
    def signature_id(self) -> str:
        """Its ID in Signatures.xml."""
        return f"s{self.number:03d}"

    @property
    def greatest_id(self) -> str:
        """The same number in other letters: MaxSignId is an xs:ID too, so it must differ."""
        return f"s0{self.number:03d}"

    @property
    def signature(self) -> str:
        """What is signed."""
        return f"{self.folder}/Signature.xml"

    @property
    def signed_value(self) -> str:
        """The SES_Signature."""
        return f"{self.folder}/SignedValue.dat"

    @property
    def seal(self) -> str:
        """The seal."""
        return f"{self.folder}/Seal.esl"


def _decimals(*values: float) -> str:
    """At most three decimals each (a micrometre), never an exponent."""
    return " ".join(f"{value:.3f}".rstrip("0").rstrip(".") for value in values)


def with_list(root: etree._Element, body: DocBody, list_name: str) -> bytes:
    """OFD.xml, whose root that is, naming the list as the last element of its DocBody."""
    element = root.findall(tag("DocBody"))[body.index]
    for empty in element.findall(tag("Signatures")):
        element.remove(empty)
    etree.SubElement(element, tag("Signatures")).text = "/" + list_name
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def extended_list(package: OfdPackage, list_name: str, names: Names) -> bytes:
    """Signatures.xml with one more line (rule 3); a new one where there is none."""
    if list_name in package:
        root = parse_xml(package.read(list_name), list_name)
        for old in root.findall(tag("MaxSignId")):
            root.remove(old)
    else:
        root = etree.Element(tag("Signatures"), nsmap={"ofd": NAMESPACE})
    top = etree.Element(tag("MaxSignId"))
    top.text = names.greatest_id
    root.insert(0, top)
    line = etree.SubElement(root, tag("Signature"))
    line.set("ID", names.signature_id)
    line.set("Type", TYPE_SEAL)
    line.set("BaseLoc", "/" + names.signature)
    return etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)


def _quoted(text: str) -> str:
    """A value with quotes around it; nearly all need no more than those."""
    return f'"{text}"' if _PLAIN.fullmatch(text) else quoteattr(text)


def signature_xml(
    names: Names,
    *,
    method: str,
    hashes: Sequence[tuple[str, bytes]],
    stamps: Sequence[tuple[str, Stamp]],
    signed_at: datetime,
    provider: Provider,
) -> bytes:
    """Signature.xml: files with their SM3, stamps with the identifiers of their pages."""
    parts = [
        XML_HEAD,
        f'<ofd:Signature xmlns:ofd="{NAMESPACE}"><ofd:SignedInfo>',
        f"<ofd:Provider ProviderName={_quoted(provider.name)}",
        f" Company={_quoted(provider.company)} Version={_quoted(provider.version)}/>",
        f"<ofd:SignatureMethod>{escape(method)}</ofd:SignatureMethod>",
        f"<ofd:SignatureDateTime>{der.written_time(signed_at)}</ofd:SignatureDateTime>",
        f'<ofd:References CheckMethod="{SM3_OID}">',
    ]
    for name, value in hashes:
        encoded = base64.b64encode(value).decode("ascii")
        parts.append(
            f"<ofd:Reference FileRef={_quoted('/' + name)}>"
            f"<ofd:CheckValue>{encoded}</ofd:CheckValue></ofd:Reference>"
        )
    parts.append("</ofd:References>")
    for index, (page, stamp) in enumerate(stamps, 1):
        box = _decimals(stamp.x_mm, stamp.y_mm, stamp.width_mm, stamp.height_mm)
        clip = f' Clip="{_decimals(*stamp.clip_mm)}"' if stamp.clip_mm else ""
        parts.append(
            f'<ofd:StampAnnot ID="{names.signature_id}a{index}" PageRef={_quoted(page)}'
            f' Boundary="{box}"{clip}/>'
        )
    seal, signed_value = escape("/" + names.seal), escape("/" + names.signed_value)
    parts.append(f"<ofd:Seal><ofd:BaseLoc>{seal}</ofd:BaseLoc></ofd:Seal></ofd:SignedInfo>")
    parts.append(f"<ofd:SignedValue>{signed_value}</ofd:SignedValue></ofd:Signature>")
    return "".join(parts).encode()
