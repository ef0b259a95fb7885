"""Files of any content."""

import pytest


@pytest.fixture
def file(tmp_path):
    def write(content, name="given"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write
