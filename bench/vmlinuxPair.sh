#!/bin/bash
# Makes two builds of a whole vmlinux.o to compare, FOLDER/orig.o and FOLDER/patched.o: Debian's 6.12 for amd64, from its source with its
# configuration, as test/boot/prepare-source.sh has it, with debug information and function and data sections. About 3,000 files are compiled:
# hours on two processors, 12 GB of disk. What is there already is used again, so it may be interrupted.
#   bench/vmlinuxPair.sh FOLDER [DIRECTORY/...]     with directories (fs/ kernel/ mm/): of those alone, which takes less
# KERNEL=arm64 takes the small 7.2 of test/boot/build-arm64-kernel.sh in its place, which is of some hundred files.
# Three source files are changed: a function's body (kernel/resource.c), a new static variable (fs/proc/uptime.c), a string (fs/proc/loadavg.c).
# What differs by objdump in the three objects is written to FOLDER/expected, a name a line, and `klplink diff` must say the same:
#   klplink diff FOLDER/orig.o FOLDER/patched.o
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
mkdir -p "${1:?FOLDER}"
folder=$(cd "$1" && pwd)
shift
kernel=${KERNEL:-x86_64}
case $kernel in
x86_64) series=6.12 prefix=x86_64-linux-gnu- libraries=(lib/lib.a arch/x86/lib/lib.a) ;;
arm64) series=7.2 prefix=aarch64-linux-gnu- libraries=(lib/lib.a arch/arm64/lib/lib.a) ;;
*) echo "vmlinuxPair.sh: KERNEL is x86_64 or arm64" >&2 && exit 2 ;;
esac
prepared=$("$here/../test/boot/prepare-source.sh" "$kernel")
linux=$folder/linux
if [[ ! -d $linux/build ]]; then
  mkdir -p "$linux"
  release=$(basename "$prepared")
  tar -xJf "$("$here/../test/boot/find-source.sh" "$series" "${release%%-*}")" -C "$linux" --strip-components=1
  cp -a "$prepared/build" "$linux/build"
  # Debian signs its modules with a key of its own.
  "$linux/scripts/config" --file "$linux/build/.config" --set-str MODULE_SIG_KEY certs/signing_key.pem
fi
mapfile -t arguments <"$prepared/make.args"
run() { make -C "$linux" O=build "${arguments[@]}" KBUILD_MODULES= "$@"; }
changed=(kernel/resource fs/proc/uptime fs/proc/loadavg)

# Links what is built. kbuild's own vmlinux.o is linked of the same objects.
link() { # OUT
  local objects=("${directories[@]/%/built-in.a}")
  [[ ${#directories[@]} -gt 0 ]] || objects=(vmlinux.a "${libraries[@]}")
  (cd "$linux/build" && "${prefix}ld" -r --whole-archive "${objects[@]}" -o "$1")
}

directories=("$@")
if [[ ${#directories[@]} -gt 0 ]]; then goals=("${directories[@]}"); else goals=(vmlinux_o); fi
run -j"$(nproc)" olddefconfig
run -j"$(nproc)" "${goals[@]}" "${changed[@]/%/.o}"
link "$folder/orig.o"
mkdir -p "$folder/before" "$folder/after"
for file in "${changed[@]}"; do
  cp "$linux/build/$file.o" "$folder/before/"
  cp "$linux/$file.c" "$folder/before/"
done
sed -i 's/^int remove_resource(struct resource \*old)\n{/&/; /^int remove_resource(struct resource \*old)$/{n;s/{/{ if (!old) return -EINVAL;/}' "$linux/kernel/resource.c"
sed -i 's/^static int uptime_proc_show(.*/&/; s/^\tidle_nsec = 0;$/\tstatic u32 reads; idle_nsec = reads++ >> 31;/' "$linux/fs/proc/uptime.c"
sed -i 's/%u\/%d %d\\n/%u\/%d %d.\\n/' "$linux/fs/proc/loadavg.c"
run "${goals[@]}" "${changed[@]/%/.o}"
link "$folder/patched.o"
for file in "${changed[@]}"; do
  cp "$linux/build/$file.o" "$folder/after/"
  mv "$folder/before/$(basename "$file").c" "$linux/$file.c"
done

# Functions whose code or relocations objdump shows to differ; strings by the bytes of their sections.
code() { # OBJECT
  "${prefix}objdump" -dr --no-show-raw-insn "$1" | awk '/^[0-9a-f]+ <.*>:$/ { name = substr($2, 2, length($2) - 3); next } name != "" && NF { sub(/^ *[0-9a-f]+:\t/, ""); gsub(/<[^>]*>/, ""); print name "\t" $0 }'
}
for file in "${changed[@]}"; do
  name=$(basename "$file")
  diff <(code "$folder/before/$name.o") <(code "$folder/after/$name.o") | sed -n 's/^[<>] \([^\t]*\)\t.*/\1/p' || true
  # A string of a function has a section by its name.
  diff <("${prefix}objdump" -s "$folder/before/$name.o" | awk '/^Contents/ { s = $4 } s ~ /^\.rodata\..*\.str1/ { print s, $0 }') \
    <("${prefix}objdump" -s "$folder/after/$name.o" | awk '/^Contents/ { s = $4 } s ~ /^\.rodata\..*\.str1/ { print s, $0 }') |
    sed -n 's/^[<>] \.rodata\.\(.*\)\.str1\.[0-9]*:.*/\1/p' || true
done | sort -u >"$folder/expected"
cat "$folder/expected"
