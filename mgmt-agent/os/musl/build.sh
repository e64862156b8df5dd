#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds musl for the unikernel and prints the directory that holds lib/libc.a and include/. The result is cached
# by the hash of everything that goes in: the source, our syscall_arch.h, this script and the compiler's version.
# usage: build.sh REPOSITORY
set -eu
root=$1
here=$root/mgmt-agent/os/musl
cache=${MULLION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mullion}
cc=${CC:-gcc}
source=$("$root/third_party/fetch" --unpack musl)
key=$({ basename "$source"; $cc --version; cat "$here/syscall_arch.h" "$here/build.sh"; } | sha256sum | cut -c1-16)
out=$cache/musl/$key
if [ ! -e "$out" ]; then
    echo "musl: building the agent's C library (about 40 s of CPU, once)" >&2
    mkdir -p "$cache/musl"
    work=$(mktemp -d "$cache/musl/.build-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    cp -r "$source" "$work/src"
    cd "$work/src"
    cp "$here/syscall_arch.h" arch/x86_64/syscall_arch.h
    # In ring 0 HLT would stop the CPU silently; UD2 ends in the agent's exception report.
    sed -i 's/"hlt"/"ud2"/' arch/x86_64/atomic_arch.h
    CFLAGS="-Os -mno-red-zone -fno-pic -fno-pie -fcf-protection=none -ffunction-sections -fdata-sections" \
        CC=$cc ./configure --prefix="$work/out" --disable-shared >"$work/log" 2>&1 || { tail "$work/log" >&2; exit 1; }
    make -j2 install-libs install-headers >>"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
    mv "$work/out" "$out" 2>/dev/null || [ -e "$out" ]
fi
echo "$out"
