"""Templates are read strictly, by line; `license preview` draws them while they are written."""

from __future__ import annotations

import json
import time
from importlib.resources import files
from pathlib import Path

import pytest
from typer.testing import CliRunner

from licenses.located import line_of, lines_of
from licenses.pages.preview import FORMATS, preview, render
from licenses.pages.template import load, parse, shipped_text
from runtime.errors import InvalidArgument
from tests.builders.license_pages import TYPES
from tongban.commands import license_preview
from tongban.main import application

TEXT = shipped_text("driving-licence")
CURVES = "petals = 12\ndepth = 0.28\ncount = 4"


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(application("license"), ["license", "preview", *words])
    return result.exit_code, result.output


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('kind = "waves"', 'kind = "wavez"', "ornaments[1].kind: must be one of"),
        ('color = "wave"', 'color = "mauve"', "ornaments[1].color: must be one of"),
        ("size = 4.6", "size = -1", "texts[0].size: must be a number from 0.5 to 100"),
        ("size = 4.6", "sise = 4.6", "texts[0].sise: no such key: is it size?"),
        ("pages = 2", "pages = 2.5", "pages: must be a whole number"),
        ("page = [124.0, 88.0]", "page = [124.0]", "page: must be 2 numbers"),
        ('label = "#35594F"', 'label = "green"', 'colors.label: must look like "#9E1B1E"'),
        ("width = 14.0", "width = 15.0", "tables[0].columns: their widths must add up"),
        (
            'text = "中华人民共和国机动车驾驶证"',
            f'text = "{"长" * 90}"',
            "TEXT_TOO_LONG: the value of text does not fit its place (room for ",
        ),
        ('text = "中华', 'text = "\U0002a6d6中华', "texts[0].text: GLYPH_MISSING"),
        ('page = "continuation"', 'page = "continue"', "page: must be one of"),
        ('name = "林示例"', "name = 12", "sample.name: must be a text"),
        ("[colors]", "[colours]", "required: [colors]"),
        (CURVES, CURVES.replace("12", "120").replace("4", "60"), "more than 12,000 curves"),
    ],
)
def test_what_is_wrong_is_told_by_its_line(old: str, new: str, told: str) -> None:
    assert old in TEXT
    with pytest.raises(InvalidArgument) as caught:
        parse(TEXT.replace(old, new, 1))
    error = caught.value
    assert error.reason == "TEMPLATE_INVALID"
    line = TEXT[: TEXT.index(old)].count("\n") + 1
    assert told in error.message
    if told.startswith(("texts", "ornaments", "pages", "page:", "sample")):
        assert f"line {line}: " in error.message


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = TEXT.replace("size = 4.6", "size = 0", 1).replace('kind = "fill"', 'kind = "full"', 1)
    with pytest.raises(InvalidArgument) as caught:
        parse(text)
    assert [one.field for one in caught.value.violations] == ["ornaments[0].kind", "texts[0].size"]


def test_lines_are_found_in_headers_keys_and_lists() -> None:
    text = "a = 1\n[t]\nb = 2\n[[rows]]\nc = 3\n[[rows]]\nc = [\n  4,\n]\n[[rows.inner]]\nd = 5\n"
    lines = lines_of(text)
    assert lines["a",] == 1
    assert lines["t", "b"] == 3
    assert lines["rows", 1, "c"] == 7
    assert lines["rows", 1, "inner", 0, "d"] == 11
    assert line_of(text, ("rows", 1, "c", 0, "x")) == 7
    assert line_of(text, ("nothing",)) == 1


@pytest.mark.parametrize("name", TYPES)
def test_a_preview_says_that_it_is_none(name: str) -> None:
    document = preview(load(name))
    for form in FORMATS:
        rendered = render(document, form, dpi=24)
        assert len(rendered) == (len(document.pages) if form == "png" else 1)
        assert rendered == render(preview(load(name)), form, dpi=24)
    assert document.title.endswith("（样张）")


@pytest.mark.parametrize("form", FORMATS)
def test_the_command_writes_every_form(form: str, tmp_path: Path) -> None:
    target = tmp_path / f"card.{form}"
    code, _ = run("driving-licence", "--out", str(target), "--dpi", "40")
    assert code == 0
    begins = {"ofd": b"PK", "pdf": b"%PDF", "png": b"\x89PNG", "html": b"<!DOCTYPE html>"}
    assert target.read_bytes().startswith(begins[form])
    assert (tmp_path / "card-2.png").exists() == (form == "png")


def test_a_types_file_is_drawn_with_the_page_beside_it(tmp_path: Path) -> None:
    source = files("licenses") / "shipped" / "driving-licence.toml"
    own = tmp_path / "mine.toml"
    own.write_text(source.read_text("utf-8"), "utf-8")
    (tmp_path / "template.toml").write_text("x = 1\n", "utf-8")
    assert run(str(own), "--out", str(tmp_path / "a.pdf"), "--json")[0] == 4
    (tmp_path / "driving-licence.template.toml").write_text(TEXT, "utf-8")  # the nearer name
    code, told = run(str(own), "--out", str(tmp_path / "a.pdf"), "--json")
    assert code == 0
    assert json.loads(told)["files"][0]["file"].endswith("a.pdf")
    assert json.loads(told)["page"] == str(tmp_path / "driving-licence.template.toml")
    own.write_text(own.read_text("utf-8").replace("required = true", "requird = true", 1), "utf-8")
    code, told = run(str(own), "--out", str(tmp_path / "a.pdf"), "--json")
    assert code == 4
    (wrong,) = json.loads(told)["error"]["violations"]
    line = own.read_text("utf-8").split("requird")[0].count("\n") + 1
    assert wrong["field"].endswith(f"mine.toml:{line}: fields[0].requird")


def test_a_types_file_whose_page_is_nowhere_says_how_it_is_named(tmp_path: Path) -> None:
    source = (files("licenses") / "shipped" / "driving-licence.toml").read_text("utf-8")
    own = tmp_path / "mine.toml"
    own.write_text(source.replace('template = "driving-licence"', 'template = "own-page"'), "utf-8")
    code, told = run(str(own), "--out", str(tmp_path / "a.pdf"), "--json")
    assert (code, json.loads(told)["error"]["reason"]) == (3, "TEMPLATE_NOT_FOUND")
    assert "own-page.template.toml" in told


def test_that_a_types_file_is_drawn_with_the_shipped_page_is_told(tmp_path: Path) -> None:
    own = tmp_path / "mine.toml"
    own.write_text((files("licenses") / "shipped" / "driving-licence.toml").read_text(), "utf-8")
    code, told = run(str(own), "--out", str(tmp_path / "a.pdf"))
    assert (code, told.splitlines()[0]) == (0, "page: driving-licence, as shipped")
    code, told = run("driving-licence", "--out", str(tmp_path / "a.pdf"))
    assert told.startswith(str(tmp_path / "a.pdf"))  # of a shipped type no other page could be


def test_a_preview_is_not_written_over_what_is_edited(tmp_path: Path) -> None:
    own, page = tmp_path / "mine.toml", tmp_path / "template.toml"
    own.write_text((files("licenses") / "shipped" / "driving-licence.toml").read_text(), "utf-8")
    page.write_text(TEXT, "utf-8")
    before = own.read_bytes(), page.read_bytes()
    for wanted, target, more in (
        (page, page, ()),
        (own, page, ()),
        (own, own, ("--format", "pdf")),
        (own, tmp_path / "page.doc", ()),
    ):
        code, told = run(str(wanted), "--out", str(target), "--json", *more)
        assert (code, json.loads(told)["error"]["reason"]) == (4, "BAD_FORMAT")
    assert (own.read_bytes(), page.read_bytes()) == before
    assert not (tmp_path / "page.doc").exists()


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("nothing",), "LICENSE_TYPE_NOT_FOUND"),
        (("driving-licence", "--format", "docx"), "BAD_FORMAT"),
        (("driving-licence", "--watch"), "NOTHING_TO_WATCH"),
        (("no/such.toml",), "FILE_UNREADABLE"),
        (("driving-licence", "--fonts", "/nowhere"), "FONT_FOLDER_INVALID"),
        (("driving-licence", "--format", "png", "--dpi", "9000"), "DPI_INVALID"),
    ],
)
def test_mistakes_are_told(words: tuple[str, ...], reason: str, tmp_path: Path) -> None:
    code, told = run(*words, "--json", "--out", str(tmp_path / "x"))
    assert code in (3, 4)
    assert json.loads(told)["error"]["reason"] == reason


def test_watching_draws_again_and_tells_mistakes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page, target = tmp_path / "page.toml", tmp_path / "page.html"
    page.write_text(TEXT, "utf-8")
    edits = [TEXT.replace("size = 4.6", "size = 0", 1), TEXT.replace("林示例", "王示例")]
    seen: list[bytes] = []

    def edited(_: float) -> None:
        """An editor that saves while the command waits, and at last Ctrl-C."""
        seen.append(target.read_bytes())
        if not edits:
            raise KeyboardInterrupt
        page.write_text(edits.pop(0), "utf-8")

    monkeypatch.setattr(license_preview.time, "sleep", edited)
    code, told = run(str(page), "--watch", "--out", str(target))
    assert code == 130
    assert "page.toml:" in told
    assert "texts[0].size" in told
    assert seen[0] == seen[1]
    assert "王示例" in seen[2].decode()
    assert 'http-equiv="refresh"' in seen[0].decode()
    assert time.sleep is edited


def test_the_command_says_which_ideographs_are_drawn() -> None:
    result = CliRunner().invoke(application("license"), ["license", "fonts", "--json"])
    found = {one["block"]: one["drawn"] / one["characters"] for one in json.loads(result.output)}
    assert found["CJK"] > 0.999
    assert set(found) == {"CJK", *"ABCDEFG"}
