"""The same on trio, and by anyio on both."""

import random
import threading

import pytest

import millrace
from millrace import qi

trio = pytest.importorskip("trio")
anyio = pytest.importorskip("anyio")


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_many_requests_at_once(ipc, backend):
    answers = {}

    async def serve(server):
        async with server.context() as context:
            async for question in context:
                await context.asend(b"for " + question)

    async def ask(client, i):
        async with client.context() as context:
            await context.asend(b"%d" % i)
            answers[i] = await context.arecv()

    async def main():
        async with anyio.create_task_group() as servers:
            async with millrace.Rep(bind=ipc) as server, millrace.Req(connect=ipc) as client:
                for _ in range(5):
                    servers.start_soon(serve, server)
                with anyio.fail_after(60):
                    await server.await_peers()
                    async with anyio.create_task_group() as asking:
                        for i in range(200):
                            asking.start_soon(ask, client, i)
            # The iterators of the servers end with the socket.
        assert answers == {i: b"for %d" % i for i in range(200)}

    anyio.run(main, backend=backend)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_scopes_and_limits_end_a_wait(address, backend):
    async def main():
        async with millrace.Pull(bind=address) as pull:
            with anyio.move_on_after(0.01) as scope:
                await pull.arecv()
            assert scope.cancelled_caught
            with pytest.raises(TimeoutError):
                with anyio.fail_after(0.01):
                    await pull.arecv()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(pull.arecv)
                await anyio.sleep(0.01)
                tasks.cancel_scope.cancel()

    anyio.run(main, backend=backend)


def test_waiters_are_served_in_their_order(address):
    got = []

    async def take(pull, i):
        got.append((i, await pull.arecv()))

    async def main():
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:
            async with trio.open_nursery() as nursery:
                for i in range(10):
                    nursery.start_soon(take, pull, i)
                    await trio.testing.wait_all_tasks_blocked()
                push.send_many([b"%d" % i for i in range(10)])
        assert got == [(i, b"%d" % i) for i in range(10)]

    import trio.testing

    trio.run(main)


def test_cancelling_loses_no_message(address):
    random.seed(7)
    count = 1000

    async def main():
        got = []
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:

            async def feed():
                for i in range(count):
                    await push.asend(b"%d" % i)
                    if random.random() < 0.3:
                        await trio.lowlevel.checkpoint()

            async with trio.open_nursery() as nursery:
                nursery.start_soon(feed)
                while len(got) < count:
                    with trio.move_on_after(0 if random.random() < 0.5 else 20):
                        got.append(int(await pull.arecv()))
                    await trio.lowlevel.checkpoint()
        assert got == list(range(count))

    trio.run(main)


def test_closing_and_cancelling_end_waits(address):
    async def main():
        async with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            context = client.context()
            await context.asend(b"x")

            async def wait(socket, error):
                with pytest.raises(error):
                    await socket.arecv()

            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wait, context, millrace.WrongState)
                    await trio.testing.wait_all_tasks_blocked()
                    context.cancel()
                await server.arecv()
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wait, server, millrace.Closed)
                    await trio.testing.wait_all_tasks_blocked()
                    server.close()

    import trio.testing

    trio.run(main)


def test_closing_and_cancelling_in_another_thread_end_waits(address):
    """The loop has nothing else to do: it must be woken."""

    async def main():
        rep, req = millrace.Rep(bind=address), millrace.Req(connect=address)
        idle, context = millrace.Pair(), rep.context()
        monitor = idle.monitor()
        await req.asend(b"x")
        await rep.arecv()
        rep.cancel()

        async def wait(arecv, error):
            with pytest.raises(error):
                await arecv()

        for waiting, act, error in (
            (req.arecv, req.cancel, millrace.WrongState),
            (context.arecv, context.close, millrace.Closed),
            (rep.arecv, rep.close, millrace.Closed),
            (monitor.anext, monitor.close, millrace.Closed),
        ):
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(wait, waiting, error)
                    await trio.testing.wait_all_tasks_blocked()
                    thread = threading.Thread(target=act)
                    thread.start()
                thread.join()
        req.close()
        idle.close()

    import trio.testing

    trio.run(main)


def test_sending_waits_for_room_and_monitors_for_events(address):
    async def main():
        with millrace.Push(bind=address) as push, push.monitor() as monitor:
            with trio.fail_after(20):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(push.asend, b"first")
                    await trio.testing.wait_all_tasks_blocked()
                    pull = millrace.Pull(connect=address)
                while (await monitor.anext()).kind != "greeted":
                    pass
                assert await pull.arecv() == b"first"
                pull.close()

    import trio.testing

    trio.run(main)


def test_outside_of_an_event_loop_it_says_so(address):
    with millrace.Pull(bind=address) as pull:
        waiting = pull.arecv()
        with pytest.raises(RuntimeError):
            waiting.send(None)


@pytest.mark.parametrize("backend", ["trio", "asyncio"])
def test_sending_to_one_peer(address, backend):
    large = b"x" * 100_000

    async def main():
        with millrace.Bus(bind=address, recv_peer=True) as bus, millrace.Bus(connect=address, recv_timeout=20) as guest:
            guest.wait_peers(1, timeout=20)
            guest.send(b"hello")
            peer = (await bus.arecv_message()).peer
            with anyio.fail_after(60):
                async with anyio.create_task_group() as sending:
                    for _ in range(20):
                        sending.start_soon(bus.asend_to, peer, large)
                    for _ in range(20):
                        assert await guest.arecv() == large

    anyio.run(main, backend=backend)


def test_the_bus():
    class Desk:
        def __init__(self):
            self.promise = qi.Promise(lambda promise: promise.setCanceled())

        async def double(self, number: int) -> int:
            return number * 2

        def never(self):
            return self.promise.future()

    async def main():
        async with qi.Session() as server:
            await server.listenStandalone("tcp://127.0.0.1:0", _async=True)
            desk = Desk()
            await server.registerService("Desk", desk, _async=True)
            async with await qi.connect(server.url()) as client:
                proxy = await client.service("Desk", _async=True)
                assert await proxy.double(4, _async=True) == 8
                with pytest.raises(qi.RemoteError):
                    await proxy.double("x", _async=True)
                future = proxy.never(_async=True)
                with trio.move_on_after(0.01) as scope:
                    await future
                assert scope.cancelled_caught
                # What it stands for is cancelled, too.
                with pytest.raises(qi.Canceled):
                    await future

    trio.run(main)


def test_a_program_may_wait_for_the_descriptor_too(address):
    """trio lets one task wait for each descriptor."""
    seen = []

    async def look(pull):
        await trio.lowlevel.wait_readable(pull.fileno())
        seen.append("readable")

    async def take(pull):
        seen.append(await pull.arecv())

    async def main():
        with millrace.Push(bind=address) as push, millrace.Pull(connect=address) as pull:
            with trio.fail_after(60):
                async with trio.open_nursery() as nursery:
                    nursery.start_soon(look, pull)
                    nursery.start_soon(take, pull)
                    await trio.testing.wait_all_tasks_blocked()
                    push.send(b"x")
                    push.send(b"y")

    import trio.testing

    trio.run(main)
    assert sorted(map(str, seen)) == ["b'x'", "readable"]
