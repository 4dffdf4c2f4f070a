"""What forgeries are made of: one sound document, those who sealed it, and those who did not.

A `Bench` has made-up authorities of 示范县 and the sound document; a forgery is a function of it
that gives a file, registered with what it does and the one check it has to fail.
`tests.builders.forgeries` writes them all.
"""

from __future__ import annotations

import base64
import dataclasses
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property

from seal import der, libcrypto, ses
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import At
from seal.suites import SM2_SM3_OID, SM3_OID, digest
from seal.trust import (
    EVERY_PURPOSE,
    Purpose,
    Revocation,
    TrustAnchor,
    TrustStore,
    issue_certificate,
    issue_crl,
    parse_certificate,
)
from tests.builders.ofd import HEAD, NS, pack, png, unpack
from tests.builders.seal_pki import BEGIN, END, Holder, issue
from tests.builders.ses import rebuilt
from tests.builders.tokens import extended_by, stamping, token

CREATED = datetime(2026, 2, 1, tzinfo=UTC)
SEALED = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
JUDGED = datetime(2026, 11, 21, 12, tzinfo=UTC)
REVOKED = datetime(2026, 1, 15, tzinfo=UTC)
REVOKED_SINCE = datetime(2026, 7, 1, tzinfo=UTC)

PAGE = "Doc_0/Pages/Page_0/Content.xml"
RESOURCE = "Doc_0/Res/logo.png"
ATTACHMENT = "Doc_0/Attachs/附件（行政许可）.txt"
SIGN = "Doc_0/Signs/Sign_0/"
XML, VALUE, SEAL = SIGN + "Signature.xml", SIGN + "SignedValue.dat", SIGN + "Seal.esl"
LIST = "Doc_0/Signs/Signatures.xml"
DIGEST = digest("sm3", b"a record of another system")
ABOUT = "record 42"
Files = dict[str, bytes]


@dataclass(frozen=True, slots=True, kw_only=True)
class Forgery:
    """One forged file: `item` is a key of the list, `check` the only one that is not PASSED.

    `kind` is ofd, seal or detached. One whose indication is PASSED has a notice at its check, and
    `now` is the ETSI word for why it does not hold today, where it does not.
    """

    name: str
    item: str
    kind: str
    check: str
    indication: str
    reason: str
    now: str
    en: str
    zh: str
    make: Callable[[Bench], bytes]


FORGERIES: dict[str, Forgery] = {}


def forgery(  # what a table of them would have as columns
    item: str,
    check: str,
    en: str,
    zh: str,
    *,
    name: str = "",
    kind: str = "ofd",
    indication: str = "FAILED",
    reason: str = "",
    now: str = "",
) -> Callable[[Callable[[Bench], bytes]], Callable[[Bench], bytes]]:
    """Register a forgery under its function's name, or the one given."""

    def register(make: Callable[[Bench], bytes]) -> Callable[[Bench], bytes]:
        called = name or make.__name__
        assert called not in FORGERIES, called
        FORGERIES[called] = Forgery(
            name=called, item=item, kind=kind, check=check, indication=indication, reason=reason,
            now=now, en=en, zh=zh, make=make,
        )  # fmt: skip
        return make

    return register


def plain(title: str = "示范", text: str = "HELLO SHIFAN COUNTY") -> bytes:
    """The document before it is sealed: page, resource, attachment, custom metadata."""
    files = {
        "OFD.xml": f'<ofd:OFD {NS} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo>'
        f"<ofd:DocID>00000000000000000000000000000001</ofd:DocID><ofd:Title>{title}</ofd:Title>"
        '<ofd:CustomDatas><ofd:CustomData Name="ZZMC">示范许可证</ofd:CustomData>'
        '<ofd:CustomData Name="ZZYXQJZRQ">2027-01-01</ofd:CustomData></ofd:CustomDatas>'
        "</ofd:DocInfo><ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"<ofd:Document {NS}><ofd:CommonData>"
        "<ofd:MaxUnitID>99</ofd:MaxUnitID>"
        "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>"
        "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData><ofd:Pages>"
        '<ofd:Page ID="10" BaseLoc="Pages/Page_0/Content.xml"/></ofd:Pages>'
        "<ofd:Attachments>Attachs/Attachments.xml</ofd:Attachments></ofd:Document>",
        "Doc_0/PublicRes.xml": f'<ofd:Res {NS} BaseLoc="Res"><ofd:Fonts>'
        '<ofd:Font ID="3" FontName="SimSun"/></ofd:Fonts><ofd:MultiMedias>'
        '<ofd:MultiMedia ID="4" Type="Image"><ofd:MediaFile>logo.png</ofd:MediaFile>'
        "</ofd:MultiMedia></ofd:MultiMedias></ofd:Res>",
        "Doc_0/Attachs/Attachments.xml": f'<ofd:Attachments {NS}><ofd:Attachment ID="90" '
        'Name="附件" Format="txt"><ofd:FileLoc>附件（行政许可）.txt</ofd:FileLoc>'
        "</ofd:Attachment></ofd:Attachments>",
        PAGE: f'<ofd:Page {NS}><ofd:Content><ofd:Layer ID="30">'
        '<ofd:TextObject ID="50" Font="3" Size="5" Boundary="20 20 120 10">'
        f'<ofd:TextCode X="0" Y="5" DeltaX="g {len(text) - 1} 4">{text}</ofd:TextCode>'
        '</ofd:TextObject><ofd:ImageObject ID="51" ResourceID="4" CTM="20 0 0 20 0 0" '
        'Boundary="150 20 20 20"/></ofd:Layer></ofd:Content></ofd:Page>',
    }
    encoded = {name: (HEAD + body).encode() for name, body in files.items()}
    encoded[RESOURCE] = png((0, 0, 220, 255), 8)
    encoded[ATTACHMENT] = "许可范围：示范\n".encode()
    return pack(encoded)


class Bench:
    """Authorities with their keys, and the sound document; made anew for every bench."""

    def __init__(self) -> None:
        self.root = issue("示范根", None, is_ca=True)
        self.intermediate = issue("示范中间", self.root, is_ca=True, path_length=0)
        self.maker = issue("示范制章", self.intermediate)
        self.signer = issue("示范县行政审批局", self.intermediate)
        self.revoked_maker = issue("示范制章乙", self.intermediate)
        self.revoked_signer = issue("示范县行政审批局乙", self.intermediate)
        self.later_revoked = issue("示范县行政审批局丙", self.intermediate)
        self.time_root = issue("示范时间戳根", None, is_ca=True)
        self.stamper = stamping(self.time_root)
        # Who has nothing to do with 示范县 but calls itself so.
        self.other_root = issue("示范根", None, is_ca=True)
        self.other_intermediate = issue("示范中间", self.other_root, is_ca=True, path_length=0)

    # --- public material -----------------------------------------------------------------------

    @cached_property
    def odd_intermediate(self) -> Holder:
        """A genuine authority whose certificate has a critical extension of nobody's."""
        return with_unknown(issue("示范中间乙", self.root, is_ca=True, path_length=0), self.root)

    def trust_folder(self) -> Files:
        """What a verifier trusts, by path."""
        revoked = [
            Revocation(serial=parse_certificate(one.certificate).serial, at=at)
            for one, at in (
                (self.revoked_maker, REVOKED),
                (self.revoked_signer, REVOKED),
                (self.later_revoked, REVOKED_SINCE),
            )
        ]
        return {
            "anchors/01.cer": self.root.certificate,
            "intermediates/01.cer": self.intermediate.certificate,
            "intermediates/02.cer": self.odd_intermediate.certificate,
            "revocation-lists/01.crl": _list(self.root),
            "revocation-lists/02.crl": _list(self.intermediate, *revoked),
            "revocation-lists/03.crl": _list(self.odd_intermediate),
            "timestamp-anchors/01.cer": self.time_root.certificate,
            "revocation-lists/04.crl": _list(self.time_root),
        }

    def store(self) -> TrustStore:
        """The same, as read."""
        files = self.trust_folder()
        time = frozenset({Purpose.TIMESTAMP})
        return TrustStore(
            anchors=(
                TrustAnchor(
                    name="root",
                    certificate=self.root.certificate,
                    valid_from=BEGIN,
                    purposes=EVERY_PURPOSE - time,
                ),
                TrustAnchor(
                    name="time",
                    certificate=self.time_root.certificate,
                    valid_from=BEGIN,
                    purposes=time,
                ),
            ),
            intermediates=tuple(files[name] for name in files if name.startswith("intermediates/")),
            crls=tuple(files[name] for name in files if name.endswith(".crl")),
        )

    # --- sealing -------------------------------------------------------------------------------

    def seal(self, *, maker: Holder | None = None, **changes: object) -> bytes:
        """A seal of the department that `signer` may use."""
        fields: dict[str, object] = {
            "es_id": "99010100000001",
            "vid": "TONGBAN",
            "name": "示范县行政审批局",
            "cert_list": (self.signer.certificate,),
            "created": CREATED,
            "valid_from": CREATED,
            "valid_to": datetime(2031, 1, 1, tzinfo=UTC),
            "picture_type": "PNG",
            "picture": png((220, 0, 0, 255), 16),
            "width_mm": 42,
            "height_mm": 42,
            **changes,
        }
        by = maker or self.maker
        spec = ses.SealSpec(**fields)  # type: ignore[arg-type]
        return ses.make_seal(spec, maker=by.signer, maker_certificate=by.certificate)

    @cached_property
    def good_seal(self) -> bytes:
        """The seal of the sound document."""
        return self.seal()

    def sealed(
        self,
        document: bytes | None = None,
        *,
        seal: bytes | None = None,
        by: Holder | None = None,
        at: datetime = SEALED,
        tbs: Callable[[bytes], bytes] = lambda tbs: tbs,
        value: Callable[[bytes], bytes] = lambda value: value,
        stamp: Callable[[bytes], bytes] | None = None,
        suite_oid: str = SM2_SM3_OID,
        close: bool = False,
    ) -> bytes:
        """A document sealed as one does; `tbs`, `value` change what is signed and the signature."""
        prepared = prepare_ofd(
            self.unsealed if document is None else document,
            seal=seal or self.good_seal,
            placements=(At(page=1, x_mm=140, y_mm=220),),
            seal_size_mm=(42.0, 42.0),
            signed_at=at,
            suite_oid=suite_oid,
            close=close,
        )
        by = by or self.signer
        prepared = dataclasses.replace(prepared, tbs=tbs(prepared.tbs))
        signature = value(by.signer.sign(prepared.tbs))
        return finish_ofd(
            prepared,
            signature=signature,
            certificate=by.certificate,
            timestamp=stamp(signature) if stamp else None,
        )

    def signed(
        self,
        files: Files,
        *,
        folder: str = SIGN,
        value: Callable[[bytes], bytes] = lambda value: value,
    ) -> bytes:
        """The package with its Signature.xml, changed since, signed anew by the signer itself."""
        tbs = ses.to_be_signed(
            seal=files[folder + "Seal.esl"],
            signed_at=SEALED,
            data_hash=digest(SM3_OID, files[folder + "Signature.xml"]),
            property_info=f"/{folder}Signature.xml",
        )
        files[folder + "SignedValue.dat"] = ses.assemble_signature(
            tbs,
            certificate=self.signer.certificate,
            signature=value(self.signer.signer.sign(tbs)),
            suite_oid=SM2_SM3_OID,
        )
        return pack(files)

    def forged_value(self) -> bytes:
        """A signature of the right form by nobody."""
        return self.other_root.signer.sign(b"something else")

    def stamp(self, at: datetime = SEALED + timedelta(minutes=1)) -> Callable[[bytes], bytes]:
        """The trusted authority's time-stamp of that time, over whatever it is given."""
        return lambda message: token(self.stamper, message, at=at)

    @cached_property
    def unsealed(self) -> bytes:
        """The document before it is sealed."""
        return plain()

    @cached_property
    def sound(self) -> bytes:
        """THE sound document."""
        return self.sealed()

    @cached_property
    def twice(self) -> bytes:
        """The sound document sealed once more."""
        return self.sealed(self.sound, at=SEALED + timedelta(minutes=5))

    def files(self, package: bytes | None = None) -> Files:
        """The files of the sound document, or of another."""
        return unpack(package or self.sound)

    def changed(self, name: str, old: bytes, new: bytes, package: bytes | None = None) -> bytes:
        """The sound document with one file changed; nothing else is."""
        files = self.files(package)
        files[name] = replaced(files[name], old, new)
        return pack(files)

    # --- others --------------------------------------------------------------------------------

    def issued(self, name: str, issuer: Holder | None = None, **changes: object) -> Holder:
        """A new holder under the genuine intermediate, or another."""
        return issue(name, issuer or self.intermediate, **changes)  # type: ignore[arg-type]

    def used_by(self, holder: Holder, *, stamp: Callable[[bytes], bytes] | None = None) -> bytes:
        """A document sealed by a holder whom a genuine seal lists."""
        seal = self.seal(cert_list=(holder.certificate,))
        return self.sealed(seal=seal, by=holder, stamp=stamp)

    def detached(self, seal: bytes | None = None, **changes: object) -> bytes:
        """A sound detached signature over DIGEST, or one that is not."""
        fields = {"signed_at": SEALED, "data_hash": DIGEST, "property_info": ABOUT, **changes}
        by: Holder = fields.pop("by", self.signer)  # type: ignore[assignment]
        value: Callable[[bytes], bytes] = fields.pop("value", lambda v: v)  # type: ignore[assignment]
        stamp: Callable[[bytes], bytes] | None = fields.pop("stamp", None)  # type: ignore[assignment]
        tbs = ses.to_be_signed(seal=seal or self.good_seal, **fields)  # type: ignore[arg-type]
        signature = value(by.signer.sign(tbs))
        return ses.assemble_signature(
            tbs,
            certificate=by.certificate,
            signature=signature,
            suite_oid=SM2_SM3_OID,
            timestamp=stamp(signature) if stamp else None,
        )


def _list(issuer: Holder, *revoked: Revocation) -> bytes:
    return issue_crl(
        issuer=issuer.signer,
        issuer_certificate=issuer.certificate,
        this_update=JUDGED - timedelta(days=1),
        next_update=END,
        number=1,
        revoked=revoked,
    )


def with_unknown(holder: Holder, issuer: Holder) -> Holder:
    """The holder with a critical extension in its certificate that nobody knows."""
    unknown = {"extn_id": "1.3.6.1.4.1.99999.7", "critical": True, "extn_value": b"\x05\x00"}
    return extended_by(holder, issuer, unknown)


def made_anew(bench: Bench, seal: bytes) -> bytes:
    """The seal, changed since, signed anew by the maker itself."""
    info = der.children(seal)[0].raw
    return rebuilt((3,), der.bits(bench.maker.signer.sign(info)), seal)


def twin(holder: Holder, issuer: Holder) -> Holder:
    """Another key under the same names and serial number, by whatever issuer."""
    info = parse_certificate(holder.certificate)
    own = issue("示范", None).signer
    certificate = issue_certificate(
        issuer=issuer.signer,
        issuer_certificate=issuer.certificate,
        subject_key=own.public_key,
        subject={"C": "CN", "O": "示范县", "CN": info.subject_fields["CN"]},
        not_before=BEGIN,
        not_after=END,
        serial=info.serial,
    )
    return Holder(signer=own, certificate=certificate)


def replaced(data: bytes, old: bytes, new: bytes) -> bytes:
    """The data with the one place where `old` stands changed."""
    assert data.count(old) == 1, (old, data.count(old))
    return data.replace(old, new)


def reference(name: str, data: bytes) -> bytes:
    """The line of Signature.xml for a file."""
    value = base64.b64encode(digest(SM3_OID, data)).decode()
    return (
        f'<ofd:Reference FileRef="/{name}"><ofd:CheckValue>{value}</ofd:CheckValue></ofd:Reference>'
    ).encode()


def numbers(signature: bytes) -> tuple[int, int]:
    """r and s."""
    r, s = (one.integer() for one in der.children(signature))
    return r, s


@contextmanager
def signer_id(word: bytes) -> Iterator[None]:
    """SM2 signs under another identity than the standard's."""
    usual = libcrypto.SM2_DEFAULT_ID
    libcrypto.SM2_DEFAULT_ID = word
    try:
        yield
    finally:
        libcrypto.SM2_DEFAULT_ID = usual
