#!/usr/bin/env bash
# Runs the samples on models/ as their first lines say, and looks at what they answer. Needs them built: dotnet build FlexKernel.sln -c Release.
set -euo pipefail
cd "$(dirname "$0")/../.."
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1

fail() {
    echo "FAILED: $*"
    exit 1
}

sample() { # NAME ARGUMENTS…
    local name=$1
    shift
    dotnet run --project "samples/$name" -c Release --no-build --no-launch-profile -- "$@"
}

for program in samples/*/Program.cs; do
    [ "$(wc -l <"$program")" -le 60 ] || fail "$program has more than 60 lines"
done

chat=$(printf 'The patient was\nwithout medical\nThe patient was\nwithout nobody\nHello\n\n' | sample ConsoleChat models)
[ "$(grep -c ' tokens; ' <<<"$chat")" = 2 ] || fail "the chat did not answer twice: $chat"
grep -q 'medical [0-9]* %' <<<"$(grep -m 1 ' tokens; ' <<<"$chat")" || fail "the medical expert wrote nothing: $chat"
! grep -q 'medical [0-9]* %' <<<"$(grep ' tokens; ' <<<"$chat" | tail -n 1)" || fail "an excluded expert wrote: $chat"
grep -q "nobody" <<<"$(grep -v ' tokens; ' <<<"$chat")" || fail "an unknown expert was not refused: $chat"
echo "ok: ConsoleChat"

search=$(sample DocumentSearch models docs "Which experts may a request use?")
[ "$(grep -cE '^0\.[0-9]{3}  .*\.md$' <<<"$search")" = 3 ] || fail "the search found no three paragraphs: $search"
echo "ok: DocumentSearch, $(head -n 1 <<<"$search")"

port=$((20000 + RANDOM % 20000)) log=$(mktemp)
sample WebApp --FlexKernel:ModelPath=models --urls "http://127.0.0.1:$port" >"$log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null || true; rm -f "$log"' EXIT
get() { curl -sS --max-time 60 "http://127.0.0.1:$port/$1"; }
for _ in $(seq 120); do
    [ "$(get health 2>/dev/null)" = Healthy ] && break
    sleep 0.5
done
[ "$(get health)" = Healthy ] || fail "the web application is not healthy: $(cat "$log")"
get "" | grep -q '<title>FlexKernel</title>' || fail "the web application has no page"
get experts | grep -q '"medical"' || fail "the web application lists no experts"
answer=$(get "answer?text=The+patient+was&without=medical")
[ "$(grep -c '^data: "' <<<"$answer")" -ge 5 ] || fail "the web application streamed no answer: $answer"
grep -q '^event: end' <<<"$answer" || fail "the stream did not end: $answer"
echo "ok: WebApp, $(grep -c '^data: "' <<<"$answer") events"
