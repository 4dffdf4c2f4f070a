"""Verdicts as JSON, and the schema they fit."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from seal.model import Verdict

SCHEMA: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs" / "verdict.schema.json").read_text()
)


def as_json(verdict: Verdict) -> Any:
    """What a reader of the JSON gets."""
    return json.loads(json.dumps(verdict.to_dict()))
