#!/bin/sh
# Janus' nanomsg transport: a question to the running server, by nanocat. Says how far it came if there is no answer.
for attempt in 1 2 3 4 5 6 7 8 9 10; do
    rm -f /tmp/janus.ipc /tmp/janus.log
    timeout 60 janus --disable-stdout --log-file=/tmp/janus.log > /dev/null 2>&1 < /dev/null &
    pid=$!
    tries=0
    until [ -S /tmp/janus.ipc ] || [ $tries -gt 300 ] || grep -q 'Nanomsg thread ended' /tmp/janus.log; do
        sleep 0.1
        tries=$((tries + 1))
    done 2> /dev/null
    # Its thread ends at once when it is faster than the one that starts it, on Debian's library as well (5 of 50 times).
    if ! grep -q 'Nanomsg thread ended' /tmp/janus.log; then break; fi
    kill $pid
    wait $pid 2> /dev/null
done
nanocat --pair --connect ipc:///tmp/janus.ipc -D '{"janus":"ping","transaction":"42"}' --raw --recv-timeout 5 --send-timeout 5 > /tmp/answer ||
    { echo "after $attempt attempts:"; tail -5 /tmp/janus.log; }
tr -d '\n ' < /tmp/answer
kill $pid
wait $pid 2> /dev/null
echo
