/* SPDX-License-Identifier: MIT */
/* Twenty functions that share .text, most with calls to functions that were local: switches, tables, pointers. */
#include "local.h"

WAS_LOCAL(long c_one(long x) { return x; })
WAS_LOCAL(long c_two(long x, long y) { return x; })
WAS_LOCAL(long c_count(void) { return 0; })
extern int klp_log(const char *, ...);

static long own[8] = { 2, 4, 8, 16, 32, 64, 128, 256 };

#define TABLE(n)                                                                                                       \
	KEEP long f##n##_switch(long x, long y)                                                                        \
	{                                                                                                              \
		switch (x) {                                                                                           \
		case 0:                                                                                                \
			return c_one(y) + own[n & 7];                                                                  \
		case 1:                                                                                                \
			return y * n;                                                                                  \
		case 2:                                                                                                \
			return c_two(y, x) - 1;                                                                        \
		case 3:                                                                                                \
			return own[y & 7] << 2;                                                                        \
		case 4:                                                                                                \
			return c_one(y + 1) * c_one(y + 2);                                                            \
		case 5:                                                                                                \
			return c_two(x, y) ^ n;                                                                        \
		case 6:                                                                                                \
			return y - x;                                                                                  \
		case 7:                                                                                                \
			return c_one(x) + own[x & 7];                                                                  \
		default:                                                                                               \
			return -n;                                                                                     \
		}                                                                                                      \
	}
#define LOOP(n)                                                                                                        \
	KEEP long f##n##_loop(long x)                                                                                  \
	{                                                                                                              \
		long sum = own[n & 7];                                                                                 \
		for (long i = 0; i < x; i++)                                                                           \
			sum = sum * 3 + c_one(i + n);                                                                  \
		return sum + own[x & 7];                                                                               \
	}
#define SIBLING(n)                                                                                                     \
	KEEP long f##n##_tail(long x)                                                                                  \
	{                                                                                                              \
		return c_two(x + n, own[n & 7]);                                                                       \
	}
#define PLAIN(n)                                                                                                       \
	KEEP long f##n##_plain(long x)                                                                                 \
	{                                                                                                              \
		return x * n + own[x & 7];                                                                             \
	}

TABLE(1)
PLAIN(2)
LOOP(3)
SIBLING(4)
TABLE(5)
LOOP(6)
PLAIN(7)
TABLE(8)
SIBLING(9)
LOOP(10)
PLAIN(11)
TABLE(12)
LOOP(13)
SIBLING(14)
PLAIN(15)
TABLE(16)
LOOP(17)

static long (*const pointers[])(long) = { f3_loop, f4_tail, f6_loop, f9_tail, f10_loop, f14_tail, f17_loop };

/* Labels as values: distances inside one function. */
KEEP long f18_labels(long x)
{
	static const int steps[] = { &&a - &&a, &&b - &&a, &&c - &&a };
	goto *(&&a + steps[x % 3]);
a:
	return c_one(x) + 1;
b:
	return own[x & 7] + c_one(2);
c:
	return c_two(x, 1);
}

KEEP long f19_recursive(long x)
{
	return x <= 0 ? c_one(1) : f19_recursive(x - 1) + f4_tail(x) + own[x & 7];
}

extern long asm_table(long), asm_far(long);
extern int exceptions[4], bugs[2];
extern long features[6];
extern char *expected[8];

/* How many entries of the tables beside the code do not name what they were made for. */
KEEP static long wrong_entries(void)
{
	long wrong = 0;
	for (int i = 0; i < 4; i++)
		wrong += (char *)&exceptions[i] + exceptions[i] != expected[i];
	for (int i = 0; i < 2; i++)
		wrong += (char *)&bugs[i] + bugs[i] != expected[4 + i];
	wrong += (char *)features + features[2] != expected[6];
	wrong += (char *)features + features[3] != expected[6] + 4;
	wrong += (char *)features + features[4] != expected[7];
	return wrong;
}

KEEP long f20_run(long seed)
{
	long sum = seed;
	for (long x = 0; x < 9; x++) {
		sum = sum * 31 + f1_switch(x, seed + x) + f5_switch(x, 5) + f8_switch(x, seed) + f12_switch(x, x);
		sum = sum * 31 + f16_switch(8 - x, 3) + f2_plain(x) + f7_plain(x) + f11_plain(sum) + f15_plain(x);
		for (unsigned p = 0; p < sizeof pointers / sizeof *pointers; p++)
			sum = sum * 31 + pointers[p](x);
		sum = sum * 31 + f18_labels(x) + f19_recursive(x) + f13_loop(x) + f14_tail(x) + f9_tail(2);
		sum = sum * 31 + asm_table(x & 3) + asm_far(x);
	}
	klp_log("%ld wrong entries", wrong_entries());
	return sum * 31 + c_count();
}
