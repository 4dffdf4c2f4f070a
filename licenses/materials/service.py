"""How service items are handled, and where their materials come from.

1. How an item is handled is put by the item's department or an administrator, and fits the item as
   the catalog has it.
2. What is known of an applicant is looked up for a counter that identified them, or for themselves,
   and that is in the audit log. A plan about nobody in particular is anybody's to read.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache

from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.holder_index import HolderIndex
from licenses.materials import planning, store
from licenses.materials.handlings import check_handling, digest_of
from licenses.materials.model import Disposition, Handling, Item, Offered, Planned
from licenses.materials.planning import CITIZEN, CREDIT, HeldLicense, Known
from licenses.materials.reporting import Line, line_of
from licenses.materials.surroundings import Surroundings
from licenses.model import License, is_in_force
from licenses.texts import TEXT_LIMIT
from licenses.types.service import Types
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import (
    Aborted,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    PermissionDenied,
)
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal, Role, check_holder
from runtime.records import canonical, make_record

_HELD_AT_MOST = 1000


class Materials:
    """The use cases."""

    def __init__(
        self,
        database: Database,
        types: Types,
        surroundings: Surroundings,
        index: HolderIndex,
        clock: Clock,
    ) -> None:
        self._database = database
        self._types = types
        self._around = surroundings
        self._index = index
        self._clock = clock

    # How items are handled.

    def check_item(self, handling: Handling) -> None:
        """Whether a handling fits its item, as the catalog has it now; outside any transaction.

        Raises InvalidArgument (BAD_HANDLING), NotFound, FailedPrecondition (PROOF_STILL_ASKED,
        PROOF_NOT_ASKED, MATERIAL_UNKNOWN).
        """
        check_handling(handling)
        item = self._around.item(handling.service_item)
        asked = {one.display_name for one in item.materials}
        for proof in handling.proofs:
            if (proof.display_name in asked) is (proof.disposition is Disposition.ABOLISHED):
                abolished = proof.disposition is Disposition.ABOLISHED
                raise FailedPrecondition(
                    f"{proof.display_name}: "
                    + (
                        "is abolished and still a material of the item: take it out of the catalog"
                        if abolished
                        else "is kept or replaced and no material of the item: put it there first"
                    ),
                    reason="PROOF_STILL_ASKED" if abolished else "PROOF_NOT_ASKED",
                    message_zh=f"“{proof.display_name}”"
                    + ("已取消，但仍列在事项材料中" if abolished else "不在事项材料中"),
                )
        for name in handling.filled_materials:
            if name not in asked:
                raise FailedPrecondition(
                    f"{name}: is filled in and no material of the item",
                    reason="MATERIAL_UNKNOWN",
                    message_zh=f"“{name}”不在事项材料中",
                )

    def put(self, work: UnitOfWork, handling: Handling, principal: Principal) -> Handling:
        """Put how an item is handled: for its department, and for administrators, as directories.

        Raises PermissionDenied (NOT_OWN_DEPARTMENT), Aborted (ETAG_MISMATCH).
        """
        department = names.department_of(handling.service_item)
        if department != principal.department and not principal.has(Role.ADMINISTRATOR):
            raise PermissionDenied(
                "the service item must be the caller's own department's",
                reason="NOT_OWN_DEPARTMENT",
                message_zh="只能维护本部门事项的办理规则",
            )
        held = store.handling(work.session, handling.service_item, lock=True)
        if handling.etag != (held.etag if held else ""):
            raise Aborted(
                "the handling was changed meanwhile: read it again and repeat with its etag",
                reason="ETAG_MISMATCH",
                message_zh="办理规则已被修改：请重新读取后再提交",
            )
        now = self._clock.now()
        made = replace(
            handling,
            etag=secrets.token_hex(8),
            version=(held.version if held else 0) + 1,
            put_time=now,
            put_by=principal.system,
        )
        store.put_handling(work.session, made, department)
        work.record(
            make_record(
                "handling_put",
                at=now,
                actor=principal.system,
                facts={
                    "service_item": made.service_item,
                    "version": made.version,
                    "handled_at_once": "yes" if made.handled_at_once else "no",
                    "sha256": digest_of(made),
                },
            )
        )
        return made

    def handling(self, service_item: str) -> Handling:
        """How an item is handled. Raises NotFound, HANDLING_NOT_FOUND."""
        names.parse(names.SERVICE_ITEM, service_item, field="service_item")
        with self._database.reading() as session:
            found = store.handling(session, service_item)
        if found is None:
            raise NotFound(
                "nobody has said how this service item is handled: put it with PutHandling",
                reason="HANDLING_NOT_FOUND",
                message_zh="该事项尚未登记办理规则：请先登记",
            )
        return found

    def handlings(self, parent: str, *, after: str, size: int) -> list[Handling]:
        """Of a department or of all (`departments/-`), in order of item: at most `size` + 1."""
        names.parse(names.DEPARTMENT, parent, field="parent", wildcard=True)
        department = "" if parent == "departments/-" else parent
        with self._database.reading() as session:
            return store.handlings(session, department, after=after, size=size + 1)

    def items(
        self, parent: str, *, size: int, token: str, at_once_only: bool = False
    ) -> tuple[list[Offered], str]:
        """A page of service items; `at_once_only` leaves out those that a person decides."""
        found, following = self._around.items(parent, size=size, token=token)
        with self._database.reading() as session:
            handled = store.handlings_of(session, [one.name for one in found])
        asked = _Asked(self._around)

        def stands(item: Item, handling: Handling | None) -> tuple[str, ...]:
            if handling is None or not handling.rule:
                return ()
            return planning.in_the_way(handling, self._plan(item, handling, None, "", asked))

        listed = [(one, handled.get(one.name)) for one in found]
        offered = [
            Offered(
                item=one, rule=handling.rule if handling else (), in_the_way=stands(one, handling)
            )
            for one, handling in listed
        ]
        return [one for one in offered if one.is_at_once or not at_once_only], following

    # Planning.

    def plan(
        self, service_item: str, holder_code: str, principal: Principal
    ) -> tuple[tuple[Planned, ...], tuple[str, ...]]:
        """The plan of an item's materials, and the form's fields that must be entered. Audited.

        A grant's name is told to its own department, and to counters. Whoever is told that a
        license is held looked at it.

        Raises NotFound, InvalidArgument (BAD_HOLDER_CODE), PermissionDenied
        (APPLICANT_NOT_IDENTIFIED).
        """
        if holder_code:
            check_identified(principal, holder_code)
        handling, planned = self.planned(service_item, holder_code)
        if holder_code:
            self._record_planned(service_item, holder_code, planned, principal)
        entries = planning.entries_needed(handling, planned)
        own = names.department_of(service_item) == principal.department
        if not own and not principal.has(Role.COUNTER):
            planned = planning.without_grants(planned)
        return planned, entries

    def _record_planned(
        self,
        service_item: str,
        holder_code: str,
        planned: Sequence[Planned],
        principal: Principal,
    ) -> None:
        now, kind = self._clock.now(), "materials_planned"
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={"service_item": service_item},
            commitments={
                "holder_code": holder_code.encode(),
                "licenses": canonical([one.license for one in planned if one.license]),
            },
        )
        told = {name for one in planned for name in (one.license, *one.choices) if name}
        purpose = self.purpose(service_item) if told else ""
        with self._database.unit_of_work() as work:
            for name in sorted(told):
                accesses.add_access(
                    work.session,
                    name.rpartition("/")[2],
                    at=now,
                    system=principal.system,
                    kind=kind,
                    purpose=purpose,
                    record=record,
                )
            work.record(record)

    def purpose(self, service_item: str) -> str:
        """What an item's materials are used for, for people; raises nothing where it is gone."""
        try:
            return f"办理{self._around.item(service_item).display_name}"[:TEXT_LIMIT]
        except NotFound:
            return f"办理{service_item.rpartition('/')[2]}"

    def titles(self, service_item: str) -> tuple[str, str]:
        """What people call the item, and its department. Raises NotFound."""
        item = self._around.item(service_item)
        return item.display_name, self._around.title(names.department_of(service_item))

    def planned(self, service_item: str, holder_code: str) -> tuple[Handling, tuple[Planned, ...]]:
        """How an item is handled, and the plan. Raises NotFound, SERVICE_ITEM_WITHDRAWN."""
        names.parse(names.SERVICE_ITEM, service_item, field="service_item")
        item = self._around.item(service_item)
        if not item.active:
            raise FailedPrecondition(
                "the service item is withdrawn",
                reason="SERVICE_ITEM_WITHDRAWN",
                message_zh="该事项已停止办理",
            )
        with self._database.reading() as session:
            handling = store.handling(session, service_item) or Handling(service_item=service_item)
            held = (
                licenses.held(session, self._index(holder_code), after="", size=_HELD_AT_MOST)
                if holder_code
                else None
            )
        return handling, self._plan(item, handling, held, holder_code, _Asked(self._around))

    def report(self, parent: str, *, size: int, token: str) -> tuple[list[Line], str]:
        """A page of service items, each before and after; and the token of the next page.

        As for whoever holds what there is to hold: nobody is looked up.
        """
        found, following = self._around.items(parent, size=size, token=token)
        with self._database.reading() as session:
            handled = store.handlings_of(session, [one.name for one in found])
        asked, lines = _Asked(self._around), []
        for item in found:
            handling = handled.get(item.name) or Handling(service_item=item.name)
            lines.append(line_of(item, handling, self._plan(item, handling, None, "", asked)))
        return lines, following

    def _plan(
        self,
        item: Item,
        handling: Handling,
        held: list[License] | None,
        holder_code: str,
        asked: _Asked,
    ) -> tuple[Planned, ...]:
        resources = {
            name: found
            for name in {one.resource for one in item.materials if one.resource}
            if (found := asked.resource(name)) is not None
        }
        now = self._clock.now()
        known = Known(
            handling=handling,
            resources=resources,
            grants=asked.grants(names.department_of(item.name)) if resources else (),
            types=self._known_types(item),
            held=None if held is None else [_held(one, now) for one in held],
            standard=_standard(holder_code) if holder_code else "",
            now=now,
        )
        return planning.plan(item, known)

    def _known_types(self, item: Item) -> set[str]:
        found = set()
        for name in {one.license_type for one in item.materials if one.license_type}:
            try:
                self._types.newest(name)
            except NotFound:
                continue
            found.add(name)
        return found


class _Asked:
    """What the node was asked while one question is answered: each thing once."""

    def __init__(self, around: Surroundings) -> None:
        self.resource = cache(around.resource)
        self.grants = cache(around.grants)


def check_identified(principal: Principal, holder_code: str) -> None:
    """Raises InvalidArgument (BAD_HOLDER_CODE), PermissionDenied (APPLICANT_NOT_IDENTIFIED)."""
    if citizen_number_problem(holder_code) and credit_code_problem(holder_code):
        raise InvalidArgument(
            "holder_code is neither a citizen number nor a credit code",
            reason="BAD_HOLDER_CODE",
            message_zh="holder_code 不是有效的公民身份号码或统一社会信用代码",
        )
    if not check_holder(principal, holder_code):
        raise PermissionDenied(
            "only a counter that identified the applicant, or the applicant, may name one: leave "
            "holder_code empty for the general plan",
            reason="APPLICANT_NOT_IDENTIFIED",
            message_zh="仅已核实申请人身份的窗口或申请人本人可指定申请人：查看通用方案请勿填写",
        )


def _held(one: License, now: datetime) -> HeldLicense:
    return HeldLicense(
        name=one.name, type_name=f"licenseTypes/{one.type_id}", in_force=is_in_force(one, now)
    )


def _standard(holder_code: str) -> str:
    return CREDIT if citizen_number_problem(holder_code) else CITIZEN
