"""What of a seal shows, and what is told of it: clips, edges, sizes, and seals laid since."""

from __future__ import annotations

import re

import pytest

from seal.model import Check, Indication, Verdict
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import AcrossEdges, At, EveryPage, Placement
from seal.verify import assess
from tests.builders.forged_stamps import later, relaid
from tests.builders.forging import JUDGED, XML, Bench, Files, replaced
from tests.builders.forging import plain as plain_document
from tests.builders.ofd import pack, plain_ofd, unpack

BENCH = Bench()
STORE = BENCH.store()


def judge(document: bytes) -> Verdict:
    return assess(document, store=STORE, now=JUDGED)


def stamps(verdict: Verdict, index: int = 0) -> Check:
    (found,) = (one for one in verdict.signatures[index].checks if one.name == "stamp_pages")
    return found


def cover(verdict: Verdict, index: int = 0) -> Check:
    (found,) = (one for one in verdict.signatures[index].checks if one.name == "uncovered_files")
    return found


def stamped(box: str) -> Verdict:
    files = BENCH.files()
    files[XML] = replaced(files[XML], b'"140 220 42 42"', box.encode())
    return judge(BENCH.signed(files))


def sealed(pages: int, placement: Placement) -> Files:
    prepared = prepare_ofd(
        plain_ofd(pages) if pages > 1 else plain_document(),
        seal=BENCH.good_seal,
        placements=(placement,),
        seal_size_mm=(42.0, 42.0),
        signed_at=JUDGED,
    )
    signature = BENCH.signer.signer.sign(prepared.tbs)
    certificate = BENCH.signer.certificate
    return unpack(finish_ofd(prepared, signature=signature, certificate=certificate))


# --- sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "box", ['"140 220 42 42"', '"140 220 40 40"', '"140 220 30 30"', '"140.5 220 43.333333333 43"']
)
def test_a_seal_of_about_its_own_size_is_not_remarked_on(box: str) -> None:
    assert (stamps(stamped(box)).indication, stamps(stamped(box)).notice) == ("PASSED", False)


@pytest.mark.parametrize(
    "box", ['"10 10 90 5"', '"10 10 60 60"', '"10 10 10 10"', '"10 10 42 30"', '"10 10 21 42"']
)
def test_a_seal_stretched_or_of_another_size_is_told(box: str) -> None:
    verdict = stamped(box)
    assert verdict.indication is Indication.PASSED
    assert stamps(verdict).notice
    assert "while its seal is 42 x 42 mm" in stamps(verdict).detail


def test_a_giant_seal_of_the_only_signer_is_told() -> None:
    found = stamps(stamped('"-1000 -1000 99999 99999"'))
    assert (found.indication, found.notice) == ("PASSED", True)
    assert "210 x 297 mm of page 1, 0 mm from its left" in found.detail


def test_a_clip_is_within_the_stamp() -> None:
    found = stamps(stamped('"140 220 42 42" Clip="0 0 42 42"'))
    assert (found.indication, found.notice) == ("PASSED", False)
    assert stamps(stamped('"140 220 42 42" Clip="140 220 42 42"')).reason == "STAMP_OFF_PAGE"
    assert judge(BENCH.signed(_clipped("a b c d"))).indication is Indication.FAILED
    assert judge(BENCH.signed(_clipped(""))).indication is Indication.PASSED


def _clipped(clip: str) -> Files:
    files = BENCH.files()
    new = f'"140 220 42 42" Clip="{clip}"'.encode()
    files[XML] = replaced(files[XML], b'"140 220 42 42"', new)
    return files


def test_a_part_of_a_seal_is_told() -> None:
    assert "shows in part" in stamps(stamped('"140 220 42 42" Clip="0 0 21 42"')).detail
    assert "shows in part" in stamps(stamped('"200 220 42 42"')).detail
    assert "shows in part" in stamps(stamped('"200 290 42 42"')).detail


# --- across edges, on every page ----------------------------------------------------------------

_STAMP = re.compile(rb"<ofd:StampAnnot [^>]*/>")
EDGES = {pages: sealed(pages, AcrossEdges(y_mm=100)) for pages in (2, 5, 50)}


@pytest.mark.parametrize("pages", EDGES)
def test_a_seal_across_edges_is_whole(pages: int) -> None:
    found = stamps(judge(pack(EDGES[pages])))
    assert (found.indication, found.notice) == ("PASSED", False)


@pytest.mark.parametrize("pages", EDGES)
@pytest.mark.parametrize("again", [0, 2])
def test_a_part_left_out_or_laid_twice_by_the_signer_is_told(pages: int, again: int) -> None:
    files = dict(EDGES[pages])
    line = _STAMP.findall(files[XML])[1]
    files[XML] = files[XML].replace(line, line * again, 1)
    found = stamps(judge(BENCH.signed(files)))
    assert (found.indication, found.notice) == ("PASSED", True)
    assert "do not make up whole seals" in found.detail


def test_a_part_taken_out_or_moved_by_another_fails() -> None:
    for old, new in ((_STAMP.findall(EDGES[5][XML])[2], b""), (b'"0 0 8.4 42"', b'"9 0 8.4 42"')):
        files = {**EDGES[5], XML: replaced(EDGES[5][XML], old, new)}
        assert judge(pack(files)).reason == "DATA_HASH"


@pytest.mark.parametrize("placement", [AcrossEdges(y_mm=100), EveryPage(x_mm=20, y_mm=200)])
def test_a_page_added_or_taken_out_after_fails(placement: Placement) -> None:
    files = sealed(3, placement)
    page = "Doc_0/Pages/Page_2/Content.xml"
    more = {**files, "Doc_0/Pages/Page_3/Content.xml": files[page]}
    more["Doc_0/Document.xml"] = replaced(
        files["Doc_0/Document.xml"],
        b"</ofd:Pages>",
        b'<ofd:Page ID="13" BaseLoc="Pages/Page_3/Content.xml"/></ofd:Pages>',
    )
    fewer = {name: data for name, data in files.items() if name != page}
    swapped = {**files, page: files[page.replace("2", "1")]}
    for forged in (more, fewer, swapped):
        assert judge(pack(forged)).indication is Indication.FAILED


# --- laid since -----------------------------------------------------------------------------------


def test_a_seal_laid_since_is_told_to_whom_never_saw_it() -> None:
    verdict = judge(pack(later(BENCH)[1]))
    assert verdict.indication is Indication.PASSED
    first, second = cover(verdict), cover(verdict, 1)
    assert (first.notice, second.notice) == (True, False)
    assert first.detail == (
        "every file is covered; this signer did not see the signature s002 "
        "(/Doc_0/Signs/Sign_1/Signature.xml), which covers 42 x 42 mm of page 1, "
        "20 mm from its left and 20 mm from its top"
    )
    assert "s002" in first.detail_zh


def test_a_later_crowd_of_specks_is_a_covering_too() -> None:
    places = [(0.9 * column, 0.9 * row) for column in range(120) for row in range(120)]
    stamp = '<ofd:StampAnnot ID="a{}" PageRef="10" Boundary="{:.1f} {:.1f} 0.9 0.9"/>'
    written = "".join(stamp.format(index, *place) for index, place in enumerate(places))
    found = stamps(judge(relaid(BENCH, written.encode())), 1)
    assert found.reason == "STAMP_TOO_LARGE"
    assert found.detail.startswith("the seals of a page cover more than a seal may")


def test_parts_on_the_edges_of_facing_pages_are_whole() -> None:
    """Not clipped: the page itself cuts what hangs over, right and left."""
    files = dict(EDGES[2])
    first, second = _STAMP.findall(files[XML])
    boxes = {
        first: b'PageRef="10" Boundary="189 9 42 42"',
        second: b'PageRef="11" Boundary="-21 9 42 42"',
    }
    for old, box in boxes.items():
        files[XML] = replaced(files[XML], old, b'<ofd:StampAnnot ID="%d" ' % len(box) + box + b"/>")
    found = stamps(judge(BENCH.signed(files)))
    assert (found.indication, found.notice) == ("PASSED", False)


def test_a_signature_that_shows_nothing_is_told_too() -> None:
    assert "s002 (/Doc_0/Signs/Sign_1/Signature.xml), which shows nothing" in (
        cover(judge(relaid(BENCH, b""))).detail
    )


def test_a_later_seal_across_edges_is_as_large_as_others() -> None:
    prepared = prepare_ofd(
        pack(EDGES[5]),
        seal=BENCH.good_seal,
        placements=(AcrossEdges(y_mm=150), At(page=1, x_mm=1, y_mm=1)),
        seal_size_mm=(42.0, 42.0),
        signed_at=JUDGED,
    )
    signature = BENCH.signer.signer.sign(prepared.tbs)
    document = finish_ofd(prepared, signature=signature, certificate=BENCH.signer.certificate)
    verdict = judge(document)
    assert verdict.indication is Indication.PASSED
    assert "and 3 more" in cover(verdict).detail


def test_a_page_is_told_by_its_number() -> None:
    """Not by its identifier, which is any number."""
    found = stamps(stamped('"140 220 42 42"'))
    assert (found.against, found.against_zh) == ("1 stamp(s) on page(s) 1", "1 个印章，第 1 页")
    off = stamps(stamped('"900 220 42 42"'))
    assert off.reason == "STAMP_OFF_PAGE"
    assert (off.detail[-8:], off.detail_zh[-5:]) == (": page 1", "第 1 页")
