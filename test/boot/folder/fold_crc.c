// SPDX-License-Identifier: MIT
#include "fold_user.h"
