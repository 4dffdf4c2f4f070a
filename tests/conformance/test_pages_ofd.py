"""Our OFD against GB/T 33190: element order, identifiers, locations; and other software's view."""

from __future__ import annotations

import posixpath
from io import BytesIO
from pathlib import Path
from typing import Any

import ofdkit
import pytest
from fontTools.ttLib import TTFont
from lxml import etree

from licenses.pages.ofd import NAMESPACE, write_ofd
from licenses.pages.ofd_reader import read_ofd
from licenses.pages.png import ofd_to_png
from tests.builders.ofd import unpack
from tests.builders.pages import FIELDS, METADATA, everything, registration

DATA = Path(__file__).parent / "data" / "ofd"

# Children of each element in the standard's order (its XML schemas; those we write).
ORDER = {
    "OFD": ["DocBody"],
    "DocBody": ["DocInfo", "DocRoot", "Versions", "Signatures"],
    "DocInfo": [
        *("DocID", "Title", "Author", "Subject", "Abstract", "CreationDate", "ModDate"),
        *("DocUsage", "Cover", "Keywords", "Creator", "CreatorVersion", "CustomDatas"),
    ],
    "Document": [
        *("CommonData", "Pages", "Outlines", "Permissions", "Actions", "VPreferences"),
        *("Bookmarks", "Annotations", "CustomTags", "Attachments", "Extensions"),
    ],
    "CommonData": [
        *("MaxUnitID", "PageArea", "PublicRes", "DocumentRes", "TemplatePage", "DefaultCS"),
    ],
    "Page": ["Template", "PageRes", "Area", "Content", "Actions"],
    "TextObject": ["Actions", "Clips", "FillColor", "StrokeColor", "CGTransform", "TextCode"],
    "PathObject": ["Actions", "Clips", "StrokeColor", "FillColor", "AbbreviatedData"],
    "ImageObject": ["Actions", "Clips", "Border"],
    "Font": ["FontFile"],
    "MultiMedia": ["MediaFile"],
    "Attachment": ["FileLoc"],
}
REQUIRED = {
    "OFD": {"Version": "1.0", "DocType": "OFD"},
    "TextObject": {"ID": None, "Boundary": None, "Font": None, "Size": None},
    "PathObject": {"ID": None, "Boundary": None},
    "ImageObject": {"ID": None, "Boundary": None, "ResourceID": None},
    "Font": {"ID": None, "FontName": None},
    "MultiMedia": {"ID": None, "Type": None},
    "Layer": {"ID": None},
    "TemplatePage": {"ID": None, "BaseLoc": None},
    "Attachment": {"ID": None, "Name": None},
}
LOCATIONS = {
    *("DocRoot", "PublicRes", "DocumentRes", "FontFile", "MediaFile", "FileLoc", "Attachments")
}
DOCUMENTS = {"license": registration, "everything": everything}


@pytest.fixture(params=sorted(DOCUMENTS))
def files(request: pytest.FixtureRequest) -> dict[str, bytes]:
    return unpack(write_ofd(DOCUMENTS[request.param]()))


def trees(files: dict[str, bytes]) -> dict[str, Any]:
    return {
        path: etree.fromstring(data)
        for path, data in files.items()
        if path.endswith(".xml") and "attachment_" not in path
    }


def local(element: Any) -> str:
    return str(etree.QName(element).localname)


def test_elements_stand_in_the_standards_order(files: dict[str, bytes]) -> None:
    for root in trees(files).values():
        for element in root.iter():
            assert etree.QName(element).namespace == NAMESPACE
            names = [local(child) for child in element]
            # In Pages, a Page is a reference and has no children.
            order = ORDER.get(local(element))
            if order is not None and names:
                assert [order.index(name) for name in names] == sorted(map(order.index, names))
            for name, value in REQUIRED.get(local(element), {}).items():
                assert element.get(name) is not None
                assert value is None or element.get(name) == value


def test_identifiers_are_unique_and_within_max_unit_id(files: dict[str, bytes]) -> None:
    identifiers: list[int] = []
    largest = 0
    for path, root in trees(files).items():
        for element in root.iter():
            if local(element) == "MaxUnitID":
                largest = int(element.text)
            if element.get("ID") and not path.endswith("Attachments.xml"):
                identifiers.append(int(element.get("ID")))
    assert len(set(identifiers)) == len(identifiers)
    assert min(identifiers) > 0
    assert max(identifiers) == largest


def test_locations_exist_and_every_file_is_named(files: dict[str, bytes]) -> None:
    named = {"OFD.xml"}
    for path, root in trees(files).items():
        folder = posixpath.join(posixpath.dirname(path), root.get("BaseLoc", ""))
        for element in root.iter():
            if element is not root and element.get("BaseLoc"):
                named.add(posixpath.join(posixpath.dirname(path), element.get("BaseLoc")))
            if local(element) in LOCATIONS and element.text:
                # Resource files lie under the BaseLoc of their Res.
                named.add(posixpath.join(folder, element.text))
    assert named == set(files)


def test_references_point_at_what_is_there(files: dict[str, bytes]) -> None:
    kinds: dict[str, str] = {}
    uses: list[tuple[str, str]] = []
    for root in trees(files).values():
        for element in root.iter():
            if element.get("ID"):
                kinds[element.get("ID")] = local(element)
            for name, kind in (
                ("Font", "Font"),
                ("ResourceID", "MultiMedia"),
                ("TemplateID", "TemplatePage"),
            ):
                if element.get(name):
                    uses.append((element.get(name), kind))
    assert uses
    assert all(kinds.get(identifier) == kind for identifier, kind in uses)


def test_every_character_is_in_its_embedded_font(files: dict[str, bytes]) -> None:
    opened: Any = TTFont
    found = trees(files)
    fonts = {
        font.get("ID"): set(opened(BytesIO(files[f"Doc_0/Res/{font[0].text}"])).getBestCmap())
        for font in found["Doc_0/PublicRes.xml"].iter(f"{{{NAMESPACE}}}Font")
    }
    for root in found.values():
        for text in root.iter(f"{{{NAMESPACE}}}TextObject"):
            for code in text.iter(f"{{{NAMESPACE}}}TextCode"):
                assert set(map(ord, code.text)) <= fonts[text.get("Font")]


def test_ofdkit_reads_the_text_in_order() -> None:
    with ofdkit.open(write_ofd(registration())) as document:
        assert document.warnings == []
        words = "".join(document.text().split())
        places = []
        for label, key in [
            ("姓名", "holder_name"),
            ("登记编号", "registration_number"),
            ("公民身份号码", "holder_number"),
            ("登记类型", "registration_type"),
            ("有效期限", "validity"),
            ("颁发机构", "issuing_authority"),
            ("颁发日期", "issue_date"),
            ("证照标识", "license_identifier"),
        ]:
            assert label + FIELDS[key] in words
            places.append(words.index(label + FIELDS[key]))
        assert places == sorted(places)
        assert words.startswith("就业创业登记证电子证照")
        assert document.info.custom_data == METADATA
        assert document.info.title == "就业创业登记证"


def test_ofdkit_sees_the_same_places() -> None:
    package = write_ofd(everything())
    with ofdkit.open(package) as document:
        runs = [(run.text, run.x, run.y, run.size) for run in document.pages[0].runs]
    ours = everything().pages[0].items
    assert runs[0] == ("示范 Ab1·", pytest.approx(10), pytest.approx(20), 5)
    assert runs[1] == ("姓名", pytest.approx(10), pytest.approx(30), 4)
    assert len(runs) == sum(1 for item in ours if hasattr(item, "text"))


@pytest.mark.parametrize(
    ("name", "pages", "seals", "text"),
    [
        ("anchor-signed-v4.ofd", 1, 1, "你好呀"),
        ("allprotected.ofd", 1, 1, "你好呀"),
        ("SESV4SignDoc.ofd", 1, 1, "你好呀"),
        ("DigitalSign.ofd", 1, 0, "你好呀"),
        ("hello-integrity.ofd", 2, 0, "拿来主义"),
    ],
)
def test_documents_of_other_software_are_drawn(
    name: str, pages: int, seals: int, text: str
) -> None:
    data = (DATA / name).read_bytes()
    document = read_ofd(data)
    assert len(document.pages) == pages
    kinds = [type(item).__name__ for page in document.pages for item in page.items]
    assert kinds.count("Image") == seals
    words = "".join(getattr(item, "text", "") for item in document.pages[0].items)
    assert text in words
    assert ofd_to_png(data, dpi=50).startswith(b"\x89PNG")
