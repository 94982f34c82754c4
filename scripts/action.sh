#!/bin/bash
# What action.yml runs: `klplink check` with the action's inputs, which come as variables. The exit status is klplink's.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# lines VARIABLE OPTION: adds each line of a variable that is not blank, with OPTION in front of it.
arguments=()
lines() {
  local line
  while IFS= read -r line; do
    [[ -n ${line//[[:space:]]/} ]] && arguments+=(${2:+"$2"} "$line")
  done <<<"${!1:-}"
  return 0
}

if [[ -n ${KLPLINK_PACKAGE:-} ]]; then
  klplink=(npx --yes --package "$KLPLINK_PACKAGE" klplink)
else
  [[ -e $here/dist/klplink.cjs || -d $here/node_modules ]] || (cd "$here" && npm ci --no-audit --no-fund >&2)
  klplink=(node "$here/bin/klplink.js")
fi
lines KLPLINK_KERNEL -k
lines KLPLINK_TARGETS -m
# Options are words, as on a command line.
read -ra more <<<"${KLPLINK_ARGS:-}"
arguments+=("${more[@]}" --)
lines KLPLINK_MODULES ""
command=("${klplink[@]}" check --format "${KLPLINK_FORMAT:-github}" "${arguments[@]}")
if [[ -n ${KLPLINK_OUTPUT:-} ]]; then
  "${command[@]}" >"$KLPLINK_OUTPUT"
else
  "${command[@]}"
fi
