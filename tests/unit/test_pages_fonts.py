"""Faces: what they have, what they refuse, and the files they make."""

from __future__ import annotations

from io import BytesIO
from typing import Any

import pytest
from fontTools.ttLib import TTFont

from licenses.pages.fonts import face
from licenses.pages.truetype import STEP, UNITS_PER_EM
from runtime.errors import InvalidArgument

TEXT = "就业创业登记证·示范县 ABCxyz0189\u3000龘\U00020bb7"


@pytest.mark.parametrize("name", ["regular", "bold"])
def test_subset_is_a_whole_font(name: str) -> None:
    subset = face(name).subset(frozenset(TEXT))
    opened: Any = TTFont
    font = opened(BytesIO(subset.data), checkChecksums=2)
    for tag in font.keys():  # noqa: SIM118 - a TTFont is no mapping
        assert font[tag] is not None
    cmap = font.getBestCmap()
    assert set(map(ord, TEXT)) == set(cmap)
    for character, glyph in subset.glyphs.items():
        assert font.getGlyphID(cmap[ord(character)]) == glyph
        assert font["hmtx"][cmap[ord(character)]][0] * STEP == subset.advances[glyph]
        assert font["head"].unitsPerEm == UNITS_PER_EM
    assert font["maxp"].numGlyphs == len(set(TEXT)) + 1
    assert "glyf" in font
    assert not subset.cff


def test_same_characters_give_same_bytes() -> None:
    one = face("regular").subset(frozenset("甲乙丙"))
    other = face("regular").subset(frozenset("丙乙甲"))
    assert one.data == other.data
    assert one.name == other.name


def test_bold_is_heavier_and_as_wide() -> None:
    opened: Any = TTFont
    boxes = {}
    for name in ("regular", "bold"):
        font = opened(BytesIO(face(name).subset(frozenset("一")).data))
        glyph = font["glyf"][font.getBestCmap()[ord("一")]]
        boxes[name] = glyph.yMax - glyph.yMin
    assert boxes["bold"] > boxes["regular"] + 20 / STEP
    assert face("bold").advance("一") == face("regular").advance("一") == 1.0


@pytest.mark.parametrize("character", ["\U0010fffd", "\ue000", "\x07", "\U0001f600"])
def test_missing_glyph_is_named(character: str) -> None:
    for act in (face("regular").advance, lambda c: face("regular").subset(frozenset(c))):
        with pytest.raises(InvalidArgument) as caught:
            act(character)
        assert caught.value.reason == "GLYPH_MISSING"
        assert f"U+{ord(character):04X}" in caught.value.message


def test_unknown_face_is_refused() -> None:
    with pytest.raises(InvalidArgument, match="no face is called"):
        face("italic")


def test_font_file_of_a_document_keeps_its_bytes() -> None:
    data = face("regular").subset(frozenset("甲乙")).data
    embedded = face("anything", data)
    subset = embedded.subset(frozenset("乙"))
    assert subset.data == data
    assert embedded.advance("甲") == 1.0
    with pytest.raises(InvalidArgument, match=r"U\+4E19"):
        embedded.advance("丙")


def test_broken_font_file_is_refused() -> None:
    with pytest.raises(InvalidArgument) as caught:
        face("broken", b"\0\1\0\0 not a font")
    assert caught.value.reason == "FONT_UNREADABLE"
