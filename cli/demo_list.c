/* The bundled sample list, inside the binary: the demo needs no network and no file. */
#include "cli/demo_list.h"

__asm__(".section .rodata\n"
	".global fl_demo_list_start\n"
	".global fl_demo_list_end\n"
	"fl_demo_list_start:\n"
	".incbin \"" FL_SOURCE_DIR "/feeds/sample/tweetfeed-domains.txt\"\n"
	"fl_demo_list_end:\n"
	".byte 0\n"
	".previous\n");

extern const uint8_t fl_demo_list_start[], fl_demo_list_end[];

struct fl_span fl_demo_list(void)
{
	return fl_span(fl_demo_list_start, (size_t)(fl_demo_list_end - fl_demo_list_start));
}
