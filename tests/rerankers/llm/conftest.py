from tests.llm.conftest import judge, server

__all__ = ["judge", "server"]
