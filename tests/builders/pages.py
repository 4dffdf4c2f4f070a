"""A synthetic license laid out, and a small page with one of everything."""

from __future__ import annotations

from datetime import UTC, datetime
from io import BytesIO

from PIL import Image as Pillow

from licenses.pages.model import Attachment, Document, Image, Line, Page, Path, Rect, Text
from licenses.pages.template import lay_out, load

CREATED = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
IDENTIFIER = "1.2.156.3005.2.11990100MB0000000P001.11990101MB00000193.202600000018.001.W"
FIELDS = {
    "holder_name": "林示例",
    "registration_number": "9901012026000018",
    "holder_number": "990101199003070015",
    "registration_type": "失业登记",
    "validity": "2026年11月21日至2031年11月20日",
    "issuing_authority": "示范县人力资源和社会保障局",
    "issue_date": "2026年11月21日",
    "license_identifier": IDENTIFIER,
}
METADATA = {"ZZMC": "就业创业登记证", "ZZBS": IDENTIFIER, "CZZT": "林示例 <&\"'>"}

HOLED = "M 1 1 L 9 1 L 9 9 C M 3 3 L 6 3 L 6 6 C"


def registration(**changes: str) -> Document:
    """An employment registration certificate with some fields changed."""
    return lay_out(
        load("employment-registration"),
        {**FIELDS, **changes},
        created=CREATED,
        author="示范县人力资源和社会保障局",
        metadata=METADATA,
    )


def picture(mode: str = "RGBA", kind: str = "PNG") -> bytes:
    """A small picture, half of it transparent where the mode allows."""
    image = Pillow.new("RGBA", (8, 4), (200, 0, 0, 255))
    image.paste((0, 0, 0, 0), (0, 0, 4, 4))
    target = BytesIO()
    image.convert(mode).save(target, kind)
    return target.getvalue()


def everything() -> Document:
    """Two pages with every kind of item, transforms, both faces and attachments."""
    turned = (0.0, 1.0, -1.0, 0.0, 60.0, 10.0)
    first = Page(
        width=100,
        height=80,
        background=(Rect(x=1, y=1, width=98, height=78), Line(x1=5, y1=70, x2=95, y2=70)),
        items=(
            Text(x=10, y=20, text="示范 Ab1·", size=5),
            Text(x=10, y=30, text="姓名", size=4, font="bold", color=(150, 0, 0), advances=(12.5,)),
            Text(x=0, y=0, text="转向", size=4, transform=turned),
            Image(x=70, y=10, width=20, height=10, data=picture(), clip=(70, 10, 10, 10)),
            Image(x=0, y=0, width=20, height=10, data=picture("RGB", "JPEG"), transform=turned),
            Path(data="M 10 50 Q 20 40 30 50 B 35 55 40 55 45 50 C", fill=(200, 220, 255)),
            Path(data="M 60 60 A 5 5 0 0 1 70 60", transform=(2, 0, 0, 1, -60, 0), dash=(1, 0.5)),
            Path(
                data=HOLED,
                stroke=None,
                fill=(9, 9, 9),
                even_odd=True,
            ),
        ),
    )
    second = Page(width=50, height=40, items=(Text(x=5, y=10, text='第二页 <&>"', size=3),))
    return Document(
        pages=(first, second),
        title="样例 <&>",
        author="示范县",
        created=CREATED,
        metadata=METADATA,
        attachments=(
            Attachment(name="说明.txt", media_type="text/plain", data=b"hello"),
            Attachment(name="b.json", media_type="application/json", data=b"{}"),
        ),
    )
