"""What a license claims by the rules of its type, and how it is told that another has it.

1. `only_one = "holder"`: each of its holders. `unique`: the value of each of these fields, whatever
   its width, case, spaces and signs. Of a paper license its issuer's number of it, whatever its
   type says: one paper is made electronic once.
2. In force is what is being issued, ACTIVE or SUSPENDED and not over; of a license and the version
   that takes its place, both. No two of a claim are valid on one day, either.
3. Who else has it is not told: neither the holder's code nor another department's license.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from licenses.model import Holder
from licenses.types.model import LicenseType
from runtime.errors import AlreadyExists, FieldViolation

HOLDER = "holder"
PAPER = "paper.number"


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One claim; `what` is `holder` or the code of a field."""

    what: str
    value: str = field(repr=False)

    @property
    def key(self) -> str:
        """What is indexed: of one value by two rules, two."""
        return f"claim:{self.what}:{self.value}"


def claims_of(
    kind: LicenseType, holders: Sequence[Holder], fields: Mapping[str, str]
) -> list[Claim]:
    """What a license claims (rule 1)."""
    found = [Claim(what=HOLDER, value=one.code) for one in holders] if kind.only_one else []
    values = [(code, _folded(fields.get(code, ""))) for code in kind.unique]
    if fields.get("KZ_YZZBH"):
        values.append((PAPER, f"{fields['ZZBFJGDM']} {_folded(fields['KZ_YZZBH'])}"))
    return [*found, *(Claim(what=code, value=value) for code, value in values if value)]


def _folded(text: str) -> str:
    """Letters, digits and ideographs; of a text of signs alone the signs."""
    plain = unicodedata.normalize("NFKC", text).casefold()
    return "".join(filter(str.isalnum, plain)) or "".join(plain.split())


def claimed(what: str) -> AlreadyExists:
    """The refusal of what another license in force has."""
    if what == HOLDER:
        return AlreadyExists(
            "a holder has a license of this type in force, and may have one: correct, renew or end "
            "that one, or ask the department that issued it",
            reason="HOLDER_HAS_ONE",
            message_zh="持证主体已有一件有效的此类证照，同时只能有一件："
            "请更正、换发或注销原证照，或与其颁发机构联系",
            violations=[FieldViolation("holders", "has one in force")],
        )
    return AlreadyExists(
        f"another license of this type in force has this {what}: correct what is wrong in one of "
        "them, or transfer or end that one",
        reason="VALUE_IN_FORCE",
        message_zh=f"另一件有效的此类证照已使用相同的 {what}：请更正有误的一件，或先转移、注销"
        "原证照",
        violations=[
            FieldViolation(
                what if what == PAPER else f"fields.{what}", "stands on another license in force"
            )
        ],
        field=what,
    )
