# Sourced by the scripts beside it, which set $work.

TIMEFORMAT='%U %S %R'
# step TITLE COMMAND...: what it says goes to the log of $work. Prints the processor time of all that it started, and in brackets what the clock
# says, which only counts where nothing else runs.
step() {
  local title=$1 times
  shift
  times=$({ time "$@" >>"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; exit 1; }; } 2>&1) || { echo "$times" >&2; exit 1; }
  awk -v title="$title" '{ printf "%s: %.0f s (%.0f s)\n", title, $1 + $2, $3 }' <<<"$times"
}

# unpack_source PACKAGE [TARBALL]: a linux-source package of Debian, to $work/source, unless it is there
unpack_source() {
  local tarball=${2:-}
  [[ ! -f $work/source/Makefile ]] || return 0
  [[ -n $tarball ]] || tarball=$(ls "$(test/boot/fetch-package.sh amd64 "$1")"/usr/src/linux-source-*.tar.xz)
  mkdir -p "$work/source"
  tar -xJf "$tarball" -C "$work/source" --strip-components=1 \
    --wildcards --exclude='*/arch/*/boot/dts' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
}
