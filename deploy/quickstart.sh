#!/bin/sh
# From a fresh checkout to a running cluster: dependencies, a release build in build/, then `ordo up`, which prints
# `ready ws://HOST:PORT/v1/ws` and runs until Ctrl-C. Also the demo page, an editor for several people: its address is
# printed as `page http://HOST:PORT/`.
#
#   deploy/quickstart.sh [--data DIR] [--listen HOST:PORT]      (options of `ordo up`)
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
case "${1:-}" in -h | --help) sed -n '2,6s/^# \{0,1\}//p' "$0"; exit 0 ;; esac

"$root/deploy/install-deps.sh" --build >&2
cmake -S "$root" -B "$root/build" -G Ninja -DCMAKE_BUILD_TYPE=Release -DORDO_TESTS=OFF >&2
cmake --build "$root/build" >&2

# The page is nice to have: the cluster starts without it where npm or the way to its registry is missing.
page=
if "$root/deploy/install-deps.sh" --page >&2 && "$root/client/js/run" --build >&2; then page="$root/client/js/demo/dist"; fi
[ -n "$page" ] || echo "quickstart: no demo page (see above)" >&2
exec "$root/build/bin/ordo" up ${page:+--static "$page"} "$@"
