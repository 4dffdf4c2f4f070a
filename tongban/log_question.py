"""What is asked of a file of the audit log besides its own word, by any command that verifies one.

`tongban audit verify` and `tongban-verify` take the same options, and mean the same by them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Final

import typer

from exchange.audit.answering import NO_QUORUM, Quorum
from exchange.audit.proved import LogProof
from runtime.errors import InvalidArgument
from tongban.files import read_file
from tongban.log_files import quorum_of, read_saved, sha256_of

CertificateFile = Annotated[
    Path | None,
    typer.Option(
        "--certificate",
        help="With a signed request's receipt: the signer's certificate, had from its system.",
    ),
]
EnrolmentFile = Annotated[
    Path | None,
    typer.Option(
        "--enrolment",
        help="The certificate's record in the log: `tongban audit prove cert.pem --out …`.",
    ),
]
Openings = Annotated[
    list[str] | None,
    typer.Option(
        "--opening",
        help="label=value that the record has to commit to, such as purpose=… or "
        "case_number=… that an asker tells; several times.",
    ),
]
DocumentFile = Annotated[
    Path | None,
    typer.Option(
        "--document", help="With a receipt or proof of the log: the file that it has to be of."
    ),
]
LogFolder = Annotated[
    Path | None,
    typer.Option("--log", help="A copy of the log, for evidence of a broken promise."),
]
Witnesses = Annotated[
    list[Path] | None,
    typer.Option(
        "--witness",
        help="File with the key of a witness of the log, had from elsewhere; several times.",
    ),
]
Required = Annotated[
    int | None,
    typer.Option("--require", min=0, help="How many of them must have cosigned; all, if not said."),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuestion:
    """`document` is the SHA-256, in hexadecimal, that it has to be of; empty is any.

    `quorum` is asked of the checkpoint that it leads to. `copy`, a copy of the log, shows a broken
    promise. With a receipt go `certificate`, PEM, what signed its request, had from the signer, and
    `enrolment`, the proof of that certificate's record in the log. `openings` are plain values by
    the label of what the record commits to, such as what an asker says that its purpose was.
    """

    document: str = ""
    quorum: Quorum = NO_QUORUM
    copy: Path | None = None
    certificate: str = ""
    enrolment: LogProof | None = None
    openings: Mapping[str, str] = field(default_factory=dict)


#: Nothing is asked besides the file's own word.
NOTHING_ASKED: Final = LogQuestion()


def log_question(
    *,
    document: Path | None = None,
    witness: Sequence[Path] | None = None,
    require: int | None = None,
    copy: Path | None = None,
    certificate: Path | None = None,
    enrolment: Path | None = None,
    openings: Sequence[str] | None = None,
) -> LogQuestion:
    """The question of these options. Raises InvalidArgument for a file that is another one.

    Reasons: `BAD_QUORUM`, `BAD_KEY`, `BAD_RECEIPT`, `BAD_OPENING`, and of unreadable files.
    """
    return LogQuestion(
        document=sha256_of(document) if document else "",
        quorum=quorum_of(witness, require),
        copy=copy,
        certificate=read_file(certificate).decode(errors="replace") if certificate else "",
        enrolment=_enrolment(enrolment) if enrolment else None,
        openings=dict(map(_opening, openings or ())),
    )


def _enrolment(path: Path) -> LogProof:
    saved = read_saved(path)
    if isinstance(saved, LogProof):
        return saved
    raise InvalidArgument(
        f"{path} is not the proof of an enrolment: make it with `tongban audit prove cert.pem`",
        reason="BAD_RECEIPT",
        message_zh=f"{path} 不是登记证明：请用 `tongban audit prove cert.pem` 生成",
    )


def _opening(text: str) -> tuple[str, str]:
    label, equals, value = text.partition("=")
    if not (label and equals):
        raise InvalidArgument(
            "an opening is label=value",
            reason="BAD_OPENING",
            message_zh="--opening 应为 标签=内容",
        )
    return label, value
