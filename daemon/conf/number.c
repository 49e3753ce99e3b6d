/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/number.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

struct unit {
	const char *suffix;
	uint64_t factor;
};

/* From large to small; the last factor is 1, so that it divides every value. */
static const struct unit size_units[] = {
    {"GiB", UINT64_C(1) << 30},
    {"MiB", UINT64_C(1) << 20},
    {"KiB", UINT64_C(1) << 10},
    {"B", 1},
};

static const struct unit duration_units[] = {
    {"h", UINT64_C(60) * 60 * 1000},
    {"min", UINT64_C(60) * 1000},
    {"s", 1000},
    {"ms", 1},
};

/* Reads the digits in front of text; *rest is what follows them. False if there are
 * none, or if the number is written with leading zeros (YAML 1.1 reads 0100 as 64). */
static bool parse_digits(struct bytes text, uint64_t *value, struct bytes *rest)
{
	uint64_t sum = 0;
	bool is_huge = false;
	size_t i = 0;
	for (; i < text.len && text.data[i] >= '0' && text.data[i] <= '9'; i++) {
		uint64_t digit = (uint64_t)(text.data[i] - '0');
		is_huge = is_huge || __builtin_mul_overflow(sum, 10, &sum) ||
			  __builtin_add_overflow(sum, digit, &sum);
	}
	*value = is_huge ? UINT64_MAX : sum;
	*rest = bytes_of(text.data + i, text.len - i);
	return i == 1 || (i > 1 && text.data[0] != '0');
}

static bool is_text(struct bytes bytes, const char *text)
{
	return bytes_equal(bytes, bytes_of(text, strlen(text)));
}

static bool parse_with_unit(struct bytes text, const struct unit *units, size_t unit_count,
			    uint64_t *value, struct bytes *rest)
{
	if (!parse_digits(text, value, rest))
		return false;
	for (size_t i = 0; i < unit_count; i++) {
		if (!is_text(*rest, units[i].suffix))
			continue;
		if (__builtin_mul_overflow(*value, units[i].factor, value))
			*value = UINT64_MAX;
		return true;
	}
	return false;
}

bool conf_count_parse(struct bytes text, uint64_t *value)
{
	struct bytes rest;
	return parse_digits(text, value, &rest) && rest.len == 0;
}

bool conf_size_parse(struct bytes text, uint64_t *bytes)
{
	struct bytes rest;
	return conf_count_parse(text, bytes) ||
	       parse_with_unit(text, size_units, DHT_ARRAY_LEN(size_units), bytes, &rest);
}

bool conf_duration_parse(struct bytes text, uint64_t *ms)
{
	struct bytes rest;
	if (is_text(text, "0")) {
		*ms = 0;
		return true;
	}
	return parse_with_unit(text, duration_units, DHT_ARRAY_LEN(duration_units), ms, &rest);
}

bool conf_size_suggest(struct bytes text, char out[CONF_NUMBER_MAX])
{
	uint64_t number;
	struct bytes rest;
	if (!parse_digits(text, &number, &rest) || number == UINT64_MAX || rest.len == 0 ||
	    rest.len >= sizeof("MiB"))
		return false;

	char suffix[sizeof("MiB")] = {0};
	memcpy(suffix, rest.data, rest.len);
	for (size_t i = 0; i < DHT_ARRAY_LEN(size_units); i++) {
		const char *unit = size_units[i].suffix;
		const char decimal[] = {unit[0], 'B', '\0'};
		const char letter[] = {unit[0], '\0'};
		if (strcasecmp(suffix, unit) == 0 || strcasecmp(suffix, decimal) == 0 ||
		    strcasecmp(suffix, letter) == 0) {
			snprintf(out, CONF_NUMBER_MAX, "%" PRIu64 "%s", number, unit);
			return true;
		}
	}
	return false;
}

void conf_count_format(uint64_t value, char out[CONF_NUMBER_MAX])
{
	snprintf(out, CONF_NUMBER_MAX, "%" PRIu64, value);
}

static void format_with_unit(uint64_t value, const struct unit *unit, char out[CONF_NUMBER_MAX])
{
	if (value == 0) {
		conf_count_format(value, out);
		return;
	}
	while (value % unit->factor != 0)
		unit++;
	snprintf(out, CONF_NUMBER_MAX, "%" PRIu64 "%s", value / unit->factor, unit->suffix);
}

void conf_size_format(uint64_t bytes, char out[CONF_NUMBER_MAX])
{
	format_with_unit(bytes, size_units, out);
}

void conf_duration_format(uint64_t ms, char out[CONF_NUMBER_MAX])
{
	format_with_unit(ms, duration_units, out);
}
