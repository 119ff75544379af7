"""Calls the robot of qi_robot.py, on this machine or at the address that is given.

    python qi_pilot.py tcp://127.0.0.1:9559

With "import qi" in place of the last import it runs on libqi's own package. The same program is there in Rust and in C.
"""

import queue
import sys

from millrace import qi

session = qi.Session()
session.connect(sys.argv[1] if len(sys.argv) > 1 else "tcp://127.0.0.1:9559")
robot = session.service("Robot")
said = queue.Queue()
robot.said.connect(said.put)
print("walked to", robot.walk(2.5))
print("a route of", robot.route([(1.5, 2.0), (0.0, 1.0)]))
print("battery", robot.battery.value())
robot.battery.setValue(100)
print("charged to", robot.battery.value())
for name, value in sorted(robot.sensors().items()):
    print("sensor", name, value)
robot.say("hello")
print("it said", said.get(timeout=10))
arm = robot.arm("left")
print("the", arm.name(), "arm is at", arm.lift(0.5))
for refused in (lambda: robot.walk(-1.0), lambda: robot.arm("third")):
    try:
        refused()
    except RuntimeError as error:
        print("refused:", "backwards" if "backwards" in str(error) else "no such arm")
session.close()
