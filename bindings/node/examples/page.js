'use strict';
// A wall that everybody writes on: run it, open the address that it prints in two windows, and write. Each page is a peer of
// a BUS socket over ws.   node examples/page.js [http port] [ws port]

const http = require('node:http');
const { Socket, device } = require('millrace-nanomsg');

const BUS = 112;
const [httpPort, wsPort] = process.argv.slice(2).map(Number);

const page = (address) => `<!doctype html>
<meta charset="utf-8">
<title>The wall</title>
<form><input id="line" autofocus> <button>Write</button></form>
<p id="state">connecting…</p>
<ul id="wall"></ul>
<script>
const [form, line, state, wall] = [document.forms[0], ...['line', 'state', 'wall'].map((id) => document.getElementById(id))];
const show = (text) => wall.append(Object.assign(document.createElement('li'), { textContent: text }));
let peer;
function connect() {
  peer = new WebSocket('${address}', 'bus.sp.nanomsg.org');
  peer.binaryType = 'arraybuffer';
  peer.onopen = () => state.textContent = 'connected';
  peer.onmessage = (event) => show(typeof event.data === 'string' ? event.data : new TextDecoder().decode(event.data));
  // A browser does not connect again by itself.
  peer.onclose = () => { state.textContent = 'connecting…'; setTimeout(connect, 1000); };
}
form.onsubmit = (event) => {
  event.preventDefault();
  if (peer.readyState === WebSocket.OPEN) {
    peer.send(new TextEncoder().encode(line.value));
    show(line.value);
    line.value = '';
  }
};
connect();
</script>
`;

// A raw BUS passes on what comes from one peer to all others: the header says where it came from.
const wall = new Socket(BUS, { raw: true });
const { address } = wall.bind(`ws://127.0.0.1:${wsPort || 0}`);
device(wall);

const server = http.createServer((_request, response) => response.setHeader('content-type', 'text/html').end(page(address)));
server.listen(httpPort || 0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
