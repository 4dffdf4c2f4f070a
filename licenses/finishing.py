"""From a reserved row to a license in force.

1. Every step reads only the row and what it names by hash or number (pictures, the version of its
   type), so doing it again makes the same license; a crash after any step leaves a row that is
   finished with the same identifier. Until the last transaction the row is ISSUING and no verifier
   sees it.
2. One issuance, three forms (OFD, PDF, SD-JWT VC), which carry one digest of one metadata. Nothing
   leaves that was not verified as any stranger would verify it.
3. A version that takes another's place comes into force in the transaction in which that one ends.
   Where that one was suspended or ended meanwhile, the new version is abandoned: an authority's
   word is not undone by a correction under way. So is what the seal service refuses for good.
4. Of two that finish one license at the same time, one activates it and both return it.
5. A clock that was set back makes no license that was in force before it was issued, nor one that
   verifiers would take for issued in their future: it is finished when the clock is right.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from types import MappingProxyType

from licenses import store
from licenses.credentials import Credentials
from licenses.documents import Documents
from licenses.library import store as outbox
from licenses.library.service import Library, record_of
from licenses.metadata import (
    PageValue,
    page_values,
    paper_mark,
    pictures_of,
    scans_of,
)
from licenses.model import (
    TRANSITIONS,
    Act,
    License,
    LicenseFormat,
    LicenseState,
    check_clock,
    decide_transition,
    later,
)
from licenses.neighbours import Draft, Neighbours
from licenses.page_refusals import in_words_of_the_order
from licenses.pages import fallback, template
from licenses.pages.drawn import Drawn, Said, draw, laid_out, read_once
from licenses.pages.model import Attachment, Document
from licenses.refusals import is_for_good, reason_of
from licenses.states import store as states
from licenses.statuslist.model import StatusRef
from licenses.turns import Turns
from licenses.types.model import TypeVersion
from licenses.types.service import Types
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import DomainError, InvalidArgument
from runtime.records import SealedRecord, Value, make_record
from runtime.workers import WORKERS

Places = Callable[[Sequence[str]], Mapping[str, StatusRef]]
PREDECESSOR_CHANGED = "its predecessor was suspended or ended meanwhile"


def _not_known(_license_ids: Sequence[str]) -> Mapping[str, StatusRef]:
    return {}


class Finishing:
    """Steps 3 to 8 of issuing."""

    def __init__(
        self,
        database: Database,
        documents: Documents,
        neighbours: Neighbours,
        library: Library,
        types: Types,
        clock: Clock,
        credentials: Credentials,
        *,
        turns: Turns | None = None,
        places: Places = _not_known,
    ) -> None:
        """`turns` are of a process; `places` are those in status lists, by ids of licenses."""
        self._database = database
        self._documents = documents
        self._neighbours = neighbours
        self._library = library
        self._types = types
        self._clock = clock
        self._credentials = credentials
        self._places = places
        self.turns = turns or Turns()

    def finish(self, license_: License) -> License:
        """The license in force, or ABANDONED; each step may be done again.

        Raises what the neighbours and the object store raise. What is refused for good
        (`refusals.is_for_good`) is ABANDONED then, and its request may be made again.
        """
        with self._database.reading() as session:
            license_ = store.license_by_id(session, license_.id) or license_
            before = store.license_by_id(session, license_.predecessor)
        if license_.state is not LicenseState.ISSUING:
            return license_
        if before is not None and not _may_follow(before, license_):
            return self._activate(license_, {})
        check_clock(self._clock.now(), license_.issue_time)
        # 3. Render, from the row alone.
        kind = self._types.version(license_.type_id, license_.type_version)
        try:
            sealed = self._sealed(license_, kind)
        except DomainError as error:
            if is_for_good(error):
                self._end_refused(license_, error)
            raise
        # 5. Verify our own output; the three say the same.
        for form, document in sealed.items():
            self._documents.check_output(document, form, license_)
        # 6. Store the documents, each under its own hash.
        for form, document in sealed.items():
            self._documents.keep(document, form)
        # 7. In force: states, audit records and records for the library in one transaction.
        digests = {f: hashlib.sha256(document).hexdigest() for f, document in sealed.items()}
        license_ = self._activate(license_, digests)
        # 8. Publish. What the exchange does not take now waits in the outbox.
        self._library.publish_soon()
        return license_

    def finish_all(self, licenses: Sequence[License]) -> list[License]:
        """`finish` of several that are being issued and follow no other: each step for all of them.

        They share calls and transactions. Raises where one cannot be finished so: then each is to
        be finished by itself, and is told what is wrong with it.
        """
        for one in licenses:
            check_clock(self._clock.now(), one.issue_time)
        kinds = [self._types.version(one.type_id, one.type_version) for one in licenses]
        drawn = [self._drawn(one, kind) for one, kind in zip(licenses, kinds, strict=True)]
        places = self._places([one.id for one in licenses])
        credentials = [
            self._credentials.draft(one, kind.type, status=places.get(one.id))
            for one, kind in zip(licenses, kinds, strict=True)
        ]
        drafts = {
            LicenseFormat.OFD: [one.ofd for one in drawn],
            LicenseFormat.PDF: [one.pdf for one in drawn],
            LicenseFormat.JWT: [one.payload for one in credentials],
        }
        digests: list[dict[LicenseFormat, str]] = [{} for _ in licenses]
        for form, documents in drafts.items():
            asked = [
                self._asked(one, form, document, 0 if form is LicenseFormat.JWT else page.sheets)
                for one, document, page in zip(licenses, documents, drawn, strict=True)
            ]
            for number, found in self._neighbours.seal_documents(asked, form):
                is_flat = form is LicenseFormat.JWT
                sealed = credentials[number].bound(found) if is_flat else found
                self._documents.check_output(sealed, form, licenses[number])
                self._documents.keep(sealed, form)
                digests[number][form] = hashlib.sha256(sealed).hexdigest()
        made = self._activate_all(licenses, digests)
        self._library.publish_soon()
        return made

    def _sealed(self, license_: License, kind: TypeVersion) -> dict[LicenseFormat, bytes]:
        """Steps 3 and 4: the three forms."""
        drawn = self._drawn(license_, kind)
        drafts = {LicenseFormat.OFD: drawn.ofd, LicenseFormat.PDF: drawn.pdf}
        # 4. Seal. The request ids follow from the license and the bytes, so that a repeat is
        #    answered with the same sealed bytes, and a renderer changed meanwhile blocks nothing.
        sealed = {
            form: self._seal(license_, form, one, drawn.sheets) for form, one in drafts.items()
        }
        credential = self._credentials.draft(license_, kind.type)
        signed = self._seal(license_, LicenseFormat.JWT, credential.payload, 0)
        return {**sealed, LicenseFormat.JWT: credential.bound(signed)}

    def _drawn(self, license_: License, kind: TypeVersion) -> Drawn:
        """The pages of a license, with its pictures and scans out of the object store."""
        found = pictures_of(license_.metadata, kind.type)
        pictures = {code: self._documents.enclosed(digest) for code, digest in found.items()}
        scans = [self._documents.enclosed(digest) for digest in scans_of(license_.metadata)]
        values = page_values(license_, kind.type, pictures)
        said = _said(license_, kind, scans)
        with _in_words_of_the_order(kind, values, said.mark):
            return WORKERS.call(draw, kind.template_text, values, said, fallback.in_use())

    def _seal(self, license_: License, form: LicenseFormat, draft: bytes, sheets: int) -> bytes:
        asked = self._asked(license_, form, draft, sheets)
        return self._neighbours.seal_document(
            asked.document,
            form,
            seal=asked.seal,
            license_type=asked.license_type,
            stamp=asked.stamp,
            sheets=asked.sheets,
            request_id=asked.request_id,
        )

    def _asked(self, license_: License, form: LicenseFormat, draft: bytes, sheets: int) -> Draft:
        kind = self._types.version(license_.type_id, license_.type_version)
        return Draft(
            document=draft,
            seal=license_.seal,
            license_type=license_.type_id,
            stamp=page_of(kind).stamp,
            sheets=sheets,
            request_id=f"{license_.id}-{form.value[1:]}-{hashlib.sha256(draft).hexdigest()[:32]}",
        )

    def _end_refused(self, license_: License, error: DomainError) -> None:
        """Abandon a license that will never be sealed; the one before it stays as it was."""
        with self._database.unit_of_work() as work:
            held = store.license_by_id(work.session, license_.id, lock=True) or license_
            if held.state is LicenseState.ISSUING:
                now = self._clock.now()
                abandon(work, held, now, reason_of(error), held.actor, again=True)

    def _activate(self, license_: License, digests: dict[LicenseFormat, str]) -> License:
        with self._database.unit_of_work() as work:
            held = store.license_by_id(work.session, license_.id, lock=True) or license_
            if held.state is not LicenseState.ISSUING:
                return held  # another replica finished it meanwhile, with the same identifier
            before = store.license_by_id(work.session, license_.predecessor, lock=True)
            now = later(self._clock.now(), license_)
            if before is not None and not _may_follow(before, license_):
                return abandon(work, held, now, PREDECESSOR_CHANGED, license_.actor)
            if before is not None:  # it ends in the same moment, and after all it went through
                now = later(now, before)
            return _into_force(work, license_, digests, before, now)

    def _activate_all(
        self, licenses: Sequence[License], digests: Sequence[dict[LicenseFormat, str]]
    ) -> list[License]:
        """Step 7 of several, in one transaction; one that another replica finished is as it is."""
        made = []
        with self._database.unit_of_work() as work:
            held = store.issuing_by_id(work.session, [one.id for one in licenses])
            for one, of_forms in zip(licenses, digests, strict=True):
                if one.id in held:
                    now = later(self._clock.now(), one)
                    made.append(_into_force(work, one, of_forms, None, now))
                else:
                    made.append(store.license_by_id(work.session, one.id) or one)
        return made


def _into_force(
    work: UnitOfWork,
    license_: License,
    digests: Mapping[LicenseFormat, str],
    before: License | None,
    now: datetime,
) -> License:
    """Its state, its audit record and its record for the library; `before` ends with it."""
    active = replace(
        license_,
        state=LicenseState.ACTIVE,
        state_time=now,
        activated_at=now,
        ofd_sha256=digests[LicenseFormat.OFD],
        pdf_sha256=digests[LicenseFormat.PDF],
        jwt_sha256=digests[LicenseFormat.JWT],
    )
    if before is not None:
        _end(work, before, active, now)
    store.move(
        work.session,
        active.id,
        LicenseState.ISSUING,
        LicenseState.ACTIVE,
        at=now,
        reason="",
        activated_at=now,
        ofd_sha256=active.ofd_sha256,
        pdf_sha256=active.pdf_sha256,
        jwt_sha256=active.jwt_sha256,
    )
    outbox.enqueue(work.session, active.id, record_of(active))
    work.record(_issued_record(active, before, now))
    return active


def lay_out(
    license_: License,
    kind: TypeVersion,
    values: Mapping[str, PageValue],
    scans: list[bytes],
) -> Document:
    """The pages of a license with what is attached to them.

    Raises InvalidArgument: TEXT_TOO_LONG, GLYPH_MISSING and the other refusals of the page.
    """
    return _laid_out(kind, values, _said(license_, kind, scans))


def check_pages(
    license_: License,
    kind: TypeVersion,
    values: Mapping[str, PageValue],
    scans: list[bytes],
) -> None:
    """That there is room for a license on its pages. Raises as `lay_out`.

    The QR code is left out: it takes a third of the time, and an identifier always fits one.
    """
    _laid_out(kind, values, replace(_said(license_, kind, scans), qr=None))


def _laid_out(kind: TypeVersion, values: Mapping[str, PageValue], said: Said) -> Document:
    with _in_words_of_the_order(kind, values, said.mark):
        return laid_out(page_of(kind), values, said)


def _said(license_: License, kind: TypeVersion, scans: list[bytes]) -> Said:
    return Said(
        created=license_.issue_time,
        author=license_.metadata["ZZBFJG"],
        metadata=license_.metadata,
        qr=license_.identifier if page_of(kind).qr is not None else None,
        mark=paper_mark(license_.metadata),
        attachments=tuple(_scan(number, data) for number, data in enumerate(scans, start=1)),
    )


@contextmanager
def _in_words_of_the_order(
    kind: TypeVersion, values: Mapping[str, PageValue], mark: str
) -> Iterator[None]:
    try:
        yield
    except InvalidArgument as error:
        raise in_words_of_the_order(error, kind.type, values, mark) from None


def _scan(number: int, data: bytes) -> Attachment:
    suffix, media_type = next(
        (suffix, media_type)
        for magic, suffix, media_type in (
            (b"%PDF-", "pdf", "application/pdf"),
            (b"\x89PNG", "png", "image/png"),
            (b"", "jpg", "image/jpeg"),
        )
        if data.startswith(magic)
    )
    return Attachment(name=f"scan-{number}.{suffix}", media_type=media_type, data=data)


def page_of(kind: TypeVersion) -> template.Template:
    """The template of a version of a type."""
    return read_once(kind.template_text)


def abandon(
    work: UnitOfWork,
    license_: License,
    now: datetime,
    reason: str,
    actor: str,
    *,
    again: bool = False,
) -> License:
    """End a license that never came into force; its identifier is not given again.

    `again`: its request may be made again, as one that was refused.
    """
    after = decide_transition(license_.state, Act.ABANDON)
    now = later(now, license_)
    store.move(work.session, license_.id, license_.state, after, at=now, reason=reason)
    if again:
        states.free_request(work.session, license_.id)
    facts = {"from": license_.state.value, "to": after.value, "reason": reason}
    work.record(record_of_act(Act.ABANDON.value, license_, at=now, actor=actor, facts=facts))
    return replace(license_, state=after, state_time=now, state_reason=reason)


def _may_follow(before: License, license_: License) -> bool:
    return license_.act is not None and (before.state, license_.act) in TRANSITIONS


def _end(work: UnitOfWork, before: License, active: License, now: datetime) -> None:
    """End the version before, in the transaction in which the new one comes into force."""
    if active.act is None:
        raise AssertionError("a version that follows another, by no act")
    after = decide_transition(before.state, active.act)
    reason = active.act_reason
    ended = replace(before, state=after, state_time=now, state_reason=reason, successor=active.id)
    store.move(
        work.session, before.id, before.state, after, at=now, reason=reason, successor=active.id
    )
    outbox.enqueue(work.session, before.id, record_of(ended))
    work.record(
        record_of_act(
            active.act.value,
            before,
            at=now,
            actor=active.actor,
            facts={"from": before.state.value, "to": after.value, "reason": reason},
            hidden={"successor": active.name},
        )
    )


def record_of_act(
    kind: str,
    license_: License,
    *,
    at: datetime,
    actor: str,
    facts: Mapping[str, Value],
    hidden: Mapping[str, str] = MappingProxyType({}),
) -> SealedRecord:
    """What the log tells of a license.

    Hashes of its files: whoever has a document finds what became of it. Not its name or
    identifier: who was once shown them could watch its state in the log, and its holder would
    not see that look. The log commits to them.
    """
    named = {
        "ofd_sha256": license_.ofd_sha256,
        "pdf_sha256": license_.pdf_sha256,
        "jwt_sha256": license_.jwt_sha256,
    }
    told = {
        "license": license_.name,
        "license_identifier": license_.identifier,
        **hidden,
    }
    return make_record(
        kind,
        at=at,
        actor=actor,
        facts={**facts, **{fact: sha256 for fact, sha256 in named.items() if sha256}},
        commitments={label: value.encode() for label, value in told.items()},
    )


def _issued_record(license_: License, before: License | None, at: datetime) -> SealedRecord:
    return record_of_act(
        "license_issued",
        license_,
        at=at,
        actor=license_.actor,
        facts={
            "license_type": license_.type_id,
            "license_type_version": license_.type_version,
            "origin": license_.origin.value,
            "seal": license_.seal,
        },
        hidden={
            "holder_code": license_.holder_code,
            "holder_name": license_.holder_name,
            "predecessor": before.name if before else "",
        },
    )
