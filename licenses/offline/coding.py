"""From a signed CWT to the text of a QR code and back: zlib, then base45 (RFC 9285)."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from typing import Final

from licenses.offline.model import (
    PREFIX,
    Asked,
    Cached,
    OfflineCode,
    OfflineOutcome,
    claims_of,
    code_of,
    decide,
    refused,
)
from licenses.offline.reasons import Reason
from licenses.presenting_keys import PresentingKeys, TrustedKey
from licenses.tokens import FOREIGN, WRONG, TokenError, read_cwt, write_cwt
from runtime.errors import InvalidArgument

_ALPHABET: Final = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
#: What a character stands for, by its code; everything else stands for `_NO_VALUE`.
_NO_VALUE: Final = 255
_VALUES: Final = bytes(
    _ALPHABET.index(chr(code)) if chr(code) in _ALPHABET else _NO_VALUE for code in range(256)
)
#: Of a QR code 40-Q in alphanumeric mode (ISO/IEC 18004, table 7).
MOST_CHARACTERS: Final = 2420
_MOST_BYTES: Final = 32 * 1024


def base45(data: bytes) -> str:
    """RFC 9285 §4."""
    found = []
    for at in range(0, len(data) - 1, 2):
        rest, first = divmod(data[at] << 8 | data[at + 1], 45)
        third, second = divmod(rest, 45)
        found.append(_ALPHABET[first] + _ALPHABET[second] + _ALPHABET[third])
    if len(data) % 2:
        second, first = divmod(data[-1], 45)
        found.append(_ALPHABET[first] + _ALPHABET[second])
    return "".join(found)


def from_base45(text: str) -> bytes:
    """RFC 9285 §4. Raises TokenError."""
    values = text.encode("ascii", "replace").translate(_VALUES)
    last = len(values) % 3
    whole = values[: len(values) - last]
    if last == 1 or _NO_VALUE in values:
        raise TokenError("TOKEN_UNREADABLE")
    numbers = [
        first + 45 * second + 2025 * third
        for first, second, third in zip(whole[::3], whole[1::3], whole[2::3], strict=True)
    ]
    rest = [values[-2] + 45 * values[-1]] if last else []
    if max(numbers, default=0) > 0xFFFF or max(rest, default=0) > 0xFF:
        raise TokenError("TOKEN_UNREADABLE")
    return struct.pack(f">{len(numbers)}H", *numbers) + bytes(rest)


def write_code(code: OfflineCode, keys: PresentingKeys) -> str:
    """The text of the QR code. Raises InvalidArgument, QR_TOO_LONG."""
    text = PREFIX + base45(zlib.compress(write_cwt(claims_of(code), keys), 9))
    if len(text) > MOST_CHARACTERS:
        raise InvalidArgument(
            f"the chosen fields need {len(text)} characters, and a QR code of level Q has "
            f"{MOST_CHARACTERS}: choose fewer, or present by a code",
            reason="QR_TOO_LONG",
            message_zh=f"所选字段需 {len(text)} 个字符，超出二维码（Q 级）的 {MOST_CHARACTERS} 个："
            "请少选字段，或改用在线亮证码",
        )
    return text


def read_code(text: str, trusted: Mapping[bytes, TrustedKey]) -> OfflineCode:
    """What a code says, if a trusted key signed it.

    Raises TokenError: TOKEN_UNREADABLE, FOREIGN_KEY, SIGNATURE_WRONG.
    """
    if len(text) > 2 * MOST_CHARACTERS or not text.startswith(PREFIX):
        raise TokenError("TOKEN_UNREADABLE")
    reading = zlib.decompressobj()
    try:
        data = reading.decompress(from_base45(text.removeprefix(PREFIX)), _MOST_BYTES)
    except zlib.error:
        raise TokenError("TOKEN_UNREADABLE") from None
    if not reading.eof or reading.unused_data:
        raise TokenError("TOKEN_UNREADABLE")
    read = read_cwt(data, trusted)
    code = code_of(read.claims)
    if not read.key.valid_from <= code.issued_at < read.key.valid_to:
        raise TokenError(FOREIGN)  # a key that was over signs nothing
    if read.key.issuer not in ("", code.issuer):
        raise TokenError(FOREIGN)  # it speaks for its own node
    return code


def assess_code(
    text: str, trusted: Mapping[bytes, TrustedKey], cached: Cached, asked: Asked
) -> OfflineOutcome:
    """Judge the text of a QR code, from what is kept alone. Never raises on what it holds."""
    try:
        code = read_code(text.strip(), trusted)
    except TokenError as error:
        named = {FOREIGN: Reason.FOREIGN_KEY, WRONG: Reason.SIGNATURE_WRONG}
        return refused(named.get(error.reason, Reason.QR_UNREADABLE))
    return decide(code, cached, asked)
