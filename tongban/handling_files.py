"""How service items are handled, as TOML: forms that items share, proofs, rules.

[forms] has lists of fields by name; each [[handling]] names its service_item, a form or fields of
its own, filled_materials, proofs and rule, by the words of `licenses/v1/materials.proto`.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from google.protobuf.json_format import ParseDict, ParseError

from licenses.v1 import materials_pb2 as pb
from runtime.errors import InvalidArgument
from tongban.files import read_file

GREATEST_FILE = 4 * 1024 * 1024
_PREFIXES = {"disposition": "PROOF_DISPOSITION_", "comparison": "COMPARISON_"}


def read_handlings(path: Path) -> list[pb.Handling]:
    """The handlings of a file, in its order. Raises InvalidArgument, BAD_HANDLING_FILE."""
    try:
        told = tomllib.loads(read_file(path, greatest=GREATEST_FILE).decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise _bad(path, str(error)) from None
    forms = told.get("forms", {})
    listed = told.get("handling", [])
    if not isinstance(forms, dict) or not isinstance(listed, list) or not listed:
        raise _bad(path, "it has no [[handling]]")
    return [_handling(path, one, forms) for one in listed]


def _handling(path: Path, one: Any, forms: dict[str, Any]) -> pb.Handling:
    where = one.get("service_item", "a handling") if isinstance(one, dict) else "a handling"
    try:
        body = dict(one)
        if form := body.pop("form", ""):
            body["fields"] = [*forms[form], *body.get("fields", [])]
        for part in ("proofs", "rule"):
            body[part] = [_spelt(entry) for entry in body.get(part, [])]
        return ParseDict(body, pb.Handling())
    except KeyError as error:
        raise _bad(path, f"{where}: no form {error}") from None
    except (ParseError, TypeError, ValueError, AttributeError) as error:
        raise _bad(path, f"{where}: {error}") from None


def _spelt(entry: dict[str, Any]) -> dict[str, Any]:
    return {
        key: f"{_PREFIXES[key]}{value}" if key in _PREFIXES else value
        for key, value in entry.items()
    }


def _bad(path: Path, why: str) -> InvalidArgument:
    return InvalidArgument(
        f"{path.name} says nothing of how items are handled: {why}",
        reason="BAD_HANDLING_FILE",
        message_zh=f"{path.name} 不是有效的办理规则文件：{why}",
    )
