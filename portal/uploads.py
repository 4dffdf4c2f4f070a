"""Forms with files: read once, bounded, and only with the session's token.

A file is held in memory and kept nowhere; what a browser calls it is a word to show, never a path.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from starlette.datastructures import UploadFile
from starlette.requests import Request

from portal.sessions import kept
from portal.sessions.keeping import Person, check_form_token
from runtime.errors import InvalidArgument

GREATEST_FIELDS: Final = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file of a form."""

    name: str
    media_type: str
    content: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """What a form held."""

    fields: Mapping[str, list[str]] = field(default_factory=dict)
    files: Mapping[str, list[File]] = field(default_factory=dict)

    def one(self, name: str) -> str:
        """A field's only value; empty where it was not given."""
        return (self.fields.get(name) or [""])[0].strip()


async def form_with_files(
    request: Request, person: Person, *, most: int, each: int, together: int
) -> Form:
    """The fields and files of a form; empty files, which browsers send for none, are left out.

    At most `most` files of `each` bytes, `together` in all. Raises as `check_form_token`, and
    InvalidArgument (TOO_MANY_FILES, FILE_TOO_LARGE).
    """
    fields: dict[str, list[str]] = {}
    files: dict[str, list[File]] = {}
    count = held = 0
    async with request.form(
        max_files=most + 10, max_fields=GREATEST_FIELDS, max_part_size=65_536
    ) as form:
        kept.note(request, form)
        check_form_token(person, form.get("token"))
        for name, value in form.multi_items():
            if isinstance(value, str):
                fields.setdefault(name, []).append(value)
                continue
            content = await _content(value, each)
            if not content and not value.filename:
                continue
            count, held = count + 1, held + len(content)
            if count > most or held > together:
                raise _too_many(most, together)
            files.setdefault(name, []).append(
                File(
                    name=kept.called(value),
                    media_type=(value.content_type or "")[:100],
                    content=content,
                )
            )
    return Form(fields=fields, files=files)


async def _content(value: UploadFile, each: int) -> bytes:
    content = await value.read(each + 1)
    if len(content) > each:
        raise InvalidArgument(
            f"a file here has at most {each >> 20} MiB: choose a smaller one",
            reason="FILE_TOO_LARGE",
            message_zh=f"此处每个文件至多 {each >> 20} MiB：请另选较小的文件",
        )
    return content


def _too_many(most: int, together: int) -> InvalidArgument:
    return InvalidArgument(
        f"at most {most} files of together {together >> 20} MiB at once: choose fewer",
        reason="TOO_MANY_FILES",
        message_zh=f"一次至多 {most} 个文件，合计 {together >> 20} MiB：请减少文件",
    )
