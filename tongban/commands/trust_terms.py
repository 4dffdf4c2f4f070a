"""On what terms an authority is recognised: from options and files, and as tables."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, time, timedelta
from enum import StrEnum
from hashlib import sha256
from pathlib import Path
from typing import Final

from runtime.clock import CHINA
from runtime.errors import DomainError, InvalidArgument
from seal.v1 import trust_pb2 as pb
from tongban.commands.grant_terms import end_of
from tongban.console import print_table, say, until, when
from tongban.files import read_file
from tongban.trust_folder import LIST, TrustFolder

GREATEST_LIST: Final = 16 * 1024 * 1024
_GREATEST_FILE: Final = 1024 * 1024
_PEM: Final = re.compile(
    rb"-----BEGIN (?:X509 )?(?:TRUSTED )?(?:CERTIFICATE|CRL)-----(.*?)-----END", re.DOTALL
)
_FOLDER: Final = {
    "anchors": "anchor",
    "timestamp-anchors": "timestamp_anchor",
    "intermediates": "intermediate",
}

STATES_ZH: Final = {
    "PROPOSED": "待审批",
    "REJECTED": "未获批准",
    "RECOGNISED": "已互认",
    "WITHDRAWN": "已撤回",
}
_PURPOSES_ZH: Final = {"SEAL_MAKER": "制章", "SIGNER": "签章", "TIMESTAMP": "时间戳"}


class Purpose(StrEnum):
    """What an anchor is trusted for."""

    SEAL_MAKER = "seal-maker"
    SIGNER = "signer"
    TIMESTAMP = "timestamp"


@dataclass(kw_only=True)
class Wanted:
    """What the options of a command say; empty is not said."""

    name: str = ""
    credit_code: str = ""
    foreign_id: str = ""
    legal_basis: str = ""
    folder: Path | None = None
    anchor: list[Path] = field(default_factory=list)
    timestamp_anchor: list[Path] = field(default_factory=list)
    intermediate: list[Path] = field(default_factory=list)
    purpose: list[Purpose] = field(default_factory=list)
    suite: list[str] = field(default_factory=list)
    begin: str = ""
    end: str = ""
    revocation_required: bool | None = None
    grace: str = ""
    list_url: list[str] = field(default_factory=list)
    drop: list[str] = field(default_factory=list)
    maker: list[Path] = field(default_factory=list)
    _makers: dict[bytes, list[str]] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        """Take in what a trust folder holds."""
        for part, option in _FOLDER.items():
            if self.folder is not None:
                getattr(self, option).extend(sorted((self.folder / part).glob("*")))
        if self.folder is not None and not (self.anchor or self.timestamp_anchor):
            raise InvalidArgument(
                f"{self.folder}/anchors has no certificates: name a folder that `tongban seal "
                "trust` of the other node wrote",
                reason="NO_ANCHORS",
                message_zh=f"{self.folder}/anchors 中没有证书：请指定对方节点 `tongban seal trust` "
                "生成的目录",
            )
        if self.folder is not None and (self.folder / LIST).exists():
            self._makers = {
                one.certificate: list(one.makers) for one in TrustFolder(self.folder).read().anchors
            }

    def lists(self) -> list[bytes]:
        """Revocation lists (DER) of the trust folder."""
        if self.folder is None:
            return []
        paths = sorted((self.folder / "revocation-lists").glob("*"))
        return [one for path in paths for one in lists_in(path)]

    def apply(self, terms: pb.AuthorityTerms) -> pb.AuthorityTerms:
        """The terms with what was said in them: certificates come in addition, others instead.

        Without a new anchor, times, purposes and suites are those of all anchors there are.
        Raises InvalidArgument.
        """
        for name, text in (
            ("display_name", self.name),
            ("legal_basis", self.legal_basis),
        ):
            if text:
                setattr(terms, name, text)
        if self.credit_code or self.foreign_id:  # the one in the place of the other
            terms.credit_code, terms.foreign_id = self.credit_code, self.foreign_id
        if self.list_url:
            terms.list_urls[:] = self.list_url
        if self.revocation_required is not None:
            terms.revocation_rule.required = self.revocation_required
        if self.grace:
            terms.revocation_rule.grace.FromTimedelta(_duration(self.grace))
        self._drop(terms)
        new = [*self._anchors(self.anchor, self.purpose),
               *self._anchors(self.timestamp_anchor, [Purpose.TIMESTAMP])]  # fmt: skip
        for one in () if new else terms.anchors:
            self._limit(one, self.purpose)
        terms.anchors.extend(new)
        terms.intermediates.extend(
            one for path in self.intermediate for one in certificates_in(path)
        )
        return terms

    def _anchors(
        self, paths: Iterable[Path], purposes: Sequence[Purpose]
    ) -> list[pb.RecognisedAnchor]:
        found = []
        for path in paths:
            for certificate in certificates_in(path):
                makers = self._makers.get(certificate)
                one = pb.RecognisedAnchor(certificate=certificate, makers=makers)
                self._limit(one, purposes)
                found.append(one)
        return found

    def _limit(self, one: pb.RecognisedAnchor, purposes: Sequence[Purpose]) -> None:
        if purposes:
            one.purposes[:] = [
                pb.TrustPurpose.Value(f"TRUST_PURPOSE_{purpose.name}") for purpose in purposes
            ]
        if self.suite:
            one.suites[:] = self.suite
        if list(one.purposes) != [pb.TRUST_PURPOSE_TIMESTAMP]:
            named = (sha256(found).hexdigest() for path in self.maker
                     for found in certificates_in(path))  # fmt: skip
            one.makers[:] = dict.fromkeys((*one.makers, *named))
        if self.begin:
            one.start_time.FromDatetime(instant(self.begin))
        if self.end:
            one.end_time.FromDatetime(end_of(self.end))

    def _drop(self, terms: pb.AuthorityTerms) -> None:
        for digest in self.drop:
            kept = [one for one in terms.anchors if not one.sha256.startswith(digest.lower())]
            if len(digest) < 8 or len(kept) == len(terms.anchors):
                raise InvalidArgument(
                    "--drop takes the first 8 or more of an anchor's SHA-256: see `trust show`",
                    reason="ANCHOR_NOT_THERE",
                    message_zh="--drop 应为某个信任锚 SHA-256 的前 8 位或更多：见 `trust show`",
                )
            del terms.anchors[:]
            terms.anchors.extend(kept)


# --- files and times -----------------------------------------------------------------------------


def certificates_in(path: Path) -> list[bytes]:
    """The certificates of a file: one in DER, or any number in PEM. Raises InvalidArgument."""
    return _der_in(path, _GREATEST_FILE)


def lists_in(path: Path) -> list[bytes]:
    """The revocation lists of a file, likewise."""
    return _der_in(path, GREATEST_LIST)


def _der_in(path: Path, greatest: int) -> list[bytes]:
    data = read_file(path, greatest=greatest)
    if data[:1] == b"\x30":
        return [data]
    try:
        found = [base64.b64decode(b"".join(one.split()), validate=True)
                 for one in _PEM.findall(data)]  # fmt: skip
    except (ValueError, binascii.Error):
        found = []
    if not found:
        raise InvalidArgument(
            f"{path} is neither DER nor PEM of certificates or revocation lists: name another file",
            reason="FILE_NOT_A_CERTIFICATE",
            message_zh=f"{path} 不是 DER 或 PEM 格式的证书或吊销列表：请另选文件",
        )
    return found


def instant(text: str) -> datetime:
    """The begin of a day in China (`YYYY-MM-DD`), or an instant with its zone (ISO 8601)."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise _bad_time() from None
    if len(text) == len("2026-01-01"):
        return datetime.combine(found.date(), time(), CHINA)
    if found.tzinfo is None:
        raise _bad_time()
    return found.astimezone(UTC)


def _bad_time() -> DomainError:
    return InvalidArgument(
        "a time is YYYY-MM-DD, when that day begins, or as 2026-06-01T12:00:00+08:00",
        reason="BAD_TIME",
        message_zh="时间应为 YYYY-MM-DD（当日零时），或如 2026-06-01T12:00:00+08:00",
    )


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d{1,4})([hd])", text)
    if not found:
        raise InvalidArgument(
            "--grace is hours or days, such as 12h or 3d",
            reason="BAD_GRACE",
            message_zh="--grace 应为小时或天数，如 12h 或 3d",
        )
    return timedelta(hours=int(found[1]) * (24 if found[2] == "d" else 1))


# --- for people ----------------------------------------------------------------------------------


def state_of(authority: pb.Authority) -> str:
    """The state of an authority in the reader's language."""
    english = pb.AuthorityState.Name(authority.state).removeprefix("AUTHORITY_STATE_")
    return say(english, STATES_ZH.get(english, ""))


def print_authority(authority: pb.Authority) -> None:
    """All that there is to say of an authority, as tables."""
    facts = [
        (say("state", "状态"), state_of(authority)),
        *_facts(authority.terms),
        (say("asked for", "申请时间"), when(authority.create_time)),
        (say("asked for by", "申请系统"), authority.creator),
        (say("approved", "批准时间"), when(authority.approve_time)),
        (say("approved by", "批准系统"), authority.approver),
        (say("withdrawn as of", "撤回生效时间"), when(authority.withdraw_time)),
        (say("change asked for by", "变更申请系统"), authority.pending_creator),
        ("etag", authority.etag),
    ]
    columns = (say("what", "项目"), say("value", "内容"))
    print_table(authority.name, columns, [one for one in facts if one[1]])
    _print_anchors(say("Anchors", "信任锚"), authority.terms)
    if authority.HasField("pending_terms"):
        print_table(say("Change asked for", "待批变更"), columns, _facts(authority.pending_terms))
        _print_anchors(say("Anchors asked for", "待批信任锚"), authority.pending_terms)
    if authority.revocation_lists:
        print_table(
            say("Revocation lists", "吊销列表"),
            (say("issuer", "签发者"), say("of", "签发时间"), say("next", "下次更新"),
             say("revoked", "吊销数")),
            [
                (one.issuer, when(one.this_update), when(one.next_update), one.revoked_count)
                for one in authority.revocation_lists
            ],
        )  # fmt: skip


def _facts(terms: pb.AuthorityTerms) -> list[tuple[str, str]]:
    rule = terms.revocation_rule
    required = say("required", "必须") if rule.required else say("told if missing", "缺失时提示")
    hours = rule.grace.seconds // 3600
    grace = say(f", {hours} h beyond its end", f"，宽限 {hours} 小时")
    makers = dict.fromkeys(maker for one in terms.anchors for maker in one.makers)
    return [
        (say("display name", "名称"), terms.display_name),
        (say("credit code", "统一社会信用代码"), terms.credit_code or terms.foreign_id),
        (say("legal basis", "互认依据"), terms.legal_basis),
        (say("revocation data", "吊销数据"), required + (grace if hours else "")),
        (say("lists fetched from", "吊销列表地址"), ", ".join(terms.list_urls) or "-"),
        (say("intermediates", "中间证书"), str(len(terms.intermediates))),
        (say("seal makers", "制章者"), "\n".join(makers) or say("not named", "未指定")),
    ]


def _print_anchors(title: str, terms: pb.AuthorityTerms) -> None:
    print_table(
        title,
        (say("subject", "主体"), say("trusted for", "用途"), say("from", "起始"),
         say("until", "截止"), say("suites", "算法"), "SHA-256"),
        [
            (one.subject, _purposes(one), when(one.start_time)[:10], until(one.end_time)[:10],
             ", ".join(one.suites) or say("any", "不限"), one.sha256)
            for one in terms.anchors
        ],
    )  # fmt: skip


def _purposes(one: pb.RecognisedAnchor) -> str:
    words = [pb.TrustPurpose.Name(p).removeprefix("TRUST_PURPOSE_") for p in one.purposes]
    return ", ".join(say(word, _PURPOSES_ZH[word]) for word in words)
