/* SPDX-License-Identifier: MIT */
/*
 * A livepatch is cut out of a file in which its callees were local: the compiler then writes "bl callee" with no nop
 * behind it, or a bare "b callee" for a sibling call. To get that code from an ordinary build, the callees are defined
 * here where the compiler sees them, between two lines that make the assembler skip the definition. What is left in
 * the object is the call and an undefined symbol. Needs -ffunction-sections: the next function names its section anew.
 */
#ifndef FORMERLY_LOCAL_H
#define FORMERLY_LOCAL_H

/* no_reorder: stays between its lines. noipa: not inlined, not cloned, nothing learnt from the body thrown away. */
#define FORMERLY_LOCAL(definition)                                                                                     \
	asm(".if 0");                                                                                                  \
	__attribute__((no_reorder, noipa)) definition asm(".endif")

#endif
