"""The object bus: what keeps what, and that nothing is left of what is forgotten."""

import gc
import logging
import os
import queue
import threading
import weakref

import pytest
from test_qi import LONG, wait_until

from millrace import qi


class Desk:
    def __init__(self):
        self.said = qi.Signal("(i)")
        self.level = qi.Property("i")

    def echo(self, value):
        return value

    def desk(self):
        return Desk()


@pytest.fixture
def server():
    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0")
        server.desk = Desk()
        server.registerService("Desk", server.desk)
        yield server


def descriptors():
    return len(os.listdir("/proc/self/fd"))


def just_connected(server):
    return qi.Session(server.url())


def with_a_proxy(server):
    session = qi.Session(server.url())
    proxy = session.service("Desk")
    assert proxy.echo(5) == 5
    proxy.session = session
    return session


def with_callbacks_that_hold_it(server):
    session = qi.Session(server.url())
    session.disconnected.connect(lambda reason: session.close())
    session.service("Desk").said.connect(lambda number: session.services())
    session.serviceRegistered.connect(lambda number, name: session.service(name))
    return session


def with_subscriptions(server):
    session = qi.Session(server.url())
    session.events = session.service("Desk").said.subscribe()
    session.changes = session.service("Desk").level.subscribe()
    return session


def with_a_future_that_failed(server):
    session = qi.Session(server.url())
    session.future = session.service("no such service", _async=True)
    with pytest.raises(qi.ServiceNotFound):
        session.future.value()
    return session


def that_connects_again(server):
    return qi.Session(server.url(), reconnect=True)


def with_a_service(server):
    session = qi.Session(server.url())
    session.registerService(f"Other {id(session)}", Desk())
    return session


def a_directory(server):
    session = qi.Session()
    session.listenStandalone("tcp://127.0.0.1:0", authenticate=lambda user, token: False)
    return session


def an_application(server):
    application = qi.Application([], url=server.url())
    application.start()
    return application


@pytest.mark.parametrize(
    "make",
    [
        just_connected,
        with_a_proxy,
        with_callbacks_that_hold_it,
        with_subscriptions,
        with_a_future_that_failed,
        that_connects_again,
        with_a_service,
        a_directory,
        an_application,
    ],
)
def test_a_session_that_is_forgotten_is_closed(server, make):
    make(server)
    before = descriptors()
    gone = [weakref.ref(make(server)) for _ in range(8)]

    def settled():
        gc.collect()
        names = [service["name"] for service in server.services()]
        return descriptors() <= before and not any(one() for one in gone) and names == ["ServiceDirectory", "Desk"]

    wait_until(settled)


def test_without_cycles_the_collector_is_not_needed(server):
    gc.collect()
    gc.disable()
    try:
        session = qi.Session(server.url())
        gone = weakref.ref(session)
        del session
        assert gone() is None
    finally:
        gc.enable()


def test_a_proxy_goes_on_without_its_session(server):
    proxy = qi.Session(server.url()).service("Desk")
    gc.collect()
    assert proxy.echo(5) == 5
    passed = qi.Session(server.url()).service("Desk").desk()
    gc.collect()
    assert passed.echo(6) == 6


def test_callbacks_outlive_the_proxy_that_connected_them(server):
    """As with libqi's package: ``session.service("Desk").said.connect(callback)`` is all that is needed."""
    got, news = queue.Queue(), queue.Queue()
    with qi.Session(server.url()) as session:
        link = session.service("Desk").said.connect(got.put)
        session.serviceRegistered.connect(lambda number, name: news.put(name))
        gc.collect()
        server.desk.said(1)
        assert got.get(timeout=LONG) == 1
        number = server.registerService("New", Desk())
        assert news.get(timeout=LONG) == "New"
        server.unregisterService(number)
        # By another proxy.
        assert session.service("Desk").said.disconnect(link)
        assert not session.service("Desk").said.disconnect(link)


def test_no_event_is_lost_to_a_callback_that_is_slow(server):
    got, go_on, all_there = [], threading.Event(), threading.Event()

    def slow(number):
        go_on.wait(LONG)
        got.append(number)
        if number == 4999:
            all_there.set()

    with qi.Session(server.url()) as session:
        proxy = session.service("Desk")
        proxy.said.connect(slow)
        with proxy.said.subscribe() as events:
            for number in range(5000):
                server.desk.said(number)
            # They have all arrived, and nobody has taken them yet.
            seen = [events.get(timeout=LONG) for _ in range(5000)]
        go_on.set()
        assert all_there.wait(LONG)
        assert got == list(range(5000)) and seen == [(number,) for number in got]
        assert proxy.said.missed == 0


def test_what_a_queue_has_no_room_for_is_counted_and_logged(server, caplog):
    got, begun, go_on = queue.Queue(), threading.Event(), threading.Event()

    def slow(number):
        begun.set()
        go_on.wait(LONG)
        got.put(number)

    with caplog.at_level(logging.WARNING, "millrace.qi"), qi.Session(server.url()) as session:
        proxy = session.service("Desk")
        proxy.said.connect(slow, queue=10)
        with proxy.said.subscribe(queue=1000) as events:
            server.desk.said(0)
            assert begun.wait(LONG)
            for number in range(1, 100):
                server.desk.said(number)
            # The callback's queue has had them all, too.
            assert [events.get(timeout=LONG)[0] for _ in range(100)] == list(range(100))
        assert proxy.said.missed == 89
        go_on.set()
        assert [got.get(timeout=LONG) for _ in range(11)] == list(range(11))
        server.desk.said(100)
        assert got.get(timeout=LONG) == 100
    assert [record.getMessage() for record in caplog.records] == [
        "signal said: 89 events dropped, they came faster than they were taken"
    ]


def test_futures_that_nobody_can_settle():
    promise = qi.Promise()
    future = promise.future()
    later = future.then(lambda future: future.error())
    del promise
    assert later.value(LONG * 1000) == future.error() == "Promise broken (all promises are destroyed)"


def test_futures_that_hold_themselves_are_collected():
    def of_itself():
        future = qi.Future()
        future.then(lambda settled: future)
        return future

    def with_followers():
        future = qi.Future()
        future.following = future.then(lambda _: 1).andThen(lambda _: 2)
        return future

    def canceled_by_itself():
        promise = qi.Promise(lambda promise: None)
        promise.future().promise = promise
        return promise.future()

    def with_its_own_value():
        promise = qi.Promise()
        promise.setValue([promise.future()])
        return promise.future()

    def with_its_own_failure():
        future = qi.async_(lambda: 1 / 0)
        with pytest.raises(qi.CallbackError) as raised:
            future.value()
        future.raised = raised.value
        return future

    gone = [weakref.ref(make()) for make in (of_itself, with_followers, canceled_by_itself, with_its_own_value, with_its_own_failure)]

    def settled():
        gc.collect()
        return [one() for one in gone] == [None] * len(gone)

    wait_until(settled)
