"""Fields that say once more what a holder's citizen number says: day of birth, and sex.

`agrees_with = "holder.birth"` or `"holder.sex"`; of several holders `"holder.1.birth"`, and so on.
A holder with another code, and a sex that is not told, contradict nothing.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from licenses.types.model import FieldKind, Holders, LicenseField
from runtime.idcodes import citizen_number_problem

_WORD = re.compile(r"holder(?:\.([1-9][0-9]?))?\.(birth|sex)")
_SEX = ("2", "1")  # GB 11643: the 17th digit is odd for men; GB/T 2261.1: 1 is male, 2 female
_UNTOLD = frozenset({"0", "9"})  # GB/T 2261.1: unknown, not specified


def agreement_problem(one: LicenseField, holders: Holders) -> str:
    """What is wrong with a field's `agrees_with`, in words; "" if good."""
    if not one.agrees_with:
        return ""
    word = _WORD.fullmatch(one.agrees_with)
    if word is None:
        return "must be holder.birth or holder.sex; of several holders holder.1.birth and so on"
    number, what = word.groups()
    if bool(number) != (holders.most > 1) or int(number or 1) > holders.most:
        return f"there are at most {holders.most} holder(s)"
    if what == "birth" and one.kind is not FieldKind.DATE:
        return "the day of birth is a date"
    if what == "sex" and not {"1", "2"} <= {value.code for value in one.values}:
        return "a sex is one of a list with the codes 1 and 2 (GB/T 2261.1)"
    return ""


def disagreement(one: LicenseField, value: str, holder_codes: Sequence[str]) -> str:
    """How a field's value contradicts its holder's number, in words without either; "" if not."""
    word = _WORD.fullmatch(one.agrees_with)
    if word is None or not value:
        return ""
    number = int(word[1] or 1)
    if number > len(holder_codes) or citizen_number_problem(holder_codes[number - 1]):
        return ""
    code = holder_codes[number - 1]
    whose = f"the citizen number of holder {number}" if word[1] else "the holder's citizen number"
    if word[2] == "birth":
        told = f"{code[6:10]}-{code[10:12]}-{code[12:14]}"
        return "" if value == told else f"{whose} says another day of birth (digits 7 to 14)"
    if value in _UNTOLD or value == _SEX[int(code[16]) % 2]:
        return ""
    return f"{whose} says another sex (digit 17)"
