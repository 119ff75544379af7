'use strict';
// A thousand jobs for workers in threads of their own; prints what they have found out together.   node examples/pipeline.js

const { Worker, isMainThread } = require('node:worker_threads');
const { Pull, Push } = require('millrace-nanomsg');

async function work() {
  const jobs = new Pull({ connect: 'inproc://jobs' });
  const results = new Push({ connect: 'inproc://results' });
  for await (const job of jobs) await results.send(String(Number(job) ** 2));
}

async function main() {
  const jobs = new Push({ bind: 'inproc://jobs' });
  const results = new Pull({ bind: 'inproc://results' });
  const workers = [1, 2].map(() => new Worker(__filename));
  const sent = jobs.sendMany(Array.from({ length: 1000 }, (_, index) => String(index)));
  let sum = 0;
  for (let count = 0; count < 1000; count++) sum += Number(await results.receive());
  await sent;
  console.log(`the sum of the squares is ${sum}`);
  await Promise.all(workers.map((worker) => worker.terminate()));
}

if (isMainThread) main();
else work();
