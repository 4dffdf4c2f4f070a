"""What a code, a QR code or a license's file is worth, as a layman reads it.

The node says in one word why it did not pass; here is what that means for whoever was shown it.
What is over for good is red; what a new presentation, another day or another word could mend is
amber.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC
from typing import Final

from licenses.v1 import licenses_pb2, verifying_pb2
from portal.applicant.contents import in_one_line
from portal.pages import shown_time
from portal.verifier.model import Answer, Light, Row, Told, checks_seen
from seal.v1 import seal_pb2

_GREEN: Final = Told(en="Genuine and in force", zh="真实有效")
_THEN: Final = Told(en="In force at that time", zh="所问时间有效")
_OVER: Final = Told(en="This code is over", zh="此码已失效")
_ENDED: Final = Told(en="No longer in force", zh="证照已失效")
_FALSE: Final = Told(en="Not genuine", zh="不可信")
_RED, _AMBER = Light.RED, Light.AMBER
#: What each word of the node means: colour and heading.
_MEANINGS: Final[Mapping[str, tuple[Light, Told]]] = {
    "CODE_UNKNOWN": (_RED, Told(en="No such code", zh="查无此码")),
    "WRONG_AUDIENCE": (_AMBER, Told(en="Not shown to you", zh="不是出示给您的")),
    "DELEGATION_ENDED": (_AMBER, _OVER),
    "PRESENTATION_ENDED": (_AMBER, _OVER),
    "CODE_EXPIRED": (_AMBER, _OVER),
    "CODE_USED_UP": (_AMBER, _OVER),
    "WRONG_PURPOSE": (_AMBER, Told(en="For another purpose", zh="用途不符")),
    "LICENSE_REVOKED": (_RED, _ENDED),
    "LICENSE_CANCELLED": (_RED, _ENDED),
    "LICENSE_SUPERSEDED": (_RED, _ENDED),
    "LICENSE_TRANSFERRED": (_RED, _ENDED),
    "LICENSE_EXPIRED": (_RED, Told(en="Run out", zh="证照已过有效期")),
    "LICENSE_SUSPENDED": (_AMBER, Told(en="Suspended", zh="证照暂扣中")),
    "LICENSE_NOT_YET_VALID": (_AMBER, Told(en="Not valid yet", zh="证照尚未生效")),
    "NOT_IN_FORCE_THEN": (
        _AMBER,
        Told(en="Not in force at that time", zh="所问时间不处于有效状态"),
    ),
    "METADATA_CHANGED": (_RED, _FALSE),
    "DOCUMENT_NOT_VERIFIED": (_RED, _FALSE),
    "QR_UNREADABLE": (_AMBER, Told(en="Not a presented license", zh="这不是亮证码")),
    "IDENTIFIER_SCANNED": (_AMBER, Told(en="The printed identifier", zh="这是证照标识")),
    "FOREIGN_KEY": (_RED, _FALSE),
    "SIGNATURE_WRONG": (_RED, _FALSE),
    "FILE_NOT_ISSUED": (_RED, _FALSE),
    "WALLET_CREDENTIAL": (_AMBER, Told(en="Out of a wallet", zh="须由钱包出示")),
    "HOLDER_DIFFERS": (_RED, Told(en="Somebody else's", zh="不是本人的证照")),
    "LICENSE_UNKNOWN": (_AMBER, Told(en="Not known here", zh="本节点无此证照")),
    "COPY_FOR_OTHER_PURPOSE": (_AMBER, Told(en="For its own purpose only", zh="仅限注明的用途")),
    "COPY_FOR_OTHER_RECEIVER": (_AMBER, Told(en="For its receiver only", zh="仅限注明的接收单位")),
    "COPY_MADE_LATER": (_AMBER, Told(en="Made later", zh="加注件制作在后")),
    "COPY_ENDED": (_AMBER, Told(en="This copy is over", zh="加注件已过期")),
    "COPY_WITHDRAWN": (_AMBER, Told(en="This copy was withdrawn", zh="加注件已收回")),
}
#: Sealed, and no license of this node: then the seal's verdict is all there is to say.
NO_LICENSE: Final = frozenset({"FILE_UNREADABLE", "LICENSE_UNKNOWN", "DOCUMENT_NOT_VERIFIED"})
#: What the checks ask, for the expert.
_ASKED: Final[Mapping[str, Told]] = {
    "code_known": Told(en="The code is known", zh="亮证码存在"),
    "code_genuine": Told(en="The QR code is genuine", zh="二维码真实"),
    "verifier_named": Told(en="It was shown to whoever verifies", zh="出示对象相符"),
    "delegation_open": Told(en="The delegation is open", zh="委托仍然有效"),
    "presentation_live": Told(en="The presentation is open", zh="亮证仍在有效期内"),
    "presentation": Told(en="The presentation is open", zh="亮证仍然有效"),
    "uses_left": Told(en="It may be used once more", zh="核验次数未用完"),
    "purpose_fits": Told(en="The purpose fits", zh="用途相符"),
    "purpose_words": Told(en="The holder's words for the purpose", zh="持证人所写用途"),
    "license_state": Told(en="The license is in force", zh="证照处于有效状态"),
    "validity_period": Told(en="Within its first and last day", zh="在有效期内"),
    "metadata_unchanged": Told(en="It says what was issued", zh="内容与签发时一致"),
    "document_seal": Told(en="The seal holds", zh="电子印章有效"),
    "holder": Told(en="The holder's card", zh="持证人身份"),
    "issued_here": Told(en="Issued by this node", zh="由本节点签发"),
    "file_issued": Told(en="It is the file that was issued", zh="即所签发的文件"),
    "key_binding": Told(en="Its wallet's proof", zh="钱包密钥的证明"),
    "readable": Told(en="It carries a license's metadata", zh="含有证照元数据"),
    "endorsement": Told(en="Purpose and end of the copy", zh="加注件的用途与期限"),
    "receiver": Told(en="The copy's receiver", zh="加注件的接收单位"),
}
_CARD: Final = Told(
    en="Compare the person's identity card yourself: a code on a screen may be a copied picture.",
    zh="请自行核对出示人的身份证件：屏幕上的码可能是截图。",
)
_UNBOUND: Final = Told(
    en="This code is bound to nobody, so your card number was compared with nothing: a copied "
    "picture of it passes as well.",
    zh="此码未绑定持证人，所填证件号码未与任何信息比对：翻拍的图片同样可以通过。",
)
_IN_FORCE: Final = Told(
    en="The file is as it was issued, its seal holds, and the license is in force now.",
    zh="文件与签发时一致，印章有效，证照现在有效。",
)
_COPY: Final = Told(
    en="The copy is genuine and in force. It serves only the purpose and the receiver that are "
    "written on it: compare them.",
    zh="加注件真实有效，但仅供注明的用途和接收单位使用：请核对下列内容。",
)
_STATES: Final[Mapping[int, Told]] = {
    licenses_pb2.LICENSE_STATE_ACTIVE: Told(en="In force", zh="有效"),
    licenses_pb2.LICENSE_STATE_SUSPENDED: Told(en="Suspended", zh="暂扣"),
    licenses_pb2.LICENSE_STATE_REVOKED: Told(en="Revoked", zh="已吊销"),
    licenses_pb2.LICENSE_STATE_CANCELLED: Told(en="Cancelled", zh="已注销"),
    licenses_pb2.LICENSE_STATE_SUPERSEDED: Told(en="Replaced", zh="已被替代"),
    licenses_pb2.LICENSE_STATE_TRANSFERRED: Told(en="Transferred", zh="已转移"),
}
Names = Mapping[str, tuple[str, str]]


def answer_to_code(
    found: verifying_pb2.VerifyLicenseResponse,
    names: Names,
    fields: Mapping[str, licenses_pb2.LicenseField] | None = None,
    *,
    english: bool,
    card_seen: bool,
    past: bool = False,
) -> Answer:
    """The answer to a code; `names`: what its fields are called, English and Chinese.

    `fields`: what is known of the type's own, by which codes and tables are told in words.
    `past`: a time that is over was asked about, and says nothing of today.
    """
    verdict = found.verdict
    light, word = _meaning(verdict, past=past)
    passed = verdict.indication == seal_pb2.INDICATION_PASSED
    return Answer(
        light=light,
        word=word,
        summary=_summary(verdict),
        now=Told(en="", zh=""),
        reason=verdict.sub_indication,
        sub_indication=verdict.sub_indication,
        document_format="",
        checks=tuple(
            replace(one, title=_ASKED.get(said.name, one.title))
            for one, said in zip(checks_seen(verdict.checks), verdict.checks, strict=True)
        ),
        advice=_advice(verdict, card_seen=card_seen) if passed else (),
        shown=tuple(
            Row(name=Told(en=names.get(key, (key, key))[0], zh=names.get(key, (key, key))[1]),
                value=in_one_line(found.fields[key], (fields or {}).get(key)))
            for key in sorted(found.fields, key=lambda key: _order(names, key))
        ),
        facts=_facts(found, english=english),
        trace=found.receipt.leaf_hash.hex(),
    )  # fmt: skip


def _advice(verdict: seal_pb2.Verdict, *, card_seen: bool) -> tuple[Told, ...]:
    """What is left to compare of who shows a code."""
    if not card_seen:
        return (_CARD,)
    compared = all(
        one.indication == seal_pb2.INDICATION_PASSED
        for one in verdict.checks
        if one.name == "holder"
    )
    return () if compared else (_UNBOUND,)


def with_license(
    answer: Answer,
    found: verifying_pb2.VerifyLicenseResponse,
    *,
    english: bool,
    asked: bool,
    named: bool = False,
    past: bool = False,
) -> Answer:
    """The answer to a file, with what its license is worth now.

    `asked`: a purpose was said; `named`: a department asked, and no visitor; `past`: a time that
    is over was asked about.
    """
    verdict = found.verdict
    if verdict.sub_indication in NO_LICENSE:
        return answer
    light, word = _meaning(verdict, past=past)
    # A visitor is no department: whether the copy is for them, nobody compared.
    theirs = not named and verdict.sub_indication == "COPY_FOR_OTHER_RECEIVER"
    summary = _COPY if theirs else _summary(verdict)
    if light is Light.GREEN and found.HasField("endorsement") and not asked:
        # Whose it is for was compared with nothing: that is for the reader to do.
        light, word = _MEANINGS["COPY_FOR_OTHER_PURPOSE"]
        summary = _COPY
    trace = found.receipt.leaf_hash.hex()
    answer = replace(answer, facts=_facts(found, english=english), trace=trace)
    license_checks = tuple(
        replace(one, title=_ASKED.get(said.name, one.title))
        for one, said in zip(checks_seen(verdict.checks), verdict.checks, strict=True)
    )
    answer = replace(answer, checks=(*license_checks, *answer.checks))
    if light is Light.GREEN:
        # A seal that ended since says so itself.
        good = answer.light is Light.GREEN
        return replace(answer, word=_GREEN, summary=_IN_FORCE) if good else answer
    return replace(
        answer, light=light, word=word, summary=summary, reason=verdict.sub_indication,
        now=Told(en="", zh=""),
    )  # fmt: skip


def _summary(verdict: seal_pb2.Verdict) -> Told:
    """The node's sentence as one that stands by itself."""
    english, chinese = verdict.summary, verdict.summary_zh
    for one in verdict.checks:
        if one.name == "holder" and one.indication == seal_pb2.INDICATION_INDETERMINATE:
            # The advice says it.
            english = english.replace(f"; {one.detail}", "")
            chinese = chinese.replace(f"；{one.detail_zh}", "")
    ended = chinese if chinese.endswith(("。", "！", "？")) else f"{chinese}。"
    return Told(en=f"{english[:1].upper()}{english[1:]}.", zh=ended)


def _meaning(verdict: seal_pb2.Verdict, *, past: bool) -> tuple[Light, Told]:
    if verdict.indication == seal_pb2.INDICATION_PASSED:
        return (Light.AMBER, _THEN) if past else (Light.GREEN, _GREEN)
    unknown = (Light.AMBER, Told(en="Not confirmed", zh="不能确认"))
    return _MEANINGS.get(verdict.sub_indication, unknown)


def _facts(found: verifying_pb2.VerifyLicenseResponse, *, english: bool) -> tuple[Row, ...]:
    rows = []

    def say(en: str, zh: str, value: str) -> None:
        if value:
            rows.append(Row(name=Told(en=en, zh=zh), value=value))

    say("License", "证照", found.license_type_display_name)
    say("Identifier", "证照标识", found.license_identifier)
    if found.state in _STATES:
        state = _STATES[found.state]
        since = shown_time(found.state_time.ToDatetime(UTC))
        said = f"{state.en}, since {since}" if english else f"{state.zh}（自 {since}）"
        say("State now", "当前状态", said)
    say("Shown for", "出示用途", found.shown_for)
    if found.HasField("agency"):
        until = shown_time(found.agency.expire_time.ToDatetime(UTC))
        said = f"An agent, under a delegation for “{found.agency.purpose}” until {until}"
        said_zh = f"受托人：持证人委托其办理“{found.agency.purpose}”，至 {until}"
        say("Presented by", "出示人", said if english else said_zh)
    if found.HasField("endorsement"):
        copy = found.endorsement
        say("Made for", "加注用途", copy.purpose)
        say("Receiver", "接收单位", copy.receiver)
        say("Last day", "截止日期", copy.valid_to)
        say("Made by", "制作单位", copy.maker)
    return tuple(rows)


def _order(names: Names, key: str) -> tuple[int, str]:
    known = list(names)
    return (known.index(key) if key in names else len(known), key)
