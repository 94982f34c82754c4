/* SPDX-License-Identifier: MIT */
/*
 * Every kind of call. Compiled as it is: A, the functions B that A calls, and the functions C that B calls, in one file
 * with one TOC. Compiled with PATCH: the same B cut out into a livepatch as P, with data of its own that has the same
 * values. So a run with all B replaced must come to the same result as one with none, and only then.
 */
#include <stdarg.h>
#include "local.h"

typedef int vector __attribute__((vector_size(16)));
struct large {
	long part[9];
};

extern int klp_frames(void);

#ifdef PATCH
#define B(name) p_##name
#ifdef CUT
/* Whole debug information: the test makes the symbols undefined afterwards, and what they named is dead code. */
#define C(...) KEEP __VA_ARGS__
#else
#define C(...) WAS_LOCAL(__VA_ARGS__)
#endif
#define BODY(...) { return 0; }
#define SAME_BODY(result, ...) { return result; }
#else
#define B(name) b_##name
#define C(...) KEEP __VA_ARGS__
#define BODY(...) { __VA_ARGS__ }
#define SAME_BODY(result, ...) { __VA_ARGS__ }
static long heavy[8] = { 9, 8, 7, 6, 5, 4, 3, 2 };
#endif

C(long c_plain(long x) BODY(return x * heavy[x & 7] + 1;))
C(long c_frames(long x) BODY(return klp_frames() * 0 + x + heavy[1];))
C(long c_nine(long a, long b, long c, long d, long e, long f, long g, long h, long i)
  BODY(return a + b * 2 + c * 3 + d * 4 + e * 5 + f * 6 + g * 7 + h * 8 + i * 9 + heavy[i & 7];))
C(long c_sum(long n, ...)
  BODY(va_list ap; va_start(ap, n); long s = heavy[n & 7]; while (n--) s = s * 5 + va_arg(ap, long); va_end(ap); return s;))
C(struct large c_struct(long x, struct large l)
  SAME_BODY(l, for (int i = 0; i < 9; i++) l.part[i] = l.part[i] * x + heavy[i & 7]; return l;))
C(double c_float(double x, float y, long z) BODY(return x * y + heavy[z & 7];))
C(vector c_vector(vector x, vector y) SAME_BODY(x, return x * y + (int)heavy[2];))

/* volatile: a cut-out function keeps its own copy of what it reads. */
static volatile long mark[4] = { 17, 19, 23, 29 };
/* Read behind the last call only: its address cannot be had before. */
static volatile long late[4] = { 31, 37, 41, 43 };

/* Not C: in the livepatch, too, as a function that the patch brings along. */
KEEP long B(own)(long x) { return x * mark[x & 3] + late[1]; }

KEEP long B(plain)(long x) { return c_plain(x) + mark[x & 3]; }
KEEP long B(sibling)(long x) { return c_plain(x + mark[0]); }
KEEP long B(sibling_own)(long x) { return B(own)(x + mark[1]); }
KEEP long B(sibling_nine)(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
	return c_nine(i, h, g, f, e, d, c, b, a + mark[1]);
}
KEEP long B(frames)(long x) { return c_frames(x) + mark[1]; }
KEEP long B(nested3)(long x) { return c_plain(x) * mark[2] + c_frames(x); }
KEEP long B(nested2)(long x) { return B(nested3)(x + 1) + c_plain(mark[1]); }
KEEP long B(nested)(long x) { return c_plain(x) + B(nested2)(x) * mark[0]; }
KEEP long B(recursive)(long x) { return x <= 0 ? mark[3] : c_plain(x) + B(recursive)(x - 1) * mark[x & 3]; }
KEEP long B(sibling_frames)(long x) { return c_frames(x + mark[0]); }
KEEP long B(nine)(long x)
{
	long s = c_nine(x, 1, 2, mark[3], 4, 5, 6, x + 1, mark[0]);
	return s + late[s & 3];
}
KEEP long B(taking_nine)(long a, long b, long c, long d, long e, long f, long g, long h, long i)
{
	return c_nine(a, b, c, d, e, f, g, h, i) - i * mark[i & 3];
}
KEEP long B(variadic)(long n, ...)
{
	va_list ap;
	va_start(ap, n);
	long s = c_sum(3, n, mark[1], 5L);
	while (n--)
		s += c_sum(9, 1L, 2L, 3L, 4L, 5L, 6L, 7L, va_arg(ap, long), mark[2]);
	va_end(ap);
	return s;
}
KEEP long B(structs)(struct large l)
{
	l = c_struct(mark[0], l);
	l = c_struct(l.part[8] & 7, l);
	return l.part[0] + l.part[4] * 3 + l.part[8] * 7 + mark[3];
}
KEEP double B(floating)(double x, float y) { return c_float(x, y, mark[1]) * 3 + c_float(y, x, 2) + mark[2]; }
KEEP vector B(vectors)(vector x, vector y)
{
	vector z = c_vector(x, y);
	return c_vector(z, x) + z * (int)mark[3] + y;
}
KEEP long B(pointer)(long (*f)(long), long x) 
{
	long s = f(c_plain(x)) + f(x);
	s += c_plain(mark[0] + s);
	return s * late[s & 3];
}
KEEP long B(loop)(long x)
{
	long s = mark[2];
	do
		s = c_plain(s & 0xffff) + mark[x & 3];
	while (x-- > 0);
	return s;
}

/* No frame, several returns, some of them conditional. */
KEEP long B(leaf)(long x, long *to)
{
	if (x > 3)
		return x;
	*to += mark[1] * x;
	if (x == 2)
		return x;
	*to ^= mark[2];
	return x;
}

#ifdef REPLACE
/* As in a livepatch's table of functions. The nested and recursive ones are called inside the module, too. */
void *klp_funcs[] = { p_plain, p_frames, p_nine, p_taking_nine, p_variadic, p_structs, p_floating, p_vectors, p_pointer,
		      p_loop, p_leaf };
#endif
#ifdef REPLACE_ALL
void *klp_funcs[] = { p_plain, p_sibling, p_recursive };
#endif
#ifdef REPLACE_ONE
void *klp_funcs[] = { REPLACE_ONE };
#endif

#ifndef PATCH
long a_callback(long x) { return x * heavy[3]; }

/* All of them, by local calls. */
long a_run(long seed)
{
	long sum = seed;
	for (long x = 0; x < 5; x++) {
		struct large l = { { x, 2, 3, 4, 5, 6, 7, 8, seed } };
		vector u = { x, 2, 3, 4 }, v = { 5, 6, 7, seed };
		vector w = B(vectors)(u, v);
		double d = B(floating)(x * 1.5, 2.25f);
		sum = sum * 31 + B(plain)(x) + heavy[x] + B(sibling)(x) * heavy[x];
		sum = sum * 31 + B(sibling_nine)(x, 2, 3, 4, 5, 6, 7, 8, sum) * heavy[x];
		sum = sum * 31 + B(sibling_own)(x) * heavy[x];
		sum = sum * 31 + B(nested)(x) * heavy[x] + B(recursive)(x) + heavy[1];
		sum = sum * 31 + B(nine)(x) * heavy[x] + B(taking_nine)(x, 2, 3, 4, 5, 6, 7, 8, sum) + heavy[2];
		sum = sum * 31 + B(variadic)(4L, x, 7L, sum, 9L) * heavy[x] + B(structs)(l) + heavy[3];
		sum = sum * 31 + w[0] + w[1] * 3 + w[2] * 5 + w[3] * 7 + (long)(d * 4) + heavy[4];
		sum = sum * 31 + B(leaf)(x, &l.part[1]) * heavy[x] + l.part[1];
		sum = sum * 31 + B(pointer)(a_callback, x) * heavy[x] + B(loop)(x) + heavy[5] + B(frames)(x);
	}
	return sum + mark[0];
}

long a_frames(long x) { return B(frames)(x) + heavy[0]; }
long a_sibling_frames(long x) { return B(sibling_frames)(x) + heavy[0]; }
long a_sibling(long x) { return B(sibling)(x) + heavy[x & 7]; }
long a_pointer(long x)
{
	long (*volatile f)(long) = B(sibling);
	return f(x) + heavy[x & 7];
}
#endif
