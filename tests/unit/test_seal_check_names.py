"""Every check and reason that the code can emit stands in the catalogue, and nothing else does."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import seal
from seal.judging.check_names import CHECKS, ENDINGS, REASONS, etsi_word

ROOT = Path(seal.__file__).parent
# EN 319 102-1 §5.1.3, tables 5 and 6.
ETSI = frozenset(
    """
    FORMAT_FAILURE HASH_FAILURE SIG_CRYPTO_FAILURE REVOKED EXPIRED NOT_YET_VALID
    SIG_CONSTRAINTS_FAILURE CHAIN_CONSTRAINTS_FAILURE CERTIFICATE_CHAIN_GENERAL_FAILURE
    CRYPTO_CONSTRAINTS_FAILURE POLICY_PROCESSING_ERROR SIGNATURE_POLICY_NOT_AVAILABLE
    TIMESTAMP_ORDER_FAILURE NO_SIGNING_CERTIFICATE_FOUND NO_CERTIFICATE_CHAIN_FOUND REVOKED_NO_POE
    REVOKED_CA_NO_POE OUT_OF_BOUNDS_NOT_REVOKED OUT_OF_BOUNDS_NO_POE
    REVOCATION_OUT_OF_BOUNDS_NO_POE CRYPTO_CONSTRAINTS_FAILURE_NO_POE NO_POE TRY_LATER
    SIGNED_DATA_NOT_FOUND GENERIC""".split()  # noqa: SIM905
)
MAKERS = frozenset({"passed", "failed", "undetermined", "PackageError", "Check"})
NAMED = frozenset({"name", "_NAME", "NAME"})


def _judging() -> list[ast.Module]:
    """The modules that make checks."""
    sources = [path.read_text() for path in sorted(ROOT.rglob("*.py"))]
    word = re.compile(r"from seal\.model import|PackageError\(")
    return [ast.parse(source) for source in sources if word.search(source)]


def _text(node: ast.expr | None) -> str:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else ""


def _assigned(node: ast.AST) -> list[str]:
    """Texts given to a variable called name: `name = "x"`, `name, other = "x", y`."""
    if isinstance(node, ast.AnnAssign):
        pairs = [(node.target, node.value)]
    elif isinstance(node, ast.Assign):
        target, value = node.targets[0], node.value
        both = isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple)
        pairs = list(zip(target.elts, value.elts, strict=False)) if both else [(target, value)]
    else:
        return []
    return [_text(v) for t, v in pairs if isinstance(t, ast.Name) and t.id in NAMED]


def _first(node: ast.AST) -> list[str]:
    """The name given to what makes a check, or to a function that hands it on."""
    if not isinstance(node, ast.Call):
        return []
    called = node.func.id if isinstance(node.func, ast.Name) else ""
    if called in MAKERS or called.endswith(("_check", "_notice")):
        return [_text(one) for one in node.args[:1]]
    return []


def emitted_names() -> set[str]:
    walked = [node for tree in _judging() for node in ast.walk(tree)]
    found = {text for node in walked for text in (*_assigned(node), *_first(node))}
    return {text for text in found if re.fullmatch(r"[a-z][a-z0-9_]+", text)}


def emitted_reasons() -> set[str]:
    """Texts given as `reason=` to what makes a check, and those a table of reasons maps to."""
    found = set()
    for node in (node for tree in _judging() for node in ast.walk(tree)):
        match node:
            case ast.Call(func=ast.Name(id=called)) if called in MAKERS - {"PackageError"}:
                found |= {_text(one.value) for one in node.keywords if one.arg == "reason"}
            case ast.AnnAssign(target=ast.Name(id="_CHAIN_REASONS"), value=ast.Dict(values=values)):
                found |= {_text(value) for value in values}
    return found - {""}


def test_every_check_that_is_emitted_is_explained() -> None:
    assert emitted_names() - CHECKS.keys() == set()


def test_no_check_is_explained_that_nothing_emits() -> None:
    sources = "".join(
        path.read_text() for path in ROOT.rglob("*.py") if path.name != "check_names.py"
    )
    assert [name for name in CHECKS if f'"{name}"' not in sources] == []


def test_every_reason_that_is_emitted_has_its_word() -> None:
    assert emitted_reasons() - REASONS.keys() == set()


def test_scan_sees_names_and_reasons() -> None:
    assert {"references", "time_stamp", "package_zip", "seal_encoding"} <= emitted_names()
    assert {"NO_SIGNING_TIME", "CERTIFICATE_REVOKED", "KEY_USAGE"} <= emitted_reasons()


@pytest.mark.parametrize("name", CHECKS)
def test_entry_says_everything_in_both_languages(name: str) -> None:
    entry = CHECKS[name]
    assert entry.etsi in ETSI
    assert entry.clause
    assert entry.question.endswith("?")
    assert entry.question_zh.endswith("？")
    assert re.search(r"[\u4e00-\u9fff]", entry.title_zh + entry.question_zh)
    assert not re.search(r"[\u4e00-\u9fff]", entry.title + entry.question)
    assert bool(entry.thing) == bool(entry.thing_zh)


def test_words_are_those_of_the_standard() -> None:
    assert set(REASONS.values()) | {one.etsi for one in ENDINGS.values()} <= ETSI
    assert etsi_word("references") == "HASH_FAILURE"
    assert etsi_word("references", "CHECK_METHOD") == "CRYPTO_CONSTRAINTS_FAILURE"
    assert etsi_word("what_nobody_explained") == "GENERIC"
