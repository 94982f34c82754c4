#!/bin/bash
# Makes a git repository of a kernel's source, with one commit that has a tag (v6.1.176), once, and prints its folder. Nothing is checked
# out in it. The same source gives the same commit.
#   source-repository.sh ARCH     as for prepare-source.sh, whose source it is; it stays beside it
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source=$("$here/prepare-source.sh" "$1")
final=$source.git-repository
if [[ ! -d $final ]]; then
  exec 9>"$(dirname "$source")/.lock-repository-$1"
  flock 9 # one at a time; who waited finds the result
fi
if [[ ! -d $final ]]; then
  version=$(sed -nE 's/^(VERSION|PATCHLEVEL|SUBLEVEL) *= *([0-9]+)$/\2/p' "$source/Makefile" | paste -sd .)
  rm -rf "$final.unfinished" # one that was killed left this
  export GIT_AUTHOR_NAME=klplink GIT_AUTHOR_EMAIL=klplink GIT_AUTHOR_DATE='1970-01-02T00:00:00Z'
  export GIT_COMMITTER_NAME=klplink GIT_COMMITTER_EMAIL=klplink GIT_COMMITTER_DATE='1970-01-02T00:00:00Z'
  git init -q "$final.unfinished"
  repository=(git -C "$source" "--git-dir=$final.unfinished/.git" --work-tree=.)
  find "$source" -mindepth 1 -maxdepth 1 ! -name build ! -name target ! -name make.args -printf '%f\0' |
    "${repository[@]}" -c core.compression=0 -c core.safecrlf=false add -f --pathspec-from-file=- --pathspec-file-nul
  "${repository[@]}" commit -q -m "Linux $version"
  "${repository[@]}" tag "v$version"
  mv -T "$final.unfinished" "$final"
fi
echo "$final"
