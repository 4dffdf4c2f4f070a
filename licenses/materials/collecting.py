"""Collecting the materials of one application (材料收集).

1. Nothing is fetched before the applicant agreed; the consent is in the audit log, and what they
   did not agree to is asked of them. It can be withdrawn, and ends by itself after a day.
2. The accepting department's own system collects. It asks the exchange by itself, under its own
   grants; this service holds its questions and answers against the log and never asks for it.
   Where nothing is asked, the applicant, or the counter that identified them, may collect.
3. One id, the collection's name, joins the leaves of the consent, the copies and the decision; each
   question commits to it as its case number, and is named by its place in the log. Which licenses,
   what was decided and why are commitments: the log tells them to nobody who was not told.
4. A license counts that is in force and the applicant's when it is collected, whatever it was when
   it was planned. Copies are made then, and not before.
5. The form and the rule are those of the day of collecting; which they were is in the log.
6. To anybody but the accepting department, and the applicant it is about, a collection does not
   exist.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Collection as AnyOf
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.copies import store as copies
from licenses.documents import MEDIA_TYPES
from licenses.holder_index import HolderIndex
from licenses.materials import answers, filling, planning, rules, store
from licenses.materials.answers import Answered, Facts
from licenses.materials.copying import Copying
from licenses.materials.entering import Entering, entries_of
from licenses.materials.handlings import digest_of
from licenses.materials.keeping import (
    Keeping,
    accepts,
    collected_already,
    committed,
    consented,
    fields_of,
    handling_of,
)
from licenses.materials.model import (
    CONSENT_LASTS,
    CONSENTED,
    Collection,
    CollectionState,
    Copy,
    FormField,
    Handling,
    Look,
    MaterialSource,
    Planned,
    Result,
)
from licenses.materials.service import Materials, check_identified
from licenses.materials.surroundings import Surroundings
from licenses.model import License, LicenseFormat, is_in_force
from licenses.texts import check_text
from licenses.types.model import LicenseField
from runtime import names
from runtime.clock import Clock, china_date
from runtime.database import Database, UnitOfWork
from runtime.errors import FailedPrecondition, InvalidArgument
from runtime.identity import Principal, check_holder
from runtime.records import canonical, fresh_salt, make_record


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """A collection with what was proven for it: facts, and where in the log they are."""

    collection: Collection
    facts: Facts
    log_indices: tuple[int, ...]
    purpose: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """A collection as its reader sees it.

    An applicant is told who looked, and what they may enter, each with what it is where that is no
    text; the department's system which answers it left there, by grant. `entries` must yet be
    entered.
    """

    collection: Collection
    entries: tuple[str, ...]
    fields: tuple[tuple[FormField, LicenseField | None], ...] = ()
    looks: tuple[Look, ...] = ()
    answered: tuple[str, ...] = ()


class Collecting:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        copying: Copying,
        materials: Materials,
        keeping: Keeping,
        entering: Entering,
        surroundings: Surroundings,
        index: HolderIndex,
        clock: Clock,
    ) -> None:
        self._database = database
        self._copying = copying
        self._materials = materials
        self._keeping = keeping
        self._entering = entering
        self._around = surroundings
        self._index = index
        self._clock = clock

    def ready(
        self,
        service_item: str,
        holder_code: str,
        agreed: tuple[str, ...],
        licenses_chosen: tuple[str, ...],
        consent: str,
        principal: Principal,
    ) -> tuple[Planned, ...]:
        """The plan as far as the applicant agreed, outside any transaction.

        Raises InvalidArgument (BAD_TEXT, NOTHING_TO_AGREE_TO, LICENSE_NOT_CHOSEN), and as
        `Materials.plan`.
        """
        check_text(consent, name="consent")
        check_identified(principal, holder_code)
        planned = self._materials.planned(service_item, holder_code)[1]
        offered = {one.display_name for one in planned if one.source in CONSENTED}
        if not set(agreed) <= offered or len(agreed) > len(offered):
            raise InvalidArgument(
                "materials names what is not to be fetched: see PlanMaterials",
                reason="NOTHING_TO_AGREE_TO",
                message_zh="materials 中有无需代为获取的材料：请查看材料方案",
            )
        return planning.chosen(planning.without_consent(planned, set(agreed)), licenses_chosen)

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
        """Record the consent to a plan that `ready` made."""
        now, salt = self._clock.now(), fresh_salt()
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
            consent=consent,
            consent_salt=salt.hex(),
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
                    "items": sorted(
                        {f"{one.resource}#{item}" for one in planned for item in one.items}
                    ),
                },
                commitments={
                    "holder_code": holder_code.encode(),
                    "consent": consent.encode(),
                    "licenses": canonical([one.license for one in planned if one.license]),
                },
                salt=salt,
            )
        )
        return made

    def shown(self, name: str, holder_code: str, principal: Principal) -> Shown:
        """A collection: with a `holder_code` to who speaks for them, else to its department.

        Raises NotFound (COLLECTION_NOT_FOUND).
        """
        if holder_code and check_holder(principal, holder_code):
            found = self._keeping.of_applicant(name, holder_code, principal)
            looks = tuple(self._keeping.looks(found))
            needed, fields = self._entering.needed(found), self._entering.fields(found)
            return Shown(collection=found, entries=needed, fields=fields, looks=looks)
        found = self._keeping.read(name, principal)
        answered = tuple(self._keeping.answered(name, principal.system))
        needed = self._entering.needed(found)
        return Shown(collection=found, entries=needed, answered=answered)

    def proven(
        self,
        name: str,
        holder_code: str,
        given: Sequence[Answered],
        refused: Mapping[str, str],
        principal: Principal,
    ) -> Proven:
        """The facts of answers, and where in the log they are; outside any transaction.

        `refused`: of questions that were not answered, by grant, the reason.

        Raises NotFound (COLLECTION_NOT_FOUND), FailedPrecondition (CONSENT_ENDED,
        ALREADY_COLLECTED, DEPARTMENT_COLLECTS, ANSWER_NOT_PLANNED) and InvalidArgument
        (ANSWER_NOT_PROVEN, QUESTION_NOT_PLANNED).
        """
        collection = self._keeping.own(name, holder_code, principal)
        self._keeping.check_open(collection)
        if not accepts(collection, principal):
            _check_no_questions(collection, given)
        facts = answers.facts_of(collection, given, actor=principal.system, holder_code=holder_code)
        if refused:
            plan = planning.refused(collection.plan, refused)
            collection = replace(collection, plan=plan)
        return Proven(
            collection=collection,
            facts=facts,
            log_indices=self._around.log_indices(given),
            purpose=self._materials.purpose(collection.service_item),
        )

    def copied(self, proven: Proven, *, entries: Mapping[str, str], principal: Principal) -> Proven:
        """The same with an endorsed copy of each license; outside any transaction.

        Nothing is copied where the form is not whole. Raises as `filling.fill` and `Copies.share`.
        """
        collection = proven.collection
        with self._database.reading() as session:
            handling = store.handling(session, collection.service_item)
            found = licenses.licenses_by_id(session, _licenses_of(collection))
        held = self._still_theirs(collection, found)
        plan = _still_held(collection.plan, held)
        form = handling_of(handling, collection)
        by_department = accepts(collection, principal)
        entered, _ = entries_of(form, collection, entries, by_department=by_department)
        self._entering.check_whole(form, plan, entered)
        filling.fill(form, proven.facts, _known(plan, held), entered)

        def still(session: licenses.Reads) -> None:
            self._keeping.check_still_open(session, collection.id)

        if any(one.license for one in plan):
            plan = self._copying.endorse(
                plan,
                collection=collection,
                purpose=proven.purpose,
                receiver=self._materials.titles(collection.service_item)[1],
                last_days={name: one.valid_to for name, one in held.items()},
                principal=principal,
                still=still,
            )
        return replace(proven, collection=replace(collection, plan=plan))

    def collect(
        self,
        work: UnitOfWork,
        proven: Proven,
        *,
        holder_code: str,
        entries: Mapping[str, str],
        principal: Principal,
    ) -> Collection:
        """Fill the form, attach copies, decide where a rule may. Raises as `filling.fill`."""
        collection, now = proven.collection, self._clock.now()
        still = self._keeping.check_still_open(work.session, collection.id)
        by_department = accepts(collection, principal)
        handling = handling_of(store.handling(work.session, collection.service_item), collection)
        found = licenses.licenses_by_id(work.session, _licenses_of(collection))
        held = self._still_theirs(collection, found)
        plan = _still_held(collection.plan, held)
        result = replace(
            _result(
                handling,
                plan,
                held,
                proven,
                # As they are now: the applicant may have put others since they were checked.
                entries_of(handling, still, entries, by_department=by_department),
                date.fromisoformat(china_date(now)),
            ),
            salt=fresh_salt().hex(),
        )
        if not store.move(
            work.session, collection.id, CollectionState.COLLECTED, plan=plan, result=result, at=now
        ):
            raise collected_already()
        # What another system of the department, or an earlier try, had begun is of no use.
        kept = [one.sha256 for one in result.copies if one.endorsed]
        copies.end_of_collections(work.session, [collection.id], now, but=kept)
        self._record_collected(work, proven, result, held, holder_code, principal)
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
        proven: Proven,
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
                "collection": proven.collection.name,
                "service_item": proven.collection.service_item,
                "questions": [str(one) for one in result.log_indices],
                "handling_version": result.handling_version,
                "handling_sha256": result.handling_sha256,
            },
            commitments={
                "holder_code": holder_code.encode(),
                **consented(proven.collection),
                **committed(result),
            },
            salt=bytes.fromhex(result.salt),
        )
        for one in result.copies:
            accesses.add_access(
                work.session,
                held[one.license].id,
                at=now,
                system=principal.system,
                kind="materials_collected",
                purpose=proven.purpose,
                record=record,
                fields=fields_of(result, one.license),
            )
        work.record(record)

    def _still_theirs(self, collection: Collection, found: Sequence[License]) -> dict[str, License]:
        """Those of planned licenses that count now, by name (rule 4)."""
        now = self._clock.now()
        return {
            one.name: one for one in found if is_in_force(one, now) and self._is_of(one, collection)
        }

    def _is_of(self, license_: License, collection: Collection) -> bool:
        holders = [self._index(one.code) for one in license_.holders]
        return any(hmac.compare_digest(one, collection.holder_index) for one in holders)


def _licenses_of(collection: Collection) -> list[str]:
    """Ids of the licenses of a plan."""
    return [one.license.rpartition("/")[2] for one in collection.plan if one.license]


def _still_held(plan: Sequence[Planned], held: Mapping[str, License]) -> tuple[Planned, ...]:
    return tuple(one if one.license == "" or one.license in held else _lost(one) for one in plan)


def _known(
    plan: Sequence[Planned], held: Mapping[str, License]
) -> dict[str, tuple[str, Mapping[str, str]]]:
    """What licenses say, by their type."""
    return {
        one.license_type: (one.license, held[one.license].metadata) for one in plan if one.license
    }


def _result(
    handling: Handling,
    plan: Sequence[Planned],
    held: Mapping[str, License],
    proven: Proven,
    entered: tuple[Mapping[str, str], AnyOf[str]],
    today: date,
) -> Result:
    """The filled form, the copies, and the decision of a rule where there is one."""
    form = filling.fill(handling, proven.facts, _known(plan, held), *entered)
    asked = filling.still_asked(plan, proven.facts)
    required = {one.display_name for one in plan if one.required}
    # What the department looks up in its own records nobody has seen here: a person decides.
    unseen = {one.display_name for one in plan if one.source is MaterialSource.OWN_DATA}
    missing = [one for one in (*asked, *sorted(unseen)) if one in required]
    decision, outcomes = rules.decide(handling.rule, form, missing, today, fields=handling.fields)
    return Result(
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
        log_indices=proven.log_indices,
        handling_version=handling.version,
        handling_sha256=digest_of(handling) if handling.version else "",
    )


def _check_no_questions(collection: Collection, given: Sequence[Answered]) -> None:
    """Rule 2: what is asked under the department's grants is collected by itself."""
    if given or any(one.grant for one in collection.plan):
        raise FailedPrecondition(
            "the accepting department reads or verifies a part of it under its own grants: its own "
            "system collects, and the applicant sees what came of it",
            reason="DEPARTMENT_COLLECTS",
            message_zh="部分材料由受理部门凭其授权查询或核验：由受理部门的系统收集，申请人可查看结果",
        )


def _lost(one: Planned) -> Planned:
    return planning.not_fetched(
        one, "LICENSE_NOT_IN_FORCE", "the applicant's license is not in force any more",
        "申请人的该证照已不在有效状态",
    )  # fmt: skip
