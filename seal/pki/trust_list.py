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
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from runtime.errors import InvalidArgument
from seal import suites
from seal.judging.plainly import plain
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
_KINDS: Final = {
    str: ("a text", "文本"),
    list: ("a list", "列表"),
    dict: ("an object", "对象"),
    int: ("a whole number", "整数"),
    bool: ("true or false", "true 或 false"),
}


class _Misread(Exception):
    """Where a list can't be read (as in `anchors[2].not_after`), and what has to stand there."""

    def __init__(self, place: str, wanted: str, wanted_zh: str) -> None:
        super().__init__(place)
        self.told = f"{place or 'the whole of it'}: {wanted}"
        self.told_zh = f"{place or '整个文件'}：{wanted_zh}"


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
        said = _read(body)
        _only(said, "", {"anchors", "policy"})
        anchors = _of(said["anchors"], "anchors", list)
        if len(anchors) > _MAX_ANCHORS:
            raise _Misread("anchors", f"at most {_MAX_ANCHORS}", f"最多 {_MAX_ANCHORS} 项")
        policy = _policy(said["policy"], "policy")
        return tuple(
            _anchor(one, f"anchors[{number}]", read) for number, one in enumerate(anchors)
        ), policy
    except _Misread as error:
        raise InvalidArgument(
            f"the trust list cannot be read at {error.told}; it has to follow "
            "docs/trust-list.schema.json",
            reason="TRUST_LIST_MALFORMED",
            message_zh=f"无法读取信任列表：{error.told_zh}；须符合 docs/trust-list.schema.json",
        ) from error


def _read(body: bytes) -> Any:
    """The JSON, in which no key is told twice: the second would take back what the first says."""
    if len(body) > _MAX_LIST:
        raise _Misread("", f"at most {_MAX_LIST} bytes", f"最多 {_MAX_LIST} 字节")
    try:
        return json.loads(body, object_pairs_hook=_object)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno}, column {error.colno}"
        place_zh = f"第 {error.lineno} 行第 {error.colno} 列"
        raise _Misread("", f"JSON ({place})", f"应为 JSON（{place_zh}）") from error
    except (ValueError, RecursionError) as error:
        raise _Misread("", "JSON in UTF-8", "应为 UTF-8 编码的 JSON") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    said = dict(pairs)
    if len(said) < len(pairs):
        names = [name for name, _ in pairs]
        twice = plain(next(name for name in names if names.count(name) > 1))
        raise _Misread("", f"each key once, not '{twice}' twice", f"键“{twice}”重复")
    return said


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


def _anchor(said: Any, place: str, read: Callable[[str], bytes]) -> TrustAnchor:
    _only(said, place, _KEYS, {"makers"})
    purposes = _words(said["purposes"], f"{place}.purposes", [one.value for one in Purpose])
    kinds = _words(said["suites"], f"{place}.suites", suites.suite_names())
    begins = _time(said["valid_from"], f"{place}.valid_from")
    ends = None if said["valid_to"] is None else _time(said["valid_to"], f"{place}.valid_to")
    if not purposes:
        raise _Misread(f"{place}.purposes", "one purpose at least", "至少一种用途")
    if ends and ends < begins:
        raise _Misread(f"{place}.valid_to", "not before valid_from", "不得早于 valid_from")
    policy = said["policy"]
    return TrustAnchor(
        name=_text(said["name"], f"{place}.name"),
        certificate=_file(said["file"], f"{place}.file", read),
        valid_from=begins,
        valid_to=ends,
        purposes=frozenset(map(Purpose, purposes)),
        suites=kinds,
        source=_text(said["source"], f"{place}.source"),
        policy=None if policy is None else _policy(policy, f"{place}.policy"),
        makers=_makers(said["makers"], f"{place}.makers") if "makers" in said else (),
    )


def _file(said: Any, place: str, read: Callable[[str], bytes]) -> bytes:
    name = _text(said, place)
    try:
        return read(name)
    except (KeyError, ValueError) as error:
        raise _Misread(place, "a file beside the list", "应为与列表同处的文件") from error


def _makers(said: Any, place: str) -> tuple[str, ...]:
    """An empty list would be read as none at all, which is wider: so it is no list."""
    if not 1 <= len(_of(said, place, list)) <= _MAX_MAKERS:
        raise _Misread(place, f"1 to {_MAX_MAKERS} fingerprints", f"1 至 {_MAX_MAKERS} 个指纹")
    for number, one in enumerate(said):
        if type(one) is not str or not _FINGERPRINT.fullmatch(one):
            wanted = ("a fingerprint: 64 hex digits, a to f small", "指纹：64 位小写十六进制数")
            raise _Misread(f"{place}[{number}]", *wanted)
    return tuple(said)


def _policy(said: Any, place: str) -> RevocationPolicy:
    _only(said, place, {"grace_seconds", "required"})
    seconds = _of(said["grace_seconds"], f"{place}.grace_seconds", int)
    required = _of(said["required"], f"{place}.required", bool)
    if not 0 <= seconds <= _LONGEST_GRACE:
        raise _Misread(f"{place}.grace_seconds", *[f"0 … {_LONGEST_GRACE}"] * 2)
    return RevocationPolicy(grace=timedelta(seconds=seconds), required=required)


def _only(
    said: Any, place: str, keys: AbstractSet[str], may: AbstractSet[str] = frozenset()
) -> None:
    """An object with these keys, all of them, and those that may be there."""
    held = set(_of(said, place, dict))
    under = f"{place}." if place else ""
    for name in sorted(held - keys - may):
        raise _Misread(f"{under}{plain(name)}", "there is no such key", "没有此字段")
    for name in sorted(keys - held):
        raise _Misread(f"{under}{name}", "it is missing", "缺少此字段")


def _of(said: Any, place: str, kind: type) -> Any:
    if type(said) is not kind:
        wanted, wanted_zh = _KINDS[kind]
        raise _Misread(place, f"it has to be {wanted}", f"应为{wanted_zh}")
    return said


def _words(said: Any, place: str, known: Iterable[str]) -> frozenset[str]:
    for number, one in enumerate(_of(said, place, list)):
        if type(one) is not str or one not in known:
            all_of_them = ", ".join(sorted(known))
            wanted = (f"it has to be one of {all_of_them}", f"应为 {all_of_them} 之一")
            raise _Misread(f"{place}[{number}]", *wanted)
    return frozenset(said)


def _text(said: Any, place: str) -> str:
    text: str = _of(said, place, str)
    if not text.isprintable():
        raise _Misread(place, "it has to be printable", "不得含不可见字符")
    return text


def _time(said: Any, place: str) -> datetime:
    wanted = ("it has to be a time with its zone, as 2026-01-31T00:00:00+00:00",
              "应为带时区的时间，如 2026-01-31T00:00:00+00:00")  # fmt: skip
    try:
        at = datetime.fromisoformat(_of(said, place, str))
        if at.tzinfo is None or at.year not in _YEARS:
            raise _Misread(place, *wanted)
        return at.astimezone(UTC)
    except ValueError as error:
        raise _Misread(place, *wanted) from error
