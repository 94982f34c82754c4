/* SPDX-License-Identifier: MIT */
#ifndef TANK_LEVEL_H
#define TANK_LEVEL_H

#define TANK_UNIT "litres"
#define TANK_FULL 100

int tank_level(void);
void tank_fill(int amount);

#endif
