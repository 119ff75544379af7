"""Contexts: many requests, answers or subscriptions on one socket."""

import asyncio
import gc
import os
import threading
import weakref

import pytest

import millrace


def desk(address, **options):
    server = millrace.Rep(bind=address, recv_timeout=20)
    return server, millrace.Req(connect=address, recv_timeout=20, **options)


def test_requests_under_way_at_once_are_answered_in_any_order(address):
    server, client = desk(address)
    with server, client:
        asking = [client.context() for _ in range(50)]
        answering = [server.context() for _ in range(50)]
        for i, context in enumerate(asking):
            context.send(b"%d" % i)
        questions = [context.recv() for context in answering]
        assert sorted(map(int, questions)) == list(range(50))
        for context, question in reversed(list(zip(answering, questions))):
            context.send(b"for " + question)
        assert [context.recv() for context in asking] == [b"for %d" % i for i in range(50)]
        # The socket itself is used beside them.
        client.send(b"by the way")
        server.send(server.recv())
        assert client.recv() == b"by the way"


def test_a_context_begins_with_the_options_of_its_socket_and_has_its_own(address):
    with millrace.Req(recv_timeout=0.5, resend_interval=7) as client:
        with client.context(send_timeout=2) as context:
            assert (context.recv_timeout, context.send_timeout, context.resend_interval) == (0.5, 2, 7)
            context.recv_timeout, context.resend_interval = 0.01, 3
            assert (client.recv_timeout, client.resend_interval) == (0.5, 7)
            with pytest.raises(TypeError, match="no option"):
                client.context(linger=1)
            client.bind(address)
            with millrace.Rep(connect=address):
                context.send(b"nobody answers")
                with pytest.raises(millrace.Timeout):
                    context.recv()
    with millrace.Surveyor() as surveyor, surveyor.context(deadline=0.25) as context:
        assert (surveyor.deadline, context.deadline) == (1, 0.25)


def test_subscriptions_are_each_contexts_own(address):
    with millrace.Pub(bind=address) as pub, millrace.Sub(connect=address, subscribe="s", recv_timeout=20) as sub:
        a, b = sub.context(subscribe=["a", b"x"], recv_timeout=20), sub.context(recv_timeout=20)
        b.subscribe("b")
        b.subscribe("x")
        pub.wait_peers(1, timeout=20)
        pub.send_many([b"s1", b"a1", b"b1", b"x1"])
        assert [a.recv(), a.recv()] == [b"a1", b"x1"]
        assert [b.recv(), b.recv()] == [b"b1", b"x1"]
        assert sub.recv() == b"s1"
        b.unsubscribe("b")
        pub.send_many([b"b2", b"x2"])
        assert b.recv() == b"x2"


def test_what_was_asked_is_given_up_by_closing_and_by_cancelling(address):
    server, client = desk(address)
    with server, client:
        given_up = client.context()
        given_up.send(b"never mind")
        assert server.recv() == b"never mind"
        given_up.cancel()
        with pytest.raises(millrace.WrongState):
            given_up.recv()
        server.send(b"too late")
        with client.context() as context:
            context.send(b"again")
            server.send(server.recv())
            assert context.recv() == b"again"
        assert context.closed and not client.closed
        context.close()
        with pytest.raises(millrace.Closed):
            context.send(b"closed")
    with millrace.Pair() as pair, pytest.raises(millrace.NotSupported):
        pair.cancel()


@pytest.mark.parametrize("what", ["context", "socket"])
def test_who_waits_is_told_when_it_is_closed(address, what):
    with millrace.Rep(bind=address) as server:
        context = server.context()
        failed = []

        def wait():
            started.set()
            try:
                context.recv()
            except millrace.Closed:
                failed.append(True)

        started = threading.Event()
        waiting = threading.Thread(target=wait)
        waiting.start()
        assert started.wait(20)
        (context if what == "context" else server).close()
        waiting.join(20)
        assert failed == [True] and context.closed


def test_what_contexts_are_not_for(address):
    with millrace.Pair() as pair, pytest.raises(millrace.NotSupported):
        pair.context()
    with millrace.Rep(raw=True) as raw, pytest.raises(millrace.NotSupported):
        raw.context()
    with millrace.Req() as client, client.context() as context:
        assert not hasattr(context, "bind")
        with pytest.raises(millrace.NotSupported, match="socket"):
            millrace.device(context)
        with pytest.raises(OSError):
            context.set_option(0, 2, 4096)


def test_a_context_keeps_its_socket(address):
    with millrace.Rep(bind=address) as server:
        context = millrace.Req(connect=address, recv_timeout=20).context()
        gc.collect()
        context.send(b"x")
        server.send(server.recv())
        assert context.recv() == b"x"
        gone = weakref.ref(context.socket)
        del context
        gc.collect()
        assert gone() is None


def test_pollers_and_selectors_take_contexts(address):
    import selectors

    server, client = desk(address)
    with server, client, client.context() as context, selectors.DefaultSelector() as selector:
        selector.register(context, selectors.EVENT_READ)
        poller = millrace.Poller()
        poller.register(context)
        context.send(b"x")
        assert poller.poll(0) == [] and selector.select(0) == []
        server.send(server.recv())
        assert poller.poll(20) == [(context, millrace.POLLIN)]
        assert [key.fileobj for key, _ in selector.select(20)] == [context]
        selector.unregister(context)


def test_a_thousand_requests_of_tasks_over_one_connection(ipc):
    async def ask(client, i):
        async with client.context() as context:
            await context.asend(b"%d" % i)
            return await context.arecv()

    async def serve(server):
        async with server.context() as context:
            async for question in context:
                await asyncio.sleep(0)
                await context.asend(b"for " + question)

    async def main():
        async with millrace.Rep(bind=ipc) as server, millrace.Req(connect=ipc) as client:
            serving = [asyncio.ensure_future(serve(server)) for _ in range(20)]
            answers = await asyncio.wait_for(asyncio.gather(*(ask(client, i) for i in range(1000))), 60)
            assert answers == [b"for %d" % i for i in range(1000)]
            assert client.statistics["established_connections"] == 1
        # The contexts that waited for more ended with the socket.
        await asyncio.wait_for(asyncio.gather(*serving), 20)

    asyncio.run(main())


def test_a_task_that_is_cancelled_gives_up_its_wait_not_its_request(address):
    async def main():
        async with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            context = client.context()
            await context.asend(b"x")
            waiting = asyncio.ensure_future(context.arecv())
            await asyncio.sleep(0)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            await server.asend(await server.arecv())
            assert await asyncio.wait_for(context.arecv(), 20) == b"x"

    asyncio.run(main())


def test_a_task_that_waits_is_told_of_cancelling(address):
    async def main():
        async with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client, client.context() as context:
            await context.asend(b"x")
            waiting = asyncio.ensure_future(context.arecv())
            await asyncio.sleep(0)
            context.cancel()
            with pytest.raises(millrace.WrongState):
                await asyncio.wait_for(waiting, 20)

    asyncio.run(main())


def test_a_forked_child_leaves_its_parents_contexts_alone(address):
    server, client = desk(address)
    with server, client, client.context() as context:
        context.send(b"x")
        child = os.fork()
        if child == 0:
            status = 1
            try:
                with pytest.raises(millrace.Closed):
                    context.recv()
                assert context.closed
                context.close()
                status = 0
            finally:
                os._exit(status)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        server.send(server.recv())
        assert context.recv() == b"x"
