#!/bin/sh
# Installs the Debian packages that Ordo needs, by name; does nothing (and asks no network) when all are there.
#
#   deploy/install-deps.sh [--runtime | --build | --page | --test]
#
#   --runtime  what the installed programs need
#   --build    what building them needs
#   --page     what building the browser's client and the demo page needs: Node with npm, unless there is one
#   --test     what the tests need on top of building and the page; the default
set -eu

# Debian 12 names. The evlib package is opened by libwebsockets at run time, so nothing else pulls it in.
# ca-certificates: for webhooks over https.
runtime="libzmq5 librocksdb7.8 libwebsockets17 libwebsockets-evlib-ev libev4 libprotobuf-c1 libxxhash0 libjansson4
    libcurl4 libzstd1 libssl3 zlib1g ca-certificates"
build="build-essential cmake ninja-build pkg-config protobuf-compiler protobuf-c-compiler libprotobuf-c-dev libzmq3-dev
    librocksdb-dev libwebsockets-dev libwebsockets-evlib-ev libev-dev libxxhash-dev libjansson-dev libzstd-dev
    libcurl4-openssl-dev libssl-dev zlib1g-dev"
# llvm: names instead of addresses when a fuzz target fails; etcd-server: for the tests of the directory, on ports of their own;
# curl: runs the commands of docs/http.md; prometheus: for those of the figures and alerts, likewise; openssl: makes certificates;
# chromium: for the tests of client/js.
test="libcmocka-dev clang libclang-rt-dev llvm git curl etcd-server prometheus openssl chromium"

case "${1:---test}" in
    --runtime) wanted=$runtime ;;
    --build) wanted=$build ;;
    --test) wanted="$build $test" ;;
    --page) wanted= ;;
    -h | --help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
    *) echo "install-deps: unknown option '$1' (see --help)" >&2; exit 2 ;;
esac

# A Node from elsewhere is as good as Debian's if it is new enough, and Debian's npm would fight with it.
have_node() {
    command -v npm >/dev/null 2>&1 && command -v node >/dev/null 2>&1 &&
        [ "$(node -p 'process.versions.node.split(".")[0]')" -ge 18 ]
}
case "${1:---test}" in --page | --test) have_node || wanted="$wanted nodejs npm" ;; esac

missing=
for package in $wanted; do
    case "$(dpkg-query -W -f='${Status}' "$package" 2>/dev/null || true)" in
        *"ok installed") ;;
        *) missing="$missing $package" ;;
    esac
done
[ -n "$missing" ] || exit 0

as_root=
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "install-deps: missing:$missing; run this as root, or install sudo" >&2
        exit 1
    }
    as_root=sudo
fi
echo "installing:$missing"
export DEBIAN_FRONTEND=noninteractive
$as_root apt-get update -q
# shellcheck disable=SC2086 # a list of names
$as_root env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends $missing
