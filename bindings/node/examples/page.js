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
<form><input autofocus> <button>Write</button></form>
<ul></ul>
<script>
  const show = (text) => document.querySelector('ul').append(Object.assign(document.createElement('li'), { textContent: text }));
  const wall = new WebSocket('${address}', 'bus.sp.nanomsg.org');
  wall.binaryType = 'arraybuffer';
  wall.onmessage = (event) => show(typeof event.data === 'string' ? event.data : new TextDecoder().decode(event.data));
  document.querySelector('form').onsubmit = (event) => {
    event.preventDefault();
    const input = document.querySelector('input');
    wall.send(new TextEncoder().encode(input.value));
    show(input.value);
    input.value = '';
  };
</script>
`;

// A raw BUS passes on what comes from one peer to all others: the header says where it came from.
const wall = new Socket(BUS, { raw: true });
const { address } = wall.bind(`ws://127.0.0.1:${wsPort || 0}`);
device(wall);

const server = http.createServer((_request, response) => response.setHeader('content-type', 'text/html').end(page(address)));
server.listen(httpPort || 0, '127.0.0.1', () => console.log(`http://127.0.0.1:${server.address().port}/`));
