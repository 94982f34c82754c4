#!/bin/bash
# What the original tools make of test/fixtures/klp and klplink: NAME-ARCH.o here is the result for NAME-ARCH.o there.
# create-klp-module is kpatch 0.9.11 as Debian builds it (with -n, as kpatch-build calls it for kernels since 5.8; `-arch` without,
# as for older ones), objtool is of Linux 7.2.13: see test/tools/original-tools.sh.
#   make.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here}
inputs=$here/../../fixtures/klp
forms=$here/../../fixtures/klplink
tools=$("$here/../../tools/original-tools.sh")
for arch in x86_64 ppc64le arm64; do
  for name in kpatch edge-kpatch; do
    "$tools/create-klp-module" -n "$inputs/$name-$arch.o" "$out/$name-$arch.o"
  done
  # sizeof(struct paravirt_patch_site), which kpatch-build reads from vmlinux.
  PARA_STRUCT_SIZE=16 "$tools/create-klp-module" "$inputs/kpatch-$arch.o" "$out/kpatch-arch-$arch.o"
  "$tools/create-klp-module" -n "$forms/same-kpatch-$arch.o" "$out/same-kpatch-$arch.o"
  for input in "$inputs/objtool" "$inputs/edge-objtool" "$forms/same-objtool"; do
    name=$(basename "$input")
    cp "$input-$arch.o" "$out/$name-$arch.o"
    "$tools/objtool" klp post-link "$out/$name-$arch.o"
  done
done
