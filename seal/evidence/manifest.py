"""The list of a bundle, `META-INF/ASiCManifest.xml` (ETSI EN 319 162-1 §4.4.3, Annex A).

1. It gives SHA-256 of every file, as ASiC readers know it, and SM3 in an extension they skip.
2. Where a time-stamp belongs to it, it says so: taking the time-stamp away shows.
3. There is one form of it: what is read is written again, and has to be the same bytes.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

from seal.evidence.layout import KINDS, TIMESTAMP, TIMESTAMP_TYPE, malformed, type_of
from seal.ofd.markup import parse_xml
from seal.suites import SM3_OID, digest_pieces

_ASIC: Final = "http://uri.etsi.org/02918/v1.2.1#"
_DS: Final = "http://www.w3.org/2000/09/xmldsig#"
_SHA256: Final = "http://www.w3.org/2001/04/xmlenc#sha256"
_OURS: Final = "urn:tongban:evidence:1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Digests:
    """Of one file."""

    sha256: bytes
    sm3: bytes


def digests_of(pieces: Iterable[bytes]) -> Digests:
    """Both digests in one pass."""
    hashed = sha256()

    def seen() -> Iterable[bytes]:
        for piece in pieces:
            hashed.update(piece)
            yield piece

    sm3 = digest_pieces(SM3_OID, seen())
    return Digests(sha256=hashed.digest(), sm3=sm3)


def write_manifest(entries: Mapping[str, Digests], *, time_stamped: bool) -> bytes:
    """The list, in the order given; names are plain ASCII."""
    stamp = f'<asic:SigReference URI="{TIMESTAMP}" MimeType="{TIMESTAMP_TYPE}"/>\n'
    listed = "".join(_reference(name, one) for name, one in entries.items())
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f'<asic:ASiCManifest xmlns:asic="{_ASIC}" xmlns:ds="{_DS}">\n'
        f"{stamp if time_stamped else ''}{listed}</asic:ASiCManifest>\n"
    ).encode()


def _reference(name: str, one: Digests) -> str:
    root = ' Rootfile="true"' if name in KINDS else ""
    return (
        f'<asic:DataObjectReference URI="{name}" MimeType="{type_of(name)}"{root}>'
        f'<ds:DigestMethod Algorithm="{_SHA256}"/>'
        f"<ds:DigestValue>{b64encode(one.sha256).decode()}</ds:DigestValue>"
        '<asic:DataObjectReferenceExtensions><asic:Extension Critical="false">'
        f'<Digest xmlns="{_OURS}" Algorithm="urn:oid:{SM3_OID}">{b64encode(one.sm3).decode()}'
        "</Digest></asic:Extension></asic:DataObjectReferenceExtensions>"
        "</asic:DataObjectReference>\n"
    )


def read_manifest(data: bytes) -> tuple[dict[str, Digests], bool]:
    """The digests by name, and whether a time-stamp belongs to the list.

    Raises InvalidArgument (`EVIDENCE_MALFORMED`, or what the XML is refused for) for any other form
    than `write_manifest` gives.
    """
    root = parse_xml(data, "META-INF/ASiCManifest.xml")
    entries: dict[str, Digests] = {}
    try:
        for one in root.iterfind(f"{{{_ASIC}}}DataObjectReference"):
            entries[str(one.attrib["URI"])] = Digests(
                sha256=_value(one.findtext(f"{{{_DS}}}DigestValue")),
                sm3=_value(one.findtext(f".//{{{_OURS}}}Digest")),
            )
        stamped = root.find(f"{{{_ASIC}}}SigReference") is not None
        if write_manifest(entries, time_stamped=stamped) == data:
            return entries, stamped
    except (KeyError, ValueError):
        pass
    raise malformed("the list of the bundle is not in its one form", "证据包清单格式不规范")


def _value(text: str | None) -> bytes:
    return b64decode(text or "", validate=True)
