"""One listening socket in several processes: who has more connections leaves the next one to the others."""

import multiprocessing
import os
import select
import socket

import pytest

from aisle.serve.processes.sharing import PATIENCE, STEP_S, Connections, Counts, SharedSocket


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


def shared(own: int, *others: tuple[int, int]) -> Counts:
    """Counts of this process and of others, each with its number and its connections."""
    found = Counts([0, 0, *(value for other in others for value in other)], 0)
    found.add(own)
    return found


HERE = os.getppid()
"""Another process that is there."""


@pytest.mark.parametrize(("own", "others"), [(5, []), (2, [2, 3]), (0, [0])])
def test_who_has_no_more_than_others_takes_a_connection_at_once(own, others):
    counts, pauses = shared(own, *((HERE, count) for count in others)), []
    with SharedSocket(listener(), counts, pauses.append) as taking:
        client = connected(taking)
        accepted, address = taking.accept()
    assert address == client.getsockname()
    assert pauses == []
    assert counts.own == own + 1
    for one in (client, accepted):
        one.close()


def test_who_has_more_leaves_it_until_another_took_it():
    plain, memory = listener(), [0, 0, 0, 0]
    counts = Counts(memory, 0)
    counts.add(3)
    memory[2:] = HERE, 2
    with plain, SharedSocket(plain.dup(), counts, lambda _: None) as busy:
        client = connected(plain)
        for _ in range(3):
            with pytest.raises(BlockingIOError, match="left to a process with fewer connections"):
                busy.accept()
        memory[3] = 3
        taken, address = busy.accept()  # now both have as many
    assert address == client.getsockname()
    for one in (client, taken):
        one.close()


def test_one_that_hangs_holds_up_nobody_for_long():
    counts, pauses = shared(4, (HERE, 0)), []
    with SharedSocket(listener(), counts, pauses.append) as taking:
        clients = [connected(taking) for _ in range(2)]
        for _ in range(PATIENCE):
            with pytest.raises(BlockingIOError, match="left"):
                taking.accept()
        accepted = [taking.accept()[0] for _ in clients]  # the second one at once
    assert pauses == [STEP_S] * PATIENCE
    assert STEP_S * PATIENCE < 0.05
    assert counts.own == 6
    for one in (*clients, *accepted):
        one.close()


def test_one_that_is_gone_is_left_nothing():
    ended = multiprocessing.get_context("spawn").Process(target=abs, args=(0,))
    ended.start()
    ended.join()
    counts = shared(4, (ended.pid, 0), (0, 0))
    assert counts.others == ()
    with SharedSocket(listener(), counts, lambda _: pytest.fail("it waited")) as taking:
        client = connected(taking)
        accepted, _ = taking.accept()
    for one in (client, accepted):
        one.close()


def test_connections_that_end_are_counted_once():
    counts = shared(2)
    connections = Connections(counts)
    connections.add("a")
    connections.discard("a")
    connections.discard("a")
    assert (counts.own, len(connections)) == (1, 0)


def test_it_is_the_socket_it_was_made_of():
    plain = listener()
    address = plain.getsockname()
    with SharedSocket(plain, shared(0)) as taking:
        assert plain.fileno() == -1
        assert (taking.getsockname(), taking.proto) == (address, socket.IPPROTO_TCP)  # by which asyncio knows TCP
        assert not taking.getblocking()
