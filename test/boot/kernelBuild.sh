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

# build_kernel NAME PACKAGE ARCH CROSS: prints the folder that holds the kernel and what modules built out of tree need. Reads
#   configs   files below here, the later ones win
#   options   what must be set in the end
#   targets   what make makes
#   keep      names of files below arch/ARCH that stay, beside headers and makefiles
# PACKAGE linux-source-6.1 is the machine's own; others are fetched from any suite.
build_kernel() {
  local name=$1 package=$2 arch=$3 cross=$4 folder=x86 kernels=$cache/kernel
  local script final recipe tarball version work tree option
  script=$(basename "$0")
  [[ $arch == x86_64 ]] || folder=$arch
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
  recipe=$({ (cd "$here" && cat "${configs[@]}") && cat "${BASH_SOURCE[0]}" "$0"; "${cross}gcc" --version; } | sha256sum | cut -c1-12)
  mkdir -p "$kernels"
  exec 9>"$kernels/.lock-$name"
  flock 9 # one builder at a time; who waited finds the result

  if [[ $package == linux-source-6.1 ]]; then
    tarball=/usr/src/$package.tar.xz
    [[ -f $tarball ]] || { echo "$script: $tarball not found: apt-get install $package" >&2; exit 1; }
    version=$(dpkg-query -W -f '${Version}' "$package")
    final=$kernels/$version-$name-$recipe
  else
    final=$(find "$kernels" -maxdepth 1 -name "${package##*-}.*-$name-$recipe" | sort -V | tail -1)
  fi
  if [[ -n $final && -f $final/System.map ]]; then
    echo "$final"
    return
  fi
  if [[ $package != linux-source-6.1 ]]; then
    tarball=$("$here/fetch-package.sh" amd64 "$package")
    version=${tarball##*/"$package"-}
    version=${version%-amd64}
    tarball=$tarball/usr/src/$package.tar.xz
    final=$kernels/$version-$name-$recipe
  fi
  rm -rf "$kernels/building-$name".* # a builder that was killed left this
  work=$(mktemp -d "$kernels/building-$name.XXXXXX")
  # shellcheck disable=SC2064 # now
  trap "rm -rf '$work'" EXIT
  tree=$work/linux
  {
    echo "$script: $package $version, a few minutes"
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
    # Of two lines for one option the later one counts, here without a warning.
    (cd "$here" && cat "${configs[@]}") | tac | awk -F= '!seen[$1]++' | tac >"$work/config"
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
    local stay=()
    for option in "${keep[@]}"; do stay+=(! -name "$option"); done
    find "arch/$folder" -type f ! -path '*/include/*' ! -name 'Makefile*' ! -name 'Kbuild*' "${stay[@]}" -delete
    find . -name '.tmp_vmlinux*' -delete
    find . -name '*.cmd' ! -path './scripts/*' -delete
  } >&2
  cd "$here"
  rm -rf "$final"
  mv "$tree" "$final"
  echo "$final"
}
