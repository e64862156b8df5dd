#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds the C library that init is linked with, unchanged musl, and prints the directory that holds lib/libc.a and
# include/. The result is cached by the hash of everything that goes in. usage: musl.sh REPOSITORY
set -eu
root=$1
cache=${MULLION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mullion}
cc=${CC:-gcc}
source=$("$root/third_party/fetch" --unpack musl)
key=$({ basename "$source"; $cc --version; cat "$root/drivervm/init/musl.sh"; } | sha256sum | cut -c1-16)
out=$cache/musl-linux/$key
if [ ! -e "$out" ]; then
    echo "musl: building the C library of the driver VM's init (about 40 s of CPU, once)" >&2
    mkdir -p "$cache/musl-linux"
    work=$(mktemp -d "$cache/musl-linux/.build-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir "$work/build"
    cd "$work/build"
    CFLAGS="-Os -ffunction-sections -fdata-sections" CC=$cc "$source/configure" --prefix="$work/out" \
        --disable-shared >"$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
    make -j2 install-libs install-headers >>"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
    mv "$work/out" "$out" 2>/dev/null || [ -e "$out" ]
fi
echo "$out"
