#!/bin/sh
# Makes savres.txt: NAME, and the bytes of .sfpr that `powerpc64le-linux-gnu-ld -r --save-restore-funcs` makes for a file
# that calls it (GNU ld 2.40). The last lines are for files that call several: names with commas; then each symbol.
set -e
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
link() {
	{ printf '.abiversion 2\n.text\n.globl f\nf:\n'; for n in "$@"; do printf ' bl %s\n' "$n"; done; } > "$work/t.s"
	powerpc64le-linux-gnu-as "$work/t.s" -o "$work/t.o"
	powerpc64le-linux-gnu-ld -r --save-restore-funcs "$work/t.o" -o "$work/o.o"
	powerpc64le-linux-gnu-objcopy -O binary -j .sfpr "$work/o.o" "$work/o.bin"
	od -An -v -tx1 "$work/o.bin" | tr -d ' \n'
}
{
	for kind in savegpr0 restgpr0 savegpr1 restgpr1 savefpr restfpr savevr restvr; do
		case $kind in *vr) n=20 ;; *) n=14 ;; esac
		while [ $n -le 31 ]; do
			printf '_%s_%s %s\n' $kind $n "$(link _${kind}_$n)"
			n=$((n + 1))
		done
	done
	for set in _restgpr0_29,_restgpr0_31,_savegpr0_30,_savefpr_31,_restvr_31 _restfpr_30,_restgpr0_14,_savegpr1_20,_restgpr1_31,_savevr_20; do
		printf '%s %s' $set "$(link $(echo $set | tr , ' '))"
		powerpc64le-linux-gnu-nm -n "$work/o.o" | awk '$3 ~ /^_/ { printf " %s=%d", $3, ("0x" $1) + 0 }' 
		printf '\n'
	done
} > savres.txt
