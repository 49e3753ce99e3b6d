/* SPDX-License-Identifier: Apache-2.0
 *
 * conf/number - counts, sizes and durations as people write them.
 *
 * Why     One notation each, without sign, space, fraction or leading zero: what is
 *         read here is read the same by every person and by YAML.
 * Owns    Nothing.
 * Thread  any; pure functions.
 * Errors  A parser returns false for a text that is not of its notation. A number
 *         beyond 64 bits becomes UINT64_MAX, for the caller's bound to refuse.
 */
#ifndef DHT_CONF_NUMBER_H
#define DHT_CONF_NUMBER_H

#include <stdbool.h>
#include <stdint.h>

#include "base/assert.h"
#include "base/bytes.h"

enum { CONF_NUMBER_MAX = 32 }; /* bytes of a formatted number, with unit and terminator */

/* Reads decimal digits. */
bool conf_count_parse(struct bytes text, uint64_t *value) DHT_MUST_CHECK;

/* Reads a number of bytes, or one with B, KiB, MiB or GiB. */
bool conf_size_parse(struct bytes text, uint64_t *bytes) DHT_MUST_CHECK;

/* Reads a number with ms, s, min or h, or 0. */
bool conf_duration_parse(struct bytes text, uint64_t *ms) DHT_MUST_CHECK;

/* For a size in a unit that is not accepted because it means 1000 to some and 1024 to
 * others (64MB, 64M, 64k), writes the size that it may stand for (64MiB). */
bool conf_size_suggest(struct bytes text, char out[CONF_NUMBER_MAX]) DHT_MUST_CHECK;

/* Write the value in the largest unit that divides it, as the parsers read it. */
void conf_count_format(uint64_t value, char out[CONF_NUMBER_MAX]);
void conf_size_format(uint64_t bytes, char out[CONF_NUMBER_MAX]);
void conf_duration_format(uint64_t ms, char out[CONF_NUMBER_MAX]);

#endif
