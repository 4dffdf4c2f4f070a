"""What only one license in force may have: claimed when one is reserved, counted of a new rule.

By the rules of the newest version of a type, whichever version a batch was begun with.
"""

from __future__ import annotations

from licenses.claims import store
from licenses.claims.model import claimed, claims_of
from licenses.holder_index import HolderIndex
from licenses.model import License, Origin
from licenses.types.model import LicenseType, TypeVersion
from licenses.types.service import Types
from runtime.clock import Clock, china_date
from runtime.database import UnitOfWork


class Claims:
    """The use cases of claims."""

    def __init__(self, types: Types, index: HolderIndex, clock: Clock) -> None:
        self._types = types
        self._index = index
        self._clock = clock

    def newest(self, type_id: str) -> TypeVersion:
        """The version of a type by whose rules `claim` goes."""
        return self._types.newest(f"licenseTypes/{type_id}")

    def claim(
        self, work: UnitOfWork, license_: License, before: License | None, newest: TypeVersion
    ) -> None:
        """Claim for a license; `before` is the version whose place it takes.

        `newest` is read in the transaction. Raises AlreadyExists (HOLDER_HAS_ONE, VALUE_IN_FORCE).
        """
        kind = newest.type
        if not (_has_rules(kind) or license_.origin is Origin.PAPER):
            return
        store.keep(work.session, kind, newest.version, self._index)
        taken = store.take(
            work.session,
            license_,
            claims_of(kind, license_.holders, license_.metadata),
            self._index,
            china_date(self._clock.now()),
            store.Before.of(kind, before) if before else None,
        )
        if taken:
            raise claimed(taken)

    def doubled(self, work: UnitOfWork, made: TypeVersion) -> int:
        """How many values, or holders, stand on several licenses against a version's rules."""
        if not (_has_rules(made.type) or store.is_kept(work.session, made.type.id)):
            return 0
        store.keep(work.session, made.type, made.version, self._index)
        return store.doubled(work.session, made.type.id, china_date(self._clock.now()))


def _has_rules(kind: LicenseType) -> bool:
    return bool(kind.only_one or kind.unique)
