"""Writes the tables of checks in the auditors' guides from `seal.judging.check_names`.

`python docs/make_checks.py` writes them; a test holds that they are what it would write.
"""

from __future__ import annotations

from pathlib import Path

from seal.judging.check_names import CHECKS

HERE = Path(__file__).parent
GUIDES = {"auditor.md": False, "auditor.zh.md": True}
BEGIN, END = "<!-- checks -->\n", "<!-- end of checks -->\n"


def table(*, chinese: bool) -> str:
    """Every check in its order: what it is called, what it asks, by which standard, its name."""
    head = (
        "| 检查项 | 问题 | 依据 | 名称 |\n" if chinese else "| check | asks | standard | name |\n"
    )
    rows = (
        f"| {one.title_zh if chinese else one.title} "
        f"| {one.question_zh if chinese else one.question} | {one.clause} | `{one.name}` |\n"
        for one in CHECKS.values()
    )
    return head + "| --- | --- | --- | --- |\n" + "".join(rows)


def written(guide: str, *, chinese: bool) -> str:
    """The guide with its table as it should be."""
    before, _, rest = guide.partition(BEGIN)
    _, _, after = rest.partition(END)
    return before + BEGIN + table(chinese=chinese) + END + after


def main() -> None:
    """Write both guides."""
    for name, chinese in GUIDES.items():
        path = HERE / name
        path.write_text(
            written(path.read_text(encoding="utf-8"), chinese=chinese), encoding="utf-8"
        )


if __name__ == "__main__":
    main()
