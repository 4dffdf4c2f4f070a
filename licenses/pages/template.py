"""Templates: where the fields of a license go on its pages.

A template is data (`licenses/templates/*.toml`, or put with a license type), read once; `lay_out`
is pure. Every field of the template must be given unless it says `optional`, and a field it does
not know is refused: a value nobody sees would be sealed all the same.

The place of the seal is the template's (`Template.stamp`); nothing is drawn there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from functools import cache
from importlib.resources import files

from licenses.pages.filling import economical, fill
from licenses.pages.layout import Shared, Style, dense, fit, fitted, place
from licenses.pages.markup import metadata_attachment
from licenses.pages.model import Attachment, Box, Document, Image, Item, Text
from licenses.pages.qr import qr_path
from licenses.pages.sheets import Stamp, Template, Value
from licenses.pages.template_reading import read
from runtime.errors import FieldViolation, InvalidArgument, NotFound

# Letters of the mark, mm: a paper license's number may have 200 characters.
_SMALLEST_MARK = 1.2

__all__ = ["Stamp", "Template", "Value", "lay_out", "load", "parse"]


def lay_out(
    template: Template,
    fields: Mapping[str, Value],
    *,
    created: datetime,
    author: str = "",
    metadata: Mapping[str, str] | None = None,
    qr: bytes | str | None = None,
    mark: str = "",
    attachments: tuple[Attachment, ...] = (),
) -> Document:
    """Put the fields on the template's pages.

    `fields`: texts, rows of tables, bytes of pictures (PNG or JPEG). `metadata` (GB/T 36903 keys)
    goes into the document and, as an XML file, into its attachments, before `attachments`. `qr`: a
    PNG for the template's QR place, or the text of a code to draw there. `mark`: a line such as
    where the license comes from. Raises InvalidArgument: FIELDS_INVALID (with violations),
    TEXT_TOO_LONG, GLYPH_MISSING, QR_NOT_PLACED, QR_TOO_LONG, IMAGE_TOO_LARGE, IMAGE_UNKNOWN,
    IMAGE_UNREADABLE.
    """
    _check(template, fields)
    extra: dict[int, list[Item]] = {1: []}
    if mark:
        box, style = template.mark
        extra[1] += _marked(mark, box, dense(style, box[3], _SMALLEST_MARK), template.shared)
    if qr is not None:
        if template.qr is None:
            raise InvalidArgument(
                "this template has no place for a QR code",
                reason="QR_NOT_PLACED",
                message_zh="该模板没有二维码位置",
            )
        on_page = extra.setdefault(template.qr_page, [])
        if isinstance(qr, str):
            on_page.append(qr_path(qr, template.qr))
        else:
            x, y, width, height = template.qr
            on_page.append(Image(x=x, y=y, width=width, height=height, data=qr))
    carried = (metadata_attachment(metadata),) if metadata else ()
    pages, shared = economical(fill(template, fields, extra), template.shared)
    return Document(
        pages=pages,
        title=template.title,
        author=author,
        created=created,
        metadata=dict(metadata or {}),
        attachments=(*carried, *attachments),
        shared=shared,
    )


def _marked(mark: str, box: Box, style: Style, shared: Shared) -> list[Text]:
    """A mark as large as it fits, its parts each whole where that is possible."""
    parts = mark.split("\u3000")
    ways = {mark: 1, "\u3000".join(parts[:-1]) + "\n" + parts[-1]: 2, "\n".join(parts): len(parts)}
    found = [
        fitted(text, box[2], box[3], replace(style, lines=lines))
        for text, lines in ways.items()
        if lines <= style.lines
    ]
    best = max((one for one in found if one), key=lambda one: one.size, default=None)
    return place(best, box, style, shared) if best else fit(mark, box, style, "mark", shared)


def _check(template: Template, fields: Mapping[str, Value]) -> None:
    violations: list[FieldViolation] = []
    for kind, words, places in (
        (str, "a text", [slot for sheet in template.sheets for slot in sheet.slots]),
        (bytes, "a picture", [frame for sheet in template.sheets for frame in sheet.frames]),
        (tuple, "rows", [grid for sheet in template.sheets for grid in sheet.grids]),
    ):
        for one in places:
            value = fields.get(one.key)
            empty = not value or (isinstance(value, str) and not value.strip())
            if empty and not one.optional:
                violations.append(FieldViolation(one.key, "this field is required"))
            elif not empty and not isinstance(value, kind):
                violations.append(FieldViolation(one.key, f"this field must be {words}"))
    violations += [
        FieldViolation(key, "the template has no such field")
        for key in sorted(set(fields) - template.keys)
    ]
    if violations:
        violations = list(dict.fromkeys(violations))
        raise InvalidArgument(
            "the fields do not fit the template: "
            + "; ".join(f"{v.field}: {v.description}" for v in violations),
            reason="FIELDS_INVALID",
            message_zh="字段与模板不符：" + "、".join(v.field for v in violations),
            violations=violations,
        )


@cache
def load(name: str) -> Template:
    """A shipped template by name; NotFound TEMPLATE_NOT_FOUND."""
    return parse(shipped_text(name))


def shipped_text(name: str) -> str:
    """The TOML of a shipped template; NotFound TEMPLATE_NOT_FOUND."""
    folder = files("licenses") / "templates"
    known = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".toml")}
    entry = known.get(f"{name}.toml")
    if entry is None:
        raise NotFound(
            "no license template has this name",
            reason="TEMPLATE_NOT_FOUND",
            message_zh="没有这个名称的证照模板",
        )
    return entry.read_text("utf-8")


def parse(text: str) -> Template:
    """A template from TOML; InvalidArgument TEMPLATE_INVALID names every wrong line and key."""
    return read(text)
