"""A template that would hide what its licenses say is refused, by box and rule."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from typer.testing import CliRunner

from licenses.pages.template import load, shipped_text
from licenses.stamping import check_stamp
from licenses.types.pages import checked, shipped
from licenses.types.reading import parse
from runtime.errors import InvalidArgument
from tongban.main import application

PAGE = "employment-registration"
(TYPE,) = [text for text, _ in shipped() if tomllib.loads(text)["name"] == PAGE]


def where(page: str) -> list[tuple[str, str]]:
    """What is refused of the type with this page."""
    with pytest.raises(InvalidArgument) as caught:
        checked(TYPE, page)
    return [(one.field, one.description) for one in caught.value.violations]


def field(page: str, key: str, **changes: str) -> str:
    """The page with a field's lines otherwise."""
    at = page.index(f'key = "{key}"')
    end = page.find("\n[[", at)
    block = page[at:end]
    lines = [line for line in block.splitlines() if line.partition(" = ")[0] not in changes]
    lines[1:1] = [f"{name} = {value}" for name, value in changes.items()]
    return page[:at] + "\n".join(lines) + "\n" + page[end:]


def test_letters_like_the_paper_are_refused() -> None:
    page = shipped_text(PAGE).replace("[colors]", '[colors]\npale = "#F4EFE6"', 1)
    (found,) = where(field(page, "holder_name", color='"pale"'))
    assert found[0].endswith(".box (holder_name)")
    assert "stand out" in found[1]


@pytest.mark.parametrize("share", [1.0, 0.2])  # all of it, or what a short name needs
def test_paper_like_the_letters_is_seen_whatever_it_is_made_of(share: float) -> None:
    x, y, width, height = next(slot.box for slot in load(PAGE).slots if slot.key == "holder_name")
    middle = y + height / 2
    blot = f"""
[[ornaments]]
kind = "line"
from = [{x}, {middle}]
to = [{x + width * share}, {middle}]
width = {height}
color = "value"

[[texts]]"""
    (found,) = where(shipped_text(PAGE).replace("\n[[texts]]", blot, 1))
    assert found[0].endswith(".box (holder_name)")


def test_the_letters_of_a_table_stand_out_from_its_back() -> None:
    kind, page = next((kind, page) for kind, page in shipped() if "road-transport" in page)
    text = page.replace("[colors]", '[colors]\nnight = "#000000"', 1)
    with pytest.raises(InvalidArgument) as caught:
        checked(kind, text.replace('back = "faint"', 'back = "night"'))
    assert "its `back`" in caught.value.message


@pytest.mark.parametrize(
    ("changes", "rule"),
    [
        ({"size": "0.9", "smallest": "0.9"}, "cannot be read"),
        ({"spacing": "-2.0"}, "upon each other"),
        ({"lines": "3", "leading": "0.8"}, "lines stand upon each other"),
    ],
)
def test_letters_that_cannot_be_told_apart_are_refused(changes: dict[str, str], rule: str) -> None:
    (found,) = where(field(shipped_text(PAGE), "holder_name", **changes))
    assert rule in found[1]


def test_what_would_cover_a_value_is_named_with_it() -> None:
    page, template = shipped_text(PAGE), load(PAGE)
    boxes = {slot.key: list(slot.box) for slot in template.slots}
    (found,) = where(field(page, "registration_type", box=str(boxes["holder_name"]), line='"none"'))
    assert "(registration_type)" in found[0]
    assert "(holder_name)" in found[1]
    assert template.qr is not None
    coded = page.replace(str(list(template.qr)), str([*boxes["holder_name"][:2], 20, 20]))
    assert ("qr", "lies over fields[0].box (holder_name)") in where(coded)
    stamped = page.replace(str(list(template.stamp.box)), str([*boxes["holder_name"][:2], 42, 42]))
    assert any(one == "stamp.box" and "(holder_name)" in why for one, why in where(stamped))
    over_code = page.replace(str(list(template.stamp.box)), str([*template.qr[:2], 42.0, 42.0]))
    assert ("stamp.box", "the seal would cover qr") in where(over_code)


def test_a_seal_stands_over_the_authority_and_the_day_as_on_paper() -> None:
    page, template = shipped_text(PAGE), load(PAGE)
    (box,) = [slot.box for slot in template.slots if slot.key == "issuing_authority"]
    over = page.replace(str(list(template.stamp.box)), str([*box[:2], 15.0, 15.0]))
    assert over != page
    checked(TYPE, over)


def test_a_seal_that_is_taller_than_its_place_covers_nothing_either() -> None:
    page, kind = load(PAGE), parse(TYPE)
    assert page.stamp.box[2] == 42.0
    check_stamp(page, kind.slots, 1.0)
    (below,) = [slot for slot in page.slots if slot.key == "license_identifier"]
    ratio = (below.box[1] + 1.0 - page.stamp.box[1]) / page.stamp.box[2]
    with pytest.raises(InvalidArgument) as caught:
        check_stamp(page, kind.slots, ratio)
    assert caught.value.reason == "STAMP_POSITION"


def test_a_preview_says_by_line_of_the_page_what_the_seal_of_a_type_would_cover(
    tmp_path: Path,
) -> None:
    page, template = shipped_text(PAGE), load(PAGE)
    box = str(list(template.stamp.box))
    (tmp_path / "kind.toml").write_text(re.sub("(?m)^template = .*", 'template = "mine"', TYPE))
    own = tmp_path / "mine.template.toml"
    own.write_text(page.replace(box, str([60.0, 31.0, 42.0, 42.0])))
    wanted = ["license", "preview", str(tmp_path / "kind.toml"), "--json"]
    result = CliRunner().invoke(application("license"), wanted)
    line = page[: page.index(box)].count("\n") + 1
    assert f"{own}:{line}: stamp.box" in result.output


def test_a_preview_says_so_by_line(tmp_path: Path) -> None:
    page = shipped_text(PAGE)
    file = tmp_path / "page.toml"
    file.write_text(field(page, "holder_name", size="0.9", smallest="0.9"), "utf-8")
    result = CliRunner().invoke(application("license"), ["license", "preview", str(file)])
    assert result.exit_code != 0
    line = file.read_text("utf-8")[: file.read_text("utf-8").index('key = "holder_name"')].count(
        "\n"
    )
    assert f"page.toml:{line}" in "".join((result.output + str(result.exception)).split("\n"))


def test_a_preview_of_a_file_that_is_too_deep_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "deep.toml"
    file.write_text(f"a = {'[' * 5000}{']' * 5000}", encoding="utf-8")
    result = CliRunner().invoke(application("license"), ["license", "preview", str(file)])
    assert result.exit_code == 4
    assert "BAD_TOML" in result.output
