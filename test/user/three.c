/* SPDX-License-Identifier: MIT */
/*
 * Three modules, as in the picture of October 2017, and a fourth for the way on: A in M1 calls B in M2, B is replaced by
 * P in a livepatch, P calls C, which was local to B and stays in M2, and C calls back into M1. Compiled with M1, with M2,
 * and with PATCH; each has a TOC and data of its own.
 */
#include "local.h"

extern int klp_frames(void);
extern long a_callback(long x);
extern long b_middle(long x), b_tail(long x), b_frames(long x);

#ifdef M1
static volatile long own[4] = { 3, 5, 7, 11 };

KEEP long a_callback(long x)
{
	if (x == 77)
		klp_frames();
	return x * own[x & 3];
}

long a_frames(long x)
{
	return b_frames(77) + own[x & 3];
}

/* Calls out of M1: the compiler leaves a nop behind each, and the loader fills it. */
long a_main(long x)
{
	long (*volatile pointer)(long) = b_tail;
	long sum = x;
	for (long i = 0; i < 6; i++) {
		sum = sum * 31 + b_middle(sum & 0xff) + own[i & 3];
		sum = sum * 31 + b_tail(i) * own[1];
		sum = sum * 31 + pointer(sum & 15) + own[2];
	}
	return sum;
}
#else
#ifdef PATCH
#define B(name) p_##name
WAS_LOCAL(long c_far(long x) { return 0; })
#else
#define B(name) b_##name
static volatile long heavy[4] = { 13, 17, 19, 23 };
KEEP long c_far(long x) { return a_callback(x) * heavy[x & 3] + heavy[1]; }
#endif
/* The same values on both sides. */
static volatile long mark[4] = { 29, 31, 37, 41 };

KEEP long B(middle)(long x)
{
	long s = c_far(x);
	return s * mark[s & 3] + a_callback(s & 7) + mark[1];
}
KEEP long B(tail)(long x) { return c_far(x + mark[0]); }
KEEP long B(frames)(long x) { return c_far(x) + mark[1]; }
/* Stands behind, so that the sibling call has a caller in the module. */
KEEP long B(both)(long x) { return B(tail)(x) + mark[2]; }
#ifdef PATCH
void *klp_funcs[] = { p_middle, p_tail, p_frames };
#endif
#endif
