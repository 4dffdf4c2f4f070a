"""The objects of a PDF, read at once where they are written plainly; otherwise by the library.

The library reads a file octet by octet, which is most of what a verification would cost. What is
read here is read to the very objects that it makes, of a part of the grammar in which there is no
choice (ISO 32000-2 §7.3): no comments, no names with escapes, numbers of a usual length, a space
between the words of a reference, a stream that ends where its `/Length` says. Whatever else there
is, be it wrong or only unusual, is left to the library: it alone decides what is refused.
"""

# The PDF library publishes no types.
# mypy: disable-error-code="no-untyped-call,misc"

from __future__ import annotations

import re
from io import BytesIO
from typing import Any, Final

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.decode_limits import DecodeLimits
from pyhanko.pdf_utils.misc import PdfReadError
from pyhanko.pdf_utils.reader import PdfFileReader

_S: Final = rb"[\x00\t\n\f\r ]"
_END: Final = rb"(?=[\x00\t\n\f\r ()<>\[\]{}/%])"
_HEAD: Final = re.compile(rb"(\d{1,10}+)[\t\n\r ](\d{1,5}+)[\t\n\r ]obj(?=" + _S + rb"|<|\[)")
_TOKEN: Final = re.compile(
    _S + rb"*+(?:"
    rb"(/[!\"$&-'*-.0-;=?-Z\\^-z|~]*+)" + _END  # 1: a name
    + rb"|(\d{1,7}+)[\t\n\f\r ](\d{1,5}+)[\t\n\f\r ]R" + _END  # 2 and 3: a reference
    + rb"|([+-]?\d{1,10}+)" + _END  # 4: an integer
    + rb"|([+-]?(?:\d{1,10}+\.\d{0,10}+|\.\d{1,10}+))" + _END  # 5: a real number
    + rb"|(<<|\[)"  # 6
    rb"|(>>|\])"  # 7
    rb"|<([0-9A-Fa-f]*+)>"  # 8: a string
    rb"|\(([^()\\]*+)\)"  # 9: a string
    rb"|(\()"  # 10: a string that is not so simple
    rb"|(true|false|null)" + _END  # 11
    + rb")"
)  # fmt: skip
_NAME, _REFERENCE, _INTEGER, _REAL, _OPENED, _ENDED, _HEX, _TEXT, _STRING = (
    1,
    3,
    4,
    5,
    6,
    7,
    8,
    9,
    10,
)
_BODY: Final = re.compile(_S + rb"*+stream\r?\n")
_BODY_CLOSED: Final = re.compile(_S + rb"*+endstream")
# The library looks for what comes after.
_CLOSED: Final = re.compile(_S + rb"*+endobj" + _S + rb"*+[^\x00\t\n\f\r %]")
_DEEPEST: Final = 64
# The library reads a file's end backwards, an octet at a time, however long a line or its breaks.
_ENDING: Final = re.compile(rb"[^\r\n][\r\n]{1,8}startxref[ \t]*[\r\n]+[ \t]*\d+[ \t]*[\r\n]+%%EOF")
_ENDING_BYTES: Final = 2048
_ARRAY: Final = generic.ArrayObject
_NUMBER: Final = generic.NumberObject
_integer: Final = int.__new__


def check_ending(data: bytes) -> None:
    """Refuse a file that does not end as files do. Raises PdfReadError."""
    if not _ENDING.search(data, max(0, len(data) - _ENDING_BYTES)):
        raise PdfReadError("no startxref and %%EOF at its end")


class PlainReader(PdfFileReader):
    """The library's reader, of octets that are all there; without limits given, with its own."""

    def __init__(self, data: bytes, *, decode_limits: DecodeLimits | None = None) -> None:
        self._data = data
        self._is_encrypted: bool | None = None
        super().__init__(BytesIO(data), strict=True, decode_limits=decode_limits)

    def _read_object(
        self,
        ref: Any,
        marker: Any,
        never_decrypt: bool = False,
        as_metadata_stream: bool = False,
    ) -> Any:
        if isinstance(marker, int) and not (never_decrypt or as_metadata_stream):
            if self._is_encrypted is None:
                self._is_encrypted = bool(self.encrypted)
            if not self._is_encrypted:
                found = self.plain(marker, ref.idnum, ref.generation)
                if found is not None:
                    return found
        return super()._read_object(ref, marker, never_decrypt, as_metadata_stream)

    def plain(self, offset: int, number: int, generation: int) -> Any:
        """The object of that number there; None where the library has to look."""
        data = self._data
        head = _HEAD.match(data, offset)
        if head is None or (int(head[1]), int(head[2])) != (number, generation):
            return None
        read = self._value(head.end(), generic.Reference(number, generation, self))
        if read is None:
            return None
        found, at = read
        if isinstance(found, generic.DictionaryObject) and (body := _BODY.match(data, at)):
            read = self._stream(found, body.end())
            if read is None:
                return None
            found, at = read
        return found if _CLOSED.match(data, at) else None

    def _stream(self, held: Any, begin: int) -> tuple[Any, int] | None:
        """A stream whose dictionary that is, and where it ends."""
        length = dict.get(held, "/Length")
        if isinstance(length, generic.IndirectObject):
            length = self.get_object(length)
        if not isinstance(length, generic.NumberObject) or length < 0:
            return None
        closed = _BODY_CLOSED.match(self._data, begin + length)
        if closed is None:
            return None
        found = generic.StreamObject(held, encoded_data=self._data[begin : begin + length])
        found.container_ref = held.container_ref
        return found, closed.end()

    def _value(self, at: int, ref: Any) -> tuple[Any, int] | None:
        """What is written there, and where it ends."""
        data, match = self._data, _TOKEN.match
        above: list[tuple[Any, Any]] = []
        inside: Any = None  # an array, or the entries of a dictionary
        key: Any = None
        while True:
            token = match(data, at)
            if token is None or len(above) > _DEEPEST:
                return None
            at, kind = token.end(), token.lastindex
            if kind == _OPENED:
                above.append((inside, key))
                inside, key = {} if token[kind] == b"<<" else _ARRAY(), None
                continue
            if kind == _ENDED:
                value = _ended(token[kind], inside, key)
                inside, key = above.pop() if above else (None, None)
            elif kind == _STRING:
                value, at = self._string(at - 1)
            else:
                value = self._simple(token)
            if value is None:
                return None
            if inside is None:
                value.container_ref = ref
                return value, at
            if type(inside) is _ARRAY:
                inside.append(value)
            elif key is None:
                if kind != _NAME:
                    return None
                key = value  # of which the library notes no place
                continue
            elif key in inside:
                return None
            else:
                inside[key] = value
                key = None
            value.container_ref = ref

    def _string(self, at: int) -> tuple[Any, int]:
        """A string with brackets or escapes, as the library reads it; and where it ends."""
        self.stream.seek(at)
        try:
            return generic.read_string_from_stream(self.stream), self.stream.tell()
        except Exception:  # noqa: BLE001  (the library raises anything on hostile bytes)
            return None, at

    def _simple(self, token: re.Match[bytes]) -> Any:
        """What has no parts; None for a reference to nothing."""
        kind = token.lastindex or 0
        written = token[kind]
        if kind == _NAME:
            return generic.NameObject(written.decode("ascii"))
        if kind == _INTEGER:
            return _integer(_NUMBER, written)
        if kind == _REFERENCE:
            number = int(token[2])
            return generic.IndirectObject(number, int(written), self) if number else None
        if kind == _REAL:
            return generic.FloatObject(written.decode("ascii"))
        if kind == _TEXT:
            return generic.pdf_string(written)
        if kind == _HEX:
            return generic.pdf_string(bytes.fromhex((written + b"0" * (len(written) % 2)).decode()))
        return (
            generic.NullObject()
            if written == b"null"
            else generic.BooleanObject(written == b"true")
        )


def _ended(mark: bytes, inside: Any, key: Any) -> Any:
    """The dictionary or array that ends there; None where none does."""
    if key is not None:
        return None
    if mark == b">>":
        return generic.DictionaryObject(inside) if type(inside) is dict else None
    return inside if type(inside) is _ARRAY else None
