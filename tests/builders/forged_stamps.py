"""Forged stamps: seals laid over what others signed, and stamps of which nobody sees anything."""

from __future__ import annotations

import re
from functools import partial
from typing import Final

from seal import ses
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import At
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from tests.builders.forging import SEALED, XML, Bench, Files, forgery, replaced
from tests.builders.ofd import pack, png, unpack
from tests.builders.seal_pki import Holder

_LATER = "Doc_0/Signs/Sign_1/"

# --- a stamp of which nobody sees anything -----------------------------------------------------

_UNSEEN = {
    "clipped": ('"140 220 42 42" Clip="0 0 0 0"', "clipped away", "被全部裁剪"),
    "clipped_off": ('"140 220 42 42" Clip="42 0 9 42"', "clipped to nothing", "裁剪区在印章之外"),
    "speck": ('"140 220 0.001 0.001"', "a micrometre large", "仅一微米大小"),
    "sliver": ('"209.999 220 42 42"', "on its page by a micrometre", "仅一微米位于页面内"),
}


def _stamped_as(bench: Bench, *, box: str) -> bytes:
    files = bench.files()
    files[XML] = replaced(files[XML], b'"140 220 42 42"', box.encode())
    return bench.signed(files)


for _key, (_box, _en, _zh) in _UNSEEN.items():
    forgery(
        "stamp_off_page",
        "stamp_pages",
        f"The signer's own stamp is {_en}.",
        f"签章者自己的印章{_zh}。",
        name=f"stamp_{_key}",
        reason="STAMP_OFF_PAGE",
    )(partial(_stamped_as, box=_box))


# --- a later seal --------------------------------------------------------------------------------


def later(bench: Bench, *, police: Holder | None = None) -> tuple[Holder, Files]:
    """Another department that seals what the first has sealed; its picture is white."""
    police = police or bench.issued("示范县公安局")
    seal = bench.seal(
        name="示范县公安局",
        es_id="99010100000077",
        cert_list=(police.certificate,),
        picture=png((255, 255, 255, 255), 16),
    )
    prepared = prepare_ofd(
        bench.sound,
        seal=seal,
        placements=(At(page=1, x_mm=20, y_mm=20),),
        seal_size_mm=(42.0, 42.0),
        signed_at=SEALED,
        suite_oid=SM2_SM3_OID,
    )
    signature = police.signer.sign(prepared.tbs)
    return police, unpack(finish_ofd(prepared, signature=signature, certificate=police.certificate))


def relaid(bench: Bench, stamp: bytes) -> bytes:
    """The later signer's own StampAnnot written otherwise; `ID="0"` is each time another."""
    police, files = later(bench)
    xml = files[_LATER + "Signature.xml"]
    (old,) = re.findall(rb"<ofd:StampAnnot [^>]*/>", xml)
    files[_LATER + "Signature.xml"] = xml = replaced(xml, old, stamp)
    tbs = ses.to_be_signed(
        seal=files[_LATER + "Seal.esl"],
        signed_at=SEALED,
        data_hash=digest(SM3_OID, xml),
        property_info=f"/{_LATER}Signature.xml",
    )
    files[_LATER + "SignedValue.dat"] = ses.assemble_signature(
        tbs,
        certificate=police.certificate,
        signature=police.signer.sign(tbs),
        suite_oid=SM2_SM3_OID,
    )
    return pack(files)


@forgery(
    "covering_seal",
    "stamp_pages",
    "A later signer's seal is stretched over the whole page.",
    "后一签章者的印章被拉伸覆盖整页。",
    reason="STAMP_TOO_LARGE",
)
def later_seal_over_the_page(bench: Bench) -> bytes:
    return relaid(bench, b'<ofd:StampAnnot ID="s2a1" PageRef="10" Boundary="0 0 210 297"/>')


@forgery(
    "covering_seal",
    "stamp_pages",
    "A later signer's seal reaches far over its page, which it covers.",
    "后一签章者的印章远超页面并覆盖整页。",
    reason="STAMP_TOO_LARGE",
)
def later_seal_of_giant_size(bench: Bench) -> bytes:
    giant = b'Boundary="-1000 -1000 99999 99999"'
    return relaid(bench, b'<ofd:StampAnnot ID="s2a1" PageRef="10" ' + giant + b"/>")


@forgery(
    "covering_seal",
    "stamp_pages",
    "A later signer lays the seal many times, side by side over the page.",
    "后一签章者在页面上并排加盖多枚印章。",
    reason="STAMP_TOO_LARGE",
)
def later_seals_side_by_side(bench: Bench) -> bytes:
    places = [(42 * column, 42 * row) for column in range(5) for row in range(7)]
    stamps = (
        f'<ofd:StampAnnot ID="s2a{index}" PageRef="10" Boundary="{x} {y} 42 42"/>'
        for index, (x, y) in enumerate(places)
    )
    return relaid(bench, "".join(stamps).encode())


# --- stamps that some readers show and others do not -------------------------------------------

_OWN: Final = b'<ofd:StampAnnot ID="s2a1" PageRef="10" Boundary="100 100 42 42"/>'
_WHOLE_PAGE: Final = b'ID="9" PageRef="10" Boundary="0 0 210 297"/>'
for _key, _more, _en, _zh in (
    (
        "foreign",
        b'<x:StampAnnot xmlns:x="urn:x" ' + _WHOLE_PAGE + _OWN,
        "a StampAnnot of a foreign namespace over the whole page",
        "其他命名空间的 StampAnnot，覆盖整页",
    ),
    (
        "deep",
        b"<ofd:Parameters><ofd:StampAnnot " + _WHOLE_PAGE + b"</ofd:Parameters>" + _OWN,
        "a StampAnnot over the whole page inside another element",
        "位于其他元素之内的 StampAnnot，覆盖整页",
    ),
    (
        "attribute",
        _OWN.replace(b" ID", b' xmlns:x="urn:x" x:Boundary="0 0 210 297" ID'),
        "a second Boundary of a foreign namespace on its StampAnnot",
        "StampAnnot 上其他命名空间的第二个 Boundary",
    ),
):
    forgery(
        "covering_seal",
        "ofd_structure",
        f"A later signer's Signature.xml has {_en}.",
        f"后一签章者的 Signature.xml 含有{_zh}。",
        name=f"later_stamp_{_key}",
    )(partial(relaid, stamp=_more))
