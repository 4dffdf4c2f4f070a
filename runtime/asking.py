"""What every question about records says of itself: what it is for, and which case it serves.

A purpose or a case number that nobody can read is none: blanks, controls, marks of direction, signs
without width, fillers. One letter or digit that shows is enough, of whatever script.
"""

from __future__ import annotations

from runtime.errors import FieldViolation, InvalidArgument

GREATEST_PURPOSE = 200  # characters; GB/T 36906: the reason for use
GREATEST_CASE_NUMBER = 64
#: Letters by their category that show nothing: the fillers of Hangul.
_FILLERS = frozenset("\u115f\u1160\u3164\uffa0")


def says_something(text: str) -> bool:
    """Whether a text has a letter or a digit to read."""
    return any(one.isalnum() and one not in _FILLERS for one in text)


def check_question(purpose: str, case_number: str) -> None:
    """Refuse a question without a purpose and a case. Raises InvalidArgument, BAD_QUESTION."""
    wrong = []
    if not (0 < len(purpose) <= GREATEST_PURPOSE and says_something(purpose)):
        wrong.append(FieldViolation("purpose", _needed(GREATEST_PURPOSE)))
    if not is_case_number(case_number):
        wrong.append(FieldViolation("case_number", _needed(GREATEST_CASE_NUMBER)))
    if wrong:
        raise InvalidArgument(
            "say what the question is for: purpose and case_number are required, in letters or "
            "digits that can be read",
            reason="BAD_QUESTION",
            message_zh="请说明用途：purpose（用途）与 case_number（办件编号）为必填项，"
            "须含可见的文字或数字",
            violations=wrong,
        )


def is_case_number(text: str) -> bool:
    """Whether a text may be a case's number."""
    return 0 < len(text) <= GREATEST_CASE_NUMBER and says_something(text)


def bad_case(whose: str, whose_zh: str) -> InvalidArgument:
    """The refusal of a question for a person that does not say in which case."""
    return InvalidArgument(
        f"say which case the {whose} was identified for: case_number is required, in letters or "
        "digits that can be read",
        reason="BAD_QUESTION",
        message_zh=f"请说明为哪一办件核验了{whose_zh}身份：case_number（办件编号）为必填项，"
        "须含可见的文字或数字",
        violations=[FieldViolation("case_number", _needed(GREATEST_CASE_NUMBER))],
    )


def _needed(most: int) -> str:
    return f"1 to {most} characters are required, among them a letter or digit that can be read"
