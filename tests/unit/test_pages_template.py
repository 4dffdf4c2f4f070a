"""Templates: fields, refusals, the shipped one."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from licenses.pages.model import Document, Image, Text
from licenses.pages.template import lay_out, load, parse, shipped_text
from runtime.errors import DomainError, InvalidArgument
from tests.builders.pages import CREATED, FIELDS, METADATA, picture, registration

LONGEST = {
    "holder_name": "阿卜杜热合曼·阿卜杜外力·买买提明·吐尔逊·艾山",
    "registration_number": "9" * 24,
    "registration_type": "高校毕业生就业创业登记\uff08含灵活就业人员\uff09",
    "issuing_authority": "示范省示范自治州示范县人力资源和社会保障局公共就业服务中心",
    "license_identifier": "1.2.156.3005.2." + "9" * 70 + ".001.X",
}


def shown(document: Document) -> str:
    return "".join(item.text for item in document.pages[0].items if isinstance(item, Text))


def test_every_field_is_shown() -> None:
    text = shown(registration())
    for value in FIELDS.values():
        assert value in text


def test_longest_values_are_shown_whole_and_on_the_page() -> None:
    document = registration(**LONGEST)
    text = shown(document)
    for value in LONGEST.values():
        assert value in text
    for item in document.pages[0].items:
        if isinstance(item, Text):
            assert 11.9 < item.x < 164.1
            assert item.size >= 1.4


def test_metadata_is_also_attached() -> None:
    document = registration()
    assert document.metadata == METADATA
    (attachment,) = document.attachments
    assert attachment.name == "metadata.xml"
    assert "<ZZMC>就业创业登记证</ZZMC>" in attachment.data.decode()


def test_wrong_fields_are_named_without_values() -> None:
    fields = {**FIELDS, "holder_name": " ", "nickname": "小林"}
    with pytest.raises(InvalidArgument) as caught:
        lay_out(load("employment-registration"), fields, created=CREATED)
    error = caught.value
    assert error.reason == "FIELDS_INVALID"
    assert [violation.field for violation in error.violations] == ["holder_name", "nickname"]
    assert "小林" not in error.message + error.message_zh


def test_qr_goes_to_its_place() -> None:
    template = load("employment-registration")
    document = lay_out(template, FIELDS, created=CREATED, qr=picture())
    last = document.pages[0].items[-1]
    assert isinstance(last, Image)
    assert (last.x, last.y, last.width, last.height) == template.qr


def test_stamp_lies_inside_the_page_and_off_the_identifier() -> None:
    template = load("employment-registration")
    x, y, width, height = template.stamp.box
    assert x + width < template.width
    assert max(width, height) <= 42
    (identifier,) = [slot for slot in template.slots if slot.key == "license_identifier"]
    assert y + height <= identifier.box[1]


def test_unknown_template_is_not_found() -> None:
    for name in ("nothing", "../types/employment-registration"):
        with pytest.raises(DomainError) as caught:
            load(name)
        assert caught.value.reason == "TEMPLATE_NOT_FOUND"


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('kind = "loops"', 'kind = "spiral"'),
        ('color = "faint"', 'color = "mauve"'),
        ("page = [176.0, 125.0]", "page = [176.0]"),
        ("[[fields]]", "[[fields"),
        ('key = "holder_name"', 'kee = "holder_name"'),
        ("qr = [18.5, 82.4, 20.6, 20.6]", "qr = [18.5, 82.4, 3.0, 3.0]"),
        ("qr = [18.5, 82.4, 20.6, 20.6]", "qr = [18.5, 112.0, 20.6, 20.6]"),
    ],
)
def test_malformed_template_is_refused(old: str, new: str) -> None:
    path = files("licenses") / "templates" / "employment-registration.toml"
    text = path.read_text("utf-8")
    assert old in text
    with pytest.raises(InvalidArgument) as caught:
        parse(text.replace(old, new, 1))
    assert caught.value.reason == "TEMPLATE_INVALID"


@pytest.mark.parametrize(
    ("place", "box"),
    [
        ("fields[0].box", [400.0, 40.0, 30.0, 10.0]),
        ("fields[0].box", [60.0, 40.0, 130.0, 10.0]),
        ("fields[0].box", [-4.0, 40.0, 30.0, 10.0]),
        ("fields[0].box", [60.0, 40.0, 30.0, 0.6]),
        ("texts[0].box", [10.0, 120.0, 150.0, 10.0]),
        ("stamp.box", [140.0, 100.0, 42.0, 42.0]),
        ("stamp.box", [140.0, 90.0, 2.0, 2.0]),
    ],
)
def test_nothing_is_placed_beside_its_sheet_or_too_small_to_be_read(
    place: str, box: list[float]
) -> None:
    text = shipped_text("employment-registration")
    table = place.partition(".")[0].replace("[0]", "")
    start = text.index(f"[[{table}]]" if "[0]" in place else f"{table} = ")
    found = re.compile(r"\bbox = \[.*?\]").search(text, start)
    assert found is not None
    with pytest.raises(InvalidArgument) as caught:
        parse(f"{text[: found.start()]}box = {box}{text[found.end() :]}")
    assert place in {one.field for one in caught.value.violations}
