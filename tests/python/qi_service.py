"""A service on the genuine libqi, for tests/qi_client.rs: a stand-alone directory with a service that does a bit of everything.

Prints the directory's URL, then obeys lines on its standard input until that ends; answers each with a line. What it prints
begins with "= ": libqi's log goes to standard output as well."""

import sys

import qi


class Child:
    """An object that is handed out. The service counts those that are alive."""

    alive = 0

    def __init__(self, name):
        self.name = name
        self.said = qi.Signal("(s)")
        Child.alive += 1

    def __del__(self):
        Child.alive -= 1

    @qi.bind(returnType=qi.String, paramsType=())
    def hello(self):
        return "hello from " + self.name

    @qi.bind(returnType=qi.Void, paramsType=[qi.String])
    def say(self, what):
        self.said(what)


class Proof:
    def __init__(self):
        self.happened = qi.Signal("(is)")
        self.anything = qi.Signal("m")
        self.pair = qi.Signal("([i])")
        self.level = qi.Property("i")
        self.level.setValue(7)

    @qi.bind(returnType=qi.Int32, paramsType=[qi.Int32, qi.Int32])
    def add(self, a, b):
        return a + b

    @qi.bind(returnType=qi.Dynamic, paramsType=[qi.Dynamic])
    def echo(self, value):
        return value

    @qi.bind(returnType=qi.Map(qi.String, qi.Int32), paramsType=[qi.Map(qi.String, qi.Int32)])
    def increment(self, values):
        return {key: value + 1 for key, value in values.items()}

    @qi.bind(returnType=qi.List(qi.Float), paramsType=[qi.List(qi.Float)])
    def halves(self, values):
        return [value / 2 for value in values]

    @qi.bind(returnType=qi.String, paramsType=[qi.Int32], methodName="over")
    def over_int(self, value):
        return "int %d" % value

    @qi.bind(returnType=qi.String, paramsType=[qi.String], methodName="over")
    def over_string(self, value):
        return "string " + value

    @qi.bind(returnType=qi.String, paramsType=[qi.Int32, qi.Int32], methodName="over")
    def over_two(self, a, b):
        return "two %d %d" % (a, b)

    @qi.bind(returnType=qi.Void, paramsType=())
    def fail(self):
        raise RuntimeError("boom")

    @qi.bind(returnType=qi.Dynamic, paramsType=qi.AnyArguments)
    def gather(self, *values):
        return list(values)

    @qi.bind(returnType=qi.Object, paramsType=[qi.String])
    def child(self, name):
        return Child(name)

    @qi.bind(returnType=qi.Int32, paramsType=())
    def children(self):
        return Child.alive

    @qi.bind(returnType=qi.String, paramsType=[qi.Object])
    def ask(self, other):
        return "it says: " + other.hello()

    @qi.bind(returnType=qi.Void, paramsType=[qi.Int32, qi.String])
    def fire(self, number, text):
        self.happened(number, text)

    def slow(self):
        """Ends when it is cancelled."""
        self.promise = qi.Promise(lambda promise: promise.setCanceled())
        return self.promise.future()


def say(text):
    print("=", text, flush=True)


def main():
    application = qi.Application(sys.argv, raw=True)
    session = qi.Session()
    session.listenStandalone(sys.argv[1])
    proof = Proof()
    session.registerService("Proof", proof)
    say(session.endpoints()[-1])
    others = {}
    for line in sys.stdin:
        words = line.split()
        if words[0] == "fire":
            proof.happened(int(words[1]), words[2])
        elif words[0] == "burst":
            for number in range(int(words[1])):
                proof.happened(number, "x")
        elif words[0] == "any":
            proof.anything(1, "two", [3.0])
        elif words[0] == "pair":
            proof.pair([int(word) for word in words[1:]])
        elif words[0] == "register":
            others[words[1]] = session.registerService(words[1], Child(words[1]))
        elif words[0] == "unregister":
            session.unregisterService(others.pop(words[1]))
        elif words[0] == "call":
            say(session.service(words[1]).call(words[2], *words[3:]))
            continue
        say("ok")
    session.close()


main()
