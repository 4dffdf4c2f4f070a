"""Numbers with check digits: citizen number, unified social credit code, region code.

A refusal names what is wrong with a number and never repeats it. The check digits are
python-stdnum's; its table of places is not used, since codes of past and future regions must pass
(GB/T 2260 changes yearly, GB 11643 numbers do not).
"""

from __future__ import annotations

import re
from collections.abc import Collection
from datetime import date
from functools import lru_cache

from stdnum.cn import ric, uscc
from stdnum.iso7064 import mod_37_36

_CITIZEN = re.compile(r"[1-9][0-9]{16}[0-9X]")
_CITIZENS = re.compile(r"[1-9][0-9]{16}[0-9X](?:\n[1-9][0-9]{16}[0-9X])*")
#: The check character by the remainder of 17 digits, read to base 13, by 11: it is all it is of.
_CHECK_CHARACTERS = [ric.calc_check_digit(digit + "0") for digit in "0123456789a"]
#: GB 32100: who registers and which kind of body (with the amendments: N is villages' collectives),
#: the region, the body's code, the check character. I, O, S, V and Z are not used.
_CREDIT_CODE = re.compile(
    r"(?:1[1239]|2[19]|3[123459]|4[19]|5[1239]|6[129]|7[129]|8[19]|9[123]|A[19]|N[1239]|Y1)"
    r"[1-9][0-9]{5}[0-9A-HJ-NP-RTUWXY]{10}"
)
#: Where a citizen number may stand within a longer text, overlapping ones too.
_WITHIN = re.compile(r"(?=([1-9][0-9]{5}(?:18|19|20)[0-9]{9}[0-9Xx]))")
#: UUIDs (RFC 9562) and hashes, which may have any digits in a row.
_RANDOM = re.compile(
    r"(?<![0-9a-z])(?:[0-9a-f]{8}-?[0-9a-f]{4}-?[1-8][0-9a-f]{3}-?[89ab][0-9a-f]{3}-?[0-9a-f]{12}"
    r"|(?=[0-9]*[a-f])[0-9a-f]{32,64})(?![0-9a-z])",
    re.IGNORECASE,
)
_REGION = re.compile(r"[1-9][0-9]{5}")
#: 9 and a province of GB/T 2260.
_PERMANENT_RESIDENT = re.compile(r"9(?:1[1-5]|2[1-3]|3[1-7]|4[1-6]|5[0-4]|6[1-5])")


def citizen_number_problem(number: str) -> str | None:
    """What is wrong with a citizen number (GB 11643), in words without the number; None if good."""
    if not _CITIZEN.fullmatch(number):
        return "a citizen number is 17 digits and a check character (GB 11643)"
    if not _is_date(number[6:14]):
        return "digits 7 to 14 are not a date (GB 11643)"
    if ric.calc_check_digit(number) != number[17]:
        return "the check character is wrong (GB 11643)"
    return None


def is_permanent_resident_number(number: str) -> bool:
    """Whether a good citizen number is of a foreigner's permanent residence card.

    Those given since December 2023 have a 9, the province, the country's three digits, and then
    what every citizen number has. Residence permits of people from Hong Kong, Macao and Taiwan
    have a citizen number (81, 82, 83).
    """
    return _PERMANENT_RESIDENT.match(number) is not None


def holds_citizen_number(text: str) -> bool:
    """Whether a text holds a citizen number, hyphens within it left out; a UUID or hash has none.

    Only of those born since 1800: what else has the form is a time or a running number.
    """
    if len(text) < 18:
        return False
    return any(
        citizen_number_problem(found[1].upper()) is None
        for found in _WITHIN.finditer(_RANDOM.sub(" ", text).replace("-", ""))
    )


def are_citizen_numbers(numbers: Collection[str]) -> bool:
    """Whether `citizen_number_problem` finds nothing in any of them, in a third of its time."""
    lines = "\n".join(numbers)
    return (
        len(lines) == 19 * len(numbers) - 1  # so that no line feed stands within one
        and _CITIZENS.fullmatch(lines) is not None
        and all(map(_is_date, {number[6:14] for number in numbers}))
        and all(_CHECK_CHARACTERS[int(one[:17], 13) % 11] == one[17] for one in numbers)
    )


@lru_cache(maxsize=50_000)  # of a century's dates each is looked at once
def _is_date(digits: str) -> bool:
    try:
        date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return False
    return True


def citizen_check_character(first_17: str) -> str:
    """The check character of 17 digits (GB 11643)."""
    return str(ric.calc_check_digit(first_17 + "0"))  # it leaves the last character out


def credit_code_problem(code: str) -> str | None:
    """What is wrong with a unified social credit code (GB 32100); None if good."""
    if len(code) != 18:
        wrong = "it has not 18 characters"
    elif not _CREDIT_CODE.fullmatch(code):
        wrong = "a character stands where it cannot"
    elif uscc.calc_check_digit(code[:17]) != code[17]:
        wrong = "the check character is wrong"
    else:
        return None
    return f"not a unified social credit code (GB 32100): {wrong}"


def credit_code_check_character(first_17: str) -> str:
    """The check character of the first 17 of a credit code (GB 32100)."""
    return str(uscc.calc_check_digit(first_17))


def region_code_problem(code: str) -> str | None:
    """What is wrong with a region code (GB/T 2260: six digits); None if good."""
    return None if _REGION.fullmatch(code) else "a region code is six digits (GB/T 2260)"


def license_identifier_check(body: str) -> str:
    """The check character of a license identifier's concatenated parts (GB/T 36904).

    ISO 7064 MOD 37,36 over type, issuer, serial and version without dots.
    """
    return str(mod_37_36.calc_check_digit(body))


#: Checks by the name of the standard that a data item declares.
STANDARDS = {
    "GB 11643": citizen_number_problem,
    "GB 32100": credit_code_problem,
    "GB/T 2260": region_code_problem,
}
