"""How often a resource is updated, in English and Chinese, for the pages of everybody."""

from typing import Final

CYCLES: Final = {
    "real_time": ("in real time", "实时"),
    "daily": ("daily", "每日"),
    "weekly": ("weekly", "每周"),
    "monthly": ("monthly", "每月"),
    "quarterly": ("quarterly", "每季度"),
    "half_yearly": ("half-yearly", "每半年"),
    "yearly": ("yearly", "每年"),
}
