"""Names of real people: any character of GB 18030-2022 goes through every form, or is named."""

from __future__ import annotations

import unicodedata
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from licenses.carried import carried_digest
from licenses.credentials import Credentials
from licenses.finishing import lay_out
from licenses.metadata import metadata_digest, page_values
from licenses.model import LicenseFormat
from licenses.pages.ofd import write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.pdf import write_pdf
from licenses.texts import NAME_LIMIT, search_key, text_problem
from runtime.errors import InvalidArgument
from tests.builders.license_simulator import compact
from tests.builders.licenses import a_license, a_person, a_type_version, an_order, validated

KIND = a_type_version()
CREDENTIALS = Credentials(b"a passphrase of a test")
# Blocks of GB 18030-2022: BMP ideographs, extensions A to F, and the scripts of peoples of China.
BLOCKS = [
    (0x4E00, 0x9FFF), (0x3400, 0x4DBF), (0x20000, 0x2A6DF), (0x2A700, 0x2B73F), (0x2B740, 0x2B81D),
    (0x2B820, 0x2CEA1), (0x2CEB0, 0x2EBE0), (0x0F40, 0x0F6C), (0x1820, 0x1842), (0xA000, 0xA48C),
    (0x0621, 0x064A), (0x1950, 0x196D), (0x1980, 0x19AB), (0xA4D0, 0xA4F7), (0x0041, 0x005A),
    (0x0410, 0x044F), (0xF900, 0xFA6D),
]  # fmt: skip
CHARACTERS = st.one_of(*(st.integers(a, b).map(chr) for a, b in BLOCKS)).filter(
    lambda one: unicodedata.category(one) != "Cn"
)
NAMES = st.tuples(
    st.text(CHARACTERS, min_size=1, max_size=6), st.sampled_from(["", "·"]),
    st.text(CHARACTERS, min_size=1, max_size=6),
).map("".join)  # fmt: skip


def with_name(name: str) -> object:
    license_ = a_license()
    metadata = {**license_.metadata, "CZZT": name}
    return replace(
        license_,
        holders=(a_person(name),),
        metadata=metadata,
        metadata_sha256=metadata_digest(metadata),
    )


@settings(max_examples=40, deadline=None)
@given(NAMES)
@example("𠮷田·示例")
@example("𬭊")
@example("阿卜杜拉·买买提")
@example("གཙང")
@example("ᠮᠣᠩᠭᠣᠯ")
@example("ئۇيغۇر")
@example("ꆈꌠ")
@example("é\u0301")
def test_a_name_goes_through_every_form_or_its_character_is_named(name: str) -> None:
    assert validated(an_order(holder_name=name)).holders[0].name == name
    license_ = with_name(name)
    try:
        page = lay_out(license_, KIND, page_values(license_, KIND.type, {}), [])
    except InvalidArgument as error:
        assert error.reason in ("GLYPH_MISSING", "TEXT_TOO_LONG", "SCRIPT_NOT_SHAPED")
        assert name not in str(error) + error.message_zh
        if error.reason == "GLYPH_MISSING":
            assert "U+" in error.message
        return
    credential = CREDENTIALS.draft(license_, KIND.type)
    forms = {
        LicenseFormat.OFD: write_ofd(page),
        LicenseFormat.PDF: write_pdf(page),
        LicenseFormat.JWT: credential.bound(compact(credential.payload, 1)),
    }
    for form, data in forms.items():
        assert carried_digest(data, form) == license_.metadata_sha256, form
    assert read_ofd(forms[LicenseFormat.OFD]).metadata["CZZT"] == name


@given(NAMES)
def test_a_name_is_found_whichever_dot_was_typed_and_however_it_is_composed(name: str) -> None:
    key = search_key(name)
    for dot in "·•‧\u30fb\uff65\uff0e.∙⋅。":
        assert search_key(name.replace("·", dot)) == key
    assert search_key(unicodedata.normalize("NFD", name)) == key
    assert search_key(key) == key
    # What begins a name begins its key, if no composed character is cut apart.
    assert key.startswith(search_key(name[:1])) or unicodedata.normalize("NFC", name) != name


def test_a_compatibility_ideograph_is_found_by_the_unified_one() -> None:
    assert search_key("\uf900示例") == search_key("\u8c48示例") == "\u8c48示例"


def test_names_are_ordered_by_code_point_beyond_the_bmp_too() -> None:
    names = ["𠮷田", "赵示例", "ꆈꌠ", "Ab", "王示例", "\uf900"]
    by_bytes = sorted(names, key=lambda one: search_key(one).encode())
    assert by_bytes == sorted(names, key=search_key)


@pytest.mark.parametrize(
    "name",
    [
        "赵\u202e示例",
        "赵\u2066",
        "赵\u200f",
        "赵\x85",
        "赵\n",
        " 赵",
        "赵 ",
        "",
        "赵" * 101,
        "\x00",
        "赵\u200b示例",
        "赵\ufeff示例",
        "赵\u2060示例",
        "赵\u00ad示例",
        "赵\U000e0041",
    ],
)
def test_what_shows_nothing_and_changes_what_is_read_is_refused(name: str) -> None:
    assert text_problem(name, NAME_LIMIT, required=True)


@pytest.mark.parametrize("name", ["ᠠ\u180b", "ᠮ\u200dᠣ", "示例\u3000公司", "葛\U000e0100城"])
def test_what_shapes_a_character_is_kept(name: str) -> None:
    assert text_problem(name, NAME_LIMIT, required=True) == ""


def test_all_characters_that_no_font_has_are_named_by_their_fields() -> None:
    license_ = with_name("\U0002eb62示\U0002b359例\U0002eb62")
    metadata = {**license_.metadata, "KZ_BZ": "\U0002eb62\ue000"}
    license_ = replace(license_, metadata=metadata)
    with pytest.raises(InvalidArgument) as told:
        lay_out(license_, KIND, page_values(license_, KIND.type, {}), [])
    error = told.value
    assert error.reason == "GLYPH_MISSING"
    assert [(one.field, one.description) for one in error.violations] == [
        ("holder_name", "no glyph for U+2EB62, U+2B359"),
        ("fields.KZ_BZ", "no glyph for U+2EB62, U+E000"),
    ]
    assert error.metadata["code_points"] == "U+2EB62 U+2B359 U+E000"
    for text in (error.message, error.message_zh):
        assert "U+2B359" in text
        assert "U+E000" in text


def test_a_selector_that_no_font_follows_is_named() -> None:
    license_ = with_name("葛\U000e0100示例")
    with pytest.raises(InvalidArgument) as told:
        lay_out(license_, KIND, page_values(license_, KIND.type, {}), [])
    assert told.value.reason == "GLYPH_MISSING"
    assert [(one.field, one.description) for one in told.value.violations] == [
        ("holder_name", "no glyph for U+E0100")
    ]


def test_a_name_that_is_too_long_is_told_by_the_field_of_the_order_and_how_much_fits() -> None:
    license_ = with_name("长")
    values = {**page_values(license_, KIND.type, {}), "holder_name": "长" * 5000}
    with pytest.raises(InvalidArgument) as told:
        lay_out(license_, KIND, values, [])
    assert told.value.reason == "TEXT_TOO_LONG"
    assert [one.field for one in told.value.violations] == ["holder_name"]
    assert told.value.metadata["field"] == "holder_name"
    assert "room for" in told.value.message
