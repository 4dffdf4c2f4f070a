"""An archive package: a zip with a manifest that lists every file with its size and digest.

1. `manifest.json` comes first, and names all other files and no more but `manifest.pdf`: the page
   under the keeping department's seal that carries the manifest, byte for byte.
2. The same content makes the same bytes: names in order, one time, no attributes.
3. What is read back is judged before it is unpacked: how many files, how large, which names.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from zipfile import ZIP_DEFLATED, BadZipFile, ZipFile, ZipInfo

import orjson

from runtime.errors import FailedPrecondition, InvalidArgument

FORMAT: Final = "tongban-archive/1"
MANIFEST: Final = "manifest.json"
#: The manifest under seal; packages from before, and of who has no seal for it, are without.
SEALED: Final = "manifest.pdf"
GREATEST_FILES: Final = 1000
GREATEST_SIZE: Final = 256 * 1024 * 1024
_MANIFEST: Final = 1024 * 1024
_NAME = re.compile(r"[a-z0-9]+(?:[-./][a-z0-9]+)*")
_ENCRYPTED: Final = 0x1


@dataclass(frozen=True, slots=True, kw_only=True)
class Package:
    """What a package holds: the manifest's facts, and the files by name.

    `sealed` is the manifest under seal, "" where it is not.
    """

    facts: Mapping[str, Any]
    files: Mapping[str, bytes] = field(repr=False)
    manifest: bytes = field(default=b"", repr=False)
    sealed: bytes = field(default=b"", repr=False)
    #: Names that the manifest lists and the zip lacks, or the other way, or whose digest differs.
    differing: tuple[str, ...] = ()


def build(
    facts: Mapping[str, Any],
    files: Mapping[str, bytes],
    seal: Callable[[bytes], bytes] | None = None,
) -> bytes:
    """The package of some files; `facts` stand in the manifest, which `seal` puts under seal.

    Raises FailedPrecondition (PACKAGE_TOO_LARGE): what is built can be read.
    """
    size = sum(map(len, files.values()))
    # The manifest is a file, too, of at most a few hundred bytes for each of the others.
    if len(files) >= GREATEST_FILES or size > GREATEST_SIZE - _MANIFEST:
        raise FailedPrecondition(
            f"{len(files)} files of {size} bytes are more than a package holds: at most "
            f"{GREATEST_FILES - 1} files of {GREATEST_SIZE - _MANIFEST} bytes",
            reason="PACKAGE_TOO_LARGE",
            message_zh=f"归档内容过大（{len(files)} 个文件，{size} 字节），超出单个归档包的上限",
        )
    listed = [
        {"name": name, "size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in sorted(files.items())
    ]
    manifest = pretty({"format": FORMAT, **facts, "files": listed})
    sealed = seal(manifest) if seal else b""
    parts = [(MANIFEST, manifest), *([(SEALED, sealed)] if sealed else ()), *sorted(files.items())]
    out = io.BytesIO()
    with ZipFile(out, "w") as package:
        for name, data in parts:
            info = ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = ZIP_DEFLATED
            info.external_attr = 0o600 << 16
            package.writestr(info, data)
    return out.getvalue()


def read(data: bytes) -> Package:
    """A package. Raises InvalidArgument, PACKAGE_UNREADABLE."""
    try:
        with ZipFile(io.BytesIO(data)) as package:
            infos = package.infolist()
            names = [info.filename for info in infos]
            if (
                len(infos) > GREATEST_FILES
                or len(set(names)) != len(names)
                or sum(info.file_size for info in infos) > GREATEST_SIZE
                or any(info.flag_bits & _ENCRYPTED for info in infos)
                or not all(_NAME.fullmatch(name) for name in names)
            ):
                raise _unreadable()
            found = {name: package.read(name) for name in names}
        written, sealed = found.pop(MANIFEST), found.pop(SEALED, b"")
        manifest = orjson.loads(written)
        listed = {one["name"]: (one["size"], one["sha256"]) for one in manifest.pop("files")}
    except (BadZipFile, KeyError, TypeError, ValueError, OSError, NotImplementedError) as error:
        raise _unreadable() from error
    if manifest.get("format") != FORMAT:
        raise _unreadable()
    there = {name: (len(part), hashlib.sha256(part).hexdigest()) for name, part in found.items()}
    differing = {
        name for name in listed.keys() | there.keys() if listed.get(name) != there.get(name)
    }
    return Package(
        facts=manifest,
        files=found,
        manifest=written,
        sealed=sealed,
        differing=tuple(sorted(differing)),
    )


def pretty(value: object) -> bytes:
    """JSON that a person reads, too."""
    return orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_SORT_KEYS) + b"\n"


def _unreadable() -> InvalidArgument:
    return InvalidArgument(
        "the package cannot be read", reason="PACKAGE_UNREADABLE", message_zh="归档包无法读取"
    )
