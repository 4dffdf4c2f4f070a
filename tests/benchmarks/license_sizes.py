"""How large the three forms of each shipped license type are, sealed; and sealing by itself.

`python -m tests.benchmarks.license_sizes`

Each type is drawn with its template's own sample, its pictures too, and carries its metadata; then
it is sealed as a license is. The aim is an OFD and a PDF below 60 KB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from licenses.credentials import Credentials
from licenses.model import License
from licenses.pages import template
from licenses.pages.ofd import write_ofd
from licenses.pages.pdf import write_pdf
from licenses.pages.samples import sample_values
from licenses.pages.sheets import Template
from licenses.types.model import LicenseType
from licenses.types.pages import shipped
from licenses.types.reading import parse
from seal import credentials
from seal.ofd.signing import finish_ofd, prepare_ofd
from seal.pdf.signing import Evidence, Level, seal_pdf
from seal.placement import At
from seal.suites import P256, SM2
from tests.builders.licenses import a_license
from tests.builders.seal_node import DEPARTMENT, SEAL, start

AIM = 60_000
_CREDENTIALS = Credentials(b"a passphrase of a benchmark")


@dataclass(frozen=True, slots=True, kw_only=True)
class Drafts:
    """What is sealed of one license."""

    kind: LicenseType
    ofd: bytes
    pdf: bytes
    payload: bytes
    disclosures: int
    stamp: At


class Sealer:
    """A seal, used with nothing around it: nothing is verified, noted or stored."""

    def __init__(self, folder: Path) -> None:
        node = start(folder)
        node.make_seal()
        self._held = node.server.keeping.get(SEAL, DEPARTMENT)
        custody = node.server.custody
        self._sm2, self._p256 = (custody.seal_key(SEAL, one) for one in (SM2, P256))
        self._root = custody.hierarchy.root_p256

    def seal(self, drafts: Drafts) -> tuple[bytes, bytes, bytes]:
        """OFD, PDF, and the JWS of the credential."""
        held, at = self._held, datetime.now(UTC).replace(microsecond=0)
        size, places = (held.width_mm, held.height_mm), (drafts.stamp,)
        prepared = prepare_ofd(
            drafts.ofd, seal=held.seal_data, placements=places, seal_size_mm=size, signed_at=at
        )
        ofd = finish_ofd(
            prepared,
            signature=self._sm2.sign(prepared.tbs),
            certificate=held.certificate,
            timestamp=None,
        )
        pdf = seal_pdf(
            drafts.pdf,
            signer=self._p256,
            certificate=held.pdf_certificate,
            chain=(self._root,),
            image_png=held.image,
            placements=places,
            seal_size_mm=size,
            signed_at=at,
            level=Level.B_B,
            timestamper=None,
            evidence=Evidence(),
        )
        tbs = credentials.to_be_signed(drafts.payload, held.pdf_certificate)
        return bytes(ofd), bytes(pdf), credentials.assemble(tbs, self._p256.sign(tbs))


def every_type() -> Iterator[Drafts]:
    """Each shipped type with the sample of its template."""
    for text, template_text in shipped():
        kind = parse(text)
        yield drafts_of(kind, template.parse(template_text), a_license())


def drafts_of(kind: LicenseType, page: Template, license_: License) -> Drafts:
    """The three drafts of a license of a type, with the sample of its page."""
    sample = sample_values(page)
    own = {
        field.code: value if isinstance(value := sample.get(field.code, ""), str) else "x" * 71
        for field in kind.fields
    }
    metadata = {**license_.metadata, **own}
    document = template.lay_out(
        page,
        sample,
        created=license_.issue_time,
        author=license_.metadata["ZZBFJG"],
        metadata=metadata,
        qr=license_.identifier if page.qr is not None else None,
    )
    draft = _CREDENTIALS.draft(license_, kind)
    x, y, width, _ = page.stamp.box
    return Drafts(
        kind=kind,
        ofd=write_ofd(document),
        pdf=write_pdf(document),
        payload=draft.payload,
        disclosures=sum(len(one) + 1 for one in draft.disclosures),
        stamp=At(page=page.stamp.page, x_mm=x, y_mm=y, size_mm=width),
    )


def print_sizes(sealer: Sealer) -> None:
    """A line for each type."""
    print(f"{'type':32} {'OFD':>8} {'PDF':>8} {'SD-JWT':>8}  bytes, sealed")
    over = []
    for drafts in every_type():
        ofd, pdf, jws = sealer.seal(drafts)
        jwt = len(jws) + drafts.disclosures
        print(f"{drafts.kind.id:32} {len(ofd):8} {len(pdf):8} {jwt:8}")
        if max(len(ofd), len(pdf)) > AIM:
            over.append(drafts.kind.id)
    print(f"aim {AIM}: " + (f"over it {', '.join(over)}" if over else "all within"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        print_sizes(Sealer(Path(scratch)))
