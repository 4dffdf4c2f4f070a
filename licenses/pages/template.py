"""Templates: where the fields of a license go on its page.

A template is data (licenses/templates/*.toml), read once; `lay_out` is pure. Every field of the
template must be given unless it says `optional`, and a field it does not know is refused: a value
nobody sees would be sealed all the same.

The place of the seal is the template's (`Template.stamp`); nothing is drawn there.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from importlib.resources import files
from typing import Any

from licenses.pages import ornament
from licenses.pages.layout import Style, fit
from licenses.pages.markup import metadata_attachment
from licenses.pages.model import (
    Attachment,
    Box,
    Color,
    Document,
    Image,
    Item,
    Line,
    Page,
    Path,
    Rect,
    Shape,
    Text,
)
from runtime.errors import FieldViolation, InvalidArgument, NotFound


@dataclass(frozen=True, slots=True, kw_only=True)
class Stamp:
    """Where a document of this template is sealed: page from 1, box in mm."""

    page: int
    box: Box


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """The place of one field's value, and its label, ready."""

    key: str
    label: tuple[Text, ...] = field(repr=False)
    box: Box
    style: Style
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A page before its fields are known.

    `background`: ornaments and the lines values stand on; `items`: fixed texts.
    """

    name: str
    title: str
    width: float
    height: float
    background: tuple[Shape, ...] = field(repr=False)
    items: tuple[Item, ...] = field(repr=False)
    slots: tuple[Slot, ...]
    stamp: Stamp
    qr: Box | None = None


def lay_out(
    template: Template,
    fields: Mapping[str, str],
    *,
    created: datetime,
    author: str = "",
    metadata: Mapping[str, str] | None = None,
    qr: bytes | None = None,
) -> Document:
    """Put the fields on the template's page.

    `metadata` (GB/T 36903 keys) goes into the document and, as an XML file, into its attachments.
    `qr`: a PNG for the template's QR place. Raises InvalidArgument: FIELDS_INVALID (with
    violations), TEXT_TOO_LONG, GLYPH_MISSING, QR_NOT_PLACED.
    """
    _check(template, fields)
    items: list[Item] = list(template.items)
    for slot in template.slots:
        # Each label right before its value: who reads the text out hears them in this order.
        items.extend(slot.label)
        value = fields.get(slot.key, "")
        if value:
            items.extend(fit(value, slot.box, slot.style, slot.key))
    if qr is not None:
        if template.qr is None:
            raise InvalidArgument(
                "this template has no place for a QR code",
                reason="QR_NOT_PLACED",
                message_zh="该模板没有二维码位置",
            )
        x, y, width, height = template.qr
        items.append(Image(x=x, y=y, width=width, height=height, data=qr))
    attachments: tuple[Attachment, ...] = ()
    if metadata:
        attachments = (metadata_attachment(metadata),)
    page = Page(
        width=template.width,
        height=template.height,
        items=tuple(items),
        background=template.background,
    )
    return Document(
        pages=(page,),
        title=template.title,
        author=author,
        created=created,
        metadata=dict(metadata or {}),
        attachments=attachments,
    )


def _check(template: Template, fields: Mapping[str, str]) -> None:
    known = {slot.key for slot in template.slots}
    violations = [
        FieldViolation(key, "this field is required")
        for key in (slot.key for slot in template.slots if not slot.optional)
        if not fields.get(key, "").strip()
    ]
    violations += [
        FieldViolation(key, "the template has no such field") for key in sorted(set(fields) - known)
    ]
    if violations:
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
    folder = files("licenses") / "templates"
    known = {entry.name: entry for entry in folder.iterdir() if entry.name.endswith(".toml")}
    entry = known.get(f"{name}.toml")
    if entry is None:
        raise NotFound(
            "no license template has this name",
            reason="TEMPLATE_NOT_FOUND",
            message_zh="没有这个名称的证照模板",
        )
    return parse(entry.read_text("utf-8"))


def parse(text: str) -> Template:
    """A template from TOML; InvalidArgument TEMPLATE_INVALID says which key is wrong."""
    try:
        return _template(tomllib.loads(text))
    except (tomllib.TOMLDecodeError, KeyError, TypeError, ValueError, IndexError) as error:
        raise InvalidArgument(
            f"the template is malformed: {error}",
            reason="TEMPLATE_INVALID",
            message_zh="证照模板格式有误",
        ) from error


def _template(data: Mapping[str, Any]) -> Template:
    colors = {name: _color(value) for name, value in data["colors"].items()}
    background: list[Shape] = []
    items: list[Item] = []
    for row in data.get("ornaments", ()):
        background.extend(_ornament(row, colors))
    for row in data.get("texts", ()):
        items.extend(fit(row["text"], _box(row["box"]), _style(row, colors, "value"), "text"))
    slots = []
    for row in data["fields"]:
        if not row.get("plain"):
            background.append(_value_line(_box(row["box"]), colors))
        font = "bold" if row.get("bold") else "regular"
        slots.append(
            Slot(
                key=row["key"],
                label=tuple(_label(row, colors)),
                box=_box(row["box"]),
                style=_style({"font": font, **row}, colors, "value"),
                optional=bool(row.get("optional", False)),
            )
        )
    width, height = (float(value) for value in data["page"])
    return Template(
        name=data["name"],
        title=data["title"],
        width=width,
        height=height,
        background=tuple(background),
        items=tuple(items),
        slots=tuple(slots),
        stamp=Stamp(page=int(data["stamp"]["page"]), box=_box(data["stamp"]["box"])),
        qr=_box(data["qr"]) if "qr" in data else None,
    )


def _label(row: Mapping[str, Any], colors: Mapping[str, Color]) -> list[Text]:
    size = float(row.get("label_size", 3.3))
    style = Style(size=size, color=colors["label"], align="spread")
    return fit(row["label"], _box(row["label_box"]), style, "label")


def _value_line(box: Box, colors: Mapping[str, Color]) -> Line:
    """The dotted line a value stands on."""
    x, y, width, height = box
    return Line(
        x1=x - 1.5,
        y1=y + height + 0.35,
        x2=x + width,
        y2=y + height + 0.35,
        color=colors["soft"],
        line_width=0.18,
        dash=(0.5, 0.5),
    )


def _style(row: Mapping[str, Any], colors: Mapping[str, Color], color: str) -> Style:
    return Style(
        size=float(row["size"]),
        smallest=float(row.get("smallest", 0.0)),
        font=row.get("font", "regular"),
        color=colors[row.get("color", color)],
        align=row.get("align", "left"),
        lines=int(row.get("lines", 1)),
        leading=float(row.get("leading", 1.2)),
        spacing=float(row.get("spacing", 0.0)),
    )


def _ornament(row: Mapping[str, Any], colors: Mapping[str, Color]) -> list[Shape]:
    """One ornament of the template as paths; `kind` says which."""
    kind = row["kind"]
    width = float(row.get("width", 0.2))
    if kind == "fill":
        x, y, w, h = _box(row["box"])
        fill = colors[row["color"]]
        return [Rect(x=x, y=y, width=w, height=h, stroke=None, fill=fill)]
    if kind == "rule":
        x, y, w, h = _box(row["box"])
        stroke = colors[row["color"]]
        return [Rect(x=x, y=y, width=w, height=h, stroke=stroke, line_width=width)]
    if kind == "line":
        (x1, y1), (x2, y2) = row["from"], row["to"]
        color = colors[row["color"]]
        return [Line(x1=x1, y1=y1, x2=x2, y2=y2, color=color, line_width=width)]
    if kind == "band":
        strands = ornament.band(_box(row["box"]), period=row["period"], height=row["height"])
        return [
            Path(data=data, stroke=colors[name], line_width=width)
            for data, name in zip(strands, row["colors"], strict=True)
        ]
    if kind == "loops":
        centre = (float(row["centre"][0]), float(row["centre"][1]))
        data = ornament.loops(centre, radius=row["radius"], lobes=row["lobes"], share=row["share"])
        return [Path(data=data, stroke=colors[row["color"]], line_width=width)]
    if kind == "rosettes":
        centre = (float(row["centre"][0]), float(row["centre"][1]))
        return [_rosettes(centre, row, colors, width)]
    if kind == "corners":
        x, y, w, h = _box(row["box"])
        found: list[Shape] = []
        for centre in ((x, y), (x + w, y), (x, y + h), (x + w, y + h)):
            around = ornament.rosette(centre, radius=row["radius"], petals=1, depth=0.0)
            back = colors[row["back"]]
            found.append(Path(data=around, stroke=None, fill=back))
            found.append(_rosettes(centre, row, colors, width))
        return found
    raise ValueError(f"ornaments: no kind {kind!r}")


def _rosettes(
    centre: tuple[float, float], row: Mapping[str, Any], colors: Mapping[str, Color], width: float
) -> Path:
    """`count` rosettes turned against each other, as one path."""
    count = int(row["count"])
    data = " ".join(
        ornament.rosette(
            centre,
            radius=row["radius"],
            petals=row["petals"],
            depth=row["depth"],
            turn=6.283185307 * i / count,
        )
        for i in range(count)
    )
    return Path(data=data, stroke=colors[row["color"]], line_width=width)


def _box(values: list[float]) -> Box:
    x, y, width, height = (float(value) for value in values)
    return x, y, width, height


def _color(text: str) -> Color:
    value = bytes.fromhex(text.removeprefix("#"))
    return value[0], value[1], value[2]
