"""A few trees for folders of combinations, grown in milliseconds."""

import numpy as np

from aisle.rerankers.pair_words import NAMES


def grown() -> str:
    """LightGBM's text of a few trees that say how many of a query's words a text has."""
    import lightgbm

    rows = np.random.default_rng(0).random((400, len(NAMES)))
    names = [name.replace(":", "_") for name in NAMES]
    data = lightgbm.Dataset(rows, rows[:, 0], feature_name=names)
    settings = {"objective": "regression", "verbosity": -1, "num_threads": 1, "deterministic": True}
    return lightgbm.train(settings, data, 10).model_to_string()
