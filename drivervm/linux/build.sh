#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the driver VM's kernel and prints the directory that holds bzImage, config and System.map. The result is
# cached by the hash of everything that goes in: the source, our configuration, this script, compiler and binutils.
# usage: build.sh REPOSITORY
set -eu
root=$1
here=$root/drivervm/linux
cache=${MULLION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mullion}
cc=${CC:-gcc}
jobs=${JOBS:-$(nproc)}
source=$("$root/third_party/fetch" --unpack linux)
key=$({ basename "$source"; $cc --version; ld --version; cat "$here/config" "$here/build.sh"; } | sha256sum | cut -c1-16)
out=$cache/linux/$key

# Kbuild is a make of its own: what an outer make hands down (-r, its job server) is not for it. The names, the date
# and the path that a kernel keeps of its build are fixed, so that the same source gives the same bytes anywhere.
unset MAKEFLAGS MFLAGS MAKELEVEL MAKEOVERRIDES GNUMAKEFLAGS CFLAGS CPPFLAGS LDFLAGS CROSS_COMPILE ARCH V O
export LC_ALL=C TZ=UTC KBUILD_BUILD_USER=mullion KBUILD_BUILD_HOST=build KBUILD_BUILD_VERSION=1
export KBUILD_BUILD_TIMESTAMP='2025-01-01 00:00:00 UTC' SOURCE_DATE_EPOCH=1735689600

kbuild() {
    nice make -C "$source" O="$work/out" CC="$cc" HOSTCC="$cc" ARCH=x86_64 "$@"
}

# An option that the kernel's own rules override would be a wish without effect: such a line must not stand there.
check_config() {
    grep -E '^(CONFIG_|# CONFIG_.* is not set)' "$here/config" | while read -r line; do
        name=$(echo "$line" | sed 's/^# //; s/[ =].*//')
        case $line in
            '#'*) ! grep -q "^$name=" "$work/out/.config" || echo "$line" ;;
            *) grep -qxF "$line" "$work/out/.config" || echo "$line" ;;
        esac
    done >"$work/refused"
    [ ! -s "$work/refused" ] || {
        echo "linux: *** drivervm/linux/config asks for what this kernel does not grant:"
        cat "$work/refused"
        return 1
    }
}

# A line every half minute, so that nobody takes a long build for a hung one; there are about 1,750 object files.
report_progress() {
    while sleep 30 >/dev/null 2>&1; do
        echo "linux: $(find "$work/out" -name '*.o' | wc -l) of about 1750 files compiled" >&2
    done
}

build() {
    mkdir -p "$work/out" &&
        kbuild -s tinyconfig &&
        (cd "$work/out" && "$source/scripts/kconfig/merge_config.sh" -m -O . .config "$here/config") &&
        kbuild olddefconfig &&
        check_config &&
        kbuild -j"$jobs" bzImage
}

# Two makes at once share the cache: one of them builds, the other waits.
if [ ! -e "$out" ]; then
    mkdir -p "$cache/linux"
    exec 9>"$cache/linux/lock"
    flock -n 9 || { echo "linux: another make builds a kernel; waiting for it" >&2; flock 9; }
    rm -rf "$cache"/linux/.build-* # of builds that were killed: nobody else is in here now
fi
if [ ! -e "$out" ]; then
    echo "linux: building the driver VM's kernel (about 16 minutes of CPU on $jobs jobs, once)" >&2
    work=$(mktemp -d "$cache/linux/.build-XXXXXX")
    report_progress 9>&- &
    reporter=$!
    trap 'kill $reporter; rm -rf "$work"' EXIT
    build >"$work/log" 2>&1 || {
        grep -m1 -B2 -A20 -E 'error:|\*\*\*' "$work/log" >&2 || tail -20 "$work/log" >&2
        exit 1
    }
    mkdir "$work/done"
    cp "$work/out/arch/x86/boot/bzImage" "$work/out/System.map" "$work/done/"
    cp "$work/out/.config" "$work/done/config"
    mv -T "$work/done" "$out"
fi
echo "$out"
