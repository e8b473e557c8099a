# SPDX-License-Identifier: GPL-2.0-only
#
# vfsr: userspace tools, tests and the kernel-side compile check.
#
# Everything globs: a new source or test file needs no edit here.
#
#   kernel/core, kernel/port    pure core, built here as userspace and in the module as kernel code
#   kernel/*/*.c                build/module/vfsr.ko, by `make module`
#   tools/lib (and lib/*)       + core = build/libvfsr.a
#   mkfs/*.c fsck/*.c tools/*.c   build/mkfs.vfsr, build/fsck.vfsr, build/vfsr
#   mount/*.c                   build/mount.vfsr, the helper of mount(8)
#   tools/gen/X.c               build/X, generators used at build time
#   tests/unit/test_*.c         one cmocka program each; other .c files there are linked into all
#   tests/fuzz/fuzz_*.c         one libFuzzer program each; seeds_*.c and gen_*.c write seed inputs
#   tests/shared/*.c            linked into every unit test, fuzz target and seed program
#   tests/{image,bench}/*.c     helper programs of those tests, build/tests/{image,bench}/X
#   tests/vm/X.c and X_*.c      programs of more files for the guests, build/tests/vm/X
#
# The same rules build four variants, each in its own directory: release (build/), asan
# (build/asan: gcc, ASan + UBSan), clang (build/clang), fuzz (build/fuzz). `make VARIANT=asan all`.

ifeq ($(MAKELEVEL)$(filter -j%,$(MAKEFLAGS)),0)
MAKEFLAGS += -j$(shell nproc)
endif
MAKEFLAGS += --no-print-directory --no-builtin-rules
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := tools

PREFIX ?= /usr
DESTDIR ?=
FUZZ_SECONDS ?= 60
TEST_TIMEOUT ?= 300
VARIANT ?= release
SRC := $(CURDIR)
V ?= 0
Q := $(if $(filter 1,$(V)),,@)
say = $(if $(filter 1,$(V)),,@printf '  %-7s %s\n' $(1) $(2))

# --- variants ---------------------------------------------------------------

SAN := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer
HARDEN := -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=2 -fstack-protector-strong
# gcc's flow analysis gives false alarms on sanitized code (documented in its manual)
ASANWARN := -Wno-maybe-uninitialized -Wno-stringop-overflow -Wno-stringop-truncation
CLANG ?= clang

B_release := build
B_asan := build/asan
B_clang := build/clang
B_fuzz := build/fuzz
CC_release := $(if $(filter default,$(origin CC)),gcc,$(CC))
CC_asan := $(CC_release)
CC_clang := $(CLANG)
CC_fuzz := $(CLANG)
FLAGS_release := -O2 $(HARDEN)
FLAGS_asan := -O2 $(SAN) $(ASANWARN)
FLAGS_clang := -O2 $(HARDEN)
FLAGS_fuzz := -O1 $(SAN) -fsanitize=fuzzer-no-link
# static: gcc's two shared run-times do not both honour log_path
LDFLAGS_asan := $(SAN) -static-libasan -static-libubsan
LDFLAGS_fuzz := $(SAN)

B := $(or $(B_$(VARIANT)),$(error unknown VARIANT '$(VARIANT)'))
BCC := $(CC_$(VARIANT))

WARN := -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Wold-style-definition \
	-Wvla -Wpointer-arith -Wundef
# the kernel's own rules for aliasing, so that shared code means the same on both sides
CFLAGS_BASE := -std=gnu11 -g -fno-strict-aliasing $(WARN)
CPPFLAGS_BASE := -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -Itools/lib/port -Ikernel -Itools -I.
BFLAGS = $(CPPFLAGS_BASE) $(CPPFLAGS) $(CFLAGS_BASE) $(FLAGS_$(VARIANT)) $(CFLAGS)
BLDFLAGS = -Wl,--as-needed $(LDFLAGS_$(VARIANT)) $(LDFLAGS)
LIBS := -lisal -ldeflate -lz -lblkid -luring -ljson-c -lpthread

# --- what there is ----------------------------------------------------------

objs = $(patsubst %.c,$(B)/obj/%.o,$(wildcard $(1)))
prog = $(if $(wildcard $(2)),$(B)/$(1))
each = $(patsubst $(1)/%.c,$(B)/$(2)/%,$(wildcard $(1)/$(3)))

CORE_OBJS := $(call objs,kernel/core/*.c)
LIB_OBJS := $(CORE_OBJS) $(call objs,tools/lib/*.c tools/lib/*/*.c)
LIB := $(B)/libvfsr.a
GENS := $(patsubst tools/gen/%.c,$(B)/%,$(wildcard tools/gen/*.c))
PROGS := $(call prog,mkfs.vfsr,mkfs/*.c) $(call prog,fsck.vfsr,fsck/*.c) $(call prog,vfsr,tools/*.c) \
	$(call prog,mount.vfsr,mount/*.c)
HELPERS := $(call each,tests/image,tests/image,*.c) $(call each,tests/bench,tests/bench,*.c)
GUEST_PROGS := $(foreach f,$(wildcard tests/vm/*.c),$(if $(findstring _,$(notdir $f)),,$(B)/$(f:.c=)))
UNITS := $(call each,tests/unit,tests/unit,test_*.c)
UNIT_SHARED := $(call objs,$(filter-out tests/unit/test_%,$(wildcard tests/unit/*.c tests/shared/*.c)))
FUZZERS := $(call each,tests/fuzz,tests/fuzz,fuzz_*.c)
SEEDERS := $(call each,tests/fuzz,tests/fuzz,seeds_*.c) $(call each,tests/fuzz,tests/fuzz,gen_*.c)
FUZZ_SHARED := $(call objs,$(filter-out $(addprefix tests/fuzz/,fuzz_% seeds_% gen_%), \
	$(wildcard tests/fuzz/*.c tests/shared/*.c)))
MANPAGES := $(wildcard Documentation/man/*.[1-9])

# --- rules ------------------------------------------------------------------

.PHONY: all tools lib units fuzzers FORCE
all: tools units
tools: $(LIB) $(GENS) $(PROGS) $(HELPERS) $(GUEST_PROGS)
lib: $(LIB)
units: $(UNITS)
fuzzers: $(FUZZERS) $(SEEDERS)

$(B)/obj/%.o: %.c Makefile
	$(call say,CC,$@)
	@mkdir -p $(@D)
	$(Q)$(BCC) $(BFLAGS) -MMD -MP -c -o $@ $<

# Written anew when the set of sources changes, so that nothing of a removed file stays linked.
$(B)/sources.list: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(LIST) | cmp -s - $@ || printf '%s\n' $(LIST) >$@
LIST = $(LIB_OBJS) $(wildcard mkfs/*.c fsck/*.c tools/*.c mount/*.c)

$(LIB): $(LIB_OBJS) $(B)/sources.list
	$(call say,AR,$@)
	@rm -f $@
	$(Q)ar rcs $@ $(LIB_OBJS)

define link
	$(call say,LD,$@)
	@mkdir -p $(@D)
	$(Q)$(BCC) $(BLDFLAGS) $(1) -o $@ $(filter %.o,$^) $(LIB) $(2) $(LIBS)
endef

$(B)/mkfs.vfsr: $(call objs,mkfs/*.c) $(LIB)
	$(call link)
$(B)/fsck.vfsr: $(call objs,fsck/*.c) $(LIB)
	$(call link)
$(B)/vfsr: $(call objs,tools/*.c) $(LIB)
	$(call link)
$(B)/mount.vfsr: $(call objs,mount/*.c) $(LIB)
	$(call link)
$(GENS): $(B)/%: $(B)/obj/tools/gen/%.o $(LIB)
	$(call link)
$(HELPERS): $(B)/%: $(B)/obj/%.o $(LIB)
	$(call link)
.SECONDEXPANSION:
$(GUEST_PROGS): $(B)/%: $(B)/obj/%.o $$(call objs,$$*_*.c) $(LIB)
	$(call link)
$(B)/tests/vm/hostile: $(call objs,tests/shared/pool_image.c tests/shared/pool_mutate.c)
$(UNITS): $(B)/%: $(B)/obj/%.o $(UNIT_SHARED) $(LIB)
	$(call link,,-lcmocka)
$(FUZZERS): $(B)/%: $(B)/obj/%.o $(FUZZ_SHARED) $(LIB)
	$(call link,-fsanitize=fuzzer)
$(SEEDERS): $(B)/%: $(B)/obj/%.o $(FUZZ_SHARED) $(LIB)
	$(call link)

.SECONDARY:
-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)

# --- the kernel module ------------------------------------------------------

# Newest installed 6.12 headers; KDIR=... names another build tree.
KDIR ?= $(lastword $(shell ls -d /usr/src/linux-headers-6.12*-$(KARCH) /lib/modules/6.12*/build \
	2>/dev/null | xargs -r -n1 readlink -f | sort -uV))
KARCH = $(shell dpkg --print-architecture 2>/dev/null || echo amd64)
# OUT=... lets several builds of one tree live side by side
OUT ?= build/module
# sparse runs over every file at every build; KCHECK= (empty) leaves it out
KCHECK := $(if $(shell command -v sparse),C=2 CF=-Wsparse-error)
# LAYERS="core base ..." builds some layers alone, MAIN=file.c links in that file
LAYERS ?=
MAIN ?=

.PHONY: module kmod
module:
	@test -n "$(KDIR)" || { echo 'module: no 6.12 kernel headers (make deps, or KDIR=...)' >&2; exit 1; }
	$(call say,KMOD,$(OUT)/vfsr.ko)
	@mkdir -p $(OUT)
	$(Q)+flock $(OUT)/.lock $(SHELL) -c 'tests/kmod/prepare.sh $(SRC) $(OUT) "$(LAYERS)" "$(MAIN)" && \
		env -u MAKEFLAGS $(MAKE) -j$(shell nproc) $(if $(filter 1,$(V)),,-s) -C $(KDIR) \
		M=$(abspath $(OUT)) VFSR_SRC=$(SRC) W=1 $(KCHECK) modules'
kmod: module

# --- tests ------------------------------------------------------------------

RUN = FUZZ_SECONDS=$(FUZZ_SECONDS) TEST_TIMEOUT=$(TEST_TIMEOUT) KDIR=$(KDIR) tests/run.sh

.PHONY: check check-debug lint unit fuzz-short image-tests vm-tests vm-shell bench demo demo-tools format
check: deps
	+@$(RUN) check
# the VM tests on a kernel with KASAN, lockdep and kmemleak, which is built first
DEBUG_KERNEL_DIR ?= build/debug/kernel
check-debug: deps-debug
	@tests/vm/debug_kernel.sh build $(DEBUG_KERNEL_DIR)
	+@tests/vm/debug_kernel.sh test $(DEBUG_KERNEL_DIR)
lint:
	+@$(RUN) lint
unit:
	+@$(RUN) unit
fuzz-short:
	+@$(RUN) fuzz
image-tests:
	+@$(RUN) image
vm-tests:
	+@$(RUN) vm
# an interactive guest; DISKS="size ..." are its empty disks
DISKS ?= 1G 1G 1G 1G
vm-shell: KCHECK :=
vm-shell: tools module
	@tests/vm/vmrun.py --shell -s 2 -o $(OUT) $(addprefix -d ,$(DISKS))
# the suite that file systems of Linux are tested with; XFSTESTS_DIR names its built tree,
# XFSTESTS are arguments of its check
XFSTESTS ?= -g quick
.PHONY: xfstests
xfstests: KCHECK :=
xfstests: tools module
	@test -x "$(XFSTESTS_DIR)/check" || { \
		echo 'xfstests: XFSTESTS_DIR=... must name a built tree of xfstests' >&2; exit 1; }
	@tests/vm/vmrun.py -s 2 -m 2G -o $(OUT) -t 0 -r build/vm/xfstests -v $(XFSTESTS_DIR) \
		-d 3G -d 3G -d 1G -d 1G -d 1G -- \
		'DISKS="$${DISKS[*]}" /vm/tests/xfstests.sh $(XFSTESTS)'
bench: deps-bench tools
	@VFSR_SRC=$(SRC) VFSR_BUILD=$(SRC)/build tests/bench/bench.sh $(BENCH_ARGS)
	+@$(MAKE) module KCHECK=
	@VFSR_SRC=$(SRC) MODULE_OUT=$(abspath $(OUT)) tests/bench/kbench.sh $(BENCH_CONFIGS)
# deps first, and only then a build that may need what they brought
demo: deps
	+@$(MAKE) tools
	+@$(MAKE) module KCHECK=
	@VFSR_SRC=$(SRC) VFSR_BUILD=$(SRC)/build MODULE_OUT=$(abspath $(OUT)) tests/demo/demo.py $(DIR)
demo-tools: deps
	+@$(MAKE) tools
	@VFSR_SRC=$(SRC) VFSR_BUILD=$(SRC)/build tests/demo/demo.sh $(DIR)
format:
	@tests/lint/lint_format.py --apply

# For the lint scripts: the flags of this build, one per line.
.PHONY: print-cppflags print-cflags
print-cppflags:
	@printf '%s\n' $(CPPFLAGS_BASE)
print-cflags:
	@printf '%s\n' $(CFLAGS_BASE)

# --- documents, installation ------------------------------------------------

SBIN := $(DESTDIR)$(PREFIX)/sbin
MAN := $(DESTDIR)$(PREFIX)/share/man
BASHCOMP := $(DESTDIR)$(PREFIX)/share/bash-completion/completions
ZSHCOMP := $(DESTDIR)$(PREFIX)/share/zsh/vendor-completions
UDEVRULES := $(DESTDIR)$(PREFIX)/lib/udev/rules.d
COMMANDS := mkfs.vfsr fsck.vfsr vfsr mount.vfsr

.PHONY: docs install uninstall clean
docs: $(GENS)
	build/errors_gen > Documentation/errors.rst.new
	mv Documentation/errors.rst.new Documentation/errors.rst

install: tools
	install -d $(SBIN)
	install -m 755 $(PROGS) $(SBIN)
	for m in $(MANPAGES); do \
		install -D -m 644 $$m $(MAN)/man$${m##*.}/$${m##*/} || exit 1; \
	done
	install -d $(UDEVRULES)
	sed 's,/usr/sbin,$(PREFIX)/sbin,' mount/61-vfsr.rules >$(UDEVRULES)/61-vfsr.rules
ifneq ($(wildcard tools/completions/vfsr.bash),)
	install -D -m 644 tools/completions/vfsr.bash $(BASHCOMP)/vfsr
	ln -sf vfsr $(BASHCOMP)/mkfs.vfsr
	ln -sf vfsr $(BASHCOMP)/fsck.vfsr
	ln -sf vfsr $(BASHCOMP)/mount.vfsr
endif
ifneq ($(wildcard tools/completions/_vfsr),)
	install -D -m 644 tools/completions/_vfsr $(ZSHCOMP)/_vfsr
endif

uninstall:
	rm -f $(UDEVRULES)/61-vfsr.rules
	rm -f $(addprefix $(SBIN)/,$(COMMANDS)) $(addprefix $(BASHCOMP)/,$(COMMANDS)) $(ZSHCOMP)/_vfsr
	rm -f $(foreach m,$(MANPAGES),$(MAN)/man$(subst .,,$(suffix $(m)))/$(notdir $(m)))

clean:
	rm -rf build

# --- packages ---------------------------------------------------------------

DEPS_BUILD := gcc libc6-dev make git libisal-dev libdeflate-dev zlib1g-dev libblkid-dev liburing-dev \
	libjson-c-dev libacl1-dev libattr1-dev
DEPS_CHECK := clang llvm libclang-rt-dev clang-format clang-tidy cppcheck sparse shellcheck codespell \
	libcmocka-dev python3 python3-docutils perl jq xz-utils attr acl util-linux e2fsprogs xfsprogs \
	squashfs-tools groff-base linux-headers-6.12-$(KARCH)
# QEMU and the guest's kernel; and what the guests' root image is made of
DEPS_VM := $(shell grep -hv '^\#' tests/vm/packages.host tests/vm/packages.guest)
DEPS_BENCH := linux-source-6.12 squashfs-tools xz-utils
DEPS_DEBUG := linux-source-6.12 xz-utils bc bison flex libelf-dev libssl-dev cpio

.PHONY: deps deps-bench deps-debug
deps:
	@tests/deps.sh $(DEPS_BUILD) $(DEPS_CHECK) $(DEPS_VM)
deps-bench: deps
	@tests/deps.sh $(DEPS_BENCH)
deps-debug: deps
	@tests/deps.sh $(DEPS_DEBUG)

.PHONY: help
help:
	@echo 'make tools         build/{mkfs,fsck,mount}.vfsr, build/vfsr (the default)'
	@echo 'make deps          install the Debian packages that building and checking need'
	@echo 'make demo [DIR=D]  a pool in a guest: copies D in, loses two of six disks, heals, compares'
	@echo 'make demo-tools    the same with images and the tools alone: build, fill, damage, restore'
	@echo 'make check         everything below up to vm-tests; ends with "N passed, N failed, N skipped"'
	@echo 'make lint          layers, purity, style, static analysis, documents'
	@echo 'make unit          unit tests: gcc with ASan + UBSan, and clang'
	@echo 'make fuzz-short    all fuzz targets for FUZZ_SECONDS=$(FUZZ_SECONDS) in all'
	@echo 'make module        build/module/vfsr.ko against KDIR=, in OUT=; KCHECK= leaves out sparse'
	@echo 'make image-tests   whole-image tests; TESTS="name ..." picks some (also for unit, lint and vm)'
	@echo 'make vm-tests      the module in guests (QEMU)'
	@echo 'make check-debug   the VM tests on a kernel with KASAN, lockdep and kmemleak; builds it first, takes hours'
	@echo 'make vm-shell      a shell in a guest with the module and empty disks, DISKS="1G 2G ..."'
	@echo 'make xfstests      xfstests in a guest, XFSTESTS_DIR=its built tree, XFSTESTS="-g quick"'
	@echo 'make bench         the tools beside mksquashfs, BENCH_ARGS=...; the module beside btrfs, BENCH_CONFIGS=...'
	@echo 'make format        apply clang-format'
	@echo 'make docs          regenerate Documentation/errors.rst'
	@echo 'make install DESTDIR= PREFIX=/usr, make uninstall, make clean'
	@echo 'V=1 shows commands; VARIANT=asan|clang|fuzz builds that variant'
