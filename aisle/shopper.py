"""What may be said of the shopper who asks: its limits, and a price band as people write it.

Viewed products are what a person did: no message repeats them. Knows values, nothing of searching.
"""

from __future__ import annotations

import math

from aisle.errors import RequestError
from aisle.types import Shopper

MOST_VIEWED = 50
BAND = "LOW:HIGH, two finite prices with 0 < LOW <= HIGH, such as 20:80"


def check_shopper(shopper: Shopper) -> None:
    """Refuse what no search can use.

    Raises:
        RequestError: There are more than ``MOST_VIEWED`` viewed products, one has no id, or the band is none.
    """
    viewed, band = shopper.viewed, shopper.price_band
    if len(viewed) > MOST_VIEWED:
        raise RequestError(
            f"{len(viewed):,} products viewed lately", allowed=f"at most {MOST_VIEWED} ids", fix="give the latest ones"
        )
    if isinstance(viewed, str) or not all(isinstance(one, str) and one.strip() for one in viewed):
        raise RequestError("a product viewed lately is no text or blank", allowed="ids of products")
    if band is not None and not _is_band(band):
        raise RequestError(f"the price band is {str(band)[:60]}", allowed=BAND)


def parse_band(text: str) -> tuple[float, float]:
    """Read ``LOW:HIGH``.

    Raises:
        RequestError: It is not two finite prices, the lower one first and above 0.
    """
    low, _, high = text.partition(":")
    try:
        band = float(low), float(high)
        check_shopper(Shopper(price_band=band))
    except (ValueError, RequestError):
        raise RequestError(f"the price band is {text[:40]!r}", allowed=BAND) from None
    return band


def _is_band(band: tuple[float, ...]) -> bool:
    numbers = len(band) == 2 and all(isinstance(end, int | float) and math.isfinite(end) for end in band)
    return numbers and 0 < band[0] <= band[1]
