"""Tuning a local causal language model as a yes/no scorer of queries and products. Needs aisle[train]."""
