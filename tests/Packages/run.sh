#!/usr/bin/env bash
# Packs the libraries and the tool and uses them as a stranger would: the tool installed, a project outside the repository built from
# the packages and run by the JIT, trimmed and as NativeAOT images, always with the same text. Then the images of the command line.
# Where NativeAOT cannot be had, one line says so and the rest runs. Works in a temporary folder and removes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
repository=$PWD
export DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_NOLOGO=1
rid=$(dotnet --info | sed -n 's/^ *RID: *//p')
prompt="The patient was"

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
packages=$work/packages sample=$work/sample log=$work/log
# A version nobody has cached, packages unpacked to a folder of our own.
version=0.0.0-check.$(date +%s)
cache=$(dotnet nuget locals global-packages -l | sed 's/^global-packages: //')

fail() {
    echo "FAILED: $*"
    [ -f "$log" ] && tail -n 40 "$log"
    exit 1
}

run() { # COMMAND…: quiet unless it fails or warns
    "$@" >"$log" 2>&1 || fail "$*"
    ! grep -E ': warning |: error ' "$log" || fail "warnings: $*"
}

same() { # NAME TEXT EXPECTED
    [ "$2" = "$3" ] || fail "$1 wrote '$2', not '$3'"
    echo "ok: $1"
}

size() { awk -v bytes="$(wc -c <"$1")" 'BEGIN { printf "%.1f MB", bytes / 1e6 }'; }

# ---- packages
run dotnet pack FlexKernel.sln -c Release -o "$packages" -p:PackageVersion="$version"
for project in src/*/*.csproj; do
    name=$(basename "$project" .csproj)
    [ -f "$packages/$name.$version.nupkg" ] && [ -f "$packages/$name.$version.snupkg" ] || fail "$name was not packed with its symbols"
    grep -q "lib/net10.0/$name.xml" <<<"$(unzip -l "$packages/$name.$version.nupkg")" || fail "$name has no XML documentation"
done
for package in "$packages"/*.nupkg; do
    content=$(unzip -l "$package")
    grep -q ' README.md$' <<<"$content" && grep -q ' icon.png$' <<<"$content" || fail "$package lacks its README or icon"
    ! grep -E '/native/|\.(so|dylib)$' <<<"$content" || fail "$package holds native files"
    grep -q '<license type="expression">Apache-2.0</license>' <<<"$(unzip -p "$package" '*.nuspec')" || fail "$package has no licence"
done
echo "ok: $(cd "$packages" && ls ./*.nupkg | sed 's|^./||; s|\.0\.0\.0-check.*||' | paste -sd ' '), no native file in any"

# ---- the tool
run dotnet tool install FlexKernel.Tool --tool-path "$work/tool" --add-source "$packages" --version "$version"
generate=(generate --model models --prompt "$prompt" --greedy --max-tokens 24 --quiet)
text=$("$work/tool/flexkernel" "${generate[@]}")
[ -n "$text" ] || fail "the installed tool wrote nothing"
"$work/tool/flexkernel" --version
! message=$(cd "$work" && tool/flexkernel generate --prompt x 2>&1) || fail "the tool found a model where there is none"
grep -q -- "--model DIR" <<<"$message" || fail "without a model the tool says only: $message"
echo "ok: the installed tool writes '$text'"

# ---- a project outside the repository
cp -r tests/Packages/Sample "$sample"
cat >"$sample/nuget.config" <<END
<configuration>
  <packageSources><add key="flexkernel" value="$packages" /></packageSources>
  <fallbackPackageFolders><add key="cache" value="$cache" /></fallbackPackageFolders>
</configuration>
END
publish() { # FOLDER PROPERTIES…
    local folder=$1
    shift
    run env NUGET_PACKAGES="$work/unpacked" dotnet publish "$sample" -c Release -o "$work/$folder" \
        -p:FlexKernelVersion="$version" "$@"
}

publish jit
answer=$("$work/jit/Sample" "$repository/models" "$prompt")
[ -n "$answer" ] || fail "the project from the packages wrote nothing"
echo "ok: a project from the packages writes '$answer'"
publish trimmed -r "$rid" -p:PublishTrimmed=true -p:PublishSingleFile=true
same "trimmed single file, $(size "$work/trimmed/Sample")" "$("$work/trimmed/Sample" "$repository/models" "$prompt")" "$answer"
run dotnet publish tools/flexkernel -c Release -r "$rid" -o "$work/cli" -p:PublishTrimmed=true -p:PublishSingleFile=true
same "command line, trimmed single file, $(size "$work/cli/flexkernel")" \
    "$("$work/cli/flexkernel" "${generate[@]}")" "$text"

# ---- NativeAOT
if ! command -v clang >/dev/null && ! command -v gcc >/dev/null && command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    { apt-get update && apt-get install -y --no-install-recommends clang zlib1g-dev; } >"$log" 2>&1 || true
fi
if ! command -v clang >/dev/null && ! command -v gcc >/dev/null; then
    echo "NativeAOT not tried: it needs clang or gcc and zlib1g-dev, and neither is here nor could be installed."
    exit 0
fi
if ! dotnet restore tools/flexkernel -r "$rid" -p:PublishAot=true >"$log" 2>&1; then
    echo "NativeAOT not tried: its compiler does not restore: $(grep -m1 -o 'error NU.*' "$log")"
    exit 0
fi

publish aot -r "$rid" -p:PublishAot=true
# An image has the 256-bit kernels only if the package chose the processor to compile for.
case $rid in *-x64) export FLEXKERNEL_PATH=256 ;; esac
same "NativeAOT image, $(size "$work/aot/Sample")" "$("$work/aot/Sample" "$repository/models" "$prompt")" "$answer"
unset FLEXKERNEL_PATH
[ "$rid" = linux-x64 ] || exit 0

refusal="CPU ISA level is lower than required"
for cpu in v3 avx512; do
    image=$work/cli-$cpu/flexkernel
    run dotnet publish tools/flexkernel -c Release -r "$rid" -o "$work/cli-$cpu" -p:PublishAot=true -p:FlexKernelCpu=$cpu
    [ "$(ls "$work/cli-$cpu")" = flexkernel ] || fail "beside the image lies more: $(ls "$work/cli-$cpu")"
    if ! message=$("$image" --version 2>&1); then
        grep -q "$refusal" <<<"$message" || fail "$cpu image on a processor that lacks its instructions: $message"
        echo "ok: command line for $cpu, $(size "$image"), refuses this processor: $message"
        continue
    fi
    same "command line for $cpu, $(size "$image")" "$("$image" "${generate[@]}")" "$text"
    "$image" --version | tail -n 1
    run "$image" verify tests/Fixtures --all-paths
    echo "ok: $(tail -n 1 "$log")"
    if command -v qemu-x86_64 >/dev/null; then
        message=$(qemu-x86_64 -cpu Nehalem "$image" --version 2>&1 | grep -v '^qemu' || true)
        grep -q "$refusal" <<<"$message" || fail "$cpu image on an old processor says: $message"
        echo "ok: on an old processor it says '${message#"$work"/}'"
    fi
done
