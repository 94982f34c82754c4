# Debian packages of any architecture and suite, without touching the machine's own apt state. To be sourced.
# What is fetched stays in the cache folder (KLPLINK_CACHE, default: klplink in the user's cache folder).

cache=${KLPLINK_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/klplink}

# debian_apt ARCH: sets the array `apt` to the options with which apt-get and apt-cache see the packages of ARCH. The archive is the
# one that the machine's own sources name; its index is read again when it is older than a day.
debian_apt() {
  local arch=$1 dir=$cache/debian/apt-$1 archive key suite
  archive=$(apt-get indextargets --format '$(CREATED_BY) $(REPO_URI) $(COMPONENT)' | awk '$1 == "Packages" && $3 == "main" && $2 !~ /security/ { print $2; exit }')
  [[ -n $archive ]] || { echo "debian: the machine's apt sources name no archive" >&2; return 1; }
  key=/usr/share/keyrings/debian-archive-keyring.gpg
  [[ -f $key ]] || { echo "debian: $key not found: apt-get install debian-archive-keyring" >&2; return 1; }
  mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
  for suite in bookworm bookworm-backports trixie sid; do
    echo "deb [signed-by=$key] $archive $suite main"
  done >"$dir/sources.list"
  apt=(-o "APT::Architecture=$arch" -o "APT::Architectures=$arch" -o "Dir::State::Lists=$dir/lists" -o "Dir::Cache=$dir/cache"
    -o "Dir::Etc::SourceList=$dir/sources.list" -o Dir::Etc::SourceParts=/dev/null -o APT::Sandbox::User=root -o Acquire::Retries=3)
  if [[ -z $(find "$dir/updated" -mtime -1 2>/dev/null) ]]; then
    apt-get "${apt[@]}" -qq update >&2 || return 1
    touch "$dir/updated"
  fi
}

# debian_newest ARCH REGEX: the name of the package that matches and has the highest version in its name.
debian_newest() {
  local name
  debian_apt "$1" || return 1
  name=$(apt-cache "${apt[@]}" pkgnames | grep -E "^$2\$" | sort -V | tail -1)
  [[ -n $name ]] || { echo "debian: the archive has no package $2 for $1" >&2; return 1; }
  echo "$name"
}

# debian_unpack ARCH FOLDER PACKAGE...: downloads the packages and unpacks them into FOLDER, which is whole or absent.
debian_unpack() {
  local arch=$1 folder=$2 work
  shift 2
  [[ -d $folder ]] && return 0
  debian_apt "$arch" || return 1
  mkdir -p "$(dirname "$folder")"
  work=$(mktemp -d "$(dirname "$folder")/fetching.XXXXXX")
  if (cd "$work" && apt-get "${apt[@]}" -qq download "$@" >&2 && mkdir x && for deb in *.deb; do dpkg-deb -x "$deb" x || exit 1; done); then
    # Another process may have been faster: its folder is as good.
    [[ -d $folder ]] || mv -T "$work/x" "$folder" 2>/dev/null || [[ -d $folder ]] || { rm -rf "$work"; return 1; }
    rm -rf "$work"
  else
    rm -rf "$work"
    return 1
  fi
}
