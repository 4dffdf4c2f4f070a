"""How checks name times and certificates to people: one spelling, both languages, bounded length.

What comes out of a certificate was written by whoever made the document: it is told by `plain`, so
that no name can forge a line of a report.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache, wraps
from typing import TypeVarTuple

from runtime.errors import InvalidArgument
from seal.judging.plainly import moment, plain
from seal.model import CertificateFacts, Check
from seal.pki.certificates import UNNAMED, CertificateInfo, parse_certificate

__all__ = ["comparing", "facts_of", "holder", "moment", "named", "paths_shown", "plain"]

_MOST_PATHS = 10
_KEPT = 1024  # as many as certificates that are kept parsed

_Args = TypeVarTuple("_Args")


def holder(certificate: bytes) -> tuple[str, str]:
    """`certificate 'CN' (serial 1f)` in both languages; says so where it can't be read."""
    try:
        return named(parse_certificate(certificate))
    except InvalidArgument:
        return "a certificate that does not read", "无法读取的证书"


def named(info: CertificateInfo) -> tuple[str, str]:
    """`holder` of a certificate that was read."""
    return _named(info.shown_name, info.serial)


@lru_cache(maxsize=_KEPT)
def _named(name: str, serial: int) -> tuple[str, str]:
    name = plain(name)
    return f"certificate '{name}' (serial {serial:x})", f"证书“{name}”（序列号 {serial:x}）"


def paths_shown(paths: Sequence[str]) -> str:
    """The first ten of these entry names."""
    shown = ", ".join(plain("/" + path) for path in paths[:_MOST_PATHS])
    return shown + (" …" if len(paths) > _MOST_PATHS else "")


@lru_cache(maxsize=_KEPT)
def facts_of(certificate: bytes) -> CertificateFacts | None:
    """Who a certificate is; None where it does not read."""
    try:
        info = parse_certificate(certificate)
    except InvalidArgument:
        return None
    return CertificateFacts(
        subject=plain(info.subject or UNNAMED),
        issuer=plain(info.issuer),
        serial=f"{info.serial:x}",
        fingerprint=info.fingerprint,
        valid_from=info.not_before,
        valid_to=info.not_after,
    )


def comparing(
    words: Callable[[*_Args], tuple[str, str]],
) -> Callable[[Callable[[*_Args], Check | None]], Callable[[*_Args], Check | None]]:
    """Decorates a rule: its check says what it was checked against, whatever its outcome."""

    def decorate(rule: Callable[[*_Args], Check | None]) -> Callable[[*_Args], Check | None]:
        @wraps(rule)
        def told(*args: *_Args) -> Check | None:
            check = rule(*args)
            return check and (check if check.against else check.compared(*words(*args)))

        return told

    return decorate
