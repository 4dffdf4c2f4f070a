"""The picture inside an electronic seal (GB/T 38540 SESeal, SES_Signature), for previews only.

It walks to the picture and looks at nothing else: no signature, no certificate, no validity. A
drawn seal therefore means nothing until `seal.verify` has said so.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from licenses.pages.package import unreadable

_INTEGER, _SEQUENCE = 0x02, 0x30


@dataclass(frozen=True, slots=True, kw_only=True)
class SealPicture:
    """`kind` in lower case ("png", "jpg", "ofd" ...), as the seal says it."""

    kind: str
    data: bytes = field(repr=False)


def _values(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Tag and content of each DER value in a row; definite lengths only."""
    at = 0
    while at < len(data):
        if at + 2 > len(data):
            raise unreadable("a seal is truncated")
        tag, size = data[at], data[at + 1]
        at += 2
        if size >= 0x80:
            octets = size & 0x7F
            if not 1 <= octets <= 4 or at + octets > len(data):
                raise unreadable("a seal has a malformed length")
            size = int.from_bytes(data[at : at + octets], "big")
            at += octets
        if at + size > len(data):
            raise unreadable("a seal is truncated")
        yield tag, data[at : at + size]
        at += size


def _inside(data: bytes, position: int) -> bytes:
    """Content of the value at a position, which must be a SEQUENCE."""
    for index, (tag, content) in enumerate(_values(data)):
        if index == position:
            if tag != _SEQUENCE:
                break
            return content
    raise unreadable("a seal has not the structure of GB/T 38540")


def picture(data: bytes) -> SealPicture:
    """The picture of an SESeal, or of the seal inside an SES_Signature; OFD_UNREADABLE otherwise.

    SESeal ::= SEQ{ eSealInfo SEQ{ header, esID, property, picture SEQ{ type, data, … } … } … };
    SES_Signature ::= SEQ{ toSign SEQ{ version INTEGER, eseal SESeal, … } … }.
    """
    first = _inside(_inside(data, 0), 0)
    if data and next(_values(first), (0, b""))[0] == _INTEGER:
        first = _inside(_inside(first, 1), 0)
    parts = list(_values(_inside(first, 3)))
    if len(parts) < 2:
        raise unreadable("a seal has no picture")
    return SealPicture(kind=parts[0][1].decode("ascii", "replace").lower(), data=parts[1][1])
