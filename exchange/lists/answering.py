"""What becomes of a demand: answered by who is asked, or taken back; pure."""

from __future__ import annotations

from dataclasses import replace

from exchange.lists.model import Demand, DemandState, check
from runtime.errors import FailedPrecondition, FieldViolation, InvalidArgument

# What a demand may become, by who answers: the asker withdraws, others answer.
_ANSWERS = {
    DemandState.OPEN: {DemandState.ACCEPTED, DemandState.DECLINED, DemandState.MET},
    DemandState.ACCEPTED: {DemandState.DECLINED, DemandState.MET},
}


def answer(
    demand: Demand,
    *,
    state: DemandState,
    text: str,
    legal_basis: str = "",
    responsibility: str = "",
    resource: str = "",
) -> Demand:
    """The demand with its answer.

    Raises FailedPrecondition (DEMAND_ANSWERED), and InvalidArgument (ANSWER_INCOMPLETE) where an
    accepted one names no responsibility, a declined one no legal basis, or a met one no resource.
    """
    if state not in _ANSWERS.get(demand.state, ()):
        raise FailedPrecondition(
            f"this demand is {demand.state.value}: it cannot become {state.value}",
            reason="DEMAND_ANSWERED",
            message_zh="该需求当前状态不允许这样答复",
        )
    wrong = []
    if not text.strip():
        wrong.append(FieldViolation("answer", "is needed"))
    if state is DemandState.ACCEPTED and not responsibility:
        wrong.append(FieldViolation("responsibility", "is needed of an accepted demand"))
    if state is DemandState.DECLINED and not legal_basis.strip():
        wrong.append(FieldViolation("answer_legal_basis", "is needed of a declined demand"))
    if state is DemandState.MET and not (resource or demand.resource):
        wrong.append(FieldViolation("resource", "is needed of a met demand"))
    if wrong:
        raise InvalidArgument(
            "this answer is not complete: add the fields named and repeat",
            reason="ANSWER_INCOMPLETE",
            message_zh="答复不完整：请补充所列字段后重试",
            violations=wrong,
        )
    answered = replace(
        demand,
        state=state,
        answer=text,
        answer_legal_basis=legal_basis,
        responsibility=responsibility or demand.responsibility,
        resource=resource or demand.resource,
    )
    check(answered)
    return answered


def withdraw(demand: Demand) -> Demand:
    """The demand that its asker takes back. Raises FailedPrecondition (DEMAND_ANSWERED)."""
    if demand.state is not DemandState.OPEN:
        raise FailedPrecondition(
            f"this demand is {demand.state.value}: only an open one is withdrawn",
            reason="DEMAND_ANSWERED",
            message_zh="只有未答复的需求可以撤回",
        )
    return replace(demand, state=DemandState.WITHDRAWN)
