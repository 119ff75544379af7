"""PyPI's nanoservice, which is over PyPI's nanomsg: a service and its clients, publisher and subscriber.   python nanoservice_user.py DIRECTORY PORT"""

import sys
import threading

import nanoservice

ADDRESSES = [f"ipc://{sys.argv[1]}/service", f"tcp://127.0.0.1:{sys.argv[2]}"]

for address in ADDRESSES:
    service = nanoservice.Responder(address)
    service.register("add", lambda a, b: a + b)
    service.register("length", len)
    thread = threading.Thread(target=lambda: [service.process() for _ in range(202)])
    thread.start()
    client = nanoservice.Requester(address)
    for number in range(200):
        answer = client.call("add", number, 1)
        assert answer[0] == number + 1, answer
    assert client.call("length", "x" * 100000)[0] == 100000
    assert client.call("nothing")[1], "an error"
    thread.join()
    client.socket.close()
    service.socket.close()

address = f"ipc://{sys.argv[1]}/news"
subscriber = nanoservice.Subscriber(address)
heard = []
subscriber.subscribe("weather", heard.append)
publisher = nanoservice.Publisher(address)
listening = threading.Thread(target=subscriber.process)
listening.start()
# What is published before the two are connected, nobody hears.
while listening.is_alive():
    publisher.publish("traffic", "queue")
    publisher.publish("weather", {"sun": [1, 2]})
    listening.join(0.01)
assert heard == [{"sun": [1, 2]}], heard
print("ok")
