/* Configuration: any text loads, or says why not, with the warnings of config check; what loads can be compared and freed. */
#include "cli/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fl_diag diag = { 0 };
	struct fl_config *c = NULL;
	struct fl_buf text = { 0 };
	const char *keys[4];

	if (size > 1 << 16)
		return 0;
	if (fl_config_check_text("fuzz.yaml", fl_span(data, size), &c, &diag) == 0) {
		if (fl_config_frozen(c, c, keys, 4) != 0)
			abort();
		fl_config_free(c);
	} else if (diag.errors == 0) {
		abort(); /* an error without a word */
	}
	fl_diag_format(&diag, &text);
	fl_buf_done(&text);
	fl_diag_done(&diag);
	return 0;
}
