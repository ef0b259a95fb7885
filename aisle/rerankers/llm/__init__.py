"""Language models as re-rankers: pointwise, graded, pairwise, listwise. ``load.py`` opens the one that a file names."""
