"""The genuine `qi` package as a client of our server. Arguments: scenario, address."""

import signal
import subprocess
import sys
import threading

import qi

scenario, url = sys.argv[1], sys.argv[2]
TIMEOUT = 20


class Events:
    """Collects what a signal brings."""

    def __init__(self):
        self.seen = []
        self.news = threading.Condition()

    def __call__(self, *arguments):
        with self.news:
            self.seen.append(arguments)
            self.news.notify_all()

    def wait(self, count):
        with self.news:
            assert self.news.wait_for(lambda: len(self.seen) >= count, TIMEOUT), self.seen
            return self.seen

    def sorted(self, count):
        """Of what can be under way at once: libqi's threads do not keep the order in which it comes."""
        return sorted(self.wait(count))


def raises(call, *arguments):
    try:
        call(*arguments)
    except RuntimeError as error:
        return str(error)
    raise AssertionError("no error")


# Objects of a session do not keep it.
SESSIONS = []


def session():
    made = qi.Session()
    made.connect(url)
    SESSIONS.append(made)
    return made


def services():
    bus = session()
    infos = {info["name"]: info for info in bus.services()}
    assert {"ServiceDirectory", "Probe"} <= set(infos), infos
    assert infos["Probe"]["endpoints"][0] == url, infos
    assert infos["Probe"]["machineId"] == bus.service("ServiceDirectory").machineId()
    assert "Cannot find service 'Nobody'" in raises(bus.service, "Nobody")
    assert infos["Probe"]["serviceId"] == 2


def calls():
    probe = session().service("Probe")
    assert probe.add(2, 3) == 5
    assert probe.add(2.9, True) == 3
    assert probe.upper("h\u00e9h\u00e9") == "H\u00c9H\u00c9"
    assert probe.incr({"a": 1, "b": 2}) == {"a": 2, "b": 3}
    assert probe.vargs(1, "a", 2.5) == [1, "a", 2.5]
    assert probe.vargs() == []
    for value in [None, True, 7, -(2**63), 1.5, "text", [1, "a"], {"k": [1, {"z": None}]}, (1, 2)]:
        got = probe.echo(value)
        assert got == value or (value is True and got == 1), (value, got)
    assert probe.some(3) == 4
    assert probe.some(None) is None
    assert probe.over(1) == "i" and probe.over("a") == "s" and probe.over(1, 2) == "ii"
    assert probe.call("over", 3.5) == "i"
    assert probe.raw(bytearray(b"\x00\xff\x01")) == b"\x01\xff\x00"
    widths = (-1, 254, -3, 65533, -4, 4294967291, -6, 2**63 - 1, 1.5, 2.5)
    assert probe.widths(*widths) == widths
    big = "x" * 3_000_000
    assert probe.upper(big) == big.upper()
    futures = [probe.add(n, n, _async=True) for n in range(1000)]
    assert [future.value() for future in futures] == [2 * n for n in range(1000)]


def errors():
    probe = session().service("Probe")
    assert "deliberate" in raises(probe.fail)
    assert "convert" in raises(probe.add, "a", "b")
    assert probe.add(1, 1) == 2


def mishaps():
    """Of Rust: in C a method that does not answer has not answered yet, and one that panics is the end."""
    probe = session().service("Probe")
    assert "did not answer" in raises(probe.silent)
    assert "panicked" in raises(probe.explode)
    assert probe.add(1, 1) == 2


def signals():
    bus = session()
    probe = bus.service("Probe")
    fired, level = Events(), Events()
    link = probe.fired.connect(fired)
    probe.fire(1, "one")
    assert fired.wait(1) == [(1, "one")]
    probe.fired(2, "two")
    assert fired.wait(2)[1] == (2, "two")
    anything = Events()
    probe.anything.connect(anything)
    probe.fire_anything()
    assert anything.wait(1) == [(1, ["a"])], anything.seen
    probe.fired.disconnect(link)
    probe.fire(3, "three")
    probe.level.connect(level)
    probe.level.setValue(11)
    assert level.wait(1) == [(11,)]
    assert probe.level.value() == 11
    probe.level.setValue(12)
    assert level.wait(2)[1] == (12,)
    assert "Failed converting" in raises(probe.level.setValue, "text")
    assert len(fired.seen) == 2


def checked():
    """Of Rust: properties that look at what they are set to."""
    probe = session().service("Probe")
    assert "too high" in raises(probe.level.setValue, 101)
    assert probe.level.value() == 7


class Hello:
    def hello(self, name):
        return "hello " + name


def guests():
    assert session().service("Probe").meet(Hello()) == "hello server"


def objects():
    bus = session()
    probe = bus.service("Probe")
    assert probe.meet(Hello()) == "hello server"
    counter = probe.counter()
    changed = Events()
    counter.value.connect(changed)
    assert counter.increment() == 1
    assert counter.increment() == 2
    assert changed.sorted(2) == [(1,), (2,)]
    other = probe.counter()
    assert other.increment() == 1
    assert probe.read(counter) == 2
    assert probe.exports() >= 2
    del counter, other
    for _ in range(2000):
        if probe.exports() == 0:
            break
        threading.Event().wait(0.01)
    # A signal that was connected keeps a reference in libqi.
    assert probe.exports() <= 1, probe.exports()


def cancel():
    probe = session().service("Probe")
    running = probe.slow(_async=True)
    queued = probe.slow(_async=True)
    queued.cancel()
    assert queued.wait(TIMEOUT * 1000) and queued.isCanceled(), queued
    running.cancel()
    assert running.wait(TIMEOUT * 1000) and running.isCanceled(), running
    assert probe.add(1, 2) == 3


def listener():
    probe = session().service("Probe")
    events = Events()
    probe.fired.connect(events)
    print("ready", flush=True)
    told = events.sorted(3)
    assert told == [(1, "x"), (2, "x"), (3, "x")], told


def two():
    others = [subprocess.Popen([sys.executable, __file__, "listener", url], stdout=subprocess.PIPE) for _ in range(2)]
    for other in others:
        assert other.stdout.readline() == b"ready\n"
    probe = session().service("Probe")
    for number in (1, 2, 3):
        probe.fire(number, "x")
    for other in others:
        assert other.wait(TIMEOUT) == 0


class Mine:
    """A service of this process."""

    def __init__(self):
        self.changed = qi.Signal("(i)")

    def hello(self, name):
        return "mine, " + name


def provider():
    bus = session()
    added, removed = Events(), Events()
    bus.serviceRegistered.connect(added)
    bus.serviceUnregistered.connect(removed)
    service = Mine()
    number = bus.registerService("Mine", service)
    assert added.wait(1) == [(number, "Mine")]
    assert "already" in raises(bus.registerService, "Mine", Mine())
    # Called by the process of the directory, over the connection that has registered it.
    assert bus.service("Probe").visit("Mine") == "mine, server"
    other = session()
    assert other.service("Mine").hello("other") == "mine, other"
    try:
        other.unregisterService(number)
        raise AssertionError("somebody else's service")
    except RuntimeError:
        pass
    gone = Events()
    other.serviceUnregistered.connect(gone)
    bus.unregisterService(number)
    assert removed.wait(1) == [(number, "Mine")]
    # The other session remembers the service until it is told, too.
    assert gone.wait(1) == [(number, "Mine")]
    assert "Cannot find" in raises(other.service, "Mine")
    third = session()
    again = third.registerService("Mine", Mine())
    assert again > number
    added.wait(2)
    third.close()
    assert removed.wait(2)[1] == (again, "Mine")


class Bell:
    """An object that is lent to others."""

    def __init__(self):
        self.rang = qi.Signal("(i)")
        self.level = qi.Property("i")
        self.level.setValue(3)

    def ring(self, number):
        self.rang(number)
        return number + 1

    def fail(self):
        raise RuntimeError("cracked")


def lend():
    """Two sessions that meet through the server."""
    bell = Bell()
    session().service("Probe").lend(bell)
    borrowed = session().service("Probe").borrow()
    rang, level = Events(), Events()
    borrowed.rang.connect(rang)
    assert borrowed.ring(4) == 5
    assert rang.wait(1) == [(4,)]
    bell.rang(6)
    assert rang.wait(2)[1] == (6,)
    assert borrowed.level.value() == 3
    borrowed.level.connect(level)
    borrowed.level.setValue(9)
    assert level.wait(1) == [(9,)] and bell.level.value() == 9
    assert "cracked" in raises(borrowed.fail)
    third = session().service("Probe").borrow()
    assert third.ring(7) == 8
    assert rang.wait(3)[2] == (7,) and len(rang.seen) == 3, rang.seen


class Guest:
    def hello(self):
        return "a guest"


def mirror():
    """A service of another bus, libqi's own, through a server in between."""
    there = session().service("Mirror")
    assert there.add(2, 3) == 5
    assert "boom" in raises(there.fail)
    assert there.gather(1, "two") == [1, "two"]
    assert there.ask(Guest()) == "it says: a guest"
    child = there.child("bob")
    said, happened, level = Events(), Events(), Events()
    child.said.connect(said)
    child.say("hi")
    assert said.wait(1) == [("hi",)] and child.hello() == "hello from bob"
    there.happened.connect(happened)
    there.fire(5, "five")
    there.happened(6, "six")
    assert happened.sorted(2) == [(5, "five"), (6, "six")]
    assert there.level.value() == 7
    there.level.connect(level)
    there.level.setValue(8)
    assert level.wait(1) == [(8,)]
    slow = there.slow(_async=True)
    slow.cancel()
    assert slow.wait(TIMEOUT * 1000) and slow.isCanceled(), slow


class Login:
    def __init__(self, user, token):
        self.map = {"user": user, "token": token}

    def initialAuthData(self):
        return self.map


class Factory:
    def __init__(self, user, token):
        self.login = Login(user, token)

    def newAuthenticator(self):
        return self.login


def login():
    bus = qi.Session()
    bus.setClientAuthenticatorFactory(Factory("nao", "secret"))
    bus.connect(url)
    assert bus.service("Probe").who() == "nao"
    bad = qi.Session()
    bad.setClientAuthenticatorFactory(Factory("nao", "guess"))
    raises(bad.connect, url)
    raises(qi.Session().connect, url)


def overflow():
    """The mailbox of Gate has room for 100 calls, for 47 of one connection (half of what is not kept for newcomers); one more is under way."""
    bus = session()
    gate, key = bus.service("Gate"), bus.service("Key")
    calls, refused = [gate.wait(_async=True)], Events()
    key.begun()
    for _ in range(5000):
        calls.append(gate.wait(_async=True))
        calls[-1].addCallback(lambda future: future.hasError() and refused(future.error()))
    errors = refused.wait(5000 - 47)
    assert all("its queue is full" in error for error, in errors), errors
    key.release(48)
    answered = [future for future in calls if future.wait(TIMEOUT * 1000) and not future.hasError()]
    assert (len(answered), len(errors)) == (48, 4953), (len(answered), len(errors))


def still():
    fired = Events()
    session().service("Probe").fired.connect(fired)
    print("ready", flush=True)
    # In any order, as in Events.sorted.
    seen = fired.wait(int(sys.stdin.readline()) + 1)
    print(len(set(seen)) - 1, (-1, "") in seen, flush=True)


def standstill():
    """What a process that was stopped gets afterwards is all but what it has lost."""
    pipe = subprocess.PIPE
    other = subprocess.Popen([sys.executable, __file__, "still", url], stdin=pipe, stdout=pipe, text=True)
    assert other.stdout.readline() == "ready\n"
    probe = session().service("Probe")
    other.send_signal(signal.SIGSTOP)
    try:
        sent, dropped = probe.flood(1000)
    finally:
        other.send_signal(signal.SIGCONT)
    probe.last()
    answer, _ = other.communicate(f"{sent}\n", TIMEOUT)
    assert dropped == 1000 and answer.split("\n")[0] == f"{sent} True", (sent, dropped, answer)
    assert other.returncode == 0


SCENARIOS = (services, calls, errors, mishaps, signals, checked, guests, objects, cancel, listener, two, provider, lend, mirror, overflow, still, standstill, login)
{f.__name__: f for f in SCENARIOS}[scenario]()
print("ok", flush=True)
# Sessions that are still connected may keep the interpreter from ending.
sys.stdout.flush()
import os

os._exit(0)
