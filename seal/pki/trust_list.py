"""A trust list as JSON: who is trusted, for what, from when until when, and on whose word.

1. The list names files beside it, one certificate each; its schema is
   `docs/trust-list.schema.json`. A bundle of evidence holds the same list.
2. It is read strictly: a limit that we do not understand is not passed over, so an unknown key, an
   unknown purpose or an unknown kind of key makes the list unreadable, never wider.
3. Whoever holds the list is trusted to: where it comes from is the reader's business.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runtime.errors import InvalidArgument
from seal import suites
from seal.pki.revocation import TOLD_ONLY, RevocationPolicy
from seal.pki.trust_store import Purpose, TrustAnchor

_MAX_LIST: Final = 1024 * 1024
_MAX_ANCHORS: Final = 1000
_YEARS: Final = range(1900, 9000)
_LONGEST_GRACE: Final = 3660 * 86_400
_KEYS: Final = frozenset(
    {"file", "name", "source", "purposes", "suites", "valid_from", "valid_to", "policy"}
)
_FINGERPRINT: Final = re.compile(r"[0-9a-f]{64}")
_MAX_MAKERS: Final = 1000
_MISREAD: Final = (
    ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError,
)  # fmt: skip


def tell_trust_list(
    listed: Iterable[tuple[str, TrustAnchor]], policy: RevocationPolicy = TOLD_ONLY
) -> dict[str, Any]:
    """The list of anchors, each with the file that its certificate stands in."""
    return {"anchors": [_tell(name, one) for name, one in listed], "policy": _tell_policy(policy)}


def read_trust_list(
    body: bytes, read: Callable[[str], bytes]
) -> tuple[tuple[TrustAnchor, ...], RevocationPolicy]:
    """The anchors of a list and the policy of those that have none of their own.

    `read` gives the file of a name, and refuses names that it does not like. Raises
    InvalidArgument (TRUST_LIST_MALFORMED) and whatever `read` raises.
    """
    try:
        if len(body) > _MAX_LIST:
            raise ValueError("too large")
        said = json.loads(body)
        _only(said, {"anchors", "policy"})
        if type(said["anchors"]) is not list or len(said["anchors"]) > _MAX_ANCHORS:
            raise ValueError("no list, or too long a one")
        return tuple(_anchor(one, read) for one in said["anchors"]), _policy(said["policy"])
    except InvalidArgument:
        raise
    except _MISREAD as error:
        raise InvalidArgument(
            f"the trust list cannot be read ({type(error).__name__}): it has to follow "
            "docs/trust-list.schema.json",
            reason="TRUST_LIST_MALFORMED",
            message_zh="无法读取信任列表：须符合 docs/trust-list.schema.json",
        ) from error


def _tell(name: str, one: TrustAnchor) -> dict[str, Any]:
    return {
        "file": name,
        "name": one.name,
        "source": one.source,
        "purposes": sorted(one.purposes),
        "suites": sorted(one.suites),
        "valid_from": _instant(one.valid_from),
        "valid_to": _instant(one.valid_to) if one.valid_to else None,
        "policy": _tell_policy(one.policy) if one.policy else None,
        # Left out where there are none: so a verifier that knows of no makers refuses the list only
        # where it would pass them over.
        **({"makers": list(one.makers)} if one.makers else {}),
    }


def _tell_policy(policy: RevocationPolicy) -> dict[str, Any]:
    return {"grace_seconds": int(policy.grace.total_seconds()), "required": policy.required}


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S+00:00")


def _anchor(said: Mapping[str, Any], read: Callable[[str], bytes]) -> TrustAnchor:
    _only(said, _KEYS | ({"makers"} & set(said)))
    purposes = frozenset(map(Purpose, said["purposes"]))
    kinds = frozenset(map(_text, said["suites"]))
    begins = _time(said["valid_from"])
    ends = None if said["valid_to"] is None else _time(said["valid_to"])
    if not purposes or not kinds <= set(suites.suite_names()) or (ends and ends < begins):
        raise ValueError("it says nothing that can be held to")
    return TrustAnchor(
        name=_text(said["name"]),
        certificate=read(_text(said["file"])),
        valid_from=begins,
        valid_to=ends,
        purposes=purposes,
        suites=kinds,
        source=_text(said["source"]),
        policy=None if said["policy"] is None else _policy(said["policy"]),
        makers=_makers(said["makers"]) if "makers" in said else (),
    )


def _makers(said: Any) -> tuple[str, ...]:
    """An empty list would be read as none at all, which is wider: so it is no list."""
    if type(said) is not list or not 1 <= len(said) <= _MAX_MAKERS:
        raise ValueError("no list of makers")
    if not all(type(one) is str and _FINGERPRINT.fullmatch(one) for one in said):
        raise ValueError("not a fingerprint")
    return tuple(said)


def _policy(said: Mapping[str, Any]) -> RevocationPolicy:
    _only(said, {"grace_seconds", "required"})
    seconds, required = said["grace_seconds"], said["required"]
    if type(seconds) is not int or type(required) is not bool or seconds < 0:
        raise TypeError("not a policy")
    if seconds > _LONGEST_GRACE:
        raise ValueError("no such grace is meant")
    return RevocationPolicy(grace=timedelta(seconds=seconds), required=required)


def _only(said: Mapping[str, Any], keys: Iterable[str]) -> None:
    if set(said) != set(keys):
        raise ValueError("a key is missing or unknown")


def _text(said: Any) -> str:
    if type(said) is not str or not said.isprintable():
        raise TypeError("not a text")
    return said


def _time(said: str) -> datetime:
    at = datetime.fromisoformat(said)
    if at.tzinfo is None or at.year not in _YEARS:
        raise ValueError("not a time of these centuries")
    return at.astimezone(UTC)
