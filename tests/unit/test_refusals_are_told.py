"""Every refusal has Chinese words, and at a page no program's names stand in them.

The refusals are read from the code itself: one that is added without words fails here.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytest

from portal.plain import plain_words
from runtime import errors

ROOT = Path(__file__).parents[2]
FLOORS = ("runtime", "seal", "exchange", "licenses", "accounts", "portal", "flows", "tongban")
#: What pages ask nothing of: systems, wallets and commands do.
NOT_AT_PAGES = (
    "exchange/audit/witnesses/",
    "exchange/connecting/",
    "exchange/delivery/acknowledging.py",
    "exchange/delivery/arrow.py",
    "exchange/delivery/intake.py",
    "exchange/delivery/model.py",
    "exchange/delivery/places.py",
    "exchange/delivery/publishing.py",
    "exchange/delivery/subscribing.py",
    "exchange/files/",
    "exchange/monitoring/feeding.py",
    "exchange/relaying/",
    "exchange/signatures.py",
    "exchange/sources/",
    "flows/",
    "licenses/archiving/",
    "licenses/batches/",
    "licenses/wallets/",
    "portal/settings.py",
    "runtime/",
    "seal/incoming.py",
    "seal/keys/",
    "seal/wire_",
    "tongban/",
)
#: Rooms of the ground whose refusals pages show nevertheless.
AT_PAGES = ("runtime/asking.py", "runtime/names.py", "runtime/paging.py", "runtime/workdays.py")
_CLASSES = {
    name: one
    for name, one in vars(errors).items()
    if isinstance(one, type) and issubclass(one, errors.DomainError)
}
_IDEOGRAPH = re.compile("[\u4e00-\u9fff]")
_OF_PROGRAMS = re.compile(r"[a-z]+_[a-z]|tongban|--|\betag\b|\b[A-Z][a-z]+[A-Z]\w+\b|`", re.ASCII)


class Told(NamedTuple):
    at: str
    made: type[errors.DomainError]
    reason: str
    english: str
    chinese: str
    """Empty where none is written, or a name stands there that holds it."""
    named: bool


def texts(one: ast.expr | None) -> Iterator[str]:
    """What an expression may say, with a 7 for what is put in."""
    match one:
        case ast.Constant(value=str(said)):
            yield said
        case ast.JoinedStr(values=parts):
            yield "".join(next(texts(part), "7") for part in parts)
        case ast.IfExp(body=yes, orelse=no):
            yield from texts(yes)
            yield from texts(no)
        case ast.BinOp(left=left, right=right):
            yield from (a + b for a in texts(left) for b in texts(right))
        case _:
            yield "7"


@cache
def refusals() -> tuple[Told, ...]:
    found: list[Told] = []
    for floor in FLOORS:
        for path in sorted((ROOT / floor).rglob("*.py")):
            source = path.read_text()
            if "message_zh" not in source and "reason=" not in source:
                continue
            at = str(path.relative_to(ROOT))
            for call in ast.walk(ast.parse(source)):
                if isinstance(call, ast.Call):
                    found += _told(at, call)
    return tuple(found)


def _told(at: str, call: ast.Call) -> Iterator[Told]:
    made = _CLASSES.get(getattr(call.func, "id", getattr(call.func, "attr", "")))
    given = {one.arg: one.value for one in call.keywords}
    if made is None or None in given:
        return
    reason = next(texts(given.get("reason")), "7") if "reason" in given else made.reason
    english = next(texts(call.args[0] if call.args else None), "7")
    chinese = given.get("message_zh")
    named = isinstance(chinese, (ast.Name, ast.Attribute, ast.Call, ast.Subscript))
    for one in texts(chinese) if chinese is not None else ("",):
        # What is put together of another refusal's words is told where those are.
        made_of = bool(one) and not re.sub(r"[7“”：；、]", "", one)
        yield Told(f"{at}:{call.lineno}", made, reason, english, one, named or made_of)


def test_every_refusal_has_chinese_words() -> None:
    assert len(refusals()) > 500
    untold = [
        f"{one.at}: {one.english}"
        for one in refusals()
        if not one.named and not _IDEOGRAPH.search(one.chinese)
    ]
    assert untold == []


def test_no_page_shows_a_programs_names() -> None:
    shown = [
        one
        for one in refusals()
        if one.at.startswith(AT_PAGES) or not one.at.startswith(NOT_AT_PAGES)
    ]
    assert len(shown) > 300
    told = (
        (one.at, plain_words(one.made(one.english, reason=one.reason, message_zh=one.chinese))[1])
        for one in shown
        if not one.named
    )
    assert [(at, said) for at, said in told if _OF_PROGRAMS.search(said)] == []


@pytest.mark.parametrize(
    ("error", "chinese"),
    [
        (
            errors.InvalidArgument(
                "purpose and case_number are required",
                message_zh="purpose（用途）与 case_number（办件编号）为必填项",
            ),
            "用途与办件编号为必填项",
        ),
        (
            errors.FailedPrecondition(
                "accept it first (tongban corrections review)",
                message_zh="请先受理（tongban corrections review）",
            ),
            "请先受理",
        ),
        (
            errors.InvalidArgument(
                "correct the fields named",
                message_zh="函询内容有误：请按所列字段更正后重试",
                violations=[
                    errors.FieldViolation("title", "must have 1 to 200 characters"),
                    errors.FieldViolation("attachments[0]", "must look like a name"),
                ],
            ),
            "未作任何更改，请更正：标题、附件。",
        ),
        (errors.NotFound("Socket closed"), "没有找到相应内容，或您无权查看，请返回重新选择。"),
    ],
)
def test_words_for_people_without_those_for_programs(
    error: errors.DomainError, chinese: str
) -> None:
    assert plain_words(error)[1] == chinese
    assert "tongban" not in plain_words(error)[0]
