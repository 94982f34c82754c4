#!/bin/bash
# What GNU ld -r and objcopy (binutils 2.40) make of livepatch modules that the original tools finished (test/golden/originals):
# TOOL-NAME-ARCH.o. ld refuses kpatch's for arm64.
#   make.sh [FOLDER]
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
out=${1:-$here}
for arch in x86_64 ppc64le arm64; do
  case $arch in
    x86_64) cross=x86_64-linux-gnu- ;;
    ppc64le) cross=powerpc64le-linux-gnu- ;;
    arm64) cross=aarch64-linux-gnu- ;;
  esac
  for name in kpatch objtool; do
    input=$here/../originals/$name-$arch.o
    "${cross}objcopy" "$input" "$out/objcopy-$name-$arch.o"
    [[ $name-$arch == kpatch-arm64 ]] || "${cross}ld" -r "$input" -o "$out/ld-$name-$arch.o"
  done
done
