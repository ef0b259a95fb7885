"""Text of any language: normalise it, fold identifiers. Knows nothing of products."""
