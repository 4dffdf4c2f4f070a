"""What forged PDFs are made of: a sound one, those who sealed it, and ways to bend its bytes.

As `tests.builders.forging` for OFD: a forgery is a function of a `PdfBench`, registered with what
it does and the one check it has to fail. `tests.builders.forgeries_pdf` writes them all.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cached_property
from io import BytesIO
from typing import Any
from unittest.mock import patch

from pyhanko.pdf_utils import generic
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.pdf_utils.reader import PdfFileReader
from reportlab.pdfgen.canvas import Canvas

from seal import der
from seal.pdf.cms import signed_attributes, signed_data
from seal.pdf.levels import _names, _stamped
from seal.pdf.signing import Evidence, Level, seal_pdf
from seal.pdf.update import SealWriter
from seal.placement import At
from seal.suites import P256
from seal.trust import Revocation, issue_crl, parse_certificate
from tests.builders.ofd import png
from tests.builders.seal_pki import BEGIN, END, Holder, issue
from tests.builders.tokens import stamping, token

SEALED = datetime(2026, 6, 1, 8, 30, tzinfo=UTC)
JUDGED = datetime(2026, 11, 21, 12, tzinfo=UTC)
REVOKED = datetime(2026, 1, 15, tzinfo=UTC)
TEXT = "HELLO SHIFAN COUNTY"
_RANGE = re.compile(rb"/ByteRange \[[^\]]*\] *")
_VALUE = re.compile(rb"<([0-9A-Fa-f]{200,})>")


@dataclass(frozen=True, slots=True, kw_only=True)
class PdfForgery:
    """One forged file: `item` is a key of the list, `check` the only one that is not PASSED."""

    name: str
    item: str
    check: str
    indication: str
    reason: str
    en: str
    zh: str
    make: Callable[[PdfBench], bytes]


FORGERIES: dict[str, PdfForgery] = {}


def forgery(  # what a table of them would have as columns
    item: str,
    check: str,
    en: str,
    zh: str,
    *,
    name: str = "",
    indication: str = "FAILED",
    reason: str = "",
) -> Callable[[Callable[[PdfBench], bytes]], Callable[[PdfBench], bytes]]:
    """Register a forgery under its function's name, or the one given."""

    def register(make: Callable[[PdfBench], bytes]) -> Callable[[PdfBench], bytes]:
        called = name or make.__name__
        assert called not in FORGERIES, called
        FORGERIES[called] = PdfForgery(
            name=called, item=item, check=check, indication=indication, reason=reason,
            en=en, zh=zh, make=make,
        )  # fmt: skip
        return make

    return register


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamper:
    """A time-stamp authority that says what it is told to: of other bytes, of another time."""

    holder: Holder
    at: datetime = SEALED + timedelta(minutes=1)
    instead: bytes = b""
    digest: str = "sha256"

    def stamp(self, message: bytes) -> bytes:
        """A token over the message, or over what stands instead of it."""
        return token(self.holder, self.instead or message, at=self.at, word=self.digest)

    def stamp_digest(self, imprint: bytes) -> bytes:
        """`stamp` of the message of that digest."""
        return token(
            self.holder, self.instead, at=self.at, word=self.digest,
            imprint=None if self.instead else imprint,
        )  # fmt: skip


def plain(text: str = TEXT, *, field: bool = False, pages: int = 1) -> bytes:
    """The document before it is sealed; with `field` it has a form to fill in."""
    buffer = BytesIO()
    canvas = Canvas(buffer, pageCompression=0, invariant=True)
    canvas.setTitle("Shifan permit")
    for _ in range(pages):
        canvas.drawString(100, 700, text)
        if field:
            canvas.acroForm.textfield(name="amount", value="100", x=100, y=600, forceBorder=True)
        canvas.showPage()
    canvas.save()
    return buffer.getvalue()


class PdfBench:
    """Authorities with their keys, and the sound document; made anew for every bench."""

    def __init__(self) -> None:
        self.root = issue("示范根", None, suite=P256, is_ca=True)
        self.intermediate = issue("示范中间", self.root, suite=P256, is_ca=True, path_length=0)
        self.signer = self.issued("示范县行政审批局")
        self.second = self.issued("示范县公安局")
        self.revoked = self.issued("示范县行政审批局乙")
        self.time_root = issue("示范时间戳根", None, suite=P256, is_ca=True)
        self.stamper = Stamper(holder=stamping(self.time_root))
        # Who has nothing to do with 示范县 but calls itself so.
        self.other_root = issue("示范根", None, suite=P256, is_ca=True)
        self.other_intermediate = issue(
            "示范中间", self.other_root, suite=P256, is_ca=True, path_length=0
        )

    def issued(self, name: str, issuer: Holder | None = None, **changes: Any) -> Holder:
        """A certificate of ours, or of whom is said."""
        return issue(name, issuer or self.intermediate, suite=P256, **changes)

    def trust_folder(self) -> dict[str, bytes]:
        """What a verifier trusts, by path."""
        serial = parse_certificate(self.revoked.certificate).serial
        return {
            "anchors/01.cer": self.root.certificate,
            "intermediates/01.cer": self.intermediate.certificate,
            "revocation-lists/01.crl": _list(self.root),
            "revocation-lists/02.crl": _list(
                self.intermediate, Revocation(serial=serial, at=REVOKED)
            ),
            "timestamp-anchors/01.cer": self.time_root.certificate,
            "revocation-lists/03.crl": _list(self.time_root),
        }

    def sealed(
        self,
        document: bytes | None = None,
        *,
        by: Holder | None = None,
        at: datetime = SEALED,
        chain: Sequence[Holder] | None = None,
        stamper: Stamper | None = None,
        level: Level | None = None,
        close: bool = False,
        x_mm: float = 140,
    ) -> bytes:
        """The document with one more seal."""
        holder = by or self.signer
        issuers = (self.intermediate, self.root) if chain is None else chain
        lists = [data for name, data in self.trust_folder().items() if name.endswith(".crl")]
        return seal_pdf(
            document or plain(),
            signer=holder.signer,
            certificate=holder.certificate,
            chain=[one.certificate for one in issuers],
            image_png=png(size=16),
            placements=[At(page=1, x_mm=x_mm, y_mm=220)],
            seal_size_mm=(42, 42),
            signed_at=at,
            reason="示范",
            level=level or (Level.B_T if stamper else Level.B_B),
            timestamper=stamper,
            evidence=Evidence(certificates=(self.time_root.certificate,), crls=tuple(lists)),
            close=close,
        )

    @cached_property
    def sound(self) -> bytes:
        """One page with one seal."""
        return self.sealed()

    @cached_property
    def roomy(self) -> bytes:
        """The same with a time-stamp, and so with room for a longer value."""
        return self.sealed(stamper=self.stamper)

    @cached_property
    def sound_form(self) -> bytes:
        """The same with a form field that was filled before."""
        return self.sealed(plain(field=True))

    def changed(self, old: bytes, new: bytes, document: bytes | None = None) -> bytes:
        """The sealed document with some bytes changed in place; as long as before."""
        data = document or self.sound
        assert old in data
        assert len(old) == len(new)
        return data.replace(old, new)

    def sealed_unseen(self, document: bytes) -> bytes:
        """The document sealed by who looks at nothing: ours would refuse what reads in two ways."""
        with (
            patch("seal.pdf.update.check_objects", lambda *_: ()),
            patch("seal.pdf.update.check_pages", lambda *_: None),
        ):
            return self.sealed(document)

    def updated(
        self, change: Callable[[IncrementalPdfFileWriter], None], document: bytes | None = None
    ) -> bytes:
        """The sealed document with an update after it, as any editor makes one."""
        writer = IncrementalPdfFileWriter(BytesIO(document or self.sound))
        change(writer)
        out = BytesIO()
        writer.write(out)
        return out.getvalue()

    def with_value(self, value: bytes, document: bytes | None = None) -> bytes:
        """The document with another signature value in the room of its (last) one."""
        data = document or self.sound
        found = list(_VALUE.finditer(data))[-1]
        room = len(found[1])
        hexadecimal = value.hex().encode()
        assert len(hexadecimal) <= room
        return data[: found.start(1)] + hexadecimal.ljust(room, b"0") + data[found.end(1) :]

    def value(self, document: bytes | None = None) -> bytes:
        """The signature value, and the room after it."""
        found = list(_VALUE.finditer(document or self.sound))[-1]
        return bytes.fromhex(found[1].decode())

    @property
    def roomy_value(self) -> bytes:
        """The value of `roomy`, without the room after it."""
        return next(der.elements(self.value(self.roomy))).raw

    def later_stamped(self, document: bytes, at: datetime, *, by: Holder | None = None) -> bytes:
        """The document with a good document time-stamp of that time."""
        reader = PdfFileReader(BytesIO(document))
        writer = SealWriter.from_reader(reader)
        stamper = replace(self.stamper, at=at, holder=by or self.stamper.holder)
        return _stamped(writer, stamper, _names(reader)).getvalue()

    def spans(self, document: bytes | None = None) -> list[int]:
        """The numbers of the (last) ByteRange."""
        found = _RANGE.findall(document or self.sound)[-1]
        return [int(one) for one in re.findall(rb"-?\d+", found)]

    def with_range(self, numbers: Sequence[int], *, sign: bool = True) -> bytes:
        """The document with another ByteRange, signed anew over just that: what an insider can."""
        written = b"/ByteRange [%s]" % b" ".join(b"%d" % one for one in numbers)
        return self.with_range_text(written, numbers if sign else None)

    def with_range_text(self, text: bytes, numbers: Sequence[int] | None = None) -> bytes:
        """The document with that text for its ByteRange; signed over `numbers`, if any."""
        found = list(_RANGE.finditer(self.sound))[-1]
        room = found.end() - found.start()
        data = self.sound[: found.start()] + text.ljust(room) + self.sound[found.end() :]
        if numbers is None:
            return data
        signed = b"".join(
            data[begin : begin + size]
            for begin, size in zip(numbers[::2], numbers[1::2], strict=False)
            if begin >= 0
        )
        return self.with_value(self.cms(hashlib.sha256(signed).digest()), data)

    def cms(self, digest: bytes, by: Holder | None = None) -> bytes:
        """The value over a digest, by the signer or by whom is said."""
        holder = by or self.signer
        attributes = signed_attributes(digest, certificate=holder.certificate)
        return signed_data(
            attributes,
            signature=holder.signer.sign(attributes),
            certificate=holder.certificate,
            chain=[self.intermediate.certificate],
        )

    def digest(self, word: str = "sha256", document: bytes | None = None) -> bytes:
        """The digest of the bytes that the document's ByteRange covers."""
        data, (_, size, second, rest) = document or self.sound, self.spans(document)
        return hashlib.new(word, data[:size] + data[second : second + rest]).digest()


def _list(issuer: Holder, *revoked: Revocation) -> bytes:
    return issue_crl(
        issuer=issuer.signer,
        issuer_certificate=issuer.certificate,
        this_update=BEGIN,
        next_update=END,
        number=1,
        revoked=revoked,
    )


def name(text: str) -> generic.NameObject:
    """A PDF name, with its slash."""
    return generic.NameObject("/" + text)


def dictionary(**entries: Any) -> generic.DictionaryObject:
    """A PDF dictionary."""
    return generic.DictionaryObject({name(key): value for key, value in entries.items()})


def numbers(*values: int) -> generic.ArrayObject:
    """A PDF array of numbers."""
    return generic.ArrayObject(generic.NumberObject(one) for one in values)


def page_of(writer: Any) -> Any:
    """The first page."""
    return writer.root["/Pages"]["/Kids"][0].get_object()


def signature_of(data: bytes) -> tuple[int, int]:
    """Object and generation number of the first signature dictionary."""
    (first, *_) = PdfFileReader(BytesIO(data)).embedded_signatures
    ref = first.sig_field.raw_get("/V").reference
    return ref.idnum, ref.generation
