"""Brands, genders and origins exchanged where no grade changes: how far scores move, and whom they favour."""

from aisle.improve.bias.measure import Bias, Group, bias
from aisle.improve.bias.swaps import AXES, Axis, Variants, variants

__all__ = ["bias", "Bias", "Group", "variants", "Variants", "AXES", "Axis"]
