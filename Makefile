# memcam: one Makefile, output only in build/. `make help` lists what it does.

BUILD ?= build
PREFIX ?= /usr/local
CC ?= gcc
CFLAGS ?= -O2 -g
SAN ?=

VERSION := 0.1.0
PKGS := libuv libnghttp2 libzstd sqlite3 libssl libcrypto
FLOORS := tracer lisp store replay server

WARN := -Wall -Wextra -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla $(WERROR)
ALL_CFLAGS = -std=gnu11 $(WARN) -I. -D_GNU_SOURCE -DMC_VERSION='"$(VERSION)"' -fPIC \
	-fvisibility=hidden -MMD -MP -pthread $(SAN) $(CFLAGS) $(shell pkg-config --cflags $(PKGS))
ALL_LIBS = $(shell pkg-config --libs $(PKGS)) -lm -ldl -pthread

# A line a file, as (what) is done to $@; V=1 shows the command instead, -s nothing.
is_silent := $(findstring s,$(firstword -$(MAKEFLAGS)))
as = @$(if $(V),set -x;,$(if $(is_silent),,printf '  %-4s %s\n' '$(1)' '$(@:$(CURDIR)/%=%)';))
# How a target builds what it needs: with every core, unless -j says otherwise.
CORES = --no-print-directory $(if $(findstring -j,$(MAKEFLAGS)),,-j$(shell nproc))

obj = $(patsubst %.c,$(BUILD)/obj/%.o,$(1))
# The part that a host program links: nothing but tracer/pub_*.c.
LIB_OBJ := $(call obj,$(wildcard tracer/pub_*.c))
MAIN_OBJ := $(BUILD)/obj/server/main.o
SQL_OBJ := $(BUILD)/obj/store/sql_extension.o
floor_obj = $(filter-out $(MAIN_OBJ) $(SQL_OBJ),$(call obj,$(wildcard $(1)/*.c)))
# Floors from the top down, which is the order that the linker wants.
ARCHIVES := $(BUILD)/server.a $(BUILD)/replay.a $(BUILD)/store.a $(BUILD)/lisp.a $(BUILD)/tracer.a

UNIT := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))
FAULT := $(patsubst tests/fault/%.c,$(BUILD)/fault/%,$(wildcard tests/fault/test_*.c))
BENCH := $(patsubst tests/bench/%.c,$(BUILD)/bench/%,$(wildcard tests/bench/bench_*.c))
FUZZ := $(patsubst tests/fuzz/%.c,$(BUILD)/fuzz-replay/%,$(wildcard tests/fuzz/fuzz_*.c))

all: $(BUILD)/memcam $(BUILD)/memcam_sql.so $(BUILD)/libmemcam.a $(BUILD)/libmemcam.so \
	$(BUILD)/memcam.pc ## build the program, the library and the SQLite extension

help: ## list the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort

$(BUILD)/obj/%.o: %.c
	@mkdir -p $(@D)
	$(call as,CC) $(CC) $(ALL_CFLAGS) -c $< -o $@

$(foreach f,$(FLOORS),$(eval $(BUILD)/$(f).a: $(call floor_obj,$(f))))
$(BUILD)/%.a:
	@rm -f $@
	$(call as,AR) ar rcs $@ $^

$(BUILD)/libmemcam.a: $(LIB_OBJ)
$(BUILD)/libmemcam.so: $(LIB_OBJ)
	$(call as,LINK) $(CC) -shared $(SAN) $(LDFLAGS) -Wl,-soname,libmemcam.so.0 -Wl,-z,defs $^ -pthread -o $@
$(BUILD)/memcam.pc: FORCE # holds PREFIX, which install may give anew
	@mkdir -p $(@D)
	@printf 'prefix=%s\nincludedir=$${prefix}/include\nlibdir=$${prefix}/lib\n\nName: memcam\nDescription: publish memory pools and connection events to memcam\nVersion: %s\nCflags: -I$${includedir}\nLibs: -L$${libdir} -lmemcam\nLibs.private: -pthread\n' '$(PREFIX)' '$(VERSION)' > $@

# Files of the page, from web/ and from npm, become bytes in the program.
-include server/web.mk

$(BUILD)/memcam: $(MAIN_OBJ) $(ARCHIVES)
	$(call as,LINK) $(CC) $(SAN) $(LDFLAGS) $^ $(ALL_LIBS) -o $@
# The extension's objects call SQLite through its host's table (store/sql_api.h).
EXT_OBJ := $(patsubst %.c,$(BUILD)/obj/ext/%.o,$(wildcard store/*.c))
$(BUILD)/obj/ext/%.o: %.c
	@mkdir -p $(@D)
	$(call as,CC) $(CC) $(ALL_CFLAGS) -DMC_SQL_EXTENSION -c $< -o $@
$(BUILD)/memcam_sql.so: $(EXT_OBJ) $(BUILD)/tracer.a
	$(call as,LINK) $(CC) -shared $(SAN) $(LDFLAGS) $^ $(shell pkg-config --libs libzstd) -lm -pthread -o $@

$(BUILD)/unit/%: $(BUILD)/obj/tests/unit/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call as,LINK) $(CC) $(SAN) $(LDFLAGS) $^ $(ALL_LIBS) -o $@
$(BUILD)/fault/%: $(BUILD)/obj/tests/fault/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call as,LINK) $(CC) $(SAN) $(LDFLAGS) $^ $(ALL_LIBS) -o $@
$(BUILD)/bench/%: $(BUILD)/obj/tests/bench/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call as,LINK) $(CC) $(SAN) $(LDFLAGS) $^ $(ALL_LIBS) -o $@
# A fuzz target under libFuzzer (tests/fuzz/run.sh says how), and as a test that replays its corpus.
$(BUILD)/fuzz/%: $(BUILD)/obj/tests/fuzz/%.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call as,LINK) $(CC) $(SAN) -fsanitize=fuzzer $(LDFLAGS) $^ $(ALL_LIBS) -o $@
$(BUILD)/fuzz-replay/%: $(BUILD)/obj/tests/fuzz/%.o $(BUILD)/obj/tests/fuzz/replay_main.o $(ARCHIVES)
	@mkdir -p $(@D)
	$(call as,LINK) $(CC) $(SAN) $(LDFLAGS) $^ $(ALL_LIBS) -o $@

# Encodings beside ours, one a file; FTDC's zlib, where it is installed.
$(BUILD)/bench/bench_codecs: $(call obj,$(wildcard tests/bench/codec_*.c))
$(BUILD)/bench/bench_codecs: ALL_LIBS += $(shell pkg-config --silence-errors --libs zlib)
# LTTng-UST, where it is installed, is measured beside our tracer.
$(BUILD)/bench/bench_lttng: ALL_LIBS += $(shell pkg-config --silence-errors --libs lttng-ust)

tests-build: all $(UNIT) $(FAULT) $(FUZZ) $(BUILD)/bench/bench_http

deps: ## install what is missing (Debian packages, npm packages into build/npm)
	@sh tests/deps.sh $(BUILD)

test: deps ## build and run all tests
	@$(MAKE) $(CORES) tests-build
	@python3 tests/run.py --build $(BUILD)

test-unit: ## build and run the unit, fault and scheme tests only
	@$(MAKE) $(CORES) tests-build
	@python3 tests/run.py --build $(BUILD) --only unit,fault,scheme,fuzz

test-asan: deps ## the unit, fault and end-to-end tests under ASan and UBSan
	@$(MAKE) $(CORES) tests-build BUILD=$(BUILD)/asan CFLAGS="-O1 -g -fno-omit-frame-pointer" \
		SAN="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
	@python3 tests/run.py --build $(BUILD)/asan --only unit,fault,scheme,fuzz,e2e

test-tsan: deps ## the tracer's and the store's tests under TSan
	@$(MAKE) $(CORES) tests-build BUILD=$(BUILD)/tsan CFLAGS="-O1 -g" SAN="-fsanitize=thread"
	@python3 tests/run.py --build $(BUILD)/tsan --only unit --match 'tracer|store'

test-fault: ## allocations and I/O that fail, in ten times as many places as in `make test` (MEMCAM_FAULT_PARTS)
	@$(MAKE) $(CORES) tests-build
	@MEMCAM_FAULT_PARTS=$${MEMCAM_FAULT_PARTS:-40} python3 tests/run.py --build $(BUILD) --only fault

test-crash: deps ## kill -9 at 1,000 random moments of a writer and 200 of a recorder, 20,000 bit flips (MEMCAM_CRASHES, MEMCAM_KILLS, MEMCAM_FLIPS)
	@$(MAKE) $(CORES) all $(BUILD)/unit/test_store_crash $(BUILD)/unit/test_store_flips
	MEMCAM_CRASHES=$${MEMCAM_CRASHES:-1000} MEMCAM_FLIPS=$${MEMCAM_FLIPS:-20000} $(BUILD)/unit/test_store_crash
	MEMCAM_FLIPS=$${MEMCAM_FLIPS:-20000} $(BUILD)/unit/test_store_flips
	MEMCAM_BUILD=$(abspath $(BUILD)) MEMCAM_KILLS=$${MEMCAM_KILLS:-200} python3 tests/e2e/test_store.py

fuzz: deps ## libFuzzer, 10 minutes a target (FUZZ_SECONDS)
	@sh tests/fuzz/run.sh $(BUILD) $${FUZZ_SECONDS:-600}

bench: deps ## what is measured, beside its peers, in one run
	@$(MAKE) $(CORES) all $(BENCH)
	@python3 tests/bench/run.py --build $(BUILD)

demo: deps ## an app under load with an incident in it, recorded, with the dashboard
	@$(MAKE) $(CORES) all
	@python3 tests/demo.py --build $(BUILD)

pictures: deps ## the README's pictures, from a real recording, into web/pictures
	@$(MAKE) $(CORES) all
	@MEMCAM_BUILD=$(abspath $(BUILD)) node tests/pictures.mjs

lint: ## floors, headers, exported symbols, format, cppcheck
	@$(MAKE) $(CORES) all WERROR=-Werror
	@python3 tests/lint.py --build $(BUILD)

print-%: # the value of a variable, for the scripts in tests/
	$(info $($*))@:

format: ## lay the C code out with clang-format
	clang-format -i $(shell git ls-files '*.c' '*.h')

install: all ## install into $(DESTDIR)$(PREFIX)
	install -d $(DESTDIR)$(PREFIX)/bin $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 755 $(BUILD)/memcam $(DESTDIR)$(PREFIX)/bin/memcam
	install -m 644 tracer/memcam.h $(DESTDIR)$(PREFIX)/include/memcam.h
	install -m 644 $(BUILD)/libmemcam.a $(DESTDIR)$(PREFIX)/lib/libmemcam.a
	install -m 755 $(BUILD)/libmemcam.so $(DESTDIR)$(PREFIX)/lib/libmemcam.so.0
	ln -sf libmemcam.so.0 $(DESTDIR)$(PREFIX)/lib/libmemcam.so
	install -m 755 $(BUILD)/memcam_sql.so $(DESTDIR)$(PREFIX)/lib/memcam_sql.so
	install -m 644 $(BUILD)/memcam.pc $(DESTDIR)$(PREFIX)/lib/pkgconfig/memcam.pc

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(PREFIX)/bin/memcam $(DESTDIR)$(PREFIX)/include/memcam.h \
		$(DESTDIR)$(PREFIX)/lib/libmemcam.a $(DESTDIR)$(PREFIX)/lib/libmemcam.so \
		$(DESTDIR)$(PREFIX)/lib/libmemcam.so.0 $(DESTDIR)$(PREFIX)/lib/memcam_sql.so \
		$(DESTDIR)$(PREFIX)/lib/pkgconfig/memcam.pc

dist: ## a tarball of the committed tree
	@mkdir -p $(BUILD)
	git archive --prefix=memcam-$(VERSION)/ -o $(BUILD)/memcam-$(VERSION).tar.gz HEAD

clean: ## remove build/
	rm -rf $(BUILD)

.PHONY: all help pictures tests-build deps test test-unit test-asan test-tsan test-fault test-crash fuzz bench \
	demo lint format install uninstall dist clean
FORCE:
.SECONDARY:

-include $(shell find $(BUILD)/obj -name '*.d' 2>/dev/null)
