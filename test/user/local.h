/* SPDX-License-Identifier: MIT */
/*
 * A function that was local when its caller was compiled: the compiler sees a definition (so it writes "bl callee" with
 * no nop, or a bare "b callee" for a sibling call), and the assembler is made to skip it. What is left in the object is
 * the call and an undefined symbol. First in the file, and with -fno-toplevel-reorder: nothing else may be skipped.
 */
#define KEEP __attribute__((noipa, noinline))
#define WAS_LOCAL(definition)                                                                                          \
	asm(".if 0");                                                                                                  \
	KEEP definition asm(".endif");
