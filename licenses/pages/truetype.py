"""A TrueType file assembled from ready glyphs.

Only what readers of OFD and PDF ask for is written: cmap (format 4, and 12 where a character is
beyond the basic plane), glyf, head, hhea, hmtx, loca, maxp, name, OS/2 and post. No dates: the same
glyphs give the same bytes.
Source: OpenType 1.9, the table chapters.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from struct import pack, unpack

# A quarter as fine as the fonts' own grid: two thousandths of an em either way, which is 0.01 mm in
# the letters of a license, a tenth of what 300 dots an inch show; a fifth of the file is saved.
UNITS_PER_EM = 250
#: Thousandths of an em in a unit.
STEP = 1000 // UNITS_PER_EM
# 1904 to 2020-01-01 in seconds: `head` must hold some date.
_FIXED_DATE = 3_660_681_600


@dataclass(frozen=True, slots=True, kw_only=True)
class Glyph:
    """A compiled simple glyph: `glyf` bytes, advance, bounds, sizes for `maxp`.

    `advance` is in thousandths of an em, a multiple of STEP; `bounds` in units of the file.
    """

    advance: int
    data: bytes
    bounds: tuple[int, int, int, int]
    points: int
    contours: int


def build(
    glyphs: Sequence[Glyph],
    code_points: Mapping[int, int],
    *,
    name: str,
    family: str,
    bold: bool,
    ascent: int,
    descent: int,
) -> bytes:
    """Assemble a font of UNITS_PER_EM; `ascent` and `descent` are in thousandths of an em.

    `glyphs[0]` is .notdef; `code_points`: the number of each code point's glyph.
    """
    ascent, descent = ascent // STEP, -(-descent // STEP)
    offsets, body = [0], bytearray()
    for glyph in glyphs:
        body += glyph.data + bytes(-len(glyph.data) % 2)
        offsets.append(len(body))
    # Short offsets count words; they reach 128 KiB.
    short = offsets[-1] <= 2 * 0xFFFF
    drawn = [glyph.bounds for glyph in glyphs if glyph.points] or [(0, 0, 0, 0)]
    box = (
        min(b[0] for b in drawn),
        min(b[1] for b in drawn),
        max(b[2] for b in drawn),
        max(b[3] for b in drawn),
    )
    tables = {
        b"OS/2": _os2(code_points, bold, ascent, descent),
        b"cmap": _cmap(code_points),
        b"glyf": bytes(body) or b"\0",
        b"head": _head(box, bold, long=not short),
        b"hhea": _hhea(glyphs, box, ascent, descent),
        b"hmtx": b"".join(pack(">Hh", glyph.advance // STEP, glyph.bounds[0]) for glyph in glyphs),
        b"loca": pack(f">{len(offsets)}H", *(at // 2 for at in offsets))
        if short
        else pack(f">{len(offsets)}I", *offsets),
        b"maxp": _maxp(glyphs),
        b"name": _names(name, family, bold),
        b"post": pack(">IiHhIIIII", 0x00030000, 0, 0xFFCE, 25, 0, 0, 0, 0, 0),
    }
    return _assemble(tables)


def _checksum(data: bytes) -> int:
    """Sum of the big-endian words, modulo 2^32."""
    data += bytes(-len(data) % 4)
    words: tuple[int, ...] = unpack(f">{len(data) // 4}I", data)
    return sum(words) & 0xFFFFFFFF


def _assemble(tables: dict[bytes, bytes]) -> bytes:
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    header = pack(
        ">IHHHH", 0x00010000, count, 16 * power, power.bit_length() - 1, 16 * (count - power)
    )
    at = 12 + 16 * count
    directory, bodies = bytearray(), bytearray()
    head_at = 0
    for tag, data in sorted(tables.items()):
        if tag == b"head":
            head_at = at
        directory += pack(">4sIII", tag, _checksum(data), at, len(data))
        padded = data + bytes(-len(data) % 4)
        bodies += padded
        at += len(padded)
    font = bytearray(header + directory + bodies)
    font[head_at + 8 : head_at + 12] = pack(">I", (0xB1B0AFBA - _checksum(bytes(font))) % (1 << 32))
    return bytes(font)


def _head(box: tuple[int, int, int, int], bold: bool, *, long: bool) -> bytes:
    return pack(
        ">IIIIHHqqhhhhHHhhh",
        *(0x00010000, 0x00010000, 0, 0x5F0F3CF5, 0x0003, UNITS_PER_EM, _FIXED_DATE, _FIXED_DATE),
        *box,
        *(1 if bold else 0, 8, 2, 1 if long else 0, 0),
    )


def _hhea(
    glyphs: Sequence[Glyph], box: tuple[int, int, int, int], ascent: int, descent: int
) -> bytes:
    widest = max(glyph.advance // STEP for glyph in glyphs)
    right = min(glyph.advance // STEP - glyph.bounds[2] for glyph in glyphs)
    return pack(
        ">IhhhHhhhhhhhhhhhH",
        *(0x00010000, ascent, descent, 0, widest, box[0], right, box[2], 1, 0, 0),
        *(0, 0, 0, 0, 0, len(glyphs)),
    )


def _maxp(glyphs: Sequence[Glyph]) -> bytes:
    points = max(glyph.points for glyph in glyphs)
    contours = max(glyph.contours for glyph in glyphs)
    return pack(
        ">IHHHHHHHHHHHHHH", 0x00010000, len(glyphs), points, contours, *(0, 0, 2), *([0] * 8)
    )


def _os2(code_points: Iterable[int], bold: bool, ascent: int, descent: int) -> bytes:
    points = list(code_points)
    first, last = min(points, default=0), max(points, default=0)
    return pack(
        ">HhHHH10hh10sIIII4sHHHhhhHHIIhhHHH",
        *(4, UNITS_PER_EM, 700 if bold else 400, 5, 0),
        *(325, 300, 0, 38, 325, 300, 0, 175, 25, 162),
        *(0, b"\x02\x0b\x08\x00\0\0\0\0\0\0" if bold else b"\x02\x0b\x05\x00\0\0\0\0\0\0"),
        # Unicode ranges: Basic Latin, CJK symbols and ideographs; code page: Chinese.
        *(0x00000001, 0x2A010000, 0, 0, b"GOOG", 0x0020 if bold else 0x0040),
        *(min(first, 0xFFFF), min(last, 0xFFFF), 440, -60, 0, ascent, -descent),
        *(0x00040001, 0, 272, 366, 0, 0x20, 1),
    )


def _cmap(code_points: Mapping[int, int]) -> bytes:
    """Format 4 for the basic plane, which every reader knows; format 12 where there is more."""
    runs: list[tuple[int, int, int]] = []
    for point, glyph in sorted(code_points.items()):
        if runs and point - runs[-1][1] == 1 and glyph - runs[-1][2] == point - runs[-1][0]:
            runs[-1] = (runs[-1][0], point, runs[-1][2])
        else:
            runs.append((point, point, glyph))
    basic = [run for run in runs if run[1] < 0xFFFF] + [(0xFFFF, 0xFFFF, 0)]
    count = len(basic)
    power = 1 << (count.bit_length() - 1)
    deltas = [(glyph - first) & 0xFFFF for first, _, glyph in basic[:-1]] + [1]
    four = pack(
        f">HHHHHHH{count}HH{count}H{count}H{count}H",
        *(4, 16 + 8 * count, 0, 2 * count, 2 * power, power.bit_length() - 1, 2 * (count - power)),
        *(last for _, last, _ in basic),
        0,
        *(first for first, _, _ in basic),
        *deltas,
        *([0] * count),
    )
    if runs and runs[-1][1] < 0xFFFF:
        return pack(">HHHHI", 0, 1, 3, 1, 4 + 8) + four
    twelve = pack(">HHIII", 12, 0, 16 + 12 * len(runs), 0, len(runs))
    twelve += b"".join(pack(">III", *run) for run in runs)
    start = 4 + 8 * 2
    return pack(">HHHHIHHI", 0, 2, 3, 1, start, 3, 10, start + len(four)) + four + twelve


def _names(name: str, family: str, bold: bool) -> bytes:
    style = "Bold" if bold else "Regular"
    texts = {
        1: family,
        2: style,
        3: name,
        4: f"{family} {style}",
        5: "Version 1.000",
        6: name.replace("+", "-"),
        13: "SIL Open Font License 1.1",
    }
    records, body = bytearray(), bytearray()
    for identifier, text in texts.items():
        encoded = text.encode("utf-16-be")
        records += pack(">HHHHHH", 3, 1, 0x0409, identifier, len(encoded), len(body))
        body += encoded
    return pack(">HHH", 0, len(texts), 6 + len(records)) + bytes(records + body)
