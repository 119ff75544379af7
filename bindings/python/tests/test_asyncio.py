import asyncio
import contextvars
import gc
import os
import random
import socket
import sys
import threading
import warnings
import weakref
from concurrent.futures import ThreadPoolExecutor

import pytest

import millrace
from millrace import _aio

try:
    import uvloop
except ImportError:
    uvloop = None

LOOPS = ["asyncio"] + (["uvloop"] if uvloop else [])


@pytest.fixture(params=LOOPS)
def run(request):
    if request.param == "uvloop":
        return uvloop.run
    return asyncio.run


def test_requests_and_replies(run, address):
    async def serve(server):
        async for request in server:
            await server.asend(request.upper())

    async def main():
        async with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            serving = asyncio.ensure_future(serve(server))
            for i in range(200):
                await client.asend(b"number %d" % i)
                assert await client.arecv() == b"NUMBER %d" % i
            server.close()
            await asyncio.wait_for(serving, 10)

    run(main())


def test_receiving_without_a_copy(run, address):
    async def main():
        async with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            context = client.context()
            for asks in (client, context):
                await asks.asend(bytes(100_000))
                request = await server.arecv(copy=False)
                assert isinstance(request, memoryview) and request == bytes(100_000)
                waiting = asyncio.ensure_future(asks.arecv(copy=False))
                await asyncio.sleep(0)
                await server.asend(request)
                answer = await asyncio.wait_for(waiting, 10)
                assert isinstance(answer, memoryview) and answer == request
            context.close()

    run(main())


def test_waiters_are_served_in_their_order(run, address):
    async def main():
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:
            tasks = [asyncio.ensure_future(pull.arecv()) for _ in range(10)]
            await asyncio.sleep(0)
            for i in range(10):
                push.send(b"%d" % i)
            assert await asyncio.wait_for(asyncio.gather(*tasks), 10) == [b"%d" % i for i in range(10)]

    run(main())


def test_cancelling_loses_no_message(run, address):
    """Receivers are cancelled at every moment; every message comes, in order."""
    random.seed(7)
    count = 3000

    async def main():
        got = []
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:

            async def feed():
                for i in range(count):
                    await push.asend(b"%d" % i)
                    if random.random() < 0.3:
                        await asyncio.sleep(0)

            feeding = asyncio.ensure_future(feed())
            while len(got) < count:
                task = asyncio.ensure_future(pull.arecv())
                for _ in range(random.randrange(4)):
                    await asyncio.sleep(0)
                if random.random() < 0.5:
                    task.cancel()
                try:
                    got.append(int(await task))
                except asyncio.CancelledError:
                    pass
            await feeding
        assert got == list(range(count))

    run(main())


def test_a_time_limit_is_asyncios(run, address):
    async def main():
        with millrace.Pull(bind=address) as pull:
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(pull.arecv(), 0.02)

    run(main())


def test_sending_waits_for_room(run, address):
    async def main():
        with millrace.Push() as push, millrace.Pull(bind=address, recv_buffer=1000) as pull:
            sending = asyncio.ensure_future(push.asend(b"first"))
            await asyncio.sleep(0)
            assert not sending.done()
            push.connect(address)
            await asyncio.wait_for(sending, 10)
            assert await pull.arecv() == b"first"

            async def fill():
                for i in range(1000):
                    await push.asend(b"%04d" % i * 100)

            filling = asyncio.ensure_future(fill())
            for i in range(1000):
                assert await pull.arecv() == b"%04d" % i * 100
            await filling

    run(main())


def test_what_is_there_at_once_lets_others_run(run, address):
    """Timers, other tasks and Ctrl-C need turns of the loop, which a task that never has to wait would not give it."""

    async def main():
        with millrace.Pair(bind=address) as a, millrace.Pair(connect=address) as b:
            passed = asyncio.Event()
            asyncio.get_running_loop().call_later(0.01, passed.set)
            while not passed.is_set():
                await a.asend(b"x")
                await b.arecv()
                await a.asend(b"x")
                await b.arecv_message()

    run(asyncio.wait_for(main(), 60))


def test_sending_overtakes_nobody_who_waits(run, address):
    async def main():
        with millrace.Push() as push, millrace.Pull() as pull:
            tasks = [asyncio.ensure_future(push.asend(b"%d" % i)) for i in range(10)]
            await asyncio.sleep(0)
            pull.bind(address)
            push.connect(address)
            pull.wait_peers(1, timeout=20)
            tasks.append(asyncio.ensure_future(push.asend(b"late")))
            expected = [b"%d" % i for i in range(10)] + [b"late"]
            assert [await asyncio.wait_for(pull.arecv(), 20) for _ in expected] == expected
            await asyncio.gather(*tasks)

    run(main())


def test_sockets_that_are_forgotten_leave_nothing_in_the_loop(run, ipc):
    """The next one gets their descriptor, and is watched."""

    async def ask(i):
        client = millrace.Req(connect=ipc)
        await client.asend(b"%d" % i)
        return await asyncio.wait_for(client.arecv(), 20)

    async def watch():
        socket = millrace.Pair()
        monitor = socket.monitor()
        waiting = asyncio.ensure_future(monitor.anext())
        await asyncio.sleep(0)
        socket.bind(ipc + "-other")
        await asyncio.wait_for(waiting, 20)

    async def serve(server):
        async for request in server:
            await server.asend(request)

    async def main():
        async with millrace.Rep(bind=ipc) as server:
            serving = asyncio.ensure_future(serve(server))
            descriptors = None
            for i in range(60):
                assert await ask(i) == b"%d" % i
                await watch()
                if i == 20:
                    gc.collect()
                    await asyncio.sleep(0)
                    descriptors = len(os.listdir("/proc/self/fd"))
            gc.collect()
            await asyncio.sleep(0)
            assert len(os.listdir("/proc/self/fd")) <= descriptors + 10
            serving.cancel()

    run(main())


def test_closing_ends_waits(run, address):
    async def main():
        pull = millrace.Pull(bind=address)
        waiting = asyncio.ensure_future(pull.arecv())
        await asyncio.sleep(0)
        assert not waiting.done()
        pull.close()
        with pytest.raises(millrace.Closed):
            await asyncio.wait_for(waiting, 10)

    run(main())


def waits(address):
    """By what is waited for: what is closed, and who waits."""
    pull, push, rep, pair = millrace.Pull(bind=address), millrace.Push(), millrace.Rep(), millrace.Pair()
    monitor = pair.monitor()
    context = rep.context()
    return {
        "a message": (pull, pull.arecv()),
        "a message and its peer": (pull, pull.arecv_message()),
        "room": (push, push.asend(b"x")),
        "a message in a context": (context, context.arecv()),
        "a message in a context of the socket": (rep, context.arecv()),
        "an event": (monitor, monitor.anext()),
        "an event of the socket": (pair, monitor.anext()),
        "peers": (pair, pair.await_peers()),
    }


@pytest.mark.parametrize("what", range(8))
def test_closing_in_another_thread_ends_waits(run, address, what):
    """The loop has nothing else to do: it must be woken."""

    async def main():
        everything = waits(address)
        name, (closed, waits_for) = list(everything.items())[what]
        waiting = asyncio.ensure_future(waits_for)
        await asyncio.sleep(0)
        assert not waiting.done(), name
        closing = threading.Thread(target=closed.close)
        closing.start()
        with pytest.raises(millrace.Closed):
            await asyncio.wait_for(waiting, 60)
        closing.join()
        for _, other in everything.values():
            other.close()

    run(main())


def test_cancelling_in_another_thread_ends_waits(run, address):
    async def main():
        with millrace.Req(bind=address) as req, millrace.Rep(connect=address):
            await req.asend(b"x")
            waiting = asyncio.ensure_future(req.arecv())
            await asyncio.sleep(0)
            cancelling = threading.Thread(target=req.cancel)
            cancelling.start()
            with pytest.raises(millrace.WrongState):
                await asyncio.wait_for(waiting, 60)
            cancelling.join()

    run(main())


@pytest.mark.parametrize("ends", ["close", "cancel"])
def test_a_socket_in_two_loops_at_a_time(run, address, ends):
    """Each loop is told, also the one that waited first."""
    server = millrace.Rep(bind=address)
    client = millrace.Req(connect=address)
    client.send(b"x")
    server.recv()
    waiting, told = threading.Semaphore(0), []

    async def wait():
        asyncio.get_running_loop().call_soon(waiting.release)
        with pytest.raises(millrace.Closed if ends == "close" else millrace.WrongState) as caught:
            await asyncio.wait_for(client.arecv(), 60)
        told.append(caught.type)

    threads = [threading.Thread(target=lambda: run(wait())) for _ in range(2)]
    for thread in threads:
        thread.start()
        assert waiting.acquire(timeout=60)
    getattr(client, ends)()
    for thread in threads:
        thread.join(60)
    assert len(told) == 2
    client.close()
    server.close()


def test_cancelling_just_before_somebody_waits_for_the_first_time_ends_the_wait(run, address, monkeypatch):
    """Nothing tells of it but what is noted of who waits, and so of one that was not there yet."""
    here = _aio.Waits.here

    def cancelled_before(self, *arguments):
        cancelling = threading.Thread(target=client.cancel)
        cancelling.start()
        cancelling.join()
        return here(self, *arguments)

    async def main():
        with pytest.raises(millrace.WrongState):
            await asyncio.wait_for(client.arecv(), 10)

    with millrace.Rep(bind=address), millrace.Req(connect=address) as client:
        client.send(b"x")
        monkeypatch.setattr(_aio.Waits, "here", cancelled_before)
        run(main())


def test_leaving_waits_for_what_lingers_and_can_be_given_up(run):
    """A peer that takes nothing: leaving waits, the loop goes on, and cancelling ends it."""

    async def main():
        loop = asyncio.get_running_loop()
        push = millrace.Push(bind="tcp://127.0.0.1:0", linger=1000)
        with socket.create_connection(("127.0.0.1", int(push.describe()["endpoints"][0]["address"].rpartition(":")[2]))) as peer:
            peer.sendall(b"\0SP\0\0\x51\0\0")
            await asyncio.wait_for(push.await_peers(), 60)
            with pytest.raises(millrace.WouldBlock):
                while True:
                    push.send(bytes(1_000_000), block=False)

            async def leave():
                async with push:
                    pass

            leaving = asyncio.ensure_future(leave())
            await asyncio.sleep(0.05)
            assert not leaving.done() and push.closed
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
            assert loop.is_running()

    run(main())


def test_a_socket_goes_from_one_loop_to_the_next(run, address):
    with millrace.Pair(bind=address) as a, millrace.Pair(connect=address) as b:
        for i in range(3):

            async def main(i=i):
                waiting = asyncio.ensure_future(b.arecv())
                await asyncio.sleep(0)
                await a.asend(b"%d" % i)
                assert await waiting == b"%d" % i

            run(main())


def test_a_loop_does_not_turn_for_nothing(address):
    """A message that nobody waits for leaves the descriptor readable; the loop must sleep all the same."""

    async def main():
        loop = asyncio.get_running_loop()
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:
            waiting = asyncio.ensure_future(pull.arecv())
            await asyncio.sleep(0)
            push.send(b"1")
            push.send(b"2")
            assert await waiting == b"1"
            turns = 0
            select = loop._selector.select

            def counted(*arguments):
                nonlocal turns
                turns += 1
                return select(*arguments)

            loop._selector.select = counted
            await asyncio.sleep(0.1)
            loop._selector.select = select
            assert turns < 10
            assert await pull.arecv() == b"2"

    asyncio.run(main())


def test_a_thousand_clients(run, ipc):
    async def client(i):
        async with millrace.Req(connect=ipc) as req:
            await req.asend(b"%d" % i)
            return await req.arecv()

    async def serve(server):
        async for request in server:
            await server.asend(b"for " + request)

    async def main():
        async with millrace.Rep(bind=ipc) as server:
            serving = asyncio.ensure_future(serve(server))
            answers = await asyncio.wait_for(asyncio.gather(*(client(i) for i in range(1000))), 60)
            assert answers == [b"for %d" % i for i in range(1000)]
            serving.cancel()

    run(main())


def test_leaving_ends_waits_although_closing_takes_its_time(address):
    """Who waited wakes up before another thread has closed the socket, and must not wait again."""

    async def main():
        busy = threading.Event()
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(1))
        async with millrace.Pull(bind=address) as pull:
            waiting = asyncio.ensure_future(pull.arecv())
            await asyncio.sleep(0)
            asyncio.get_running_loop().run_in_executor(None, busy.wait, 20)
            asyncio.get_running_loop().call_later(0.05, busy.set)
        with pytest.raises(millrace.Closed):
            await asyncio.wait_for(waiting, 10)

    asyncio.run(main())


def test_iterating_over_answers_ends_with_the_deadline(address):
    async def main():
        with millrace.Surveyor(bind=address, deadline=0.05) as surveyor, millrace.Respondent(connect=address) as respondent:
            await surveyor.await_peers(1)
            await surveyor.asend(b"who?")
            await respondent.asend(await respondent.arecv() + b" me")
            return [answer async for answer in surveyor]

    # A machine that is busy may be later than the deadline; it ends all the same.
    assert asyncio.run(main()) in ([b"who? me"], [])


@pytest.mark.parametrize("what", ["messages", "events"])
def test_a_reader_of_the_programs_own_stays(run, address, what):
    """A loop has one reader for each descriptor: waiting must not take that of ``fileno()``."""

    async def main():
        loop = asyncio.get_running_loop()
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull, pull.monitor() as monitor:
            source, wait, tell = {
                "messages": (pull, pull.arecv, lambda i: push.send(b"x")),
                "events": (monitor, monitor.anext, lambda i: pull.bind(f"{address}-{i}")),
            }[what]
            seen = asyncio.Event()
            loop.add_reader(source.fileno(), seen.set)
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            tell(1)
            await asyncio.wait_for(waiting, 30)
            seen.clear()
            tell(2)
            await asyncio.wait_for(seen.wait(), 30)
            loop.remove_reader(source.fileno())
            # What the program takes away is its own alone.
            await wait()
            waiting = asyncio.ensure_future(wait())
            await asyncio.sleep(0)
            loop.remove_reader(source.fileno())
            tell(3)
            await asyncio.wait_for(waiting, 30)

    run(main())


def test_a_newcomer_does_not_overtake_who_was_called(run, address):
    async def main():
        order = []
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:

            async def take(name):
                await pull.arecv()
                order.append(name)

            first = asyncio.ensure_future(take("first"))
            await asyncio.sleep(0)
            push.send(b"1")
            # The newcomer has its turn before the loop looks who is to be called.
            newcomer = asyncio.ensure_future(take("newcomer"))
            await asyncio.wait_for(first, 60)
            push.send(b"2")
            await asyncio.wait_for(newcomer, 60)
        assert order == ["first", "newcomer"]

    run(main())


@pytest.mark.parametrize("way", ["asend", "asend_to"])
def test_what_waits_to_be_sent_is_what_it_was(run, ipc, way):
    async def main():
        with millrace.Pair(bind=ipc, send_buffer=1000, recv_peer=True) as push, millrace.Pair(connect=ipc, recv_buffer=1000) as pull:
            pull.send(b"")
            peer = (await push.arecv_message()).peer
            send = push.asend if way == "asend" else lambda data: push.asend_to(peer, data)
            count = 0
            while True:
                with pytest.raises(millrace.WouldBlock):
                    while True:
                        push.send(bytes(100_000), block=False)
                        count += 1
                data = bytearray(b"was")
                sending = asyncio.ensure_future(send(data))
                await asyncio.sleep(0)
                if not sending.done():
                    break
                # The engine's thread had read on meanwhile, and there was room once more.
                count += 1
            data[:] = b"become"
            for _ in range(count):
                await pull.arecv()
            assert await asyncio.wait_for(pull.arecv(), 60) == b"was"
            await sending

    run(main())


def test_iterating_without_a_copy(run, address):
    async def main():
        got = []
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:
            push.send_many([b"1", b"22"])
            async for message in pull.incoming(copy=False):
                assert isinstance(message, memoryview)
                got.append(bytes(message))
                if len(got) == 2:
                    pull.close()
        assert got == [b"1", b"22"]

    run(main())


def test_what_tasks_wait_with_is_a_future_to_them(run, address):
    """Contexts, cancelling at every moment, and what asyncio's own functions ask of a future."""
    variable = contextvars.ContextVar("variable", default="nothing")

    async def main():
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:

            async def take(value):
                variable.set(value)
                message = await pull.arecv()
                assert asyncio.current_task() in tasks and variable.get() == value
                return message

            tasks = [asyncio.ensure_future(take(i)) for i in range(4)]
            await asyncio.sleep(0)
            tasks[1].cancel()
            push.send(b"0")
            push.send(b"2")
            push.send(b"3")
            assert await asyncio.wait_for(asyncio.gather(tasks[0], *tasks[2:]), 30) == [b"0", b"2", b"3"]
            with pytest.raises(asyncio.CancelledError):
                await tasks[1]
            # Called and cancelled in one turn: nothing is taken.
            tasks = [asyncio.ensure_future(take(5)), asyncio.ensure_future(take(6))]
            await asyncio.sleep(0)
            pull._messages.wake()
            tasks[0].cancel()
            push.send(b"6")
            assert await asyncio.wait_for(tasks[1], 30) == b"6" and tasks[0].cancelled()
            # In a coroutine that is not the task's own, and shielded.
            shielded = asyncio.ensure_future(pull.arecv())
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.shield(shielded), 0.01)
            push.send(b"7")
            assert await asyncio.wait_for(shielded, 30) == b"7"
            assert variable.get() == "nothing"

    run(main())


def test_who_is_cancelled_is_told_why(run, address):
    """anyio knows its own cancellations by that, and let the others through."""

    async def main():
        with millrace.Pull(bind=address) as pull:
            waiting = asyncio.ensure_future(pull.arecv())
            await asyncio.sleep(0)
            waiting.cancel("why")
            with pytest.raises(asyncio.CancelledError) as told:
                await waiting
            if sys.version_info >= (3, 11):  # before, tasks kept it for themselves
                assert told.value.args == ("why",)

    run(main())


@pytest.mark.parametrize("kind", LOOPS)
@pytest.mark.parametrize("ends", [KeyboardInterrupt, SystemExit])
def test_a_task_that_ends_the_loop_leaves_the_others_called(address, kind, ends):
    """Those that were to go on in the same turn of the loop slept for ever."""
    loop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()
    pairs = [(millrace.Pull(bind=f"{address}{i}"), millrace.Push(connect=f"{address}{i}")) for i in range(5)]
    first = []

    async def take(pull):
        message = await pull.arecv()
        if not first:
            first.append(message)
            raise ends
        return message

    async def begin():
        return [asyncio.ensure_future(take(pull)) for pull, _ in pairs]

    async def rest(tasks):
        return await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), 30)

    tasks = loop.run_until_complete(begin())
    loop.run_until_complete(asyncio.sleep(0))
    for _, push in pairs:
        push.send(b"x")
    with pytest.raises(ends):
        loop.run_until_complete(asyncio.wait(tasks))
    ended = [task for task in tasks if task.done() and type(task.exception()) is ends]
    assert loop.run_until_complete(rest([task for task in tasks if task not in ended])) == [b"x"] * 4
    for both in pairs:
        for each in both:
            each.close()
    loop.close()


def test_loops_that_have_ended_have_no_descriptors(run, address):
    pairs = [(millrace.Pull(bind=f"{address}{i}"), millrace.Push(connect=f"{address}{i}")) for i in range(20)]

    async def main(pull, push, left):
        waiting = [asyncio.ensure_future(pull.arecv()) for _ in range(3)]
        await asyncio.sleep(0)
        push.send(b"x")
        if left:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        else:
            push.send(b"x")
            push.send(b"x")
            await asyncio.wait(waiting)

    gc.disable()
    try:
        run(main(*pairs[0], True))
        before = len(os.listdir("/proc/self/fd"))
        for number, both in enumerate(pairs):
            run(main(*both, number % 2))
        # Those of the last are there until the next one begins; uvloop keeps its own until it is collected.
        if run is asyncio.run:
            assert len(os.listdir("/proc/self/fd")) <= before + 2
    finally:
        gc.enable()
    gc.collect()
    assert len(os.listdir("/proc/self/fd")) <= before + 2
    for both in pairs:
        for each in both:
            each.close()


def test_what_goes_by_the_collector_leaves_nothing_in_the_loop(run, address):
    class Client:
        def __init__(self, number):
            self.pull, self.push = millrace.Pull(bind=f"{address}{number}"), millrace.Push(connect=f"{address}{number}")
            self.itself = self

        async def use(self):
            waiting = asyncio.ensure_future(self.pull.arecv())
            await asyncio.sleep(0)
            self.push.send(b"x")
            await waiting

    async def main():
        for number in range(20):
            await Client(number).use()
        gc.collect()
        assert not _aio.Hub.of(asyncio.get_running_loop())._members

    run(main())


def test_a_task_that_alone_has_its_socket_outlives_the_collector(run, address):
    """Only the loop has tasks that wait: it was told of them by what they alone had."""

    async def receive(number, got):
        got.append(await millrace.Pull(bind=f"{address}{number}").arecv())

    async def view(number, got):
        async for message in millrace.Pull(bind=f"{address}{number}").incoming(copy=False):
            got.append(bytes(message))
            return

    async def answer(server, got):
        context = server.context()
        got.append(await context.arecv())
        await context.asend(got[-1])

    async def send(number, got):
        await millrace.Push(bind=f"{address}{number}").asend(b"x")
        got.append(b"x")

    async def main():
        with millrace.Rep(bind=f"{address}4") as server, millrace.Req(connect=f"{address}4") as client:
            got, before = [], len(asyncio.all_tasks())
            # (Their ends are not kept here: a future would keep its task.)
            for work in (receive(1, got), view(2, got), send(3, got), answer(server, got), answer(server, got)):
                asyncio.ensure_future(work)
            for _ in range(3):
                await asyncio.sleep(0)
                gc.collect()
            assert len(asyncio.all_tasks()) == before + 5
            with millrace.Push(connect=[f"{address}1"]) as one, millrace.Push(connect=[f"{address}2"]) as other, millrace.Pull(connect=f"{address}3") as pull:
                await one.asend(b"x")
                await other.asend(b"x")
                assert await pull.arecv() == b"x"
                for _ in range(2):
                    await client.asend(b"x")
                    assert await client.arecv() == b"x"
                while len(asyncio.all_tasks()) > before:
                    await asyncio.sleep(0)
                assert got == [b"x"] * 5

    run(asyncio.wait_for(main(), 60))


def test_a_forgotten_loop_is_collected_with_those_who_wait_in_it(address):
    async def begin():
        asyncio.ensure_future(millrace.Pull(bind=address).arecv())
        await asyncio.sleep(0)

    def use():
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        return weakref.ref(loop)

    gone = use()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()
    assert gone() is None
    millrace.Pull(bind=address).close()


def test_who_is_cancelled_is_not_counted(run, address):
    """The engine's thread was relied upon for the rest of the loop's life."""

    async def main():
        with millrace.Pull(bind=address) as pull:
            waiting = [asyncio.ensure_future(pull.arecv()) for _ in range(2)]
            await asyncio.sleep(0)
            hub = _aio.Hub.of(asyncio.get_running_loop())
            waiting[1].cancel()
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert (hub._awaiting, hub._is_begun) == (1, True)
            waiting[0].cancel()
            await asyncio.wait(waiting)
            assert (hub._awaiting, hub._is_begun, hub._is_watching) == (0, False, False)

    run(main())


@pytest.mark.parametrize("kind", LOOPS)
def test_a_loop_that_was_used_before_a_fork_goes_on_in_the_child(address, kind):
    loop = uvloop.new_event_loop() if kind == "uvloop" else asyncio.new_event_loop()

    async def use(address):
        with millrace.Pull(bind=address) as pull, millrace.Push(connect=address) as push:
            for i in range(3):
                waiting = asyncio.ensure_future(pull.arecv())
                await asyncio.sleep(0)
                await push.asend(b"%d" % i)
                assert await asyncio.wait_for(waiting, 30) == b"%d" % i

    loop.run_until_complete(use(address))
    child = os.fork()
    if child == 0:
        status = 1
        try:
            loop.run_until_complete(use(address + "child"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    loop.run_until_complete(use(address))
    loop.close()


def test_waiting_takes_no_descriptors(run, address):
    async def main():
        with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            client.wait_peers(1, timeout=10)
            before = len(os.listdir("/proc/self/fd"))
            contexts = [server.context() for _ in range(50)]
            tasks = [asyncio.ensure_future(context.arecv()) for context in contexts]
            await asyncio.sleep(0)
            # Those of the loop are for all of them.
            assert len(os.listdir("/proc/self/fd")) <= before + 2
            for task in tasks:
                task.cancel()
            await asyncio.wait(tasks)

    run(main())


def over_tcp():
    """Two sockets that are connected."""
    one, other = millrace.Pair(), millrace.Pair()
    other.connect(one.bind("tcp://127.0.0.1:0").address)
    return one, other


def test_a_task_waits_while_threads_receive_much(run):
    """What they fetch wakes the loop for nothing, until it leaves that to them; its own messages come all the same."""
    (echo, asks), (a, b) = over_tcp(), over_tcp()
    over = threading.Event()

    def answer():
        for message in echo:
            echo.send(message)

    def ask():
        while not over.is_set():
            asks.send(b"x")
            asks.recv()

    async def main():
        for i in range(300):
            waiting = asyncio.ensure_future(a.arecv())
            await asyncio.sleep(0.001 if i % 3 else 0)
            await b.asend(b"%d" % i)
            assert await asyncio.wait_for(waiting, 30) == b"%d" % i

    threads = [threading.Thread(target=answer), threading.Thread(target=ask)]
    with echo, asks, a, b:
        for thread in threads:
            thread.start()
        try:
            run(main())
        finally:
            over.set()
            threads[1].join(30)
            echo.close()
            threads[0].join(30)


def test_others_are_served_while_the_loop_is_busy(run):
    """The loop has polled for all. While it does something else, threads that wait do, and the engine's own."""

    async def main():
        (a, b), (asks, answers) = over_tcp(), over_tcp()
        with a, b, asks, answers:
            waiting = asyncio.ensure_future(a.arecv())
            await asyncio.sleep(0)
            await b.asend(b"x")
            assert await asyncio.wait_for(waiting, 30) == b"x"
            got = []

            def ask():
                for i in range(20):
                    asks.send(b"%d" % i)
                    got.append(answers.recv())

            thread = threading.Thread(target=ask)
            thread.start()
            # Not awaited: the loop stands still.
            thread.join(30)
            assert got == [b"%d" % i for i in range(20)]
            # The kernel takes less than this at once, and nobody waits while it is sent.
            a.recv_timeout = 30
            b.send(bytes(1_000_000))
            assert len(a.recv()) == 1_000_000

    run(main())
