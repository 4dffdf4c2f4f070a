"""The catalogue of checks: what each name means, in both languages, in the order they are told.

1. Every check that is ever emitted stands here once (a test holds that); the order is that of
   GM/T 0031-2025 (format, seal, signer, signature, content, time-stamp), whatever order rules run.
2. What refines a check's answer stands in `seal.judging.reasons`; a reason without a word of its
   own there takes its check's.
3. Data alone: of the project it imports that table. The auditors' chapter is written of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from seal.judging.reasons import ENDINGS, REASONS, Ending

__all__ = ["CHECKS", "ENDINGS", "REASONS", "CheckName", "Ending", "etsi_word", "position", "titled"]


@dataclass(frozen=True, slots=True)
class CheckName:
    """One check: what is asked (a short noun phrase and a question), where the standards ask it.

    `etsi` is the sub-indication of EN 319 102-1 where it does not pass and its reason has none of
    its own; `thing` is what the check is about where that may end later (a certificate, a seal).
    """

    name: str
    title: str
    title_zh: str
    question: str
    question_zh: str
    clause: str
    etsi: str
    thing: str = ""
    thing_zh: str = ""


_GMT31: Final = "GM/T 0031-2025"
_GBT38540: Final = "GB/T 38540-2020"
_OFD: Final = "GB/T 33190-2016"
_PADES: Final = "EN 319 142-1"

_ASIC: Final = "EN 319 162-1"

_ALL: Final = (
    # --- a bundle of evidence, around the document ---
    CheckName(
        "evidence_layout", "Files of the bundle", "证据包的文件",
        "Are there the files that belong into a bundle, and no other?",
        "证据包是否恰好包含应有的文件？",
        _ASIC, "FORMAT_FAILURE",
    ),
    CheckName(
        "evidence_manifest", "List of the bundle", "证据包清单",
        "Does the list name exactly the files there are?", "清单是否恰好列出全部文件？",
        _ASIC, "FORMAT_FAILURE",
    ),
    CheckName(
        "evidence_digests", "Digests of the bundle", "证据包摘要",
        "Is every file of the bundle unchanged, by SHA-256 and by SM3?",
        "证据包中的每个文件按 SHA-256 和 SM3 摘要是否均未被修改？",
        _ASIC, "HASH_FAILURE",
    ),
    CheckName(
        "evidence_material", "Material of the bundle", "证据包材料",
        "Do the certificates, revocation data and trust list inside read?",
        "证据包内的证书、吊销数据和信任列表能否读取？",
        _ASIC, "FORMAT_FAILURE",
    ),
    CheckName(
        "evidence_time", "Time-stamp of the bundle", "证据包时间戳",
        "Is the time-stamp over the list, and by a trusted authority?",
        "时间戳是否针对清单且来自受信任的机构？",
        _ASIC, "TIMESTAMP_ORDER_FAILURE",
        "the authority of the bundle's time-stamp", "证据包时间戳机构证书",
    ),
    CheckName(
        "evidence_anchors", "Trust list of the bundle", "证据包信任列表",
        "Which roots inside does the verifier trust by its own list?",
        "证据包内的哪些根证书也在验证者自己的信任列表中？",
        _ASIC, "NO_CERTIFICATE_CHAIN_FOUND",
    ),
    CheckName(
        "evidence_verdict", "Report of the bundle", "证据包报告",
        "Does the report inside say what the material inside gives?",
        "证据包内的报告与其材料得出的结论是否一致？",
        _ASIC, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "evidence_receipt", "Receipt of the audit log", "审计日志回执",
        "Is the act in the log, by the log's own key?", "该操作是否已由日志密钥证明在日志中？",
        "c2sp.org/tlog-proof", "SIG_CRYPTO_FAILURE",
    ),
    # --- the document as a whole: its container ---
    CheckName(
        "document_format", "Kind of file", "文件类型",
        "Is it an OFD or a PDF, by its first bytes?", "文件开头的字节是否表明它是 OFD 或 PDF？",
        "GB/T 33190-2016; ISO 32000", "FORMAT_FAILURE",
    ),
    CheckName(
        "package_format", "OFD container", "OFD 文件包",
        "Can the package be read in one way only?", "文件包是否只有一种读法？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "package_zip", "Zip structure", "压缩包结构",
        "Is every byte of the zip part of exactly one entry?",
        "压缩包的每个字节是否都只属于一个条目？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "package_duplicate_names", "Names in the container", "文件包内的名称",
        "Does no entry have the name of another, also by case or encoding?",
        "是否没有同名条目（包括仅大小写或编码不同的名称）？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "package_paths", "Paths in the container", "文件包内的路径",
        "Does every path stay inside the package and have one spelling?",
        "每个路径是否都在文件包内且写法唯一？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "package_limits", "Size of the container", "文件包大小",
        "Are size, number of files and compression ratio within bounds?",
        "大小、文件数和压缩比是否在限度内？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "xml_no_dtd", "XML without declarations", "XML 无外部声明",
        "Does no XML declare a document type or entities?", "XML 中是否没有文档类型或实体声明？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "xml_well_formed", "XML", "XML 格式",
        "Is every XML file well-formed UTF-8?", "每个 XML 文件是否为格式良好的 UTF-8？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "ofd_structure", "OFD structure", "OFD 结构",
        "Does what the files say fit GB/T 33190?", "各文件的内容是否符合 GB/T 33190？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "pdf_format", "PDF structure", "PDF 结构",
        "Can the PDF be read in one way only?", "PDF 是否只有一种读法？",
        "ISO 32000", "FORMAT_FAILURE",
    ),
    CheckName(
        "unlisted_signature", "List of signatures", "签名列表",
        "Is every signature in the list, with files of its own?",
        "每个签章是否都在列表中且有各自的文件？",
        _OFD, "FORMAT_FAILURE",
    ),
    CheckName(
        "active_content", "Active content", "活动内容",
        "Does the document do, or show, something else by itself?",
        "文件自身是否会执行动作或改变显示内容？",
        "ISO 32000-2; GB/T 33190-2016", "GENERIC",
    ),
    CheckName(
        "integrity_entries", "Integrity list", "完整性清单",
        "Does OFDEntries.xml name exactly the files there are, and is it signed?",
        "OFDEntries.xml 是否恰好列出全部文件且签名有效？",
        "GM/T 0099-2020", "SIG_CONSTRAINTS_FAILURE",
    ),
    # --- one signature: its form ---
    CheckName(
        "signature_format", "Form of the signature", "签章格式",
        "Does the signature read, and do its parts agree on kind and algorithm?",
        "签章能否读取，各部分的类型与算法是否一致？",
        _GMT31, "FORMAT_FAILURE",
    ),
    CheckName(
        "signature_encoding", "Encoding of the signature", "签章编码",
        "Is the signature canonical DER?", "签章编码是否为规范的 DER？",
        _GBT38540, "FORMAT_FAILURE",
    ),
    # --- its seal ---
    CheckName(
        "seal_format", "Form of the seal", "印章格式",
        "Does the seal read?", "印章数据能否读取？",
        _GBT38540, "FORMAT_FAILURE",
    ),
    CheckName(
        "seal_encoding", "Encoding of the seal", "印章编码",
        "Is the seal canonical DER?", "印章编码是否为规范的 DER？",
        _GBT38540, "FORMAT_FAILURE",
    ),
    CheckName(
        "seal_signature", "Seal maker's signature", "制章者签名",
        "Did the seal's maker sign this seal, picture and all?",
        "制章者是否签署了该印章（含印章图像）？",
        _GMT31, "SIG_CRYPTO_FAILURE",
    ),
    CheckName(
        "seal_picture", "Picture of the seal", "印章图像",
        "Is the picture of the kind that the seal says, and of bounded size?",
        "印章图像是否为其声明的类型且大小适当？",
        _GBT38540, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "seal_creation", "Making of the seal", "印章制作时间",
        "Are the seal's dates consistent and not in the future?",
        "印章的时间是否一致且不晚于当前？",
        _GMT31, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "seal_maker_certificate", "Seal maker's certificate", "制章者证书",
        "Did the maker's certificate lead to a trusted root when the seal was made?",
        "制作印章时，制章者证书能否追溯到受信任的根证书？",
        _GMT31, "CHAIN_CONSTRAINTS_FAILURE", "the seal maker's certificate", "制章者证书",
    ),
    CheckName(
        "seal_extensions", "Extensions of the seal", "印章扩展",
        "Is every critical extension of the seal understood?", "印章的关键扩展是否都能识别？",
        _GBT38540, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "seal_time_stamp", "Time-stamp of the seal", "印章时间戳",
        "Is the seal's time-stamp over the maker's signature, and by a trusted authority?",
        "印章时间戳是否针对制章者签名且来自受信任的机构？",
        _GMT31, "TIMESTAMP_ORDER_FAILURE",
        "the authority of the seal's time-stamp", "印章时间戳机构证书",
    ),
    CheckName(
        "seal_match", "The seal file", "印章文件",
        "Is the seal in the package the one that was signed?", "文件包中的印章是否就是所签的印章？",
        _OFD, "HASH_FAILURE",
    ),
    CheckName(
        "seal_in_force", "Validity of the seal", "印章有效期",
        "Was the seal in force when it was used?", "签章时印章是否在有效期内？",
        _GMT31, "SIG_CONSTRAINTS_FAILURE", "the seal", "印章",
    ),
    # --- its signer ---
    CheckName(
        "signing_time", "Time of signing", "签章时间",
        "Is it signed after its seal, its certificate and what it covers, and not in the future?",
        "签章时间是否晚于印章制作、证书生效和所覆盖的在先签名，且不晚于当前？",
        _GMT31, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "signature_date_time", "Date shown", "显示的时间",
        "Does Signature.xml, or the PDF, tell the same time as the signature?",
        "Signature.xml 或 PDF 中写明的时间是否与签章时间一致？",
        _OFD, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "signer_listed", "Signer and seal", "签章者与印章",
        "Does the seal list the signer's certificate?", "印章的签章者列表是否包含签章者证书？",
        _GMT31, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "signer_certificate", "Signer's certificate", "签章者证书",
        "Did the signer's certificate lead to a trusted root, unrevoked, when signing?",
        "签章时，签章者证书能否追溯到受信任的根证书且未被吊销？",
        _GMT31, "CHAIN_CONSTRAINTS_FAILURE", "the signer's certificate", "签章者证书",
    ),
    # --- what was signed ---
    CheckName(
        "document_signature", "Signature value", "签章值",
        "Did the signer's key sign these bytes?", "签章者的密钥是否签署了这些字节？",
        _GMT31, "SIG_CRYPTO_FAILURE",
    ),
    CheckName(
        "signature_extensions", "Extensions of the signature", "签章扩展",
        "Is every critical extension of the signature understood?", "签章的关键扩展是否都能识别？",
        _GBT38540, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "property_info", "Place of the signature", "签章位置",
        "Is the signature where it was made for?", "签章是否位于制作时指定的位置？",
        _GBT38540, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "data_hash", "Digest of what was signed", "签章摘要",
        "Is the description of what was signed unchanged?", "所签内容的描述是否未被修改？",
        _GMT31, "HASH_FAILURE",
    ),
    CheckName(
        "references", "Digests of the files", "文件摘要",
        "Is every file that was signed there and unchanged?", "所签的每个文件是否存在且未被修改？",
        _GMT31, "HASH_FAILURE",
    ),
    CheckName(
        "stamp_pages", "Place of the stamps", "印章所在页面",
        "Is every stamp on a page of the document, to be seen, and no larger than a seal may be?",
        "每个印章是否位于文件的页面上、可见且大小适当？",
        _OFD, "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "uncovered_files", "Cover of the signature", "保护范围",
        "Does the signature cover every file of the package?", "签章是否保护文件包中的所有文件？",
        "GM/T 0099-2020", "SIG_CONSTRAINTS_FAILURE",
    ),
    CheckName(
        "byte_range", "Bytes that are signed", "签名的字节范围",
        "Are all bytes up to there signed but for the signature value itself?",
        "除签名值本身外，至该处的全部字节是否均被签名？",
        "ISO 32000-2", "FORMAT_FAILURE",
    ),
    CheckName(
        "covers_document", "Cover of the signature", "保护范围",
        "Does the signature cover the whole file, but for later signatures and evidence?",
        "除后续签名和验证资料外，签名是否覆盖整个文件？",
        _PADES, "SIG_CONSTRAINTS_FAILURE",
    ),
    # --- when ---
    CheckName(
        "time_stamp", "Time-stamp", "时间戳",
        "Is the time-stamp over this signature, in order, and by a trusted authority?",
        "时间戳是否针对该签名、时间有序且来自受信任的机构？",
        _GMT31, "TIMESTAMP_ORDER_FAILURE",
        "the time-stamp authority's certificate", "时间戳机构证书",
    ),
    CheckName(
        "document_time", "Later time-stamp of the document", "文件的后续时间戳",
        "By when was the signature there, by a time-stamp over the document after it?",
        "按其后对整个文件所加的时间戳，该签名最晚何时已存在？",
        _PADES, "NO_POE",
    ),
)  # fmt: skip

CHECKS: Final = {one.name: one for one in _ALL}
_POSITIONS: Final = {one.name: number for number, one in enumerate(_ALL)}


def titled(name: str) -> CheckName:
    """The entry of a check; one made of the name itself where there is none."""
    found = CHECKS.get(name)
    return found or CheckName(name, name, name, "", "", "", "GENERIC")


def position(name: str) -> int:
    """Where a check stands among others; unknown ones stand last."""
    return _POSITIONS.get(name, len(_POSITIONS))


def etsi_word(name: str, reason: str = "") -> str:
    """The sub-indication of EN 319 102-1 for a check that did not pass."""
    return REASONS.get(reason) or titled(name).etsi
