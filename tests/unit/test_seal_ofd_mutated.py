"""OFDs whose XML was taken apart and put together otherwise: a verdict comes, and soon."""

from __future__ import annotations

import copy
import time
from collections.abc import Callable
from functools import lru_cache

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from lxml import etree

from seal.model import Indication
from seal.verify import assess
from tests.builders.makers import Habit, made
from tests.builders.ofd import NOW, pack, plain_ofd, unpack, world

NS = 'xmlns:ofd="http://www.ofdspec.org/2016"'
DOCUMENT = "Doc_0/Document.xml"
PAGE = "Doc_0/Pages/Page_0/Content.xml"
LONGEST = 5.0  # seconds, on a machine that does other things too

ATTRIBUTES = (
    "ID", "BaseLoc", "Type", "PageRef", "FileRef", "Profile", "Boundary", "Clip", "TemplateID",
    "{urn:x}ID", "{urn:x}BaseLoc",
)  # fmt: skip
VALUES = (
    "", "0", "-1", "1e999", "NaN", " ", "\u3000", "..", "../..", "/", "//", "a:b", ".", "10", "004",
    "%", "%zz", "%00", "\ufeff", "x" * 3000, "9" * 400, "10 10 10", "0 0 0 0", "\U0001f600", "Seal",
    "Sign", DOCUMENT, "/OFD.xml", "PublicRes.xml", "e\u0301",
)  # fmt: skip

Mutation = Callable[[etree._Element, etree._Element, int], None]


def _res(held: str) -> bytes:
    return f'<ofd:Res {NS} BaseLoc="Res">{held}</ofd:Res>'.encode()


@lru_cache
def _rich() -> dict[str, bytes]:
    """A sealed document that has one of nearly everything that is looked at."""
    files = unpack(plain_ofd())
    files[DOCUMENT] = files[DOCUMENT].replace(
        b"</ofd:CommonData>",
        b"<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"
        b"<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes>"
        b'<ofd:TemplatePage ID="77" BaseLoc="Tpls/Tpl_0/Content.xml"/></ofd:CommonData>',
    )
    files[DOCUMENT] = files[DOCUMENT].replace(
        b"</ofd:Document>",
        b'<ofd:Actions><ofd:Action Event="DO"><ofd:URI URI="http://example.invalid/"/></ofd:Action>'
        b"</ofd:Actions><ofd:Annotations>Annotations.xml</ofd:Annotations>"
        b"<ofd:Attachments>Attachments.xml</ofd:Attachments></ofd:Document>",
    )
    files[PAGE] = files[PAGE].replace(
        b"<ofd:Content>",
        b'<ofd:Template TemplateID="77"/><ofd:PageRes>R.xml</ofd:PageRes><ofd:Content>',
    )
    kinds = (
        '<ofd:ColorSpaces><ofd:ColorSpace ID="7" Profile="p.icc"/></ofd:ColorSpaces>'
        '<ofd:DrawParams><ofd:DrawParam ID="8"/><ofd:DrawParam ID="9"/></ofd:DrawParams>'
        '<ofd:CompositeGraphicUnits><ofd:CompositeGraphicUnit ID="80" Width="9" Height="9">'
        "<ofd:Content/></ofd:CompositeGraphicUnit></ofd:CompositeGraphicUnits>"
    )
    picture = (
        '<ofd:MultiMedias><ofd:MultiMedia ID="{}" Type="Image"><ofd:MediaFile>a.png'
        "</ofd:MediaFile></ofd:MultiMedia></ofd:MultiMedias>"
    )
    listed = '<ofd:Page PageID="10"><ofd:FileLoc>Pages/Page_0/An.xml</ofd:FileLoc></ofd:Page>'
    attached = '<ofd:Attachment ID="5" Name="a"><ofd:FileLoc>a.txt</ofd:FileLoc></ofd:Attachment>'
    files |= {
        "Doc_0/PublicRes.xml": _res(kinds + picture.format(4)),
        "Doc_0/DocumentRes.xml": _res(picture.format(14)),
        "Doc_0/Pages/Page_0/R.xml": _res(picture.format(28)),
        "Doc_0/Res/a.png": b"a picture",
        "Doc_0/Res/p.icc": b"x",
        "Doc_0/Tpls/Tpl_0/Content.xml": f"<ofd:Page {NS}><ofd:Content/></ofd:Page>".encode(),
        "Doc_0/Annotations.xml": f"<ofd:Annotations {NS}>{listed}</ofd:Annotations>".encode(),
        "Doc_0/Pages/Page_0/An.xml": f"<ofd:PageAnnot {NS}/>".encode(),
        "Doc_0/Attachments.xml": f"<ofd:Attachments {NS}>{attached}</ofd:Attachments>".encode(),
        "Doc_0/a.txt": b"a",
    }
    return unpack(made(Habit(), pack(files)))


# --- what is done to an element, given another one and a number -----------------------------------


def _double(one: etree._Element, _other: etree._Element, number: int) -> None:
    parent = one.getparent()
    if parent is not None:
        parent.insert(number % (len(parent) + 1), copy.deepcopy(one))


def _drop(one: etree._Element, _other: etree._Element, _number: int) -> None:
    parent = one.getparent()
    if parent is not None:
        parent.remove(one)


def _move(one: etree._Element, other: etree._Element, _number: int) -> None:
    other.append(copy.deepcopy(one))


def _rename(one: etree._Element, other: etree._Element, _number: int) -> None:
    one.tag = other.tag


def _leave_namespace(one: etree._Element, _other: etree._Element, _number: int) -> None:
    one.tag = etree.QName(one).localname


def _set(one: etree._Element, _other: etree._Element, number: int) -> None:
    one.set(ATTRIBUTES[number % len(ATTRIBUTES)], VALUES[number // 7 % len(VALUES)])


def _unset(one: etree._Element, _other: etree._Element, number: int) -> None:
    names = list(one.attrib)
    if names:
        del one.attrib[names[number % len(names)]]


def _say(one: etree._Element, _other: etree._Element, number: int) -> None:
    one.text = VALUES[number % len(VALUES)]


def _instruct(one: etree._Element, _other: etree._Element, number: int) -> None:
    said = f'ID="{number % 12}" BaseLoc="a" Type="Seal" PageRef="10"'
    one.insert(0, etree.ProcessingInstruction("x", said))


def _remark(one: etree._Element, _other: etree._Element, number: int) -> None:
    one.insert(number % (len(one) + 1), etree.Comment("c"))


MUTATIONS: tuple[Mutation, ...] = (
    _double, _drop, _move, _rename, _leave_namespace, _set, _unset, _say, _instruct, _remark,
)  # fmt: skip
STEPS = st.lists(
    st.tuples(
        st.sampled_from(sorted(name for name in _rich() if name.endswith(".xml"))),
        st.sampled_from(MUTATIONS),
        *[st.integers(0, 2**16)] * 3,
    ),
    min_size=1,
    max_size=8,
)


def test_what_is_taken_apart_was_sound() -> None:
    verdict = assess(pack(_rich()), store=world().store(), now=NOW)
    assert verdict.indication is Indication.PASSED


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS)
def test_a_verdict_comes_whatever_the_xml_holds(
    steps: list[tuple[str, Mutation, int, int, int]],
) -> None:
    files = dict(_rich())
    roots = {name: etree.fromstring(files[name]) for name, *_ in steps}
    for name, mutation, first, second, number in steps:
        elements = list(roots[name].iter(etree.Element))
        mutation(elements[first % len(elements)], elements[second % len(elements)], number)
    for name, root in roots.items():
        files[name] = etree.tostring(root.getroottree(), encoding="UTF-8", xml_declaration=True)
    begin = time.monotonic()
    verdict = assess(pack(files), store=world().store(), now=NOW)
    assert time.monotonic() - begin < LONGEST
    assert verdict.summary
    changed = [name for name in files if files[name] != _rich()[name]]
    if any("Signatures.xml" not in name for name in changed):
        assert verdict.indication is not Indication.PASSED
