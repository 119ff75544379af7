"""libqi's side of bench/qi.py: what bench/qi/peer.rs is on ours, with the same commands and output (lines with "= ")."""

import statistics
import sys
import threading
import time

import qi


class Bench:
    def __init__(self):
        self.fired = qi.Signal("(i)")
        self.image = qi.Signal("(r)")

    @qi.bind(returnType=qi.Int32, paramsType=[qi.Int32, qi.Int32])
    def add(self, a, b):
        return a + b

    @qi.bind(returnType=qi.Void, paramsType=[qi.Int32])
    def fire(self, count):
        for number in range(count):
            self.fired(number)

    # For bench/attacks.py.
    @qi.bind(returnType=qi.Void, paramsType=[qi.Int32])
    def shoot(self, count):
        self.image(bytes(count))

    @qi.bind(returnType=qi.Void, paramsType=[qi.Int32])
    def work(self, microseconds):
        time.sleep(microseconds / 1e6)

    @qi.bind(returnType=qi.String, paramsType=[qi.String])
    def echo(self, text):
        return text

    @qi.bind(returnType=qi.Int32, paramsType=[qi.Dynamic])
    def count(self, items):
        return len(items)


class Sleeper:
    @qi.bind(returnType=qi.Void, paramsType=[qi.Int32])
    def nap(self, milliseconds):
        time.sleep(milliseconds / 1e3)


def say(text):
    print("=", text, flush=True)


def connect(url):
    session = qi.Session()
    session.connect(url)
    return session


def serve(url, sleepers=0):
    session = qi.Session()
    session.listenStandalone(url)
    session.registerService("Bench", Bench())
    for number in range(int(sleepers)):
        session.registerService("Sleeper%d" % number, Sleeper())
    say(session.endpoints()[-1])
    sys.stdin.read()


def call(url, service, method, seconds, *arguments):
    session = connect(url)
    function = getattr(session.service(service), method)
    arguments = [int(word) for word in arguments]
    times = []
    for window, kept in ((float(seconds) / 5, False), (float(seconds), True)):
        end = time.perf_counter() + window
        begun = time.perf_counter()
        while begun < end:
            function(*arguments)
            now = time.perf_counter()
            if kept:
                times.append(now - begun)
            begun = now
    say("%.3f" % (statistics.median(times) * 1e6))


def events(url, subscribers, burst, seconds):
    subscribers, burst = int(subscribers), int(burst)
    sessions = [connect(url) for _ in range(subscribers)]
    proxies = [session.service("Bench") for session in sessions]
    lock, complete = threading.Lock(), threading.Event()
    delivered = 0

    def take(number):
        nonlocal delivered
        with lock:
            delivered += 1
            if delivered % (burst * subscribers) == 0:
                complete.set()

    for proxy in proxies:
        proxy.fired.connect(take)

    def one_round():
        complete.clear()
        proxies[0].fire(burst, _async=True)
        if not complete.wait(20):
            raise SystemExit("%d events are missing" % (-delivered % (burst * subscribers)))

    one_round()
    start, rounds = time.perf_counter(), 0
    while time.perf_counter() - start < float(seconds):
        one_round()
        rounds += 1
    say("%.0f %d" % (rounds * burst * subscribers / (time.perf_counter() - start), delivered))


def clients(url, count):
    sessions = [connect(url) for _ in range(int(count))]
    for session in sessions:
        session.service("Bench").add(1, 2)
    say(count)
    sys.stdin.read()


application = qi.Application(sys.argv[:1], raw=True)
{"serve": serve, "call": call, "events": events, "clients": clients}[sys.argv[1]](*sys.argv[2:])
