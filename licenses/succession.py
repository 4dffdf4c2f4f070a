"""Correct, renew, transfer: the acts that make a new version of a license (更正、换发、转移).

1. The new version has the serial of the one before and the next version number, and is made by the
   newest version of the type: what the license says is judged by today's rules.
2. Corrected: what was wrong. Renewed: valid anew. Transferred: to another holder, for the rest of
   its validity. How long each is valid: `licenses.terms`.
3. A license made from a paper one stays so when it is corrected, with the same scans.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime

from licenses.documents import Documents
from licenses.issuing import Issuing, Request, Succession
from licenses.metadata import scans_of
from licenses.model import (
    SUCCESSIONS,
    Act,
    Holder,
    License,
    Order,
    Origin,
    Paper,
    decide_transition,
    is_expired,
)
from licenses.orders import holder_of, validate_order
from licenses.reading import Reading
from licenses.terms import succeeding
from licenses.texts import check_no_name, check_text
from licenses.types.model import FieldKind, LicenseType
from licenses.types.reading import RESERVED
from licenses.types.service import Types
from runtime.clock import Clock, china_date
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument
from runtime.idcodes import citizen_number_problem
from runtime.identity import Principal


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the new version says otherwise; what is empty stays as it was.

    `holders`: names and codes, all of them. `fields`: an empty value takes a field away.
    """

    holders: Sequence[tuple[str, str]] = field(default=(), repr=False)
    fields: Mapping[str, str] = field(default_factory=dict, repr=False)
    pictures: Mapping[str, bytes] = field(default_factory=dict, repr=False)
    valid_from: date | None = None

    @property
    def people(self) -> list[str]:
        """Names of the holders who are persons."""
        return [name for name, code in self.holders if citizen_number_problem(code) is None]


class Successions:
    """The use case of making a new version."""

    def __init__(
        self,
        issuing: Issuing,
        reading: Reading,
        documents: Documents,
        types: Types,
        clock: Clock,
    ) -> None:
        self._issuing = issuing
        self._reading = reading
        self._documents = documents
        self._types = types
        self._clock = clock

    def succeed(
        self,
        name: str,
        act: Act,
        wish: Wish,
        *,
        reason: str,
        seal: str,
        request: Request,
        principal: Principal,
    ) -> License:
        """The new version in force; the one before ended with it.

        `reason` holds no personal data, at most 200 characters. Raises what `Issuing.issue` raises,
        NotFound (LICENSE_NOT_FOUND), FailedPrecondition (TRANSITION_FORBIDDEN, LICENSE_EXPIRED,
        RENEWAL_TOO_EARLY, RENEWAL_TOO_LATE, NOTHING_TO_RENEW; NOT_TRANSFERABLE where its type does
        not say that it is) and InvalidArgument (BAD_TEXT, PERSONAL_NUMBER_IN_TEXT, HOLDER_IN_TEXT,
        NOTHING_CHANGED, SAME_HOLDER, OTHER_HOLDER, PICTURES_OF_OTHER_HOLDER, BAD_VALID_FROM).
        """
        if act not in SUCCESSIONS:
            raise ValueError("this act makes no new version")
        begun = self._issuing.begun(request)
        if begun is not None:
            return self._issuing.finished(begun)
        check_text(reason, name="reason", public=True)
        before = self._reading.get(name, principal)
        if act is Act.CORRECT:
            wish = _completed(before, wish)
        check_no_name(reason, [*before.people, *wish.people], name="reason")
        decide_transition(before.state, act)
        newest = self._types.newest(f"licenseTypes/{before.type_id}")
        if act is Act.TRANSFER:
            _check_may_move(before, newest.type, self._clock.now())
        today = date.fromisoformat(china_date(self._clock.now()))
        holders = _holders(before, newest.type, wish)
        order = validate_order(
            Order(
                type=newest.type,
                type_version=newest.version,
                holders=holders,
                fields=_fields(before, wish),
                pictures=wish.pictures,
                carried=before.metadata,
                paper=self._paper(before) if act is Act.CORRECT else None,
            ),
            today,
        )
        if act is Act.CORRECT and wish.holders:
            _check_same_persons(self._reading.began(before), wish)
        _check_pictures(before, newest.type, act, wish)
        _check_change(before, order, act, wish)
        valid_from, valid_to = succeeding(before, order, act, wish.valid_from, today)
        return self._issuing.issue(
            replace(order, valid_from=None),
            department=before.issuer,
            seal=seal,
            request=request,
            succession=Succession(
                before=before, act=act, reason=reason, valid_from=valid_from, valid_to=valid_to
            ),
        )

    def _paper(self, before: License) -> Paper | None:
        if before.origin is not Origin.PAPER:
            return None
        return Paper(
            number=before.metadata["KZ_YZZBH"],
            issue_date=date.fromisoformat(before.metadata["KZ_YZZRQ"]),
            scans=tuple(self._documents.enclosed(one) for one in scans_of(before.metadata)),
        )


def _completed(before: License, wish: Wish) -> Wish:
    """What is not said of a sole holder stays: a name or a number is corrected by itself."""
    if len(before.holders) != 1 or len(wish.holders) != 1:
        return wish
    (held,), ((name, code),) = before.holders, wish.holders
    return replace(wish, holders=[(name or held.name, code or held.code)])


def _holders(before: License, kind: LicenseType, wish: Wish) -> tuple[Holder, ...]:
    if not wish.holders:
        return before.holders
    return tuple(holder_of(kind, name, code) for name, code in wish.holders)


def _fields(before: License, wish: Wish) -> dict[str, str]:
    """The type's own fields of the version before, with what is wished otherwise."""
    own = {
        key: value
        for key, value in before.metadata.items()
        if key.startswith("KZ_") and key not in RESERVED
    }
    return {key: value for key, value in (own | dict(wish.fields)).items() if value}


def _check_may_move(before: License, kind: LicenseType, now: datetime) -> None:
    """Told before what is wrong with the wish: no correction of that would help."""
    if not kind.transferable:
        raise FailedPrecondition(
            "licenses of this type are not transferred (`transferable` of the type): cancel this "
            "one, and issue one to the new holder",
            reason="NOT_TRANSFERABLE",
            message_zh="此类证照不能转移（类型未设 transferable）：请注销后为新的持证主体另行签发",
        )
    if is_expired(before.valid_to, now):
        raise FailedPrecondition(
            "a license that has expired is not transferred: renew it first",
            reason="LICENSE_EXPIRED",
            message_zh="证照已过有效期，不能转移：请先换发",
        )


def _check_pictures(before: License, kind: LicenseType, act: Act, wish: Wish) -> None:
    """Nobody's picture goes to another holder."""
    known = {one.code for one in before.holders}
    others = [code for _, code in wish.holders if code not in known]
    missing = [
        one.code
        for one in kind.fields
        if one.kind is FieldKind.IMAGE
        and one.code not in wish.pictures
        and wish.fields.get(one.code) != ""
    ]
    if missing and (others or act is Act.TRANSFER):
        raise InvalidArgument(
            "another holder, or another number, needs the pictures anew: send "
            + ", ".join(missing)
            + ", or empty the field",
            reason="PICTURES_OF_OTHER_HOLDER",
            message_zh=f"持证主体或其号码变更须重新提交照片：{'、'.join(missing)}",
            violations=[FieldViolation(f"pictures.{one}", "of the new holder") for one in missing],
        )


def _check_same_persons(began: License, wish: Wish) -> None:
    """However often it is corrected, a license stays with the persons it began with."""
    left, others = list(began.holders), []
    for name, code in wish.holders:
        same = [one for one in left if one.code == code]
        left = [one for one in left if one not in same]
        others += [] if same else [name]
    names = [one.name for one in left]
    if any(others.count(name) > names.count(name) for name in others):
        raise InvalidArgument(
            "corrections change the name or the number of a holder, and not both, neither at once "
            "nor one after the other: that would be another holder, to whom a license is "
            "transferred, or issued",
            reason="OTHER_HOLDER",
            message_zh="更正只能改持证主体的名称或号码之一，两者都改（含先后分别更正）即为另一主体："
            "请办理转移或另行签发",
            violations=[FieldViolation("holder_code", "of another holder")],
        )


def _check_change(before: License, order: Order, act: Act, wish: Wish) -> None:
    codes = sorted(one.code for one in before.holders)
    if act is Act.TRANSFER and sorted(one.code for one in order.holders) == codes:
        raise InvalidArgument(
            "a license is transferred to another holder: give the new one",
            reason="SAME_HOLDER",
            message_zh="转移须有新的持证主体：请填写新的持证主体",
            violations=[FieldViolation("holder_code", "the holder's own")],
        )
    own = {key: before.metadata.get(key, "") for key in {*order.fields, *_fields(before, Wish())}}
    same = order.holders == before.holders and all(
        order.fields.get(key, "") == value for key, value in own.items()
    )
    if act is Act.CORRECT and same and wish.valid_from is None:
        raise InvalidArgument(
            "the correction changes nothing: give what is to be corrected",
            reason="NOTHING_CHANGED",
            message_zh="更正没有任何变化：请填写要更正的内容",
        )
