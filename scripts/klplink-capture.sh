#!/bin/sh
# Copies what `klplink verify --root` needs of a loaded module, on a machine without Node: section addresses, the
# kernel's symbols, its release, and the module's memory. Needs root, /proc/kcore, and sh, dd, od, cut, sed, sort, tr, uname.
#   sh klplink-capture.sh MODULE FOLDER
# Then, wherever klplink is: klplink verify MODULE.ko --root FOLDER
set -eu
export LC_ALL=C

fail() { echo "klplink-capture: $*" >&2; exit 1; }
[ $# -eq 2 ] || fail "usage: klplink-capture.sh MODULE FOLDER"
name=$(printf %s "$1" | tr - _)
out=$2
# Other places than those of the running machine serve the script's own test.
sys=${KLPLINK_SYS:-/sys}/module/$name
proc=${KLPLINK_PROC:-/proc}
kcore=$proc/kcore

[ -d "$sys/sections" ] || fail "module $name is not loaded"
[ -r "$kcore" ] || fail "$kcore cannot be read (root? CONFIG_PROC_KCORE?)"
# What an earlier run left would be taken for this one's.
for old in "$out/sections" "$out/memory"; do
  [ -z "$(ls -A "$old" 2>/dev/null)" ] || fail "$out holds a copy already: name a new folder"
done
mkdir -p "$out/sections" "$out/memory"
for file in "$sys"/sections/* "$sys"/sections/.[!.]*; do
  [ -f "$file" ] || continue
  cat "$file" >"$out/sections/${file##*/}"
done
cat "$proc/kallsyms" >"$out/kallsyms"
if [ -r "$proc/sys/kernel/osrelease" ]; then cat "$proc/sys/kernel/osrelease" >"$out/release"; else uname -r >"$out/release"; fi
coresize=$(cat "$sys/coresize")
# A kernel without CONFIG_KALLSYMS_ALL lists functions only. What tells the rest: System.map, unless it is only a note that
# it is elsewhere; the kernel's types; where the modules are that this one needs.
if [ -z "$(sed -n '/^[0-9a-f]* [bBdDrR] /{p;q;}' "$out/kallsyms")" ]; then
  for file in "${KLPLINK_BOOT:-/boot}/System.map-$(cat "$out/release")" "${KLPLINK_BOOT:-/usr/lib/debug/boot}/System.map-$(cat "$out/release")"; do
    [ -r "$file" ] || continue
    case $(sed -n '1p' "$file") in *"real System.map"*) continue ;; esac
    cat "$file" >"$out/System.map"
    break
  done
  types=${KLPLINK_SYS:-/sys}/kernel/btf/vmlinux
  if [ -r "$types" ]; then cat "$types" >"$out/btf"; fi
  for holder in "${KLPLINK_SYS:-/sys}"/module/*/holders/"$name"; do
    [ -e "$holder" ] || continue
    needed=${holder%/holders/*}
    mkdir -p "$out/modules/${needed##*/}"
    for file in "$needed"/sections/* "$needed"/sections/.[!.]*; do
      [ -f "$file" ] || continue
      cat "$file" >"$out/modules/${needed##*/}/${file##*/}"
    done
  done
fi

# Addresses have 16 hexadecimal digits; the shell counts with 63 bits. So the first 4 digits are compared as text, and
# the other 12 are numbers.
addresses=$(sed 's/^0x//' "$out"/sections/* "$out"/sections/.[!.]* 2>/dev/null | tr A-F a-f | sort -u)
case $addresses in *[!0]*) ;; *) fail "the section addresses are hidden: run as root, with kernel.kptr_restrict=0" ;; esac

# field OFFSET SIZE: a little-endian number of the kcore file, in hexadecimal.
field() {
  reversed=
  for byte in $(dd if="$kcore" bs=1 skip="$1" count="$2" 2>/dev/null | od -An -v -tx1); do reversed=$byte$reversed; done
  printf %s "$reversed"
}
number() { printf %d "0x$(field "$1" "$2")"; }

[ "$(dd if="$kcore" bs=4 count=1 2>/dev/null | od -An -tx1 | tr -d ' \n')" = 7f454c46 ] || fail "$kcore is not a core file"
phoff=$(number 32 8)
phnum=$(number 56 2)
pieces=
i=0
while [ "$i" -lt "$phnum" ]; do
  at=$((phoff + i * 56))
  [ "$(number "$at" 4)" -ne 1 ] || pieces="$pieces $(field $((at + 16)) 8):$(field $((at + 8)) 8):$(field $((at + 32)) 8)"
  i=$((i + 1))
done

page=4096
low() { printf %d "0x$(printf %s "$1" | cut -c5-16)"; }
high() { printf %s "$1" | cut -c1-4; }

# read_memory HIGH START END OFFSET: memory of which the file has the first byte at OFFSET; as much as can be read.
copied=0
read_memory() {
  bytes=$(($3 - $2))
  file=$out/memory/$1$(printf %012x "$2")
  whole=0
  if [ $(($4 % page)) -eq 0 ] && [ $((bytes % page)) -eq 0 ]; then
    dd if="$kcore" of="$file" bs=$page skip=$(($4 / page)) count=$((bytes / page)) 2>/dev/null || whole=1
  else
    dd if="$kcore" of="$file" bs=1 skip="$4" count="$bytes" 2>/dev/null || whole=1
  fi
  if [ -s "$file" ]; then copied=$((copied + 1)); else rm -f "$file"; fi
  return $whole
}

# copy HIGH START END OFFSET STARTS: the same. Where a page between the module's parts cannot be read, each section has a
# file of its own, from its start up to there.
copy() {
  [ -n "$1" ] || return 0
  if read_memory "$1" "$2" "$3" "$4"; then return 0; fi
  for begin in $5; do
    read_memory "$1" "$begin" "$3" $(($4 + begin - $2)) || :
  done
}

# No section is larger than the module. So each one's memory is that up to the module's size behind its start, or up to the
# end of the piece that it is in; whole pages. What overlaps becomes one file, so that each section is in one.
high=
from=0
end=0
at=0
starts=
for address in $addresses; do
  a=$(low "$address")
  h=$(high "$address")
  start=$((a / page * page))
  for piece in $pieces; do
    vaddr=${piece%%:*}
    rest=${piece#*:}
    [ "$(high "$vaddr")" = "$h" ] || continue
    v=$(low "$vaddr")
    size=$(printf %d "0x${rest#*:}" 2>/dev/null) || continue
    if [ "$a" -lt "$v" ] || [ $((a - v)) -ge "$size" ]; then continue; fi
    [ "$start" -ge "$v" ] || start=$v
    length=$(((coresize + (a - start) + page - 1) / page * page))
    [ $((start - v + length)) -le "$size" ] || length=$((size - (start - v)))
    offset=$((0x${rest%%:*} + start - v))
    if [ "$h" = "$high" ] && [ "$start" -le "$end" ] && [ $((offset - at)) -eq $((start - from)) ]; then
      [ $((start + length)) -le "$end" ] || end=$((start + length))
      starts="$starts $start"
    else
      copy "$high" "$from" "$end" "$at" "$starts"
      starts=$start
      high=$h
      from=$start
      end=$((start + length))
      at=$offset
    fi
    break
  done
done
copy "$high" "$from" "$end" "$at" "$starts"
[ "$copied" -gt 0 ] || fail "none of the module's memory is in $kcore"
echo "klplink-capture: $name: $copied pieces of memory, in $out"
