#!/bin/sh
# Remakes the dumps of this folder with GNU readelf 2.40 (Debian binutils 2.40-2). NAME.txt is what
# `LC_ALL=C readelf -htsrgW OBJECT` prints; -t is -S with the flags as numbers. For many.o, 65,413 sections, only one of
# 500 of its look-alike sections is kept.
set -e
cd "$(dirname "$0")"
export LC_ALL=C
dump() { readelf -htsrgW "$2" > "$1.txt"; }

for object in ../../../samples/*/*/*.o; do
	case $object in *.klp.o) continue ;; esac
	case=$(dirname "$object")
	dump "$(basename "$(dirname "$case")")-$(basename "$case")" "$object"
done
for object in ../../fixtures/elf/*.o; do
	dump "$(basename "$object" .o)" "$object"
done
gzip -dc ../../fixtures/elf/many.o.gz > many.o
dump many many.o
awk '/^  \[ *[0-9]+\]/ { split($0, part, /[][]/); keep = part[3] !~ /^ s[0-6]$/ || part[2] % 500 == 0 }
	!/^  \[ *[0-9]+\]|^       / { keep = 1 } keep' many.txt > many.short
mv many.short many.txt
rm many.o
