#!/bin/bash
# The programs of one folder, started by `ordo up`, used through the command line, killed under load, stopped, verified.
#
#   tests/smoke.sh BIN_DIR
set -euo pipefail

bin=$(cd "${1:?usage: tests/smoke.sh BIN_DIR}" && pwd)
work=$(mktemp -d "${TMPDIR:-/tmp}/ordo-smoke.XXXXXX")
up=
clean_up() {
    if [ -n "$up" ]; then kill -KILL "$up" 2>/dev/null || true; fi # its children die with it
    rm -rf "$work"
}
trap clean_up EXIT

fail() {
    echo "smoke: $*"
    tail -n 50 "$work/up.err" || true
    exit 1
}

# Sets `url`; the cluster keeps its port over our restarts of it.
listen=127.0.0.1:0
start() {
    mkfifo "$work/ready"
    "$bin/ordo" up --data "$work/data" --listen "$listen" >"$work/ready" 2>>"$work/up.err" &
    up=$!
    local word
    read -r -t 60 word url <"$work/ready" || fail "the cluster did not get ready"
    rm "$work/ready"
    [ "$word" = ready ] || fail "said '$word $url' instead of ready"
    listen=${url#ws://}
    listen=${listen%%/*}
}

stop() {
    kill -TERM "$up"
    local status=0
    wait "$up" || status=$?
    up=
    [ $status -eq 0 ] || fail "ordo up ended with status $status"
}

pid_of() { cat "$work/data/run/$1.pid"; }

ordo() { "$bin/ordo" "$@"; }

start
echo "1. put, cat, log"
printf 'one\ntwo \xf0\x9f\x98\x80\nthree\n' >"$work/first"
printf 'one\n2\nthree\nfour\n' >"$work/second"
ordo doc put --url "$url" notes/a <"$work/first" || fail "put"
ordo doc cat --url "$url" notes/a | cmp - "$work/first" || fail "cat differs from what was put"
ordo doc put --url "$url" notes/a <"$work/second" || fail "second put"
ordo doc cat --url "$url" notes/a | cmp - "$work/second" || fail "cat differs from what was put second"
ordo doc log --url "$url" notes/a >"$work/log" || fail "log"
grep -q '"server_seq":1,' "$work/log" || fail "the log does not begin at 1"
ordo doc cat --url "$url" notes/none 2>"$work/none" && fail "a document that does not exist was printed"
[ "$(wc -l <"$work/none")" -eq 1 ] || fail "not one line about a missing document"

echo "2. load, with both processes killed under it"
"$bin/ordo-load" --url "$url" --docs 4 --clients 3 --readers 1 --duration 8 --warmup 0.5 --length 300 --verify &
load=$!
for victim in shard gateway shard; do
    sleep 2
    old=$(pid_of "$victim")
    kill -KILL "$old"
    for _ in $(seq 300); do
        [ -e "$work/data/run/$victim.pid" ] && [ "$(pid_of "$victim")" != "$old" ] && break
        sleep 0.1
    done
    [ "$(pid_of "$victim")" != "$old" ] || fail "$victim was not restarted"
done
wait "$load" || fail "the load run failed"

echo "3. stop, verify, start again"
stop
ordo verify "$work/data" || fail "verify found something"
start
ordo doc cat --url "$url" notes/a | cmp - "$work/second" || fail "the document changed over a restart"
stop
grep -E 'ERROR: (Address|Leak)Sanitizer|WARNING: ThreadSanitizer|runtime error:' "$work/up.err" && fail "a sanitizer spoke up"
echo "smoke: fine"
