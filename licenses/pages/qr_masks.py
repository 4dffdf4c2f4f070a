"""The data mask of a QR code (ISO/IEC 18004:2015 §7.8), chosen by arithmetic on whole matrices.

A matrix is one integer, a bit a module: each of the eight masks is then judged by some fifty
operations, where segno looks at every module eight times over and takes ten times as long as the
rest of a license's page. The mask chosen is segno's own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import segno
from segno import consts

_MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda i, j: (i + j) % 2 == 0,
    lambda i, _j: i % 2 == 0,
    lambda _i, j: j % 3 == 0,
    lambda i, j: (i + j) % 3 == 0,
    lambda i, j: (i // 2 + j // 3) % 2 == 0,
    lambda i, j: i * j % 2 + i * j % 3 == 0,
    lambda i, j: (i * j % 2 + i * j % 3) % 2 == 0,
    lambda i, j: ((i + j) % 2 + i * j % 3) % 2 == 0,
)
_DATA = frozenset({consts.TYPE_DATA_DARK, consts.TYPE_DATA_LIGHT})
# Judged as if they were light: they are written after a mask is chosen.
_LATER = frozenset(
    {
        *(consts.TYPE_FORMAT_DARK, consts.TYPE_FORMAT_LIGHT),
        *(consts.TYPE_VERSION_DARK, consts.TYPE_VERSION_LIGHT),
        consts.TYPE_DARKMODULE,
    }
)
_ORDER = "big"  # the first module of a line is the highest bit


@dataclass(frozen=True, slots=True, kw_only=True)
class _Size:
    """What is the same in all codes of a size. Lines are `stride` bits apart, blanks between.

    `keeps`: what is judged; `masks`: a mask's modules, by rows and by columns.
    """

    size: int
    stride: int
    inside: int
    keeps: tuple[int, int]
    masks: tuple[tuple[int, int], ...]


def masked(code: Any) -> tuple[int, tuple[bytes, ...]]:
    """The mask with the lowest penalty, and the matrix with it, of a code made with mask 0."""
    matrix = code.matrix
    known = _of_size(len(matrix), code.version)
    size, stride = known.size, known.stride
    first_rows, first_columns = known.masks[0]
    plain = (_packed(matrix, stride) & known.keeps[0]) ^ first_rows
    turned = list(zip(*matrix, strict=True))
    across = (_packed(turned, stride) & known.keeps[1]) ^ first_columns
    scores = [_penalty(plain ^ rows, across ^ columns, known) for rows, columns in known.masks]
    mask = scores.index(min(scores))
    rows = plain ^ known.masks[mask][0] | _format(code.version, code.error, mask)
    modules = f"{rows:0{size * stride}b}".encode().translate(_MODULES)
    return mask, tuple(modules[at : at + size] for at in range(0, size * stride, stride))


def _packed(lines: Sequence[Sequence[int]], stride: int) -> int:
    """Lines as one integer: the bits of each, then blanks up to `stride`."""
    blank = bytes(stride - len(lines))
    digits = b"".join(bytes(line) + blank for line in lines)
    return int(digits.translate(_DIGITS), 2)


_DIGITS = bytes((48, 49)) + bytes([48]) * 254
_MODULES = bytes(byte == 49 for byte in range(256))


@lru_cache(maxsize=256)
def _format(version: int, error: str, mask: int) -> int:
    """What says the error correction and the mask, and the version, by rows."""
    sample = segno.make_qr("0", version=version, mask=mask, error=error, boost_error=False)
    known = _of_size(len(sample.matrix), version)
    return _packed(sample.matrix, known.stride) & ~known.keeps[0]


@lru_cache(maxsize=40)
def _of_size(size: int, version: int) -> _Size:
    """See _Size; by the kinds of the modules that segno tells."""
    sample = segno.make_qr("0", version=version, mask=0, error="l", boost_error=False)
    kinds = [list(row) for row in sample.matrix_iter(border=0, verbose=True)]
    kinds[8][size - 9] = consts.TYPE_DATA_DARK  # the kinds count one module too many as format
    stride = size + 11  # a pattern of eleven reaches beyond its line, and meets blanks only
    keeps = [
        _packed([[kind not in _LATER for kind in row] for row in turned], stride)
        for turned in (kinds, list(zip(*kinds, strict=True)))
    ]
    masks = []
    for mask in _MASKS:
        cells = [[kinds[i][j] in _DATA and mask(i, j) for j in range(size)] for i in range(size)]
        masks.append((_packed(cells, stride), _packed(list(zip(*cells, strict=True)), stride)))
    inside = _packed([[1] * size] * size, stride)
    return _Size(
        size=size, stride=stride, inside=inside, keeps=(keeps[0], keeps[1]), masks=tuple(masks)
    )


def _penalty(rows: int, columns: int, known: _Size) -> int:
    """The penalty of a matrix, by rows and by columns (Table 11)."""
    dark = rows.bit_count() / known.size**2
    return (
        _runs(rows, known)
        + _runs(columns, known)
        + 3 * _blocks(rows, known)
        + 40 * (_patterns(rows) + _patterns(columns))
        + 10 * int(abs(dark * 100 - 50) / 5)
    )


def _same(lines: int, known: _Size) -> int:
    """The modules that are as the one before them in their line."""
    return ~(lines ^ (lines >> 1)) & known.inside & (known.inside >> 1)


def _runs(lines: int, known: _Size) -> int:
    """N1: two less than its length for each run of five and more."""
    same = _same(lines, known)
    fifth = same & (same >> 1)
    fifth &= fifth >> 2
    first = fifth & ~(fifth >> 1)
    return fifth.bit_count() + 2 * first.bit_count()


def _blocks(rows: int, known: _Size) -> int:
    """N2: squares of two by two."""
    same = _same(rows, known)
    return (same & (same >> known.stride) & ~(rows ^ (rows >> known.stride))).bit_count()


def _patterns(lines: int) -> int:
    """N3: 1:1:3:1:1 with four light modules before or after; of two that overlap, the first."""
    one = lines & ~(lines << 1) & (lines << 2)
    found = one & (lines << 3) & (one << 4)
    before = lines >> 1 | lines >> 2
    after = lines << 7 | lines << 8
    found &= ~((before | before >> 2) & (after | after << 2))
    if not found & (found >> 4 | found >> 6):
        return found.bit_count()
    count, last = 0, found.bit_length() + 7
    for at in range(found.bit_length() - 1, -1, -1):
        if found >> at & 1 and last - at >= 7:
            count, last = count + 1, at
    return count
