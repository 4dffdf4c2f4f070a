"""What is wrong with a field of a request for a seal, in Chinese."""

from __future__ import annotations

from typing import Final

#: A description, as a pattern, and its Chinese, with the pattern's groups in it.
WORDS: Final = (
    (r"shows its name alone", "只显示名称"),
    (r"not the width", "与宽度不同"),
    (r"([\d,]+) characters", r"应为 \1 个字"),
    (r"([\d,]+) to ([\d,]+) characters", r"应为 \1 至 \2 个字"),
    (r"the document is (\w+)", r"文件是 \1"),
    (r"not usable", "不可用"),
    (r"not for (\w+)", r"不用于 \1"),
    (r"neither OFD nor PDF", "不是 OFD 或 PDF"),
    (r"printable characters only, at most (\d+)", r"只能是可见字符，不超过 \1 个"),
    (r"systems below (.+)", r"应为 \1 之下的系统"),
    (r"each license-types/\{type\}", "每项应为 license-types/{类型}"),
    (r"words of a-z, 0-9 and hyphens", "应为小写字母、数字和连字符组成的词"),
    (r"after now", "应晚于当前时间"),
    (r"4 or 5", "应为 4 或 5"),
    (r"comes with its text: leave out both lines", "图片自带文字：两行文字请留空"),
    (r"whole mm, (\d+) to (\d+)", r"应为 \1 至 \2 的整数毫米"),
    (r"not in the future, or too far in it", "不晚于当前时间，或过远"),
    (r"in the picture already", "已在图片中"),
    (r"not beside an image", "不能与图片同时给出"),
    (r"one of them is empty", "有一项为空"),
    (r"a document takes 1 to (\d+) of them", r"每份文件应有 1 至 \1 个"),
    (r"1 to (\d+) anchors", r"应有 1 至 \1 个信任锚"),
    (r"at most (\d+) intermediates", r"中间证书最多 \1 个"),
    (r"0 to (\d+) days", r"应为 0 至 \1 天"),
)  # fmt: skip
