"""One server, a thousand clients, one thread.

    python asyncio_server.py [CLIENTS]
"""

import asyncio
import sys
import tempfile

import millrace


async def serve(server):
    async for request in server:
        await server.asend(b"for client " + request)


async def client(number, address):
    async with millrace.Req(connect=address) as socket:
        await socket.asend(b"%d" % number)
        return await socket.arecv()


async def main(count):
    with tempfile.TemporaryDirectory() as directory:
        address = f"ipc://{directory}/server"
        async with millrace.Rep(bind=address) as server:
            serving = asyncio.ensure_future(serve(server))
            answers = await asyncio.gather(*(client(number, address) for number in range(count)))
            serving.cancel()
    print(f"{len(set(answers))} answers, the last one: {answers[-1].decode()}")


asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
