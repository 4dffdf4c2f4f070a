"""Whether a license can be issued as it was ordered.

1. Everything that is wrong is told at once, by field, and never by value.
2. What passes is kept in one form (`types.values`): the order comes back with its values so.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import replace
from datetime import date

from licenses.model import BETWEEN, Holder, Order
from licenses.pages.photographs import prepared, upright_size
from licenses.pages.pictures import checked
from licenses.pages.sheets import Template
from licenses.scans import scan_problem
from licenses.texts import (
    NAME_LIMIT,
    TEXT_LIMIT,
    apart,
    dots_astray,
    has_letter,
    ideograph_of,
    markup_in,
    means_nothing,
    odd_dot,
    odd_mark,
    odd_space,
    radical,
    stand_in,
    text_problem,
)
from licenses.types.agreement import disagreement
from licenses.types.model import FieldKind, HolderCodeType, LicenseType
from licenses.types.reading import FIELD_CODE
from licenses.types.relations import relation_problems
from licenses.types.values import (
    SHOWN_VIOLATIONS,
    check_value,
    credit_code_problem,
    read_day,
    size_problem,
)
from runtime import idcodes
from runtime.errors import FieldViolation, InvalidArgument

#: Told to who sends the number of another document.
_TAKEN = (
    "taken are those of identity cards, of residence permits of people from Hong Kong, Macao and "
    "Taiwan, and the 18 characters of foreigners' permanent residence cards; no passport, travel "
    "permit or card of 15 characters"
)
_SERIAL = re.compile(r"[0-9]{1,30}")  # \d would take the digits of every script
SCANS_LIMIT = 10
#: Citizen numbers are given since 1984: nobody has one who was born before this year.
FIRST_BIRTH = 1850
#: Characters of all fields of one license.
FIELDS_TOTAL = 100_000
#: Bytes of all scans, and of all pictures, of one license: its documents hold them and are sealed
#: by one message each. One that is too large would be found out only after it was reserved.
ENCLOSED_LIMIT = 8 * 1024 * 1024


def validate_order(order: Order, today: date) -> Order:
    """The order with its values as they are kept; `today` in China.

    Raises InvalidArgument (BAD_LICENSE_FIELDS), naming each wrong field and never its value.
    """
    wrong: list[FieldViolation] = []
    wrong += _holder_problems(order, today)
    if order.serial and not _SERIAL.fullmatch(order.serial):
        wrong.append(FieldViolation("serial", "1 to 30 digits"))
    fields = dict(order.fields) | _pictures(order, wrong)
    known = {one.code: one for one in order.type.fields}
    unknown = sorted((set(fields) | set(order.pictures)) - set(known))
    for code in unknown[:SHOWN_VIOLATIONS]:
        # The sender's text is repeated only where it cannot be anything but a code.
        shown = f"fields.{code}" if FIELD_CODE.fullmatch(code) else "fields"
        wrong.append(FieldViolation(shown, "the license type has no such field"))
    kept: dict[str, str] = {}
    codes = [one.code for one in order.holders]
    for code, one in known.items():
        value, problems = check_value(one, fields.get(code, ""), f"fields.{code}")
        wrong += problems
        if value:
            kept[code] = value
        problem = disagreement(one, value, codes)
        if problem:
            wrong.append(FieldViolation(f"fields.{code}", problem))
    if sum(map(len, kept.values())) > FIELDS_TOTAL:
        wrong.append(FieldViolation("fields", f"together longer than {FIELDS_TOTAL} characters"))
    wrong += _day_problems(order) + _paper_problems(order)
    if not wrong:
        day = order.paper.issue_date if order.paper else today
        wrong += relation_problems(order.type, kept, codes, day)
    if wrong:
        raise _refusal(wrong, list(known) if unknown else [])
    return replace(order, fields=kept)


def with_pictures_for(order: Order, page: Template) -> Order:
    """A validated order with its pictures as its page takes them, and their hashes.

    Raises InvalidArgument: IMAGE_EMPTY, IMAGE_OF_OTHER_SHAPE.
    """
    boxes = {
        order.type.slots.get(frame.key, frame.key): frame.box
        for sheet in page.sheets
        for frame in sheet.frames
    }
    found = {
        code: prepared(data, boxes[code], f"pictures.{code}") if code in boxes else data
        for code, data in order.pictures.items()
    }
    hashes = {code: _hash(data) for code, data in found.items()}
    return replace(order, pictures=found, fields={**order.fields, **hashes})


def _hash(picture: bytes) -> str:
    return f"sha256:{hashlib.sha256(picture).hexdigest()}"


def _refusal(wrong: list[FieldViolation], known: list[str]) -> InvalidArgument:
    # What is wrong with each stands in the violations, and not here once more.
    shown = wrong[:SHOWN_VIOLATIONS]
    fields = list(dict.fromkeys(v.field for v in shown))
    # First, since a long text is cut on its way.
    there = f" (the type has the fields {', '.join(known)})" if known else ""
    there_zh = f"（该类型的字段为 {'、'.join(known)}）" if known else ""
    return InvalidArgument(
        f"the license cannot be issued as asked{there}: correct {', '.join(fields)}",
        reason="BAD_LICENSE_FIELDS",
        message_zh=f"签发内容有误{there_zh}：请更正 {'、'.join(fields)}",
        violations=shown,
    )


def holder_of(kind: LicenseType, name: str, code: str) -> Holder:
    """A holder as it was given; the type of the code follows from it, where the type has several.

    A code of neither kind is found wrong by `validate_order`.
    """
    allowed = kind.holders.code_types
    good = [one for one in allowed if holder_code_problem(one, code) is None]
    return Holder(name=name, code=code, code_type=(good or list(allowed))[0])


def holder_code_problem(kind: HolderCodeType, code: str) -> str | None:
    """What is wrong with a holder's code, in words without the code; None if good."""
    if kind is HolderCodeType.CITIZEN_NUMBER:
        problem = idcodes.citizen_number_problem(code)
        if problem and credit_code_problem(code) is None:
            return "the credit code of a company or another body, and not the number of a person"
        return f"{problem}; {_TAKEN}" if problem and len(code) != 18 else problem
    return credit_code_problem(code)


def _holder_problems(order: Order, today: date) -> list[FieldViolation]:
    holders, rule = order.holders, order.type.holders
    if not rule.least <= len(holders) <= rule.most:
        many = f"{rule.least}" if rule.least == rule.most else f"{rule.least} to {rule.most}"
        return [FieldViolation("holders", f"a license of this type has {many} holder(s)")]
    wrong: list[FieldViolation] = []
    for number, one in enumerate(holders):
        place = "" if rule.most == 1 else f"holders[{number}]."
        problem = _name_problem(one)
        if problem:
            wrong.append(FieldViolation(f"{place}{'name' if place else 'holder_name'}", problem))
        told = holder_code_problem(one.code_type, one.code) if one.code else "required"
        told = told or _birth_problem(one, today)
        if told:
            wrong.append(FieldViolation(f"{place}{'code' if place else 'holder_code'}", told))
    if len({one.code for one in holders}) != len(holders):
        wrong.append(FieldViolation("holders", "one holder stands there twice"))
    return wrong


def _birth_problem(one: Holder, today: date) -> str:
    """What is wrong with the day of birth in a good number, in words without it; "" if nothing."""
    if one.code_type is not HolderCodeType.CITIZEN_NUMBER:
        return ""
    day = one.code[6:14]
    if day > f"{today:%Y%m%d}":
        return "digits 7 to 14 are a day of birth after today (GB 11643)"
    if day < f"{FIRST_BIRTH}0101":
        return f"digits 7 to 14 are a day of birth before {FIRST_BIRTH} (GB 11643)"
    return ""


def _name_problem(one: Holder) -> str:
    problem = text_problem(one.name, NAME_LIMIT, required=True)
    if problem:
        return problem
    if form := _form_problem(one.name):
        return form
    if BETWEEN in one.name:
        return f"a name holds no {BETWEEN}: name several holders one by one"
    if not has_letter(one.name):
        return "a name has at least one letter or ideograph"
    if means_nothing(one.name):
        return "says that there is no name"
    if one.code_type is not HolderCodeType.CITIZEN_NUMBER:
        return ""
    if markup_in(one.name):
        return "a person's name has none of < > = @ & + ? # /"
    if dots_astray(one.name):
        return "the dot of a name stands once, between two of its parts"
    if dot := odd_dot(one.name):
        return f"the dot of a person's name is · (U+00B7), and not U+{ord(dot):04X}"
    if sign := stand_in(one.name):
        return f"has a sign that stands for a lost or hidden character (U+{ord(sign):04X})"
    if space := odd_space(one.name):
        return f"has a space that is in no person's name (U+{ord(space):04X})"
    return ""


def _form_problem(name: str) -> str:
    """How a name says a character otherwise than registers do: nobody would find it by theirs."""
    if found := radical(name):
        meant = ideograph_of(found)
        write = f": write {meant} (U+{ord(meant):04X})" if meant else ""
        return f"has a radical in place of an ideograph (U+{ord(found):04X}){write}"
    two, whole = apart(name)
    if two:
        points = " ".join(f"U+{ord(one):04X}" for one in two)
        return f"has {points} in place of one character (U+{ord(whole):04X})"
    if mark := odd_mark(name):
        return f"has a mark too many on one letter, or one on an ideograph (U+{ord(mark):04X})"
    return ""


def _pictures(order: Order, wrong: list[FieldViolation]) -> dict[str, str]:
    """The hashes of the pictures by field; what a field itself says of its picture is refused."""
    found: dict[str, str] = {}
    for one in order.type.fields:
        if one.kind is not FieldKind.IMAGE:
            continue
        if one.code not in order.pictures:
            # A hash alone would show somebody else's picture to who knows it.
            if order.fields.get(one.code, "") not in ("", order.carried.get(one.code)):
                wrong.append(FieldViolation(f"fields.{one.code}", "send it in `pictures`"))
            continue
        data = order.pictures[one.code]
        try:
            size = checked(data, f"pictures.{one.code}")  # bounded before it is decoded
        except InvalidArgument as error:
            place = f"pictures.{one.code}"
            wrong.append(FieldViolation(place, error.message.removeprefix(f"{place}: ")))
        else:
            problem = size_problem(one, upright_size(data, size))
            if problem:
                wrong.append(FieldViolation(f"pictures.{one.code}", problem))
        found[one.code] = _hash(data)
    if sum(map(len, order.pictures.values())) > ENCLOSED_LIMIT:
        wrong.append(FieldViolation("pictures", f"together more than {ENCLOSED_LIMIT >> 20} MiB"))
    for code in order.pictures:
        known = order.type.field(code)
        if known is not None and known.kind is not FieldKind.IMAGE:
            wrong.append(FieldViolation(f"pictures.{code}", "the field holds no picture"))
    return found


def _day_problems(order: Order) -> list[FieldViolation]:
    wrong: list[FieldViolation] = []
    for name, day in (("valid_from", order.valid_from), ("valid_to", order.valid_to)):
        if day is not None and read_day(day.isoformat()) is None:
            wrong.append(FieldViolation(name, "not a day from 1800 to 2200"))
    if order.valid_to is not None and order.paper is None:
        wrong.append(FieldViolation("valid_to", "the type says it; only a paper one tells it"))
    return wrong


def _paper_problems(order: Order) -> list[FieldViolation]:
    paper = order.paper
    if paper is None:
        return []
    wrong: list[FieldViolation] = []
    problem = text_problem(paper.number, TEXT_LIMIT, required=True)
    if problem:
        wrong.append(FieldViolation("paper.number", problem))
    births = [
        f"{one.code[6:10]}-{one.code[10:12]}-{one.code[12:14]}"
        for one in order.holders
        if idcodes.citizen_number_problem(one.code) is None
    ]
    if any(paper.issue_date.isoformat() < born for born in births):
        wrong.append(FieldViolation("paper.issue_date", "before the birth of a holder"))
    if read_day(paper.issue_date.isoformat()) is None:
        wrong.append(FieldViolation("paper.issue_date", "not a day from 1800 to 2200"))
    if not 1 <= len(paper.scans) <= SCANS_LIMIT:
        wrong.append(FieldViolation("paper.scans", f"1 to {SCANS_LIMIT} scans"))
        return wrong
    if sum(map(len, paper.scans)) > ENCLOSED_LIMIT:
        wrong.append(
            FieldViolation("paper.scans", f"together more than {ENCLOSED_LIMIT >> 20} MiB")
        )
    for number, scan in enumerate(paper.scans):
        first = paper.scans.index(scan)
        problem = scan_problem(scan) if first == number else f"paper.scans[{first}] once more"
        if problem:
            wrong.append(FieldViolation(f"paper.scans[{number}]", problem))
    return wrong
