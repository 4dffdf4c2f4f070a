"""Drawing objects of OFD as the model's items.

Every object's own coordinates are shifted by its Boundary after its CTM (GB/T 33190 §8.5). Text
becomes one item a TextCode; colours with alpha are mixed with white paper.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from licenses.pages.model import BLACK, IDENTITY, Box, Color, Image, Item, Matrix, Path, Text
from licenses.pages.package import (
    Element,
    Package,
    child,
    children,
    content,
    local,
    numbers,
    resolve,
    unreadable,
    unsupported,
)
from licenses.pages.strokes import apply, bounds, compose, rectangle

MAX_DEPTH = 16
MAX_ITEMS = 50_000
# GB/T 33190 §8.2: the line width of who says none.
_LINE_WIDTH = 0.353
_LAYERS = {"Background": 0, "Body": 1, "Foreground": 2}


@dataclass(slots=True)
class Resources:
    """What objects refer to by ID: fonts, pictures, drawing parameters."""

    package: Package
    base: str
    fonts: dict[str, str] = field(default_factory=dict)
    font_files: dict[str, bytes] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    parameters: dict[str, Element] = field(default_factory=dict)

    def load(self, location: str) -> None:
        """Read a resource file; IDs are unique in a document, so it only adds."""
        path = resolve(self.base, location)
        root = self.package.xml(path)
        folder = resolve(path, root.get("BaseLoc", ".") or ".") + "/-"
        for group in children(root):
            for element in children(group):
                self._add(local(element), element, folder)

    def _add(self, kind: str, element: Element, folder: str) -> None:
        identifier = element.get("ID", "")
        if kind == "Font":
            file = content(element, "FontFile")
            if file:
                name = f"font{identifier}"
                self.font_files[name] = self.package.read(resolve(folder, file))
                self.fonts[identifier] = name
            else:
                self.fonts[identifier] = "bold" if element.get("Bold") == "true" else "regular"
        elif kind == "MultiMedia":
            self.images[identifier] = resolve(folder, content(element, "MediaFile"))
        elif kind == "DrawParam":
            self.parameters[identifier] = element

    def extended(self, base: str, locations: Sequence[str]) -> Resources:
        """These resources and those of one page; font files are kept with the document's."""
        if not locations:
            return self
        own = Resources(
            package=self.package,
            base=base,
            fonts=dict(self.fonts),
            font_files=self.font_files,
            images=dict(self.images),
            parameters=dict(self.parameters),
        )
        for location in locations:
            own.load(location)
        return own


class ObjectReader:
    """Reads the objects of one page."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._count = 0

    def items(self, contents: Element | None) -> list[Item]:
        """Items of a Content element, layers from back to front."""
        layers = sorted(
            children(contents, "Layer"), key=lambda layer: _LAYERS.get(layer.get("Type", ""), 1)
        )
        return [item for layer in layers for item in self._block(layer, [layer], 0)]

    def _block(self, block: Element, outer: list[Element], depth: int) -> Iterator[Item]:
        if depth > MAX_DEPTH:
            raise unreadable("objects are nested too deeply")
        for element in children(block):
            self._count += 1
            if self._count > MAX_ITEMS:
                raise unreadable("a page has too many objects")
            if element.get("Visible") == "false":
                continue
            kind = local(element)
            if kind == "PageBlock":
                yield from self._block(element, [element, *outer], depth + 1)
            elif kind == "TextObject":
                yield from self._text(element, outer)
            elif kind == "PathObject":
                yield from self._path(element, outer)
            elif kind == "ImageObject":
                yield self._image(element)
            else:
                raise unsupported("composite or unknown objects")

    def _setting(self, element: Element, outer: list[Element], name: str) -> Element | str | None:
        """A colour element or an attribute: the object's own, else by its drawing parameters."""
        own = child(element, name)
        if own is not None:
            return own
        if element.get(name) is not None:
            return element.get(name)
        for holder in (element, *outer):
            reference = holder.get("DrawParam")
            for _ in range(MAX_DEPTH):
                if not reference:
                    break
                parameter = self._resources.parameters.get(reference)
                if parameter is None:
                    raise unreadable("drawing parameters are absent")
                own = child(parameter, name)
                if own is not None:
                    return own
                if parameter.get(name) is not None:
                    return parameter.get(name)
                reference = parameter.get("Relative")
        return None

    def _color(self, element: Element, outer: list[Element], name: str) -> Color | None:
        found = self._setting(element, outer, name)
        if found is None or isinstance(found, str):
            return None
        return _color_of(found, _alpha(element.get("Alpha")))

    def _text(self, element: Element, outer: list[Element]) -> Iterator[Text]:
        for name in ("ReadDirection", "CharDirection"):
            if element.get(name, "0") != "0":
                raise unsupported("turned text")
        if element.get("HScale", "1") not in ("1", "1.0"):
            raise unsupported("stretched text")
        font = self._resources.fonts.get(element.get("Font", ""))
        if font is None:
            raise unreadable("a text's font is absent")
        (size,) = numbers(element.get("Size"), 1)
        if element.get("Fill") == "false" and element.get("Stroke") != "true":
            return
        color = self._color(element, outer, "FillColor") or BLACK
        frame = _frame(element)
        _no_clip(element)
        # Glyph numbers of a font that is not here mean nothing: the characters then say it.
        glyphs = _glyphs(element) if font in self._resources.font_files else ()
        x = y = 0.0
        used = 0
        for code in children(element, "TextCode"):
            x = numbers(code.get("X"), 1)[0] if code.get("X") else x
            y = numbers(code.get("Y"), 1)[0] if code.get("Y") else y
            characters = code.text or ""
            own = glyphs[used : used + len(characters)] if glyphs else ()
            used += len(characters)
            if not characters or size <= 0:
                continue
            steps = _deltas(code.get("DeltaX"), len(characters) - 1)
            falls = _deltas(code.get("DeltaY"), len(characters) - 1)
            whole = Text(
                x=x,
                y=y,
                text=characters,
                size=size,
                font=font,
                color=color,
                advances=steps,
                glyphs=own,
                transform=frame,
            )
            yield from _placed(whole, falls)

    def _path(self, element: Element, outer: list[Element]) -> Iterator[Path]:
        stroked = element.get("Stroke", "true") != "false"
        filled = element.get("Fill", "false") == "true"
        _no_clip(element)
        data = content(element, "AbbreviatedData")
        if not (stroked or filled) or not data:
            return
        width = self._setting(element, outer, "LineWidth")
        dash = self._setting(element, outer, "DashPattern")
        stroke = self._color(element, outer, "StrokeColor") or BLACK
        fill = self._color(element, outer, "FillColor") or BLACK
        bounds(data)  # refuses malformed data here rather than while drawing
        yield Path(
            data=data,
            stroke=stroke if stroked else None,
            fill=fill if filled else None,
            line_width=numbers(width, 1)[0] if isinstance(width, str) else _LINE_WIDTH,
            dash=numbers(dash) if isinstance(dash, str) else (),
            even_odd=element.get("Rule") == "Even-Odd",
            transform=_frame(element),
        )

    def _image(self, element: Element) -> Image:
        path = self._resources.images.get(element.get("ResourceID", ""))
        if path is None:
            raise unreadable("a picture is absent")
        data = self._resources.package.read(path)
        a, b, c, d, e, f = frame = _frame(element)
        if b or c or a <= 0 or d <= 0:
            _no_clip(element)
            return Image(x=0.0, y=0.0, width=1.0, height=1.0, data=data, transform=frame)
        return Image(x=e, y=f, width=a, height=d, data=data, clip=_clip(element))


def _frame(element: Element) -> Matrix:
    """An object's coordinates to the page's: CTM, then the Boundary's corner."""
    x, y, _, _ = numbers(element.get("Boundary"), 4)
    shift: Matrix = (1.0, 0.0, 0.0, 1.0, x, y)
    if not element.get("CTM"):
        return shift
    a, b, c, d, e, f = numbers(element.get("CTM"), 6)
    return compose(shift, (a, b, c, d, e, f))


def _placed(whole: Text, falls: tuple[float, ...]) -> Iterator[Text]:
    """A text on its frame; one item a character where DeltaY moves the baseline."""
    if any(falls):
        x, y = whole.x, whole.y
        steps = whole.advances or (0.0,) * (len(whole.text) - 1)
        for i, character in enumerate(whole.text):
            glyphs = whole.glyphs[i : i + 1]
            yield from _placed(
                Text(
                    x=x,
                    y=y,
                    text=character,
                    size=whole.size,
                    font=whole.font,
                    color=whole.color,
                    glyphs=glyphs,
                    transform=whole.transform,
                ),
                (),
            )
            if i < len(falls):
                x, y = x + steps[i], y + falls[i]
        return
    moved = whole.transform
    if moved[:4] == IDENTITY[:4]:
        x, y = apply(moved, whole.x, whole.y)
        moved = IDENTITY
    else:
        x, y = whole.x, whole.y
    yield Text(
        x=x,
        y=y,
        text=whole.text,
        size=whole.size,
        font=whole.font,
        color=whole.color,
        advances=whole.advances,
        glyphs=whole.glyphs,
        transform=moved,
    )


def _deltas(text: str | None, count: int) -> tuple[float, ...]:
    """DeltaX or DeltaY with runs (`g count step`) unfolded, exactly `count` long.

    Too few: the last one holds on. None at all: empty, which means the font's own advances.
    """
    words = (text or "").split()
    found: list[float] = []
    at = 0
    while at < len(words) and len(found) < count:
        if words[at] != "g":
            found.extend(numbers(words[at], 1))
            at += 1
            continue
        run, step = numbers(" ".join(words[at + 1 : at + 3]), 2)
        found.extend([step] * min(int(max(run, 0)), count - len(found)))
        at += 3
    if not found:
        return ()
    return tuple(found + [found[-1]] * (count - len(found)))


def _glyphs(element: Element) -> tuple[int, ...]:
    """Glyph numbers of CGTransforms that cover the whole text one to one; empty without any."""
    transforms = list(children(element, "CGTransform"))
    if not transforms:
        return ()
    length = sum(len(code.text or "") for code in children(element, "TextCode"))
    found: dict[int, int] = {}
    for transform in transforms:
        own = [int(value) for value in numbers(content(transform, "Glyphs"))]
        if any(not 0 <= glyph <= 0xFFFF for glyph in own):
            raise unreadable("a glyph number is out of range")
        start = int(numbers(transform.get("CodePosition"), 1)[0])
        if int(numbers(transform.get("CodeCount", "1"), 1)[0]) != len(own):
            raise unsupported("ligatures")
        found.update((start + i, glyph) for i, glyph in enumerate(own))
    if sorted(found) != list(range(length)):
        raise unsupported("glyph numbers for a part of a text")
    return tuple(found[i] for i in range(length))


def _alpha(text: str | None) -> float:
    return min(max(numbers(text, 1)[0], 0.0), 255.0) / 255 if text else 1.0


def _color_of(element: Element, alpha: float) -> Color:
    """RGB of a colour element (RGB, gray or CMYK values; `#` marks hexadecimal)."""
    if any(True for _ in children(element)):
        raise unsupported("patterns or shadings")
    words = (element.get("Value") or "0 0 0").split()
    try:
        v = [int(word[1:], 16) if word.startswith("#") else int(float(word)) for word in words]
    except ValueError:
        raise unreadable("a colour is malformed") from None
    if any(not 0 <= value <= 255 for value in v) or len(v) not in (1, 3, 4):
        raise unreadable("a colour is malformed")
    if len(v) == 4:
        v = [round((255 - value) * (255 - v[3]) / 255) for value in v[:3]]
    elif len(v) == 1:
        v = v * 3
    alpha *= _alpha(element.get("Alpha"))
    mixed = [round(255 - (255 - value) * alpha) for value in v]
    return mixed[0], mixed[1], mixed[2]


def _no_clip(element: Element) -> None:
    if child(element, "Clips") is not None:
        raise unsupported("clips")


def _clip(element: Element) -> Box | None:
    """A picture's clip, where it is one rectangle of which the boundary says everything."""
    clips = child(element, "Clips")
    if clips is None:
        return None
    paths = [
        path
        for clip in children(clips, "Clip")
        for area in children(clip, "Area")
        for path in children(area)
    ]
    if len(paths) != 1 or clips.get("TransFlag") != "false":
        raise unsupported("clips")
    x, y, width, height = numbers(paths[0].get("Boundary"), 4)
    if content(paths[0], "AbbreviatedData") != rectangle(0, 0, width, height):
        raise unsupported("clips")
    left, top, _, _ = numbers(element.get("Boundary"), 4)
    return left + x, top + y, width, height
