/* SPDX-License-Identifier: MIT */
/* The functions that stay behind: they find their data through their own TOC. */
#include "local.h"

static long weights[4] = { 3, 5, 7, 11 };
static long calls;

KEEP long c_one(long x)
{
	calls++;
	return x * weights[x & 3] + calls;
}

KEEP long c_two(long x, long y)
{
	return c_one(x) - weights[y & 3] * 13;
}

KEEP long c_count(void)
{
	return calls;
}
