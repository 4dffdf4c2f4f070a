"""Wrapping, shrinking and aligning."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from licenses.pages.fonts import face
from licenses.pages.layout import Style, fit, wrap
from runtime.errors import InvalidArgument

LONG_NAME = "阿卜杜热合曼·阿卜杜外力·买买提明·吐尔逊·艾山"


def one(character: str) -> float:
    return 0.5 if character.isascii() else 1.0


@pytest.mark.parametrize(
    ("text", "width", "lines"),
    [
        ("示范县人力资源", 3, ["示范县", "人力资", "源"]),
        ("示范县\uff0c人力", 3, ["示范", "县\uff0c人", "力"]),
        ("示范\uff08县人\uff09力", 3, ["示范", "\uff08县", "人\uff09力"]),
        ("编号 ABCD12 完", 3, ["编号", "ABCD12", "完"]),
        ("ABCDEFGHIJ", 2, ["ABCD", "EFGH", "IJ"]),
        ("1.23.4567.89AB.C", 4, ["1.23.", "4567.", "89AB.C"]),
        ("1.23456789ABCDEF", 4, ["1.234567", "89ABCDEF"]),
        ("甲\n乙", 5, ["甲", "乙"]),
        ("阿卜杜·买买提", 3, ["阿卜", "杜·买", "买提"]),
        ("", 3, [""]),
    ],
)
def test_wrap(text: str, width: float, lines: list[str]) -> None:
    # The name's dot is an ideograph's width in the face; count it as one here.
    assert wrap(text, width, lambda c: 1.0 if c == "·" else one(c)) == lines


@given(st.text("甲乙丙\uff0c。\uff08\uff09《》·ab1", max_size=40), st.integers(2, 9))
def test_wrap_loses_nothing_and_keeps_width(text: str, width: int) -> None:
    lines = wrap(text, width, one)
    assert "".join(lines) == text
    assert all(sum(map(one, line)) <= width for line in lines)


def test_short_text_keeps_its_size() -> None:
    (text,) = fit("林示例", (10, 20, 40, 6), Style(size=4.0))
    assert (text.x, text.size, text.advances) == (10, 4.0, ())
    assert text.y == pytest.approx(20 + 1 + 0.88 * 4)


def test_long_name_shrinks_then_wraps_inside_its_box() -> None:
    box = (43.0, 42.0, 48.0, 6.4)
    texts = fit(LONG_NAME, box, Style(size=4.3, smallest=2.3, lines=2), "holder_name")
    assert len(texts) == 2
    assert "".join(text.text for text in texts) == LONG_NAME
    for text in texts:
        width = sum(face("regular").advance(c) * text.size for c in text.text)
        assert width <= 48.0 + 1e-6
        assert text.y - 0.88 * text.size >= 42.0 - 1e-6
        assert text.y + 0.12 * text.size <= 48.4 + 1e-6
        assert not text.text.startswith("·")


def test_an_identifier_without_room_to_break_at_its_full_stops_breaks_anywhere() -> None:
    two = Style(size=4, lines=2)
    assert [text.text for text in fit("1234.567.89012", (0, 0, 20, 10), two)] == [
        "1234.567.",
        "89012",
    ]
    assert [text.text for text in fit("1234.567890123", (0, 0, 16, 10), two)] == [
        "1234.56",
        "7890123",
    ]


def test_too_long_names_the_field_and_not_the_value() -> None:
    with pytest.raises(InvalidArgument) as caught:
        fit("赵钱孙李" * 20, (0, 0, 30, 5), Style(size=4, smallest=3), "holder_name")
    error = caught.value
    assert error.reason == "TEXT_TOO_LONG"
    assert "holder_name" in error.message
    assert "赵钱孙李" not in error.message + error.message_zh + str(error.metadata)


@pytest.mark.parametrize(("align", "left"), [("left", 10.0), ("center", 25.0), ("right", 40.0)])
def test_align(align: str, left: float) -> None:
    (text,) = fit("示范", (10, 0, 40, 6), Style(size=5, align=align))  # type: ignore[arg-type]
    assert text.x == pytest.approx(left)


def test_spread_fills_the_box() -> None:
    (text,) = fit("姓名", (10, 0, 20, 6), Style(size=4, align="spread"))
    assert list(text.advances) == pytest.approx([16.0])
