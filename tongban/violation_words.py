"""What is wrong with a field of a license, in Chinese.

On the wire a violation's description is English. Whoever reads Chinese gets it in these words; one
that is not among them stays as it is.
"""

from __future__ import annotations

import re
from typing import Final

_TAKEN: Final = (
    "taken are those of identity cards, of residence permits of people from Hong Kong, Macao and "
    "Taiwan, and the 18 characters of foreigners' permanent residence cards; no passport, travel "
    "permit or card of 15 characters"
)
# What a PDF that is sent as a scan may not hold.
_HELD: Final = (
    ("a script (JavaScript)", "脚本（JavaScript）"),
    ("the starting of a program (Launch)", "启动程序的动作（Launch）"),
    ("attached files", "附件"),
    ("a form", "表单"),
    ("sound, film or 3D", "音频、视频或三维内容"),
    ("an action on opening, turning or leaving", "打开、翻页或关闭时触发的动作"),
    ("links, notes or stamps over its pages", "页面上的链接、批注或图章"),
    ("layers", "图层"),
    ("what is kept in another file", "存于其他文件中的内容"),
)
# A description, as a pattern, and its Chinese, with the pattern's groups in it.
_WORDS: Final = (
    (r"required", "必填"),
    (r"longer than (\d+) characters", r"超过 \1 个字符"),
    (r"together longer than (\d+) characters", r"合计超过 \1 个字符"),
    (r"together more than (\d+) MiB", r"合计超过 \1 MiB"),
    (r"more than (\d+) KiB", r"超过 \1 KiB"),
    (r"more than (\d+) rows", r"超过 \1 行"),
    (r"less than (\d+) by (\d+) pixels", r"小于 \1×\2 像素"),
    (r"more than (\d+) by (\d+) pixels", r"大于 \1×\2 像素"),
    (r"less than (\S+)", r"小于 \1"),
    (r"more than (\S+)", r"大于 \1"),
    (r"has a character that shows nothing or turns the text \((U\+\w+)\)",
     r"含有不可见或改变文字方向的字符（\1）"),
    (r"has spaces at an end", "首尾有空格"),
    (r"not of the form that the type asks for", "不符合证照类型规定的格式"),
    (r"not a date, YYYY-MM-DD", "不是日期（YYYY-MM-DD）"),
    (r"not a day from 1800 to 2200", "不是 1800 年至 2200 年间的日期"),
    (r"not a whole number", "不是整数"),
    (r"not a decimal number", "不是数值"),
    (r"not a code of the type's list: (.*?) and (\d+) more", r"不在代码表中：\1 等，另有 \2 项"),
    (r"not a code of the type's list: (.*)", r"不在代码表中：\1"),
    (r"not a JSON list of rows", "不是由行组成的 JSON 列表"),
    (r"not a JSON list of rows with each column once", "不是每列只出现一次的 JSON 行列表"),
    (r"not an object of texts by column", "不是按列写明文本的 JSON 对象"),
    (r"has another column than (.*)", r"含有以下各列之外的列：\1"),
    (r"a region code is six digits \(GB/T 2260\)", "行政区划代码为六位数字（GB/T 2260）"),
    (r"a citizen number is 17 digits and a check character \(GB 11643\)",
     r"公民身份号码为 17 位数字加 1 位校验码（GB 11643）"),
    (r"digits 7 to 14 are not a date \(GB 11643\)", r"第 7 至 14 位不是日期（GB 11643）"),
    (r"the check character is wrong \(GB 11643\)", r"校验码不正确（GB 11643）"),
    (rf"a citizen number is 17 digits and a check character \(GB 11643\); {re.escape(_TAKEN)}",
     "公民身份号码为 17 位数字加 1 位校验码（GB 11643）；可用居民身份证、港澳台居民居住证号码和"
     "外国人永久居留身份证的 18 位号码，不能用护照、通行证或 15 位证件的号码"),
    (r"not a unified social credit code \(GB 32100\): it has not 18 characters",
     "不是统一社会信用代码（GB 32100）：不足或超过 18 位"),
    (r"not a unified social credit code \(GB 32100\): a character stands where it cannot",
     "不是统一社会信用代码（GB 32100）：含有该位不允许的字符"),
    (r"not a unified social credit code \(GB 32100\): the check character is wrong",
     "不是统一社会信用代码（GB 32100）：校验码不正确"),
    (r"the number of a person, and not the credit code of a company or another body",
     "是个人的号码，不是企业或其他机构的统一社会信用代码"),
    (r"the credit code of a company or another body, and not the number of a person",
     "是企业或其他机构的统一社会信用代码，不是个人的号码"),
    (r"a license of this type has (\d+) holder\(s\)", r"该类型的证照应有 \1 名持证人"),
    (r"a license of this type has (\d+) to (\d+) holder\(s\)",
     r"该类型的证照应有 \1 至 \2 名持证人"),
    (r"a name holds no (.+): name several holders one by one",
     r"名称中不得含“\1”，多名持证人请逐一填写"),
    (r"a name has at least one letter or ideograph", "名称至少含一个字母或汉字"),
    (r"a person's name has none of < > = @ & \+ \? # /", "个人姓名不含 < > = @ & + ? # /"),
    (r"one holder stands there twice", "同一持证人出现两次"),
    (r"1 to 30 digits", "应为 1 至 30 位数字"),
    (r"the license type has no such field", "该证照类型没有此字段"),
    (r"another row has it", "与另一行重复"),
    (r"send it in `pictures`", "请作为图片提交（`pictures`）"),
    (r"the field holds no picture", "该字段不是图片"),
    (r"the type says it; only a paper one tells it", "由证照类型确定；只有由纸质证照转换的才填写"),
    (r"before the birth of a holder", "早于持证人的出生日期"),
    (r"1 to (\d+) scans", r"应有 1 至 \1 份扫描件"),
    (r"paper\.scans\[(\d+)\] once more", r"与 paper.scans[\1] 重复"),
    (r"neither a PDF nor a PNG or JPEG picture", "不是 PDF，也不是 PNG 或 JPEG 图片"),
    (r"the picture cannot be decoded; save it again as PNG or JPEG",
     "图片无法解码，请重新存为 PNG 或 JPEG"),
    (r"the picture is larger than (.*); make it smaller", r"图片超过 \1，请缩小后再提交"),
    (r"the PDF cannot be opened: save it again, without a password",
     "PDF 无法打开，请不设密码重新保存"),
    (r"the PDF has (\d+) pages, and may have 1 to (\d+)", r"PDF 有 \1 页，应为 1 至 \2 页"),
    (r"a page of the PDF cannot be read: save it again", "PDF 有一页无法读取，请重新保存"),
    (r"a page of the PDF is larger than two metres, or has no size",
     "PDF 有一页超过两米，或没有尺寸"),
    (r"the PDF is encrypted: save it again, without a password", "PDF 已加密，请不设密码重新保存"),
    (r"the PDF cannot be looked through: print its pages to a new PDF",
     "PDF 的内容无法逐项检查，请将其页面重新打印为 PDF"),
    (r"the PDF shows nothing: all its pages are blank", "PDF 没有内容：各页均为空白"),
    (r"the picture shows nothing: it is of one colour or transparent",
     "图片没有内容（单一颜色或透明）"),
    *((rf"the PDF holds {re.escape(english)}: print its pages to a new PDF",
       f"PDF 含有{chinese}，请将其页面重新打印为 PDF")
      for english, chinese in _HELD),
    (r"no glyph for (.*)", r"字库中没有字形：\1"),
    (r"the holder's citizen number says another day of birth \(digits 7 to 14\)",
     "与持证人公民身份号码中的出生日期（第 7 至 14 位）不一致"),
    (r"the citizen number of holder (\d+) says another day of birth \(digits 7 to 14\)",
     r"与第 \1 名持证人公民身份号码中的出生日期（第 7 至 14 位）不一致"),
    (r"the holder's citizen number says another sex \(digit 17\)",
     "与持证人公民身份号码中的性别（第 17 位）不一致"),
    (r"the citizen number of holder (\d+) says another sex \(digit 17\)",
     r"与第 \1 名持证人公民身份号码中的性别（第 17 位）不一致"),
    (r"after the day of issuing \(of one made from paper, the day of that one\)",
     "晚于签发日期（由纸质证照转换的，为纸质证照的签发日期）"),
    (r"before the day of issuing \(of one made from paper, the day of that one\)",
     "早于签发日期（由纸质证照转换的，为纸质证照的签发日期）"),
    (r"fields\.(\S+) says another one", r"与 fields.\1 不一致"),
    (r"fields\.(\S+) says another last day", r"与 fields.\1 所写的截止日期不一致"),
    (r"the last day is before the first", "截止日期早于起始日期"),
    (r"the last day is over already", "截止日期已过"),
    (r"the last day is before paper\.issue_date", "截止日期早于纸质证照的签发日期"),
    (r"more than a year ahead", "晚于一年之后"),
    (r"more than a year after paper\.issue_date", "晚于纸质证照签发日期一年之后"),
    (r"after today", "晚于今天"),
    (r"before (KZ_[A-Z0-9_.]+)", r"早于 \1"),
    (r"the holder was younger than (\d+) then, by the citizen number",
     r"按公民身份号码，持证人当时未满 \1 岁"),
    (r"holder (\d+) was younger than (\d+) then, by the citizen number",
     r"按公民身份号码，第 \1 名持证人当时未满 \2 岁"),
    (r"says others than (\S+), each of which stands in it once",
     r"与 \1 所列不一致，每项应出现一次"),
    (r"there is one holder: (.+)", r"持证人只有一名，应为：\1"),
    (r"there are (\d+) holders: not (.+)", r"持证人有 \1 名，不应为：\2"),
)  # fmt: skip


def chinese_words(description: str) -> str:
    """A description in Chinese; as it is where no words are known for it."""
    for english, chinese in _WORDS:
        found = re.fullmatch(english, description)
        if found:
            return found.expand(chinese)
    return description


def chinese_violation(text: str) -> str:
    """`field: description` with the description in Chinese."""
    field, between, description = text.partition(": ")
    return f"{field}{between}{chinese_words(description)}"
