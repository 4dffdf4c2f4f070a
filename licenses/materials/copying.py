"""Copies of licenses that stand in for materials: endorsed ones (加注件), made when collecting.

1. The consent of the collection is what a copy is made under: whoever collects has no such right of
   its own. The copy names the item as its purpose and the department as receiver.
2. A license whose seal is not usable any more has no endorsed copy: its own document is attached
   then, and the collection says that it is not endorsed.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Final

from licenses.copies.model import Wish
from licenses.copies.service import FOLDER, Copies
from licenses.documents import Documents
from licenses.materials.model import Collection, Copy, MaterialSource, Planned
from licenses.model import License, LicenseFormat
from licenses.store import Reads
from licenses.texts import NAME_LIMIT, TEXT_LIMIT
from runtime.clock import Clock, china_date
from runtime.errors import FailedPrecondition
from runtime.identity import Principal
from runtime.objects import ObjectStore, get_content

#: How long an endorsed copy may be used: as long as a case may take.
LASTS: Final = timedelta(days=60)


class Copying:
    """Makes and reads copies."""

    def __init__(
        self, objects: ObjectStore, documents: Documents, copies: Copies, clock: Clock
    ) -> None:
        self._objects = objects
        self._documents = documents
        self._copies = copies
        self._clock = clock

    def endorse(
        self,
        planned: Sequence[Planned],
        *,
        collection: Collection,
        purpose: str,
        receiver: str,
        last_days: Mapping[str, date | None],
        principal: Principal,
        still: Callable[[Reads], None],
    ) -> tuple[Planned, ...]:
        """The plan with an endorsed copy of each license that stands in; a repeat makes no other.

        `last_days`: of licenses by name. `still` raises where the consent is over: no copy becomes
        good after that. Raises as it, and as `Copies.share`.
        """
        made = []
        for one in planned:
            if one.source is not MaterialSource.HELD_AS_LICENSE or not one.license:
                made.append(one)
                continue
            asked = hashlib.sha256(f"{collection.name} {one.license}".encode())
            until = date.fromisoformat(china_date(self._clock.now() + LASTS))
            wish = Wish(
                form=LicenseFormat.OFD,
                purpose=purpose[:TEXT_LIMIT],
                receiver=receiver[:NAME_LIMIT],
                receiver_department=collection.department,
                valid_to=min(until, last_days.get(one.license) or date.max),
                service_item=collection.service_item,
                collection=collection.id,
            )
            try:
                copy, _ = self._copies.share(
                    one.license,
                    wish,
                    request_id=f"collection-{asked.hexdigest()[:40]}",
                    request_digest=asked.digest(),
                    principal=principal,
                    still=still,
                )
            except FailedPrecondition as error:
                if not error.reason.startswith("SEAL_"):
                    raise
                made.append(one)
            else:
                made.append(replace(one, copy_sha256=copy.sha256))
        return tuple(made)

    def read(self, copy: Copy, license_: License) -> bytes:
        """The bytes of an attached copy. Raises DataLoss."""
        if not copy.endorsed:
            return self._documents.read(license_, LicenseFormat.OFD)
        suffix = LicenseFormat.OFD.value
        return get_content(self._objects, f"{FOLDER}/{copy.sha256[:2]}/{copy.sha256}{suffix}")
