"""An OFD of many pages and many bytes: scans as pictures that do not compress."""

from __future__ import annotations

import io
import random
import zipfile

from tests.builders.ofd import plain_ofd, unpack

_EACH = 1024 * 1024


def large_ofd(pages: int, size: int) -> bytes:
    """`plain_ofd(pages)` with about `size` bytes of noise in pictures of a MiB each."""
    noise = random.Random(size)
    files = unpack(plain_ofd(pages))
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), data, 8)
        for number, left in enumerate(range(size, 0, -_EACH)):
            name = f"Doc_0/Res/scan_{number}.jpg"
            picture = b"\xff\xd8\xff" + noise.randbytes(min(left, _EACH))
            archive.writestr(zipfile.ZipInfo(name, (2026, 1, 1, 0, 0, 0)), picture, 0)
    return buffer.getvalue()
