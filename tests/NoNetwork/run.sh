#!/usr/bin/env bash
# Trains for a few steps where nothing can be reached, not even this machine itself, and again under strace, which shows every socket.
# What the machine does not permit is skipped, saying so; when nothing is left, the exit code is 77.
# Needs the command line built: dotnet build tools/flexkernel -c Release.
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log checked=0

fail() {
    echo "FAILED: $*"
    [ -f "$log" ] && tail -n 20 "$log"
    exit 1
}

program=(dotnet tools/flexkernel/bin/Release/net10.0/FlexKernel.Cli.dll)
[ -f "${program[1]}" ] || fail "${program[1]} is not built"

mkdir "$work/texts"
for i in $(seq 60); do
    echo "Text $i of this folder says that $i and $((i + 1)) make $((2 * i + 1)), and that $i times two is $((2 * i))." >"$work/texts/$i.txt"
done

train() { # PLACE COMMAND…: every verb that trains, each started by the command
    local place=$work/$1
    shift
    local texts=(--data "$work/texts" --cache-dir "$place/cache" --window 16 --batch 2 --threads 2 --validation-share 0.2)
    local small=(--shape olmo2-7b --layers 2 --hidden 32 --heads 2 --intermediate 64 --vocab 8192 --tokenizer models)
    run() {
        "$@" >"$log" 2>&1 || fail "$*"
    }

    run "$@" "${program[@]}" train base "$place/base" "${texts[@]}" "${small[@]}" --steps 3
    run "$@" "${program[@]}" train expert "$place/expert" "${texts[@]}" --model models --rank 4 --steps 3 --pause-after 0.001s
    grep -q 'train resume' "$log" || fail "the expert's run was not paused"
    run "$@" "${program[@]}" train resume "$place/expert" --cache-dir "$place/cache"
    run "$@" "${program[@]}" train router "$place/router" "${texts[@]}" --model "$place/expert/model" --steps 2
    verbs="base, expert, resume, router"
    if grep -q '^  finetune ' <<<"$("${program[@]}" --help)"; then
        run "$@" "${program[@]}" finetune "$place/tuned" "${texts[@]}" --texts --model "$place/base/model" --steps 2
        verbs="$verbs, finetune"
    fi

    for result in base/model expert/model router/model; do
        [ -f "$place/$result/model.safetensors" ] || fail "$place/$result was not written"
    done
}

# ---- an empty network namespace
reach='(echo >/dev/tcp/127.0.0.1/9) 2>&1'
alone=()
for command in "unshare --net" "unshare --map-root-user --net"; do
    if [ ${#alone[@]} -eq 0 ] && $command true 2>/dev/null; then
        read -ra alone <<<"$command"
    fi
done
if [ ${#alone[@]} -gt 0 ]; then
    message=$("${alone[@]}" bash -c "$reach" || true)
    grep -q 'unreachable' <<<"$message" || fail "in the namespace 127.0.0.1 is not unreachable: $message"
    train namespace "${alone[@]}"
    echo "ok: without a network, by '${alone[*]}': $verbs"
    checked=$((checked + 1))
else
    echo "Not run without a network: unshare is missing, or not permitted here."
fi

# ---- every socket
trace=(strace --follow-forks --seccomp-bpf --trace=socket,connect -o "$work/sockets")
if ! command -v strace >/dev/null; then
    echo "Sockets not watched: strace is missing."
elif ! "${trace[@]}" true 2>"$log"; then
    echo "Sockets not watched: strace does not work here: $(tail -n 1 "$log")"
else
    # What it must be able to see, or seeing nothing says nothing.
    "${trace[@]}" bash -c "$reach" >/dev/null 2>&1 || true
    grep -q 'socket(AF_INET' "$work/sockets" || fail "strace does not show the socket of a connection"

    : >"$work/all"
    watch() {
        local status=0
        "${trace[@]}" "$@" || status=$?
        grep -q 'exited with' "$work/sockets" || fail "strace followed nothing"
        cat "$work/sockets" >>"$work/all"
        return $status
    }
    train watched watch
    ! grep -E 'socket\(AF_INET|AF_INET6?,' "$work/all" || fail "a verb opened a socket of the network"
    echo "ok: no socket of the network in $(grep -c 'exited with' "$work/all") threads, $(grep -c 'socket(AF_UNIX' "$work/all") local ones of the runtime: $verbs"
    checked=$((checked + 1))
fi

[ "$checked" -gt 0 ] || exit 77
