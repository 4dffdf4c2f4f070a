"""What the applicant enters once, and what each entry is.

1. A field is entered as what else would fill it has it: by the type and the list of codes of the
   first of its sources that is known. One without such a source is any text.
2. What the applicant entered is kept with their consent and for as long; a department's system may
   enter what they did not, and replaces none of it.
3. What they entered for a field that the form has no more is left out: nobody else could mend it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

from licenses.materials import filling, planning, store
from licenses.materials.keeping import Keeping, handling_of
from licenses.materials.model import (
    Collection,
    FieldSource,
    FormField,
    Handling,
    Planned,
    Resource,
)
from licenses.types.model import FieldKind, LicenseField
from licenses.types.service import Types
from runtime.clock import Clock
from runtime.database import Database, UnitOfWork
from runtime.errors import NotFound
from runtime.identity import Principal
from runtime.records import canonical, make_record

#: What nobody types into a form.
_NOT_TYPED = frozenset({FieldKind.IMAGE, FieldKind.TABLE})


class Shapes:
    """What entries are. `resource`: one of the catalog, if it is there."""

    def __init__(self, types: Types, resource: Callable[[str], Resource | None]) -> None:
        self._types = types
        self._resource = resource

    def of(self, fields: Sequence[FormField]) -> dict[str, LicenseField]:
        """By code of the field; of those that are more than a text."""
        resource = cache(self._resource)  # several fields have sources in one
        found = {one.code: self._shape(one, resource) for one in fields}
        return {code: one for code, one in found.items() if one is not None}

    def _shape(
        self, one: FormField, resource: Callable[[str], Resource | None]
    ) -> LicenseField | None:
        for source in one.sources:
            found = (
                self._of_license(source)
                if source.license_type
                else _of_resource(source, resource(source.resource))
            )
            if found is not None and found.kind not in _NOT_TYPED:
                return found
        return None

    def _of_license(self, source: FieldSource) -> LicenseField | None:
        try:
            kind = self._types.newest(source.license_type).type
        except NotFound:
            return None
        return next((one for one in kind.fields if one.code == source.key), None)


def _of_resource(source: FieldSource, resource: Resource | None) -> LicenseField | None:
    return resource.shapes.get(source.item) if resource else None


class Entering:
    """The use cases."""

    def __init__(self, database: Database, keeping: Keeping, shapes: Shapes, clock: Clock) -> None:
        self._database = database
        self._keeping = keeping
        self._shapes = shapes
        self._clock = clock

    def needed(self, collection: Collection) -> tuple[str, ...]:
        """Fields that must yet be entered, as far as can be said before questions are answered."""
        if not collection.is_open(self._clock.now()):
            return ()
        needed = planning.entries_needed(self._handling(collection), collection.plan)
        return tuple(one for one in needed if not collection.entered.get(one))

    def fields(self, collection: Collection) -> tuple[tuple[FormField, LicenseField | None], ...]:
        """Fields that the applicant may enter, each with what it is where that is no text."""
        if not collection.is_open(self._clock.now()):
            return ()
        fields = planning.fields_entered(self._handling(collection), collection.plan)
        shapes = self._shapes.of(fields)
        return tuple((one, shapes.get(one.code)) for one in fields)

    def check(
        self, name: str, holder_code: str, entries: Mapping[str, str], principal: Principal
    ) -> None:
        """Whether entries may be put to a collection; outside any transaction.

        Raises NotFound (COLLECTION_NOT_FOUND), FailedPrecondition (CONSENT_ENDED,
        ALREADY_COLLECTED) and InvalidArgument (BAD_ENTRY, ENTRIES_MISSING).
        """
        found = self._keeping.of_holder(name, holder_code, principal)
        self._keeping.check_open(found)
        self.check_whole(self._handling(found), found.plan, entries)

    def check_whole(
        self, handling: Handling, plan: Sequence[Planned], entries: Mapping[str, str]
    ) -> None:
        """Whether entries are good, and are all that nothing of the plan tells.

        Outside any transaction. Raises InvalidArgument (BAD_ENTRY, ENTRIES_MISSING).
        """
        entered = [one for one in handling.fields if one.code in entries]
        filling.check_entries(handling, entries, self._shapes.of(entered))
        filling.check_entered(handling, planning.entries_needed(handling, plan), entries)

    def put(
        self,
        work: UnitOfWork,
        name: str,
        holder_code: str,
        entries: Mapping[str, str],
        principal: Principal,
    ) -> Collection:
        """Keep entries that `check` let pass, in place of those before. Raises as `check`."""
        found = self._keeping.of_holder(name, holder_code, principal)
        collection = self._keeping.check_still_open(work.session, found.id)
        store.keep_entered(work.session, collection.id, entries)
        work.record(
            make_record(
                "collection_entered",
                at=self._clock.now(),
                actor=principal.system,
                facts={"collection": collection.name, "service_item": collection.service_item},
                commitments={
                    "holder_code": holder_code.encode(),
                    "entered": canonical(dict(entries)),
                },
            )
        )
        return collection

    def _handling(self, collection: Collection) -> Handling:
        with self._database.reading() as session:
            found = store.handling(session, collection.service_item)
        return handling_of(found, collection)


def entries_of(
    handling: Handling, collection: Collection, given: Mapping[str, str], *, by_department: bool
) -> tuple[dict[str, str], frozenset[str]]:
    """All that was entered, and which of it the applicant entered (rules 2 and 3)."""
    asked = {one.code for one in handling.fields}
    own = {code: value for code, value in collection.entered.items() if code in asked}
    if by_department:
        return {**given, **own}, frozenset(own)
    return {**own, **given}, frozenset((*own, *given))
