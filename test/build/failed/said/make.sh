#!/bin/bash
# Captures what the programs of a build say of errors, as failure.test.ts reads it. Debian 12: gcc 12.2.0, clang and lld 14.0.6,
# binutils 2.40, GNU make 4.3; modpost and objtool of Debian's 6.1, 6.12 and 7.2 for amd64, by their headers.
set -eu
export LC_ALL=C
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
cat >h.h <<'C'
static inline int in_header(void)
{
	return not_declared;
}
C
cat >a.c <<'C'
#include "h.h"
#define TWICE(x) ((x) + missing_too)
static int unused_one(void) { return 1; }
int show(int n)
{
	int fallen;
	if (n = 3)
		return missing;
	return TWICE(n) + in_header();
}
C
cp a.c b.c
cat >w.c <<'C'
static int never_called(int n)
{
	return n;
}
int f(void) { int x; return x; }
C
echo 'void f(void) { asm volatile("nonsense %rax"); }' >asm.c
echo '#include "nothere.h"' >k.c
printf 'int missing(void); extern int gone;\nint twice(void){ return missing() + gone; }\n' >u.c
printf 'int twice(void) { return 1; }\nint main(void){ return twice(); }\n' >v.c
cat >Makefile <<'M'
%.o: %.c
	@echo '  CC      $@'
	@gcc-12 -c -Wall $< -o $@
killed:
	@sh -c 'kill -9 $$$$'
cc1-killed:
	@gcc-12 -c -wrapper sh,-c,'kill -9 $$$$' v.c -o y.o
python:
	@python3 -c 'raise ValueError("of a script")'
M
printf 'all:\n  x\n' >bad.mk

# Keeps what a command says, under a name.
keep() {
	local name=$1
	shift
	! "$@" >"$here/$name.txt" 2>&1
	sed -i "s,$work/,/src/,g" "$here/$name.txt"
}
keep gcc gcc-12 -c -Wall a.c
keep gcc-werror gcc-12 -c -Wall -Werror w.c
keep gcc-include gcc-12 -c k.c
keep gcc-option gcc-12 -c -fnone v.c
keep gcc-killed make --no-print-directory cc1-killed
keep gas gcc-12 -c asm.c
keep clang clang-14 -c -Wall a.c
keep clang-werror clang-14 -c -Wall -Werror w.c
keep clang-option clang-14 -c -Wnone -Werror v.c
keep clang-asm clang-14 -c asm.c
gcc-12 -c -g u.c v.c
keep ld gcc-12 u.o v.o -o u
keep ld-absent aarch64-linux-gnu-ld -r nothere.o -o u
keep lld ld.lld-14 -e main u.o v.o -o u
keep killed make killed
keep script make python
keep make-rule make none.x
keep make-syntax make -f bad.mk
keep make-j make -k -j2 a.o b.o

mkdir module
cd module
echo 'obj-m := broken.o' >Kbuild
# Builds a module for a kernel of a series, with headers that were made for another gcc.
module() {
	local kit
	rm -f ./*.o ./.*.cmd ./*.mod*
	kit=$(cd "$here/../../../.." && bash test/boot/fetch-headers.sh amd64 "$1")
	keep "$2-$1" make --no-print-directory -C "$kit/build" "M=$PWD" CC=x86_64-linux-gnu-gcc-12 CONFIG_OBJTOOL_WERROR=y KCFLAGS=-Wno-attributes \
		CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT= CONFIG_DEBUG_INFO_BTF_MODULES= modules
	sed -i "s,$kit/,/kit/,g" "$here/$2-$1.txt"
}
cat >broken.c <<'C'
#include <linux/module.h>
int missing_one(void);
int missing_two(void);
static int __init broken_init(void)
{
	return missing_one() + missing_two();
}
module_init(broken_init);
MODULE_LICENSE("GPL");
C
for series in 6.1 6.12 7.2; do module $series modpost; done
sed -i '/missing_.*;$/d; s/^{$/{ asm volatile("push %%rax" ::: "memory"); return 0;/' broken.c
module 7.2 objtool
