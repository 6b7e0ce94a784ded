#!/bin/sh
# Compiles shunt.c into the object beside it, or into the file that is named.
# The object is committed, so that building hellotap needs no clang; .ci/shunt checks that the two belong together.
set -eu
cd "$(dirname "$0")"
out=${1:-shunt.o}
# The headers of the kernel lie in a folder by architecture on Debian; nothing of them depends on it.
exec "${CLANG:-clang-14}" -O2 -target bpf -mcpu=v2 -Wall -Wextra -Werror -I"/usr/include/$(uname -m)-linux-gnu" -c shunt.c -o "$out"
