"""The pool: a bounded queue, equal jobs once, cancelled jobs never begun, batches, everything finished at the end."""

import asyncio
import threading

import pytest

from aisle.serve.pool import Busy, Closed, Group, Pool


@pytest.fixture
def pool():
    pool = Pool(threads=1, queue=3, max_wait_s=1_000.0)
    yield pool
    pool.close()


class Gate:
    """A job that holds the only thread until it is let go."""

    def __init__(self):
        self.begun, self.open = threading.Event(), threading.Event()

    def __call__(self):
        self.begun.set()
        assert self.open.wait(10)

    async def hold(self, pool):
        task = asyncio.ensure_future(pool.call(self))
        await asyncio.to_thread(self.begun.wait, 10)
        return task


def test_what_does_not_fit_is_refused_and_nothing_else_is(pool):
    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        waiting = [asyncio.ensure_future(pool.call(lambda n=n: n)) for n in range(3)]
        await asyncio.sleep(0)
        assert pool.waiting == 3
        with pytest.raises(Busy, match="busy for about 1 s"):
            await pool.call(lambda: "too much")
        gate.open.set()
        assert await asyncio.gather(*waiting) == [0, 1, 2]
        await held
        assert await pool.call(lambda: "again") == "again"

    asyncio.run(run())


def test_a_queue_that_is_too_slow_refuses_before_it_is_full():
    pool = Pool(threads=1, queue=1_000, max_wait_s=0.5)
    pool._mean_s = 10.0  # what jobs took lately

    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        first = asyncio.ensure_future(pool.call(lambda: 1))  # an empty queue always has room for one
        await asyncio.sleep(0)
        with pytest.raises(Busy, match="busy for about 20 s"):
            await pool.call(lambda: 2)
        gate.open.set()
        await asyncio.gather(held, first)

    asyncio.run(run())
    pool.close()


def test_equal_jobs_are_done_once(pool):
    calls = []
    group = Group(lambda asked: [calls.append(one) or one * 2 for one in asked])

    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        jobs = [asyncio.ensure_future(pool.run(group, 21, key="same")) for _ in range(5)]
        other = asyncio.ensure_future(pool.run(group, 4, key="other"))
        await asyncio.sleep(0)
        gate.open.set()
        done = await asyncio.gather(*jobs)
        assert [one.answer for one in done] == [42] * 5
        assert [one.shared for one in done] == [False, True, True, True, True]
        assert (await other).answer == 8
        await held

    asyncio.run(run())
    assert calls == [21, 4]


def test_a_job_is_not_begun_once_all_who_asked_are_gone(pool):
    begun = []
    group = Group(lambda asked: [begun.append(one) for one in asked])

    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        alone = asyncio.ensure_future(pool.run(group, "alone", key="alone"))
        left, stays = (asyncio.ensure_future(pool.run(group, "shared", key="shared")) for _ in range(2))
        await asyncio.sleep(0)
        alone.cancel()
        left.cancel()
        await asyncio.sleep(0)
        assert pool.waiting == 1
        gate.open.set()
        await asyncio.gather(held, stays)

    asyncio.run(run())
    assert begun == ["shared"]


def test_a_batch_is_taken_together_and_a_bad_one_fails_alone(pool):
    sizes = []

    def work(asked):
        sizes.append(len(asked))
        return [ValueError(f"not {one}") if one == 2 else one for one in asked]

    group = Group(work, size=2)

    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        jobs = [asyncio.ensure_future(pool.run(group, n)) for n in range(1, 4)]
        await asyncio.sleep(0)
        gate.open.set()
        done = await asyncio.gather(*jobs, return_exceptions=True)
        await held
        return done

    one, two, three = asyncio.run(run())
    assert (one.answer, three.answer) == (1, 3)
    assert isinstance(two, ValueError)
    assert sizes == [2, 1]


def test_closing_finishes_what_was_taken_and_takes_no_more():
    pool = Pool(threads=1, queue=10, max_wait_s=1_000.0)

    async def run():
        jobs = [asyncio.ensure_future(pool.call(lambda n=n: n)) for n in range(5)]
        await asyncio.sleep(0)
        await asyncio.to_thread(pool.close)
        assert await asyncio.gather(*jobs) == [0, 1, 2, 3, 4]
        with pytest.raises(Closed, match="no more jobs"):
            await pool.call(lambda: 1)

    asyncio.run(run())


def test_narrow_jobs_take_turns_and_leave_a_thread_to_the_others():
    pool = Pool(threads=3, queue=100, max_wait_s=1_000.0, narrow=1)
    at_once, most = [0], []
    lock = threading.Lock()

    def work(asked):
        with lock:
            at_once[0] += 1
            most.append(at_once[0])
        threading.Event().wait(0.02)
        with lock:
            at_once[0] -= 1
        return list(asked)

    one, other = Group(work, narrow=True), Group(work, size=2, narrow=True)

    async def run():
        gate = Gate()
        held = await gate.hold(pool)
        narrow = [asyncio.ensure_future(pool.run(group, n)) for n in range(6) for group in (one, other)]
        wide = asyncio.ensure_future(pool.call(lambda: "wide"))
        assert await asyncio.wait_for(wide, 10) == "wide"
        assert not all(job.done() for job in narrow)  # it did not wait for those that came before it
        assert [done.answer for done in await asyncio.gather(*narrow)] == [n for n in range(6) for _ in range(2)]
        gate.open.set()
        await held

    asyncio.run(run())
    pool.close(10)
    assert set(most) == {1}
    assert not any(thread.is_alive() for thread in pool._threads)


def test_at_the_end_narrow_jobs_that_wait_are_done_and_all_threads_end():
    pool = Pool(threads=2, queue=10, max_wait_s=1_000.0, narrow=1)
    gate, done = Gate(), []
    group = Group(lambda asked: [one() for one in asked], narrow=True)

    async def run():
        first = asyncio.ensure_future(pool.run(group, gate))
        await asyncio.to_thread(gate.begun.wait, 10)
        second = asyncio.ensure_future(pool.run(group, lambda: done.append("second")))
        await asyncio.sleep(0)
        closing = asyncio.ensure_future(asyncio.to_thread(pool.close, 10))
        await asyncio.sleep(0.05)
        gate.open.set()
        await asyncio.gather(first, second, closing)

    asyncio.run(run())
    assert done == ["second"]
    assert not any(thread.is_alive() for thread in pool._threads)


def test_narrow_jobs_are_expected_to_wait_for_each_other():
    pool = Pool(threads=4, queue=1_000, max_wait_s=25.0, narrow=1)
    pool._mean_s = 10.0
    group = Group(lambda asked: [one() for one in asked], narrow=True)

    async def run():
        gate = Gate()
        held = asyncio.ensure_future(pool.run(group, gate))
        await asyncio.to_thread(gate.begun.wait, 10)
        waiting = [asyncio.ensure_future(pool.run(group, lambda: 1)) for _ in range(2)]
        await asyncio.sleep(0)
        assert (pool.full(narrow=True), pool.full(), pool.expected_wait_s()) == (30, 0, 5.0)
        with pytest.raises(Busy, match="busy for about 30 s"):
            await pool.run(group, lambda: 2)
        assert await pool.call(lambda: "wide") == "wide"
        gate.open.set()
        await asyncio.gather(held, *waiting)

    asyncio.run(run())
    pool.close(10)
