# The whole workflow: `make help` lists it.

CARGO ?= cargo
CC ?= cc
PYTHON ?= python3
STRIP ?= strip
export CARGO_TARGET_DIR ?= $(CURDIR)/target

# Where things go; DESTDIR is put in front of all of them. Debian's LIBDIR is /usr/lib/x86_64-linux-gnu.
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
DATADIR ?= $(PREFIX)/share
ZSHDIR ?= $(DATADIR)/zsh/site-functions
export DESTDIR PREFIX LIBDIR BINDIR INCLUDEDIR DATADIR ZSHDIR STRIP

OUT := $(CARGO_TARGET_DIR)/release
# Written when cargo has built: a tree that is up to date is installed without cargo, which root often does not have.
BUILT := $(OUT)/.built
STATIC := $(OUT)/static/libnanomsg.a
FIVE := $(OUT)/static/libnanomsg.so.5
PERF := $(patsubst bench/perf/%.c,$(OUT)/perf/%,$(wildcard bench/perf/*.c))

all: build static $(FIVE) $(PERF)

help:
	@echo 'make            builds the library and the tools'
	@echo 'make run        builds, and runs C examples that move real data'
	@echo 'make check      format, lints, unit tests, documentation: needs cargo alone, takes a minute'
	@echo 'make test       builds everything and runs all tests'
	@echo 'make features   compiles every combination of the cargo features, and tests some'
	@echo 'make bindings   lints and tests of the bindings alone: C++, Python, Node.js'
	@echo 'make nodes      the tests of Node.js with its versions 18 and 22, which npm brings'
	@echo 'make install    library, headers, nanomsg.pc, CMake package, tools, manual pages, completions;'
	@echo '                PREFIX=$(PREFIX) LIBDIR=$(LIBDIR) BINDIR INCLUDEDIR DATADIR DESTDIR'
	@echo 'make uninstall  takes them away again (the same variables)'
	@echo 'make deb        Debian packages, in $(OUT)/deb'
	@echo 'make trial      tries those in a fresh Debian beside programs that need nanomsg: root, debootstrap, 5 minutes'
	@echo 'make bench      measures, and compares with other libraries'
	@echo 'make headers    writes include/ anew from src/capi'
	@echo 'make manual     writes docs/man anew from docs and include/'
	@echo 'make clean      removes what was built'

build: $(BUILT)

$(BUILT): Cargo.toml Cargo.lock build.rs $(shell find src)
	@[ -z '$(filter install,$(MAKECMDGOALS))' ] || command -v $(CARGO) > /dev/null || { \
	    echo 'There is no $(CARGO) in PATH, and something changed since the last build: run make, then sudo make install.' >&2; exit 1; }
	@tools/rust.sh $(CARGO)
	$(CARGO) build --release
	@touch $@

# The static library with its inner names hidden; the one cargo leaves in $(OUT) shows all of them.
static: $(STATIC)

$(STATIC): $(BUILT) tools/localise.sh
	@mkdir -p $(@D)
	tools/localise.sh $(OUT)/libnanomsg.a $@

# What programs built for nanomsg 1.1 ask for: a library without code that needs libnanomsg.so.6. A link by that name would
# be left out by ldconfig, which goes by the name that is in the file.
$(FIVE): $(BUILT)
	@mkdir -p $(@D)
	$(CC) -shared -o $@ -Wl,-soname,libnanomsg.so.5 -Wl,--no-as-needed -Wl,-z,now $(OUT)/libnanomsg.so

$(OUT)/perf/%: bench/perf/%.c bench/perf/perf.h $(BUILT)
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O2 -D_FORTIFY_SOURCE=2 -Wall -Wextra -Wl,-z,now -pthread -I include $< -o $@ -L $(OUT) -lnanomsg

# Builds the library and a C example, and moves real data.
run: build
	examples-c/run.sh

# What needs cargo alone: format, lints, unit tests, the rules of the tree, documentation. PROFILE=--release shares what
# `make test` builds.
PROFILE ?=
check:
	@tools/rust.sh $(CARGO)
	$(CARGO) fmt --check
	$(CARGO) fmt --check --manifest-path bindings/python/Cargo.toml
	$(CARGO) fmt --check --manifest-path bindings/node/Cargo.toml
	$(CARGO) clippy $(PROFILE) --all-targets -- -D warnings
	$(CARGO) test $(PROFILE) --lib --bins --test tidy --test spec
	$(CARGO) test $(PROFILE) --test headers up_to_date
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(PROFILE) --no-deps

test:
	@tools/rust.sh $(CARGO)
	tools/needs.sh
	$(CARGO) test --release

# Every combination of features compiles, with its tests; those of none, and of each alone, are run.
features:
	@tools/rust.sh $(CARGO)
	CARGO='$(CARGO)' tools/features.sh

# The bindings' lints and tests alone. Their native halves are workspaces of their own, so `make check` does not see them.
bindings:
	@tools/rust.sh $(CARGO)
	tools/needs.sh
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/bindings $(CARGO) clippy --manifest-path bindings/python/Cargo.toml -- -D warnings
	CARGO_TARGET_DIR=$(CARGO_TARGET_DIR)/bindings $(CARGO) clippy --manifest-path bindings/node/Cargo.toml -- -D warnings
	$(CARGO) test --release --test bindings_cpp --test bindings_python --test bindings_node --test conformance

# Not among the tests: npm brings 200 MB.
nodes:
	@tools/rust.sh $(CARGO)
	$(CARGO) test --release --test bindings_node -- --ignored --exact its_own_tests_with_other_versions

# Writes what docs quotes of the headers, and docs/man, anew.
manual:
	$(CARGO) test --test manual -- --ignored --exact regenerate

# Writes include/*/*.h anew from src/capi, and the manual, which quotes them.
headers:
	$(CARGO) test --test headers -- --ignored --exact regenerate
	$(CARGO) test --test manual -- --ignored --exact regenerate

bench: build
	$(PYTHON) bench/run.py
	$(PYTHON) bench/tails.py

install: all
	packaging/install.sh install $(OUT)

uninstall:
	packaging/install.sh uninstall $(OUT)

# Debian packages: libmillrace, libmillrace-dev, millrace-utils (packaging/debian/build.sh says what they are).
deb: all
	packaging/debian/build.sh $(OUT) $(OUT)/deb

# Takes ROOT, a directory for the Debian that it makes and leaves behind.
ROOT ?= $(OUT)/trial
trial: deb
	packaging/debian/trial.sh $(OUT)/deb $(ROOT)

clean:
	$(CARGO) clean

.PHONY: all help build static run check test features bindings nodes headers manual bench install uninstall deb trial clean
