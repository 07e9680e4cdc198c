# web.mk: the page's files, from web/ and from npm, become bytes in the program (server/web.h).

# uPlot comes from the lock file of web/, installed by `make deps`; without it the page has no charts.
UPLOT_DIR := $(firstword $(wildcard $(BUILD)/npm/node_modules/uplot/dist \
	build/npm/node_modules/uplot/dist))
WEB_DIR := $(BUILD)/web
WEB_FILES := $(sort $(wildcard web/*.html web/*.js web/*.css web/*.svg web/*.png)) \
	$(if $(UPLOT_DIR),$(WEB_DIR)/uPlot.esm.js $(UPLOT_DIR)/uPlot.min.css)
# Modules that are served with all that they import, so that the page asks once for its scripts; `make
# WEB_JOINED=` serves each as it is, for a debugger.
WEB_JOINED := early.js main.js stream_worker.js

# The short form is half as heavy; it comes as a script only, and a line makes a module of it.
$(WEB_DIR)/uPlot.esm.js: $(UPLOT_DIR)/uPlot.iife.min.js
	@mkdir -p $(@D)
	$(call as,PACK) (cat $<; echo; echo 'export default uPlot;') > $@

# The list is a file too, so that a file that comes or goes makes the table anew.
$(WEB_DIR)/list: FORCE
	@mkdir -p $(@D)
	@echo '$(WEB_JOINED) $(WEB_FILES)' | cmp -s - $@ || echo '$(WEB_JOINED) $(WEB_FILES)' > $@

$(WEB_DIR)/web_assets.c: $(WEB_DIR)/list server/web_pack.sh server/web_join.awk $(WEB_FILES)
	$(call as,PACK) sh server/web_pack.sh $(WEB_DIR) '$(WEB_JOINED)' $(WEB_FILES)
$(WEB_DIR)/web_assets.S: $(WEB_DIR)/web_assets.c ;

$(WEB_DIR)/web_assets_table.o: $(WEB_DIR)/web_assets.c server/web.h
	$(call as,CC) $(CC) $(ALL_CFLAGS) -c $< -o $@
$(WEB_DIR)/web_assets_bytes.o: $(WEB_DIR)/web_assets.S $(WEB_DIR)/web_assets.c
	$(call as,CC) $(CC) -c $< -o $@

$(BUILD)/server.a: $(WEB_DIR)/web_assets_table.o $(WEB_DIR)/web_assets_bytes.o

.PHONY: FORCE
FORCE:
