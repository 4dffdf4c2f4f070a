"""A strict reader and a small writer of DER, so that what is verified is what was received.

1. `children` slices a structure *without* decoding and re-encoding it: signatures are checked over
   these slices, never over a re-encoding (a verifier that re-encodes accepts what was not signed).
2. Reading a value checks its tag: a wrong type is an error, never a guess.
3. `findings` names every departure from DER (X.690 §10-11) that still has one meaning, so that a
   verifier can report it. Indefinite lengths are refused outright.
4. Work is linear in the input, and nesting is bounded.

Everything raises `InvalidArgument` with reason `MALFORMED_DER`, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import islice

from runtime.errors import InvalidArgument

BOOLEAN, INTEGER, BIT_STRING, OCTET_STRING, OID = 0x01, 0x02, 0x03, 0x04, 0x06
ENUMERATED, NULL = 0x0A, 0x05
UTF8_STRING, PRINTABLE_STRING, IA5_STRING = 0x0C, 0x13, 0x16
UTC_TIME, GENERALIZED_TIME = 0x17, 0x18
SEQUENCE, SET = 0x30, 0x31

_MAX_DEPTH = 32
_MAX_FINDINGS = 20
_MAX_MEMBERS = (
    4096  # of one structure, and 16 times that in all: an element costs 100 times its bytes
)
_MAX_OID = 128
_TIME = re.compile(r"(\d{2}|\d{4})(\d{2})(\d{2})(\d{2})(\d{2})(\d{2})?(\.\d{1,6})?(Z|[+-]\d{4})")
_TWO_DIGIT_CENTURY = 50  # RFC 5280 §4.1.2.5.1: YY >= 50 is 19YY


def malformed(what: str) -> InvalidArgument:
    """The error for bytes that are not the ASN.1 structure they should be."""
    return InvalidArgument(
        f"The data is not well-formed: {what}.",
        reason="MALFORMED_DER",
        message_zh=f"数据编码不合规：{what}。",
    )


@dataclass(frozen=True, slots=True)
class Element:
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
        if not self.expect(INTEGER).content:
            raise malformed("an INTEGER is empty")
        return int.from_bytes(self.content, "big", signed=True)

    def octets(self) -> bytes:
        """An OCTET STRING's octets."""
        return self.expect(OCTET_STRING).content

    def bits(self) -> bytes:
        """A BIT STRING's octets; only whole octets are met in seals."""
        content = self.expect(BIT_STRING).content
        if not content or content[0]:
            raise malformed("a BIT STRING is not a whole number of octets")
        return content[1:]

    def text(self, tag: int) -> str:
        """A UTF8String, PrintableString or IA5String."""
        encoding = "utf-8" if self.expect(tag).tag == UTF8_STRING else "ascii"
        try:
            return self.content.decode(encoding)
        except UnicodeDecodeError:
            raise malformed(f"a string is not {encoding}") from None

    def oid(self) -> str:
        """An OBJECT IDENTIFIER in dotted form."""
        content = self.expect(OID).content
        if not 0 < len(content) <= _MAX_OID or content[-1] & 0x80:
            raise malformed("an OBJECT IDENTIFIER is broken")
        arcs: list[int] = []
        value = 0
        for octet in content:
            value = value << 7 | octet & 0x7F
            if not octet & 0x80:
                arcs.append(value)
                value = 0
        first = min(arcs[0] // 40, 2)
        return ".".join(str(arc) for arc in (first, arcs[0] - 40 * first, *arcs[1:]))

    def time(self) -> datetime:
        """A UTCTime or GeneralizedTime, aware, UTC. A time without a zone is refused."""
        if self.tag not in (UTC_TIME, GENERALIZED_TIME):
            raise malformed(f"tag {self.tag:#04x} where a time belongs")
        return parse_time(self.content, generalized=self.tag == GENERALIZED_TIME)

    def members(self) -> list[Element]:
        """The members of a SEQUENCE (or of a constructed context tag), each as received."""
        if not self.tag & 0x20:
            raise malformed("a structure was expected")
        members = list(islice(elements(self.content), _MAX_MEMBERS + 1))
        if len(members) > _MAX_MEMBERS:
            raise malformed("it has too many parts")
        return members


def parse_time(content: bytes, *, generalized: bool) -> datetime:
    """The instant that a UTCTime's or GeneralizedTime's octets mean."""
    found = _TIME.fullmatch(content.decode("ascii", errors="replace"))
    if not found or (len(found[1]) == 4) != generalized:
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
        if length >= 0x80:
            size = length & 0x7F
            if not 1 <= size <= 4 or at + size > end:
                raise malformed("a length is indefinite or too large")
            length = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + length > end:
            raise malformed("it is cut short")
        yield Element(tag, data[start : at + length], data[at : at + length])
        at += length


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
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


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
    return tlv(
        GENERALIZED_TIME, at.astimezone(UTC).strftime("%Y%m%d%H%M%SZ").rjust(15, "0").encode()
    )


# --- canonical form --------------------------------------------------------------------------


def findings(data: bytes, *, apart_from: str = "") -> tuple[str, ...]:
    """How `data` departs from DER, each with its path; () when it is canonical.

    Does not judge order or presence (the reader's work), nor what OCTET STRINGs hold; nor the
    element at the path `apart_from` (`/0/1`: the second member of the first), judged elsewhere.
    """
    found: list[str] = []
    waiting = [(read(data), "", 0)]
    for _ in range(16 * _MAX_MEMBERS):
        if not waiting or len(found) >= _MAX_FINDINGS:
            return tuple(found)
        element, path, depth = waiting.pop()
        if path and path == apart_from:
            continue
        found += _departures(element, path or "/")
        if element.tag & 0x20:
            if depth == _MAX_DEPTH:
                raise malformed("it is nested too deep")
            below = [(one, f"{path}/{at}", depth + 1) for at, one in enumerate(element.members())]
            waiting += reversed(below)
    raise malformed("it has too many parts")


def _departures(element: Element, path: str) -> list[str]:
    """What one element does that DER forbids."""
    found = []
    if len(element.raw) != _shortest(len(element.content)):
        found.append(f"{path}: the length is not in its shortest form")
    departure = _departure(element) if element.tag < 0x40 else ""
    if departure:
        found.append(f"{path}: {departure}")
    return found


def _shortest(size: int) -> int:
    """Octets of an element with `size` octets of content (X.690 §10.1)."""
    return size + (2 if size < 0x80 else 2 + (size.bit_length() + 7) // 8)


def _departure(element: Element) -> str:
    """What one universal value does that DER forbids, or ''."""
    tag, content = element.tag, element.content
    # EXTERNAL, EMBEDDED PDV, SEQUENCE and SET are constructed, all else primitive.
    if bool(tag & 0x20) != (tag & 0x1F in (0x08, 0x0B, 0x10, 0x11)):
        return "primitive and constructed form are confused"
    if tag == BOOLEAN and content not in (b"\x00", b"\xff"):
        return "a BOOLEAN is neither 00 nor FF"
    if tag in (INTEGER, ENUMERATED) and not _is_shortest(content):
        return "an INTEGER is not in its shortest form"
    if tag == NULL and content:
        return "a NULL has content"
    if tag == UTC_TIME and not re.fullmatch(rb"\d{12}Z", content):
        return "a UTCTime is not YYMMDDHHMMSSZ"
    if tag == GENERALIZED_TIME and not re.fullmatch(rb"\d{14}Z", content):
        return "a GeneralizedTime is not YYYYMMDDHHMMSSZ"
    return ""


def _is_shortest(content: bytes) -> bool:
    """X.690 §8.3.2: the first nine bits are not all equal."""
    if len(content) < 2:
        return bool(content)
    return not (content[0] in (0x00, 0xFF) and (content[0] & 0x80) == (content[1] & 0x80))
