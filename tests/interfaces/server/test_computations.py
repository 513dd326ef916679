"""How much is computed at once, for whom, and what is kept of it."""

from __future__ import annotations

import asyncio
import threading

import pytest
from hypothesis import given
from hypothesis import strategies as st

pytest.importorskip("starlette")

from layerscope.core.errors import InputError
from layerscope.interfaces.server.computations import BusyError, Computations, GoneError
from layerscope.interfaces.server.guard import Guard
from layerscope.interfaces.server.kept import Answers


@pytest.fixture
def computations():
    made = Computations(most=3)
    yield made
    made.end()
    made.wait()


class Client:
    """Someone who waits for an answer until they go away."""

    def __init__(self):
        self.left = asyncio.Event()

    async def receive(self):
        await self.left.wait()
        return {"type": "http.disconnect"}


class Work:
    """A computation that ends when it is let go, and knows how often it was begun."""

    def __init__(self):
        self.begun, self.go, self.count = threading.Event(), threading.Event(), 0

    def __call__(self):
        self.count += 1
        self.begun.set()
        assert self.go.wait(60)
        return b"done"


async def until(event):
    await asyncio.get_running_loop().run_in_executor(None, event.wait, 60)


async def turns():
    """Let all that can go on in this event loop go on."""
    for _ in range(20):
        await asyncio.sleep(0)


def test_one_computation_answers_all_who_ask_for_the_same(computations):
    async def ask():
        work, client = Work(), Client()
        asked = [computations.result("a", work, client.receive) for _ in range(50)]
        tasks = [asyncio.create_task(one) for one in asked]
        await until(work.begun)
        work.go.set()
        assert await asyncio.gather(*tasks) == [b"done"] * 50
        assert work.count == 1
        assert await computations.result("a", lambda: b"again", client.receive) == b"again"

    asyncio.run(ask())


def test_more_than_may_wait_is_refused_at_once_and_taken_later(computations):
    async def ask():
        works, client = [Work() for _ in range(3)], Client()
        tasks = [
            asyncio.create_task(computations.result(i, work, client.receive))
            for i, work in enumerate(works)
        ]
        await until(works[0].begun)
        with pytest.raises(BusyError, match=r"Too much is being computed .* try again"):
            await computations.result("more", bytes, client.receive)
        for work in works:
            work.go.set()
        assert await asyncio.gather(*tasks) == [b"done"] * 3
        assert await computations.result("more", lambda: b"now", client.receive) == b"now"

    asyncio.run(ask())


def test_what_nobody_waits_for_is_not_computed(computations):
    async def ask():
        first, dropped, shared = Work(), Work(), Work()
        stays, leaves = Client(), Client()
        running = asyncio.create_task(computations.result("first", first, stays.receive))
        await until(first.begun)
        gone = [
            asyncio.create_task(computations.result(key, work, leaves.receive))
            for key, work in (("dropped", dropped), ("shared", shared))
        ]
        waits = asyncio.create_task(computations.result("shared", shared, stays.receive))
        await turns()
        leaves.left.set()
        for task in gone:
            with pytest.raises(GoneError):
                await task
        # Its place is free at once, though the computation before it is still at work.
        again = asyncio.create_task(computations.result("another", lambda: b"new", stays.receive))
        for work in (first, dropped, shared):
            work.go.set()
        assert await asyncio.gather(running, waits, again) == [b"done", b"done", b"new"]
        assert (first.count, dropped.count, shared.count) == (1, 0, 1)

    asyncio.run(ask())


def test_a_task_that_is_cancelled_leaves_no_work(computations):
    async def ask():
        first, dropped, client = Work(), Work(), Client()
        running = asyncio.create_task(computations.result("first", first, client.receive))
        await until(first.begun)
        waits = asyncio.create_task(computations.result("dropped", dropped, client.receive))
        await turns()
        waits.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waits
        first.go.set()
        assert await running == b"done"
        assert await computations.result("last", lambda: b"x", client.receive) == b"x"
        assert dropped.count == 0

    asyncio.run(ask())


@pytest.mark.parametrize(
    ("error", "raised", "message"),
    [
        (ValueError("no"), ValueError, "no"),
        (MemoryError(), MemoryError, ""),
        (SystemExit(3), InputError, "The model ends what runs it: SystemExit"),
        (KeyboardInterrupt(), InputError, "The model ends what runs it: KeyboardInterrupt"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_a_computation_raises_is_raised_where_it_is_waited_for(
    computations, error, raised, message
):
    def fail():
        raise error

    async def ask():
        client = Client()
        asked = [computations.result("a", fail, client.receive) for _ in range(2)]
        results = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(result) for result in results] == [raised] * 2
        assert message in str(results[0])
        assert await computations.result("a", lambda: b"x", client.receive) == b"x"

    asyncio.run(ask())


def test_the_end_is_told_to_those_who_wait():
    computations = Computations()

    async def ask():
        work, client = Work(), Client()
        tasks = [
            asyncio.create_task(computations.result(key, work, client.receive)) for key in "ab"
        ]
        await until(work.begun)
        computations.end()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert [str(error) for error in results] == ["The page is being closed."] * 2
        with pytest.raises(BusyError, match="being closed"):
            await computations.result("c", bytes, client.receive)
        work.go.set()
        return work

    work = asyncio.run(ask())
    computations.wait()
    assert work.count == 1
    assert not any(thread.name == "layerscope answers" for thread in threading.enumerate())


_CALLS = st.lists(
    st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3), st.integers(0, 3_000)), max_size=60
)


@given(_CALLS)
def test_answers_keep_to_their_bound_and_to_their_generation(calls):
    """What comes back is what was put last for this address, of this generation, or nothing."""
    answers, latest, newest = Answers(most=8_000), {}, 0
    for address, generation, size in calls:
        data = bytes([generation]) * size
        answers.put(address, generation, data)
        if generation > newest:
            latest, newest = {}, generation
        if generation == newest:
            latest[address] = data
        assert answers.nbytes <= 8_000
        for known in "abcdefgh":
            assert answers.get(known, newest) in (None, latest.get(known))
            assert answers.get(known, newest + 1) is None
    kept = [answers.get(address, newest) or b"" for address in "abcdefgh"]
    assert sum(map(len, kept)) <= answers.nbytes


def test_the_answers_that_nobody_asks_for_go_first():
    answers = Answers(most=8_000)
    for address in "abcd":
        answers.put(address, 0, bytes(1_500))
    assert answers.get("a", 0) is not None
    answers.put("e", 0, bytes(1_500))
    assert [address for address in "abcde" if answers.get(address, 0) is not None] == list("acde")
    answers.put("huge", 0, bytes(3_000))  # nothing else goes for what is too large to be kept
    assert answers.get("huge", 0) is None
    assert answers.get("e", 0) is not None


def test_so_many_uploads_are_taken_at_once():
    from cases.asking import Asker
    from layerscope.interfaces.server.access import Access

    let = asyncio.Event()

    async def app(scope, receive, send):
        await let.wait()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    access = Access()
    client = Asker(Guard(app, access))
    client.get("/", query={"token": access.token})

    async def ask():
        own = {"origin": client.origin}
        tasks = [
            asyncio.create_task(client.asked("POST", "/api/x", headers=own, body=b"x"))
            for _ in range(4)
        ]
        await turns()
        refused = await client.asked("POST", "/api/x", headers=own, body=b"x")
        assert refused.status == 503
        assert "try again" in refused.json()["error"]
        let.set()
        assert [reply.status for reply in await asyncio.gather(*tasks)] == [200] * 4
        assert (await client.asked("POST", "/api/x", headers=own, body=b"x")).status == 200

    asyncio.run(ask())
