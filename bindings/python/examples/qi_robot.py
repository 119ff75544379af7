"""A robot on the object bus: a service with methods, a signal, a property and objects. qi_pilot.py calls it.

    python qi_robot.py tcp://127.0.0.1:9559

With "import qi" in place of the last import it runs on libqi's own package. The same program is there in Rust and in C.
"""

import sys

from millrace import qi


class Arm:
    def __init__(self, name):
        self.side = name
        self.lifted = qi.Signal("(d)")

    def name(self):
        return self.side

    def lift(self, angle):
        self.lifted(angle)
        return angle


class Robot:
    def __init__(self):
        self.position = 0.0
        self.said = qi.Signal("(s)")
        self.battery = qi.Property("i")
        self.battery.setValue(100)

    def walk(self, meters):
        if meters < 0:
            raise RuntimeError("cannot walk backwards")
        self.position += meters
        self.battery.setValue(self.battery.value() - int(10 * meters))
        return self.position

    def route(self, steps):
        return sum(abs(x) + abs(y) for x, y in steps)

    def sensors(self):
        return {"head": 0.5, "position": self.position}

    def say(self, text):
        self.said(text)

    def arm(self, name):
        if name not in ("left", "right"):
            raise RuntimeError("there is no such arm")
        return Arm(name)


session = qi.Session()
session.listenStandalone(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:9559")
session.registerService("Robot", Robot())
print(session.url(), flush=True)
sys.stdin.read()
session.close()
