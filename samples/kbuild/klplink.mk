# A livepatch module that kbuild makes and klplink finishes. In the Makefile of a module out of tree:
#
#	obj-m := foo.o
#	include $(dir $(lastword $(MAKEFILE_LIST)))klplink.mk
#
# `make` builds foo.ko, `make modules_install` installs it, `make clean` removes it. foo.ko is the linked module: what kbuild made is
# kept as .foo.unlinked.ko, so that a changed map links again without a compile, and so do another map and other options.
#
#	KDIR             build folder of the kernel (default: that of the kernel that runs)
#	KLPLINK          the command (default: klplink)
#	KLPLINK_KERNEL   files for -k: System.map, vmlinux, vmlinuz, Module.symvers (default: those of KDIR, or of its release in /boot)
#	KLPLINK_MODULES  modules that the patch changes or needs, for -m
#	KLPLINK_FLAGS    more options of klplink
#	KLPLINK_SIGN     key and certificate: the module is signed behind the link
#
# -s, -j, O= and V=1 do what they do in the kernel's own makefiles.

ifneq ($(KERNELRELEASE),)

# A section for each function: nothing has to move to make room for an island, and debug information stays true (KLP311).
ccflags-y += -ffunction-sections

else

KDIR ?= /lib/modules/$(shell uname -r)/build
KLPLINK ?= klplink

# Where the kernel's own output is: O= of a kernel that is built elsewhere than its source.
klplink-out := $(if $(O),$(abspath $(O)),$(KDIR))
klplink-release := $(shell cat $(klplink-out)/include/config/kernel.release 2>/dev/null)
KLPLINK_KERNEL ?= $(firstword $(wildcard $(klplink-out)/System.map /boot/vmlinuz-$(klplink-release) /proc/kallsyms)) \
	$(wildcard $(klplink-out)/Module.symvers)

klplink-names := $(basename $(obj-m))
klplink-options := $(addprefix -k ,$(KLPLINK_KERNEL)) $(addprefix -m ,$(KLPLINK_MODULES)) $(KLPLINK_FLAGS)
# modpost refuses symbols that the kernel does not export. Here they are the point.
klplink-kbuild = $(MAKE) --no-print-directory -C $(KDIR) M=$(CURDIR) $(if $(O),O=$(klplink-out)) KBUILD_MODPOST_WARN=1

# Quiet as kbuild is: one line a step, the command itself with V=1, nothing with -s.
klplink-quiet := $(if $(filter 1 2,$(V)),,@)
klplink-say = $(if $(or $(findstring s,$(firstword -$(MAKEFLAGS))),$(filter 1 2,$(V))),,echo '  $(1)';)

all: modules

modules: $(klplink-names:%=.%.klplink)
	@:

# What kbuild wrote since the last link takes the place of what it wrote before. A linked module is older than its stamp.
klplink-compile: FORCE
	+$(klplink-quiet)$(klplink-kbuild) modules
	@for name in $(klplink-names); do \
		if [ ! -e .$$name.klplink ] || [ $$name.ko -nt .$$name.klplink ]; then cp -f $$name.ko .$$name.unlinked.ko; fi; \
	done

$(klplink-names:%=.%.unlinked.ko): klplink-compile ;

# The command: a file that is as old as its text, so that another kernel's map links again, however old it is.
klplink-line = $(subst ','\'',$(KLPLINK) $(klplink-options) $(if $(KLPLINK_SIGN),: $(KLPLINK_SIGN)))
.klplink-command: FORCE
	@[ "$$(cat $@ 2>/dev/null)" = '$(klplink-line)' ] || printf '%s\n' '$(klplink-line)' > $@

# klplink writes the module whole or not at all; a module that could not be linked is not left there to be installed. A signature comes
# last: it covers the bytes that are loaded.
.%.klplink: .%.unlinked.ko .klplink-command $(KLPLINK_KERNEL) $(KLPLINK_MODULES)
	$(klplink-quiet)$(call klplink-say,KLPLINK $*.ko)$(KLPLINK) -q $< $(klplink-options) -o $*.ko || { rm -f $*.ko; exit 1; }
ifneq ($(KLPLINK_SIGN),)
	$(klplink-quiet)$(call klplink-say,SIGN    $*.ko)$(klplink-out)/scripts/sign-file sha256 $(KLPLINK_SIGN) $*.ko
endif
	@touch $@

# kbuild copies foo.ko, and signs the copy where the kernel is configured so.
modules_install: FORCE
	+$(klplink-quiet)$(klplink-kbuild) modules_install

clean: FORCE
	+$(klplink-quiet)$(klplink-kbuild) clean
	@rm -f .klplink-command $(foreach name,$(klplink-names),.$(name).klplink .$(name).unlinked.ko)

FORCE:
.PHONY: all modules modules_install clean klplink-compile FORCE
.PRECIOUS: .%.unlinked.ko

endif
