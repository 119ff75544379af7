"""A wall that a browser writes on: open http://127.0.0.1:8080 in as many windows as you like.

The page is a BUS peer over ws: what one window sends, this program passes on to all others.

    python wall.py [HTTP-PORT [WS-PORT]]
"""

import asyncio
import sys

import millrace

PAGE = """<!doctype html>
<meta charset="utf-8">
<title>The wall</title>
<form><input id="line" autofocus> <button>Write</button></form>
<p id="state">connecting…</p>
<ul id="wall"></ul>
<script>
const [form, line, state, wall] = [document.forms[0], ...["line", "state", "wall"].map(id => document.getElementById(id))];
const show = text => wall.append(Object.assign(document.createElement("li"), {textContent: text}));
let peer;
function connect() {
    peer = new WebSocket("ws://127.0.0.1:%d", "bus.sp.nanomsg.org");
    peer.binaryType = "arraybuffer";
    peer.onopen = () => state.textContent = "connected";
    peer.onmessage = event => show(typeof event.data == "string" ? event.data : new TextDecoder().decode(event.data));
    // A browser does not connect again by itself.
    peer.onclose = () => { state.textContent = "connecting…"; setTimeout(connect, 1000); };
}
form.onsubmit = event => {
    event.preventDefault();
    if (peer.readyState == WebSocket.OPEN) {
        peer.send(new TextEncoder().encode(line.value));
        show(line.value);
        line.value = "";
    }
};
connect();
</script>
"""


async def page(reader, writer, ws_port):
    while (await reader.readline()).strip():
        pass
    body = (PAGE % ws_port).encode()
    head = f"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    writer.close()


async def main(http_port, ws_port):
    # A raw BUS passes on what comes from one peer to all others: the header says where it came from.
    with millrace.Bus(raw=True, bind=f"ws://127.0.0.1:{ws_port}") as wall:
        server = await asyncio.start_server(lambda r, w: page(r, w, ws_port), "127.0.0.1", http_port)
        print(f"http://127.0.0.1:{http_port}", flush=True)
        async with server:
            await asyncio.get_running_loop().run_in_executor(None, millrace.device, wall)


ports = [int(port) for port in sys.argv[1:]] + [8080, 8081][len(sys.argv) - 1 :]
asyncio.run(main(*ports))
