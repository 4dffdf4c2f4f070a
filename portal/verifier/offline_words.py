"""What the offline page says, in the language of whoever fetched it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from portal.verifier.recorded import KINDS

Say = Callable[[str, str], str]

_OVER: Final = ("This code is over", "此码已失效")
_FALSE: Final = ("Not genuine", "不可信")
_SINCE: Final = ("Genuine; unknown since", "码真实，此后状态未知")
_OLD: Final = ("Genuine, not known to be in force", "码真实，状态未确认")
#: By reason: colour, heading, sentence; English and Chinese.
_REASONS: Final[Mapping[str, tuple[str, tuple[str, str], tuple[str, str]]]] = {
    "PASSED": ("green", ("Genuine and in force", "真实有效"),
               ("The code is genuine, and the license was in force at {at}.",
                "该码真实，证照在 {at} 有效。")),
    "QR_UNREADABLE": ("amber", ("Not a presented license", "这不是亮证码"),
                      ("This is no code of a license, or not all of it.",
                       "这不是证照亮证码，或内容不完整。")),
    "FOREIGN_KEY": ("red", _FALSE,
                    ("It is signed by a key that this page does not trust: it is forged, another "
                     "node's, or this page is old.",
                     "该码由不受信任的密钥签发：系伪造、来自其他节点，或本页过旧。")),
    "SIGNATURE_WRONG": ("red", _FALSE,
                        ("Its signature is wrong: it was changed or forged.",
                         "签名不正确：已被篡改或系伪造。")),
    "QR_EXPIRED": ("amber", _OVER,
                   ("Its time is over: it may be an old picture. Ask the holder to present again.",
                    "该码已过期，可能是旧截图：请持证人重新亮证。")),
    "QR_NOT_YET_VALID": ("amber", ("Made in the future", "生成时间有误"),
                         ("It says that it was made in the future: check this machine's clock.",
                          "该码的生成时间晚于当前时间：请检查本机时钟。")),
    "WRONG_AUDIENCE": ("amber", ("Not shown to you", "不是出示给您的"),
                       ("It is for another verifier: ask the holder to present to you.",
                        "该码是出示给其他核验方的：请持证人向您重新亮证。")),
    "WRONG_PURPOSE": ("amber", ("For another purpose", "用途不符"),
                      ("The holder presented it for one purpose: enter yours as they said it.",
                       "持证人指定了用途：请按其说明填写您的核验用途。")),
    "HOLDER_DIFFERS": ("red", ("Somebody else's", "不是本人的证照"),
                       ("It is bound to another person than the one of this card.",
                        "该码绑定的持证人与所核对的身份证件不是同一人。")),
    "PRESENTATION_ENDED": ("amber", _OVER,
                           ("Its holder ended it: ask them to present again.",
                            "持证人已提前结束本次亮证：请其重新亮证。")),
    "LICENSE_NOT_IN_FORCE": ("red", ("No longer in force", "证照已失效"),
                             ("The license was revoked, cancelled or replaced.",
                              "证照已被吊销、注销或替代。")),
    "LICENSE_SUSPENDED": ("amber", ("Suspended", "证照暂扣中"),
                          ("The license is suspended.", "证照处于“暂扣”状态。")),
    "STATUS_LIST_MISSING": ("amber", _OLD,
                            ("Whether the license is in force is not known here: fetch this page "
                             "anew, or verify online.",
                             "本页没有该证照的状态列表：请重新下载本页，或在线核验。")),
    "STATUS_LIST_NOT_GOOD": ("amber", _OLD,
                             ("The status list in this page is not good: fetch the page anew.",
                              "本页内的状态列表无效：请重新下载本页。")),
    "STATUS_LIST_OLDER": ("amber", _SINCE,
                          ("The code is genuine, and the license was in force when it was shown, "
                           "at {at}. What happened after that cannot be known here: the list in "
                           "this page, of {list}, is older than the code. Verify online, or fetch "
                           "this page anew.",
                           "该码真实，亮证时（{at}）证照有效。此后的情况在此无法得知：本页的状态列表"
                           "（{list}）早于亮证时间。请联网核验，或重新下载本页。")),
    "STATUS_LIST_STALE": ("amber", _SINCE,
                          ("The code is genuine, and the license was in force at {at}. What "
                           "happened after that cannot be known here: the list in this page is too "
                           "old. Verify online, or fetch this page anew.",
                           "该码真实，证照在 {at} 有效。此后的情况在此无法得知："
                           "本页的状态列表已过期。请联网核验，或重新下载本页。")),
    "TRUST_LIST_NOT_GOOD": ("amber", ("The time is wrong", "时间有误"),
                            ("This page says that it was made in the future: check this "
                             "machine's clock.",
                             "本页生成时间晚于当前时间：请检查本机时钟。")),
    "TRUST_LIST_STALE": ("amber", _OLD,
                         ("This page is too old: fetch it anew.", "本页过旧：请重新下载。")),
}  # fmt: skip
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "title": ("Verify without a network", "离线核验"),
    "fresh": (
        "This page knows the licenses' states of {made}, and is up to date until {until}. Of what "
        "is shown later it tells whether it is genuine, and that nothing is known since.",
        "本页证照状态截至 {made}，{until} 前有效。此后出示的码只能判断真伪，其后的状态无法得知。",
    ),
    "stale": (
        "Too old: fetch this page anew. It knows the licenses' states of {made}, and what happened "
        "after that cannot be known here.",
        "已过期，请重新下载本页。证照状态截至 {made}，此后的情况无法得知。",
    ),
    "stale_unknown": (
        "The code is genuine. Whether the license is in force cannot be known here: the list in "
        "this page, of {list}, is too old. Verify online, or fetch this page anew.",
        "该码真实。证照是否有效在此无法得知：本页的状态列表（{list}）已过期。"
        "请联网核验，或重新下载本页。",
    ),
    "no_list": (
        "This page holds no status list: it tells whether a code is genuine, not whether the "
        "license is still in force.",
        "本页没有证照状态列表：只能判断码是否真实，不能判断证照是否仍然有效。",
    ),
    "checks": ("All checks", "全部核验项"),
    "light_green": ("holds", "通过"),
    "light_amber": ("not known", "未核对"),
    "light_red": ("does not hold", "未通过"),
    "verified_at": ("verified", "核验于"),
    "print": ("Print the report", "打印报告"),
    "word_unread": ("Not to be verified here", "无法在此核验"),
    "kind_code": ("A QR code", "二维码"),
    "online_only": (
        "This is no offline code. A code of 26 letters and digits is verified online.",
        "这不是离线二维码。26 位亮证码请在线核验。",
    ),
    "not_a_record": (
        "The file is no receipt, proof or list of accesses of Tongban. Unpack a ZIP first.",
        "该文件不是通办的回执、日志证明或数据使用记录，或内容已损坏；压缩包请先解压。",
    ),
    "differs": ("It does not agree with the log.", "与日志不符。"),
    "not_compared_holder": ("No card was compared.", "未与身份证件比对。"),
    "not_compared_unbound": (
        "It is bound to nobody: a copied picture of it passes as well.",
        "此码未绑定持证人：翻拍的图片同样可以通过。",
    ),
    "not_compared_presentation": (
        "Whether its holder ended it since is not known here: fetch this page anew.",
        "出示后持证人是否已提前结束，在此未知：请重新下载本页。",
    ),
    "not_compared_license_status": (
        "The license is newer than the list: fetch this page anew.",
        "证照签发于状态列表生成之后：请重新下载本页。",
    ),
    "not_compared_since": (
        "Whether the license was suspended, revoked or cancelled after {at} is not known here: the "
        "list is of {list}.",
        "{at} 亮证后证照是否被暂停、吊销或注销，在此未知：状态列表时间为 {list}。",
    ),
    "not_compared_no_list": (
        "This page has no list that tells.", "本页没有可判断的状态列表。",
    ),
    "open_inclusion": (
        "The log has promised to hold it; the proof that it does is not in this file yet. Verified "
        "online it is looked up.",
        "文件中只有日志的承诺，尚无收录证明；联网核验时可查到。",
    ),
    "part_request": ("what was asked", "请求内容"),
    "part_answer": ("what was answered", "答复内容"),
    "part_changes": ("what was changed", "变更内容"),
    "nothing_to_compare": (
        "The file holds nothing to compare it with.", "文件中没有可比对的材料。",
    ),
    "card": (
        "Compare the person's identity card yourself: a code on a screen may be a copied picture.",
        "请自行核对出示人的身份证件：屏幕上的码可能是截图。",
    ),
    "presented": ("How it was presented", "亮证信息"),
    "purpose": ("Purpose", "用途"),
    "agency": ("Shown by an agent, delegated until", "由受托人出示，委托至"),
    "issuer": ("Node", "出具节点"),
    "made": ("Presented", "亮证时间"),
    "until": ("Good until", "有效至"),
    "as_of": ("Status list of", "状态列表时间"),
    "list_STATUS_LIST_OLDER": (
        "The list in this page, of {list}, is older than the code.",
        "本页的状态列表（{list}）早于亮证时间。",
    ),
    "list_STATUS_LIST_STALE": (
        "The list in this page, of {list}, is too old.", "本页的状态列表（{list}）已过期。",
    ),
    "in_force": ("Known to be in force at", "已知有效的时间"),
    "records": ("Records", "所载记录"),
    "applicant": ("An applicant", "申请人"),
    "check_readable": ("It can be read", "可识读"),
    "check_key_trusted": ("Signed by a key that is trusted", "签发密钥受信任"),
    "check_signature": ("The signature holds", "签名有效"),
    "check_time": ("Within its time", "在有效期内"),
    "check_verifier_named": ("Shown to whoever verifies", "出示对象相符"),
    "check_purpose_fits": ("The purpose fits", "用途相符"),
    "check_holder": ("The holder's card", "持证人身份"),
    "check_presentation": ("Not ended by its holder", "持证人未提前结束"),
    "check_license_status": ("The license is in force", "证照处于有效状态"),
    "check_status_list": ("The status list is fresh", "状态列表有效"),
    "check_trust_list": ("The trust list is fresh", "信任列表有效"),
    "record_key": ("The log's key", "日志密钥"),
    "record_leaf": ("The record reads in one way", "记录只有一种读法"),
    "record_path": ("Its place in the batch", "记录在批次中的位置"),
    "record_promise": ("The log promised it", "日志对该记录的承诺"),
    "record_request_signature": ("The asking system signed it", "查询方对请求的签名"),
    "record_certificate": ("Whose that certificate is", "签名证书的归属"),
    "record_proof": ("The proof is well-formed", "证明格式"),
    "record_checkpoint": ("The log signed its state", "日志检查点的签名"),
    "record_inclusion": ("The record is in the log", "记录已在日志中"),
    "record_document": ("The record names the document", "记录所指的文件"),
    "record_opening": ("What was asked or told is what was logged", "所载内容与日志承诺一致"),
    "record_entry": ("It is about this person", "与该人有关"),
    "record_word_green": ("On record", "记录属实"),
    "record_word_amber": ("On record, not all compared", "记录属实，部分未核对"),
    "record_word_red": ("Not genuine", "不可信"),
    "record_told_green": (
        "The log's own signatures prove what the file says.", "日志的签名证明文件所载内容属实。",
    ),
    "record_told_amber": (
        "What could be checked is right; some of it has nothing to be compared with here.",
        "能核对的内容均正确；有些内容在此没有可比对的材料。",
    ),
    "record_told_red": (
        "The file is not what the log signed: it was changed, is forged, or is of another node.",
        "文件与日志签名不符：可能被改动、系伪造，或来自其他节点。",
    ),
}  # fmt: skip


def words_of(say: Say) -> dict[str, Any]:
    """All words by name; of reasons colour, heading and sentence."""
    reasons = {
        f"reason_{name}": [light, say(*word), say(*told)]
        for name, (light, word, told) in _REASONS.items()
    }
    kinds = {f"kind_of_{name}": say(both.en, both.zh) for name, both in KINDS.items()}
    return {**reasons, **kinds, **{name: say(*both) for name, both in _WORDS.items()}}
