/* SPDX-License-Identifier: MIT */
/* What stands between a profiling call and the function that replaces its caller, and the run with patterns. */

	.text

/*
 * In all of these: r0 = return into A, LR = anything, CTR = r12 = P at its global entry, r2 = A's or B's TOC.
 * The livepatch stack: 24 bytes a call: r2, return address, magic (Power: asm/livepatch.h, ftrace_entry.S).
 */
	.globl	handler_livepatch
handler_livepatch:
	addis	12,13,paca_thread_info@tprel@ha
	ld	12,paca_thread_info@tprel@l(12)
	ld	11,32(12)
	addi	11,11,24
	std	11,32(12)
	std	2,-24(11)
	std	0,-16(11)
	lis	12,0x57ac
	ori	12,12,0x6e9d
	std	12,-8(11)
	mfctr	12
	bctrl
	addis	12,13,paca_thread_info@tprel@ha
	ld	12,paca_thread_info@tprel@l(12)
	ld	11,32(12)
	lis	2,0x57ac
	ori	2,2,0x6e9d
	ld	12,-8(11)
	tdne	12,2
	ld	12,-16(11)
	mtlr	12
	ld	2,-24(11)
	addis	12,13,paca_thread_info@tprel@ha
	ld	12,paca_thread_info@tprel@l(12)
	addi	11,11,-24
	std	11,32(12)
	blr

/* March 2016: the distance from the return address to the TOC goes to CR+4 of A's frame, nothing else is done. */
	.globl	handler_cr4
handler_cr4:
	mtlr	0
	subf	0,0,2
	stw	0,12(1)
	mfctr	12
	bctr

/* The same with klp_return_helper behind a 32-byte frame. */
	.globl	handler_mini
handler_mini:
	std	0,16(1)
	subf	0,0,2
	stw	0,12(1)
	stdu	1,-32(1)
	bl	5f
5:	mflr	12
	addi	12,12,klp_return_helper-5b
	std	12,16(1)
	mtlr	12
	mfctr	12
	bctr
klp_return_helper:
	addi	1,1,32
	lwa	2,12(1)
	ld	0,16(1)
	add	2,2,0
	mtlr	0
	blr

/* What stands before the livepatch stack was made: a caller that only goes on at P. */
	.globl	handler_plain
handler_plain:
	mtlr	0
	mfctr	12
	bctr

/*
 * u64 run_checked(u64 entry, u64 argument, u64 lost[4]): fills r14-r31, cr2-cr4, f14-f31 and v20-v31, calls, and
 * says which were changed: bits of lost[0]: 1 r1, 2 r2, 4 cr, 8 LR; of the others, the register's own number. r2 must
 * come back as what lost[0] holds at first: the TOC of the function that is run.
 */
	.macro each_gpr what
	.irp n,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\what \n
	.endr
	.endm
	.macro save_gpr n
	std	\n,(\n*8)(11)
	.endm
	.macro restore_gpr n
	ld	\n,(\n*8)(11)
	.endm
	.macro fill_gpr n
	li	\n,\n*257
	.endm
	.macro test_gpr n
	cmpdi	\n,\n*257
	beq	7f
	li	0,1
	sldi	0,0,\n
	or	10,10,0
7:
	.endm
	.macro save_fpr n
	stfd	\n,(256+\n*8)(11)
	.endm
	.macro restore_fpr n
	lfd	\n,(256+\n*8)(11)
	.endm
	.macro fill_fpr n
	li	0,\n*259
	mtfprd	\n,0
	.endm
	.macro test_fpr n
	mffprd	0,\n
	cmpdi	0,\n*259
	beq	7f
	li	0,1
	sldi	0,0,\n
	or	10,10,0
7:
	.endm
	.macro save_vr n
	li	0,512+\n*16
	stvx	\n,11,0
	.endm
	.macro restore_vr n
	li	0,512+\n*16
	lvx	\n,11,0
	.endm
	.macro fill_vr n
	vspltisb \n,\n-32+16
	.endm
	.macro test_vr n
	vspltisb 0,\n-32+16
	vcmpequb. 0,0,\n
	blt	6,7f
	li	0,1
	sldi	0,0,\n
	or	10,10,0
7:
	.endm
	.macro each_vr what
	.irp n,20,21,22,23,24,25,26,27,28,29,30,31
	\what \n
	.endr
	.endm

	.globl	run_checked
	.type	run_checked,@function
run_checked:
0:	addis	2,12,.TOC.-0b@ha
	addi	2,2,.TOC.-0b@l
	.localentry run_checked,.-run_checked
	mflr	0
	std	0,16(1)
	mfcr	0
	stw	0,8(1)
	stdu	1,-160(1)
	addis	11,2,saved@toc@ha
	addi	11,11,saved@toc@l
	each_gpr save_gpr
	each_gpr save_fpr
	each_vr save_vr
	std	1,0(11)
	std	2,8(11)
	std	5,16(11)
	each_gpr fill_gpr
	each_gpr fill_fpr
	each_vr fill_vr
	lis	0,0x5a5
	ori	0,0,0xa000
	mtcrf	0x38,0
	std	2,24(1)
	mr	12,3
	mtctr	12
	mr	3,4
	bctrl
9:	mr	9,2
	mfcr	7
	mflr	6
	ld	2,24(1)
	addis	11,2,saved@toc@ha
	addi	11,11,saved@toc@l
	stw	7,24(11)
	li	10,0
	ld	8,0(11)
	cmpd	8,1
	beq	1f
	ori	10,10,1
	mr	1,8
1:	ld	5,16(11)
	ld	8,0(5)
	cmpd	8,9
	beq	1f
	ori	10,10,2
1:	bl	2f
2:	mflr	8
	addi	8,8,9b-2b
	cmpd	8,6
	beq	1f
	ori	10,10,8
1:	lwz	8,24(11)
	rlwinm	8,8,0,8,19
	lis	7,0xa5
	ori	7,7,0xa000
	rlwinm	7,7,0,8,19
	cmpw	7,8
	beq	2f
	ori	10,10,4
2:	ld	5,16(11)
	std	10,0(5)
	li	10,0
	each_gpr test_gpr
	std	10,8(5)
	li	10,0
	each_gpr test_fpr
	std	10,16(5)
	li	10,0
	each_vr test_vr
	std	10,24(5)
	each_gpr restore_gpr
	each_gpr restore_fpr
	each_vr restore_vr
	addi	1,1,160
	lwz	0,8(1)
	mtcrf	0x38,0
	ld	0,16(1)
	mtlr	0
	blr
	.size	run_checked,.-run_checked

	.lcomm	saved,1024,16
	.section .note.GNU-stack,"",@progbits
