// SPDX-License-Identifier: MIT
#define FOLD_OPEN
#include "fold_user.h"
