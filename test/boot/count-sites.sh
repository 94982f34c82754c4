#!/bin/bash
# Patch sites of modules and objects as binutils tell them, with no part of klplink: one line a file,
#   FILE ENTRIES CODE
# ENTRIES: relocations of the tables of sites (readelf). CODE: calls to the profiling function (objdump -dr); where the table is
# __patchable_function_entries, functions that begin with two nops, behind a bti or the two words of a global entry (objdump -d).
#   count-sites.sh ARCH FILE...     ARCH: x86_64, arm64 or ppc64le
set -euo pipefail
export LC_ALL=C
arch=$1
shift
case $arch in
  x86_64) objdump=x86_64-linux-gnu-objdump table=__mcount_loc ;;
  arm64) objdump=aarch64-linux-gnu-objdump table=__patchable_function_entries ;;
  ppc64le) objdump=powerpc64le-linux-gnu-objdump table='(__mcount_loc|__patchable_function_entries)' ;;
  *) echo "count-sites: no architecture $arch" >&2; exit 2 ;;
esac

calls() {
  "$objdump" -drw "$1" | grep -cE 'R_(X86_64_PLT32|X86_64_PC32|PPC64_REL24)[[:space:]]+(__fentry__|_mcount)\b' || true
}
nops() {
  "$objdump" -d --no-show-raw-insn "$1" | awk '
    /^[0-9a-f]+ <.*-0x[0-9a-f]+>:$/ { at = 0; next }
    /^[0-9a-f]+ <.*>:$/ { at = 1; next }
    at == 0 { next }
    { word = $2; for (i = 3; i <= NF; i++) word = word " " $i }
    at == 1 && word ~ /^(bti|hint #0x22|(addis|ld) r2,|lis r2,|(addi|add) r2,r2,)/ { next }
    at == 1 { at = (word == "nop") ? 2 : 0; next }
    at == 2 { if (word == "nop") n++; at = 0 }
    END { print n + 0 }'
}
for file; do
  entries=$(readelf -rW "$file" | awk -v table="$table" '/^Relocation section/ { on = $3 ~ ("^.\\.rela" table ".$") } on && $3 ~ /^R_/ && $3 !~ /_NONE$/ { n++ } END { print n + 0 }')
  if readelf -SW "$file" | grep ' __patchable_function_entries ' >/dev/null && [[ $arch != x86_64 ]]; then code=$(nops "$file"); else code=$(calls "$file"); fi
  echo "$file $entries $code"
done
