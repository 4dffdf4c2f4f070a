"""Names in every script of GB 18030: drawn by a fallback font, found again in every form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest

from licenses.pages import fallback
from licenses.pages.fonts import FACES, face, units
from licenses.pages.html import write_html
from licenses.pages.layout import Style, fit
from licenses.pages.model import Document, Page, Text
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.png import ofd_to_png, pdf_to_png
from licenses.pages.samples import sample_values
from licenses.pages.template import lay_out, load
from runtime.errors import InvalidArgument
from tests.builders.license_pages import a_font, difference, in_html, in_model, in_pdf
from tests.builders.pages import CREATED

NAMES = {
    "rare ideographs": "\U00020bb7\U0002c1d9\U0002bdf7\u4dae",  # 𠮷𬇙… and the last of extension A
    "middle dots": "阿卜杜拉·买买提•艾山・吐尔逊",
    "Tibetan": "བསོད་ནམས་རྒྱ་མཚོ",
    "Mongolian": "ᠪᠠᠲᠤᠪᠠᠶᠠᠷ",
    "Uyghur": "ئابدۇراخمان ئابلىز",
    "Kazakh": "نۇرسۇلتان",
    "Yi": "ꆈꌠꊀꋀ",
    "Tai Le": "ᥖᥭᥰ",
    "New Tai Lue": "ᦑᦺ",
    "Lisu": "ꓡꓲꓢꓴ",
    "Latin": "Łódź ŋəƨ Zhuàng ǚ",
    "Cyrillic": "Иванов",
    "Hangul": "김철수",
}
# Of extension B, which only an operator's font has.
RARE = "\U0002a6d6"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "square.ttf").write_bytes(a_font(RARE))
    yield tmp_path
    fallback.use_folder(None)


def page(text: str, font: str = "serif", width: float = 160) -> Document:
    items = fit(text, (5, 5, width, 20), Style(size=6, font=font, lines=3))
    sheet = Page(width=width + 10, height=30, items=tuple(items))
    return Document(pages=(sheet,), title="名", author="", created=CREATED)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("font", ["serif", "bold"])
def test_a_name_is_whole_in_every_form(name: str, font: str) -> None:
    text = NAMES[name]
    document = page(text, font)
    ofd, pdf = write_ofd(document), write_pdf(document)
    letters = text.replace(" ", "")
    read = "".join(i.text for i in read_ofd(ofd).pages[0].items if isinstance(i, Text))
    assert read.replace(" ", "") == letters
    assert "".join(c for c, _, _ in in_html(write_html(document))) == letters
    assert sorted(c for c, _, _ in in_pdf(pdf)) == sorted(letters)
    assert max(difference(pdf_to_png(pdf, 1, 72), ofd_to_png(ofd, 1, 72))) < 1
    assert write_ofd(page(text, font)) == ofd


@pytest.mark.parametrize("name", ["Tibetan", "Mongolian", "Uyghur"])
def test_complex_scripts_are_shaped(name: str) -> None:
    text = NAMES[name]
    found = units(text, "serif")
    assert "".join(unit.text for unit in found) == text
    alone = sum(units(character, "serif")[0].width for character in text)
    assert sum(unit.width for unit in found) < alone * 0.95
    if name == "Tibetan":
        assert any(len(unit.text) > 1 for unit in found)


def test_arabic_script_runs_to_the_left_inside_a_line() -> None:
    items = [i for i in page("甲ئابلىز乙").pages[0].items if isinstance(i, Text)]
    assert "".join(item.text for item in items) == "甲ئابلىز乙"
    first, *letters, last = [item.x for item in items]
    assert letters == sorted(letters, reverse=True)
    assert first < min(letters) < max(letters) < last


ABC = "\u0626\u0627\u0628"  # three letters of Uyghur
CBA = ABC[::-1]


@pytest.mark.parametrize(
    ("text", "seen", "turned"),
    [
        (f"{ABC} (12)", f")12( {CBA}", "()"),
        (f"{ABC}\uff08接续页\uff09", f"\uff09接续页\uff08{CBA}", "\uff08\uff09"),
        (f"{ABC} 12-34 《{ABC}》", f"》{CBA}《 34-12 {CBA}", "《》"),
        # Within Chinese; a number goes with the word before it, as in every browser.
        (f"示例 {ABC} 12 (示例)", f"示例 12 {CBA} (示例)", ""),
        (f"示例 ({ABC} [{ABC}]) 号", f"示例 (]{CBA}[ {CBA}) 号", "[]"),
    ],
)
def test_brackets_and_numbers_stand_where_they_are_read(text: str, seen: str, turned: str) -> None:
    document = page(text)
    placed = in_model(document)
    assert "".join(c for c, _, _ in placed) == text.replace(" ", "")
    in_order = sorted(placed, key=lambda one: one[1])
    assert "".join(c for c, _, _ in in_order) == seen.replace(" ", "")
    # Drawn as the other one of its pair, and nothing else is.
    items = [i for i in document.pages[0].items if isinstance(i, Text)]
    drawn = [i.text for i in items if i.shapes and not i.text.isalpha()]
    assert "".join(drawn) == turned
    assert (
        max(
            difference(
                pdf_to_png(write_pdf(document), 1, 72), ofd_to_png(write_ofd(document), 1, 72)
            )
        )
        < 1
    )


def test_no_line_begins_or_ends_with_what_stands_at_a_word() -> None:
    for length in range(20, 60):
        text = f"«{ABC}»\u060c {ABC}\u061b «{ABC}» {ABC}\u061f " * 3
        rows: dict[float, str] = {}
        for item in xs(text, (10, 10, length, 200), 40):
            rows[item.y] = rows.get(item.y, "") + item.text
        for row in rows.values():
            assert not row.strip().endswith("«")
            assert not row.startswith(("»", "\u060c", "\u061b", "\u061f"))


def test_a_bracket_is_known_by_its_other_one_on_another_line() -> None:
    items = xs(f"{ABC} ({ABC} 12 {ABC} {ABC} {ABC}) {ABC}", (10, 10, 24, 60), 9)
    rows = sorted({item.y for item in items})
    assert len(rows) > 1
    brackets = [item for item in items if item.text in "()"]
    assert len({item.y for item in brackets}) == 2
    assert all(item.shapes for item in brackets)


def test_tibetan_breaks_after_its_syllables_only() -> None:
    document = page("བསོད་ནམས་རྒྱ་མཚོ་" * 2, width=45)
    rows: dict[float, str] = {}
    for item in document.pages[0].items:
        if isinstance(item, Text):
            rows[item.y] = rows.get(item.y, "") + item.text
    assert len(rows) > 1
    assert all(row.endswith("་") for row in rows.values())


@pytest.mark.parametrize("character", [RARE, "\ue000", "\ufe00", "\U0001f600", "\U000e0100"])
def test_a_character_without_a_glyph_is_refused_by_its_name(character: str) -> None:
    template = load("temporary-identity-card")
    values = {**sample_values(template), "name": f"林{character}"}
    with pytest.raises(InvalidArgument) as caught:
        lay_out(template, values, created=CREATED)
    error = caught.value
    point = f"U+{ord(character):04X}"
    assert error.reason == "GLYPH_MISSING"
    assert (error.metadata["field"], error.metadata["code_point"]) == ("name", point)
    assert point in error.message
    assert "林" not in error.message + error.message_zh


def test_an_operators_font_draws_what_ours_lack(folder: Path) -> None:
    assert fallback.use_folder(folder) == ("square.ttf",)
    document = page(f"林{RARE}")
    drawn = [item for item in document.pages[0].items if isinstance(item, Text)]
    assert [item.font for item in drawn] == ["serif", "extra-1"]
    assert RARE in "".join(c for c, _, _ in in_pdf(write_pdf(document)))
    fallback.use_folder(None)
    with pytest.raises(InvalidArgument) as caught:
        units(RARE, "serif")
    assert caught.value.reason == "GLYPH_MISSING"


def test_a_systems_font_of_rare_ideographs_is_the_last_that_is_asked(folder: Path) -> None:
    (folder / "square.ttf").rename(folder / "HanaMinB.ttf")
    fallback.use_folder(None, system=folder)
    document = page(f"林{RARE}")
    drawn = [item for item in document.pages[0].items if isinstance(item, Text)]
    assert [item.font for item in drawn] == ["serif", "hanazono-b"]
    assert RARE in "".join(c for c, _, _ in in_pdf(write_pdf(document)))
    assert fallback.names()[-1] == "hanazono-b"
    (folder / "HanaMinA.ttf").write_bytes(b"\0\1\0\0" + bytes(100))
    with pytest.raises(InvalidArgument, match=r"HanaMinA\.ttf"):
        fallback.use_folder(None, system=folder)
    fallback.use_folder(None, system=folder / "nowhere")
    with pytest.raises(InvalidArgument) as caught:
        units(RARE, "serif")
    assert caught.value.reason == "GLYPH_MISSING"


def test_every_character_without_a_glyph_is_named() -> None:
    template = load("temporary-identity-card")
    values = {**sample_values(template), "name": "林\U0001f600\ue000\U0001f600"}
    with pytest.raises(InvalidArgument, match=r"U\+1F600, U\+E000; use"):
        lay_out(template, values, created=CREATED)


def test_a_font_that_cannot_be_read_is_named(folder: Path) -> None:
    (folder / "broken.otf").write_bytes(b"OTTO" + bytes(100))
    with pytest.raises(InvalidArgument, match=r"broken\.otf"):
        fallback.use_folder(folder)
    fallback.use_folder(None)
    with pytest.raises(InvalidArgument) as caught:
        fallback.use_folder(folder / "nowhere")
    assert caught.value.reason == "FONT_FOLDER_INVALID"


def test_licenses_of_a_type_embed_the_same_shared_file() -> None:
    template = load("employment-registration")
    files = []
    # With much of its own, a document has one file of its own instead.
    absent = dict.fromkeys(("education", "employment_state", "registration_place", "remarks"), "")
    for name in ("林示例", "欧阳龘靐"):
        values = {**sample_values(template), **absent, "holder_name": name}
        document = lay_out(template, values, created=CREATED)
        assert document.shared
        files.append({key: face(key).subset(own) for key, own in document.shared.items()})
    assert files[0] == files[1]
    for key in files[0]:
        assert files[0][key].data is files[1][key].data
    assert set(files[0]) <= set(FACES)


def xs(text: str, box: tuple[float, float, float, float], lines: int = 4) -> list[Text]:
    return fit(text, box, Style(size=4, font="serif", lines=lines, vertical="top"))


def test_what_is_read_from_right_to_left_begins_at_the_right_and_goes_on_to_the_left() -> None:
    street = "\u0634\u06d5\u06be\u0649\u0631\u0649"  # six letters of Uyghur
    items = xs(f"{street} 12 {street} {street} {street} {street}", (10, 10, 24, 60), 9)
    rows = sorted({item.y for item in items})
    assert len(rows) > 1
    first = [item for item in items if item.y == rows[0]]
    begin = max(item.x for item in first if item.text == street[0])
    number = next(item for item in first if "12" in item.text)
    assert 34 - begin < 4 < 34 - number.x  # within a letter of the right edge; the number behind it
    # One line alone stays where its label is.
    alone = xs(street, (10, 10, 60, 10), 1)
    assert min(item.x for item in alone) == pytest.approx(10)


def test_lines_of_tibetan_keep_clear_of_each_other() -> None:
    name = "\u0f56\u0f66\u0f9f\u0f53\u0f0b" * 12
    rows = sorted({item.y for item in xs(name, (10, 10, 40, 60), 6)})
    size = xs(name, (10, 10, 40, 60), 6)[0].size
    assert len(rows) > 1
    assert {round((b - a) / size, 2) for a, b in pairwise(rows)} == {1.7}
    assert {
        round((b - a) / 4, 2)
        for a, b in pairwise(sorted({i.y for i in xs("示例" * 20, (10, 10, 40, 60), 6)}))
    } == {1.25}
