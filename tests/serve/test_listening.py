"""What a worker's connections are like."""

import asyncio
import socket

from aisle.serve.processes.supervisor import _listen


def test_an_answer_is_sent_at_once():
    """Without TCP_NODELAY a body that follows its head waits for the client's delayed acknowledgement, 40 ms."""

    async def option() -> int:
        found: asyncio.Future[int] = asyncio.get_running_loop().create_future()

        def connected(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            accepted = writer.get_extra_info("socket")
            found.set_result(accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
            writer.close()

        listening = _listen("127.0.0.1", 0)
        async with await asyncio.start_server(connected, sock=listening):
            _, writer = await asyncio.open_connection(*listening.getsockname())
            answer = await asyncio.wait_for(found, 10)
            writer.close()
        return answer

    assert asyncio.run(option()) != 0
