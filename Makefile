# The whole workflow. `make` builds, `make check` looks at a change in a minute, `make test` tests everything, `make install`
# installs (PREFIX, LIBDIR, BINDIR, INCLUDEDIR, DESTDIR).

CARGO ?= cargo
PYTHON ?= python3
PREFIX ?= /usr/local
LIBDIR ?= $(PREFIX)/lib
BINDIR ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
export CARGO_TARGET_DIR ?= $(CURDIR)/target

OUT := $(CARGO_TARGET_DIR)/release
SHARED := $(OUT)/libnanomsg.so
STATIC := $(OUT)/static/libnanomsg.a

# The interface implemented (what pkg-config and CMake are asked for), and the file name that goes with it.
VERSION := 1.2.1
REAL := libnanomsg.so.6.0.1

all: build static

build:
	$(CARGO) build --release

# The static library with its inner names hidden; the one cargo leaves in $(OUT) shows all of them.
static: build
	mkdir -p $(dir $(STATIC))
	tools/localise.sh $(OUT)/libnanomsg.a $(STATIC)

# Builds the library and a C example, and moves real data.
run: build
	examples-c/run.sh

# What needs cargo alone: format, lints, unit tests, the rules of the tree, documentation. PROFILE=--release shares what
# `make test` builds.
PROFILE ?=
check:
	$(CARGO) fmt --check
	$(CARGO) clippy $(PROFILE) --all-targets -- -D warnings
	$(CARGO) test $(PROFILE) --lib --bins --test tidy --test spec
	$(CARGO) test $(PROFILE) --test headers up_to_date
	RUSTDOCFLAGS="-D warnings" $(CARGO) doc $(PROFILE) --no-deps

test:
	tools/needs.sh
	$(CARGO) test --release

# Writes include/*/*.h anew from src/capi.
headers:
	$(CARGO) test --test headers -- --ignored --exact regenerate

bench: build
	$(PYTHON) bench/run.py

install: all
	install -d $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(LIBDIR)/cmake/nanomsg-$(VERSION) $(DESTDIR)$(INCLUDEDIR)/nanomsg $(DESTDIR)$(INCLUDEDIR)/millrace
	install -m 755 $(SHARED) $(DESTDIR)$(LIBDIR)/$(REAL)
	install -D -m 755 $(OUT)/nanoqi $(DESTDIR)$(BINDIR)/nanoqi
	for link in libnanomsg.so.6 libnanomsg.so.5 libnanomsg.so; do ln -sf $(REAL) $(DESTDIR)$(LIBDIR)/$$link; done
	install -m 644 $(STATIC) $(DESTDIR)$(LIBDIR)
	for part in nanomsg millrace; do install -m 644 include/$$part/*.h $(DESTDIR)$(INCLUDEDIR)/$$part; done
	$(fill) packaging/nanomsg.pc.in > $(DESTDIR)$(LIBDIR)/pkgconfig/nanomsg.pc
	for part in config config-version; do \
	    $(fill) packaging/nanomsg-$$part.cmake.in > $(DESTDIR)$(LIBDIR)/cmake/nanomsg-$(VERSION)/nanomsg-$$part.cmake; done

fill = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
    -e 's|@VERSION@|$(VERSION)|'

clean:
	$(CARGO) clean

.PHONY: all build static run check test headers bench install clean
