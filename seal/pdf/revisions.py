"""What may follow a signature in a PDF: the library's comparison of revisions, with less allowed.

1. Every update is compared with the revision just before it: what an earlier update may bring, no
   later one may change.
2. An update signs, or brings evidence; `seal.pdf.signing_steps` says what the first may bring
   beside its signature, `seal.pdf.added` what else may change. Nothing else may, and no object may
   come that nothing leads to.
3. After the last signature evidence alone may come, and with it, as makers write them whenever they
   write, the dates of the metadata (`seal.pdf.metadata`): nobody signed it.
4. Between its objects an update holds nothing (`seal.pdf.tiling`).
5. An update is compared once, however many signatures are before it; updates beyond what signatures
   and their evidence need are refused before any is looked at.
"""

# The PDF library publishes no types.
# mypy: disable-error-code="no-untyped-call,misc"

from __future__ import annotations

from collections.abc import Collection
from functools import lru_cache
from typing import Any, Final

from pyhanko.pdf_utils.reader import HistoricalResolver
from pyhanko.sign.diff_analysis import (
    CatalogModificationRule,
    DiffResult,
    DocInfoRule,
    DSSCompareRule,
    FormUpdatingRule,
    MetadataUpdateRule,
    ModificationLevel,
    ObjectStreamRule,
    SigFieldCreationRule,
    SigFieldModificationRule,
    StandardDiffPolicy,
    SuspiciousModification,
    XrefStreamRule,
)
from pyhanko.sign.fields import MDPPerm

from seal.pdf.added import check_added
from seal.pdf.changed import Changes, changes_between
from seal.pdf.refused import UpdateRefused
from seal.pdf.signing_steps import Laid, Step, step_of
from seal.pdf.tiling import Tiling

_LEVEL: Final = ModificationLevel.LTA_UPDATES
# What `check_added` and `step_of` judge; all else of the catalog and of the form stays as it is.
_OF_EVIDENCE: Final = frozenset({"/DSS", "/Extensions", "/Version", "/Metadata"})
_OF_SIGNING: Final = _OF_EVIDENCE | {"/AcroForm"}
_OF_FORM: Final = frozenset({"/Fields"})
_UPDATES_EACH: Final = 2  # of a signature or a time-stamp: itself, and its evidence
_UPDATES_SPARE: Final = 32  # what viewers write on saving, and evidence that is renewed

_FILLED: Final = (
    "the certification allows fields to be filled, and still what they show is not what was signed "
    "there: have a form filled before it is signed",
    "认证签名允许填写表单，但所填内容不在其签署范围内：请先填写再签章",
)

_NEW_FIELD: Final = (
    "the certification allows no new signature field, only to sign in one that was there",
    "认证签名不允许新增签名域，只能在原有的签名域中签名",
)


class Updates:
    """The updates of one file, each judged once."""

    def __init__(self, reader: Any, data: bytes, *, signed: Collection[int]) -> None:
        """`signed` are the revisions that the signatures made; none may be told of before them."""
        self._reader = reader
        self._first, self.last = min(signed, default=0), max(signed, default=0)
        most = self._first + _UPDATES_EACH * len(signed) + _UPDATES_SPARE
        self.are_too_many = reader.xrefs.total_revisions > most
        # The library looks through the tables of all updates each time that it is asked.
        reader.xrefs.get_last_change = lru_cache(maxsize=None)(reader.xrefs.get_last_change)
        self._tiling = Tiling(reader, data)
        self._steps: dict[int, Step | SuspiciousModification] = {}
        self._views: dict[int, Any] = {}
        self._changes: dict[int, Changes] = {}
        self.signatures_alone = _Policy(self, is_evidence=False)
        """The policy after any signature but the last."""
        self.evidence_alone = _Policy(self, is_evidence=True)
        """The policy after the last signature."""

    def step(self, revision: int) -> Step:
        """What the update that made a revision brought. Raises SuspiciousModification."""
        if self.are_too_many:
            raise too_many()
        if revision not in self._steps:
            self._steps[revision] = self._judged(revision)
        found = self._steps[revision]
        if isinstance(found, SuspiciousModification):
            raise found
        return found

    def laid_by(self, revision: int) -> tuple[Laid, ...]:
        """Where the seal of a revision's signature lies, if others signed before it."""
        return self._laid(revision) if revision > self._first else ()

    def laid_after(self, revision: int) -> tuple[Laid, ...]:
        """Where later seals lie."""
        later = range(revision + 1, self._reader.xrefs.total_revisions)
        return tuple(laid for one in later for laid in self._laid(one))

    def _laid(self, revision: int) -> tuple[Laid, ...]:
        try:
            return self.step(revision).laid
        except SuspiciousModification:
            return ()

    def views(self, revision: int) -> tuple[Any, Any]:
        """The document before an update and with it. Each holds what was read of the whole file:
        so two are kept, not all.
        """  # noqa: D205
        numbers = (revision - 1, revision)
        views = {n: self._views.get(n) or HistoricalResolver(self._reader, n) for n in numbers}
        self._views = views
        return views[revision - 1], views[revision]

    def explained(
        self, revision: int, why: SuspiciousModification | None, permits: Any
    ) -> UpdateRefused:
        """Why an update is refused, and what it changed. The library says the first to nobody."""
        if revision not in self._changes:
            self._changes[revision] = changes_between(*self.views(revision))
        found = self._changes[revision]
        said = [(why.detail, why.detail_zh)] if isinstance(why, UpdateRefused) else []
        said += [(found.told, found.told_zh)] if found.told else []
        if "after an approval signature" in str(why):
            said.append(_NEW_FIELD)
        if found.fills and permits in (MDPPerm.FILL_FORMS, MDPPerm.ANNOTATE):
            said.append(_FILLED)
        return UpdateRefused("; ".join(one for one, _ in said), "；".join(one for _, one in said))

    def _judged(self, revision: int) -> Step | SuspiciousModification:
        try:
            self._tiling.check(revision)
            old, new = self.views(revision)
            old._load_reverse_xref_cache()  # noqa: SLF001  (the library's policy asks for it too)
            step = step_of(old, new)
            check_added(old, new, step)
        except SuspiciousModification as error:
            return error
        except Exception as error:  # noqa: BLE001  (the library raises anything on hostile bytes)
            return UpdateRefused(f"an update does not read: {type(error).__name__}", "更新无法读取")
        return step


def too_many() -> UpdateRefused:
    """More updates than signatures and their evidence need."""
    return UpdateRefused("there are too many updates", "增量更新过多")


class _Asked:
    """Stands for any signature's locks: notes the fields that an update must not find locked."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def is_locked(self, name: str) -> bool:
        """Not here; whether it is, each signature says."""
        self.names.add(name)
        return False


class _Policy(StandardDiffPolicy):
    """The library's rules, update by update, and ours."""

    def __init__(self, updates: Updates, *, is_evidence: bool) -> None:
        rules = [
            CatalogModificationRule(ignored_keys=_OF_EVIDENCE if is_evidence else _OF_SIGNING),
            XrefStreamRule().as_qualified(_LEVEL),
            ObjectStreamRule().as_qualified(_LEVEL),
            DSSCompareRule().as_qualified(_LEVEL),
            DocInfoRule().as_qualified(_LEVEL),
            MetadataUpdateRule().as_qualified(_LEVEL),
        ]
        form = FormUpdatingRule(
            field_rules=[SigFieldCreationRule(), SigFieldModificationRule()],
            ignored_acroform_keys=_OF_FORM,
        )
        super().__init__(
            global_rules=rules,
            form_rule=None if is_evidence else form,
            ignore_orphaned_objects=False,
        )
        self._updates = updates
        self._is_evidence = is_evidence
        self._results: dict[
            tuple[int, Any], tuple[DiffResult | SuspiciousModification, set[str]]
        ] = {}

    def review_file(
        self, reader: Any, base_revision: Any, field_mdp_spec: Any = None, doc_mdp: Any = None
    ) -> DiffResult | SuspiciousModification:
        """The gravest change after a revision, or why what follows may not."""
        if self._updates.are_too_many:
            return too_many()
        first = base_revision if isinstance(base_revision, int) else base_revision.revision
        level, changed = ModificationLevel.NONE, set()
        for revision in range(first + 1, reader.xrefs.total_revisions):
            result = self._result(revision, field_mdp_spec, doc_mdp)
            if isinstance(result, SuspiciousModification):
                return result
            level = max(level, result.modification_level)
            changed |= result.changed_form_fields
        return DiffResult(level, changed)

    def _result(
        self, revision: int, locks: Any, permits: Any
    ) -> DiffResult | SuspiciousModification:
        """What one update changed, for a signature that locks these fields."""
        result, asked = self._unlocked(revision, permits)
        for name in sorted(asked) if locks is not None else ():
            if locks.is_locked(name):
                return self._updates.explained(revision, None, permits)
        return result

    def _unlocked(
        self, revision: int, permits: Any
    ) -> tuple[DiffResult | SuspiciousModification, set[str]]:
        """What one update changed, asked once, and the fields that may not be locked for it."""
        if (revision, permits) not in self._results:
            found = None
            if not self._is_evidence and revision > self._updates.last:
                # What may follow the last signature may follow any: that is asked in any case.
                found = self._updates.evidence_alone._unlocked(revision, permits)  # noqa: SLF001
            if found is None or isinstance(found[0], SuspiciousModification):
                asked = _Asked()
                found = self._compared(revision, asked, permits), asked.names
            self._results[revision, permits] = found
        return self._results[revision, permits]

    def _compared(
        self, revision: int, locks: Any, permits: Any
    ) -> DiffResult | SuspiciousModification:
        try:
            self._updates.step(revision)
            result = self.apply(*self._updates.views(revision), locks, permits)
            if result.modification_level > ModificationLevel.FORM_FILLING:
                return self._updates.explained(revision, None, permits)
        except SuspiciousModification as error:
            return self._updates.explained(revision, error, permits)
        except Exception as error:  # noqa: BLE001  (as above)
            return UpdateRefused(f"an update does not read: {type(error).__name__}", "更新无法读取")
        return result
