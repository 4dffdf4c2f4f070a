"""The sizes official seals have, in mm: a table, since rules change and localities have their own.

`source` says where a row is from, `sure` how sure we are: "found" in a published text of the rule,
"practice" where no national rule was found. A deployment's own rule wins over all of this.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_STATE_COUNCIL: Final = "国发〔1999〕25号"
_TAXES: Final = "国家税务总局公告2011年第7号"


@dataclass(frozen=True, slots=True, kw_only=True)
class OfficialSize:
    """One kind of seal. `centre` is emblem (国徽), star or none; `most` that less is allowed."""

    whose: str
    shape: str
    width_mm: float
    height_mm: float
    centre: str
    source: str
    sure: str
    most: bool = False


def _round(
    whose: str, size: float, centre: str, clause: str, *, most: bool = False
) -> OfficialSize:
    return OfficialSize(
        whose=whose,
        shape="circular",
        width_mm=size,
        height_mm=size,
        centre=centre,
        source=f"{_STATE_COUNCIL}{clause}",
        sure="found",
        most=most,
    )


def _other(
    whose: str, shape: str, width: float, height: float, *, source: str = "", sure: str = "practice"
) -> OfficialSize:
    return OfficialSize(
        whose=whose,
        shape=shape,
        width_mm=width,
        height_mm=height,
        centre="none",
        source=source,
        sure=sure,
    )


OFFICIAL_SIZES: Final = (
    _round("国务院", 60, "emblem", "二"),
    _round("省、自治区、直辖市人民政府，国务院办公厅、各部委", 50, "emblem", "三"),
    _round("国务院直属机构、办事机构（正部级）", 50, "emblem", "四"),
    _round("国务院直属机构、办事机构（副部级）", 45, "emblem", "四"),
    _round("国务院议事协调机构和临时机构", 50, "star", "六"),
    _round("国务院部委管理的国家局", 45, "emblem", "七"),
    _round("国务院部委的外事司（局）", 42, "emblem", "八"),
    _round("自治州、市、县级和市辖区人民政府", 45, "emblem", "九"),
    _round("地区（盟）行政公署", 45, "star", "十"),
    _round("乡（镇）人民政府", 42, "star", ""),
    _round("国家行政机关内设机构或直属单位", 45, "star", "", most=True),
    _round("企业事业单位、社会团体", 45, "star", "", most=True),
    OfficialSize(
        whose="县级人民政府工作部门",
        shape="circular",
        width_mm=42,
        height_mm=42,
        centre="star",
        source="",
        sure="practice",
    ),
    _other("发票专用章", "oval", 40, 30, source=_TAXES, sure="found"),
    _other("外商投资企业印章、业务专用章", "oval", 45, 30),
    *(_other("名章", "square", size, size) for size in (18, 20, 22, 25)),
)

_USUAL: Final = {"circular": (42.0, 42.0), "oval": (40.0, 30.0), "square": (20.0, 20.0)}


def usual_size(shape: str) -> tuple[float, float]:
    """Width and height in mm of a `circular`, `oval` or `square` seal of a county's department."""
    return _USUAL[shape]
