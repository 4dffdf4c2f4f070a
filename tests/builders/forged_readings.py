"""Forged readings: the signer's own bytes, of which one reader shows this and another that."""

from __future__ import annotations

from tests.builders.forging import (
    LIST,
    PAGE,
    RESOURCE,
    VALUE,
    XML,
    Bench,
    Files,
    forgery,
    reference,
    replaced,
)
from tests.builders.ofd import pack, png

_RESOURCES = "Doc_0/PublicRes.xml"
_DOCUMENT = "Doc_0/Document.xml"
_TEMPLATE = "Doc_0/Tpls/Tpl_{}/Content.xml"


def _resigned(bench: Bench, files: Files) -> bytes:
    """The package as another maker's: every file referred to anew, and signed by the signer."""
    before, _, rest = files[XML].partition(b"<ofd:References")
    head, _, rest = rest.partition(b">")
    skipped = {XML, VALUE, LIST}
    body = b"".join(reference(name, files[name]) for name in files if name not in skipped)
    after = rest[rest.index(b"</ofd:References>") :]
    files[XML] = before + b"<ofd:References" + head + b">" + body + after
    return bench.signed(files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "A page has two Contents.",
    "页面有两份内容。",
    reason="READERS_DIFFER",
)
def two_contents(bench: Bench) -> bytes:
    files = bench.files()
    second = files[PAGE][files[PAGE].index(b"<ofd:Content>") :].replace(b"HELLO", b"OTHER")
    files[PAGE] = files[PAGE].replace(b"</ofd:Page>", second)
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "The root of a page is another element.",
    "页面的根元素不是页面。",
    reason="READERS_DIFFER",
)
def page_of_another_name(bench: Bench) -> bytes:
    files = bench.files()
    files[PAGE] = files[PAGE].replace(b"ofd:Page", b"ofd:Document")
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "A page is in a namespace of nobody's.",
    "页面属于无人使用的命名空间。",
    reason="READERS_DIFFER",
)
def page_of_another_namespace(bench: Bench) -> bytes:
    files = bench.files()
    files[PAGE] = replaced(files[PAGE], b"http://www.ofdspec.org/2016", b"urn:other")
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "Two pictures have one identifier.",
    "两个图像使用同一标识。",
    indication="INDETERMINATE",
    reason="IDENTIFIER_TWICE",
)
def two_resources_one_id(bench: Bench) -> bytes:
    files = bench.files()
    more = (
        b'<ofd:MultiMedia ID="4" Type="Image"><ofd:MediaFile>two.png</ofd:MediaFile>'
        b"</ofd:MultiMedia></ofd:MultiMedias>"
    )
    files[_RESOURCES] = replaced(files[_RESOURCES], b"</ofd:MultiMedias>", more)
    files[RESOURCE.replace("logo", "two")] = png((0, 220, 0, 255), 8)
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "Two templates have one identifier.",
    "两个模板使用同一标识。",
    indication="INDETERMINATE",
    reason="IDENTIFIER_TWICE",
)
def two_templates_one_id(bench: Bench) -> bytes:
    files = bench.files()
    listed = b""
    for number, text in enumerate((b"HELLO", b"OTHER")):
        name = _TEMPLATE.format(number)
        files[name] = files[PAGE].replace(b"HELLO", text)
        where = name.removeprefix("Doc_0/").encode()
        listed += b'<ofd:TemplatePage ID="77" BaseLoc="' + where + b'"/>'
    files[_DOCUMENT] = replaced(
        files[_DOCUMENT], b"</ofd:CommonData>", listed + b"</ofd:CommonData>"
    )
    used = b'<ofd:Template TemplateID="77"/><ofd:Content>'
    files[PAGE] = replaced(files[PAGE], b"<ofd:Content>", used)
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "Two pages have one identifier.",
    "两个页面使用同一标识。",
    indication="INDETERMINATE",
    reason="IDENTIFIER_TWICE",
)
def two_pages_one_id(bench: Bench) -> bytes:
    files = bench.files()
    other = "Doc_0/Pages/Page_1/Content.xml"
    files[other] = files[PAGE].replace(b"HELLO", b"OTHER")
    more = b'<ofd:Page ID="10" BaseLoc="Pages/Page_1/Content.xml"/></ofd:Pages>'
    files[_DOCUMENT] = replaced(files[_DOCUMENT], b"</ofd:Pages>", more)
    return _resigned(bench, files)


@forgery(
    "leads_outside",
    "active_content",
    "The document opens an address when it is opened: told, as makers do so too.",
    "打开文件时自动打开网址：提示，正规制作软件也可能使用。",
    indication="PASSED",
)
def opens_an_address(bench: Bench) -> bytes:
    files = bench.files()
    action = (
        b'<ofd:Actions><ofd:Action Event="DO"><ofd:URI URI="http://example.invalid/"/>'
        b"</ofd:Action></ofd:Actions><ofd:Attachments>"
    )
    files[_DOCUMENT] = replaced(files[_DOCUMENT], b"<ofd:Attachments>", action)
    return _resigned(bench, files)


@forgery(
    "leads_outside",
    "active_content",
    "A picture is taken from elsewhere: told.",
    "图像取自文件之外：提示。",
    indication="PASSED",
)
def picture_from_elsewhere(bench: Bench) -> bytes:
    files = bench.files()
    where = b"http://example.invalid/logo.png"
    files[_RESOURCES] = replaced(files[_RESOURCES], b"logo.png", where)
    return _resigned(bench, files)


@forgery(
    "readers_differ",
    "ofd_structure",
    "Two sets of drawing parameters have one identifier.",
    "两组绘制参数使用同一标识。",
    indication="INDETERMINATE",
    reason="IDENTIFIER_TWICE",
)
def two_draw_params_one_id(bench: Bench) -> bytes:
    files = bench.files()
    more = (
        b'<ofd:DrawParams><ofd:DrawParam ID="7" LineWidth="1"/><ofd:DrawParam ID="7" '
        b'LineWidth="9"/></ofd:DrawParams></ofd:Res>'
    )
    files[_RESOURCES] = replaced(files[_RESOURCES], b"</ofd:Res>", more)
    return _resigned(bench, files)


@forgery(
    "second_document",
    "ofd_structure",
    "OFD.xml names a second document that is not there.",
    "OFD.xml 列出一个不存在的第二文档。",
)
def document_nowhere(bench: Bench) -> bytes:
    files = bench.files()
    more = b"<ofd:DocBody><ofd:DocRoot>Doc_9/Document.xml</ofd:DocRoot></ofd:DocBody></ofd:OFD>"
    files["OFD.xml"] = replaced(files["OFD.xml"], b"</ofd:OFD>", more)
    return pack(files)


@forgery(
    "second_document",
    "ofd_structure",
    "OFD.xml spells the document with a percent sign, so that nobody finds it.",
    "OFD.xml 以百分号编码书写文档位置，致使无法找到文档。",
)
def document_spelled(bench: Bench) -> bytes:
    files = bench.files()
    files["OFD.xml"] = replaced(files["OFD.xml"], b"Doc_0/Document", b"Doc_0/%44ocument")
    return pack(files)
