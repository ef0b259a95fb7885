"""One listening socket in several processes: who has more connections lets the others be quicker."""

import select
import socket

import pytest

from aisle.serve.processes.sharing import MOST_S, STEP_S, SharedSocket


def listener() -> socket.socket:
    found = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    found.bind(("127.0.0.1", 0))
    found.listen(8)
    found.setblocking(False)
    return found


def connected(listening: socket.socket) -> socket.socket:
    client = socket.create_connection(listening.getsockname())
    assert select.select([listening], [], [], 10)[0]
    return client


def test_while_one_waits_another_takes_the_connection():
    plain = listener()
    taken: list[socket.socket] = []
    idle = SharedSocket(plain.dup(), lambda: 0)
    busy = SharedSocket(plain.dup(), lambda: 6, lambda _: taken.append(idle.accept()[0]))
    with plain, idle, busy:
        client = connected(plain)
        with pytest.raises(BlockingIOError, match="temporarily unavailable"):
            busy.accept()
        assert taken[0].getpeername() == client.getsockname()
    for one in (client, *taken):
        one.close()


@pytest.mark.parametrize("connections", [0, 1, 5, 1_000])
def test_it_waits_for_each_connection_that_it_has_and_then_takes_what_is_left(connections):
    pauses: list[float] = []
    with SharedSocket(listener(), lambda: connections, pauses.append) as shared:
        client = connected(shared)
        accepted, address = shared.accept()
    assert address == client.getsockname()
    assert pauses == [min(connections * STEP_S, MOST_S)]
    for one in (client, accepted):
        one.close()


def test_it_is_the_socket_it_was_made_of():
    plain = listener()
    address = plain.getsockname()
    with SharedSocket(plain, lambda: 0) as shared:
        assert plain.fileno() == -1
        assert (shared.getsockname(), shared.proto) == (address, socket.IPPROTO_TCP)  # by which asyncio knows TCP
        assert not shared.getblocking()
