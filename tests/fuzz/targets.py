"""Every way by which strange bytes come in, each as one function of bytes.

A target answers, or raises a `DomainError` that says what is wrong; anything else that it raises is
a fault of ours. What costs much is bounded by the code itself: whoever runs a target sets bounds
for time and memory around it (`tests.fuzz.explore`).

To add one, write the function and put it in `TARGETS` with what it starts from.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from lxml import etree

from runtime.errors import DomainError
from seal import der
from seal.der_form import findings
from seal.detached import assess_detached
from seal.evidence.assessing import assess_evidence
from seal.evidence.layout import MANIFEST, UNLISTED
from seal.evidence.making import make_evidence
from seal.evidence.manifest import digests_of, write_manifest
from seal.image.upload import check_uploaded_image
from seal.ofd.markup import parse_xml
from seal.ofd.package import read_package
from seal.ofd.signed_data import parse_signed_data
from seal.ofd.structure import bodies_of, parse_signature_xml
from seal.pki.certificates import parse_certificate
from seal.pki.crls import entries_of, parse_crl
from seal.pki.ocsp import parse_ocsp
from seal.pki.timestamp_token import read_token
from seal.ses import parse_signature
from seal.trust import TrustStore
from seal.verify import assess, assess_seal
from tests.builders import seal_pki
from tests.builders.ocsp import answer
from tests.builders.ofd import pack, png, unpack
from tests.builders.pdf import plain_pdf, sealed_pdf
from tests.fuzz import tokens
from tongban.verdicts import TrustFolder

CONFORMANCE: Final = Path(__file__).resolve().parents[1] / "conformance"
FORGERIES: Final = CONFORMANCE / "forgeries"
NOW: Final = datetime(2026, 11, 21, 12, tzinfo=UTC)
_DIGEST: Final = bytes(32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`run` takes anything; `seeds` are what it is meant for."""

    run: Callable[[bytes], object]
    seeds: Callable[[], Sequence[bytes]]

    def __call__(self, data: bytes) -> None:
        """Run; a refusal that says what is wrong is an answer."""
        try:
            self.run(data)
        except DomainError as error:
            if not (error.reason and error.message and error.message_zh):
                raise AssertionError(f"a refusal without words: {error!r}") from error


@lru_cache(maxsize=1)
def store() -> TrustStore:
    """The trust material of the stored forgeries."""
    return TrustFolder(FORGERIES / "trust").read()


# --- the targets -------------------------------------------------------------------------------


def _der(data: bytes) -> None:
    findings(data)
    der.read(data)


def _crl(data: bytes) -> None:
    for _ in entries_of(parse_crl(data)):
        pass


def _zip(data: bytes) -> None:
    package = read_package(data)
    for name in package:
        for _ in package.pieces(name):
            pass


def _xml(data: bytes) -> None:
    bodies_of(parse_xml(data, "OFD.xml"))


def _entry(data: bytes) -> None:
    """A sound document in which one entry, told by the first octet, has other bytes."""
    files = dict(_sound())
    name = sorted(files)[data[0] % len(files)] if data else "OFD.xml"
    files[name] = data[1:]
    assess(pack(files), store=store(), now=NOW)


def _evidence(data: bytes) -> None:
    assess_evidence(data, store=store(), now=NOW)


def _evidence_entry(data: bytes) -> None:
    """The same of a bundle of evidence, whose list is written anew: as a forger would."""
    files = unpack(_bundle())
    name = sorted(files)[data[0] % len(files)] if data else MANIFEST
    files[name] = data[1:]
    if name != MANIFEST:
        listed = {one: digests_of([files[one]]) for one in files if one not in UNLISTED}
        files[MANIFEST] = write_manifest(listed, time_stamped=False)
    with io.BytesIO() as buffer:
        with zipfile.ZipFile(buffer, "w") as archive:
            for one, held in files.items():
                archive.writestr(zipfile.ZipInfo(one, (1980, 1, 1, 0, 0, 0)), held)
        _evidence(buffer.getvalue())


# --- what they start from ----------------------------------------------------------------------


@lru_cache(maxsize=1)
def _sound() -> dict[str, bytes]:
    return unpack((FORGERIES / "sound.ofd").read_bytes())


@lru_cache(maxsize=1)
def _bundle() -> bytes:
    document = (FORGERIES / "sound.ofd").read_bytes()
    return make_evidence(document, store=store(), now=NOW, maker="tongban fuzz")


def _bundle_entries() -> list[bytes]:
    files = unpack(_bundle())
    return [bytes([at]) + files[name] for at, name in enumerate(sorted(files))]


def _answers() -> list[bytes]:
    pki = seal_pki.pki()
    by, leaf = pki.intermediate, pki.signer.certificate
    return [
        answer(by, leaf, by.certificate, status=status, certificates=[by.certificate])
        for status in ("good", "unknown")
    ]


def _files(pattern: str, *, most: int = 12, under: Path = CONFORMANCE) -> list[bytes]:
    """The smallest files of that name."""
    found = sorted(under.rglob(pattern), key=lambda path: (path.stat().st_size, path.name))
    return [path.read_bytes() for path in found[:most]]


def _entries(*names: str) -> list[bytes]:
    """The entries of conformance documents whose names end like this."""
    found: dict[bytes, None] = {}
    for path in sorted((CONFORMANCE / "data" / "ofd").glob("*.ofd")):
        with zipfile.ZipFile(path) as archive:
            for info in archive.infolist():
                if info.filename.endswith(names):
                    found[archive.read(info)] = None
    return sorted(found, key=len)[:12]


def _sound_entries() -> list[bytes]:
    files = _sound()
    return [bytes([at]) + files[name] for at, name in enumerate(sorted(files))]


def _tokens() -> list[bytes]:
    """Time-stamps out of the stored signatures that have one."""
    held = [parse_signature(data).timestamp for data in _files("dat_stamp*.dat")]
    return [one for one in held if one is not None]


def _pictures() -> list[bytes]:
    return [png(), png((0, 0, 200, 128), 600)]


def _markup() -> list[bytes]:
    return [etree.tostring(etree.fromstring(one)) for one in _entries(".xml")]


TARGETS: Final[dict[str, Target]] = {
    "der": Target(run=_der, seeds=lambda: _files("*.esl") + _files("*.cer")),
    "seal": Target(
        run=lambda data: assess_seal(data, store=store(), now=NOW), seeds=lambda: _files("*.esl")
    ),
    "signature": Target(
        run=lambda data: assess_detached(data, _DIGEST, store=store(), now=NOW),
        seeds=lambda: _files("*.dat"),
    ),
    "signed-data": Target(run=parse_signed_data, seeds=lambda: _entries("SignedValue.dat")),
    "certificate": Target(run=parse_certificate, seeds=lambda: _files("*.cer") + _files("*.der")),
    "crl": Target(run=_crl, seeds=lambda: _files("*.crl")),
    "ocsp": Target(run=parse_ocsp, seeds=_answers),
    "time-stamp": Target(run=read_token, seeds=_tokens),
    "zip": Target(run=_zip, seeds=lambda: _files("*.ofd")),
    "xml": Target(run=_xml, seeds=_markup),
    "signature-xml": Target(
        run=lambda data: parse_signature_xml(data, "Doc_0/Signs/Sign_0/Signature.xml"),
        seeds=lambda: _entries("Signature.xml"),
    ),
    "ofd": Target(
        run=lambda data: assess(data, store=store(), now=NOW), seeds=lambda: _files("*.ofd")
    ),
    "ofd-entry": Target(run=_entry, seeds=_sound_entries),
    "pdf": Target(
        run=lambda data: assess(data, store=store(), now=NOW),
        seeds=lambda: [plain_pdf(), sealed_pdf(plain_pdf())],
    ),
    "image": Target(
        run=lambda data: check_uploaded_image(data, width_mm=42, height_mm=42), seeds=_pictures
    ),
    "offline-code": Target(run=tokens.code, seeds=tokens.code_seeds),
    "offline-claims": Target(run=tokens.claims, seeds=tokens.claims_seeds),
    "cwt": Target(run=tokens.cwt, seeds=tokens.cwt_seeds),
    "jwt": Target(run=tokens.jwt, seeds=tokens.list_seeds),
    "status-list": Target(run=tokens.status_list, seeds=tokens.list_seeds),
    "wallet-answer": Target(run=tokens.presented, seeds=tokens.presented_seeds),
    "wallet-proof": Target(run=tokens.own, seeds=tokens.own_seeds),
    "evidence": Target(run=_evidence, seeds=lambda: [_bundle()]),
    "evidence-entry": Target(run=_evidence_entry, seeds=_bundle_entries),
}
