/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/* The name that patches written for kpatch include. */
#include "klplink.h"
