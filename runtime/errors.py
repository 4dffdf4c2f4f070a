"""The tree of domain errors.

Every refusal is one of these classes. `runtime.status` turns them into gRPC statuses, and
nowhere else does so. Three rules hold for every error:

1. `reason` is a stable UPPER_SNAKE word that programs may branch on;
2. the message says what to do, in English and Chinese, for people;
3. neither message, reason nor metadata ever carries personal data: name the *item*, never its
   value.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class FieldViolation:
    """One thing wrong with one field of a request (`google.rpc.BadRequest.FieldViolation`)."""

    field: str
    description: str


class DomainError(Exception):
    """Base of all errors that a caller is told about.

    `reason` is UPPER_SNAKE; `message` is English; `message_zh` is what a Chinese reader sees (the
    English text where there is none).
    """

    reason: str = "INTERNAL"

    def __init__(
        self,
        message: str,
        *,
        reason: str | None = None,
        message_zh: str = "",
        violations: Sequence[FieldViolation] = (),
        retry_after: float | None = None,
        **metadata: str,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.message_zh = message_zh or message
        self.reason = reason or type(self).reason
        self.violations = tuple(violations)
        self.retry_after = retry_after
        self.metadata = metadata


class InvalidArgument(DomainError):
    """The request's shape is wrong; repeating it unchanged cannot succeed."""

    reason = "INVALID_ARGUMENT"


class NotFound(DomainError):
    """No such thing, or the caller may not know of it: the two look alike to outsiders."""

    reason = "NOT_FOUND"


class AlreadyExists(DomainError):
    """The name is taken by something else than what was sent."""

    reason = "ALREADY_EXISTS"


class PermissionDenied(DomainError):
    """The caller is known and may not do this."""

    reason = "PERMISSION_DENIED"


class Unauthenticated(DomainError):
    """The caller is not known: no certificate, or one that is expired or revoked."""

    reason = "UNAUTHENTICATED"


class FailedPrecondition(DomainError):
    """The state of the thing forbids it (a forbidden transition, a missing predecessor)."""

    reason = "FAILED_PRECONDITION"


class Aborted(DomainError):
    """A concurrent change won (an etag mismatch); read again, then decide again."""

    reason = "ABORTED"


class ResourceExhausted(DomainError):
    """A quota, a size or a rate is used up."""

    reason = "RESOURCE_EXHAUSTED"


class OutOfRange(DomainError):
    """An offset, a page or a time beyond what is held."""

    reason = "OUT_OF_RANGE"


class Unavailable(DomainError):
    """Try again: something this needs is not up, busy or full."""

    reason = "UNAVAILABLE"


class DataLoss(DomainError):
    """What is stored does not match what was promised of it."""

    reason = "DATA_LOSS"
