# Builds one of the kernels of the tests from a linux-source package of Debian, once. To be sourced by the scripts that say which.
# What is built stays in the cache folder (KLPLINK_CACHE, default: klplink in the user's cache folder).

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
source "$here/debian.sh"

need() { # COMMAND PACKAGE
  command -v "$1" >/dev/null || { echo "$script: $1 not found: apt-get install $2" >&2; exit 1; }
}

# A script may have its own of these. Run in the source tree, before it is configured:
change_source() { :; }
# And after the build: what else can go.
remove_more() { :; }

# The configuration. Of two lines for one option the later one counts, here without a warning.
settings() { (cd "$here" && cat "${configs[@]}") | tac | awk -F= '!seen[$1]++' | tac; }

# make_kernel TARBALL WORK: builds in WORK/linux, and removes what modules are not built with. Further input: variables of build_kernel.
make_kernel() {
  local tarball=$1 work=$2 tree=$2/linux folder=x86 option stay=()
  [[ $arch == x86_64 ]] || folder=$arch
  mkdir "$tree"
  # Other architectures' device trees, documentation and test programs are a third of the files and not needed.
  tar -xJf "$tarball" -C "$tree" --strip-components=1 --wildcards \
    --exclude='*/arch/*/boot/dts' --exclude='*/Documentation/*/*' --exclude='*/tools/testing' --exclude='*/drivers/gpu/drm/amd/include'
  run() {
    make -C "$tree" -s -j"$(nproc)" ARCH="$arch" CROSS_COMPILE="$cross" \
      KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' KBUILD_BUILD_USER=klplink KBUILD_BUILD_HOST=klplink "$@"
  }
  cd "$tree"
  change_source
  settings >"$work/config"
  run KCONFIG_ALLCONFIG="$work/config" allnoconfig
  for option in "${options[@]}"; do
    grep -q "^CONFIG_$option=y" .config || { echo "$script: CONFIG_$option is not set" >&2; exit 1; }
  done
  run "${targets[@]}"
  cp vmlinux.symvers Module.symvers
  # Keep what modules are built with: makefiles, scripts and their programs, headers, the results.
  remove_more
  rm -rf block crypto Documentation drivers fs init io_uring ipc lib LICENSES mm net rust samples security sound usr virt kernel certs vmlinux.o vmlinux.a built-in.a vmlinux.unstripped
  find arch -mindepth 1 -maxdepth 1 ! -name "$folder" -exec rm -rf {} +
  for option in "${keep[@]}"; do stay+=(! -name "$option"); done
  find "arch/$folder" -type f ! -path '*/include/*' ! -name 'Makefile*' ! -name 'Kbuild*' "${stay[@]}" -delete
  find . -name '.tmp_vmlinux*' -delete
  find . -name '*.cmd' ! -path './scripts/*' -delete
}

# build_kernel NAME PACKAGE ARCH CROSS: prints the folder that holds the kernel and what modules built out of tree need. Reads
#   configs   files below here, the later ones win
#   options   what must be set in the end
#   targets   what make makes
#   keep      names of files below arch/ARCH that stay, beside headers and makefiles
# PACKAGE is the machine's own when it is installed, else it is fetched from any suite; see fetch-package.sh for what takes its place
# when the archive has it no more.
build_kernel() {
  local name=$1 package=$2 arch=$3 cross=$4 kernels=$cache/kernel
  local script final recipe source tarball version work
  script=$(basename "$0")
  local compiler=${cross%-}
  need "${cross}gcc" "gcc-${compiler//_/-}"
  need gcc gcc
  need make make
  need bc bc
  need bison bison
  need flex flex
  need flock util-linux
  need perl perl
  need xz xz-utils
  # All that the result depends on, and nothing else: a change in how the source is come by builds nothing anew.
  recipe=$({ settings && declare -f settings make_kernel change_source remove_more && declare -p package arch cross options targets keep && "${cross}gcc" --version; } |
    sha256sum | cut -c1-12)
  mkdir -p "$kernels"
  exec 9>"$kernels/.lock-$name"
  flock 9 # one builder at a time; who waited finds the result

  tarball=/usr/src/$package.tar.xz
  if [[ -f $tarball ]]; then
    version=$(dpkg-query -W -f '${Version}' "$package")
    final=$kernels/$version-$name-$recipe
  else
    tarball=
    final=$(find "$kernels" -maxdepth 1 -name "[0-9]*-$name-$recipe" | sort -V | tail -n 1)
  fi
  if [[ -n $final && -f $final/System.map ]]; then
    echo "$final"
    return
  fi
  if [[ -z $tarball ]]; then
    source=$("$here/fetch-package.sh" amd64 "$package")
    tarball=$(ls "$source"/usr/src/linux-source-*.tar.xz)
    version=${source##*/} version=${version#"$(basename "$tarball" .tar.xz)"-} version=${version%-amd64}
    final=$kernels/$version-$name-$recipe
  fi
  rm -rf "$kernels/building-$name".* # a builder that was killed left this
  work=$(mktemp -d "$kernels/building-$name.XXXXXX")
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$work'" EXIT
  echo "$script: $package $version, a few minutes" >&2
  make_kernel "$tarball" "$work" >&2
  cd "$here"
  rm -rf "$final"
  mv "$work/linux" "$final"
  echo "$final"
}
