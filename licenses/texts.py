"""Texts that people give: what may stand in one, and by what a name is found.

1. A text is kept exactly as it was given: any character of GB 18030-2022, also beyond the BMP. What
   shows nothing, or changes what is read, is refused (controls, marks of direction, spaces without
   width, fillers); joiners and selectors stay, since they shape the letters beside them.
   So a person's name is refused, and not mended, whose dot or space is not that of the registers.
2. A name is found and ordered by its key: NFC, with whatever stands for the dot within a name (a
   bullet, a full stop) read as U+00B7. Keys are for finding only, and are shown nowhere. Their
   order is that of code points: within a block of ideographs by radical and strokes, not by sound.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise
from typing import Final

from runtime.asking import says_something
from runtime.errors import FieldViolation, InvalidArgument

TEXT_LIMIT = 200  # GB/T 36906: the reason for use
NAME_LIMIT = 100
_HIDDEN = re.compile(
    "[\\x00-\\x1f\\x7f-\\x9f\\xad\u034f\u061c\u115f\u1160\u17b4\u17b5\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\u2800\u3164\ufeff\uffa0\ufff9-\ufffb"
    "\ud800-\udfff\U000e0000-\U000e007f]"
)
#: On one letter: Tibetan, which writes letters below others as marks, has the most.
MOST_MARKS: Final = 6
_SELECTOR: Final = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
#: Arrows, shapes and other signs; what describes an ideograph (U+2FF0 to 2FFF, U+303E, U+31EF).
_STAND_IN: Final = re.compile(
    "[*\xd7\u203b\u204e\u2190-\u2bff\u2ff0-\u2fff\u3013\u303e\u31ef\uff0a\uff1f\ufffc\ufffd]"
)
#: Characters of a name that is looked for in other texts: one alone says nothing.
_NAME_LEAST = 2
# Long numbers have no place in a reason: a citizen number, or a mobile number.
_PERSONAL_NUMBER = re.compile(r"\d{17}[\dXx]|(?<!\d)1\d{10}(?!\d)")
_NOBODY: Final = frozenset(
    {"null", "nil", "none", "nan", "undefined", "空", "无", "暂无", "未知", "不详", "未填", "待定"}
)
#: What people type for the dot within a name: bullets, and the stops and dots of other scripts.
#: Keys are kept, so one that is added here needs a migration that makes them anew.
_DOTS = str.maketrans(dict.fromkeys(
    "\u2022\u2027\u30fb\uff65\uff0e\u2219\u22c5\u2024\u0387\u2e31\u2e33\u3002\u25cf\u26ab\ua78f.",
    "\u00b7",
))  # fmt: skip
#: Dots that are typed less often: found by no key, and no more in a name than those.
_OTHER_DOTS: Final = frozenset(
    "\u00b0\u0701\u119e\u1427\u16eb\u2218\u22a1\u25cb\u25e6\u2981\u2e30\u318d\ufe12\ufe52\uff61\U00010101"
)


def text_problem(value: str, limit: int, *, required: bool) -> str:
    """What is wrong with a text, in words without it; "" if good."""
    if not value.strip():
        return "required" if required else ""
    if len(value) > limit:
        return f"longer than {limit} characters"
    hidden = _HIDDEN.search(value)
    if hidden:
        return f"has a character that shows nothing or turns the text (U+{ord(hidden[0]):04X})"
    return "has spaces at an end" if value != value.strip() else ""


def has_letter(value: str) -> bool:
    """Whether there is a letter of a script in a text: digits and marks alone are nobody's name."""
    return any(unicodedata.category(one)[0] == "L" for one in value)


def markup_in(value: str) -> bool:
    """Whether a text has what no person's name has: what spreadsheets and pages act on.

    Nor has it what stands there for a lost character (`王?`), or for no value (`#REF!`, `N/A`).
    """
    return not set("<>=@&+?#/").isdisjoint(value)


def stand_in(value: str) -> str:
    """The sign within a person's name that stands for a lost or a masked character; "" if none.

    Systems write □ or 〓 for an ideograph that they lack, or describe it (⿰木木); a * hides one.
    """
    found = _STAND_IN.search(value)
    return found[0] if found else ""


def means_nothing(value: str) -> bool:
    """Whether a name is what a program, or a clerk, writes where there is none: `NULL`, `(空)`."""
    plain = unicodedata.normalize("NFKC", value).casefold()
    return "".join(one for one in plain if one.isalnum()) in _NOBODY


def dots_astray(value: str) -> bool:
    """Whether the dot within a name stands twice, or at an end; a full stop may end a name."""
    key = search_key(value)
    return "··" in key or key.startswith("·") or (key.endswith("·") and not value.endswith("."))


def odd_dot(value: str) -> str:
    """The dot within a person's name that is not U+00B7, which registers have; "" if none.

    A full stop is one between letters without case (`买买提.艾山`), and none of `J. R. Smith`.
    """
    for before, one, after in zip(" " + value, value, value[1:] + " ", strict=False):
        if one == ".":
            if unicodedata.category(before) == unicodedata.category(after) == "Lo":
                return one
        elif ord(one) in _DOTS or one in _OTHER_DOTS:
            return one
    return ""


def odd_space(value: str) -> str:
    """The space within a person's name that no register has; "" if none.

    It is any but U+0020 (and U+202F, which joins a Mongolian word's ending), one beside another,
    and one between ideographs, by which two characters are made as wide as three (`张　三`).
    """
    for before, one, after in zip(" " + value, value, value[1:] + " ", strict=False):
        if unicodedata.category(one) != "Zs" or one == "\u202f":
            continue
        if one != " " or after == " " or (_is_ideograph(before) and _is_ideograph(after)):
            return one
    return ""


def radical(value: str) -> str:
    """The radical in a name that looks as an ideograph and is none (`⼀`); "" if none."""
    return next((one for one in value if "\u2e80" <= one <= "\u2fdf"), "")


def ideograph_of(one: str) -> str:
    """The ideograph that a radical is of; "" where Unicode names none."""
    meant = unicodedata.normalize("NFKC", one)
    return "" if meant == one else meant


def apart(value: str) -> tuple[str, str]:
    """The first letter and mark of a name that one character stands for, and it; "" if none.

    Compatibility ideographs stay, which GB 18030 has: only two characters that are one are told.
    """
    for before, one in pairwise(value):
        whole = unicodedata.normalize("NFC", before + one)
        if len(whole) == 1:
            return before + one, whole
    return "", ""


def odd_mark(value: str) -> str:
    """The mark that is one too many on its letter, or on none or an ideograph; "" if none of these.

    They would be drawn in one place, and hide each other. What selects a variant is no such mark.
    """
    on: list[str] = []
    letter = ""
    for one in value:
        if unicodedata.category(one) not in ("Mn", "Me") or _SELECTOR.match(one):
            on, letter = [], letter if _SELECTOR.match(one) else one
            continue
        on.append(one)
        crowded = len(on) > MOST_MARKS or on[-2:] == [one, one]
        if crowded or not letter or _is_ideograph(letter):
            return one
    return ""


def _is_ideograph(one: str) -> bool:
    return one == "\u3007" or unicodedata.name(one, "").startswith("CJK ")


def search_key(name: str) -> str:
    """The key by which a name is found and ordered."""
    return unicodedata.normalize("NFC", name.translate(_DOTS))


def check_text(value: str, *, name: str, public: bool = False) -> str:
    """A required text of at most 200 characters (GB/T 36906), such as a reason or a purpose.

    A `public` one goes into audit leaves as it is, so a number that looks like a person's is
    refused. Raises InvalidArgument: BAD_TEXT, PERSONAL_NUMBER_IN_TEXT.
    """
    wrong = text_problem(value, TEXT_LIMIT, required=True)
    if not wrong and not says_something(value):
        wrong = "holds no letter or digit that can be read"
    if wrong:
        raise InvalidArgument(
            f"{name}: {wrong}",
            reason="BAD_TEXT",
            message_zh=f"{name} 必填，不超过 {TEXT_LIMIT} 字，不含控制字符和不可见字符",
            violations=[FieldViolation(name, wrong)],
        )
    if public and _PERSONAL_NUMBER.search(value):
        raise InvalidArgument(
            f"{name} holds what looks like a person's number: say why without personal data",
            reason="PERSONAL_NUMBER_IN_TEXT",
            message_zh=f"{name} 中疑似含有个人号码：请勿写入个人信息",
            violations=[FieldViolation(name, "holds what looks like a person's number")],
        )
    return value


def same_purpose(one: str, other: str) -> bool:
    """Whether two texts say one purpose: by letters and digits, whatever the width and spaces."""
    return purpose_key(one) == purpose_key(other)


def purpose_key(text: str) -> str:
    """A purpose without what people write differently: width, case, spaces, punctuation."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(one for one in plain if one.isalnum())


def check_no_name(value: str, people: Iterable[str], *, name: str) -> None:
    """Refuse a public text that names one of these. Raises InvalidArgument, HOLDER_IN_TEXT."""
    key = search_key(value)
    if any(len(one) >= _NAME_LEAST and search_key(one) in key for one in people):
        raise InvalidArgument(
            f"{name} names the holder: say why without personal data",
            reason="HOLDER_IN_TEXT",
            message_zh=f"{name} 中含有持证人姓名：请勿写入个人信息",
            violations=[FieldViolation(name, "names the holder")],
        )
