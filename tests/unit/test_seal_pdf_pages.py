"""Where seals stand on the pages of a PDF, judged by what PDFium and poppler show."""

from __future__ import annotations

import subprocess
from io import BytesIO
from pathlib import Path

import pytest
from PIL import Image, ImageChops, ImageDraw
from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from reportlab.pdfgen.canvas import Canvas

from licenses.pages.png import pdf_to_png
from runtime.errors import InvalidArgument
from seal.model import Indication
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement
from seal.verify import assess
from tests.builders.ofd import NOW, TEXT, world
from tests.builders.pdf import P256, plain_pdf, sealed_pdf

MM = 72 / 25.4
Box = tuple[float, float, float, float]
TURNS = (0, 90, 180, 270)
SHAPES: dict[str, dict[str, list[float] | float]] = {
    "plain": {},
    "cropped": {"/CropBox": [50, 60, 500, 800]},
    "moved": {"/MediaBox": [-100, -50, 600, 900]},
    "turned about": {"/MediaBox": [600, 900, 0, 0], "/CropBox": [580, 880, 10, 20]},
    "large crop": {"/CropBox": [-500, -500, 5000, 5000]},
    "large unit": {"/UserUnit": 2.0},
}


def _arrow() -> bytes:
    """A picture that shows which way is up: red, with its upper left quarter blue."""
    picture = Image.new("RGBA", (40, 40), (220, 0, 0, 255))
    ImageDraw.Draw(picture).rectangle((0, 0, 19, 19), (0, 0, 220, 255))
    out = BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def _shaped(document: bytes, turn: int, shape: str) -> bytes:
    """The document with every page of another shape."""
    writer = IncrementalPdfFileWriter(BytesIO(document))
    for kid in writer.root["/Pages"]["/Kids"]:
        page = kid.get_object()
        page["/Rotate"] = generic.NumberObject(turn)
        for key, value in SHAPES[shape].items():
            page[key] = (
                generic.ArrayObject(generic.FloatObject(one) for one in value)
                if isinstance(value, list)
                else generic.FloatObject(value)
            )
        writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def _seen(document: bytes, page: int = 1) -> Image.Image:
    return Image.open(BytesIO(pdf_to_png(document, page, 72))).convert("RGB")


def _marked(picture: Image.Image) -> Box:
    """The box in mm of what is coloured."""
    red, green, _ = picture.split()
    _, _, blue = picture.split()
    coloured = ImageChops.difference(ImageChops.lighter(red, blue), green)
    found = coloured.point([255 if value > 100 else 0 for value in range(256)]).getbbox()
    assert found
    return tuple(one / MM for one in found)  # type: ignore[return-value]


def _upright(picture: Image.Image, box: Box) -> None:
    left, top, right, bottom = (one * MM for one in box)
    quarter = (round(left + (right - left) / 4), round(top + (bottom - top) / 4))
    other = (round(left + (right - left) * 3 / 4), quarter[1])
    assert picture.getpixel(quarter) == pytest.approx((0, 0, 220), abs=12)
    assert picture.getpixel(other) == pytest.approx((220, 0, 0), abs=12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("turn", TURNS)
def test_seals_stand_upright_where_they_are_seen(turn: int, shape: str) -> None:
    document = _shaped(plain_pdf(2), turn, shape)
    wishes = [At(page=1, x_mm=20, y_mm=100), At(page=2, x_mm=20, y_mm=100)]
    sealed = sealed_pdf(document, placements=wishes, size_mm=(40, 40), image=_arrow())
    for page in (1, 2):  # the field's own appearance, and an annotation
        picture = _seen(sealed, page)
        scale = float(SHAPES[shape].get("/UserUnit", 1))  # type: ignore[arg-type]
        scale = 1.0 if picture.width > 1000 else 1 / scale  # whether PDFium knows the unit
        box = _marked(picture)
        expected = tuple(one * scale for one in (20, 100, 60, 140))
        assert box == pytest.approx(expected, abs=0.5)
        _upright(picture, box)
    assert assess(sealed, store=world(P256).store(), now=NOW).indication is Indication.PASSED


@pytest.mark.parametrize("shape", ["plain", "cropped", "moved"])
@pytest.mark.parametrize("turn", TURNS)
def test_at_a_word(turn: int, shape: str) -> None:
    document = _shaped(plain_pdf(), turn, shape)
    black = Image.eval(_seen(document).convert("L"), lambda value: 255 - value).getbbox()
    assert black
    left, top, right, bottom = black
    word = Keyword(text=TEXT, size_mm=10)
    box = _marked(_seen(sealed_pdf(document, placements=[word], image=_arrow())))
    centre = (box[0] + box[2]) / 2 * MM, (box[1] + box[3]) / 2 * MM
    assert centre == pytest.approx(((left + right) / 2, (top + bottom) / 2), abs=3)


def _stamped(document: bytes, *wishes: Placement, **more: object) -> bytes:
    sealed = sealed_pdf(document, placements=wishes, image=_arrow(), **more)  # type: ignore[arg-type]
    assert assess(sealed, store=world(P256).store(), now=NOW).indication is Indication.PASSED
    return sealed


def test_each_occurrence_of_a_word_and_one_of_them() -> None:
    document = plain_pdf(3)
    every = _stamped(document, Keyword(text="SHIFAN", size_mm=12))
    assert every.count(b"/Subtype /Stamp") == 2
    assert all(_marked(_seen(every, page)) for page in (1, 2, 3))
    last = _stamped(document, Keyword(text="SHIFAN", occurrence=-1, size_mm=12))
    assert last.count(b"/Subtype /Stamp") == 0
    assert _marked(_seen(last, 3))
    assert _seen(last, 1) == _seen(document, 1)


def test_two_words_of_one_page_each_under_its_own_seal() -> None:
    out = BytesIO()
    canvas = Canvas(out, pagesize=(600, 800), pageCompression=0)
    for x, y in ((100, 700), (350, 150)):
        canvas.drawString(x, y, "SHIFAN")
    canvas.save()
    document = out.getvalue()
    sealed = _stamped(document, Keyword(text="SHIFAN", size_mm=30, dx_mm=5, dy_mm=-3))
    before, after = _seen(document), _seen(sealed)
    for part in ((0, 0, 600, 400), (0, 400, 600, 800)):
        word = Image.eval(before.crop(part).convert("L"), lambda value: 255 - value).getbbox()
        assert word
        centre = (word[0] + word[2]) / 2 / MM + 5, (word[1] + word[3]) / 2 / MM - 3
        box = _marked(after.crop(part))
        expected = (centre[0] - 15, centre[1] - 15, centre[0] + 15, centre[1] + 15)
        assert box == pytest.approx(expected, abs=1)
        _upright(after.crop(part), box)


def test_words_in_chinese() -> None:
    from licenses.pages.pdf import write_pdf
    from tests.builders.pages import registration

    sealed = _stamped(write_pdf(registration()), Keyword(text="示范", occurrence=1, size_mm=12))
    assert _marked(_seen(sealed))


@pytest.mark.parametrize(
    "word", [Keyword(text="NOWHERE"), Keyword(text="SHIFAN", occurrence=2), Keyword(text="shifan")]
)
def test_a_word_that_is_not_there(word: Keyword) -> None:
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(plain_pdf(), placements=[word])
    assert caught.value.reason == "KEYWORD_NOT_FOUND"
    assert word.text not in caught.value.message


def test_on_every_page_one_picture() -> None:
    one = _stamped(plain_pdf(30), At(page=1, x_mm=10, y_mm=10))
    told: list[int] = []
    every = _stamped(plain_pdf(30), EveryPage(x_mm=10, y_mm=10), placed=told.append)
    assert told == [30]
    assert every.count(b"/Subtype /Image") == one.count(b"/Subtype /Image") == 2
    assert every.count(b"/Subtype /Form") == 1
    for page in (1, 15, 30):
        assert _marked(_seen(every, page)) == pytest.approx((10, 10, 52, 52), abs=0.5)


@pytest.mark.parametrize("turn", TURNS)
def test_slices_across_the_edges_make_one_picture(turn: int) -> None:
    document = _shaped(plain_pdf(4), turn, "cropped")
    sealed = _stamped(document, AcrossEdges(y_mm=50), size_mm=(40, 40))
    whole = Image.new("RGB", (4 * 100, 4 * 100))
    for number in range(4):
        page = Image.open(BytesIO(pdf_to_png(sealed, number + 1, 254)))
        whole.paste(page.crop((page.width - 100, 500, page.width, 900)), (100 * number, 0))
    expected = Image.open(BytesIO(_arrow())).convert("RGB").resize((400, 400))
    wrong = ImageChops.difference(whole, expected).convert("L").point([0] * 100 + [255] * 156)
    assert sum(wrong.histogram()[255:]) < 400 * 12  # a pixel beside each edge


def test_the_kinds_together_as_poppler_shows_them(tmp_path: Path) -> None:
    wishes = (
        At(page=2, x_mm=10, y_mm=10, size_mm=30),
        Keyword(text="SHIFAN", occurrence=1, size_mm=20),
        EveryPage(x_mm=100, y_mm=200),
        AcrossEdges(y_mm=100),
    )
    path = tmp_path / "sealed.pdf"
    path.write_bytes(_stamped(plain_pdf(3), *wishes))
    subprocess.run(["pdftoppm", "-r", "72", "-png", path, tmp_path / "page"], check=True)
    for page in (1, 2, 3):
        theirs = Image.open(tmp_path / f"page-{page}.png").convert("RGB")
        assert _marked(theirs) == pytest.approx(_marked(_seen(path.read_bytes(), page)), abs=0.8)


def test_pages_in_a_deep_tree() -> None:
    """Twelve pages under parents of parents, with inherited boxes."""
    writer = IncrementalPdfFileWriter(BytesIO(plain_pdf(12)))
    root = writer.root["/Pages"]
    kids, box = list(root["/Kids"]), root["/Kids"][0].get_object()["/MediaBox"]
    groups = []
    for start in range(0, 12, 3):
        group = generic.DictionaryObject(
            {
                generic.NameObject("/Type"): generic.NameObject("/Pages"),
                generic.NameObject("/Kids"): generic.ArrayObject(kids[start : start + 3]),
                generic.NameObject("/Count"): generic.NumberObject(3),
                generic.NameObject("/Parent"): writer.root.raw_get("/Pages"),
                generic.NameObject("/MediaBox"): box,
                generic.NameObject("/Rotate"): generic.NumberObject(90),
            }
        )
        reference = writer.add_object(group)
        groups.append(reference)
        for kid in kids[start : start + 3]:
            leaf = kid.get_object()
            leaf["/Parent"] = reference
            del leaf["/MediaBox"]
            leaf.pop("/Rotate", None)
            writer.update_container(leaf)
    root["/Kids"] = generic.ArrayObject(groups)
    writer.update_container(root)
    out = BytesIO()
    writer.write(out)
    sealed = _stamped(out.getvalue(), EveryPage(x_mm=200, y_mm=10))
    for page in (1, 7, 12):
        picture = _seen(sealed, page)
        assert picture.width > picture.height
        assert _marked(picture) == pytest.approx((200, 10, 242, 52), abs=0.5)


def test_what_is_asked_for_is_bounded() -> None:
    many = [EveryPage(x_mm=1, y_mm=1)] * 100
    for wishes in (
        [Keyword(text="x" * 101)],
        [Keyword(text=" ")],
        [At(page=1, x_mm=1, y_mm=1)] * 257,
        [],
    ):
        with pytest.raises(InvalidArgument) as caught:
            sealed_pdf(plain_pdf(), placements=wishes)
        assert caught.value.reason == "STAMP_POSITION"
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(plain_pdf(41), placements=many)
    assert "4096" in caught.value.message


def test_a_page_tree_that_lies_is_refused() -> None:
    for lie in (b"/Count 3", b"/Count 1"):
        lying = plain_pdf(2).replace(b"/Count 2", lie)
        with pytest.raises(InvalidArgument) as caught:
            sealed_pdf(lying, placements=[EveryPage(x_mm=1, y_mm=1)] * 4)
        assert caught.value.reason in ("PDF_UNREADABLE", "STAMP_POSITION")


def large_pdf(megabytes: int) -> bytes:
    """A PDF of about that size, of what compresses badly."""
    buffer = BytesIO()
    canvas = Canvas(buffer, pageCompression=0, invariant=True)
    canvas.drawString(100, 700, TEXT)
    canvas.showPage()
    canvas.save()
    writer = IncrementalPdfFileWriter(BytesIO(buffer.getvalue()))
    stream = generic.StreamObject(stream_data=bytes(range(256)) * 4096 * megabytes)
    page = writer.root["/Pages"]["/Kids"][0].get_object()
    page["/PieceInfo"] = writer.add_object(stream)
    writer.update_container(page)
    out = BytesIO()
    writer.write(out)
    return out.getvalue()


def test_size() -> None:
    sealed = _stamped(large_pdf(20), At(page=1, x_mm=10, y_mm=10))
    assert len(sealed) > 20 << 20
    with pytest.raises(InvalidArgument) as caught:
        sealed_pdf(b"%PDF-1.7\n" + bytes(100 << 20))
    assert caught.value.reason == "PDF_TOO_LARGE"
