"""A minimal unsigned OFD, a small trust world, and packages taken apart for forging."""

from __future__ import annotations

import io
import random
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from PIL import Image

from seal.keys.signers import Signer, generate_signer
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.placement import At, Placement
from seal.ses import SealSpec, make_seal
from seal.trust import TrustAnchor, TrustStore, issue_certificate

NS = 'xmlns:ofd="http://www.ofdspec.org/2016"'
HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
TEXT = "HELLO SHIFAN COUNTY"
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
END = datetime(2031, 1, 1, tzinfo=UTC)
SEALED_AT = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
NOW = datetime(2026, 11, 21, 12, tzinfo=UTC)
SM2 = "sm2-sm3"


def _files(pages: int) -> dict[str, bytes]:
    numbers = range(pages)
    listed = "".join(
        f'<ofd:Page ID="{10 + n}" BaseLoc="Pages/Page_{n}/Content.xml"/>' for n in numbers
    )
    files = {
        "OFD.xml": f'<ofd:OFD {NS} Version="1.0" DocType="OFD"><ofd:DocBody><ofd:DocInfo>'
        "<ofd:DocID>00000000000000000000000000000001</ofd:DocID>"
        "<ofd:Title>A test</ofd:Title></ofd:DocInfo>"
        "<ofd:DocRoot>Doc_0/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>",
        "Doc_0/Document.xml": f"<ofd:Document {NS}><ofd:CommonData>"
        "<ofd:MaxUnitID>99</ofd:MaxUnitID>"
        "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>"
        "<ofd:PublicRes>PublicRes.xml</ofd:PublicRes></ofd:CommonData>"
        f"<ofd:Pages>{listed}</ofd:Pages></ofd:Document>",
        "Doc_0/PublicRes.xml": f'<ofd:Res {NS} BaseLoc="Res"><ofd:Fonts>'
        '<ofd:Font ID="3" FontName="SimSun"/></ofd:Fonts></ofd:Res>',
    }
    for n in numbers:
        files[f"Doc_0/Pages/Page_{n}/Content.xml"] = (
            f'<ofd:Page {NS}><ofd:Content><ofd:Layer ID="{30 + n}">'
            f'<ofd:TextObject ID="{50 + n}" Font="3" Size="5" Boundary="20 20 120 10">'
            f'<ofd:TextCode X="0" Y="5" DeltaX="g {len(TEXT) - 1} 4">{TEXT}</ofd:TextCode>'
            "</ofd:TextObject></ofd:Layer></ofd:Content></ofd:Page>"
        )
    return {name: (HEAD + body).encode() for name, body in files.items()}


def pack(files: Mapping[str, bytes]) -> bytes:
    """A plain zip of these files, in their order."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, 8)
    return buffer.getvalue()


def unpack(package: bytes) -> dict[str, bytes]:
    """The files of a package, in their order."""
    with zipfile.ZipFile(io.BytesIO(package)) as archive:
        return {info.filename: archive.read(info) for info in archive.infolist()}


def plain_ofd(pages: int = 1) -> bytes:
    """An unsigned OFD with one line of text a page."""
    return pack(_files(pages))


def text_object(text: str, at: tuple[float, float] = (20, 20), **attributes: str) -> str:
    """A TextObject with one TextCode, whose attributes are DeltaX, DeltaY, X and Y."""
    code = {"X": "0", "Y": "5"}
    code |= {k: attributes.pop(k) for k in ("X", "Y", "DeltaX", "DeltaY") if k in attributes}
    of = {"Font": "3", "Size": "5", "Boundary": f"{at[0]} {at[1]} 120 10", **attributes}
    return (
        f'<ofd:TextObject ID="50" {_written(of)}><ofd:TextCode {_written(code)}>{text}'
        "</ofd:TextCode></ofd:TextObject>"
    )


def _written(attributes: Mapping[str, str]) -> str:
    return " ".join(f'{name}="{value}"' for name, value in attributes.items())


def ofd_of(
    *contents: str,
    heads: Mapping[int, str] | None = None,
    templates: Mapping[str, str] | None = None,
    area: str = "<ofd:PageArea><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:PageArea>",
) -> bytes:
    """An OFD whose pages show these objects.

    `heads` are put before the content of a page (from 1), `templates` are whole template pages by
    ID without the Page element, `area` is the document's.
    """
    files = unpack(plain_ofd(len(contents)))
    listed = ""
    for name, body in (templates or {}).items():
        listed += f'<ofd:TemplatePage ID="{name}" BaseLoc="Tpls/{name}.xml"/>'
        files[f"Doc_0/Tpls/{name}.xml"] = f"<ofd:Page {NS}>{body}</ofd:Page>".encode()
    root = files["Doc_0/Document.xml"].decode()
    begin, end = root.index("<ofd:PageArea>"), root.index("<ofd:PublicRes>")
    root = (
        root[:begin] + area + root[end:].replace("</ofd:CommonData>", listed + "</ofd:CommonData>")
    )
    files["Doc_0/Document.xml"] = root.encode()
    for n, content in enumerate(contents):
        head = (heads or {}).get(n + 1, "")
        files[f"Doc_0/Pages/Page_{n}/Content.xml"] = (
            f'{HEAD}<ofd:Page {NS}>{head}<ofd:Content><ofd:Layer ID="{1000 + n}">{content}'
            "</ofd:Layer></ofd:Content></ofd:Page>"
        ).encode()
    return pack(files)


def write_large_ofd(path: Path, *, pages: int = 500, size: int = 50_000_000) -> None:
    """A scanned document, page for page into a file: a line of text and a picture a page.

    The pictures do not get smaller by packing, so the file is about `size` bytes.
    """
    each = size // pages
    noise = random.Random(1)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:

        def add(name: str, data: bytes) -> None:
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, 8, 1)

        media = "".join(
            f'<ofd:MultiMedia ID="{10_000 + n}" Type="Image"><ofd:MediaFile>{n}.jpg'
            "</ofd:MediaFile></ofd:MultiMedia>"
            for n in range(pages)
        )
        for name, data in _files(pages).items():
            if name.endswith("PublicRes.xml"):
                data = data.replace(
                    b"</ofd:Res>", f"<ofd:MultiMedias>{media}</ofd:MultiMedias></ofd:Res>".encode()
                )
            elif name.endswith("Content.xml"):
                number = int(name.split("_")[-1].split("/")[0])
                picture = f'<ofd:ImageObject ID="{20_000 + number}" ResourceID="{10_000 + number}" '
                picture += 'CTM="210 0 0 297 0 0" Boundary="0 0 210 297"/></ofd:Layer>'
                data = data.replace(b"</ofd:Layer>", picture.encode())
                add(f"Doc_0/Res/{number}.jpg", noise.randbytes(each))
            add(name, data)


def png(colour: tuple[int, int, int, int] = (220, 0, 0, 255), size: int = 64) -> bytes:
    """A square picture."""
    buffer = io.BytesIO()
    Image.new("RGBA", (size, size), colour).save(buffer, "PNG")
    return buffer.getvalue()


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A root, a seal maker and two signers of one suite; all synthetic."""

    suite: str
    root: Signer
    root_certificate: bytes
    maker: Signer
    maker_certificate: bytes
    signer: Signer
    certificate: bytes
    stranger: Signer
    stranger_certificate: bytes

    def store(self) -> TrustStore:
        """Trust material with this root."""
        anchor = TrustAnchor(name="root", certificate=self.root_certificate, valid_from=BEGIN)
        return TrustStore(anchors=(anchor,))

    def issue(self, point: bytes, name: str, begin: datetime = BEGIN, end: datetime = END) -> bytes:
        """A leaf certificate under the root."""
        return issue_certificate(
            issuer=self.root,
            issuer_certificate=self.root_certificate,
            subject_key=point,
            subject={"CN": name, "O": "示范县"},
            not_before=begin,
            not_after=end,
        )

    def seal(
        self,
        *,
        begin: datetime = BEGIN,
        end: datetime = END,
        created: datetime = BEGIN,
        listed: tuple[bytes, ...] | None = None,
        version: int = 4,
        maker: Signer | None = None,
        maker_certificate: bytes | None = None,
        picture_type: str = "PNG",
        picture: bytes = b"",
    ) -> bytes:
        """A seal of the department that `certificate` may use."""
        spec = SealSpec(
            es_id="99010100000001",
            vid="TONGBAN",
            name="示范县行政审批局",
            cert_list=(self.certificate,) if listed is None else listed,
            created=created,
            valid_from=begin,
            valid_to=end,
            picture_type=picture_type,
            picture=picture or png(),
            width_mm=42,
            height_mm=42,
            version=version,
        )
        return make_seal(
            spec,
            maker=maker or self.maker,
            maker_certificate=maker_certificate or self.maker_certificate,
        )


@lru_cache(maxsize=4)
def world(suite: str = SM2) -> World:
    """One world a suite and test run."""
    root, maker, signer, stranger = (generate_signer(suite) for _ in range(4))
    root_certificate = issue_certificate(
        issuer=root,
        issuer_certificate=None,
        subject_key=root.public_key,
        subject={"CN": "示范根"},
        not_before=BEGIN,
        not_after=END,
        is_ca=True,
    )

    def leaf(point: bytes, name: str) -> bytes:
        return issue_certificate(
            issuer=root,
            issuer_certificate=root_certificate,
            subject_key=point,
            subject={"CN": name, "O": "示范县"},
            not_before=BEGIN,
            not_after=END,
        )

    return World(
        suite=suite,
        root=root,
        root_certificate=root_certificate,
        maker=maker,
        maker_certificate=leaf(maker.public_key, "示范制章"),
        signer=signer,
        certificate=leaf(signer.public_key, "示范县行政审批局"),
        stranger=stranger,
        stranger_certificate=leaf(stranger.public_key, "示范他人"),
    )


CORNER = At(page=1, x_mm=140, y_mm=220)
SIZE = (42.0, 42.0)


def seal_ofd(
    document: bytes,
    *,
    seal: bytes | None = None,
    signer: Signer | None = None,
    certificate: bytes | None = None,
    signed_at: datetime = SEALED_AT,
    placements: Sequence[Placement] = (CORNER,),
    close: bool = False,
    integrity_entries: bool = False,
) -> bytes:
    """Seal with the SM2 world's department, or with whoever is given."""
    here = world()
    prepared = prepare_ofd(
        document,
        seal=seal or here.seal(),
        placements=placements,
        seal_size_mm=SIZE,
        signed_at=signed_at,
        close=close,
        integrity_entries=integrity_entries,
    )
    by = signer or here.signer
    return finish_ofd(
        prepared,
        signature=by.sign(prepared.tbs),
        certificate=certificate or here.certificate,
        integrity_signature=prepared.integrity_tbs and by.sign(prepared.integrity_tbs),
    )


def lying_size(package: bytes, name: str, size: int) -> bytes:
    """The package with an entry that claims another uncompressed size, in both headers."""
    raw = bytearray(package)
    encoded = name.encode()
    local = raw.find(encoded) - 30
    raw[local + 22 : local + 26] = size.to_bytes(4, "little")
    central = raw.rfind(encoded) - 46
    raw[central + 24 : central + 28] = size.to_bytes(4, "little")
    return bytes(raw)


def renamed(package: bytes, old: str, new: str) -> bytes:
    """The package with an entry renamed in place; the names are equally long."""
    assert len(old.encode()) == len(new.encode())
    return package.replace(old.encode(), new.encode())


def later(minutes: int) -> datetime:
    """After the usual sealing."""
    return SEALED_AT + timedelta(minutes=minutes)


def crc(data: bytes) -> int:
    """The zip checksum."""
    return zlib.crc32(data)


def sized(package: bytes, name: str, more: int) -> bytes:
    """A package in which an entry's packed bytes became `more`: sizes and offsets say so."""
    raw = bytearray(package)

    def add(at: int) -> None:
        raw[at : at + 4] = (int.from_bytes(raw[at : at + 4], "little") + more).to_bytes(4, "little")

    end = raw.rindex(b"PK\x05\x06")
    add(end + 16)
    at, moved = int.from_bytes(raw[end + 16 : end + 20], "little"), 0
    while raw[at : at + 4] == b"PK\x01\x02":
        length = int.from_bytes(raw[at + 28 : at + 30], "little")
        if raw[at + 46 : at + 46 + length] == name.encode():
            moved = int.from_bytes(raw[at + 42 : at + 46], "little")
            add(at + 20)
            add(moved + 18)
        at += 46 + sum(int.from_bytes(raw[at + k : at + k + 2], "little") for k in (28, 30, 32))
    at = int.from_bytes(raw[end + 16 : end + 20], "little")
    while raw[at : at + 4] == b"PK\x01\x02":
        if int.from_bytes(raw[at + 42 : at + 46], "little") > moved:
            add(at + 42)
        at += 46 + sum(int.from_bytes(raw[at + k : at + k + 2], "little") for k in (28, 30, 32))
    return bytes(raw)
