"""Events, waiting for peers, descriptions."""

import asyncio
import selectors
import threading
import time

import pytest

import millrace


def test_peers_that_come_and_go(ipc):
    with millrace.Pull(bind=ipc) as pull, pull.monitor() as monitor:
        before = time.time()
        push = millrace.Push(connect=ipc)
        events = []
        while not events or events[-1].kind != "greeted":
            events.append(monitor.next(timeout=20))
        assert [event.kind for event in events] == ["accepted", "greeted"]
        greeted = events[-1]
        assert greeted.address == ipc and greeted.peer and greeted.error is None and greeted.dropped == 0
        assert greeted.connection == events[0].connection != 0
        assert abs(greeted.time - before) < 3600
        push.close()
        lost = monitor.next(timeout=20)
        assert (lost.kind, lost.connection) == ("lost", greeted.connection)
        with pytest.raises(millrace.WouldBlock):
            monitor.next(timeout=0)
        with pytest.raises(millrace.Timeout):
            monitor.next(timeout=0.01)


def test_why_a_peer_is_refused_and_when_it_tries_again(ipc):
    with millrace.Pull(bind=ipc) as pull, pull.monitor() as monitor, millrace.Pub(connect=ipc):
        refused = next(event for event in monitor if event.kind == "refused")
        assert "NN_PUB" in refused.reason and refused.error
    with millrace.Pair(reconnect_interval=0.01) as pair, pair.monitor() as monitor:
        pair.connect(ipc + "-nobody")
        failed = next(event for event in monitor if event.retry)
        assert failed.kind == "connect_failed" and failed.retry < 1 and failed.error


def test_a_monitor_ends_with_its_socket_and_can_be_closed(address):
    pair = millrace.Pair(bind=address)
    monitor, closed = pair.monitor(), pair.monitor()
    told = threading.Event()

    def wait():
        try:
            closed.next()
        except millrace.Closed:
            told.set()

    waiting = threading.Thread(target=wait)
    waiting.start()
    closed.close()
    assert told.wait(20)
    waiting.join()
    pair.close()
    assert [event.kind for event in monitor] == ["stopped"]
    with pytest.raises(millrace.Closed):
        monitor.next()


def test_selectors_take_monitors(address):
    with millrace.Pair() as pair, pair.monitor() as monitor, selectors.DefaultSelector() as selector:
        selector.register(monitor, selectors.EVENT_READ)
        assert selector.select(0) == []
        pair.bind(address)
        assert len(selector.select(20)) == 1
        monitor.next(0)
        assert selector.select(0) == []


def test_in_asyncio(ipc):
    async def main():
        kinds = []

        async def watch(monitor):
            async for event in monitor:
                kinds.append(event.kind)

        async with millrace.Pub(bind=ipc) as pub:
            watching = asyncio.ensure_future(watch(pub.monitor()))
            awaited = asyncio.ensure_future(pub.await_peers(2))
            await asyncio.sleep(0)
            assert not awaited.done()
            async with millrace.Sub(connect=ipc, subscribe=""), millrace.Sub(connect=ipc, subscribe="") as sub:
                await asyncio.wait_for(awaited, 20)
                await pub.await_peers(2)
                await pub.asend(b"news")
                assert await asyncio.wait_for(sub.arecv(), 20) == b"news"
                with pytest.raises(asyncio.TimeoutError):
                    await asyncio.wait_for(pub.await_peers(3), 0.01)
        await asyncio.wait_for(watching, 20)
        assert kinds.count("greeted") == 2 and kinds[-1] == "stopped"

    asyncio.run(main())


def test_waiting_for_peers(address):
    with millrace.Pub(bind=address) as pub:
        with pytest.raises(millrace.Timeout):
            pub.wait_peers(timeout=0.01)
        with millrace.Sub(connect=address):
            pub.wait_peers(timeout=20)


def test_what_a_socket_is_like():
    with millrace.Rep(name="desk") as rep:
        endpoint = rep.bind("tcp://127.0.0.1:0")
        assert endpoint.address.startswith("tcp://127.0.0.1:") and not endpoint.address.endswith(":0")
        with millrace.Req(connect=endpoint.address) as req:
            rep.wait_peers(timeout=20)
            req.wait_peers(timeout=20)
            told = rep.describe()
            assert told["name"] == "desk" and len(told["pipes"]) == 1
            assert told["endpoints"][0]["address"] == endpoint.address
