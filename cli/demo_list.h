#pragma once
#include "base/span.h"

/** The bundled sample list (feeds/sample), in format domains. */
struct fl_span fl_demo_list(void);
