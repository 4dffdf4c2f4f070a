"""Presenting offline: the same presentation as one by a code, in a QR code that needs no network.

1. Who may present what, for whom and for how long is `presentations.service`'s to say; the same
   records and looks are left, and the holder ends it likewise. An end reaches who verifies online
   at once, and who is offline by the next status list.
2. A code of an ended license is told by that list, too: by a place of its own, so that two codes of
   one license tell nothing of each other.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from datetime import datetime

from licenses.delegations.model import delegation_id
from licenses.held import license_not_found
from licenses.holders import check_identified
from licenses.model import License
from licenses.offline.coding import write_code
from licenses.offline.model import OfflineCode, holder_hash
from licenses.presentations.model import Presentation, lifetime
from licenses.presentations.service import OFFLINE, Presenting
from licenses.presentations.showing import agency_of
from licenses.presenting_keys import PresentingKeys, TrustedKey
from licenses.statuslist.service import StatusLists
from runtime.clock import Clock
from runtime.database import UnitOfWork
from runtime.identity import Principal

DEFAULT_SECONDS = 3600


class Offline:
    """The use case of presenting offline. `department` is the node's own."""

    def __init__(
        self,
        presenting: Presenting,
        statuses: StatusLists,
        keys: PresentingKeys,
        clock: Clock,
        *,
        department: str,
    ) -> None:
        self._presenting = presenting
        self._statuses = statuses
        self._keys = keys
        self._clock = clock
        self._department = department

    def present(
        self,
        name: str,
        holder_code: str,
        *,
        fields: Sequence[str],
        purpose: str,
        audience: str,
        lifetime_seconds: int,
        request_id: str,
        principal: Principal,
        purpose_bound: bool = False,
        delegation: str = "",
        unbound: bool = False,
    ) -> tuple[Presentation, str]:
        """A presentation and the text of its QR code, told only now.

        `unbound` leaves out the holder's number. Raises as `Presenting.present`, InvalidArgument
        (QR_TOO_LONG) and FailedPrecondition (NO_PRESENTING_KEY).
        """
        now = self._clock.now().replace(microsecond=0)
        wanted = Presentation(
            id=secrets.token_hex(12),
            license_id="",
            fields=tuple(fields),
            audience=audience,
            expire_time=now + lifetime(lifetime_seconds or DEFAULT_SECONDS),
            max_uses=0,
            uses=0,
            ended=False,
            purpose=purpose,
            purpose_bound=purpose_bound,
            delegation=delegation_id(delegation),
        )
        check_identified(principal, holder_code, license_not_found)
        self._keys.own()  # before anything is written
        # Under a delegation the agent's number stands there: it is the agent's card that is seen.
        bound = None if unbound else holder_hash(holder_code)

        _, made, told = self._presenting.make(
            name,
            holder_code,
            wanted,
            digest=digest_of(wanted.id),
            request_id=request_id,
            principal=principal,
            form=OFFLINE,
            along=lambda work, license_, made: self._text(work, license_, made, bound, now),
        )
        if told is None:
            raise AssertionError("nothing was written along")
        return made, told

    def _text(
        self,
        work: UnitOfWork,
        license_: License,
        made: Presentation,
        bound: bytes | None,
        now: datetime,
    ) -> str:
        """The text of a presentation's QR code, bound to who shows it."""
        agency = agency_of(work, made)
        code = OfflineCode(
            presentation_id=made.id,
            issuer=self._department,
            audience=made.audience,
            # Whoever scans the code reads it: it stands there only where it binds.
            purpose=made.purpose if made.purpose_bound else "",
            purpose_bound=made.purpose_bound,
            issued_at=now,
            expire_time=made.expire_time,
            type_code=license_.metadata["ZZLXDM"],
            type_name=license_.metadata["ZZMC"],
            fields={key: license_.metadata[key] for key in made.fields},
            status=self._statuses.of_code(work, license_.id, made.id, made.expire_time),
            holder=bound,
            own_place=True,
            agency_until=agency.expire_time if agency else None,
        )
        return write_code(code, self._keys)

    def trusted(self) -> dict[bytes, TrustedKey]:
        """The presenting trust list."""
        return dict(self._keys.trusted())


def digest_of(presentation_id: str) -> bytes:
    """What an offline presentation is held by, since it has no code to look up."""
    return hashlib.sha256(b"offline " + presentation_id.encode()).digest()
