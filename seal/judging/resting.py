"""What a check rests on: a question is not asked when what it would be asked about has failed.

One rule: a check whose ground FAILED is INDETERMINATE with the reason NOT_ASKED, whatever it would
have said. So each forgery has one name: the references of a Signature.xml that is not what was
signed say nothing of the files, and the dates of a seal that contradict themselves nothing of when
it may be used. Nothing gets better by it, since the ground itself has FAILED.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from seal.judging.check_names import titled
from seal.model import Check, Indication, undetermined

GROUNDS: Final = {
    "signing_time": "seal_creation",
    "seal_in_force": "seal_creation",
    "references": "data_hash",
    "stamp_pages": "data_hash",
    "uncovered_files": "data_hash",
}
"""Check -> the check it rests on."""


def asked(checks: Iterable[Check | None]) -> list[Check]:
    """The checks there are of one signature, those without ground as not asked."""
    found = [check for check in checks if check is not None]
    failed = {check.name for check in found if check.indication is Indication.FAILED}
    if not failed:
        return found
    return [_not_asked(one) if GROUNDS.get(one.name) in failed else one for one in found]


def _not_asked(check: Check) -> Check:
    ground = titled(GROUNDS[check.name])
    return undetermined(
        check.name,
        f"not asked, since it rests on what has failed: {ground.title}",
        f"未作判断，因其前提未通过：{ground.title_zh}",
        reason="NOT_ASKED",
        against=(check.against, check.against_zh),
    )
