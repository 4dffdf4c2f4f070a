"""Pages as other makers draw them: clips, patterns, shades, regions, resources of every kind."""

from __future__ import annotations

from tests.builders.ofd import pack, plain_ofd, unpack

PAGE = "Doc_0/Pages/Page_0/Content.xml"
DOCUMENT = "Doc_0/Document.xml"
_PATH = "<ofd:AbbreviatedData>M 0 0 L 9 0 L 9 9 C</ofd:AbbreviatedData>"
_AREA = f'<ofd:Area><ofd:Path Boundary="0 0 9 9">{_PATH}</ofd:Path></ofd:Area>'
_CLIPS = f"<ofd:Clips><ofd:Clip>{_AREA}</ofd:Clip></ofd:Clips>"
_TWO_AREAS = f"<ofd:Clips><ofd:Clip>{_AREA}{_AREA}</ofd:Clip></ofd:Clips>"
_SIZE = "<ofd:Area><ofd:PhysicalBox>0 0 210 297</ofd:PhysicalBox></ofd:Area>"


def _object(number: int, held: str = "") -> str:
    return f'<ofd:PathObject ID="{number}" Boundary="0 0 9 9">{held}{_PATH}</ofd:PathObject>'


_PATTERN = (
    '<ofd:FillColor><ofd:Pattern Width="5" Height="5"><ofd:CellContent>'
    f"{_object(905, _CLIPS)}</ofd:CellContent></ofd:Pattern></ofd:FillColor>"
)
_SHADE = (
    '<ofd:FillColor><ofd:AxialShd StartPoint="0 0" EndPoint="1 1"><ofd:Segment>'
    '<ofd:Color Value="1 2 3"/></ofd:Segment></ofd:AxialShd></ofd:FillColor>'
)
_REGION = (
    '<ofd:Actions><ofd:Action Event="CLICK"><ofd:Region><ofd:Area Start="0 0">'
    '<ofd:Line Point1="1 1"/></ofd:Area></ofd:Region><ofd:Goto><ofd:Dest Type="XYZ" PageID="10"/>'
    "</ofd:Goto></ofd:Action></ofd:Actions>"
)
_PARAMS = '<ofd:DrawParams><ofd:DrawParam ID="970" LineWidth="1"/></ofd:DrawParams>'
_UNIT = (
    '<ofd:CompositeGraphicUnits><ofd:CompositeGraphicUnit ID="980" Width="9" Height="9">'
    f"<ofd:Content>{_object(981, _CLIPS)}</ofd:Content></ofd:CompositeGraphicUnit>"
    "</ofd:CompositeGraphicUnits>"
)

DRAWN = {
    "a clip": ("", _object(901, _CLIPS), ""),
    "many clips": ("", "".join(_object(one, _CLIPS) for one in range(901, 950)), ""),
    "a clip of two areas": ("", _object(901, _TWO_AREAS), ""),
    "clips of a page with a size": (_SIZE, _object(901, _CLIPS) + _object(902, _CLIPS), ""),
    "pattern": ("", _object(901, _PATTERN), ""),
    "shade": ("", _object(901, _SHADE), ""),
    "region": (_SIZE, _object(901, _REGION), ""),
    "parameters told twice": ("", _object(901), _PARAMS + _PARAMS),
    "composite unit": (
        "",
        '<ofd:CompositeObject ID="901" ResourceID="980" Boundary="0 0 9 9"/>',
        _UNIT,
    ),
    "instruction among resources": ("", _object(901), f'<?maker ID="970"?>{_PARAMS}'),
}
"""By what it is: what stands before a page's Content, in it, and in the document's resources."""


def drawn(name: str) -> bytes:
    """An unsealed document with one page drawn so."""
    before, inside, resources = DRAWN[name]
    files = unpack(plain_ofd())
    layer = f'{before}<ofd:Content><ofd:Layer ID="900">{inside}</ofd:Layer>'
    files[PAGE] = files[PAGE].replace(b"<ofd:Content>", layer.encode(), 1)
    if resources:
        files[DOCUMENT] = files[DOCUMENT].replace(
            b"</ofd:CommonData>",
            b"<ofd:PublicRes>PublicRes.xml</ofd:PublicRes>"
            b"<ofd:DocumentRes>DocumentRes.xml</ofd:DocumentRes></ofd:CommonData>",
        )
        text = (
            '<?xml version="1.0" encoding="UTF-8"?>\n<ofd:Res '
            f'xmlns:ofd="http://www.ofdspec.org/2016" BaseLoc="Res">{resources}</ofd:Res>'
        )
        files["Doc_0/PublicRes.xml"] = files["Doc_0/DocumentRes.xml"] = text.encode()
    return pack(files)
