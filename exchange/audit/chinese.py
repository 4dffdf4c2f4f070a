"""Why checks fail, in Chinese: the steps say it in English, where they raise.

Standard library only, like all that the offline verifier stands on. A reason is known by words that
only it has, whatever name or number stands beside them; the first that fits is told.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

_CHINESE: Final[Mapping[str, str]] = {
    "an earlier check that this one needs": "所依据的前一项检查未通过",
    # Keys, signatures and notes.
    "a verifier key looks like": "公钥应为“名称+01234567+base64”",
    "the verifier key is not": "公钥类型不符",
    "the verifier key's id": "公钥与其编号不符",
    "the signature is not by the key of": "签名与该公钥不符",
    "the note is not signed by": "检查点不是由该公钥签名",
    "the note": "检查点格式有误",
    "a note's text": "检查点格式有误",
    "a signature line": "检查点的签名行格式有误",
    "the checkpoint is of another log": "检查点来自其他日志",
    "of a promise is": "承诺的来源、分片或时间有误",
    "of a promise are": "承诺的来源、分片或时间有误",
    "not canonical base64": "base64 编码不规范",
    "not base64": "不是 base64 编码",
    "a number is not decimal": "数字格式有误",
    "a hash is not of 32 bytes": "哈希值应为 32 字节",
    "a proof begins with": "证明的首行有误",
    "the proof has no index": "证明未写明记录序号",
    # Witnesses.
    "cosignature": "见证签名格式有误",
    "is the log's own": "见证方公钥即日志自身的公钥",
    "is given twice": "同一见证方的公钥或名称给出了两次",
    "of the witnesses given cosigned it": "见证签名的数量不足",
    # The tree.
    "the path leads to another root": "路径得出另一树根",
    "the proof leads to another root": "证明得出另一树根",
    "the proof is too": "证明长度与日志不符",
    "the proof is of the leaf at": "证明所指的是另一条记录",
    "the leaf's index": "记录序号超出日志范围",
    "the tree has no leaf": "日志中没有该序号的记录",
    "the earlier tree": "较早的日志不是现有日志的开头",
    "the later tree is smaller": "较新的日志反而更短",
    "equal or empty trees": "两个日志相同或为空，证明却不为空",
    # Copies of the log.
    "entries have another root": "日志副本得出另一树根",
    "the entries could not be read": "日志条目未能读完",
    "are not all there, or more": "日志条目缺失或多余",
    "does not hold the": "日志副本的哈希文件与条目不符",
    "holds other hashes": "日志副本的哈希文件与条目不符",
    "a tile is": "日志副本的哈希文件不完整",
    "an entry bundle ends": "日志条目文件不完整",
    "a file cannot be read": "文件无法读取",
    # The record, and what it commits to.
    "the leaf is not": "记录不是规范的 JSON",
    "the leaf has no commitment": "记录中没有该内容的承诺",
    "the leaf commits to another value": "与记录中的承诺不符：内容被改动，或随机盐不同",
    "the record commits to another value": "记录的承诺与该值不符",
    "none of the records that open": "有关记录均未承诺该值",
    "the value is not text": "该内容应为文本",
    "the value has no canonical form": "该内容没有规范形式",
    "the record names another document": "记录所指的是另一份文件",
    "the leaf has no entries": "记录没有条目",
    "the leaf's entries are malformed": "记录的条目格式有误",
    "the leaves are not those": "记录与所承诺的不符",
    "the salts are not as many": "随机盐与记录数量不符",
    # Who signed the question.
    "the leaf names no signature": "记录未写明请求的签名",
    "has no certificate": "文件中没有可用于检查签名的证书",
    "the leaf names another certificate": "记录写明的是另一张证书",
    "is not the asking system's": "证书不属于查询方系统",
    "was signed with another certificate": "请求由另一张证书签名",
    "the record is not of an enrolment": "该记录不是证书登记",
    "the record enrols another certificate": "该记录登记的是另一张证书",
    "the record enrols another system": "该记录登记的是另一系统",
    "before the certificate was issued": "请求签名早于证书签发",
    "the certificate was revoked": "请求签名时证书已吊销",
    "the certificate's key is not": "证书的密钥不是椭圆曲线密钥",
    "is not the certificate's over this request": "签名不是该证书对此请求所作",
    "another request was signed": "签名的是另一请求，或随机数不同",
    "the certificate cannot be read": "证书无法读取",
    "the request was not signed": "请求未签名，登记无法表明由谁提出",
    "the proof of the enrolment": "证书登记的证明不成立",
    "give the certificate as its system": "密钥由节点生成，运营者可冒签：请提供系统自有的证书",
    # Evidence of what a log did.
    "this is a suspicion": "仅为疑点：节点未给出证明，须用日志副本核实",
    "a broken promise, and nothing else": "只有违背承诺的证据才附回执",
    "is not larger than the earlier one": "后一检查点不大于前一检查点",
    "does not lead to the later root": "证明得不出后一树根，无约束力",
    "continues the earlier one": "后一检查点延续前一检查点，并无改写",
    "these are not two roots": "并非同一大小的两个树根",
    "only a copy of the log shows it": "须用日志副本核实：请以 --log 提供",
    "which is not a minute beyond": "日志副本止于承诺之时：请用更新的副本",
    "the promise was kept": "承诺已履行，记录已在日志中",
    "the copy ends too early": "日志副本结束过早，无法判断",
    "the copy's last record has no time": "日志副本的末条记录没有时间",
}  # fmt: skip


def in_chinese(detail: str) -> str:
    """Why a check failed, in Chinese; what no step says stands as it is."""
    return next((zh for en, zh in _CHINESE.items() if en in detail), detail)
