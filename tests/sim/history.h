/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/history - what clients asked and were told, and whether it can be true.
 *
 * Why     Black box: the operations of a key are linearizable if some order of them, that
 *         puts none before one that had ended when it began, explains every answer (Wing
 *         and Gong 1993, with memory for the states seen, Lowe 2017). An operation of
 *         unknown outcome may take effect at any later time, or never; one that was not
 *         done never does.
 * Owns    Its items.
 * Thread  one owner.
 */
#ifndef DHT_SIM_HISTORY_H
#define DHT_SIM_HISTORY_H

#include <stdio.h>

#include "limits.h"
#include "model.h"

enum {
	HISTORY_KEY_MAX = 64, /* operations of a key */
	HISTORY_MAX = SIM_KEYS * HISTORY_KEY_MAX,
	HISTORY_NEVER = INT32_MAX,
};

enum outcome { OUTCOME_PENDING, OUTCOME_DONE, OUTCOME_UNKNOWN, OUTCOME_NOT_DONE };

struct history_item {
	struct model_op op;
	struct model_result result;
	enum outcome outcome;
	uint8_t key, client, host;
	int32_t begun, ended;        /* steps of the run */
	uint64_t begun_ms, ended_ms; /* true time */
};

struct history {
	uint32_t count;
	uint32_t of_key[SIM_KEYS];
	int64_t least_ms, most_ms; /* what clocks were ahead of true time */
	struct history_item items[HISTORY_MAX];
};

void history_init(struct history *h);

/* True if that many operations more can be recorded for the key. */
bool history_has_room(const struct history *h, unsigned key, uint32_t more);

/* Returns the index of the new item, whose outcome is pending. */
uint32_t history_begin(struct history *h, const struct history_item *item);

/* Ends a pending item; one that has ended stays as it is. result is NULL unless it is done. */
void history_end(struct history *h, uint32_t index, enum outcome outcome,
		 const struct model_result *result, int32_t step, uint64_t now_ms);

enum verdict { VERDICT_LINEARIZABLE, VERDICT_NOT_LINEARIZABLE, VERDICT_TOO_LARGE };
enum verdict history_check(const struct history *h, unsigned key);

void history_print(const struct history *h, unsigned key, FILE *out);

/* "PUT", and so on. */
const char *history_kind_name(enum op_kind kind);

#endif
