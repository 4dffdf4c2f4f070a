"""Collecting the materials of one application (材料收集).

1. Nothing is fetched before the applicant agreed; the consent is in the audit log, and what they
   did not agree to is asked of them. It can be withdrawn, and ends by itself after a day.
2. The accepting department's own system collects. It asks the exchange by itself, under its own
   grants; this service holds its questions and answers against the log and never asks for it.
3. One id, the collection's name, joins all leaves: the consent, each question (as its case number,
   and by its place in the log), the copies, the decision and its reasons.
4. A license counts that is in force when it is collected, whatever it was when it was planned.
5. To anybody but the accepting department, and the applicant it is about, a collection does not
   exist.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import date

import orjson

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.documents import MEDIA_TYPES
from licenses.holder_index import HolderIndex
from licenses.materials import answers, filling, planning, rules, store
from licenses.materials.answers import Answered, Facts
from licenses.materials.copying import Copying
from licenses.materials.keeping import Keeping, collected_already
from licenses.materials.model import (
    CONSENT_LASTS,
    CONSENTED,
    Collection,
    CollectionState,
    Copy,
    Handling,
    MaterialSource,
    Planned,
    Result,
)
from licenses.materials.service import Materials, check_identified, in_force
from licenses.materials.surroundings import Surroundings
from licenses.model import License, LicenseFormat
from licenses.texts import check_text
from runtime import names
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import InvalidArgument
from runtime.identity import Principal
from runtime.records import make_record


class Collecting:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        copying: Copying,
        materials: Materials,
        keeping: Keeping,
        surroundings: Surroundings,
        index: HolderIndex,
        clock: Clock,
    ) -> None:
        self._database = database
        self._copying = copying
        self._materials = materials
        self._keeping = keeping
        self._around = surroundings
        self._index = index
        self._clock = clock

    def ready(
        self,
        service_item: str,
        holder_code: str,
        agreed: Sequence[str],
        request_id: str,
        principal: Principal,
    ) -> tuple[Planned, ...]:
        """The plan as far as the applicant agreed, with endorsed copies of licenses.

        Outside any transaction. Raises InvalidArgument (NOTHING_TO_AGREE_TO), and as
        `Materials.plan` and `Copying.endorse`.
        """
        check_identified(principal, holder_code)
        planned = self._materials.planned(service_item, holder_code)[1]
        offered = {one.display_name for one in planned if one.source in CONSENTED}
        if not set(agreed) <= offered or len(agreed) > len(offered):
            raise InvalidArgument(
                "materials names what is not to be fetched: see PlanMaterials",
                reason="NOTHING_TO_AGREE_TO",
                message_zh="materials 中有无需代为获取的材料：请查看材料方案",
            )
        planned = planning.without_consent(planned, set(agreed))
        if not any(one.license for one in planned):
            return planned
        title, receiver = self._materials.titles(service_item)
        return self._copying.endorse(
            planned,
            holder_code=holder_code,
            purpose=f"办理{title}",
            receiver=receiver,
            last_day_of=self._last_day_of,
            request_id=f"{principal.system} {request_id}",
            principal=principal,
        )

    def _last_day_of(self, name: str) -> date | None:
        with self._database.reading() as session:
            found = licenses.license_by_id(session, name.rpartition("/")[2])
        return found.valid_to if found is not None else None

    def begin(
        self,
        work: UnitOfWork,
        planned: Sequence[Planned],
        *,
        service_item: str,
        holder_code: str,
        agreed: Sequence[str],
        consent: str,
        principal: Principal,
    ) -> Collection:
        """Record the consent to a plan that `ready` made. Raises InvalidArgument, BAD_TEXT."""
        check_text(consent, name="consent")
        now = self._clock.now()
        made = Collection(
            id=secrets.token_hex(12),
            service_item=service_item,
            department=names.department_of(service_item),
            holder_index=self._index(holder_code),
            state=CollectionState.CONSENTED,
            plan=tuple(planned),
            result=Result(),
            create_time=now,
            expire_time=now + CONSENT_LASTS,
            actor=principal.system,
        )
        store.add_collection(work.session, made)
        work.record(
            make_record(
                "collection_consented",
                at=now,
                actor=principal.system,
                facts={
                    "collection": made.name,
                    "service_item": service_item,
                    "materials": sorted(set(agreed)),
                    "copies": [one.copy_sha256 for one in planned if one.copy_sha256],
                },
                commitments={"holder_code": holder_code.encode(), "consent": consent.encode()},
            )
        )
        return made

    def proven(
        self,
        name: str,
        holder_code: str,
        given: Sequence[Answered],
        principal: Principal,
    ) -> tuple[Collection, Facts, tuple[int, ...]]:
        """The facts of answers, and where in the log they are; outside any transaction.

        Raises NotFound (COLLECTION_NOT_FOUND), FailedPrecondition (CONSENT_ENDED,
        ALREADY_COLLECTED, ANSWER_NOT_PLANNED) and InvalidArgument (ANSWER_NOT_PROVEN).
        """
        collection = self._keeping.own(name, holder_code, principal)
        self._keeping.check_open(collection)
        facts = answers.facts_of(collection, given, actor=principal.system, holder_code=holder_code)
        return collection, facts, tuple(self._around.log_index(one) for one in given)

    def collect(
        self,
        work: UnitOfWork,
        collection: Collection,
        facts: Facts,
        indices: tuple[int, ...],
        *,
        holder_code: str,
        entries: Mapping[str, str],
        principal: Principal,
    ) -> Collection:
        """Fill the form, attach copies, decide where a rule may. Raises as `filling.fill`."""
        self._keeping.check_open(collection)
        now = self._clock.now()
        handling = store.handling(work.session, collection.service_item) or Handling(
            service_item=collection.service_item
        )
        held = self._licenses_now(work, collection)
        plan = tuple(
            one if one.license == "" or one.license in held else _lost(one)
            for one in collection.plan
        )
        form = filling.fill(
            handling,
            facts,
            {
                one.license_type: (one.license, held[one.license].metadata)
                for one in plan
                if one.license
            },
            entries,
        )
        asked = filling.still_asked(plan, facts)
        required = {one.display_name for one in plan if one.required}
        decision, outcomes = rules.decide(
            handling.rule,
            form,
            [one for one in asked if one in required],
            date.fromisoformat(china_date(now)),
        )
        result = Result(
            form=form,
            copies=tuple(
                Copy(
                    material=one.display_name,
                    license=one.license,
                    sha256=one.copy_sha256 or held[one.license].ofd_sha256,
                    media_type=MEDIA_TYPES[LicenseFormat.OFD],
                    endorsed=bool(one.copy_sha256),
                )
                for one in plan
                if one.license
            ),
            asked=asked,
            decision=decision,
            outcomes=outcomes,
            log_indices=indices,
        )
        if not store.move(
            work.session, collection.id, CollectionState.COLLECTED, plan=plan, result=result, at=now
        ):
            raise collected_already()
        self._record_collected(work, collection, result, held, holder_code, principal)
        return replace(
            collection,
            plan=plan,
            state=CollectionState.COLLECTED,
            result=result,
            collect_time=now,
        )

    def _record_collected(
        self,
        work: UnitOfWork,
        collection: Collection,
        result: Result,
        held: Mapping[str, License],
        holder_code: str,
        principal: Principal,
    ) -> None:
        now = self._clock.now()
        record = make_record(
            "materials_collected",
            at=now,
            actor=principal.system,
            facts={
                "collection": collection.name,
                "service_item": collection.service_item,
                "questions": [str(one) for one in result.log_indices],
                "licenses": [one.license for one in result.copies],
                "documents": [one.sha256 for one in result.copies],
                "asked": list(result.asked),
                "decision": result.decision.value or "NONE",
                "rule": [
                    f"{one.field or 'materials'}={'holds' if one.holds else 'fails'}"
                    for one in result.outcomes
                ],
            },
            commitments={
                "holder_code": holder_code.encode(),
                "form": orjson.dumps([(one.code, one.value, one.source) for one in result.form]),
            },
        )
        for one in result.copies:
            used = [filled.code for filled in result.form if filled.origin == one.license]
            accesses.add_access(
                work.session,
                held[one.license].id,
                at=now,
                system=principal.system,
                kind="materials_collected",
                purpose=collection.name,
                record=record,
                fields=used,
            )
        work.record(record)

    def _licenses_now(self, work: UnitOfWork, collection: Collection) -> dict[str, License]:
        """Planned licenses that are in force now and still the applicant's, by name."""
        found = {}
        now = self._clock.now()
        for one in collection.plan:
            if not one.license:
                continue
            license_ = licenses.license_by_id(work.session, one.license.rpartition("/")[2])
            if license_ is not None and in_force(license_, now):
                found[one.license] = license_
        return found


def _lost(one: Planned) -> Planned:
    return replace(
        one,
        source=MaterialSource.MUST_BE_ASKED,
        reason="LICENSE_NOT_IN_FORCE",
        detail="the applicant's license is not in force any more",
        detail_zh="申请人的该证照已不在有效状态",
        license="",
        copy_sha256="",
    )
