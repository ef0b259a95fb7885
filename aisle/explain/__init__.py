"""Why a product stands where it stands: contributions, demands, the words that matter, what would have changed it."""

from aisle.explain.explanation import Explanation
from aisle.explain.full import explain, explain_page
from aisle.explain.hit import explain_hit, filter_constraints
from aisle.explain.near import NearWords

__all__ = ["Explanation", "NearWords", "explain", "explain_hit", "explain_page", "filter_constraints"]
