#!/bin/sh
# From a fresh checkout to a running cluster: dependencies, a release build in build/, then `ordo up`, which prints
# `ready ws://HOST:PORT/v1/ws` and runs until Ctrl-C.
#
#   deploy/quickstart.sh [--data DIR] [--listen HOST:PORT]      (options of `ordo up`)
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
case "${1:-}" in -h | --help) sed -n '2,5s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

"$root/deploy/install-deps.sh" --build >&2
cmake -S "$root" -B "$root/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DORDO_TESTS=OFF >&2
cmake --build "$root/build" >&2
exec "$root/build/bin/ordo" up "$@"
