"""Who sent a message, and sending to one peer."""

import asyncio
import os

import pytest

import millrace

LARGE = b"x" * 100_000


def room(address, guests=2, **options):
    """A bus, its guests, and their connections as the bus sees them."""
    bus = millrace.Bus(bind=address, recv_peer=True, recv_timeout=20, **options)
    members = [millrace.Bus(connect=address, recv_timeout=20) for _ in range(guests)]
    peers = []
    for number, member in enumerate(members):
        member.wait_peers(1, timeout=20)
        member.send(b"%d" % number)
        message = bus.recv_message()
        assert message.body == b"%d" % number
        peers.append(message.peer)
    return bus, members, peers


def test_a_message_tells_who_sent_it(ipc):
    bus, members, peers = room(ipc)
    with bus:
        assert peers[0].connection != peers[1].connection
        assert peers[0].process == (os.getpid(), os.geteuid(), os.getegid())
        assert peers[0].process.uid == os.geteuid()
        assert str(os.getpid()) in peers[0].address
        assert peers[0].subject is None
        bus.recv_peer = False
        members[0].send(b"who?")
        assert bus.recv_message() == (b"who?", b"", None)
        with pytest.raises(millrace.WouldBlock):
            bus.recv_message(block=False)


def test_one_peer_is_answered_alone(address):
    bus, members, peers = room(address)
    with bus, members[1]:
        bus.send_to(peers[1], b"you alone")
        bus.send_to(peers[0].connection, bytearray(b"and you"))
        assert [member.recv() for member in members] == [b"and you", b"you alone"]
        members[0].close()
        with pytest.raises(millrace.PeerGone) as gone:
            while True:
                bus.send_to(peers[0], b"late")
        assert isinstance(gone.value, ConnectionError)
    with millrace.Req() as req:
        with pytest.raises(millrace.NotSupported):
            req.send_to(1, b"x")
        with pytest.raises(TypeError):
            req.send_to("1", b"x")


def test_a_raw_reply_goes_where_it_is_told(address):
    with millrace.Socket(millrace.Rep.protocol, raw=True, bind=address, recv_peer=True) as server:
        with millrace.Req(connect=address, recv_timeout=20) as client:
            client.send(b"question")
            question = server.recv_message()
            assert len(question.header) == 8 and question.peer is not None
            with pytest.raises(millrace.Error):
                server.send_to(question.peer, b"without a header")
            server.send_to(question.peer, b"answer", header=question.header)
            assert client.recv() == b"answer"


def test_what_is_for_one_peer_waits_for_it(address):
    bus, (slow, quick), peers = room(address, send_timeout=0.05)
    with bus, slow, quick:
        sent = 0
        with pytest.raises(millrace.WouldBlock):
            while True:
                bus.send_to(peers[0], LARGE, block=False)
                sent += 1
        with pytest.raises(millrace.Timeout):
            bus.send_to(peers[0], LARGE)
        bus.send_to(peers[1], b"meanwhile")
        assert quick.recv() == b"meanwhile"
        assert [len(slow.recv()) for _ in range(sent)] == [len(LARGE)] * sent
        bus.send_to(peers[0], b"the rest")
        assert slow.recv() == b"the rest"


def test_asyncio(address):
    async def scene():
        bus, (slow, quick), peers = room(address)
        with bus, slow, quick:
            quick.send(b"hello")
            message = await asyncio.wait_for(bus.arecv_message(), 20)
            assert (message.body, message.peer) == (b"hello", peers[1])
            sent = 0
            while True:
                sending = asyncio.ensure_future(bus.asend_to(peers[0], b"%d" % sent + LARGE))
                await asyncio.sleep(0)
                if not sending.done():
                    break
                sent += 1
            # It waits, and what comes later waits behind it; what is cancelled is not sent.
            second = asyncio.ensure_future(bus.asend_to(peers[0], b"second"))
            given_up = asyncio.ensure_future(bus.asend_to(peers[0], b"given up"))
            await asyncio.sleep(0)
            # The kernel may have found room for it by now.
            was_sent = not given_up.cancel()
            await asyncio.wait_for(bus.asend_to(peers[1], b"meanwhile"), 20)
            assert await asyncio.wait_for(quick.arecv(), 20) == b"meanwhile"
            for number in range(sent + 1):
                assert (await asyncio.wait_for(slow.arecv(), 20)).startswith(b"%dx" % number)
            assert await asyncio.wait_for(slow.arecv(), 20) == b"second"
            assert not was_sent or await asyncio.wait_for(slow.arecv(), 20) == b"given up"
            await asyncio.wait_for(asyncio.gather(sending, second), 20)
            await asyncio.wait_for(bus.asend_to(peers[0], b"last"), 20)
            assert await asyncio.wait_for(slow.arecv(), 20) == b"last"
            # Closing ends the wait.
            while True:
                sending = asyncio.ensure_future(bus.asend_to(peers[0], LARGE))
                await asyncio.sleep(0)
                if not sending.done():
                    break
            bus.close()
            with pytest.raises(millrace.Closed):
                await asyncio.wait_for(sending, 20)

    asyncio.run(scene())
