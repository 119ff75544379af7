"""What happens around waiting: threads, signals, forks, the collector, the end of the interpreter."""

import gc
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc

import pytest

import millrace
from millrace import qi


def run(program, *arguments, **options):
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program), *arguments], capture_output=True, text=True, timeout=60, **options
    )


def test_waiting_lets_other_threads_run(address):
    with millrace.Pull(bind=address) as pull:
        started = threading.Event()

        def wait():
            started.set()
            with pytest.raises(millrace.Closed):
                pull.recv()

        waiting = threading.Thread(target=wait)
        waiting.start()
        assert started.wait(10)
        # Unless the waiter has let go of the interpreter, this never comes to its end.
        assert sum(range(100_000)) > 0
        pull.close()
        waiting.join(10)
        assert not waiting.is_alive()


@pytest.mark.parametrize("call", ["s.recv()", "s.recv_many()", "millrace.Poller().poll()", "s.send(b'x')"])
def test_control_c_ends_a_wait(call):
    program = f"""
        import millrace, signal, threading, os
        # Whoever runs the tests may ignore it, as a shell does for what it runs in the background.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        s = millrace.Pair(bind="inproc://x")
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            {call}
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = run(program)
    assert done.stdout == "interrupted\n", done.stderr


def test_control_c_ends_a_close_that_lingers():
    program = """
        import millrace, signal, socket, threading, os
        signal.signal(signal.SIGINT, signal.default_int_handler)
        s = millrace.Push(bind="tcp://127.0.0.1:0", linger=1000)
        peer = socket.create_connection(("127.0.0.1", int(s.describe()["endpoints"][0]["address"].rpartition(":")[2])))
        peer.sendall(bytes([0, 83, 80, 0, 0, 81, 0, 0]))
        s.wait_peers(1, timeout=20)
        try:
            while True:
                s.send(bytes(1_000_000), block=False)
        except millrace.WouldBlock:
            pass
        timer = threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        try:
            s.close()
        except KeyboardInterrupt:
            print("interrupted", s.closed)
    """
    done = run(program)
    assert done.stdout == "interrupted True\n", done.stderr


def test_a_send_many_that_never_waits_answers_control_c_and_lets_others_run():
    program = """
        import itertools, millrace, os, signal, threading
        signal.signal(signal.SIGINT, signal.default_int_handler)
        # That thread needs the interpreter.
        threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            millrace.Pub().send_many(itertools.repeat(b"x"))
        except KeyboardInterrupt as error:
            print("interrupted", error.sent > 0)
    """
    done = run(program)
    assert done.stdout == "interrupted True\n", done.stderr


def test_a_handler_that_returns_does_not_end_a_wait(address):
    told = []
    before = signal.signal(signal.SIGALRM, lambda *_: told.append(1))
    try:
        with millrace.Pull(bind=address, recv_timeout=0.3) as pull:
            signal.setitimer(signal.ITIMER_REAL, 0.02, 0.02)
            start = time.monotonic()
            with pytest.raises(millrace.Timeout):
                pull.recv()
            # The limit is that of the whole wait, not of what is left after a signal.
            assert time.monotonic() - start >= 0.3
        assert told
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def test_a_forked_child_has_sockets_of_its_own(address, ipc):
    parent = millrace.Pair(bind=ipc, recv_timeout=20)
    child = os.fork()
    if child == 0:
        status = 1
        try:
            with pytest.raises(millrace.Closed, match="fork"):
                parent.send(b"x")
            assert parent.closed
            parent.close()
            with millrace.Pair(connect=ipc, send_timeout=20) as own:
                own.send(b"from the child")
            status = 0
        finally:
            os._exit(status)
    assert parent.recv() == b"from the child"
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    parent.close()


def send_from_elsewhere(address):
    with millrace.Push(connect=address, send_timeout=20) as push:
        push.send_many([str(i).encode() for i in range(100)])


def test_a_forked_child_ends_whatever_threads_of_its_parent_were_doing():
    # Some of twenty are forked while a thread has a socket's lock.
    done = run("""
        import os, sys, threading, time, warnings
        import millrace
        warnings.simplefilter("ignore")
        def forever(call, *arguments):
            while True:
                call(*arguments)
        kept = []
        for _ in range(3):
            push = millrace.Push()
            pull = millrace.Pull(connect=push.bind("tcp://127.0.0.1:0").address)
            kept += [push, pull]
            threading.Thread(target=forever, args=(push.send, b"x" * 100), daemon=True).start()
            threading.Thread(target=forever, args=(pull.recv,), daemon=True).start()
        for _ in range(20):
            child = os.fork()
            if child == 0:
                sys.exit(3)
            assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        print("all have ended", flush=True)
        os._exit(0)
    """)
    assert done.stdout == "all have ended\n", done.stderr


def test_a_forked_child_waits_for_no_lock_of_a_thread_that_it_has_not():
    done = run("""
        import asyncio, os, threading, warnings
        import millrace
        from millrace import _forks, qi
        warnings.simplefilter("ignore")
        inherited, session, signal = millrace.Pair(bind="inproc://inherited"), qi.Session(), qi.Signal()
        async def wait(address):
            with millrace.Pair(bind=address) as one, millrace.Pair(connect=address) as other:
                waiting = asyncio.ensure_future(one.arecv())
                await asyncio.sleep(0)
                other.send(b"x")
                assert await waiting == b"x"
        asyncio.run(wait("inproc://parent"))
        held, go_on = threading.Event(), threading.Event()
        def hold():
            assert len(_forks._locks) >= 4
            for lock in _forks._locks:
                lock.acquire()
            held.set()
            go_on.wait()
        threading.Thread(target=hold, daemon=True).start()
        held.wait()
        child = os.fork()
        if child == 0:
            inherited.close()
            session.close()
            signal.connect(print)
            qi.Signal("(i)").connect(print)
            asyncio.run(wait("inproc://child"))
            os._exit(3)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 3
        print("it has ended", flush=True)
        os._exit(0)
    """)
    assert done.stdout == "it has ended\n", done.stderr


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing(method, ipc):
    with millrace.Pull(bind=ipc, recv_timeout=30) as pull:
        process = multiprocessing.get_context(method).Process(target=send_from_elsewhere, args=(ipc,))
        process.start()
        assert [pull.recv() for _ in range(100)] == [str(i).encode() for i in range(100)]
        process.join(30)
        assert process.exitcode == 0


def call_from_elsewhere(url, results):
    with qi.Session(url) as session:
        results.put(session.service("Adder").add(40, 2))


class Adder:
    def add(self, one: int, other: int) -> int:
        return one + other


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_multiprocessing_on_the_bus(method):
    context = multiprocessing.get_context(method)
    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0")
        server.registerService("Adder", Adder())
        results = context.Queue()
        process = context.Process(target=call_from_elsewhere, args=(server.url(), results))
        process.start()
        assert results.get(timeout=30) == 42
        process.join(30)
        assert process.exitcode == 0


def ask_from_elsewhere(arguments):
    url, number = arguments
    with millrace.Req(connect=url, recv_timeout=30) as client:
        client.send(b"%d" % number)
        return client.recv()


def test_a_pool_of_processes_asks_one_server(ipc):
    with millrace.Rep(bind=ipc, recv_timeout=30) as server, multiprocessing.get_context("fork").Pool(4) as pool:
        asked = pool.map_async(ask_from_elsewhere, [(ipc, number) for number in range(20)])
        for _ in range(20):
            server.send(server.recv() * 2)
        assert asked.get(30) == [b"%d" % number * 2 for number in range(20)]


@pytest.mark.parametrize("kind", ["isolated", "legacy"])
def test_a_subinterpreter_is_refused(kind):
    """Also one with the main one's lock, as mod_wsgi and uWSGI make them. What it did at its end closed everything."""
    done = run(
        """
        import sys
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import millrace
        if sys.argv[1] == "isolated":
            other = interpreters.create()
        elif sys.version_info >= (3, 13):
            other = interpreters.create("legacy")
        else:
            other = interpreters.create(isolated=False)
        kept = millrace.Pair(bind="inproc://kept")
        refused = ["try:", "    import millrace", "except ImportError as error:", "    print(error, flush=True)"]
        interpreters.run_string(other, chr(10).join(refused))
        interpreters.destroy(other)
        # The first one goes on.
        with millrace.Pair(bind="inproc://x") as a, millrace.Pair(connect="inproc://x") as b:
            a.send(b"x")
            print(b.recv())
        assert kept.try_recv() is None
        """,
        kind,
    )
    assert done.returncode == 0, done.stderr
    assert "subinterpreter" in done.stdout and done.stdout.endswith("b'x'\n"), done.stdout


def test_what_was_sent_arrives_although_nobody_closes(ipc):
    with millrace.Pull(bind=ipc, recv_timeout=20) as pull:
        done = run(
            """
            import millrace, sys
            s = millrace.Push(connect=sys.argv[1], send_timeout=10)
            # As many as the system takes while nobody receives, also one by one.
            s.send_many([b"x" * 100] * 200)
            """,
            ipc,
        )
        assert done.returncode == 0, done.stderr
        got = 0
        while got < 200:
            got += len(pull.recv_many())


@pytest.mark.parametrize(
    "waits",
    [
        "millrace.Pull(bind='inproc://quiet').recv()",
        "millrace.Push(bind='inproc://quiet').send(b'x')",
        "list(client.service('Desk').sig.subscribe())",
        "client.service('Desk').sig.subscribe().get()",
    ],
)
def test_threads_that_wait_are_silent_when_the_program_ends(waits):
    """As they are in Python's own calls: they are daemons, and what they wait for is closed."""
    done = run(
        f"""
        import millrace, threading
        from millrace import qi

        class Desk:
            def __init__(self):
                self.sig = qi.Signal()

        server = qi.Session()
        server.listenStandalone("tcp://127.0.0.1:0")
        server.registerService("Desk", Desk())
        client = qi.Session(server.url())

        def wait():
            begun.set()
            {waits}

        begun = threading.Event()
        threading.Thread(target=wait, daemon=True).start()
        begun.wait()
        # It waits by then, mostly; it may also begin later.
        threading.Event().wait(0.2)
        """
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_other_exceptions_of_threads_are_told_to_the_end():
    done = run(
        """
        import atexit, threading

        def fail():
            gate.wait()
            raise ValueError("of its own")

        gate = threading.Event()
        thread = threading.Thread(target=fail, daemon=True)
        # After ours, which are registered later.
        atexit.register(lambda: (gate.set(), thread.join()))
        import millrace
        thread.start()
        """
    )
    assert "of its own" in done.stderr


def test_forgotten_sockets_are_closed_without_waiting(address):
    push = millrace.Push(connect="tcp://127.0.0.1:1", linger=30)
    del push
    gc.collect()
    # The name is free again when the socket is gone.
    first = millrace.Pair(bind=address)
    del first
    gc.collect()
    with millrace.Pair(bind=address):
        pass


def memory():
    """Bytes that the process has resident, and that Python's own objects take."""
    gc.collect()
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096, tracemalloc.get_traced_memory()[0]


def left_behind(work, few, many):
    """What `many` leave that `few` have not left before them; and descriptors."""
    tracemalloc.start()
    try:
        work(few)
        work(few)
        before, descriptors = memory(), len(os.listdir("/proc/self/fd"))
        work(many)
        after = memory()
    finally:
        tracemalloc.stop()
    assert len(os.listdir("/proc/self/fd")) <= descriptors + 2
    return after[0] - before[0], after[1] - before[1]


def test_nothing_is_left_behind(address):
    def sockets(count):
        for _ in range(count):
            with millrace.Pair(bind=address) as a, millrace.Pair(connect=address) as b:
                a.send(b"x" * 1000)
                b.recv(copy=False)
                a.recv_timeout = 1
                a.try_recv()

    def messages(count):
        with millrace.Pair(bind=address) as a, millrace.Pair(connect=address) as b:
            for _ in range(count):
                a.send(b"y" * 100)
                b.recv()

    def contexts(count):
        with millrace.Rep(bind=address) as server, millrace.Req(connect=address) as client:
            for _ in range(count):
                with client.context() as context, server.context() as answering:
                    context.send(b"x")
                    answering.send(answering.recv())
                    context.recv()

    # 100,000 sockets would be hundreds of megabytes, and a Python object for each of them megabytes.
    for work, many in ((sockets, 50_000), (messages, 100_000), (contexts, 50_000)):
        resident, objects = left_behind(work, 2000, many)
        assert resident < 8 << 20 and objects < 100_000


def test_the_bus_leaves_nothing_behind():
    class Desk:
        def __init__(self):
            self.said = qi.Signal("(i)")

        def echo(self, value):
            return value

    with qi.Session() as server:
        server.listenStandalone("tcp://127.0.0.1:0")
        desk = Desk()
        server.registerService("Desk", desk)

        def work(count):
            for _ in range(count // 50):
                with qi.Session(server.url()) as session:
                    proxy = session.service("Desk")
                    with proxy.said.subscribe() as events:
                        desk.said(1)
                        assert events.get(timeout=20) == (1,)
                    for number in range(50):
                        assert proxy.echo({"number": number, "data": "x" * 100})["number"] == number

        resident, objects = left_behind(work, 2000, 20_000)
        assert resident < 8 << 20 and objects < 200_000


@pytest.mark.parametrize("way", ["close", "with", "end"])
def test_a_method_that_hangs_holds_up_neither_ctrl_c_nor_the_end(way):
    """The method is not over before the test's patience is."""
    done = run(
        """
        import os, signal, sys, threading, time
        from millrace import qi
        # Whoever runs the tests may ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)

        begun = threading.Event()

        class Desk:
            def hang(self):
                begun.set()
                time.sleep(3600)

        server = qi.Session()
        server.listenStandalone("tcp://127.0.0.1:0")
        server.registerService("Desk", Desk())
        client = qi.Session(server.url())
        client.service("Desk").hang(_async=True)
        begun.wait()
        if sys.argv[1] != "end":
            threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
        try:
            if sys.argv[1] == "close":
                server.close()
            elif sys.argv[1] == "with":
                with server:
                    pass
        except KeyboardInterrupt:
            print("interrupted", flush=True)
        """,
        way,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == ("" if way == "end" else "interrupted\n")


def test_ctrl_c_ends_the_end_although_code_still_runs():
    """It had waited for that without looking for signals, and another part of the end was interrupted in its place."""
    done = run(
        """
        import atexit, os, signal, threading, time
        from millrace import qi
        signal.signal(signal.SIGINT, signal.default_int_handler)

        begun, ends = threading.Event(), threading.Event()

        def hang():
            begun.set()
            time.sleep(3600)

        def interrupt():
            ends.wait()
            time.sleep(0.2)
            os.kill(os.getpid(), signal.SIGINT)

        qi.runAsync(hang)
        begun.wait()
        threading.Thread(target=interrupt, daemon=True).start()
        atexit.register(ends.set)
        """
    )
    assert "KeyboardInterrupt" in done.stderr and "qi_close_all" in done.stderr, done.stderr
