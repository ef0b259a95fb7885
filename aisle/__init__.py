"""Aisle: product search that understands what shoppers mean."""
