"""What a page refuses, in the words of who ordered the license: by field of the order, not by slot.

Of characters that no font has, all are named by their code points, field by field: who corrects a
name is not sent back once for each.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from licenses.metadata import PageValue, order_field
from licenses.pages import fallback
from licenses.pages.sources import serif
from licenses.types.model import LicenseType
from runtime.errors import FieldViolation, InvalidArgument

#: The mark of a license made from a paper one, which holds that one's number.
MARK = "mark"
_NAMED = 50
#: What has no shape of its own, and is drawn with its neighbours or not at all.
_SHAPELESS = frozenset({"Cf", "Mn", "Me", "Mc", "Zs"})


def in_words_of_the_order(
    error: InvalidArgument, kind: LicenseType, values: Mapping[str, PageValue], mark: str
) -> InvalidArgument:
    """The same refusal by the fields of the order."""
    if error.reason == "GLYPH_MISSING":
        texts = {MARK: mark, **values}
        found = {
            _field(slot, kind): points for slot, text in texts.items() if (points := _missing(text))
        }
        if found:
            return _no_glyphs(found)
    slot = error.metadata.get("field", "")
    if not slot:
        return error
    key = _field(slot, kind)
    word = re.compile(rf"\b{re.escape(slot)}\b")
    # A selector that no font follows has no glyph to miss, and is named all the same.
    point = error.metadata.get("code_point") if error.reason == "GLYPH_MISSING" else ""
    told = InvalidArgument(
        word.sub(key, error.message, count=1),
        reason=error.reason,
        message_zh=word.sub(key, error.message_zh, count=1),
        violations=[FieldViolation(key, f"no glyph for {point}" if point else error.reason)],
    )
    told.metadata.update(error.metadata, field=key)
    return told


def _field(slot: str, kind: LicenseType) -> str:
    return "paper.number" if slot == MARK else order_field(kind.slots.get(slot, slot))


def _missing(value: PageValue) -> list[str]:
    """Code points of the characters of a value that no font draws, in their order."""
    return [
        f"U+{ord(one):04X}"
        for one in dict.fromkeys("".join(_texts(value)))
        if unicodedata.category(one) not in _SHAPELESS
        and fallback.find(ord(one)) is None
        and serif().glyph(ord(one)) is None
    ]


def _texts(value: PageValue) -> Iterable[str]:
    if isinstance(value, str):
        return [value]
    if isinstance(value, bytes):
        return []
    return [text for row in value for text in row]


def _no_glyphs(found: Mapping[str, list[str]]) -> InvalidArgument:
    points = list(dict.fromkeys(point for each in found.values() for point in each))[:_NAMED]
    told = "; ".join(f"{field}: {', '.join(each[:_NAMED])}" for field, each in found.items())
    return InvalidArgument(
        f"{told}: no font here has a glyph for these; use other characters for them, or have the "
        "operator add a font that has them",
        reason="GLYPH_MISSING",
        message_zh=f"字库中没有以下字符的字形（{told}），请改用其他字符，或请运维人员添加含这些字形的字体",
        violations=[
            FieldViolation(field, f"no glyph for {', '.join(each[:_NAMED])}")
            for field, each in found.items()
        ],
        field=next(iter(found)),
        code_point=points[0],
        code_points=" ".join(points),
    )
