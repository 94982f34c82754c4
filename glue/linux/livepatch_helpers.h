/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The name that patches written for klp-build include, for kernels that have no such header. */
#include "../klplink.h"
