"""Forms that keep what was typed: what somebody sent stands there again beside what was wrong."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from portal.applicant.words import FORM_FAULTS
from runtime.errors import AlreadyExists, DomainError, FailedPrecondition, InvalidArgument

#: What a form is shown again for; all else is a page of its own.
REFUSALS: Final = (InvalidArgument, AlreadyExists, FailedPrecondition)
#: Fields of a request that a form has by another name.
_FIELDS: Final = {
    "agent": "agent_code",
    "expire_time": "until",
    "holder_code": "agent_code",
    "receiver_department": "department",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """A form as it is shown: anew, or as it was sent with what was wrong."""

    sent: Mapping[str, Sequence[str]] | None = None
    error: DomainError | None = None
    #: A fresh one each time: a request that was refused has used its own up.
    request_id: str = field(default_factory=lambda: str(uuid.uuid4()))

    def one(self, name: str, default: str = "") -> str:
        """A field's value."""
        return default if self.sent is None else (self.sent.get(name) or [""])[0]

    def all(self, name: str, default: Sequence[str] = ()) -> Sequence[str]:
        """A field's values."""
        return default if self.sent is None else self.sent.get(name, ())

    @property
    def refusal(self) -> DomainError | None:
        """What was wrong, in words for who filled the form in."""
        if self.error is None or self.error.reason not in FORM_FAULTS:
            return self.error
        english, chinese = FORM_FAULTS[self.error.reason]
        return InvalidArgument(english, reason=self.error.reason, message_zh=chinese)

    @property
    def wrong(self) -> str:
        """The fields that were wrong, with space between."""
        if self.error is None:
            return ""
        found = [one.field.partition("[")[0] for one in self.error.violations]
        return " ".join(dict.fromkeys(_FIELDS.get(one, one) for one in found))

    def facts(self) -> dict[str, Any]:
        """What `pages.page` takes of a form."""
        return {
            "form": self,
            "error": self.refusal,
            "wrong": self.wrong,
        }
