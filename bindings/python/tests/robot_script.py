"""The lines that scripts of robots consist of, for libqi's package and for ours alike: the first argument is "qi" or "millrace".

With "serve" it is the robot: it prints its address and obeys until its standard input ends.
"""

import sys

if sys.argv[1] == "millrace":
    from millrace import qi
else:
    import qi

import threading

LONG = 20000


class TextToSpeech:
    def __init__(self):
        self.volume = 1.0
        self.language = "French"

    def say(self, text):
        return None

    def setLanguage(self, language):
        self.language = language

    def setVolume(self, volume):
        self.volume = volume

    def getVolume(self):
        return self.volume

    def setParameter(self, name, value):
        return None


class AnimatedSpeech:
    def say(self, text, configuration):
        return configuration["bodyLanguageMode"] == "contextual"


class Motion:
    def wakeUp(self):
        pass

    def rest(self):
        pass

    def moveTo(self, x, y, theta):
        return True

    def move(self, x, y, theta):
        pass

    def moveToward(self, x, y, theta):
        pass

    def stopMove(self):
        pass

    def setAngles(self, names, angles, fraction):
        assert names == ["HeadYaw", "HeadPitch"] or names == "HeadYaw", names

    def angleInterpolation(self, names, angles, times, absolute):
        assert absolute is True

    def getAngles(self, names, sensors):
        return [0.25, -0.5]

    def setStiffnesses(self, names, values):
        pass


class Posture:
    def goToPosture(self, name, speed):
        return name == "StandInit"


class Subscriber:
    def __init__(self):
        self.signal = qi.Signal("(m)")


class Memory:
    def __init__(self):
        self.data = {}
        self.subscribers = {}

    def subscriber(self, name):
        return self.subscribers.setdefault(name, Subscriber())

    def getData(self, key):
        if key not in self.data:
            raise RuntimeError("no data for " + key)
        return self.data[key]

    def insertData(self, key, value):
        self.data[key] = value

    def raiseEvent(self, key, value):
        self.data[key] = value
        if key in self.subscribers:
            self.subscribers[key].signal(value)


def serve():
    session = qi.Session()
    session.listenStandalone("tcp://127.0.0.1:0")
    services = {
        "ALTextToSpeech": TextToSpeech(),
        "ALAnimatedSpeech": AnimatedSpeech(),
        "ALMotion": Motion(),
        "ALRobotPosture": Posture(),
        "ALMemory": Memory(),
    }
    for name, service in services.items():
        session.registerService(name, service)
    print("= " + session.endpoints()[0], flush=True)
    sys.stdin.read()
    session.close()


class MyService:
    def __init__(self):
        self.happened = qi.Signal("(s)")
        self.level = qi.Property("i")

    def greet(self, name):
        self.happened(name)
        return "Hello " + name


def script(url):
    address, port = url[len("tcp://") :].split(":")

    app = qi.Application(["Script", "--qi-url=" + url])
    app.start()
    session = app.session
    assert session.isConnected()

    other = qi.Session()
    try:
        other.connect("tcp://127.0.0.1:1")
        raise AssertionError("nobody listens there")
    except RuntimeError:
        pass
    other = qi.Session()
    other.connect("tcp://" + address + ":" + str(port))

    tts = session.service("ALTextToSpeech")
    tts.say("Hello")
    tts.setLanguage("English")
    tts.setVolume(0.5)
    assert tts.getVolume() == 0.5
    tts.setParameter("pitchShift", 1.1)
    assert session.service("ALAnimatedSpeech").say("Hello", {"bodyLanguageMode": "contextual"}) is True

    motion = session.service("ALMotion")
    motion.wakeUp()
    assert motion.moveTo(0.5, 0, 0.1) is True
    motion.move(0.1, 0.0, 0.0)
    motion.moveToward(0.5, 0, 0)
    motion.stopMove()
    motion.setAngles(["HeadYaw", "HeadPitch"], [0.1, 0.2], 0.2)
    motion.setAngles("HeadYaw", 0.1, 0.2)
    motion.angleInterpolation(["HeadYaw"], [[0.1, 0.0]], [[1.0, 2.0]], True)
    assert motion.getAngles("Body", True) == [0.25, -0.5]
    motion.setStiffnesses("Body", 1.0)
    assert session.service("ALRobotPosture").goToPosture("StandInit", 0.5) is True
    motion.rest()

    memory = session.service("ALMemory")
    touched, values = threading.Event(), []

    def on_touched(value):
        values.append(value)
        touched.set()

    subscriber = memory.subscriber("FrontTactilTouched")
    link = subscriber.signal.connect(on_touched)
    memory.raiseEvent("FrontTactilTouched", 1.0)
    assert touched.wait(20) and values == [1.0]
    subscriber.signal.disconnect(link)
    memory.insertData("key", {"a": [1, 2]})
    assert memory.getData("key") == {"a": [1, 2]}
    try:
        memory.getData("nothing")
        raise AssertionError("there is no such data")
    except RuntimeError as error:
        assert "no data for nothing" in str(error)

    future = tts.say("Hello", _async=True)
    assert future.wait(LONG) == qi.FutureState.FinishedWithValue and future.value() is None and not future.hasError()
    called = threading.Event()
    future = motion.getAngles("Body", True, _async=True)
    future.addCallback(lambda f: called.set())
    assert called.wait(20)
    assert future.then(lambda f: len(f.value())).value(LONG) == 2
    assert future.andThen(lambda v: v[0]).value(LONG) == 0.25

    service = MyService()
    number = session.registerService("MyService", service)
    mine = other.service("MyService")
    heard = threading.Event()
    mine.happened.connect(lambda name: heard.set())
    assert mine.greet("you") == "Hello you" and heard.wait(20)
    mine.level.setValue(4)
    assert mine.level.value() == 4 and service.level.value() == 4
    assert any(entry["name"] == "MyService" for entry in other.services())
    session.unregisterService(number)

    assert qi.runAsync(lambda a: a + 1, 1).value(LONG) == 2
    ticked = threading.Event()
    task = qi.PeriodicTask()
    task.setCallback(ticked.set)
    task.setUsPeriod(1000)
    task.start(True)
    assert ticked.wait(20)
    task.stop()

    assert [str(kind) for kind in (qi.Int32, qi.Int32(), qi.List(qi.Int32))] == ["i", "i", "[i]"]
    same = [(qi.Int32, qi.Int32), (qi.Int32, qi.Int32()), (qi.Int32(), qi.Int32()), (qi.Int32, "i"), ("i", qi.Int32)]
    same += [(qi.List(qi.Int32), qi.List(qi.Int32())), (qi.Dynamic, qi.AnyArguments), (qi.Dynamic, "m")]
    assert all(one == other and not one != other for one, other in same)
    different = [(qi.Int32, qi.Int64), (qi.Int32(), qi.Int64()), (qi.Int32, "l"), (qi.List(qi.Int32), qi.List(qi.Int64))]
    assert all(one != other and not one == other for one, other in different)

    threading.Timer(0.01, app.stop).start()
    app.run()
    print("ok", flush=True)


if __name__ == "__main__":
    serve() if sys.argv[2] == "serve" else script(sys.argv[2])
