"""A strict reader and a small writer of DER, so that what is verified is what was received.

1. `children` slices a structure *without* decoding and re-encoding it: signatures are checked over
   these slices, never over a re-encoding (a verifier that re-encodes accepts what was not signed).
2. Reading a value checks its tag: a wrong type is an error, never a guess.
3. What departs from DER (X.690 §10-11) and still has one meaning is read, an indefinite length or a
   padded number for one; `seal.der_form` names it, so that a verifier can report it.
4. Work is linear in the input but for nested indefinite lengths, whose depth is bounded.
5. An element is a named tuple: a document has hundreds, and frozen dataclasses take thrice as long.

Everything raises `InvalidArgument` with reason `MALFORMED_DER`, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache
from itertools import islice
from typing import NamedTuple

from runtime.errors import InvalidArgument

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
ENUMERATED, NULL = 0x0A, 0x05
UTF8_STRING, PRINTABLE_STRING, IA5_STRING = 0x0C, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31

MAX_MEMBERS = 4096  # of one structure: an element costs 100 times its bytes
_MAX_INDEFINITE = 8  # one within the other: each is searched for its end
_MAX_INTEGER = 1024  # octets; no number in a seal or a certificate comes near
_MAX_OID = 128
_INDEFINITE = 0x80
_MAX_SEARCH = 16 * MAX_MEMBERS
# The seconds may be left out, and a zone other than UTC stated: read, and named.
_TIME = r"(\d{%d})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(\.\d{1,6})?(Z|[+-]\d{4})"
_UTC_TIME = re.compile(_TIME % 2, re.ASCII)
_GENERALIZED_TIME = re.compile(_TIME % 4, re.ASCII)
_TWO_DIGIT_CENTURY = 50  # RFC 5280 §4.1.2.5.1: YY >= 50 is 19YY


def malformed(what: str) -> InvalidArgument:
    """The error for bytes that are not the ASN.1 structure they should be."""
    return InvalidArgument(
        f"The data is not well-formed: {what}.",
        reason="MALFORMED_DER",
        message_zh=f"数据编码不合规：{what}。",
    )


class Element(NamedTuple):
    """One TLV: `raw` is all of it as received, `content` its value octets, `tag` its first octet.

    The value properties each check the tag and raise `InvalidArgument` (`MALFORMED_DER`).
    """

    tag: int
    raw: bytes
    content: bytes

    def expect(self, tag: int) -> Element:
        """This element, if it has that identifier octet."""
        if self.tag != tag:
            raise malformed(f"tag {self.tag:#04x} where {tag:#04x} belongs")
        return self

    def integer(self) -> int:
        """An INTEGER."""
        if not 0 < len(self.expect(INTEGER).content) <= _MAX_INTEGER:
            raise malformed("an INTEGER is empty or too large")
        return int.from_bytes(self.content, "big", signed=True)

    def boolean(self) -> bool:
        """A BOOLEAN; anything but 00 is true (X.690 §8.2.2)."""
        if len(self.expect(BOOLEAN).content) != 1:
            raise malformed("a BOOLEAN is not one octet")
        return self.content != b"\x00"

    def octets(self) -> bytes:
        """An OCTET STRING's octets."""
        return self.expect(OCTET_STRING).content

    def bits(self, *, whole: bool = True) -> bytes:
        """A BIT STRING's octets, a whole number of them unless the caller takes what is there."""
        content = self.expect(BIT_STRING).content
        if not content or content[0] > 7 or (content[0] and (whole or len(content) == 1)):
            raise malformed("a BIT STRING is not a whole number of octets")
        return content[1:]

    def text(self, tag: int) -> str:
        """A UTF8String, PrintableString or IA5String; of the latter two, UTF-8 is understood."""
        try:
            return self.expect(tag).content.decode()
        except UnicodeDecodeError:
            raise malformed("a string is not text") from None

    def oid(self) -> str:
        """An OBJECT IDENTIFIER in dotted form."""
        content = self.expect(OID).content
        if not 0 < len(content) <= _MAX_OID or content[-1] & 0x80:
            raise malformed("an OBJECT IDENTIFIER is broken")
        return _dotted(content)

    def time(self) -> datetime:
        """A UTCTime or GeneralizedTime, aware, UTC. A time without a zone is refused."""
        if self.tag not in (UTC_TIME, GENERALIZED_TIME):
            raise malformed(f"tag {self.tag:#04x} where a time belongs")
        return parse_time(self.content, generalized=self.tag == GENERALIZED_TIME)

    def members(self) -> list[Element]:
        """The members of a SEQUENCE (or of a constructed context tag), each as received."""
        if not self.tag & 0x20:
            raise malformed("a structure was expected")
        members = list(islice(elements(self.content), MAX_MEMBERS + 1))
        if len(members) > MAX_MEMBERS:
            raise malformed("it has too many parts")
        return members


@lru_cache(maxsize=512)
def _dotted(content: bytes) -> str:
    """The dotted form of an OBJECT IDENTIFIER's octets, which are few and come again."""
    arcs: list[int] = []
    value = 0
    for octet in content:
        value = value << 7 | octet & 0x7F
        if not octet & 0x80:
            arcs.append(value)
            value = 0
    first = min(arcs[0] // 40, 2)
    return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))


def parse_time(content: bytes, *, generalized: bool) -> datetime:
    """The instant that a UTCTime's or GeneralizedTime's octets mean."""
    pattern = _GENERALIZED_TIME if generalized else _UTC_TIME
    found = pattern.fullmatch(content.decode("ascii", errors="replace"))
    if not found:
        raise malformed("a time is not YYYYMMDDHHMMSSZ")
    year = int(found[1])
    if not generalized:
        year += 1900 if year >= _TWO_DIGIT_CENTURY else 2000
    zone: timezone = UTC
    if found[8] != "Z":
        minutes = int(found[8][1:3]) * 60 + int(found[8][3:])
        if minutes >= 24 * 60:
            raise malformed("a time's zone does not exist")
        zone = timezone(timedelta(minutes=-minutes if found[8][0] == "-" else minutes))
    micros = int(found[7][1:].ljust(6, "0")) if found[7] else 0
    month, day, hour, minute, second = (int(found[index] or 0) for index in range(2, 7))
    try:
        at = datetime(year, month, day, hour, minute, second, micros, tzinfo=zone)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise malformed("a time does not exist") from None


def elements(data: bytes) -> Iterator[Element]:
    """Cut a run of TLVs."""
    at, end = 0, len(data)
    while at < end:
        start, tag = at, data[at]
        at += 1
        if tag & 0x1F == 0x1F:
            raise malformed("a tag number is too large")
        if at >= end:
            raise malformed("it is cut short")
        length = data[at]
        at += 1
        if length == _INDEFINITE and tag & 0x20:
            close = _close(data, at)
            yield Element(tag, data[start : close + 2], data[at:close])
            at = close + 2
            continue
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > end:
                raise malformed("a length is too large")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > end:
            raise malformed("it is cut short")
        yield Element(tag, data[start : at + length], data[at : at + length])
        at += length


def _close(data: bytes, at: int) -> int:
    """Where the end-of-contents octets of an indefinite length stand whose contents begin `at`."""
    depth, end = 1, len(data)
    for _ in range(_MAX_SEARCH):
        if at + 2 > end:
            break
        tag, length = data[at], data[at + 1]
        if tag & 0x1F == 0x1F:
            raise malformed("a tag number is too large")
        at += 2
        if tag == length == 0:
            depth -= 1
            if not depth:
                return at - 2
        elif length == _INDEFINITE and tag & 0x20:
            depth += 1
            if depth > _MAX_INDEFINITE:
                raise malformed("it is nested too deep")
        elif length < 0x80:
            at += length
        else:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > end:
                raise malformed("a length is too large")
            at += size + int.from_bytes(data[at : at + size], "big")
    raise malformed("an indefinite length has no end")


def read(data: bytes) -> Element:
    """The one element that `data` is, with nothing after it."""
    run = elements(data)
    first = next(run, None)
    if first is None:
        raise malformed("there is nothing in it")
    if len(first.raw) != len(data):
        raise malformed("there are bytes after the end")
    return first


def children(data: bytes) -> list[Element]:
    """The members of the SEQUENCE that `data` is, each as received."""
    return read(data).expect(SEQUENCE).members()


# --- writing ---------------------------------------------------------------------------------


def tlv(tag: int, content: bytes) -> bytes:
    """One element, in the shortest definite form (X.690 §10.1)."""
    size = len(content)
    if size < 0x80:
        return bytes((tag, size)) + content
    octets = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def sequence(*members: bytes) -> bytes:
    """A SEQUENCE around members that are already encoded."""
    return tlv(SEQUENCE, b"".join(members))


def integer(value: int) -> bytes:
    """An INTEGER."""
    size = (value if value >= 0 else ~value).bit_length() // 8 + 1
    return tlv(INTEGER, value.to_bytes(size, "big", signed=True))


def octets(value: bytes) -> bytes:
    """An OCTET STRING."""
    return tlv(OCTET_STRING, value)


def bits(value: bytes) -> bytes:
    """A BIT STRING of whole octets."""
    return tlv(BIT_STRING, b"\x00" + value)


def text(tag: int, value: str) -> bytes:
    """A UTF8String, or (ASCII only, else `MALFORMED_DER`) an IA5String or PrintableString."""
    try:
        return tlv(tag, value.encode("utf-8" if tag == UTF8_STRING else "ascii"))
    except UnicodeEncodeError:
        raise malformed("a text has characters its field cannot hold") from None


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    arcs = [int(arc) for arc in dotted.split(".")]
    content = b""
    for arc in (arcs[0] * 40 + arcs[1], *arcs[2:]):
        groups = [arc & 0x7F]
        while arc := arc >> 7:
            groups.append(arc & 0x7F | 0x80)
        content += bytes(reversed(groups))
    return tlv(OID, content)


def generalized_time(at: datetime) -> bytes:
    """A GeneralizedTime `YYYYMMDDHHMMSSZ`; parts of a second are dropped."""
    return tlv(GENERALIZED_TIME, written_time(at).encode())


@lru_cache(maxsize=512)
def written_time(at: datetime) -> str:
    """An aware instant as `YYYYMMDDHHMMSSZ`; parts of a second are dropped."""
    # `strftime` takes five times as long.
    utc = at.astimezone(UTC)
    day = f"{utc.year:04}{utc.month:02}{utc.day:02}"
    return f"{day}{utc.hour:02}{utc.minute:02}{utc.second:02}Z"
