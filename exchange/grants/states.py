"""The states of a request, and the refusal of what its state does not allow; pure."""

from __future__ import annotations

from exchange.grants.model import AccessRequest, AccessRequestState
from runtime.errors import DomainError, FailedPrecondition

#: What is wrong where a request is in this state and ought to be in another.
_STATES: dict[AccessRequestState, tuple[str, str, str]] = {
    AccessRequestState.PENDING: (
        "REQUEST_AWAITS_SOURCE",
        "this request waits for its source department",
        "该申请正等待数源部门审核",
    ),
    AccessRequestState.AWAITING_AUTHORITY: (
        "REQUEST_AWAITS_AUTHORITY",
        "the source has answered this request: it waits for the authority",
        "数源部门已提出意见：该申请正等待主管部门审核",
    ),
    AccessRequestState.RETURNED: (
        "REQUEST_RETURNED",
        "this request was returned to who asked: it waits for more material",
        "该申请已退回补正：正等待申请部门补充材料",
    ),
    AccessRequestState.WITHDRAWN: (
        "REQUEST_WITHDRAWN",
        "this request was withdrawn by who asked",
        "该申请已由申请部门撤回",
    ),
}
_DECIDED = (
    "REQUEST_ALREADY_DECIDED",
    "this request was decided before: read it to see how",
    "该申请此前已作出决定：请查看结果",
)


def check_state(request: AccessRequest, *states: AccessRequestState) -> None:
    """Raises what `wrong_state` says unless the request is in one of these states."""
    if request.state not in states:
        raise wrong_state(request)


def wrong_state(request: AccessRequest) -> DomainError:
    """The refusal of what the request's state does not allow."""
    reason, message, message_zh = _STATES.get(request.state, _DECIDED)
    return FailedPrecondition(
        message, reason=reason, message_zh=message_zh, state=request.state.value
    )
