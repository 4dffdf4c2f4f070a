"""Synthetic people and companies with valid check digits, the same for the same seed.

The region 990101 has never been assigned, so no number made here is anybody's. Names are drawn from
lists of common syllables; addresses name streets that the generator invents.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from runtime.idcodes import citizen_check_character, credit_code_check_character

REGION = "990101"
COUNTY = "示范县"

_SURNAMES = (
    "王李张刘陈杨赵黄周吴徐孙胡朱高林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕"
    "苏卢蒋蔡贾丁魏薛叶阎余潘杜戴夏钟汪田任姜范方石姚谭廖邹熊金陆郝孔白崔康毛邱秦江史顾侯邵孟龙"
)
_GIVEN = (
    "伟芳娜敏静丽强磊军洋勇艳杰娟涛明超秀霞平刚桂英华玉兰红建文辉力健世广志义兴良海山仁波宁贵福"
    "生龙元全国胜学祥才发武新利清飞彬富顺信子昌成康星光天达安岩中茂进林有坚和彪博诚先敬震振壮会思群"
)
_STREETS = ("通达路", "兴业街", "惠民路", "和平巷", "便民大道", "清风街", "滨河路", "学府路")
_TRADES = ("商贸", "建材", "食品", "科技", "农业", "物流", "餐饮", "装饰", "文化", "机械")
_WORDS = "鼎盛恒泰祥瑞广源宏远嘉禾永信华美天成金穗同创佳和"
_CREDIT_ALPHABET = "0123456789ABCDEFGHJKLMNPQRTUWXY"
_ORGANISATION_WEIGHTS = (3, 7, 9, 10, 5, 8, 4, 2)
_PHONE_PREFIX = "100"  # no Chinese mobile number begins so


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """A record of the population library."""

    citizen_number: str
    name: str
    sex: str
    birth_date: str
    residence_address: str
    phone: str

    def row(self) -> list[str]:
        """Values in the order of `PERSON_ITEMS`."""
        return [getattr(self, item) for item in PERSON_ITEMS]


@dataclass(frozen=True, slots=True, kw_only=True)
class Company:
    """A record of the legal-entity library."""

    credit_code: str
    name: str
    legal_representative: str
    registered_capital: str
    established: str
    address: str
    status: str

    def row(self) -> list[str]:
        """Values in the order of `COMPANY_ITEMS`."""
        return [getattr(self, item) for item in COMPANY_ITEMS]


PERSON_ITEMS = tuple(Person.__dataclass_fields__)
COMPANY_ITEMS = tuple(Company.__dataclass_fields__)


def people(count: int, *, seed: int = 809) -> Iterator[Person]:
    """`count` people with distinct citizen numbers."""
    draw = random.Random(seed)  # noqa: S311  # reproducible on purpose
    first_day = date(1950, 1, 1)
    for index in range(count):
        # Birth date and index make the number distinct: 20,000 days × 999 sequence numbers, odd
        # ones of men and even ones of women: the step between them is odd, so there are both.
        birth = first_day + timedelta(days=(index * 7919) % 20_000)
        sequence = index // 20_000 + 1 + draw.randrange(2) * 501
        body = f"{REGION}{birth:%Y%m%d}{sequence % 1000:03d}"
        yield Person(
            citizen_number=body + citizen_check_character(body),
            name=_person_name(draw),
            sex="男" if sequence % 2 else "女",
            birth_date=birth.isoformat(),
            residence_address=_address(draw),
            phone=f"{_PHONE_PREFIX}{draw.randrange(10**8):08d}",
        )


def companies(count: int, *, seed: int = 809) -> Iterator[Company]:
    """`count` companies with distinct credit codes."""
    draw = random.Random(seed + 1)  # noqa: S311  # reproducible on purpose
    for index in range(count):
        established = date(2001, 1, 1) + timedelta(days=draw.randrange(9000))
        yield Company(
            credit_code=credit_code(index, kind="91"),
            name=f"{COUNTY}{draw.choice(_WORDS)}{draw.choice(_WORDS)}{draw.choice(_TRADES)}有限公司",
            legal_representative=_person_name(draw),
            registered_capital=str(draw.choice((10, 30, 50, 100, 200, 500, 1000)) * 10_000),
            established=established.isoformat(),
            address=_address(draw),
            status=draw.choice(("存续", "存续", "存续", "存续", "注销")),
        )


def credit_code(number: int, *, kind: str) -> str:
    """A unified social credit code of the region; `kind` 91 is a company, 11 an agency.

    Characters 9–17 are a GB 11714 organisation code with its own check character.
    """
    organisation = _base31(number, 8)
    total = sum(w * _value(c) for w, c in zip(_ORGANISATION_WEIGHTS, organisation, strict=True))
    check = 11 - total % 11
    body = f"{kind}{REGION}{organisation}{'X' if check == 10 else 0 if check == 11 else check}"
    return body + credit_code_check_character(body)


def _value(character: str) -> int:
    # GB 11714 counts letters from A = 10, with none left out.
    return int(character) if character.isdigit() else ord(character) - 55


def _base31(number: int, width: int) -> str:
    digits = ""
    for _ in range(width):
        number, rest = divmod(number, 31)
        digits = _CREDIT_ALPHABET[rest] + digits
    return digits


def _person_name(draw: random.Random) -> str:
    given = "".join(draw.choice(_GIVEN) for _ in range(draw.choice((1, 2, 2, 2))))
    return draw.choice(_SURNAMES) + given


def _address(draw: random.Random) -> str:
    street, house, flat = draw.choice(_STREETS), draw.randrange(1, 400), draw.randrange(101, 2605)
    return f"{COUNTY}{street}{house}号{flat}室"
