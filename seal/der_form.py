"""How a structure departs from DER (X.690 §10-11), by names that programs may branch on.

1. Every departure has a name, a path and one sentence in each language; "/0/1" is the second member
   of the first.
2. Order, presence and types are the reader's to judge (`seal.ses.read`), and so is what OCTET
   STRINGs hold; what the reader finds is named here too.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from seal import der
from seal.der import Element

_MAX_DEPTH: Final = 32
_MAX_FINDINGS: Final = 20
_QUICK_BYTES: Final = 32 * der.MAX_MEMBERS  # of which no more parts are made than may be
_OF_PARTS: Final = frozenset({der.SEQUENCE, der.SET})
_CONSTRUCTED: Final = frozenset({0x08, 0x0B, 0x10, 0x11})
"""EXTERNAL, EMBEDDED PDV, SEQUENCE and SET are constructed, all else primitive."""
_PRINTABLE: Final = re.compile(rb"[A-Za-z0-9 '()+,\-./:=?]*")
_PADDED_ARC: Final = re.compile(rb"(?:\A|[\x00-\x7f])\x80")
_UTC_TIME: Final = re.compile(rb"[0-9]{12}Z")
_GENERALIZED_TIME: Final = re.compile(rb"[0-9]{14}Z")

_TOLD: Final = {
    "LENGTH_INDEFINITE": ("the length is indefinite", "长度为不定长形式"),
    "LENGTH_NOT_SHORTEST": ("the length is not in its shortest form", "长度未用最短形式"),
    "FORM_CONFUSED": ("primitive and constructed form are confused", "基本形式与构造形式混淆"),
    "BOOLEAN_NOT_00_FF": ("a BOOLEAN is neither 00 nor FF", "布尔值既非 00 也非 FF"),
    "INTEGER_NOT_SHORTEST": ("an INTEGER is not in its shortest form", "整数未用最短形式"),
    "NULL_NOT_EMPTY": ("a NULL has content", "NULL 含有内容"),
    "OID_PADDED": ("an OBJECT IDENTIFIER is padded", "对象标识符带有填充"),
    "BITS_UNUSED": ("a BIT STRING is not a whole number of octets", "位串不是整数个字节"),
    "STRING_ALPHABET": (
        "a string has characters that its type does not",
        "字符串含有其类型之外的字符",
    ),
    "SET_UNSORTED": ("a SET is not sorted", "集合未排序"),
    "TIME_FRACTION": ("a time has a fraction of a second", "时间带有小数秒"),
    "TIME_FORM": ("a time is not (YY)YYMMDDHHMMSSZ", "时间格式不是 (YY)YYMMDDHHMMSSZ"),
    "TIME_TYPE": ("UTCTime and GeneralizedTime are confused", "UTCTime 与 GeneralizedTime 混用"),
    "DEFAULT_WRITTEN": ("a default value is written out", "写出了默认值"),
    "EXTENSION_TWICE": ("an extension stands twice", "扩展项重复"),
    "SIGNATURE_BARE": (
        "the signature is r and s side by side, not SEQ{r, s} (GB/T 35276)",
        "签名值为 r、s 直接拼接，不是 GB/T 35276 规定的 SEQ{r, s}",
    ),
    "VERSIONS_DIFFER": ("the signature's version is not its seal's", "签章版本与印章版本不一致"),
    "PROTECTED_RANGE_MISSING": (
        "propertyInfo does not say what is protected",
        "原文属性未说明保护范围",
    ),
}
NAMES: Final = frozenset(_TOLD)


@dataclass(frozen=True, slots=True)
class Finding:
    """One departure; `name` is of `NAMES`."""

    name: str
    path: str

    @property
    def detail(self) -> str:
        """One sentence, English."""
        return _TOLD[self.name][0]

    @property
    def detail_zh(self) -> str:
        """One sentence, Chinese."""
        return _TOLD[self.name][1]

    def __str__(self) -> str:
        return f"{self.path}: {self.detail}"


def findings(data: bytes, *, apart_from: str = "") -> tuple[Finding, ...]:
    """How `data` departs from DER; () when it is canonical. At most 20, the first ones.

    Leaves out the element at the path `apart_from`, judged elsewhere. Raises `InvalidArgument`
    (`MALFORMED_DER`) for what is nested too deep, or has too many parts.
    """
    if len(data) <= _QUICK_BYTES and _is_der(data, 0, len(data), apart_from):
        return ()
    found: list[Finding] = []
    waiting = [(der.read(data), "", 0)]
    for _ in range(16 * der.MAX_MEMBERS):
        if not waiting or len(found) >= _MAX_FINDINGS:
            return tuple(found)
        element, path, depth = waiting.pop()
        if path and path == apart_from:
            continue
        members = element.members() if element.tag & 0x20 else []
        names = _departures(element, members)
        if names:
            found += [Finding(name, path or "/") for name in names]
        if not members:
            continue
        if depth == _MAX_DEPTH:
            raise der.malformed("it is nested too deep")
        below = [(one, f"{path}/{at}", depth + 1) for at, one in enumerate(members)]
        waiting += reversed(below)
    raise der.malformed("it has too many parts")


def _is_der(
    data: bytes, at: int, end: int, apart_from: str, path: str = "", depth: int = 0,
    of: int | None = None,
) -> bool:  # fmt: skip
    """Whether a run of TLVs surely departs in nothing: it nearly always does.

    No element is made, which is what finding departures costs. A SET `of` one is sorted.
    """
    if depth > _MAX_DEPTH:
        return False
    most, count = 1 if of in (None, der.SET) else der.MAX_MEMBERS, 0
    while at < end:
        if at + 2 > end or count == most:
            return False
        tag, length, at = data[at], data[at + 1], at + 2
        if length >= 0x80:
            size = length & 0x7F
            length = int.from_bytes(data[at : at + size], "big")
            at += size
            if not 1 <= size <= 4 or length < 0x80 or length >> (8 * size - 8) == 0:
                return False
        after = at + length
        if after > end or tag & 0x1F == 0x1F or (tag & 0xE0 == 0x20 and tag not in _OF_PARTS):
            return False
        if tag & 0x20:
            here = f"{path}/{count}" if depth else ""
            is_apart = here == apart_from != ""
            if not is_apart and not _is_der(data, at, after, apart_from, here, depth + 1, tag):
                return False
        elif tag < 0x40 and (
            tag in _CONSTRUCTED or (tag in _RULES and _RULES[tag](data[at:after]))
        ):
            return False
        at = after
        count += 1
    return count == 1 or of is not None


def _departures(element: Element, members: list[Element]) -> list[str]:
    """What one element does that DER forbids."""
    found = []
    tag, raw, content = element
    if raw[1] == 0x80:
        found.append("LENGTH_INDEFINITE")
    elif len(raw) != _shortest(len(content)):
        found.append("LENGTH_NOT_SHORTEST")
    if tag < 0x40:
        if bool(tag & 0x20) != (tag & 0x1F in _CONSTRUCTED):
            found.append("FORM_CONFUSED")
        elif tag == der.SET and not _is_sorted(members):
            found.append("SET_UNSORTED")
        elif (rule := _RULES.get(tag)) and (name := rule(content)):
            found.append(name)
    return found


def _shortest(size: int) -> int:
    """Octets of an element with `size` octets of content (X.690 §10.1)."""
    return size + (2 if size < 0x80 else 2 + (size.bit_length() + 7) // 8)


def _is_sorted(members: list[Element]) -> bool:
    """As a SET OF by encodings (X.690 §11.6), or as a SET by tags (§10.3)."""
    encodings = [one.raw for one in members]
    tags = [one.tag & ~0x20 for one in members]
    return encodings == sorted(encodings) or tags == sorted(set(tags))


def _time_departure(content: bytes, form: re.Pattern[bytes]) -> str:
    if form.fullmatch(content):
        return ""
    return "TIME_FRACTION" if b"." in content else "TIME_FORM"


def _is_shortest(content: bytes) -> bool:
    """X.690 §8.3.2: the first nine bits are not all equal."""
    if len(content) < 2:
        return bool(content)
    return not (content[0] in (0x00, 0xFF) and (content[0] & 0x80) == (content[1] & 0x80))


def _is_padded(content: bytes) -> bool:
    """X.690 §8.19.2: no arc begins with the octet 80."""
    return b"\x80" in content and _PADDED_ARC.search(content) is not None


def _unless(name: str, is_good: Callable[[bytes], object]) -> Callable[[bytes], str]:
    return lambda content: "" if is_good(content) else name


_RULES: Final[dict[int, Callable[[bytes], str]]] = {
    der.BOOLEAN: _unless("BOOLEAN_NOT_00_FF", (b"\x00", b"\xff").__contains__),
    der.INTEGER: _unless("INTEGER_NOT_SHORTEST", _is_shortest),
    der.ENUMERATED: _unless("INTEGER_NOT_SHORTEST", _is_shortest),
    der.NULL: _unless("NULL_NOT_EMPTY", lambda content: not content),
    der.OID: _unless("OID_PADDED", lambda content: not _is_padded(content)),
    der.BIT_STRING: _unless("BITS_UNUSED", lambda content: content[:1] == b"\x00"),
    der.PRINTABLE_STRING: _unless("STRING_ALPHABET", _PRINTABLE.fullmatch),
    der.IA5_STRING: _unless("STRING_ALPHABET", bytes.isascii),
    der.UTC_TIME: lambda content: _time_departure(content, _UTC_TIME),
    der.GENERALIZED_TIME: lambda content: _time_departure(content, _GENERALIZED_TIME),
}
"""What DER forbids a value of that tag: the name of the departure, or ''."""
