"""Chinese parts of English pages."""

import pytest

from portal.languages import with_chinese_marked


@pytest.mark.parametrize(
    ("page", "marked"),
    [
        ("<td>示范县</td>", '<td lang="zh-CN">示范县</td>'),
        ("<td>plain</td>", "<td>plain</td>"),
        ("<p>Of 示范县公安局 today</p>", '<p>Of <span lang="zh-CN">示范县公安局</span> today</p>'),
        (
            '<a class="button">At 示范</a>',
            '<a class="button"><span>At <span lang="zh-CN">示范</span></span></a>',
        ),
        ("<p><b>x</b>示范</p>", '<p><b>x</b><span lang="zh-CN">示范</span></p>'),
        ('<option value="1">示范</option>', '<option value="1" lang="zh-CN">示范</option>'),
        ("<option>Of 示范</option>", "<option>Of 示范</option>"),
        ("<title>示范 · Tongban</title>", "<title>示范 · Tongban</title>"),
        ('<a lang="zh-CN" href="#">中文</a>', '<a lang="zh-CN" href="#">中文</a>'),
        ('<div lang="zh-CN"><p>中文</p></div>', '<div lang="zh-CN"><p>中文</p></div>'),
        ("<p>A<br>示范</p>", '<p>A<br><span lang="zh-CN">示范</span></p>'),
        ('<img alt="示范">', '<img alt="示范">'),
        ("<textarea>示范</textarea>", '<textarea lang="zh-CN">示范</textarea>'),
        ("<svg><text>示范 to 县</text></svg>", "<svg><text>示范 to 县</text></svg>"),
        ("<svg><text>示范</text></svg>", '<svg><text lang="zh-CN">示范</text></svg>'),
        ("<p>2026年11月1日 示范</p>", '<p lang="zh-CN">2026年11月1日 示范</p>'),
        ("<p>&amp;示范&#39;</p>", '<p lang="zh-CN">&amp;示范&#39;</p>'),
        ("<script>'示范'</script>", "<script>'示范'</script>"),
    ],
)
def test_what_is_chinese_is_told(page, marked):
    assert with_chinese_marked(page) == marked
