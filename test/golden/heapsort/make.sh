#!/bin/sh
# Remakes orders.json: the kernel's own lib/sort.c, compiled for the host, sorts lists of keys with ties; each line
# records in which order the elements came out. Needs gcc, node and two kernel source trees:
#   sh make.sh LINUX-6.1 LINUX-6.12     (Debian's linux-source-6.1 6.1.192 and linux-source-6.12 6.12.95 made those here)
set -eu
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/linux"
cat > "$work/shim.h" <<'C'
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
typedef uint64_t u64;
typedef uint32_t u32;
typedef int (*cmp_r_func_t)(const void *a, const void *b, const void *priv);
typedef int (*cmp_func_t)(const void *a, const void *b);
typedef void (*swap_r_func_t)(void *a, void *b, int size, const void *priv);
typedef void (*swap_func_t)(void *a, void *b, int size);
#define __attribute_const__ __attribute__((const))
#define __always_inline inline __attribute__((always_inline))
#define CONFIG_64BIT 1
#define EXPORT_SYMBOL(x)
#define EXPORT_SYMBOL_GPL(x)
#define cond_resched() do { } while (0)
#define unlikely(x) (x)
#define likely(x) (x)
C
for header in types export sort sched; do : > "$work/linux/$header.h"; done
cat > "$work/main.c" <<'C'
void sort(void *base, size_t num, size_t size, cmp_func_t cmp_func, swap_func_t swap_func);
struct entry { u64 key; u64 number; u64 pad; };
static int by_key(const void *a, const void *b)
{
	u64 x = ((const struct entry *)a)->key, y = ((const struct entry *)b)->key;
	return x < y ? -1 : x > y;
}
int main(void)
{
	struct entry list[64];
	u32 state = 7;
	for (int n = 0; n <= 40; n++)
		for (int keys = 1; keys <= 5; keys += 2) {
			printf("%s[\"", n + keys == 1 ? "" : ",\n");
			for (int i = 0; i < n; i++) {
				state = state * 1664525u + 1013904223u;
				list[i].key = (state >> 20) % keys;
				list[i].number = i;
				printf("%d", (int)list[i].key);
			}
			sort(list, n, sizeof(list[0]), by_key, NULL);
			printf("\",[");
			for (int i = 0; i < n; i++)
				printf("%s%d", i ? "," : "", (int)list[i].number);
			printf("]]");
		}
	return 0;
}
C
run() {
	cat "$work/shim.h" "$1/lib/sort.c" "$work/main.c" > "$work/all.c"
	gcc -O1 -w -I"$work" -o "$work/run" "$work/all.c"
	"$work/run"
}
{
	printf '{\n"6.1": [\n'
	run "$1"
	printf '],\n"6.12": [\n'
	run "$2"
	printf ']\n}\n'
} > "$here/orders.json"
