#!/bin/sh
# SPDX-License-Identifier: MIT
# Builds lwIP, mbedTLS and picohttpparser with the agent's options and prints the directory that holds libagent.a
# and include/. The result is cached by the hash of everything that goes in.
# usage: libraries.sh REPOSITORY unikernel|host|fuzz
#   unikernel  against the agent's musl     host, fuzz  against the system's libc, with AddressSanitizer
set -eu
root=$1
variant=$2
cache=${MULLION_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/mullion}
cc=${CC:-gcc}
lwip=$("$root/third_party/fetch" --unpack lwip)
mbedtls=$("$root/third_party/fetch" --unpack mbedtls)
h2o=$("$root/third_party/fetch" --unpack h2o)
options="$root/mgmt-agent/net/lwip/lwipopts.h $root/mgmt-agent/net/lwip/arch/cc.h $root/mgmt-agent/tls/mbedtls_config.h"
flags="-std=gnu17 -g -ffunction-sections -fdata-sections -w"
case $variant in
unikernel)
    musl=$(CC=$cc "$root/third_party/musl" unikernel)
    flags="$flags -Os -mno-red-zone -fno-pic -fno-pie -fcf-protection=none -fno-asynchronous-unwind-tables
        -fstack-protector-strong -nostdinc -isystem $musl/include -isystem $($cc -print-file-name=include)"
    ;;
host | fuzz) flags="$flags -O1 -fsanitize=address -fno-omit-frame-pointer" ;;
*) echo "libraries.sh: $variant: unknown variant" >&2 && exit 2 ;;
esac
# shellcheck disable=SC2086
key=$({ basename -a "$lwip" "$mbedtls" "$h2o"; echo "$flags"; $cc --version; cat $options "$0"; } | sha256sum | cut -c1-16)
out=$cache/libraries/$variant-$key
if [ ! -e "$out" ]; then
    echo "libraries: building lwIP and mbedTLS for $variant (about a minute of CPU, once)" >&2
    mkdir -p "$cache/libraries"
    work=$(mktemp -d "$cache/libraries/.build-XXXXXX")
    trap 'rm -rf "$work"' EXIT
    mkdir -p "$work/out/include" "$work/obj"
    cp -r "$lwip/src/include/." "$mbedtls/include/." "$h2o/deps/picohttpparser/picohttpparser.h" \
        "$root/mgmt-agent/net/lwip/." "$root/mgmt-agent/tls/mbedtls_config.h" "$work/out/include/"
    cat >"$work/Makefile" <<END
sources := \$(wildcard $lwip/src/core/*.c $lwip/src/core/ipv4/*.c $lwip/src/core/ipv6/*.c) \\
    $lwip/src/netif/ethernet.c \$(wildcard $mbedtls/library/*.c) $h2o/deps/picohttpparser/picohttpparser.c
objects := \$(patsubst %.c,$work/obj/%.o,\$(notdir \$(sources)))
VPATH := \$(sort \$(dir \$(sources)))
$work/out/libagent.a: \$(objects)
	ar rcsD \$@ \$(sort \$^)
$work/obj/%.o: %.c
	$cc $(echo $flags) -ffile-prefix-map=$cache/unpacked=. -DMBEDTLS_CONFIG_FILE='<mbedtls_config.h>' \
		-I$work/out/include -c \$< -o \$@
END
    make -s -j2 -f "$work/Makefile" >"$work/log" 2>&1 || { tail -20 "$work/log" >&2; exit 1; }
    mv "$work/out" "$out" 2>/dev/null || [ -e "$out" ]
fi
echo "$out"
