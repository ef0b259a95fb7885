"""Training: models from pairs of texts. Needs aisle[train]; knows nothing of catalogues or search."""
