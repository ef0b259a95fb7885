"""Personal data in free text: found with its place and kind, and masked before anything is written."""

from aisle.privacy.finding import KINDS, Finding
from aisle.privacy.masking import find_personal, mask, mask_values

__all__ = ["KINDS", "Finding", "find_personal", "mask", "mask_values"]
