"""Every fact that a service's records hold, and all that they commit to, has words for auditors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from portal.auditor.facts import COMMITMENTS, FACTS, FOLDED, value_told

ROOT = Path(__file__).parents[2]
FLOORS = ("exchange", "licenses", "seal", "accounts")


def test_every_fact_has_its_words() -> None:
    held = set(FACTS)
    assert {one: where for one, where in named("facts") if one not in held} == {}
    assert held >= FOLDED


def test_all_that_records_commit_to_has_its_words() -> None:
    held = set(COMMITMENTS)
    assert {one: where for one, where in named("commitments") if one not in held} == {}


def test_values_are_told_in_words_where_they_are_a_programs() -> None:
    assert value_told("query、verify") == ("query, verify", "查询、核查")
    assert value_told("released") == ("sealed and handed out", "已盖章并交付")
    assert value_told("2026-11-22T15:47:16.000000Z")[0] == "2026-11-22 23:47:16"
    assert value_told("departments/x/resources/y")[1] == "departments/x/resources/y"


def named(argument: str) -> Iterator[tuple[str, str]]:
    """Keys of dictionaries that the code gives as this argument, or keeps under its name."""
    for floor in FLOORS:
        for file in (ROOT / floor).rglob("*.py"):
            if "/v1/" in str(file) or argument not in (text := file.read_text("utf-8")):
                continue
            for node in ast.walk(ast.parse(text)):
                for value in _values(node, argument):
                    for key in _keys(value):
                        yield key, str(file.relative_to(ROOT))


def _values(node: ast.AST, name: str) -> Iterator[ast.AST]:
    if isinstance(node, ast.keyword) and node.arg == name:
        yield node.value
    elif isinstance(node, ast.FunctionDef) and node.name.endswith(f"_{name}"):
        yield node
    elif isinstance(node, ast.Assign | ast.AnnAssign | ast.AugAssign) and node.value is not None:
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if isinstance(target, ast.Name) and target.id == name:
            yield node.value
        elif isinstance(target, ast.Subscript) and ast.unparse(target.value) == name:
            yield ast.Dict(keys=[target.slice], values=[])


def _keys(value: ast.AST) -> Iterator[str]:
    for node in ast.walk(value):
        for key in node.keys if isinstance(node, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value
