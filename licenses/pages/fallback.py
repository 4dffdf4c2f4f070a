"""Fallback fonts: who draws a character that the face of a text does not have.

Invariants:

- The order is fixed: the face itself, Noto Sans CJK SC (which has 2,300 ideographs beyond the
  basic plane), the operator's folder by file name, then the fonts in `licenses/fonts`: Tibetan,
  Mongolian, Arabic script (Uyghur, Kazakh, Kyrgyz), Yi, Tai Le, New Tai Lue, Lisu, Latin Extended;
  last, where the machine has it, Hanazono Mincho: nearly every ideograph of extensions A to F.
- A character none of them has is refused by its code point (GLYPH_MISSING); nothing is left out.
- Files are opened when a character is first looked for in them; a shipped one only for characters
  of its script.

Ideographs of GB 18030-2022 that Noto Sans CJK SC lacks (most of extensions B to F) are drawn by
Debian's `fonts-hanazono` (SIL OFL 1.1) as soon as it is installed, and by no Python package: none
is published with them.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import as_file, files
from pathlib import Path

from licenses.pages.large_truetype import LargeTrueType
from licenses.pages.sources import FileFont, Source, sans
from runtime.errors import InvalidArgument

MAX_FILES = 64
_SUFFIXES = (".ttf", ".otf", ".ttc", ".woff")
SANS = "regular"


@dataclass(frozen=True, slots=True)
class _Shipped:
    """A font file of ours and the code points it is asked for."""

    file: str
    ranges: tuple[tuple[int, int], ...]


_SHIPPED = {
    "tibetan": _Shipped("NotoSerifTibetan-Regular.woff", ((0x0F00, 0x0FFF),)),
    "mongolian": _Shipped("NotoSansMongolian-Regular.woff", ((0x1800, 0x18AF),)),
    "arabic": _Shipped(
        "NotoNaskhArabic-Regular.woff",
        ((0x0600, 0x06FF), (0x0750, 0x077F), (0x08A0, 0x08FF), (0xFB50, 0xFDFF), (0xFE70, 0xFEFE)),
    ),
    "yi": _Shipped("NotoSansYi-Regular.woff", ((0xA000, 0xA4CF),)),
    "tai-le": _Shipped("NotoSansTaiLe-Regular.woff", ((0x1950, 0x197F),)),
    "new-tai-lue": _Shipped("NotoSansNewTaiLue-Regular.woff", ((0x1980, 0x19DF),)),
    "lisu": _Shipped("NotoSansLisu-Regular.woff", ((0xA4D0, 0xA4FF),)),
    "latin-ext": _Shipped("NotoSans-LatinExt.woff", ((0x0100, 0x02FF), (0x1E00, 0x1EFF))),
}
#: Where a system's package puts the ideographs of extensions A to F: 54 MB, read in place.
SYSTEM = Path("/usr/share/fonts/truetype/hanazono")
_HANAZONO = {"hanazono-a": "HanaMinA.ttf", "hanazono-b": "HanaMinB.ttf"}
#: The blocks of ideographs that GB 18030-2022 asks for, level by level, and one more.
IDEOGRAPHS = {
    "CJK": (0x4E00, 0x9FFF),
    "A": (0x3400, 0x4DBF),
    "B": (0x20000, 0x2A6DF),
    "C": (0x2A700, 0x2B739),
    "D": (0x2B740, 0x2B81D),
    "E": (0x2B820, 0x2CEA1),
    "F": (0x2CEB0, 0x2EBE0),
    "G": (0x30000, 0x3134A),
}
_lock = threading.Lock()
_folder: dict[str, Path] = {}
_generation = 0
#: An operator's folder, and where Hanazono is.
Fonts = tuple[Path | None, Path]
_in_use: Fonts = (None, SYSTEM)


def use_folder(folder: Path | None, system: Path = SYSTEM) -> tuple[str, ...]:
    """Take the fonts of an operator's folder before the shipped ones; None takes none.

    `system`: where Hanazono is, if it is. Returns the names of the folder's files. Raises
    InvalidArgument: FONT_FOLDER_INVALID, FONT_UNREADABLE, FONT_TOO_LARGE.
    """
    found: list[Path] = []
    if folder is not None:
        if not folder.is_dir():
            raise InvalidArgument(
                f"{folder} is no folder: name one that holds .ttf, .otf, .ttc or .woff files",
                reason="FONT_FOLDER_INVALID",
                message_zh=f"{folder} 不是文件夹：请指定存放字体文件的文件夹",
            )
        found = sorted(p for p in folder.iterdir() if p.suffix.lower() in _SUFFIXES)
        if len(found) > MAX_FILES:
            raise InvalidArgument(
                f"{folder} holds more than {MAX_FILES} fonts: leave only those that are needed",
                reason="FONT_FOLDER_INVALID",
                message_zh=f"{folder} 中的字体超过 {MAX_FILES} 个：请只保留需要的",
            )
    opened = {f"extra-{i}": path for i, path in enumerate(found, start=1)}
    global _generation, _in_use  # fonts are the process's, as its settings are
    with _lock:
        _generation += 1
        _in_use = (folder, system)
        _folder.clear()
        _folder.update(opened)
        _system.clear()
        _system.update(_installed(system))
        _source.cache_clear()
        find.cache_clear()
    for name in (*opened, *_system):
        source(name)  # a file that cannot be read is told now, and not to a citizen
    return tuple(path.name for path in found)


def in_use() -> Fonts:
    """The folders whose fonts are taken."""
    return _in_use


def use(fonts: Fonts) -> None:
    """Take the fonts of these folders, if they are not taken already. Raises as `use_folder`."""
    if fonts != _in_use:
        use_folder(*fonts)


def _installed(folder: Path) -> dict[str, Path]:
    return {name: folder / file for name, file in _HANAZONO.items() if (folder / file).is_file()}


_system: dict[str, Path] = _installed(SYSTEM)


def coverage() -> dict[str, tuple[int, int]]:
    """How many ideographs of each block there are, and how many of them are drawn."""
    return {
        block: (last - first + 1, sum(find(point) is not None for point in range(first, last + 1)))
        for block, (first, last) in IDEOGRAPHS.items()
    }


def generation() -> int:
    """A number that changes with the fonts, for who remembers which font has a character."""
    return _generation


def names() -> tuple[str, ...]:
    """The fallback faces in the order they are asked."""
    return (SANS, *_folder, *_SHIPPED, *_system)


def source(name: str) -> Source | None:
    """The font of a fallback face, or None where there is none of this name."""
    return _source(name)


@lru_cache(maxsize=MAX_FILES + 16)
def _source(name: str) -> Source | None:
    if name == SANS:
        return sans()
    if name in _folder:
        return FileFont(_folder[name])
    if name in _system:
        return LargeTrueType(_system[name], "Hanazono Mincho")
    if name in _SHIPPED:
        with as_file(files("licenses") / "fonts" / _SHIPPED[name].file) as path:
            return FileFont(path)
    return None


@lru_cache(maxsize=65_536)
def find(code_point: int) -> str | None:
    """The first fallback face that has a character."""
    for name in names():
        shipped = _SHIPPED.get(name)
        if shipped and not any(low <= code_point <= high for low, high in shipped.ranges):
            continue
        found = source(name)
        if found is not None and found.glyph(code_point) is not None:
            return name
    return None
