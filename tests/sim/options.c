/* SPDX-License-Identifier: Apache-2.0 */
#include "options.h"

static uint32_t maybe(struct random_source *r, uint32_t permille, uint32_t low, uint32_t high)
{
	return random_chance(r, permille) ? random_between(r, low, high) : 0;
}

static void draw_load(struct options *o, struct random_source *r)
{
	static const uint8_t sizes[] = {3, 3, 3, 3, 1, 2, 5};
	o->replicas = sizes[random_below(r, sizeof(sizes))];
	o->members = 7;
	o->keys = (uint8_t)random_between(r, 1, 3);
	o->clients = (uint8_t)random_between(r, 2, 5);
	o->duration_us = random_between(r, 30000, 150000);
	o->operations = random_between(r, 8, 30);
	o->mix = (uint8_t)random_below(r, 4);
	o->think_us = random_between(r, 200, 6000);
	o->patience_us = random_between(r, 5000, 60000);
	o->ballast = (uint16_t)maybe(r, 80, 50, 1100);
	o->has_one_block = random_chance(r, 400);
	o->wild = (uint16_t)maybe(r, 700, 20, 500);
	o->series = (uint16_t)maybe(r, 300, 20, 300);
	o->expiring = (uint16_t)maybe(r, 400, 20, 500);
	o->expiry_us = random_between(r, 2000, 40000);
	o->padding = maybe(r, 100, 100, 2000);
}

static void draw_network(struct options *o, struct random_source *r)
{
	o->delay_us = random_between(r, 100, 1000);
	o->loss = (uint16_t)maybe(r, 500, 1, 250);
	o->duplicate = (uint16_t)maybe(r, 700, 1, 250);
	o->late = (uint16_t)maybe(r, 800, 10, 300);
	o->late_factor = random_between(r, 4, 60);
	o->round_us = o->delay_us * random_between(r, 3, 20);
	o->back_off_us = o->delay_us * random_between(r, 1, 10);
	o->deadline_us = o->round_us * random_between(r, 8, 20);
}

static void draw_disk(struct options *o, struct random_source *r)
{
	o->fsync_us = random_between(r, 10, 1500);
	o->slow_fsync = (uint16_t)maybe(r, 400, 1, 100);
	o->ceiling_ahead = random_chance(r, 200) ? 0 : random_between(r, 4, 60);
	o->is_lazy = random_chance(r, 80);
	o->compacts = random_chance(r, 500);
	o->memory_bytes = random_chance(r, 150) ? 1 << 20 : 0;
	/* Cold records are read one after the other: as many as this in a chunk, not more. */
	if (o->memory_bytes != 0 && o->ballast > 60)
		o->ballast = 60;
	o->full_us = maybe(r, 100, 5000, 60000);
	o->housekeep_us = random_between(r, 1000, 20000);
	o->litter_us = maybe(r, 150, 500, 8000);
}

static void draw_faults(struct options *o, struct random_source *r)
{
	o->skew_ms = (int32_t)maybe(r, 400, 1, 30);
	o->clock_us = maybe(r, 300, 5000, 60000);
	o->crash_us = maybe(r, 650, 6000, 60000);
	o->stop_us = maybe(r, 250, 10000, 80000);
	o->lose_us = maybe(r, 150, 20000, 150000);
	o->cut_us = maybe(r, 500, 2000, 40000);
	o->slow_us = maybe(r, 300, 4000, 40000);
	o->suspect_us = maybe(r, 300, 2000, 40000);
	o->change_us = maybe(r, 600, 4000, 40000);
	o->recover_us = maybe(r, 80, 10000, 80000);
	o->drive_us = random_between(r, 500, 6000);
	o->adopt_us = random_between(r, 1000, 20000);
	o->collect_us = maybe(r, 700, 200, 5000);
	o->repair_us = maybe(r, 600, 300, 6000);
	o->pull_us = random_between(r, 300, 4000);
	o->down_us = random_between(r, 1000, 25000);
}

/* Phases follow each other while tombstones are collected. */
static void lean_to_changes(struct options *o, struct random_source *r)
{
	o->change_us = random_between(r, 1500, 8000);
	o->drive_us = random_between(r, 300, 2500);
	o->pull_us = random_between(r, 200, 1500);
	o->collect_us = random_between(r, 300, 2000);
	o->repair_us = random_between(r, 300, 4000);
	o->crash_us = maybe(r, 400, 10000, 60000);
	o->mix = random_chance(r, 400) ? 3 : o->mix;
	o->duration_us = random_between(r, 60000, 150000);
}

/* One key in one to three replicas, deleted and erased again and again. */
static void lean_to_erasure(struct options *o, struct random_source *r)
{
	o->replicas = (uint8_t)random_between(r, 1, 3);
	o->sets = SETS_SMALL;
	o->keys = (uint8_t)random_between(r, 1, 2);
	o->mix = 2;
	o->collect_us = random_between(r, 100, 800);
	o->repair_us = maybe(r, 700, 300, 3000);
	o->change_us = maybe(r, 800, 1500, 10000);
	o->drive_us = random_between(r, 300, 2500);
	o->crash_us = maybe(r, 400, 10000, 60000);
	o->late = (uint16_t)random_between(r, 50, 350);
	o->late_factor = random_between(r, 10, 100);
	o->operations = 30;
}

/* Few coordinators that write again and again, with messages that come late or twice. */
static void lean_to_hot(struct options *o, struct random_source *r)
{
	o->mix = 1;
	o->clients = (uint8_t)random_between(r, 2, 4);
	o->keys = 1;
	o->think_us = random_between(r, 100, 1500);
	o->duplicate = (uint16_t)random_between(r, 100, 400);
	o->late = (uint16_t)random_between(r, 50, 400);
	o->lose_us = o->stop_us = 0;
	o->operations = 40;
}

/* Nodes that come and go, with little between a restart and the next. */
static void lean_to_restarts(struct options *o, struct random_source *r)
{
	o->crash_us = random_between(r, 2000, 10000);
	o->stop_us = maybe(r, 500, 5000, 20000);
	o->down_us = random_between(r, 200, 4000);
	o->fsync_us = random_between(r, 200, 3000);
	o->slow_fsync = (uint16_t)random_between(r, 50, 300);
	o->ceiling_ahead = random_between(r, 3, 12);
}

/* Replicas tell each other what they hold while coordinators are in each other's way. */
static void lean_to_repair(struct options *o, struct random_source *r)
{
	o->keys = 1;
	o->clients = (uint8_t)random_between(r, 3, 5);
	o->mix = random_chance(r, 700) ? 3 : 0;
	o->operations = 40;
	o->think_us = random_between(r, 100, 2000);
	o->repair_us = random_between(r, 100, 1000);
	o->loss = (uint16_t)random_between(r, 50, 350);
	o->late = (uint16_t)random_between(r, 50, 400);
	o->round_us = o->delay_us * random_between(r, 3, 8);
	o->change_us = maybe(r, 300, 1500, 10000);
	o->crash_us = maybe(r, 400, 6000, 30000);
	o->lose_us = 0;
}

void options_draw(struct options *o, struct random_source *r)
{
	*o = (struct options){0};
	draw_load(o, r);
	draw_network(o, r);
	draw_disk(o, r);
	draw_faults(o, r);
	uint32_t profile = random_below(r, 10);
	if (profile < 3)
		lean_to_changes(o, r);
	else if (profile < 5)
		lean_to_erasure(o, r);
	else if (profile < 6)
		lean_to_hot(o, r);
	else if (profile < 7)
		lean_to_restarts(o, r);
	else if (profile < 9)
		lean_to_repair(o, r);
}
