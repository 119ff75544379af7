"""The object bus: both sides in this process, each over its own connection."""

import asyncio
import dataclasses
import enum
import gc
import gettext
import os
import queue
import signal
import subprocess
import sys
import threading
import time
import types
import weakref
from collections import deque
from datetime import datetime
import pathlib
from typing import NamedTuple, Optional

import pytest

from millrace import qi

LONG = 20


class Desk:
    """What the tests call."""

    def __init__(self):
        self.said = qi.Signal("(is)")
        self.anything = qi.Signal()
        self.level = qi.Property("i")
        self.session = None

    def add(self, a: int, b: int = 10) -> int:
        return a + b

    def echo(self, value):
        return value

    def count(self, *values):
        return len(values)

    def fail(self):
        raise ValueError("a bad thing")

    def refuse(self):
        raise qi.RemoteError("no")

    def halves(self, values: list[float]) -> list[float]:
        return [value / 2 for value in values]

    def maybe(self, value: Optional[int]) -> Optional[int]:
        return None if value is None else value + 1

    @qi.bind(returnType=qi.String, paramsType=(qi.Int32,), methodName="renamed")
    def something(self, number):
        return f"{number}"

    @qi.nobind
    def private(self):
        return 1

    @property
    def forbidden(self):
        raise AssertionError("properties of Python are not asked")

    def give(self, name: str):
        return Child(name)

    def hear(self, other) -> str:
        return other.hello()

    async def slow(self, value: int) -> int:
        await asyncio.sleep(0)
        return value * 2

    def later(self, value: int):
        return qi.runAsync(lambda: value * 3, delay=1000)

    def ask(self, value: int) -> int:
        """Calls another service, and that calls this one's module."""
        return self.session.service("Helper").help(value)


class Child:
    alive = 0

    def __init__(self, name):
        self.name = name
        Child.alive += 1

    def __del__(self):
        Child.alive -= 1

    def hello(self) -> str:
        return "hello from " + self.name


class Helper:
    def help(self, value: int) -> int:
        return value + 100


class Bus:
    def __init__(self):
        self.server = qi.Session()
        self.server.listenStandalone("tcp://127.0.0.1:0")
        self.desk = Desk()
        self.desk.session = self.server
        self.number = self.server.registerService("Desk", self.desk)
        self.client = qi.Session(self.server.url())
        self.proxy = self.client.service("Desk")


@pytest.fixture
def bus():
    bus = Bus()
    with bus.server, bus.client:
        yield bus


def wait_until(holds):
    end = time.monotonic() + LONG
    while not holds():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.002)


def test_what_is_too_long_leaves_the_session(bus):
    bus.server.registerService("Long", type("Long", (), {"long": lambda self: bytes(60 << 20)})())
    with pytest.raises(qi.Error, match="too long"):
        bus.proxy.echo(bytes(60 << 20))
    with pytest.raises(qi.RemoteError, match="too long"):
        bus.client.service("Long").long()
    assert bus.proxy.add(1, 2) == 3 and bus.client.isConnected()


def test_methods_have_the_types_of_their_hints(bus):
    desk = bus.proxy
    assert desk.add(1, 2) == 3 and desk.add(1) == 11
    assert desk.count() == 0 and desk.count(1, "a", None) == 3
    assert desk.halves([1, 2]) == [0.5, 1.0]
    assert desk.maybe(4) == 5 and desk.maybe(None) is None
    assert desk.renamed(7) == "7"
    for hidden in ("something", "private", "forbidden", "session"):
        assert not hasattr(desk, hidden)
    described = {(m["name"], m["parametersSignature"], m["returnSignature"]) for m in desk.metaObject()["methods"].values()}
    assert {("add", "(ll)", "l"), ("add", "(l)", "l"), ("echo", "(m)", "m"), ("halves", "([d])", "[d]")} <= described
    assert "add" in dir(desk) and "add(ll) -> l" in desk.add.__doc__
    assert desk.call("add::(ll)", 3, 4) == 7
    with pytest.raises(TypeError):
        desk.add(a=1, b=2)


@pytest.mark.parametrize(
    "value",
    [
        None, True, 0, -1, 2**62, 2**64 - 1, 1.5, "text", "", "é€", [], [1, 2], [1, "a"], (), (1, "a"), {"a": 1}, {1: "x", "b": 2.5},
        {}, {"deep": [{"a": (1, [2.5])}]}, [[1], []], bytearray(b"\x00\xff"), {(1, 2): "tuple"},
    ],
)  # fmt: skip
def test_values_come_back_as_they_went(bus, value):
    back = bus.proxy.echo(value)
    assert back == value and type(back) is type(value)


def test_values_that_cannot_be(bus):
    assert bus.proxy.echo(b"\xff") == b"\xff" and bus.proxy.echo(memoryview(b"ab")) == b"ab"
    with pytest.raises(OverflowError):
        bus.proxy.echo(2**64)
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="within each other"):
        bus.proxy.echo(endless)
    for value in (len, iter([1]), map(str, [1]), (n for n in [1]), slice(1), datetime.now(), pathlib.Path("/x")):
        with pytest.raises(TypeError, match=f"a {type(value).__name__} cannot be sent over the bus"):
            bus.proxy.echo(value)
    # As libqi's package does.
    assert bus.proxy.echo({1}) == (1,) and bus.proxy.echo(frozenset("a")) == ("a",)
    assert bus.proxy.echo({"a": 1}.keys()) == ["a"]
    # These libqi refuses.
    assert bus.proxy.echo({"a": 1}.values()) == [1] and bus.proxy.echo({"a": 1}.items()) == [("a", 1)]
    assert bus.proxy.echo(range(3)) == [0, 1, 2] and bus.proxy.echo(deque([1])) == [1]
    assert bus.proxy.echo(types.MappingProxyType({"a": 1})) == {"a": 1}
    with pytest.raises(RuntimeError):
        bus.proxy.add("not a number", 2)


def test_failures_say_what_happened(bus):
    with pytest.raises(qi.RemoteError, match="ValueError: a bad thing") as caught:
        bus.proxy.fail()
    assert isinstance(caught.value, RuntimeError)
    with pytest.raises(qi.RemoteError, match="^no$"):
        bus.proxy.refuse()
    with pytest.raises(AttributeError, match="nothing"):
        bus.proxy.nothing()
    with pytest.raises(qi.ServiceNotFound, match="Nobody"):
        bus.client.service("Nobody")
    with pytest.raises(qi.Error, match="Desk"):
        bus.server.registerService("Desk", Helper())
    with pytest.raises(qi.Error):
        bus.server.unregisterService(4711)
    with pytest.raises(qi.NotConnected):
        qi.Session().service("Desk")
    with pytest.raises(ConnectionError):
        qi.Session("tcp://127.0.0.1:1")
    with pytest.raises(RuntimeError):
        qi.Session("nonsense")
    with pytest.raises(qi.Timeout):
        bus.client.waitForService("Nobody", 20)
    with pytest.raises(TypeError, match="class"):
        bus.server.registerService("Wrong", len)


def test_signals_and_properties(bus):
    got = queue.Queue()
    link = bus.proxy.said.connect(lambda number, text: got.put((number, text)))
    assert isinstance(link, int)
    for number in range(100):
        bus.desk.said(number, "x")
    assert [got.get(timeout=LONG) for _ in range(100)] == [(number, "x") for number in range(100)]
    assert bus.proxy.said.disconnect(link) and not bus.proxy.said.disconnect(link)
    with pytest.raises(ValueError):
        bus.desk.said("no number", "x")

    level = bus.proxy.level
    assert level.value() == 0
    here = queue.Queue()
    bus.desk.level.connect(here.put)
    level.connect(got.put)
    level.setValue(5)
    assert here.get(timeout=LONG) == 5 and got.get(timeout=LONG) == 5
    assert bus.desk.level.value() == 5
    bus.desk.level.setValue(6)
    assert got.get(timeout=LONG) == 6 and level.value() == 6 and level.value(_async=True).value() == 6
    with pytest.raises(RuntimeError):
        level.setValue("many")
    with pytest.raises(ValueError):
        bus.desk.level.setValue("many")
    assert level.value() == 6 and bus.desk.level.value() == 6
    # What is posted by its name is told and not set, as by libqi.
    bus.proxy._post("level", (7,))
    assert got.get(timeout=LONG) == 7
    assert level.value() == 6 and bus.desk.level.value() == 6 and here.get(timeout=LONG) == 6 and here.empty()


def test_a_callback_that_fails_does_not_end_the_others(bus):
    got = queue.Queue()
    bus.proxy.anything.connect(lambda value: 1 / 0)
    bus.proxy.anything.connect(got.put)
    bus.desk.anything(1)
    bus.desk.anything("two")
    assert got.get(timeout=LONG) == 1 and got.get(timeout=LONG) == "two"


def test_events_one_by_one(bus):
    with bus.proxy.said.subscribe() as events:
        bus.desk.said(1, "a")
        bus.desk.said(2, "b")
        assert events.get(timeout=LONG) == (1, "a") and next(events) == (2, "b") and events.missed == 0
        with pytest.raises(TimeoutError):
            events.get(timeout=0.001)
        thread = threading.Timer(0.01, events.close)
        thread.start()
        assert list(events) == []
    with bus.proxy.level.subscribe(queue=1) as events:
        bus.desk.level.setValue(3)
        assert events.get(timeout=LONG) == 3


def test_objects_go_both_ways_and_end_with_their_users(bus):
    before = Child.alive
    child = bus.proxy.give("a child")
    assert child.hello() == "hello from a child" and child.isValid() and Child.alive == before + 1
    assert bus.proxy.hear(child) == "hello from a child"
    assert bus.proxy.hear(Child("mine")) == "hello from mine"
    del child

    def all_gone():
        gc.collect()
        return Child.alive == before

    wait_until(all_gone)


def test_a_service_that_is_taken_back_is_freed(bus):
    class Big:
        def __init__(self):
            self.signal = qi.Signal()
            self.value = qi.Property("i")

        def method(self):
            return 1

    big = Big()
    gone = weakref.ref(big)
    number = bus.server.registerService("Big", big)
    assert bus.client.service("Big").method() == 1
    bus.server.unregisterService(number)
    del big

    def freed():
        gc.collect()
        return gone() is None

    wait_until(freed)
    with pytest.raises(qi.ServiceNotFound):
        bus.client.service("Big")


def test_methods_of_services_call_others(bus):
    helper = qi.Session(bus.server.url())
    with helper:
        number = helper.registerService("Helper", Helper())
        assert bus.proxy.ask(5) == 105
        assert {service["name"] for service in bus.client.services()} >= {"Desk", "Helper", "ServiceDirectory"}
        futures = [bus.proxy.ask(n, _async=True) for n in range(50)]
        assert [future.value() for future in futures] == [n + 100 for n in range(50)]
        helper.unregisterService(number)


def test_one_method_at_a_time_unless_it_is_said(bus):
    class Single:
        def __init__(self):
            self.inside, self.most = 0, 0
            self.barrier = threading.Barrier(2)

        def work(self):
            self.inside += 1
            self.most = max(self.most, self.inside)
            time.sleep(0.002)
            self.inside -= 1
            return self.most

    @qi.multiThreaded()
    class Many:
        def __init__(self):
            self.barrier = threading.Barrier(3, timeout=LONG)

        def meet(self):
            # Ends only if three calls are in here at the same time.
            self.barrier.wait()
            return True

    bus.server.registerService("Single", Single())
    bus.server.registerService("Many", Many())
    single, many = bus.client.service("Single"), bus.client.service("Many")
    assert [f.value() for f in [single.work(_async=True) for _ in range(10)]] == [1] * 10
    assert [f.value() for f in [many.meet(_async=True) for _ in range(3)]] == [True] * 3


def test_methods_that_answer_later(bus):
    assert bus.proxy.slow(4) == 8
    assert bus.proxy.later(4) == 12
    assert [f.value() for f in [bus.proxy.slow(n, _async=True) for n in range(20)]] == [2 * n for n in range(20)]


def test_a_call_that_is_given_up_is_told_to_the_method(bus):
    begun, told = threading.Event(), threading.Event()

    class Patient:
        def wait(self):
            begun.set()
            promise = qi.Promise(lambda promise: (told.set(), promise.setCanceled()))
            return promise.future()

    bus.server.registerService("Patient", Patient())
    patient = bus.client.service("Patient")
    future = patient.wait(_async=True)
    # One that has not begun would not begin any more.
    assert begun.wait(LONG)
    assert future.isRunning() and future.wait(1) == qi.FutureState.Running
    future.cancel()
    with pytest.raises(qi.Canceled):
        future.value()
    assert told.wait(LONG) and future.isCanceled()
    with pytest.raises(TimeoutError):
        patient.wait(_timeout=0.01)


def test_a_connection_that_ends_is_told(bus):
    ended = queue.Queue()
    bus.client.disconnected.connect(ended.put)
    events = bus.proxy.said.subscribe()
    bus.server.close()
    assert ended.get(timeout=LONG)
    wait_until(lambda: not bus.client.isConnected())
    with pytest.raises(qi.NotConnected):
        bus.proxy.add(1, 2)
    with pytest.raises(qi.NotConnected):
        next(events)


def test_news_of_services(bus):
    came, went = queue.Queue(), queue.Queue()
    bus.client.serviceRegistered.connect(lambda number, name: came.put(name))
    bus.client.serviceUnregistered.connect(lambda number, name: went.put(name))
    waiting = bus.client.waitForService("Late", _async=True)
    number = bus.server.registerService("Late", Helper())
    assert came.get(timeout=LONG) == "Late" and waiting.value().help(1) == 101
    bus.server.unregisterService(number)
    assert went.get(timeout=LONG) == "Late"


def test_who_is_let_in():
    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0", authenticate=lambda user, token: (user, token) == ("nao", "secret"))
        server.registerService("Desk", Desk())
        with qi.Session(server.url(), user="nao", token="secret") as client:
            assert client.service("Desk").add(1, 2) == 3
        with pytest.raises(qi.AuthenticationError):
            qi.Session(server.url(), user="nao", token="guess")

        class Factory:
            def newAuthenticator(self):
                return self

            def initialAuthData(self):
                return {"user": "nao", "token": "secret"}

        session = qi.Session()
        session.setClientAuthenticatorFactory(Factory())
        session.connect(server.url())
        with session:
            assert session.isConnected()


def test_asyncio(bus):
    async def main():
        async with await qi.connect(bus.server.url()) as session:
            desk = await session.service("Desk", _async=True)
            assert await desk.add(1, 2, _async=True) == 3
            assert await asyncio.gather(*(desk.slow(n, _async=True) for n in range(100))) == [2 * n for n in range(100)]
            with pytest.raises(qi.RemoteError):
                await desk.fail(_async=True)
            seen = []
            with await desk.said.subscribe(_async=True) as events:
                bus.desk.said(1, "a")
                bus.desk.said(2, "b")
                async for event in events:
                    seen.append(event)
                    if len(seen) == 2:
                        break
            assert seen == [(1, "a"), (2, "b")]

            class Patient:
                def wait(self):
                    return qi.Promise(lambda promise: promise.setCanceled()).future()

            await session.registerService("Patient", Patient(), _async=True)
            patient = await session.service("Patient", _async=True)
            call = patient.wait(_async=True)
            with pytest.raises(asyncio.TimeoutError):
                await asyncio.wait_for(asyncio.ensure_future(wrap(call)), 0.01)
            with pytest.raises(qi.Canceled):
                await call

    async def wrap(future):
        return await future

    asyncio.run(main())


@pytest.mark.parametrize("ends", ["events", "session"])
def test_closing_in_another_thread_ends_the_waits_of_tasks(bus, ends):
    """The loop has nothing else to do: it must be woken."""

    async def main():
        session = await qi.connect(bus.server.url())
        desk = await session.service("Desk", _async=True)
        events = await desk.said.subscribe(_async=True)
        waiting = asyncio.ensure_future(events.__anext__())
        await asyncio.sleep(0)
        assert not waiting.done()
        closing = threading.Thread(target=events.close if ends == "events" else session.close)
        closing.start()
        with pytest.raises(StopAsyncIteration if ends == "events" else qi.Error):
            await asyncio.wait_for(waiting, 60)
        closing.join()
        session.close()

    asyncio.run(main())


def test_uvloop(bus):
    uvloop = pytest.importorskip("uvloop")

    async def main():
        desk = await bus.client.service("Desk", _async=True)
        return [await desk.add(n, 1, _async=True) for n in range(100)]

    loop = uvloop.new_event_loop()
    try:
        assert loop.run_until_complete(main()) == list(range(1, 101))
    finally:
        loop.close()


def test_what_ends_a_program_settles_a_future_all_the_same():
    """Whoever waits for it would do so for ever."""
    for future in (qi.async_(sys.exit, 3), qi.async_(lambda: 1).then(lambda _: sys.exit(3)), qi.async_(lambda: 5).unwrap()):
        assert future.wait(LONG * 1000) == qi.FutureState.FinishedWithError
        with pytest.raises(RuntimeError):
            future.value()


def test_a_hint_that_exists_only_while_types_are_checked_means_any(bus):
    class Typed:
        def first(self, value: "Unknown") -> "dict[str, Unknown]":  # noqa: F821
            return {"value": value}

    bus.server.registerService("Typed", Typed())
    assert bus.client.service("Typed").first(3) == {"value": 3}


def test_futures_and_promises():
    promise = qi.Promise()
    future = promise.future()
    assert future.isRunning() and future.wait(0) == qi.FutureState.Running
    with pytest.raises(RuntimeError, match="Future timeout."):
        future.value(1)
    following = future.then(lambda f: f.value() + 1)
    value = future.andThen(lambda v: v * 2)
    called = queue.Queue()
    future.addCallback(called.put)
    promise.setValue(5)
    assert following.value() == 6 and value.value() == 10 and called.get(timeout=LONG) is future
    with pytest.raises(RuntimeError, match="already been set"):
        promise.setValue(6)
    with pytest.raises(RuntimeError, match="no error"):
        future.error()
    with pytest.raises(RuntimeError, match="ZeroDivisionError") as caught:
        qi.runAsync(lambda: 1 / 0).value()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    failed = qi.Promise()
    failed.setError("text")
    assert failed.future().andThen(lambda v: v).error() == "text" and failed.future().hasError()
    assert qi.runAsync(lambda: future).unwrap().value() == 5
    assert [f.value() for f in qi.futureBarrier([future, value]).value()] == [5, 10]
    assert qi.futureBarrier([]).value() == []
    asked = threading.Event()
    canceled = qi.Promise(lambda p: (asked.set(), p.setCanceled()))
    canceled.future().cancel()
    with pytest.raises(RuntimeError, match="Future canceled."):
        canceled.future().value()
    assert asked.is_set() and canceled.future().isCanceled()
    # As many that wait for one another as there is room for, and more.
    first = qi.Promise()
    chain = [first.future()]
    for _ in range(500):
        previous = chain[-1]
        chain.append(previous.then(lambda f: f.value() + 1))
    waiting = [qi.runAsync(lambda f=f: f.value()) for f in chain[:50]]
    first.setValue(0)
    assert chain[-1].value() == 500 and [f.value() for f in waiting] == list(range(50))


def test_a_type_that_is_none_is_told_at_once():
    for make in (qi.Signal, qi.Property):
        with pytest.raises(qi.ConversionError, match="no type begins"):
            make("zz")


def test_local_signals_have_an_instance_each():
    class Two:
        touched = qi.Signal("(i)")

    one, other = Two(), Two()
    got = queue.Queue()
    one.touched.connect(got.put)
    other.touched(1)
    one.touched(2)
    assert got.get(timeout=LONG) == 2 and one.touched is one.touched
    connected = []
    signal_ = qi.Signal(onConnect=connected.append)
    link = signal_.connect(print)
    signal_.connect(print)
    signal_.disconnect(link)
    signal_.disconnectAll()
    assert connected == [True, False]


def test_periodic_tasks():
    calls = queue.Queue()
    task = qi.PeriodicTask()
    with pytest.raises(RuntimeError):
        task.start(True)
    task.setCallback(lambda: calls.put(1))
    task.setUsPeriod(500)
    task.start(True)
    for _ in range(5):
        calls.get(timeout=LONG)
    task.stop()
    assert not task.isRunning()
    while not calls.empty():
        calls.get()
    assert calls.empty()


def test_an_application_takes_its_options():
    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0")
        args = ["name", "--qi-url=" + server.url(), "--mine"]
        app = qi.Application(args)
        assert args == ["name", "--mine"] and app.url == server.url()
        app.atRun(lambda: qi.runAsync(app.stop))
        app.run()
        # The end of the session ends it, too.
        app = qi.ApplicationSession(["name", "--qi-url", server.url()])
        app.start()
        assert app.session.isConnected()
        ending = threading.Thread(target=app.run)
        ending.start()
        server.close()
        ending.join(LONG)
        assert not ending.is_alive()
    with pytest.raises(ValueError, match="--qi-url"):
        qi.Application(["name", "--qi-url"])


SCRIPT = """
import os, signal, sys, threading, time
from millrace import qi
begun = threading.Event()
promise = qi.Promise()
class Slow:
    def wait(self):
        begun.set()
        return promise.future()
server = qi.Session()
server.listenStandalone("tcp://127.0.0.1:0")
server.registerService("Slow", Slow())
slow = qi.Session(server.url()).service("Slow")
"""


def run(code, expected=0):
    done = subprocess.run([sys.executable, "-c", SCRIPT + code], capture_output=True, text=True, timeout=60)
    assert done.returncode == expected, (done.returncode, done.stdout, done.stderr)
    return done


@pytest.mark.parametrize(
    "wait, has_begun",
    [
        ("slow.wait()", "begun.wait()"),
        ("slow.wait(_async=True).value()", "begun.wait()"),
        ("qi.Session().connect(silent)", "kept.append(listener.accept())"),
    ],
)
def test_ctrl_c_ends_waits(wait, has_begun):
    run(f"""
import socket
listener = socket.create_server(("127.0.0.1", 0))
silent = "tcp://127.0.0.1:%d" % listener.getsockname()[1]
signal.signal(signal.SIGINT, signal.default_int_handler)
kept = []
def later():
    {has_begun}
    os.kill(os.getpid(), signal.SIGINT)
threading.Thread(target=later, daemon=True).start()
try:
    {wait}
except KeyboardInterrupt:
    print("interrupted")
else:
    sys.exit("not interrupted")
""")


def test_a_program_may_end_in_the_middle_of_everything():
    # libqi's package aborts here now and then.
    for _ in range(5):
        run("""
busy = qi.Signal()
class Busy:
    def work(self):
        return sum(range(1000))
    tick = qi.Signal()
it = Busy()
server.registerService("Busy", it)
proxy = qi.Session(server.url()).service("Busy")
proxy.tick.connect(lambda *a: sum(range(1000)))
for _ in range(200):
    proxy.work(_async=True).addCallback(lambda f: f.value())
    it.tick(1)
""")


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_child_connects_anew():
    run("""
child = os.fork()
if child == 0:
    try:
        try:
            slow.wait()
        except qi.NotConnected:
            pass
        else:
            os._exit(1)
        with qi.Session(server.url()) as session:
            ok = session.service("ServiceDirectory") is not None and qi.runAsync(lambda: 5).value(5000) == 5
        os._exit(0 if ok else 2)
    except BaseException as error:
        print(error, file=sys.stderr)
        os._exit(3)
_, status = os.waitpid(child, 0)
assert status == 0, status
assert server.isConnected()
""")


def test_nothing_is_left_of_many_sessions_and_calls(bus):
    def use():
        for _ in range(20):
            with qi.Session(bus.server.url()) as session:
                desk = session.service("Desk")
                futures = [desk.echo([1, 2, 3], _async=True) for _ in range(50)]
                assert all(f.value() == [1, 2, 3] for f in futures)
                desk.said.disconnect(desk.said.connect(print))

    def measure():
        gc.collect()
        return len(os.listdir("/proc/self/fd")), len(gc.get_objects())

    use()
    fds, objects = measure()
    use()
    use()

    def settled():
        now_fds, now_objects = measure()
        return now_fds <= fds + 2 and now_objects < objects + 500

    wait_until(settled)


def test_instances_that_are_equal_are_two_objects(bus):
    class Robot:
        def __init__(self, name):
            self.name = name

        def __eq__(self, other):
            return True

        def __hash__(self):
            return 1

        def who(self):
            return self.name

    ann, bob = Robot("Ann"), Robot("Bob")
    bus.server.registerService("Ann", ann)
    bus.server.registerService("Bob", bob)
    assert bus.client.service("Ann").who() == "Ann" and bus.client.service("Bob").who() == "Bob"
    # And one is one, wherever it goes.
    assert bus.proxy.hear(Child("one")) == "hello from one"


def test_news_of_services_go_on_with_another_connection(bus):
    news = queue.Queue()
    session = qi.Session()
    session.serviceRegistered.connect(lambda number, name: news.put(name))
    for name in ("First", "Second"):
        session.connect(bus.server.url())
        bus.server.registerService(name, Helper())
        assert news.get(timeout=LONG) == name
        session.close()
    assert news.empty()


def test_what_is_cancelled_before_it_begins_does_not_begin():
    begun = []
    future = qi.runAsync(begun.append, 1, delay=3_600_000_000)
    future.cancel()
    assert future.wait(LONG * 1000) == qi.FutureState.Canceled and not begun


def test_what_ends_a_program_does_not_end_callbacks():
    seen = queue.Queue()

    def leave(number):
        seen.put(number)
        sys.exit()

    signal = qi.Signal("(i)")
    signal.connect(leave)
    for number in range(3):
        signal(number)
    assert [seen.get(timeout=LONG) for _ in range(3)] == [0, 1, 2]


@pytest.mark.parametrize("error", [ValueError, SystemExit])
def test_a_periodic_task_that_fails_ends(error):
    calls = []

    def fail():
        calls.append(1)
        raise error

    task = qi.PeriodicTask()
    task.setCallback(fail)
    task.setUsPeriod(0)
    task.start(True)
    wait_until(lambda: not task.isRunning())
    task.stop()
    assert calls == [1]
    # It can be started anew.
    task.start(True)
    wait_until(lambda: len(calls) == 2)
    task.stop()


def test_a_coroutine_of_a_loop_that_is_over_runs_in_another(bus):
    async def register():
        bus.server.registerService("Late", Late())

    class Late:
        async def add(self, one: int) -> int:
            await asyncio.sleep(0)
            return one + 1

    asyncio.run(register())
    assert bus.client.service("Late").add(1) == 2


def test_one_hint_that_cannot_be_resolved_leaves_the_others(bus):
    class Partly:
        def f(self, one: "int", other: "Unknown", third: "list[float]") -> "dict[str, int]":  # noqa: F821
            return {"one": one}

    bus.server.registerService("Partly", Partly())
    methods = bus.client.service("Partly").metaObject()["methods"].values()
    assert [(m["parametersSignature"], m["returnSignature"]) for m in methods if m["name"] == "f"] == [("(lm[d])", "{sl}")]


def test_services_have_names_and_instances(bus):
    for name, instance in (("N", None), ("N", 5), ("N", "text"), ("N", Helper), ("", Helper()), (5, Helper())):
        with pytest.raises(TypeError, match="service"):
            bus.server.registerService(name, instance)


def test_names_that_few_scripts_use(bus):
    """What libqi's package answers to these."""
    assert str(qi.typeof(bus.proxy)) == "o"
    assert qi.isinstance(bus.proxy, qi.Object) and qi.isinstance(bus.proxy, qi.Object()) and not qi.isinstance(1, qi.Object())
    with pytest.raises(NotImplementedError):
        qi.typeof(1)
    with pytest.raises(NotImplementedError):
        qi.isinstance(bus.proxy, qi.String)
    assert qi.listModules() == []
    with pytest.raises(RuntimeError, match="no module found: 'nothing'"):
        qi.module("nothing")
    assert qi.runAsync(lambda: 5).value(None) == 5


def test_texts_are_translated_by_catalogs(tmp_path, caplog):
    # A catalog of one text, as msgfmt makes it.
    message, text = b"hello\0", b"bonjour\0"
    places = [0x950412DE, 0, 1, 28, 36, 0, 0, len(message) - 1, 44, len(text) - 1, 44 + len(message)]
    catalog = tmp_path / "fr" / "LC_MESSAGES" / "greeter.mo"
    catalog.parent.mkdir(parents=True)
    catalog.write_bytes(b"".join(place.to_bytes(4, "little") for place in places) + message + text)
    gettext.bindtextdomain("greeter", str(tmp_path))
    translator = qi.Translator("program")
    assert translator.translate("hello") == "hello" and "setDefaultDomain" in caplog.text
    translator.setDefaultDomain("none")
    translator.addDomain("greeter")
    translator.setCurrentLocale("fr_FR")
    assert translator.translate("hello") == "bonjour" and translator.translate("other") == "other"
    assert translator.translate("hello", locale="de_DE") == "hello"
    assert qi.tr("hello") == "hello" and "defaultTranslator" in caplog.text
    qi.defaultTranslator("program").setDefaultDomain("greeter")
    assert qi.tr("hello", locale="fr") == "bonjour"


LOGS = """
from millrace import qi
qi.logging.setContext(2 + 16 + 128)
log = qi.logging.Logger("motion.arm")
log.warning("one %d", 1)
log.info("not shown")
qi.logging.setFilters("motion.*=debug:-motion.leg")
log.debug("two\\nlines")
qi.logging.Logger("motion.leg").error("not shown")
qi.logging.setFilters("+motion.leg:motion.arm=silent")
log.fatal("not shown")
qi.logging.Logger("motion.leg").error("three")
try:
    qi.logging.setFilters("motion=much")
except ValueError as error:
    print(error)
qi.logging.setContext(64)
qi.warning("x", "here")
"""


def test_filters_and_contexts_of_logs():
    done = subprocess.run([sys.executable, "-c", LOGS], capture_output=True, text=True, timeout=60)
    assert done.stderr == "[W] motion.arm: one 1\n[D] motion.arm: two\\nlines\n[E] motion.leg: three\n<module> here\n"
    assert "'motion=much'" in done.stdout


@dataclasses.dataclass
class Point:
    x: int
    y: float = 0.5


@dataclasses.dataclass
class Path:
    name: str
    points: list[Point]
    last: Optional[Point] = None


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def test_arguments_are_what_their_hints_say(bus):
    class Drawing:
        def length(self, path: Path, color: Color) -> str:
            assert isinstance(path, Path) and isinstance(path.points[0], Point) and isinstance(color, Color)
            return f"{path.name}: {sum(point.x for point in path.points)}, {path.last}, {color.name}"

        async def shift(self, points: dict[str, Point], by: int = 1) -> list[Point]:
            return [Point(point.x + by, point.y) for point in points.values()]

        def favourite(self):
            return Color.BLUE

    bus.server.registerService("Drawing", Drawing())
    drawing = bus.client.service("Drawing")
    assert drawing.length(Path("p", [Point(1), Point(2)]), Color.RED) == "p: 3, None, RED"
    assert drawing.length({"name": "q", "points": [{"x": 1, "y": 2}], "last": {"x": 3, "y": 4}}, 2) == "q: 1, Point(x=3, y=4.0), BLUE"
    assert drawing.shift({"a": Point(1)}) == [{"x": 2, "y": 0.5}] and drawing.shift({"a": Point(1)}, 5) == [{"x": 6, "y": 0.5}]
    assert drawing.favourite() == 2
    with pytest.raises(qi.RemoteError, match="Color"):
        drawing.length(Path("p", []), 3)


@dataclasses.dataclass
class Tree:
    value: int
    kids: list["Tree"] = dataclasses.field(default_factory=list)


@dataclasses.dataclass(frozen=True)
class Stamped:
    value: int
    stamp: int = dataclasses.field(init=False, default=9)


class Named(NamedTuple):
    number: int
    text: str


def test_hints_may_be_of_any_kind_of_container(bus):
    class Anything:
        def tree(self, tree: Tree) -> Tree:
            assert isinstance(tree, Tree)
            return Tree(tree.value + len(tree.kids), tree.kids)

        def stamped(self, given: Stamped) -> str:
            return repr(given)

        def pair(self, pair: tuple[int, Point], more: list[tuple[Point, int]]) -> str:
            return repr((pair, more))

        def several(self, numbers: tuple[int, ...]) -> str:
            return repr(numbers)

        def upto(self, end: int) -> list[int]:
            return range(end)  # type: ignore[return-value]

        def distinct(self, numbers: set[int], frozen: frozenset[str]) -> set[int]:
            assert isinstance(numbers, set) and isinstance(frozen, frozenset)
            return numbers | {len(frozen)}

        def named(self, given: Named) -> Named:
            assert isinstance(given, Named)
            return Named(given.number + 1, given.text)

    bus.server.registerService("Anything", Anything())
    anything = bus.client.service("Anything")
    assert anything.tree(Tree(1, [Tree(2)])) == {"value": 2, "kids": [{"value": 2, "kids": []}]}
    assert anything.stamped(Stamped(1)) == "Stamped(value=1, stamp=9)"
    assert anything.stamped({"value": 1, "stamp": 2}) == "Stamped(value=1, stamp=2)"
    assert anything.pair((1, Point(2)), [(Point(3), 4)]) == "((1, Point(x=2, y=0.5)), [(Point(x=3, y=0.5), 4)])"
    assert anything.several((1, 2)) == "(1, 2)"
    assert sorted(anything.distinct({1, 2}, frozenset("abc"))) == [1, 2, 3]
    assert anything.upto(3) == [0, 1, 2]
    assert anything.named(Named(1, "a")) == {"number": 2, "text": "a"} and anything.named((1, "a"))["number"] == 2


def test_a_tuple_does_where_a_list_is_declared(bus):
    class Joints:
        @qi.bind(qi.Float, [qi.List(qi.String), qi.List(qi.List(qi.Float))])
        def move(self, names, angles):
            assert isinstance(names, list) and all(isinstance(each, list) for each in angles)
            return sum(sum(each) for each in angles)

        def names(self) -> list[str]:
            return ("head", "arm")

        def wrong(self) -> list[int]:
            return ("head",)

    bus.server.registerService("Joints", Joints())
    joints = bus.client.service("Joints")
    assert joints.move(("HeadYaw",), ((0.5, 1), [1.5])) == 3
    assert joints.move((), ()) == 0
    assert joints.names() == ["head", "arm"]
    with pytest.raises(qi.RemoteError, match=r"failed to convert"):
        joints.move(("HeadYaw",), ("up",))
    with pytest.raises(qi.RemoteError, match=r"^bad result: failed to convert s to l"):
        joints.wrong()


def test_an_attribute_that_cannot_be_read_is_named(bus):
    class Slots:
        __slots__ = ("__weakref__", "later")

    with pytest.raises(TypeError, match="a Slots cannot be sent over the bus: .*later"):
        bus.server.registerService("Slots", Slots())


def test_a_periodic_task_that_is_forgotten_ends():
    called = threading.Event()
    task = qi.PeriodicTask()
    task.setCallback(called.set)
    task.setUsPeriod(0)
    task.start(True)
    assert called.wait(LONG)
    gone = weakref.ref(task)
    del task
    wait_until(lambda: gone() is None)


class Sleeper:
    """Methods that do not come to an end by themselves."""

    def __init__(self):
        self.begun, self.over = threading.Event(), threading.Event()
        self.level = qi.Property("i")

    async def sleep(self) -> str:
        self.begun.set()
        await asyncio.sleep(600)
        return "slept"

    async def give_up(self):
        raise asyncio.CancelledError

    def hang(self):
        self.begun.set()
        self.over.wait(LONG)


@pytest.fixture
def sleeper(bus):
    sleeper = Sleeper()
    bus.server.registerService("Sleeper", sleeper)
    sleeper.proxy = bus.client.service("Sleeper")
    yield sleeper
    sleeper.over.set()


def test_a_coroutine_that_is_cancelled_answers_so(sleeper):
    future = sleeper.proxy.sleep(_async=True)
    assert sleeper.begun.wait(LONG)
    future.cancel()
    assert future.wait(LONG * 1000) == qi.FutureState.Canceled
    with pytest.raises(qi.Canceled):
        sleeper.proxy.give_up()


def test_properties_have_the_time_they_are_given(sleeper):
    """The object's one thread is busy for longer than the test has."""
    sleeper.proxy.hang.post()
    assert sleeper.begun.wait(LONG)
    level = sleeper.proxy.level
    for use in (
        lambda: level.value(_timeout=0.05),
        lambda: level.setValue(3, _timeout=0.05),
        lambda: level.setValue(3, _async=True, _timeout=0.05).value(),
    ):
        with pytest.raises(qi.Timeout):
            use()


def test_a_time_limit_is_a_number(bus, sleeper):
    nan = float("nan")
    future = qi.Promise().future()
    # What is over may have its answer all the same, if that is quick.
    with pytest.raises(qi.Timeout):
        sleeper.proxy.hang(_timeout=-5)
    with bus.proxy.said.subscribe() as events:
        for wait in (
            lambda: bus.proxy.add(1, _timeout=nan),
            lambda: bus.proxy.add(1, _timeout=nan, _async=True),
            lambda: bus.proxy.level.value(_timeout=nan),
            lambda: bus.proxy.level.setValue(1, _timeout=nan),
            lambda: bus.proxy.said.subscribe(_timeout=nan),
            lambda: bus.proxy.said.connect(print, _timeout=nan),
            lambda: events.get(nan),
            lambda: future.value(nan),
            lambda: bus.client.waitForService("Desk", nan),
            lambda: qi.Session(bus.server.url(), timeout=nan),
        ):
            with pytest.raises(ValueError):
                wait()


def test_an_address_and_a_name_are_texts(bus):
    for use in (
        lambda: qi.Session(5),
        lambda: qi.Session().connect(b"tcp://127.0.0.1:1", _async=True),
        lambda: qi.Session().listenStandalone(5),
        lambda: bus.client.service(5),
        lambda: bus.client.waitForService(None),
    ):
        with pytest.raises(TypeError, match="is a str, not"):
            use()


def test_an_address_in_use_is_no_failure_of_a_peer(bus):
    with qi.Session() as other, pytest.raises(qi.Error, match="in use") as caught:
        other.listenStandalone(bus.server.url())
    assert type(caught.value) is qi.Error


def test_what_a_text_was_set_as_is_that_text(bus):
    class Luck:
        def try_it(self):
            promise = qi.Promise()
            promise.setError("bad luck")
            return promise.future()

    bus.server.registerService("Luck", Luck())
    with pytest.raises(qi.RemoteError) as caught:
        bus.client.service("Luck").try_it()
    assert str(caught.value) == "bad luck"
    state = qi.FutureState.FinishedWithError
    assert str(state) == f"{state}" == "FutureState.FinishedWithError" and state == 3


def test_types_are_written_as_their_signatures():
    assert [str(kind) for kind in (qi.Int32, qi.AnyArguments, qi.List(qi.Float))] == ["i", "m", "[f]"]
    # What libqi's package gives is in robot_script.py; these raise there.
    assert qi.Int32() == "i" and "[f]" == qi.List(qi.Float) and qi.List(qi.Float) != "[d]"
    assert qi.Int32 != 3 and qi.Int32() is not None and qi.Int32 != int
    assert {qi.Int32: 1}[qi.Int32()] == {qi.Int32(): 1}["i"] == 1
