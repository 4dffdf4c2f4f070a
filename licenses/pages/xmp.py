"""XMP and the colour profile: what PDF/A asks for besides the pages.

The XMP says the same as the Info dictionary (ISO 19005-3 §6.6.2.3); license metadata has a schema
of its own, described inside the packet as the standard asks of schemas it does not know.
"""

from __future__ import annotations

from datetime import UTC
from functools import lru_cache
from struct import pack

from licenses.pages import markup
from licenses.pages.model import Document

METADATA_NAMESPACE = "urn:tongban:license-metadata:1#"


def packet(document: Document) -> bytes:
    """The XMP packet of a document."""
    moment = f"{document.created.astimezone(UTC):%Y-%m-%dT%H:%M:%S}+00:00"
    author = (
        f"<dc:creator><rdf:Seq><rdf:li>{markup.text(document.author)}</rdf:li></rdf:Seq></dc:creator>"
        if document.author
        else ""
    )
    pairs = {markup.name(key): markup.text(value) for key, value in document.metadata.items()}
    values = "".join(f"<lic:{key}>{value}</lic:{key}>" for key, value in pairs.items())
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>\n'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/" xmlns:pdf="http://ns.adobe.com/pdf/1.3/"'
        ' xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/"'
        f' xmlns:lic="{METADATA_NAMESPACE}">'
        "<pdfaid:part>3</pdfaid:part><pdfaid:conformance>U</pdfaid:conformance>"
        "<dc:format>application/pdf</dc:format>"
        '<dc:title><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{markup.text(document.title)}</rdf:li></rdf:Alt></dc:title>{author}"
        f"<xmp:CreateDate>{moment}</xmp:CreateDate><xmp:ModifyDate>{moment}</xmp:ModifyDate>"
        "<xmp:CreatorTool>Tongban</xmp:CreatorTool><pdf:Producer>Tongban</pdf:Producer>"
        f"{values}</rdf:Description>{_schema(list(pairs)) if pairs else ''}</rdf:RDF></x:xmpmeta>\n"
        '<?xpacket end="r"?>'
    ).encode()


def _schema(keys: list[str]) -> str:
    """The extension schema (ISO 19005-1 §6.7.8) that names every metadata key."""
    rows = "".join(
        '<rdf:li rdf:parseType="Resource">'
        f"<pdfaProperty:name>{key}</pdfaProperty:name>"
        "<pdfaProperty:valueType>Text</pdfaProperty:valueType>"
        "<pdfaProperty:category>external</pdfaProperty:category>"
        f"<pdfaProperty:description>GB/T 36903 {key}</pdfaProperty:description></rdf:li>"
        for key in keys
    )
    return (
        '<rdf:Description rdf:about=""'
        ' xmlns:pdfaExtension="http://www.aiim.org/pdfa/ns/extension/"'
        ' xmlns:pdfaSchema="http://www.aiim.org/pdfa/ns/schema#"'
        ' xmlns:pdfaProperty="http://www.aiim.org/pdfa/ns/property#">'
        '<pdfaExtension:schemas><rdf:Bag><rdf:li rdf:parseType="Resource">'
        "<pdfaSchema:schema>Electronic license metadata</pdfaSchema:schema>"
        f"<pdfaSchema:namespaceURI>{METADATA_NAMESPACE}</pdfaSchema:namespaceURI>"
        "<pdfaSchema:prefix>lic</pdfaSchema:prefix>"
        f"<pdfaSchema:property><rdf:Seq>{rows}</rdf:Seq></pdfaSchema:property>"
        "</rdf:li></rdf:Bag></pdfaExtension:schemas></rdf:Description>"
    )


@lru_cache(maxsize=1)
def srgb_profile() -> bytes:
    """A small sRGB display profile (ICC.1:2001-04): primaries adapted to D50 and gamma 2.2."""

    def point(x: float, y: float, z: float) -> bytes:
        return b"XYZ \0\0\0\0" + pack(">iii", *(round(value * 65536) for value in (x, y, z)))

    label = b"sRGB\0"
    curve = b"curv\0\0\0\0" + pack(">IH", 1, 0x0233) + b"\0\0"
    tags = {
        b"desc": b"desc\0\0\0\0" + pack(">I", len(label)) + label + bytes(78),
        b"cprt": b"text\0\0\0\0Public domain\0",
        b"wtpt": point(0.9642, 1.0, 0.8249),
        b"rXYZ": point(0.4360, 0.2225, 0.0139),
        b"gXYZ": point(0.3851, 0.7169, 0.0971),
        b"bXYZ": point(0.1431, 0.0606, 0.7141),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    table, body = pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for tag, data in tags.items():
        table += tag + pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = pack(
        ">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02100000, b"mntr", b"RGB ", b"XYZ "
    )
    # Made on 2020-01-01: a profile must have a date, and it must not change the bytes.
    header += (
        pack(">6H", 2020, 1, 1, 0, 0, 0) + b"acsp" + bytes(28) + pack(">iii", 63190, 65536, 54061)
    )
    return header + bytes(128 - len(header)) + table + body
