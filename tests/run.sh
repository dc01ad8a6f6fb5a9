#!/bin/bash
# All tests, from a clean checkout to one line with the result; README's second command, and what CI runs.
#
#   tests/run.sh [--long] [--only STAGE]... [--keep]
#
#   --long         more kills, more seeds, ten minutes per fuzz target
#   --only STAGE   just this stage (may be repeated): release, sanitize, threads, fuzz, smoke, node
#   --keep         keep the work folder with builds and logs, and print where it is
#
# Builds and logs live in a temporary folder. Exit status 0: everything passed.
set -euo pipefail

root=$(cd "$(dirname "$0")/.." && pwd)
long= keep= only=()
while [ $# -gt 0 ]; do
    case $1 in
        --long) long=1 ;;
        --keep) keep=1 ;;
        --only) shift; only+=("${1:?--only wants a stage}") ;;
        -h | --help) sed -n '2,10s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "run.sh: unknown option '$1' (see --help)" >&2; exit 2 ;;
    esac
    shift
done
exec </dev/null

if [ -n "$long" ]; then export ORDO_LONG=1; fi
export TSAN_OPTIONS="suppressions=$root/tests/tsan.supp exitcode=66 ${TSAN_OPTIONS:-}"
export UBSAN_OPTIONS="print_stacktrace=1 ${UBSAN_OPTIONS:-}"
fuzz_seconds=20
[ -z "$long" ] || fuzz_seconds=600

work=$(mktemp -d "${TMPDIR:-/tmp}/ordo-tests.XXXXXX")
mkdir "$work/tmp"
export TMPDIR="$work/tmp" # a test that is killed cannot tidy up after itself
made_modules=()
clean_up() {
    local modules
    for modules in ${made_modules[@]+"${made_modules[@]}"}; do rm -rf "$modules"; done
    if [ -n "$keep" ]; then echo "kept: $work"; else rm -rf "$work"; fi
}
trap clean_up EXIT
trap 'exit 130' INT TERM
trap 'exit 141' PIPE

passed=0 failed=0 failures=()
started=$SECONDS

wants() {
    [ ${#only[@]} -eq 0 ] && return 0
    local stage
    for stage in "${only[@]}"; do [ "$stage" = "$1" ] && return 0; done
    return 1
}

# What a reader of a failure wants of a log: the Node tests that failed, each with its reason, and the end of it all.
excerpt() {
    grep -E -A 120 '^ *not ok |^ *✖ ' "$1" | head -n 600 || true
    grep -vE ' Passed +[0-9.]+ sec|^ +Start +[0-9]+:|^ *(ok |# Subtest|---|\.\.\.|duration_ms|1\.\.)' "$1" | tail -n 80
}

# step NAME COMMAND…: runs it with its output in a log; on failure shows an excerpt of that. Returns its status.
step() {
    local name=$1 log="$work/${1// /-}.log" begun=$SECONDS status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    if [ $status -eq 0 ]; then
        printf '%-28s ok      %4d s\n' "$name" $((SECONDS - begun))
    else
        printf '%-28s FAILED  %4d s\n' "$name" $((SECONDS - begun))
        excerpt "$log" | sed 's/^/    /' || true
        failures+=("$name")
    fi
    return $status
}

# One test that is one step.
test_step() { if step "$@"; then passed=$((passed + 1)); else failed=$((failed + 1)); fi; }

# Adds what a log says about tests inside a step; a step that failed without saying so counts as one failure.
count() { # STATUS PASSED FAILED
    passed=$((passed + $2))
    failed=$((failed + $3))
    if [ "$1" -ne 0 ] && [ "$3" -eq 0 ]; then failed=$((failed + 1)); fi
}

launcher=()
command -v ccache >/dev/null 2>&1 && launcher=(-DCMAKE_C_COMPILER_LAUNCHER=ccache)

# build NAME CMAKE_OPTIONS…: into $work/NAME; all, or what the caller's `targets` names.
targets=()
build() { step "build $1" configure_and_build "$@" || { failed=$((failed + 1)); return 1; }; }
configure_and_build() {
    local folder="$work/$1"
    shift
    cmake -S "$root" -B "$folder" -G Ninja ${launcher[@]+"${launcher[@]}"} "$@" &&
        cmake --build "$folder" ${targets[@]+--target "${targets[@]}"}
}

# unit NAME CTEST_OPTIONS…: ctest of $work/NAME.
unit() {
    local name=$1 status=0 log="$work/test-$1.log" summary skipped
    shift
    step "test $name" ctest --test-dir "$work/$name" --output-on-failure --no-tests=error -j$(($(nproc) + 1)) "$@" || status=$?
    # "97% tests passed, 1 tests failed out of 38", and with the passed it counts what did not run: "12 - name (Skipped)"
    summary=$(sed -nE 's/.* ([0-9]+) tests failed out of ([0-9]+).*/\1 \2/p' "$log")
    skipped=$(grep -c ' (Skipped)$' "$log" || true)
    set -- ${summary:-0 0}
    count $status $(($2 - $1 - skipped)) "$1"
    [ "$skipped" -eq 0 ] || echo "    $skipped skipped: $(sed -nE 's/.* - (.*) \(Skipped\)$/\1/p' "$log" | xargs)"
}

release_options=(-DCMAKE_BUILD_TYPE=Release)
debug_options=(-DCMAKE_BUILD_TYPE=RelWithDebInfo)

stage_release() {
    build release "${release_options[@]}" || return 0
    unit release
    test_step install install_check
}

# What is installed must stand on its own feet. (`set -e` rests within a step, so every line says what it needs.)
install_check() {
    cmake --install "$work/release" --prefix "$work/prefix" >/dev/null && "$root/tests/smoke.sh" "$work/prefix/bin"
}

stage_sanitize() {
    build sanitize "${debug_options[@]}" -DORDO_SANITIZE=address,undefined || return 0
    unit sanitize
}

# The cores are single-threaded; the threads are those of the shard's edges and of the directory: their own tests, and the
# smoke test.
stage_threads() {
    local tests=(test_workers test_store_rocksdb test_folder test_shard_process test_directory_file test_directory_etcd test_http_port)
    local targets=(ordo ordo-load ordo-shard ordo-gateway "${tests[@]}")
    build threads "${debug_options[@]}" -DORDO_SANITIZE=thread || return 0
    unit threads -R "^($(IFS='|'; echo "${tests[*]}"))\$"
}

# The real programs under load, killed and restarted, with every sanitizer.
stage_smoke() {
    local name
    for name in sanitize threads; do
        [ -x "$work/$name/bin/ordo" ] || continue
        test_step "smoke $name" "$root/tests/smoke.sh" "$work/$name/bin"
    done
}

fuzz_one() {
    local target=$1 name seeds
    name=$(basename "$target")
    seeds="$root/tests/fuzz/seeds/$name"
    mkdir -p "$work/corpus-$name"
    [ -d "$seeds" ] || seeds=
    "$target" -max_total_time=$fuzz_seconds -rss_limit_mb=2048 -timeout=10 -print_final_stats=1 \
        -artifact_prefix="$work/$name-" "$work/corpus-$name" ${seeds:+"$seeds"}
}

stage_fuzz() {
    local source fuzzers=() pids=() status
    for source in "$root"/tests/fuzz/fuzz_*.c; do fuzzers+=("$(basename "$source" .c)"); done
    local targets=("${fuzzers[@]}")
    build fuzz "${debug_options[@]}" -DCMAKE_C_COMPILER=clang -DORDO_FUZZ=ON -DORDO_SANITIZE=address,undefined ||
        return 0
    # One per core at a time; each reports for itself once its batch is through.
    local width i k fuzzer
    width=$(nproc)
    for ((i = 0; i < ${#fuzzers[@]}; i += width)); do
        pids=()
        for fuzzer in "${fuzzers[@]:i:width}"; do
            fuzz_one "$work/fuzz/tests/fuzz/$fuzzer" >"$work/$fuzzer.fuzz" 2>&1 &
            pids+=($!)
        done
        for ((k = 0; k < ${#pids[@]}; k++)); do
            fuzzer=${fuzzers[i + k]} status=0
            wait "${pids[k]}" || status=$?
            test_step "$fuzzer" fuzz_result "$status" "$fuzzer"
        done
    done
}
# The work folder goes, so an input that fails must be in the report.
fuzz_result() { # STATUS FUZZER
    local input
    cat "$work/$2.fuzz"
    for input in "$work/$2"-{crash,leak,oom,timeout}-*; do
        [ ! -f "$input" ] || echo "the input, for base64 -d: $(base64 -w 0 "$input")"
    done
    return "$1"
}

# The folders of Node tests, and the TypeScript client, bring a `run` of their own, which installs what their lock file names.
# A node_modules (or a build) that was there stays, one that it makes goes.
stage_node() {
    [ -x "$work/release/bin/ordo" ] || build release "${release_options[@]}" || return 0
    local folder name status log made
    for folder in "$root"/tests/*/ "$root"/client/js/; do
        [ -f "$folder/package.json" ] || continue
        name=$(basename "$folder")
        for made in node_modules dist demo/dist; do
            [ -d "$folder$made" ] || made_modules+=("$folder$made")
        done
        status=0
        ORDO_BIN="$work/release/bin" step "node $name" "${folder}run" ${long:+--long} || status=$?
        log="$work/node-$name.log"
        # Node's own reporters print "# pass 12" (TAP) or "ℹ pass 12" (spec).
        count $status "$(sum_of pass "$log")" "$(sum_of fail "$log")"
        sum_of skipped "$log" | sed -nE "s/^([1-9].*)/    \1 skipped, as the log says why:/p"
        grep -E '# SKIP|﹣' "$log" | sed 's/^ */      /' || true
    done
}
sum_of() { sed -nE "s/^(#|ℹ) $1 ([0-9]+)$/\2/p" "$2" | awk '{ sum += $1 } END { print sum + 0 }'; }

main() {
    step dependencies "$root/deploy/install-deps.sh" || exit 1
    local stage failure seconds
    for stage in release sanitize threads smoke fuzz node; do
        if wants $stage; then stage_$stage; fi
    done
    seconds=$((SECONDS - started))
    for failure in ${failures[@]+"${failures[@]}"}; do echo "failed: $failure"; done
    echo "$passed passed, $failed failed ($((seconds / 60)) min $((seconds % 60)) s)"
    [ $failed -eq 0 ] && [ $passed -gt 0 ]
}
# In one line, so that bash has read all of this file before a test or a person changes it.
main; exit $?
