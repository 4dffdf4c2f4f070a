"""Delegating (委托): a holder lets an agent list and present licenses.

1. Only who was identified as the holder delegates, and only what they hold in force; only they end
   it.
2. To others than holder and agent a delegation does not exist.
3. Ending one ends the presentations that were made under it, in one transaction.
4. The audit log tells that a delegation of which licenses was made and ended; who the agent is and
   what for is committed to there.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from licenses import held
from licenses import store as licenses
from licenses.accesses import store as accesses
from licenses.delegations import store
from licenses.delegations.model import (
    USUAL,
    Delegation,
    ShownAs,
    check_expire_time,
    check_licenses,
    delegation_not_found,
    is_agent,
)
from licenses.holder_index import HolderIndex
from licenses.holders import check_identified
from licenses.model import NEVER_IN_FORCE, License
from licenses.presentations import store as presentations
from licenses.texts import NAME_LIMIT, check_text, text_problem
from runtime import names
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import FieldViolation, InvalidArgument, ResourceExhausted
from runtime.idcodes import citizen_number_problem, credit_code_problem
from runtime.identity import Principal
from runtime.paging import last_of
from runtime.records import canonical, instant, make_record

MOST_OPEN = 200


class Delegating:
    """The use cases of delegating."""

    def __init__(self, database: Database, holder_index: HolderIndex, clock: Clock) -> None:
        self._database = database
        self._index = holder_index
        self._clock = clock

    def delegate(
        self,
        work: UnitOfWork,
        holder_code: str,
        *,
        agent_name: str,
        agent_code: str,
        license_names: Sequence[str],
        purpose: str,
        expire_time: datetime,
        principal: Principal,
        forms: Sequence[ShownAs] = (),
    ) -> Delegation:
        """A new delegation; no `forms` are the usual ones.

        Raises NotFound (LICENSE_NOT_FOUND, also for another holder's), InvalidArgument
        (BAD_DELEGATED_LICENSES, BAD_DELEGATION_END, BAD_AGENT, BAD_TEXT), FailedPrecondition
        (LICENSE_NOT_IN_FORCE, LICENSE_NOT_YET_VALID) and ResourceExhausted (TOO_MANY_DELEGATIONS).
        """
        check_identified(principal, holder_code, held.license_not_found)
        chosen = check_licenses(license_names)
        check_text(purpose, name="purpose")
        _check_agent(agent_name, agent_code, holder_code)
        now = self._clock.now()
        until = check_expire_time(expire_time, now)
        mine = [held.own(work.session, one, holder_code) for one in chosen]
        for one in mine:
            held.check_in_force(one, now)
        if store.open_count(work.session, self._index(holder_code), now) >= MOST_OPEN:
            raise ResourceExhausted(
                f"a holder has at most {MOST_OPEN} open delegations: end some first",
                reason="TOO_MANY_DELEGATIONS",
                message_zh=f"同一持证人最多 {MOST_OPEN} 项有效委托：请先终止一部分",
            )
        made = Delegation(
            id=secrets.token_hex(12),
            grantor_code=holder_code,
            agent_name=agent_name,
            agent_code=agent_code,
            licenses=chosen,
            purpose=purpose,
            create_time=now,
            expire_time=until,
            forms=tuple(dict.fromkeys(forms)) or USUAL,
        )
        store.add(work.session, made, index=self._index, actor=principal.system)
        self._record(work, "license_delegated", made, mine, principal)
        return store.described(work.session, [made])[0]

    def end(
        self, work: UnitOfWork, name: str, holder_code: str, *, principal: Principal
    ) -> Delegation:
        """End a delegation at once; ending it twice changes nothing. Raises NotFound."""
        ids = names.parse(names.DELEGATION, name)
        check_identified(principal, holder_code, delegation_not_found)
        found = store.delegation_by_id(work.session, ids["delegation"])
        if found is None or not secrets.compare_digest(
            found.grantor_code.encode(), holder_code.encode()
        ):
            raise delegation_not_found()
        now = self._clock.now()
        if store.end(work.session, found.id, now):
            found = replace(found, end_time=now)
            presentations.end_delegated(work.session, found.id)
            mine = licenses.licenses_by_id(work.session, _ids_of(found))
            self._record(work, "delegation_ended", found, mine, principal)
        return store.described(work.session, [found])[0]

    def listed(
        self, code: str, *, as_agent: bool, size: int, token: str, principal: Principal
    ) -> list[Delegation]:
        """Delegations that somebody gave, or as an agent was given: at most `size` + 1."""
        if not check_identified(principal, code):
            return []
        with self._database.reading() as session:
            found = store.given_or_got(
                session, self._index(code), as_agent=as_agent, after=last_of(token), size=size + 1
            )
            return store.described(session, found, agent_at=self._clock.now() if as_agent else None)

    def licenses(self, name: str, agent_code: str, *, principal: Principal) -> list[License]:
        """The licenses of a delegation, for its agent while it is open; a look at each of them.

        Raises NotFound (DELEGATION_NOT_FOUND, also of one that is over).
        """
        ids = names.parse(names.DELEGATION, name, field="delegation")
        check_identified(principal, agent_code, delegation_not_found)
        now = self._clock.now()
        with self._database.unit_of_work() as work:
            found = store.delegation_by_id(work.session, ids["delegation"])
            if found is None or not is_agent(found, agent_code) or not found.is_open(now):
                raise delegation_not_found()
            mine = [
                one
                for one in licenses.licenses_by_id(work.session, _ids_of(found))
                if one.state not in NEVER_IN_FORCE and held.is_holder(one, found.grantor_code)
            ]
            self._record(work, "delegated_licenses_listed", found, mine, principal)
        return mine

    def _record(
        self,
        work: UnitOfWork,
        kind: str,
        of: Delegation,
        held: Sequence[License],
        principal: Principal,
    ) -> None:
        now = self._clock.now()
        record = make_record(
            kind,
            at=now,
            actor=principal.system,
            facts={},
            commitments={
                # In clear it would join what is done under it, across sessions.
                "delegation": of.name.encode(),
                "expire_time": instant(of.expire_time).encode(),
                "licenses": canonical([one.name for one in held]),
                "holder_code": of.grantor_code.encode(),
                "agent_code": of.agent_code.encode(),
                "purpose": of.purpose.encode(),
                "forms": canonical(list(of.forms)),
            },
        )
        for one in held:
            accesses.add_access(
                work.session,
                one.id,
                at=now,
                system=principal.system,
                kind=kind,
                purpose=of.purpose,
                record=record,
                delegation=of.id,
                fields=("*",) if kind == "delegated_licenses_listed" else (),
            )
        work.record(record)


def _ids_of(delegation: Delegation) -> list[str]:
    return [one.rpartition("/")[2] for one in delegation.licenses]


def _check_agent(name: str, code: str, holder_code: str) -> None:
    """Raises InvalidArgument, BAD_AGENT, which repeats nothing of it."""
    wrong = ""
    if text_problem(name, NAME_LIMIT, required=True):
        wrong = f"its name has 1 to {NAME_LIMIT} characters"
    elif citizen_number_problem(code) and credit_code_problem(code):
        wrong = "its code is neither a citizen number nor a credit code"
    elif code == holder_code:
        wrong = "it is the holder"
    if wrong:
        raise InvalidArgument(
            f"the agent cannot be delegated to: {wrong}",
            reason="BAD_AGENT",
            message_zh="受托人姓名或号码不正确，或与持证人相同",
            violations=[FieldViolation("agent", wrong)],
        )
