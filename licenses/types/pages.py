"""A type and its page together: the shipped ones, and whether a page shows what its type has.

No database: who draws a page while it is written (`tongban license preview`) has none.
"""

from __future__ import annotations

from importlib.resources import files

from licenses.pages import template
from licenses.pages.hiding import hidden
from licenses.stamping import covered, stamp_problems
from licenses.types.model import TEXT_LIMIT, FieldKind, LicenseType
from licenses.types.reading import parse
from licenses.types.relations import renewal_faults
from runtime.errors import FieldViolation, InvalidArgument

#: Values of a page that stand in no metadata.
_MADE = frozenset({"validity", "issue_date", "valid_from", "valid_to", "holders"})
_LAST_DAY = frozenset({"validity", "valid_to", "ZZYXQJZRQ"})
_FIRST_DAY = frozenset({"validity", "valid_from", "ZZYXQQSRQ"})
_METADATA = frozenset({
    "ZZMC", "ZZLXDM", "ZZBH", "ZZBS", "ZZBFJG", "ZZBFJGDM", "ZZBFRQ", "CZZT", "CZZTDM", "CZZTDMLX",
    "CZZTDMLXDM", "ZZYXQQSRQ", "ZZYXQJZRQ", "ZZQZR", "ZZQZSJ", "ZZQZMC",
})  # fmt: skip


def shipped() -> list[tuple[str, str]]:
    """The shipped types with their templates, as texts, in order of file name."""
    folder = files("licenses")
    found = []
    for entry in sorted((folder / "shipped").iterdir(), key=lambda one: one.name):
        if entry.name.endswith(".toml"):
            text = entry.read_text("utf-8")
            page = folder / "templates" / f"{parse(text).template}.toml"
            found.append((text, page.read_text("utf-8")))
    return found


def checked(text: str, template_text: str) -> LicenseType:
    """A type whose page shows what it has, and hides none of it.

    Raises InvalidArgument: BAD_LICENSE_TYPE, and those of `template.parse`.
    """
    kind = parse(text)
    if len(template_text) > TEXT_LIMIT:
        wrong = [FieldViolation("template", f"longer than {TEXT_LIMIT} characters")]
    else:
        page = template.parse(template_text)
        wrong = [*_page_problems(kind, page), *stamp_problems(page), *renewal_faults(kind.validity)]
        wrong += hidden(page) + covered(page, kind.slots)
    if wrong:
        raise InvalidArgument(
            "the license type does not fit its page: "
            + "; ".join(f"{one.field}: {one.description}" for one in wrong),
            reason="BAD_LICENSE_TYPE",
            message_zh="证照类型与模板不符：" + "、".join(one.field for one in wrong),
            violations=wrong,
        )
    return kind


def _page_problems(kind: LicenseType, page: template.Template) -> list[FieldViolation]:
    wrong: list[FieldViolation] = []
    holders = range(1, kind.holders.most + 1)
    there = {
        *_METADATA,
        *_MADE,
        *(one.code for one in kind.fields),
        *(f"{key}.{number}" for key in ("CZZT", "CZZTDM") for number in holders),
    }
    needed = {one.code for one in kind.fields if not one.required}
    needed |= {f"{k}.{n}" for k in ("CZZT", "CZZTDM") for n in holders if n > kind.holders.least}
    slots = {slot.key: slot for slot in page.slots}
    for slot, key in kind.slots.items():
        if slot not in slots:
            wrong.append(FieldViolation(f"slots.{slot}", "the template has no such field"))
        elif key not in there:
            wrong.append(FieldViolation(f"slots.{slot}", "no value of this type"))
        elif key in needed and not slots[slot].optional:
            # It would be refused only when a license without it is issued.
            wrong.append(
                FieldViolation(f"slots.{slot}", "the template requires it, and the type does not")
            )
    wrong += [
        FieldViolation(f"slots.{slot.key}", "the template requires it")
        for slot in page.slots
        if not slot.optional and slot.key not in kind.slots
    ]
    return wrong + _unsaid(kind, page) + _unshown(kind) + _shown_twice(kind, page)


def _unshown(kind: LicenseType) -> list[FieldViolation]:
    """A field that stands nowhere: most likely another one stands in its place.

    Who reads the page would not know what the seal covers besides; where it is meant, it is said.
    """
    shown, rule = set(kind.slots.values()), kind.validity
    if shown & _LAST_DAY:
        shown.add(rule.until_field)
    if shown & _FIRST_DAY:
        shown.add(rule.from_field)
    wrong: list[FieldViolation] = []
    for one in kind.fields:
        place = f"fields.{one.code}"
        if one.unprinted == (one.code not in shown):
            continue
        if one.unprinted:
            wrong.append(FieldViolation(place, "the page shows it, and `unprinted` says not"))
        elif one.kind is FieldKind.IMAGE:
            wrong.append(FieldViolation(place, "a picture that the page does not show"))
        else:
            told = "stands nowhere on the page: name it in [slots], or say unprinted = true"
            wrong.append(FieldViolation(place, told))
    return wrong


def _shown_twice(kind: LicenseType, page: template.Template) -> list[FieldViolation]:
    """A field of the type that stands twice on one sheet: once under the words of another."""
    wrong: list[FieldViolation] = []
    for sheet in page.sheets:
        first: dict[str, str] = {}
        for slot in sheet.slots:
            key = kind.slots.get(slot.key, "")
            if key.startswith("KZ_") and first.setdefault(key, slot.key) != slot.key:
                told = f"{key} stands on this sheet already, as {first[key]}"
                wrong.append(FieldViolation(f"slots.{slot.key}", told))
    return wrong


def _unsaid(kind: LicenseType, page: template.Template) -> list[FieldViolation]:
    """What every license says, and this one would not: its identifier on each sheet, its holder."""
    sheets = [*page.sheets, *((page.continuation.sheet,) if page.continuation else ())]
    wrong = [
        FieldViolation("slots", f"sheet {number} has no field for the license's identifier (ZZBS)")
        for number, sheet in enumerate(sheets, 1)
        if "ZZBS" not in {kind.slots.get(slot.key) for slot in sheet.slots}
    ]
    if not set(kind.slots.values()) & {"CZZT", "CZZT.1", "holders"}:
        wrong.append(FieldViolation("slots", "no field or table has the holder (CZZT or holders)"))
    return wrong
