"""What a shop already knows: which products go with which devices, what is under a category, what is bought together.

Learnt from clean products and from baskets; knows no index and no ranking but the parts it adds to one.
"""

from aisle.knowledge.added import Scored, add_compatible, add_part, missing
from aisle.knowledge.asked import Asked, asked_devices, constraint_of, device_keys, verdict_of
from aisle.knowledge.compatibility import FILE, Compatibility, Device, Fit
from aisle.knowledge.complements import Complement, Complements, for_device
from aisle.knowledge.taxonomy import Named, Taxonomy

__all__ = [
    "FILE",
    "Asked",
    "Compatibility",
    "Complement",
    "Complements",
    "Device",
    "Fit",
    "Named",
    "Scored",
    "Taxonomy",
    "add_compatible",
    "add_part",
    "asked_devices",
    "constraint_of",
    "device_keys",
    "for_device",
    "missing",
    "verdict_of",
]
