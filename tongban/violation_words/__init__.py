"""What is wrong with a field of a request, in Chinese.

On the wire a violation's description is English. Whoever reads Chinese gets it in these words; one
that is not among them stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

from tongban.violation_words import exchange, licenses, seals

_WORDS: Final = (*licenses.WORDS, *exchange.WORDS, *seals.WORDS)
_ITEM: Final = re.compile(r"[\w.\[\]]+")
_IS: Final = re.compile(r"^(?:is|are) ")


def chinese_words(description: str) -> str:
    """A description in Chinese; as it is where no words are known for it."""
    for said in (description, _IS.sub("", description, count=1)):
        for english, chinese in _WORDS:
            if found := re.fullmatch(english, said):
                return found.expand(chinese)
    item, between, rest = description.partition(": ")
    if between and _ITEM.fullmatch(item):
        return f"{item}{between}{chinese_words(rest)}"
    return description


def chinese_violation(text: str) -> str:
    """`field: description` with the description in Chinese."""
    field, between, description = text.partition(": ")
    return f"{field}{between}{chinese_words(description)}"
