"""`tongban license preview`: a license's page with sample values, while its template is written."""

from __future__ import annotations

import re
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from licenses.located import line_of
from licenses.pages import fallback
from licenses.pages.hiding import check_seen
from licenses.pages.preview import FORMATS, preview, render
from licenses.pages.template import Template, parse, shipped_text
from licenses.stamping import check_place
from licenses.types.pages import checked, shipped
from licenses.types.reading import parse as parse_type
from runtime.errors import DomainError, FieldViolation, InvalidArgument, NotFound
from tongban.console import Json, out, outcomes, print_json, say
from tongban.files import read_file, write_file

app = typer.Typer()

_GREATEST = 256 * 1024
_POLL_SECONDS = 0.3
_REFRESH_SECONDS = 1
_PLACE = re.compile(r"(\w+)|\[(\d+)\]")

Wanted = Annotated[str, typer.Argument(help="Id of a shipped type, or the TOML of a type or page.")]
Form = Annotated[
    str, typer.Option("--format", help="ofd, pdf, png or html; else as --out ends, else html.")
]
Out = Annotated[
    Path | None, typer.Option("--out", help="The file; PNG adds -2 and so on for more pages.")
]
Fonts = Annotated[
    Path | None,
    typer.Option(envvar="TONGBAN_FONTS", help="Folder of more fonts, as of a node."),
]


@dataclass(frozen=True, slots=True)
class _Written:
    """The files with their sizes in bytes; the page that a type's file was drawn with.

    `page`: the file of it, or the name of a shipped one; None where nothing else could be drawn.
    """

    files: list[tuple[Path, int]]
    page: Path | str | None


@app.command("preview")
def show_preview(
    wanted: Wanted,
    form: Form = "",
    target: Out = None,
    fonts: Fonts = None,
    dpi: Annotated[int, typer.Option(help="Dots per inch of a PNG.")] = 150,
    watch: Annotated[bool, typer.Option(help="Draw again at every change.")] = False,
    as_json: Json = False,
) -> None:
    """Draw a license with sample values; a specimen, without a seal. Needs no node.

    Example: tongban license preview business-license --format png
    """
    with outcomes(as_json=as_json):
        shape, path = _target(wanted, form, target)
        fallback.use_folder(fonts)
        sources = _files(wanted)
        if watch and not sources:
            raise InvalidArgument(
                f"{wanted} is a shipped type, which does not change: name a file to watch",
                reason="NOTHING_TO_WATCH",
                message_zh=f"{wanted} 是内置类型，不会变化：请指定要监视的文件",
            )
        if not watch:
            _tell(_write(wanted, shape, path, dpi), as_json)
            return
        seen: object = None
        while True:
            now = _stamps(_files(wanted))
            if now != seen:
                seen = now
                _try(wanted, shape, path, dpi, as_json)
            time.sleep(_POLL_SECONDS)


def _try(wanted: str, shape: str, path: Path, dpi: int, as_json: bool) -> None:
    """One drawing while a file is edited: what is wrong is told, and the next change awaited."""
    try:
        _tell(_write(wanted, shape, path, dpi, refresh=_REFRESH_SECONDS), as_json)
    except DomainError as error:
        if as_json:
            print_json({"error": {"reason": error.reason, "message": error.message}})
        else:
            out.print(say(error.message, error.message_zh), style="red", markup=False)
            for one in error.violations:
                out.print(f"  {one.field}: {one.description}", markup=False)


def _target(wanted: str, form: str, target: Path | None) -> tuple[str, Path]:
    """The form and the file, which is no TOML, whatever the form: that would be what is edited."""
    ending = target.suffix.removeprefix(".").lower() if target else ""
    if target and ending and (ending == "toml" or not form) and ending not in FORMATS:
        raise InvalidArgument(
            f"{target} ends as none of the forms: let --out end in one of {', '.join(FORMATS)}",
            reason="BAD_FORMAT",
            message_zh=f"{target} 的扩展名不是预览的格式：--out 应以 {'、'.join(FORMATS)} 之一结尾",
        )
    shape = form or ending or "html"
    if shape not in FORMATS:
        raise InvalidArgument(
            f"no form is called {shape}: choose one of {', '.join(FORMATS)}",
            reason="BAD_FORMAT",
            message_zh=f"没有 {shape} 这种格式：请选择 {'、'.join(FORMATS)}",
        )
    return shape, target or Path(f"{Path(wanted).name.removesuffix('.toml')}.{shape}")


def _write(wanted: str, shape: str, path: Path, dpi: int, *, refresh: int = 0) -> _Written:
    """Draw and write."""
    template, page = _template(wanted)
    files = render(preview(template), shape, dpi=dpi, refresh=refresh)
    written = []
    for number, data in enumerate(files, start=1):
        one = path if number == 1 else path.with_stem(f"{path.stem}-{number}")
        write_file(one, data)
        written.append((one, len(data)))
    return _Written(written, page)


def _tell(made: _Written, as_json: bool) -> None:
    if as_json:
        files = [{"file": str(path), "bytes": size} for path, size in made.files]
        print_json({"page": str(made.page or ""), "files": files})
        return
    if isinstance(made.page, Path):
        out.print(say(f"page: {made.page}", f"版式：{made.page}"), markup=False)
    elif made.page:
        text = say(f"page: {made.page}, as shipped", f"版式：内置的 {made.page}")
        out.print(text, markup=False)
    for path, size in made.files:
        out.print(say(f"{path}: {size:,} bytes", f"{path}：{size:,} 字节"), markup=False)


def _files(wanted: str) -> list[Path]:
    """The files a preview is made of; none for a shipped type."""
    path = Path(wanted)
    if not wanted.endswith(".toml"):
        return []
    found = [path]
    try:
        data = tomllib.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return found
    page = _page_file(path, str(data.get("template", ""))) if "slots" in data else None
    return [*found, page] if page else found


def _page_file(path: Path, name: str) -> Path | None:
    """The template of a type's file: beside it, or in the folder `templates` beside its own."""
    folder = path.parent
    for one in (
        folder / f"{name}.template.toml",
        folder / "template.toml",
        folder.parent / "templates" / f"{name}.toml",
        folder / "templates" / f"{name}.toml",
    ):
        if one.is_file():
            return one
    return None


def _stamps(files: Sequence[Path]) -> list[tuple[str, int, int]]:
    found = []
    for path in files:
        try:
            status = path.stat()
        except OSError:
            continue  # an editor is replacing it
        found.append((str(path), status.st_mtime_ns, status.st_size))
    return found


def _template(wanted: str) -> tuple[Template, Path | str | None]:
    """The template to draw, checked against its type where there is one, and its page's place."""
    if not wanted.endswith(".toml"):
        for text, page in shipped():
            if parse_type(text).id == wanted:
                return parse(page), None
        known = ", ".join(parse_type(text).id for text, _ in shipped())
        raise NotFound(
            f"no shipped type is called {wanted}; there are {known}; a file's name ends in .toml",
            reason="LICENSE_TYPE_NOT_FOUND",
            message_zh=f"没有名为 {wanted} 的内置类型；现有 {known}；文件名须以 .toml 结尾",
        )
    path = Path(wanted)
    text = _text(path)
    try:
        is_type = "slots" in tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InvalidArgument(
            f"{path}: not TOML: {error}",
            reason="BAD_TOML",
            message_zh=f"{path}：不是有效的 TOML：{error}",
        ) from error
    if not is_type:
        return _seen(path, text), None
    name = str(tomllib.loads(text).get("template", ""))
    page_file = _page_file(path, name)
    page = _text(page_file) if page_file else _shipped_page(path, name)
    with _placed(path, text):
        kind = parse_type(text)
    template = _seen(page_file or Path(f"{name}.toml"), page, kind.slots)
    with _placed(path, text):
        checked(text, page)
    return template, page_file or name


def _shipped_page(path: Path, name: str) -> str:
    try:
        return shipped_text(name)
    except NotFound as error:
        raise NotFound(
            f"{path} names the page {name}, which is not shipped: put it beside, as template.toml "
            f"or {name}.template.toml",
            reason="TEMPLATE_NOT_FOUND",
            message_zh=f"{path} 的版式 {name} 不是内置版式：请将版式文件放在同一文件夹，"
            f"命名为 template.toml 或 {name}.template.toml",
        ) from error


def _text(path: Path) -> str:
    try:
        return read_file(path, greatest=_GREATEST).decode("utf-8")
    except UnicodeDecodeError as error:
        raise InvalidArgument(
            f"{path} is not UTF-8",
            reason="BAD_TOML",
            message_zh=f"{path} 不是 UTF-8 编码",
        ) from error


def _seen(path: Path, text: str, slots: Mapping[str, str] | None = None) -> Template:
    """A template that hides nothing of what it says; with `slots` of a type, under its seal too."""
    with _placed(path, text):
        found = parse(text)
        check_seen(found)
        if slots is not None:
            check_place(found, slots)
        return found


@contextmanager
def _placed(path: Path, text: str) -> Iterator[None]:
    """Refusals of a file told by its lines: `file:line: field` and what is wrong there."""
    try:
        yield
    except InvalidArgument as error:
        if not error.violations:
            raise
        rows = [_row(path, text, one) for one in error.violations]
        raise InvalidArgument(
            f"{path} is not good yet: {len(rows)} to correct, the first in {rows[0].field}",
            reason=error.reason,
            message_zh=f"{path} 尚有 {len(rows)} 处需要更正，第一处在 {rows[0].field}",
            violations=rows,
        ) from error


def _row(path: Path, text: str, one: FieldViolation) -> FieldViolation:
    told = re.fullmatch(r"line (\d+): (.*)", one.description, re.DOTALL)
    if told:
        return FieldViolation(f"{path}:{told[1]}: {one.field}", told[2])
    place = tuple(int(index) if index else word for word, index in _PLACE.findall(one.field))
    return FieldViolation(f"{path}:{line_of(text, place)}: {one.field}", one.description)
