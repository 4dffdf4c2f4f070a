"""QR codes as pictures: level Q, with the four white modules of ISO/IEC 18004 around them."""

from __future__ import annotations

import io
import re

import segno

from licenses.pages.qr_masks import masked

_QUIET = 4
_RUN = re.compile(rb"\x01+")


def svg_of(text: str) -> bytes:
    """As SVG: one path of the dark runs of every line."""
    _, matrix = _matrix(text)
    size = len(matrix) + 2 * _QUIET
    runs = [
        f"M{run.start() + _QUIET} {row + _QUIET}h{run.end() - run.start()}v1h-{len(run[0])}z"
        for row, line in enumerate(matrix)
        for run in _RUN.finditer(bytes(line))
    ]
    return (
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" '
        f'width="{size * 2}" height="{size * 2}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path d="{"".join(runs)}"/></svg>\n'
    ).encode()


def png_of(text: str) -> bytes:
    """As PNG, six pixels a module."""
    mask, _ = _matrix(text)
    file = io.BytesIO()
    made = segno.make_qr(text, error="q", boost_error=False, mask=mask)
    made.save(file, kind="png", border=_QUIET, scale=6)
    return file.getvalue()


def _matrix(text: str) -> tuple[int, tuple[bytes, ...]]:
    return masked(segno.make_qr(text, error="q", boost_error=False, mask=0))
