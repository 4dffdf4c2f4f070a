"""How a command ends by a verdict; `TrustFolder` is handed on."""

from __future__ import annotations

import typer

from seal.model import Indication, Verdict
from tongban.console import Exit
from tongban.trust_folder import TrustFolder

__all__ = ["TrustFolder", "stop_by"]


def stop_by(verdict: Verdict) -> None:
    """End with exit code 1 for FAILED and 6 for INDETERMINATE."""
    if verdict.indication is Indication.FAILED:
        raise typer.Exit(Exit.NO)
    if verdict.indication is Indication.INDETERMINATE:
        raise typer.Exit(Exit.UNKNOWN)
