"""Queries made from products, with graded products beside them: by templates or by a language model."""
