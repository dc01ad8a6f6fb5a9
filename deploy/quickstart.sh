#!/bin/sh
# From a fresh checkout to a running cluster: dependencies, a release build in build/, then `ordo up`, which prints
# `ready ws://HOST:PORT/v1/ws` and runs until Ctrl-C. Where there is Node 18 or later with npm, also the demo page, an
# editor for several people: its address is printed as `page http://HOST:PORT/`.
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
if command -v npm >/dev/null 2>&1 && [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]; then
    if "$root/client/js/run" --build >&2; then page="$root/client/js/demo/dist"; fi
fi
[ -n "$page" ] || echo "quickstart: no demo page (it needs Node 18 or later with npm)" >&2
exec "$root/build/bin/ordo" up ${page:+--static "$page"} "$@"
