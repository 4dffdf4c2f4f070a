"""Draws the pictures of the documentation from the files that a demonstration left.

`python docs/make_pictures.py [demo-data]`, after `tongban demo`, writes `docs/images/license.png`:
the sealed OFD of the demonstration, drawn from its own bytes. The same file gives the same picture;
another demonstration has another identifier, other dates and another seal, and so another picture.
"""

from __future__ import annotations

import sys
from io import BytesIO
from pathlib import Path

from PIL import Image

from licenses.pages.png import ofd_to_png

DPI = 110
COLOURS = 64  # a page of line art; a quarter of the size of full colour


def main() -> None:
    """Draw `license.ofd` of the given folder of a demonstration."""
    demonstration = Path(sys.argv[1] if len(sys.argv) > 1 else "demo-data")
    document = (demonstration / "files" / "license.ofd").read_bytes()
    target = Path(__file__).parent / "images" / "license.png"
    target.parent.mkdir(exist_ok=True)
    picture = Image.open(BytesIO(ofd_to_png(document, dpi=DPI))).convert("RGB")
    picture.quantize(COLOURS, dither=Image.Dither.NONE).save(target, optimize=True)
    sys.stdout.write(f"{target}: {picture.width} × {picture.height}, {target.stat().st_size:,} B\n")


if __name__ == "__main__":
    main()
