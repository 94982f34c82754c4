# Debian packages of any architecture and suite, without touching the machine's own apt state. To be sourced.
# What is fetched stays in the cache folder (KLPLINK_CACHE, default: klplink in the user's cache folder).
# The archive moves on while its index is read: what the index names can be gone. So nothing here takes one package only; all that the
# index names are gone through, newest first, and what was not taken is said on stderr.

cache=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}

# debian_apt ARCH: sets the array `apt` to the options with which apt-get and apt-cache see the packages of ARCH. The archive is the
# one that the machine's own sources name; its index is read again when it is older than a day. A suite that is not there (any more)
# is left out.
debian_apt() {
  local arch=$1 dir=$cache/debian/apt-$1 key suite
  [[ -n ${archive:-} ]] || archive=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(COMPONENT)' | awk '$1 == "Packages" && $3 == "main" && $2 !~ /security/ && !seen++ { print $2 }')
  [[ -n $archive ]] || { echo "debian: the machine's apt sources name no archive" >&2; return 1; }
  key=${KLPLINK_KEYRING:-/usr/share/keyrings/debian-archive-keyring.gpg}
  [[ -f $key ]] || { echo "debian: $key not found: apt-get install debian-archive-keyring" >&2; return 1; }
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  for suite in bookworm bookworm-backports trixie trixie-backports forky sid; do
    echo "deb [signed-by=$key] $archive $suite main"
  done >"$dir/sources.list"
  apt=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
    -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=3)
  [[ -z $(find "$dir/updated" -mtime -1 2>/dev/null) ]] || return 0
  if apt-get "${apt[@]}" -qq update >&2; then
    touch "$dir/updated"
  elif compgen -G "$dir/lists/*_Packages*" >/dev/null; then
    echo "debian: the index was not read in full; what there is of it serves" >&2
    touch -d '23 hours ago' "$dir/updated"
  else
    return 1
  fi
}

# debian_reread ARCH: makes the next debian_apt read the index again; fails if it is less than five minutes old.
debian_reread() {
  [[ -z $(find "$cache/debian/apt-$1/updated" -mmin -5 2>/dev/null) ]] || return 1
  rm -f "$cache/debian/apt-$1/updated"
}

# debian_names ARCH REGEX: the names in the index that match as a whole.
debian_names() {
  debian_apt "$1" || return 1
  apt-cache "${apt[@]}" pkgnames | grep -xE "$2" || true
}

# debian_offers ARCH PACKAGE...: a line `PACKAGE VERSION` for each version that the index names, newest first.
debian_offers() {
  debian_apt "$1" || return 1
  shift
  [[ $# -eq 0 ]] || apt-cache "${apt[@]}" madison "$@" | awk -F '|' '{ gsub(/ /, "") } !seen[$1, $2]++ { print $1, $2 }' | sort -k2,2rV -k1,1
}

# debian_series SERIES: of the package names on stdin, the series X.Y (the first number of a name) from SERIES on, the lowest first.
debian_series() {
  { sed -nE 's/^[^0-9]*([0-9]+\.[0-9]+).*/\1/p' && echo "$1"; } | sort -V | uniq -c | awk -v from="$1" '$2 == from { on = 1; if ($1 == 1) next } on { print $2 }'
}

# debian_unpack ARCH FOLDER PACKAGE...: downloads the packages (NAME or NAME=VERSION) and unpacks them into FOLDER, which is whole or
# absent. When it fails, `debian_why` says why, in a line.
debian_unpack() {
  local arch=$1 folder=$2 work status=0
  shift 2
  [[ -d $folder ]] && return 0
  debian_why="the index cannot be read"
  debian_apt "$arch" || return 1
  mkdir -p "$(dirname "$folder")"
  work=$(mktemp -d "$(dirname "$folder")/fetching.XXXXXX")
  (cd "$work" && apt-get "${apt[@]}" -qq download "$@" && mkdir x && for deb in *.deb; do dpkg-deb -x "$deb" x || exit 1; done) >"$work/said" 2>&1 || status=1
  if [[ $status -eq 0 ]]; then
    # Another process may have been faster: its folder is as good.
    [[ -d $folder ]] || mv -T "$work/x" "$folder" 2>/dev/null || [[ -d $folder ]] || { status=1; echo "E: cannot be moved to $folder" >"$work/said"; }
  fi
  [[ $status -eq 0 ]] || debian_why=$(awk '/^E: |error/ && !seen { seen = 1; sub(/^E: /, ""); print } { last = $0 } END { if (!seen) print last }' "$work/said")
  rm -rf "$work"
  return $status
}
