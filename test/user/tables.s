# SPDX-License-Identifier: MIT
# What compilers and kernel macros put beside code, in one .text: a jump table of distances in .rodata, branches
# between functions that the assembler resolves, and tables that name code (exceptions, bugs, feature fix-ups).
	.text
	.p2align 4
	.globl	asm_table
	.type	asm_table,@function
asm_table:
	addis	2,12,(.TOC.-asm_table)@ha
	addi	2,2,(.TOC.-asm_table)@l
	.localentry asm_table,.-asm_table
	mflr	0
	bl	_mcount
	mflr	0
	std	0,16(1)
	stdu	1,-48(1)
	addis	9,2,distances@toc@ha
	addi	9,9,distances@toc@l
	sldi	10,3,2
	lwax	10,10,9
	add	10,10,9
	mtctr	10
	bctr
.Lzero:	li	3,100
	b	.Lout
.Lone:	bl	c_one
	b	.Lout
.Ltwo:	li	3,1000
.Lout:	addi	1,1,48
	ld	0,16(1)
	mtlr	0
	blr
.Lthree:
	addi	3,3,77
	b	.Lout
	.size	asm_table,.-asm_table

	.globl	asm_far
	.type	asm_far,@function
asm_far:
	addis	2,12,(.TOC.-asm_far)@ha
	addi	2,2,(.TOC.-asm_far)@l
	.localentry asm_far,.-asm_far
	mflr	0
	bl	_mcount
	cmpdi	3,4
	bgt	.Lbehind
	mflr	0
	std	0,16(1)
	stdu	1,-48(1)
.Lspot:	bl	c_one
.Lshared:
	addi	1,1,48
	ld	0,16(1)
	mtlr	0
	blr
.Lend_far:
	.size	asm_far,.-asm_far

	.globl	asm_behind
	.type	asm_behind,@function
asm_behind:
	addis	2,12,(.TOC.-asm_behind)@ha
	addi	2,2,(.TOC.-asm_behind)@l
	.localentry asm_behind,.-asm_behind
	mflr	0
	bl	_mcount
.Lbehind:
	mflr	0
	std	0,16(1)
	stdu	1,-48(1)
	cmpdi	3,7
	bgt	.Lskip
	bl	c_one
	addi	3,3,5
	b	.Lshared
.Lskip:	li	3,-1
	cmpdi	3,0
	blt	.Lshared
.Lfix:	b	.Lshared
	.size	asm_behind,.-asm_behind

	.section .rodata,"a",@progbits
	.p2align 2
	.long	17
distances:
	.long	.Lzero-distances, .Lone-distances, .Ltwo-distances, .Lthree-distances

# The two fields of an entry count from themselves.
	.section __ex_table,"a",@progbits
	.p2align 2
	.globl	exceptions
exceptions:
	.long	.Lspot-.
	.long	.Lfix-.
	.long	.Lskip-.
	.long	.Lzero-.

	.section __bug_table,"aw",@progbits
	.p2align 2
	.globl	bugs
bugs:	.long	.Lskip-.
	.long	.Lbehind-.

# mask, value, then four distances from the entry's start; the range ends where asm_far ends.
	.section __ftr_fixup,"a",@progbits
	.p2align 3
	.globl	features
features:
	.quad	0, 0
	.quad	.Lend_far-4-features
	.quad	.Lend_far-features
	.quad	.Lbehind-features
	.quad	.Lbehind-features

	.data
	.p2align 3
	.globl	expected
expected:
	.quad	.Lspot, .Lfix, .Lskip, .Lzero
	.quad	.Lskip, .Lbehind
	.quad	.Lend_far-4, .Lbehind
	.section .note.GNU-stack,"",@progbits
