"""Wishes for stamps resolved on the pages of an OFD, and words found on them."""

from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runtime.errors import InvalidArgument
from seal.ofd.markup import read_xml
from seal.ofd.package import PackageError, read_package
from seal.ofd.placement import Pages, pages_in, place
from seal.placement import AcrossEdges, At, EveryPage, Keyword, Placement, Stamp
from seal.verify import assess
from tests.builders.ofd import NOW, later, ofd_of, plain_ofd, seal_ofd, text_object, world

SEAL = (42.0, 42.0)
A3 = "<ofd:Area><ofd:PhysicalBox>0 0 420 297</ofd:PhysicalBox></ofd:Area>"


def _pages(document: bytes) -> Pages:
    package, root = read_package(document), "Doc_0/Document.xml"
    return pages_in(package, root, read_xml(package, root))


def _place(document: bytes, *wishes: Placement, seal: tuple[float, float] = SEAL) -> list[Stamp]:
    return list(place(_pages(document), wishes, seal))


def _refused(document: bytes, *wishes: Placement) -> InvalidArgument:
    with pytest.raises(InvalidArgument) as caught:
        _place(document, *wishes)
    assert caught.value.message_zh
    return caught.value


def _centre(stamp: Stamp) -> tuple[float, float]:
    return stamp.x_mm + stamp.width_mm / 2, stamp.y_mm + stamp.height_mm / 2


# --- pages and boxes ------------------------------------------------------------------------


def test_size_is_the_pages_own_then_its_templates_then_the_documents() -> None:
    document = ofd_of(
        "",
        "",
        "",
        heads={1: A3, 2: '<ofd:Template TemplateID="t1"/>'},
        templates={"t1": A3.replace("420", "100")},
    )
    assert [_pages(document).size_of(n) for n in (1, 2, 3)] == [(420, 297), (100, 297), (210, 297)]


def test_templates_that_name_each_other_end() -> None:
    ring = {"t1": '<ofd:Template TemplateID="t2"/>', "t2": '<ofd:Template TemplateID="t1"/>'}
    document = ofd_of("", heads={1: '<ofd:Template TemplateID="t1"/>'}, templates=ring)
    pages = _pages(document)
    assert len(pages.layers(1)) == 3
    assert pages.size_of(1) == (210, 297)


def test_page_that_is_its_own_template_ends() -> None:
    document = ofd_of("", heads={1: '<ofd:Template TemplateID="nobody"/>' * 1000})
    assert _pages(document).size_of(1) == (210, 297)


@pytest.mark.parametrize("box", ["", "0 0 0 297", "0 0 nan 297", "0 0 -210 297", "0 0 1e9 297"])
def test_page_without_a_usable_size(box: str) -> None:
    area = f"<ofd:PageArea><ofd:PhysicalBox>{box}</ofd:PhysicalBox></ofd:PageArea>"
    with pytest.raises(PackageError):
        _place(ofd_of("", area=area), At(page=1, x_mm=1, y_mm=1))


def test_size_given_keeps_the_proportion() -> None:
    (stamp,) = _place(plain_ofd(), At(page=1, x_mm=5, y_mm=6, size_mm=22.5), seal=(45.0, 30.0))
    assert (stamp.width_mm, stamp.height_mm) == (22.5, 15.0)


def test_every_page() -> None:
    stamps = _place(plain_ofd(3), EveryPage(x_mm=10, y_mm=20))
    assert [(one.page, one.x_mm, one.y_mm, one.clip_mm) for one in stamps] == [
        (n, 10, 20, None) for n in (1, 2, 3)
    ]


def test_box_over_the_edge_says_how_large_the_page_is() -> None:
    refused = _refused(ofd_of("", "", heads={2: A3}), At(page=2, x_mm=379, y_mm=1))
    assert "page 2" in refused.message
    assert "420 x 297" in refused.message
    assert len(_place(ofd_of("", heads={1: A3}), At(page=1, x_mm=378, y_mm=255))) == 1


@pytest.mark.parametrize(
    "wish",
    [
        At(page=3, x_mm=1, y_mm=1),
        At(page=1, x_mm=math.inf, y_mm=1),
        At(page=1, x_mm=1, y_mm=1, size_mm=-1),
        At(page=1, x_mm=1, y_mm=1, size_mm=math.nan),
        EveryPage(x_mm=169, y_mm=1),
        AcrossEdges(y_mm=math.nan),
        AcrossEdges(y_mm=260),
        AcrossEdges(y_mm=1, size_mm=211),
        AcrossEdges(y_mm=1, pages_per_image=1),
        AcrossEdges(y_mm=1, pages_per_image=51),
        Keyword(text=" "),
        Keyword(text="x" * 101),
        Keyword(text="HELLO", occurrence=-2),
        Keyword(text="HELLO", occurrence=5000),
        Keyword(text="HELLO", dx_mm=math.inf),
        Keyword(text="HELLO", size_mm=300),
    ],
)
def test_wish_that_cannot_be_met(wish: Placement) -> None:
    assert _refused(plain_ofd(2), wish).reason == "STAMP_POSITION"


def test_stamps_are_bounded() -> None:
    wishes = [EveryPage(x_mm=n / 100, y_mm=1) for n in range(100)]
    assert "4096" in _refused(plain_ofd(50), *wishes).message
    assert _refused(plain_ofd(), *wishes, *wishes, *wishes).reason == "STAMP_POSITION"


# --- across page edges ----------------------------------------------------------------------


@settings(deadline=None, max_examples=60)
@given(
    count=st.integers(2, 45),
    per_image=st.integers(2, 50),
    width=st.floats(5, 60),
    wide=st.sets(st.integers(1, 45)),
)
def test_slices_make_up_the_image(count: int, per_image: int, width: float, wide: set[int]) -> None:
    document = ofd_of(*[""] * count, heads=dict.fromkeys(wide, A3))
    pages = _pages(document)
    wish = AcrossEdges(y_mm=100, size_mm=width, pages_per_image=per_image)
    stamps = place(pages, [wish], SEAL)
    assert [one.page for one in stamps] == list(range(1, count + 1))
    images: list[list[Stamp]] = []
    for one in stamps:
        assert one.clip_mm is not None
        if one.clip_mm[0] == 0:
            images.append([])
        images[-1].append(one)
    assert {len(image) for image in images} <= {n for image in images for n in (len(image),)}
    assert max(map(len, images)) <= max(per_image, 3)
    assert min(map(len, images)) >= 2
    assert max(map(len, images)) - min(map(len, images)) <= 1
    for image in images:
        reached = 0.0
        for one in image:
            assert one.clip_mm is not None
            left, top, part, height = one.clip_mm
            assert left == pytest.approx(reached)
            assert (top, height) == (0, one.height_mm)
            reached = left + part
            # The slice ends at the right edge of the page as it is.
            assert one.x_mm + reached == pytest.approx(pages.size_of(one.page)[0], abs=0.001)
        assert reached == pytest.approx(width, abs=0.001)


def test_one_page_has_no_edges_to_cross() -> None:
    refused = _refused(plain_ofd(1), AcrossEdges(y_mm=100))
    assert "two pages" in refused.message


# --- words ----------------------------------------------------------------------------------


def _at_word(content: str, word: str = "盖章", **more: float) -> list[tuple[float, float]]:
    wish = Keyword(text=word, size_mm=1, **more)  # type: ignore[arg-type]
    return [_centre(one) for one in _place(ofd_of(content), wish)]


def _near(found: list[tuple[float, float]], *wanted: tuple[float, float]) -> bool:
    return len(found) == len(wanted) and all(
        math.dist(one, other) < 0.01 for one, other in zip(found, wanted, strict=True)
    )


# Glyphs of 5 mm from x = 20, base line at 25: a wide one's middle is 2.5 to the right, 1.9 above.
MIDDLE = 25 - 0.88 * 5 + 2.5


@pytest.mark.parametrize(
    "delta", ["5 5 5", "g 3 5", "5 g 2 5", "g 999999999 5", "5.0 5e0 +5 nan-never-read"]
)
def test_word_by_its_offsets(delta: str) -> None:
    assert _near(_at_word(text_object("此处盖章", DeltaX=delta)), (35, MIDDLE))


def test_word_without_offsets_runs_in_its_own_width() -> None:
    assert _near(_at_word(text_object("此处盖章")), (35, MIDDLE))
    assert _near(_at_word(text_object("ab盖章")), (30, MIDDLE))


def test_each_occurrence_in_reading_order_and_one_of_them() -> None:
    line = text_object("盖章与盖章", DeltaX="g 4 5")
    below = text_object("盖章", at=(20, 60), DeltaX="5")
    every = [(25, MIDDLE), (40, MIDDLE), (25, MIDDLE + 40)]
    assert _near(_at_word(below + line), *every)
    for number, wanted in ((1, 0), (2, 1), (3, 2), (-1, 2)):
        assert _near(_at_word(below + line, occurrence=number), every[wanted])


def test_occurrences_over_pages_and_templates() -> None:
    document = ofd_of(
        text_object("盖章", DeltaX="5"),
        "",
        heads={2: '<ofd:Template TemplateID="t1"/>'},
        templates={
            "t1": '<ofd:Content><ofd:Layer ID="1">'
            + text_object("盖章", at=(60, 60), DeltaX="5")
            + "</ofd:Layer></ofd:Content>"
        },
    )
    assert [one.page for one in _place(document, Keyword(text="盖章"))] == [1, 2]
    (last,) = _place(document, Keyword(text="盖章", occurrence=-1, dx_mm=30, dy_mm=-2))
    assert _near([_centre(last)], (95, 60 + MIDDLE - 22))


def test_word_in_several_text_codes_and_objects_of_a_line() -> None:
    pieces = text_object("此处盖", DeltaX="5 5") + text_object("章", at=(35, 20))
    assert _near(_at_word(pieces), (35, MIDDLE))
    codes = text_object("盖").replace(
        "</ofd:TextObject>", '<ofd:TextCode X="5">章</ofd:TextCode></ofd:TextObject>'
    )
    assert _near(_at_word(codes), (25, MIDDLE))
    spaced = text_object("盖  章", DeltaX="5 5 5")
    assert _near(_at_word(spaced), (30, MIDDLE))


def test_pieces_that_do_not_stand_together_are_no_word() -> None:
    for at in ((45, 20), (25, 27)):
        apart = ofd_of(text_object("盖") + text_object("章", at=at))
        assert _refused(apart, Keyword(text="盖章")).reason == "KEYWORD_NOT_FOUND"


def test_text_struck_twice_is_one_occurrence() -> None:
    for shift in (0.0, 0.2):
        bold = text_object("盖章", DeltaX="5") + text_object(
            "盖章", at=(20 + shift, 20), DeltaX="5"
        )
        assert len(_at_word(bold)) == 1
        single = "".join(
            text_object(c, at=(20 + 5 * n + s, 20))
            for n, c in enumerate("盖章")
            for s in (0, shift)
        )
        assert len(_at_word(single)) == 1


def test_matrix_scales_turns_and_moves() -> None:
    twice = text_object("盖章", DeltaX="5", CTM="2 0 0 2 1 3")
    assert _near(_at_word(twice), (20 + 1 + 10, 20 + 3 + 2 * (MIDDLE - 20)))
    turned = text_object("盖章", at=(60, 60), DeltaX="5", CTM="0 1 -1 0 0 0")
    assert _near(_at_word(turned), (60 - (MIDDLE - 20), 65))
    pieces = text_object("盖", at=(60, 60), CTM="0 1 -1 0 0 0") + text_object(
        "章", at=(60, 65), CTM="0 1 -1 0 0 0"
    )
    assert _near(_at_word(pieces), (60 - (MIDDLE - 20), 65))


def test_text_from_top_to_bottom() -> None:
    wanted = (22.5, MIDDLE + 2.5)
    assert _near(_at_word(text_object("盖章", DeltaY="5")), wanted)
    assert _near(_at_word(text_object("盖章", ReadDirection="90")), wanted)
    pieces = text_object("盖", ReadDirection="90") + text_object(
        "章", at=(20, 25), ReadDirection="90"
    )
    assert _near(_at_word(pieces), wanted)


def test_seal_at_a_word_by_the_edge_is_moved_inside() -> None:
    (stamp,) = _place(ofd_of(text_object("盖章", at=(200, 2), DeltaX="5")), Keyword(text="盖章"))
    assert (stamp.x_mm, stamp.y_mm) == (168, 0)


@pytest.mark.parametrize(
    "content",
    [
        text_object("盖章", DeltaX="nan"),
        text_object("盖章", DeltaX="g 1"),
        text_object("盖章", DeltaX="g -1 5"),
        text_object("盖章", DeltaX="g 99999999999999999999999 5"),
        text_object("盖章", DeltaX="inf"),
        text_object("盖章", DeltaX="1e300"),
        text_object("盖章", X="nan"),
        text_object("盖章", Visible="false"),
        text_object("盖章", CTM="1 0 1 0 0 0"),
        text_object("盖章", CTM="1 0 0 1 0"),
        text_object("盖章", CTM="nan 0 0 1 0 0"),
        text_object("盖章", Size="0"),
        text_object("盖章", Size="-5"),
        text_object("盖章", HScale="0"),
        text_object("盖章", ReadDirection="45"),
        text_object("盖章", Boundary="a b c d"),
        text_object("盖章", at=(900, 20), DeltaX="5"),
        text_object("章盖", DeltaX="5"),
        "",
    ],
)
def test_text_that_shows_nothing_has_no_words(content: str) -> None:
    refused = _refused(ofd_of(content), Keyword(text="盖章"))
    assert refused.reason == "KEYWORD_NOT_FOUND"
    assert "盖章" not in refused.message + refused.message_zh


def test_too_few_occurrences() -> None:
    refused = _refused(ofd_of(text_object("盖章", DeltaX="5")), Keyword(text="盖章", occurrence=2))
    assert refused.reason == "KEYWORD_NOT_FOUND"
    assert "1 times" in refused.message


def test_longest_keyword_and_very_many_occurrences() -> None:
    text = "长" * 100
    assert len(_at_word(text_object(text, DeltaX="g 99 1"), word=text)) == 1
    crowd = text_object("章" * 5000, DeltaX="g 4999 0.03", Size="0.01")
    assert _refused(ofd_of(crowd), Keyword(text="章")).reason == "STAMP_POSITION"


def test_page_with_too_much_text() -> None:
    refused = _refused(ofd_of(text_object("章盖" * 50_001)), Keyword(text="盖章"))
    assert refused.reason == "OFD_PACKAGE_LIMITS"


@pytest.mark.parametrize(
    ("head", "reason"),
    [
        ("<!DOCTYPE a>", "OFD_XML_NO_DTD"),
        ("<b>", "OFD_XML_WELL_FORMED"),
        ("<?xml version='1.0' encoding='GBK'?>", "OFD_XML_WELL_FORMED"),
    ],
)
def test_page_that_is_not_plain_xml(head: str, reason: str) -> None:
    from tests.builders.ofd import pack, unpack

    files = unpack(plain_ofd())
    name = "Doc_0/Pages/Page_0/Content.xml"
    files[name] = head.encode() + files[name].partition(b"?>")[2].strip()
    assert _refused(pack(files), Keyword(text="HELLO")).reason == reason


NUMBERS = st.one_of(
    st.floats().map(str), st.integers().map(str), st.sampled_from(["g", "-", "1_0", "٣", ""])
)


@settings(deadline=None, max_examples=150)
@given(
    text=st.text("盖章 ag", min_size=1, max_size=8),
    delta_x=st.lists(NUMBERS, max_size=6),
    delta_y=st.lists(NUMBERS, max_size=6),
    matrix=st.lists(NUMBERS, min_size=5, max_size=7),
    direction=st.sampled_from(["0", "90", "180", "270", "x"]),
)
def test_whatever_the_numbers_are(
    text: str, delta_x: list[str], delta_y: list[str], matrix: list[str], direction: str
) -> None:
    content = text_object(
        text,
        DeltaX=" ".join(delta_x),
        DeltaY=" ".join(delta_y),
        CTM=" ".join(matrix),
        CharDirection=direction,
    ) + text_object(text, ReadDirection=direction, DeltaX=" ".join(delta_x))
    try:
        found = _place(ofd_of(content), Keyword(text="盖章", size_mm=2))
    except InvalidArgument as error:
        assert error.reason == "KEYWORD_NOT_FOUND"
    else:
        assert all(0 <= one.x_mm <= 208 and 0 <= one.y_mm <= 295 for one in found)


def test_last_occurrence_is_on_the_last_page_that_has_one() -> None:
    document = ofd_of(text_object("盖章"), text_object("盖章与盖章", DeltaX="g 4 5"), "")
    (last,) = _place(document, Keyword(text="盖章", occurrence=-1, size_mm=1))
    assert last.page == 2
    assert _near([_centre(last)], (40, MIDDLE))


@pytest.mark.parametrize(
    "wish",
    [At(page=1, x_mm=1, y_mm=1, size_mm=101), AcrossEdges(y_mm=1, size_mm=101), Keyword(text="章")],
)
def test_a_seal_over_a_signed_document_may_not_hide_it(wish: Placement) -> None:
    document = ofd_of(*[text_object("章 " * 20)] * 2)
    once = seal_ofd(document, placements=[wish])
    small = At(page=1, x_mm=1, y_mm=1, size_mm=100)
    assert assess(once, store=world().store(), now=NOW).indication == "PASSED"
    assert seal_ofd(once, placements=[small], signed_at=later(5))
    with pytest.raises(InvalidArgument) as caught:
        seal_ofd(once, placements=[wish], signed_at=later(5))
    assert caught.value.reason == "STAMP_POSITION"
    assert "signed already" in caught.value.message
