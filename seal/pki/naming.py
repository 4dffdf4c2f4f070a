"""Distinguished names compared as RFC 5280 §7.1 asks: by what they say, not by their octets.

An authority may write its own name in one kind of string and its children's issuer in another. A
name only finds candidates: whose key signed decides, here as everywhere.
"""

from __future__ import annotations

import hashlib
import unicodedata
from functools import lru_cache
from typing import Final

from runtime.errors import InvalidArgument
from seal import der

_STRINGS: Final = {
    0x0C: "utf-8",  # UTF8String
    0x12: "ascii",  # NumericString
    0x13: "ascii",  # PrintableString
    0x16: "ascii",  # IA5String
    0x1C: "utf-32-be",  # UniversalString
    0x1E: "utf-16-be",  # BMPString
}


@lru_cache(maxsize=512)
def name_key(name: bytes) -> bytes:
    """The same for DER Names that say the same; of what is no name, its own. Never raises."""
    try:
        told = der.sequence(*(_relative(one) for one in der.children(name)))
    except InvalidArgument:
        told = name
    return hashlib.sha256(told).digest()


def _relative(one: der.Element) -> bytes:
    """RelativeDistinguishedName: a SET, whose order says nothing."""
    return der.sequence(*sorted(_pair(pair) for pair in one.expect(der.SET).members()))


def _pair(pair: der.Element) -> bytes:
    members = pair.expect(der.SEQUENCE).members()
    if len(members) != 2:
        raise der.malformed("an attribute of a name has not two members")
    kind, value = members
    return der.sequence(kind.raw, _folded(value))


def _folded(value: der.Element) -> bytes:
    """A string without regard to its kind, case, form and runs of spaces; anything else as it is.

    RFC 4518 §2, by what Unicode calls compatible.
    """
    word = _STRINGS.get(value.tag)
    if word is None:
        return value.raw
    try:
        text = value.content.decode(word)
    except UnicodeDecodeError:
        return value.raw
    text = unicodedata.normalize("NFKC", text).casefold()
    return der.octets(" ".join(unicodedata.normalize("NFKC", text).split()).encode())
