"""Why an update of a signed PDF may not be."""

from __future__ import annotations

from pyhanko.sign.diff_analysis import SuspiciousModification


class UpdateRefused(SuspiciousModification):
    """An update that a signature doesn't allow, and why, in both languages."""

    def __init__(self, detail: str, detail_zh: str) -> None:
        super().__init__(detail)
        self.detail = detail
        self.detail_zh = detail_zh
