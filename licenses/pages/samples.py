"""What previews show where a citizen's data would stand: a drawn portrait that is nobody's."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from io import BytesIO

from PIL import Image, ImageDraw

from licenses.pages.sheets import Template, Value

#: Words in [sample] of a template for a picture: one person, or two side by side.
PORTRAIT, COUPLE = "portrait", "couple"
_BACK = {PORTRAIT: (236, 241, 247), COUPLE: (190, 48, 44)}
_SIZES = {PORTRAIT: (300, 400), COUPLE: (440, 300)}


def sample_values(template: Template) -> dict[str, Value]:
    """The template's sample, its pictures drawn; a key without a sample gets its own name."""
    frames = {frame.key for sheet in template.sheets for frame in sheet.frames}
    grids = {grid.key for sheet in template.sheets for grid in sheet.grids}
    given: Mapping[str, Value] = template.sample
    found: dict[str, Value] = {}
    for key in sorted(template.keys):
        value = given.get(key)
        if key in frames:
            word = value if isinstance(value, str) and value in _SIZES else PORTRAIT
            found[key] = picture(word)
        elif value is not None:
            found[key] = value
        else:
            found[key] = ((key,),) if key in grids else key
    return found


@lru_cache(maxsize=4)
def picture(word: str) -> bytes:
    """A JPEG of about 8 KB, the same bytes every time."""
    width, height = _SIZES[word]
    image = Image.new("RGB", (width * 2, height * 2), _BACK[word])
    draw = ImageDraw.Draw(image)
    if word == COUPLE:
        _person(draw, (width * 0.68, height * 2), 260, (246, 246, 244), (52, 44, 40))
        _person(draw, (width * 1.32, height * 2), 250, (250, 250, 248), (36, 30, 28), long=True)
    else:
        _person(draw, (width, height * 2), 380, (64, 74, 92), (44, 38, 36))
    target = BytesIO()
    image.resize((width, height), Image.Resampling.LANCZOS).save(
        target, "JPEG", quality=82, optimize=True
    )
    return target.getvalue()


def _person(
    draw: ImageDraw.ImageDraw,
    foot: tuple[float, float],
    size: float,
    cloth: tuple[int, int, int],
    hair: tuple[int, int, int],
    *,
    long: bool = False,
) -> None:
    """A bust without a face; `foot` is the middle of its lower edge, `size` a shoulder's width."""
    x, bottom = foot
    skin = (232, 203, 182)
    head = size * 0.27
    middle = bottom - size * 1.02
    if long:
        box = (x - head * 1.2, middle - head * 1.42, x + head * 1.2, middle + head * 2.1)
        draw.rounded_rectangle(box, head * 1.1, fill=hair)
    shoulders = (x - size * 0.62, bottom - size * 0.52, x + size * 0.62, bottom + size * 0.6)
    draw.rounded_rectangle(shoulders, size * 0.34, fill=cloth)
    neck = (x - head * 0.46, middle + head * 0.5, x + head * 0.46, bottom - size * 0.36)
    draw.rounded_rectangle(neck, head * 0.3, fill=tuple(int(c * 0.94) for c in skin))
    collar = [(x - head * 0.62, bottom - size * 0.53), (x + head * 0.62, bottom - size * 0.53)]
    draw.polygon([*collar, (x, bottom - size * 0.24)], fill=(250, 250, 250))
    draw.ellipse((x - head, middle - head * 1.3, x + head, middle + head * 1.2), fill=skin)
    top = (x - head * 1.08, middle - head * 1.5, x + head * 1.08, middle + head * 0.5)
    draw.pieslice(top, 180, 360, fill=hair)
