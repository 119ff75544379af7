#!/bin/sh
# Janus' nanomsg transport: a question to the running server, by nanocat. Says how far it came if there is no answer.
rm -f /tmp/janus.ipc
timeout 90 janus --disable-stdout --log-file=/tmp/janus.log > /dev/null 2>&1 < /dev/null &
pid=$!
tries=0
until [ -S /tmp/janus.ipc ] || [ $tries -gt 600 ]; do sleep 0.1; tries=$((tries + 1)); done
nanocat --pair --connect ipc:///tmp/janus.ipc -D '{"janus":"ping","transaction":"42"}' --raw --recv-timeout 5 --send-timeout 5 > /tmp/answer ||
    { echo "after $tries tries:"; tail -5 /tmp/janus.log; }
tr -d '\n ' < /tmp/answer
kill $pid
wait $pid 2> /dev/null
echo
