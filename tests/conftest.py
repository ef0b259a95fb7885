"""For all tests: what was imported to find them stays, so Python need not look through it again and again."""

import gc


def pytest_configure():
    gc.disable()


def pytest_collection_finish():
    gc.enable()
    gc.collect()
    gc.freeze()
