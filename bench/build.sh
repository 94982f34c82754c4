#!/bin/bash
# How long `klplink build` takes for a patch of one file, beside the kernel's make of the same objects: a table in Markdown.
#   bench/build.sh [ARCH...]     ppc64le (the default), arm64, x86_64: the sources and kernels of the boot tests, which are made first if need be
#   bench/build.sh drivers [FOLDER]     beside kpatch-build and klp-build, on x86_64: the steps of scripts/drivers/kpatch-build.sh and klp-build.sh, which
#                                       work in FOLDER (default: a temporary one). Two kernels are built: half an hour or more
# Processor time of all that a run starts, and in brackets what the clock says; the latter only counts where nothing else runs.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
TIMEFORMAT='%R %U %S'

if [[ ${1:-} == drivers ]]; then
  folder=${2:-$work}
  echo '| script | step | processor time | clock |'
  echo '|---|---|---|---|'
  for driver in kpatch-build klp-build; do
    # Else nothing is measured of what is there already.
    [[ ! -e $folder/$driver ]] || { echo "bench/build.sh: $folder/$driver is there already" >&2; exit 1; }
    scripts/drivers/$driver.sh "$folder/$driver" | tee /dev/stderr | sed -nE "s/^(.*): ([0-9]+ s) \(([0-9]+ s)\)\$/| $driver.sh | \1 | \2 | \3 |/p"
  done
  exit
fi

measure() { # COMMAND...: prints "PROCESSOR s (CLOCK s)"
  local times
  times=$({ time "$@" >"$work/said" 2>&1 || { cat "$work/said" >&2; exit 1; }; } 2>&1) || { echo "$times" >&2; exit 1; }
  awk '{ printf "%.0f s (%.0f s)", $2 + $3, $1 }' <<<"$times"
}

# patch_of TITLE TEXT: a patch of fs/proc/version.c of the source that adds a line
patch_of() {
  mkdir -p "$work/a/fs/proc" "$work/b/fs/proc"
  cp "$source/fs/proc/version.c" "$work/a/fs/proc/"
  sed "0,/^\treturn 0;/s//\tseq_puts(m, \"$2\\\\n\");\n&/" "$source/fs/proc/version.c" >"$work/b/fs/proc/version.c"
  (cd "$work" && git diff --no-index --no-prefix a b >"$1.patch") || true
}

# again TEXT: the object of the patched file, made by make in a copy of the prepared source
again() {
  sed "0,/^\treturn 0;/s//\tseq_puts(m, \"$1\\\\n\");\n&/" "$source/fs/proc/version.c" >"$work/new.c"
  rm "$copy/fs/proc/version.c"
  cp "$work/new.c" "$copy/fs/proc/version.c"
  measure make -C "$copy" -s -j"$(nproc)" O=build "${args[@]}" fs/proc/version.o
}

echo '| kernel | first build, empty cache | another patch | the same patch again | `make` of the object, twice |'
echo '|---|---|---|---|---|'
for arch in "${@:-ppc64le}"; do
  source=$(test/boot/prepare-source.sh "$arch")
  mapfile -t args <"$source/make.args"
  target=$(readlink -f "$source/target")
  about=(--source "$source" -k "$target" --config "$source/build/.config")
  [[ $arch != x86_64 ]] || about+=(-k "$(ls "$(test/boot/fetch-headers.sh amd64 6.12)"/kernel/boot/vmlinu*)")
  patch_of one one
  patch_of other other
  export KLPLINK_CACHE=$work/cache
  build() { measure node bin/klplink.js build "$work/$1.patch" "${about[@]}" -o "$work/out.ko"; }
  row="| $(basename "$source" | sed -E 's/-[0-9a-f]+$//') | $(build one) | $(build other) | $(build other) |"
  unset KLPLINK_CACHE
  rm -rf "$work/cache"
  copy=$work/copy
  cp -al "$source" "$copy"
  # Make writes to files there in place.
  rm -r "$copy/build"
  cp -a "$source/build" "$copy/"
  again nothing >/dev/null
  echo "$row $(again one), $(again other) |"
  rm -rf "$copy"
done
