"""The little of DER (X.690) that an envelope needs: definite lengths, one-byte tags."""

from __future__ import annotations

from collections.abc import Iterator

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
_LONG = 0x80


def tlv(tag: int, *parts: bytes) -> bytes:
    """One element; its content is what the parts make together."""
    return head(tag, sum(map(len, parts))) + b"".join(parts)


def head(tag: int, size: int) -> bytes:
    """Tag and length of an element whose content has `size` bytes."""
    if size < _LONG:
        return bytes((tag, size))
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes((tag, _LONG | len(length))) + length


def integer(value: int) -> bytes:
    """A non-negative INTEGER."""
    return tlv(INTEGER, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted: str) -> bytes:
    """An OBJECT IDENTIFIER."""
    first, second, *rest = map(int, dotted.split("."))
    content = b""
    for arc in (first * 40 + second, *rest):
        piece = bytes((arc & 0x7F,))
        while arc := arc >> 7:
            piece = bytes((_LONG | (arc & 0x7F),)) + piece
        content += piece
    return tlv(OID, content)


def sequence(*parts: bytes) -> bytes:
    """A SEQUENCE."""
    return tlv(SEQUENCE, *parts)


def read(data: memoryview) -> tuple[int, memoryview, memoryview]:
    """Tag, content and what follows of the first element. Raises ValueError."""
    if len(data) < 2 or data[0] & 0x1F == 0x1F:
        raise ValueError("not an element")
    tag, size, start = data[0], data[1], 2
    if size >= _LONG:
        start += size - _LONG
        size = int.from_bytes(data[2:start], "big")
        if not 3 <= start <= 6 or len(data) < start:
            raise ValueError("not a definite length")
    if len(data) < start + size:
        raise ValueError("ends too early")
    return tag, data[start : start + size], data[start + size :]


def elements(content: memoryview) -> Iterator[tuple[int, memoryview]]:
    """Tag and content of each element. Raises ValueError."""
    while content:
        tag, inner, content = read(content)
        yield tag, inner
