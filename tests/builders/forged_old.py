"""Forgeries with seals and signatures of version 1 (GM/T 0031-2014), which are read only.

Each rule of the newer versions is asked of them too: what passes here would be how to forge.
"""

from __future__ import annotations

import base64
import re
from datetime import datetime, timedelta

from seal import der
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from tests.builders.forging import (
    CREATED,
    JUDGED,
    PAGE,
    SEAL,
    SEALED,
    VALUE,
    XML,
    Bench,
    Files,
    forgery,
    replaced,
    signer_id,
    twin,
)
from tests.builders.ofd import pack, png, unpack
from tests.builders.seal_pki import END, Holder
from tests.builders.ses import rebuilt

_DAY = timedelta(days=1)
_PICTURE = (0, 3, 1)  # in SESeal


def old_seal(
    bench: Bench,
    *,
    maker: Holder | None = None,
    signers: tuple[Holder, ...] = (),
    times: tuple[datetime, datetime, datetime] = (CREATED, CREATED, END),
) -> bytes:
    """A seal of version 1 for the signers; `times` are when it is made, begins and ends."""
    maker = maker or bench.maker
    listed = [der.octets(one.certificate) for one in signers or (bench.signer,)]
    info = der.sequence(
        der.sequence(der.text(der.IA5_STRING, "ES"), der.integer(1), der.text(der.IA5_STRING, "T")),
        der.text(der.IA5_STRING, "99010100000001"),
        der.sequence(
            der.integer(1),
            der.text(der.UTF8_STRING, "示范县行政审批局"),
            der.sequence(*listed),
            *[der.tlv(der.UTC_TIME, _utc(one)) for one in times],
        ),
        der.sequence(
            der.text(der.IA5_STRING, "PNG"),
            der.octets(png((220, 0, 0, 255), 16)),
            der.integer(42),
            der.integer(42),
        ),
    )
    said = [der.octets(maker.certificate), der.oid(SM2_SM3_OID)]
    value = maker.signer.sign(der.sequence(info, *said))
    return der.sequence(info, der.sequence(*said, der.bits(value)))


def _utc(at: datetime) -> bytes:
    return at.strftime("%y%m%d%H%M%SZ").encode()


def old_value(
    seal: bytes,
    xml: bytes,
    by: Holder,
    *,
    at: datetime = SEALED,
    place: str = "/" + XML,
    certificate: bytes = b"",
) -> bytes:
    """A signature of version 1 over Signature.xml; `certificate` says who signed, if another."""
    tbs = der.sequence(
        der.integer(1),
        seal,
        der.bits(_utc(at)),
        der.bits(digest(SM3_OID, xml)),
        der.text(der.IA5_STRING, place),
        der.octets(certificate or by.certificate),
        der.oid(SM2_SM3_OID),
    )
    return der.sequence(tbs, der.bits(by.signer.sign(tbs)))


_LINE = re.compile(rb'(FileRef="/[^"]*Seal\.esl"[^>]*>\s*<ofd:CheckValue>)[^<]*')


def old_files(bench: Bench, seal: bytes = b"", by: Holder | None = None, **of: object) -> Files:
    """The sound document as a maker of version 1 seals it."""
    seal = seal or old_seal(bench)
    files = bench.files()
    check = base64.b64encode(digest(SM3_OID, seal))
    files[SEAL], files[XML] = seal, _LINE.sub(rb"\g<1>" + check, files[XML])
    files[VALUE] = old_value(seal, files[XML], by or bench.signer, **of)  # type: ignore[arg-type]
    return files


def old_sound(bench: Bench) -> bytes:
    """It is good."""
    return pack(old_files(bench))


# --- the document and the seal -------------------------------------------------------------------


@forgery(
    "changed_page",
    "references",
    "Changes the page of a document sealed by version 1.",
    "修改第 1 版签章文件的页面。",
)
def old_changed_page(bench: Bench) -> bytes:
    files = old_files(bench)
    files[PAGE] = replaced(files[PAGE], b"HELLO", b"HALLO")
    return pack(files)


@forgery(
    "changed_stamp_position",
    "data_hash",
    "Moves the stamp of a signature of version 1.",
    "移动第 1 版签章的印章位置。",
)
def old_moved_stamp(bench: Bench) -> bytes:
    files = old_files(bench)
    files[XML] = replaced(files[XML], b'Boundary="140 220', b'Boundary="20 20')
    return pack(files)


@forgery(
    "swapped_seal",
    "seal_match",
    "Swaps the seal file for another of version 1.",
    "替换第 1 版印章文件。",
)
def old_swapped_seal(bench: Bench) -> bytes:
    return pack({**old_files(bench), SEAL: old_seal(bench)})


@forgery(
    "reimaged_seal",
    "seal_signature",
    "The signer puts another picture into the seal of version 1.",
    "签章者更换第 1 版印章的图像。",
)
def old_reimaged_seal(bench: Bench) -> bytes:
    picture = der.octets(png((0, 0, 220, 255), 16))
    return pack(old_files(bench, rebuilt(_PICTURE, picture, old_seal(bench))))


@forgery(
    "foreign_signature",
    "property_info",
    "The signature of version 1 was made for another place.",
    "第 1 版签章是为其他位置制作的。",
)
def old_other_place(bench: Bench) -> bytes:
    return pack(old_files(bench, place="/Doc_1/Signs/Sign_0/Signature.xml"))


@forgery(
    "algorithm_mismatch",
    "signature_format",
    "A signature of version 1 holds a seal of version 4.",
    "第 1 版签章中放入第 4 版印章。",
)
def old_value_new_seal(bench: Bench) -> bytes:
    return pack(old_files(bench, bench.good_seal))


# --- who -----------------------------------------------------------------------------------------


@forgery(
    "signer_not_listed",
    "signer_listed",
    "A seal of version 1 does not list who signs with it.",
    "第 1 版印章未列出签章者。",
)
def old_signer_not_listed(bench: Bench) -> bytes:
    return pack(old_files(bench, by=bench.issued("示范县某局")))


@forgery(
    "look_alike",
    "document_signature",
    "A signature of version 1 names the listed certificate; another key of that name signed.",
    "第 1 版签章写明所列证书，实由同名的另一密钥签署。",
)
def old_other_key(bench: Bench) -> bytes:
    other = twin(bench.signer, bench.intermediate)
    return pack(old_files(bench, by=other, certificate=bench.signer.certificate))


@forgery(
    "self_made_seal",
    "seal_maker_certificate",
    "A signer makes a seal of version 1 under a second certificate of its own.",
    "签章者用自己的另一张证书制作第 1 版印章。",
    indication="INDETERMINATE",
    reason="SELF_MADE_SEAL",
)
def old_self_made(bench: Bench) -> bytes:
    one, other = (bench.issued("示范县某村卫生室") for _ in range(2))
    return pack(old_files(bench, old_seal(bench, maker=one, signers=(other,)), by=other))


@forgery(
    "revoked_signer",
    "signer_certificate",
    "The signer of version 1 was revoked when signing.",
    "第 1 版签章的签章者证书当时已被吊销。",
    reason="CERTIFICATE_REVOKED",
)
def old_revoked_signer(bench: Bench) -> bytes:
    by = bench.revoked_signer
    return pack(old_files(bench, old_seal(bench, signers=(by,)), by=by))


@forgery(
    "wrong_signer_id",
    "document_signature",
    "A signature of version 1 is by SM2 under another signer id.",
    "第 1 版签章使用错误的 SM2 签名者标识。",
)
def old_wrong_signer_id(bench: Bench) -> bytes:
    seal = old_seal(bench)
    with signer_id(b"ALICE123@YAHOO.COM"):
        return pack(old_files(bench, seal))


# --- when ----------------------------------------------------------------------------------------


@forgery(
    "seal_after_end",
    "seal_in_force",
    "A seal of version 1 is used after its end.",
    "第 1 版印章过期后使用。",
    reason="SEAL_NOT_IN_FORCE",
)
def old_seal_ended(bench: Bench) -> bytes:
    return pack(old_files(bench, old_seal(bench, times=(CREATED, CREATED, SEALED - _DAY))))


@forgery(
    "seal_before_made",
    "signing_time",
    "A seal of version 1 is used before it was made.",
    "第 1 版印章在制作前使用。",
)
def old_seal_not_made(bench: Bench) -> bytes:
    made = (SEALED + _DAY, CREATED, END)
    return pack(old_files(bench, old_seal(bench, times=made)))


@forgery(
    "from_the_future",
    "signing_time",
    "A signature of version 1 is of tomorrow.",
    "第 1 版签章的时间为明天。",
)
def old_signed_in_the_future(bench: Bench) -> bytes:
    return pack(old_files(bench, at=JUDGED + _DAY))


@forgery(
    "backdated",
    "signing_time",
    "A signature of version 1 says it is older than the newer one that it covers.",
    "第 1 版签章自述早于其所覆盖的签章。",
    reason="SIGNED_BEFORE_EARLIER_SIGNATURE",
)
def old_backdated_before_covered(bench: Bench) -> bytes:
    files = unpack(bench.twice)
    folder = "Doc_0/Signs/Sign_1/"
    xml, seal = files[folder + "Signature.xml"], old_seal(bench)
    check = base64.b64encode(digest(SM3_OID, seal))
    own = re.compile(rb'(FileRef="/Doc_0/Signs/Sign_1/Seal\.esl"[^>]*>\s*<ofd:CheckValue>)[^<]*')
    files[folder + "Seal.esl"] = seal
    files[folder + "Signature.xml"] = xml = own.sub(rb"\g<1>" + check, xml)
    place = f"/{folder}Signature.xml"
    files[folder + "SignedValue.dat"] = old_value(
        seal, xml, bench.signer, at=CREATED + _DAY, place=place
    )
    return pack(files)
