"""The object bus's part of the conformance list for Python (see README.md), with millrace.qi and with libqi's own package.

python bus.py PACKAGE serve        prints "= URL", and serves until its input ends
python bus.py PACKAGE check URL LIST
"""

import importlib
import json
import sys
import threading

qi = importlib.import_module("millrace.qi" if sys.argv[1] == "millrace" else "qi")


class Proof:
    def __init__(self):
        self.said = qi.Signal("(is)")
        self.level = qi.Property("i")
        self.level.setValue(7)

    @qi.bind(returnType=qi.Int32, paramsType=(qi.Int32, qi.Int32))
    def add(self, a, b):
        return a + b

    @qi.bind(returnType=qi.Dynamic, paramsType=(qi.Dynamic,))
    def echo(self, value):
        return value

    @qi.bind(returnType=qi.List(qi.Double), paramsType=(qi.List(qi.Double),))
    def halves(self, values):
        return [value / 2 for value in values]

    @qi.bind(returnType=qi.Void, paramsType=(qi.Int32, qi.String))
    def say(self, number, text):
        self.said(number, text)

    @qi.bind(returnType=qi.Void, paramsType=(qi.String,))
    def fail(self, text):
        raise RuntimeError(text)


def serve():
    session = qi.Session()
    session.listenStandalone("tcp://127.0.0.1:0")
    session.registerService("Proof", Proof())
    url = session.url() if isinstance(session.url(), str) else session.endpoints()[0]
    print("= " + url, flush=True)
    sys.stdin.read()
    session.close()


class Seen:
    """What a callback has been called with, one by one."""

    def __init__(self):
        self.events, self.changed = [], threading.Condition()

    def __call__(self, *event):
        with self.changed:
            self.events.append(list(event))
            self.changed.notify_all()

    def next(self):
        with self.changed:
            assert self.changed.wait_for(lambda: self.events, 60), "no event"
            return self.events.pop(0)


def equal(got, wanted, what):
    assert got == wanted, f"{what}: {got!r}, not {wanted!r}"


def check(url, cases):
    session = qi.Session()
    session.connect(url)
    proof = session.service("Proof")
    for case in cases["calls"]:
        equal(getattr(proof, case["call"])(*case["with"]), case["gives"], case)
    for value in cases["echo"]:
        equal(proof.echo(value), value, "echo")
    for case in cases["failures"]:
        try:
            getattr(proof, case["call"])(*case["with"])
        except RuntimeError as error:
            assert case["says"] in str(error), f"{case}: {error}"
        else:
            raise AssertionError(f"{case} has not failed")
    seen = Seen()
    link = proof.said.connect(seen)
    for event in cases["events"]:
        proof.say(*event)
        equal(seen.next(), event, "said")
    proof.said.disconnect(link)
    seen = Seen()
    equal(proof.level.value(), cases["property"]["first"], "level")
    proof.level.connect(seen)
    for value in cases["property"]["set"]:
        proof.level.setValue(value)
        equal(seen.next(), [value], "level has changed")
        equal(proof.level.value(), value, "level")
    session.close()
    print("ok", flush=True)


if sys.argv[2] == "serve":
    serve()
else:
    with open(sys.argv[4]) as file:
        check(sys.argv[3], json.load(file)["bus"])
