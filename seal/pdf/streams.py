"""What a stream of a PDF holds, when nothing may be hidden in it."""

from __future__ import annotations

import zlib
from typing import Any, Final

from pyhanko.pdf_utils import generic

from seal.pdf.entries import entry
from seal.pdf.refused import UpdateRefused

STREAM_KEYS: Final = frozenset(["/Type", "/Subtype", "/Length", "/Filter"])
_LARGEST: Final = 32 * 1024 * 1024
_STEP: Final = 1024 * 1024


def inflated(stream: Any) -> bytes:
    """What a stream holds; nothing may stand after it. Raises UpdateRefused."""
    data, kind = bytes(stream.encoded_data), entry(stream, "/Filter")
    if kind is None:
        return data
    names = list(kind) if isinstance(kind, generic.ArrayObject) else [kind]
    if names != ["/FlateDecode"]:
        raise UpdateRefused("a stream is packed in an unusual way", "数据流的压缩方式不被支持")
    inflater = zlib.decompressobj()
    held = inflater.decompress(data, _LARGEST)
    if not inflater.eof or inflater.unused_data.strip(b"\r\n"):
        raise UpdateRefused("a stream holds more than it shows", "数据流中有多余内容")
    return held


def ends_itself(packed: bytes) -> bool:
    """Whether the end of packed octets is in themselves, so that whatever follows adds nothing."""
    inflater, left, rest = zlib.decompressobj(), _LARGEST, packed
    try:
        while left > 0 and rest and not inflater.eof:
            left -= len(inflater.decompress(rest, _STEP))
            rest = inflater.unconsumed_tail
    except zlib.error:
        return False
    return inflater.eof
