"""Smaller models: fewer layers, rows, tokens, dimensions and bits, each with what it costs."""
