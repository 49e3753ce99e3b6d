/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/text.h"

#include <stdio.h>
#include <string.h>

#include "base/assert.h"
#include "base/bytes.h"
#include "base/text.h"
#include "cli/encoding.h"

/* The C1 control characters, U+0080 to U+009F, are as good as escape sequences. */
static bool is_control(const uint8_t *at, size_t len)
{
	if (len == 1)
		return *at < 0x20 || *at == 0x7f;
	return len == 2 && at[0] == 0xc2 && at[1] < 0xa0;
}

void cli_text_clean(char *text)
{
	uint8_t *from = (uint8_t *)text;
	uint8_t *to = from;
	size_t left = strlen(text);
	while (left > 0) {
		size_t len = cli_encoding_utf8_length(from, left);
		size_t step = len == 0 ? 1 : len;
		if (len == 0 || is_control(from, len)) {
			*to++ = '?';
		} else {
			memmove(to, from, len);
			to += len;
		}
		from += step;
		left -= step;
	}
	*to = '\0';
}

size_t cli_text_width(const char *text)
{
	size_t width = 0;
	for (; *text != '\0'; text++) {
		if (((uint8_t)*text & 0xc0) != 0x80)
			width++;
	}
	return width;
}

/* Writes the form of one character of len bytes (0: a byte that is not text), returns
 * how many bytes of out it takes. */
static size_t quote_one(const uint8_t *at, size_t len, char out[8])
{
	if (len == 0 || is_control(at, len)) {
		if (*at == '\n')
			return (size_t)snprintf(out, 8, "\\n");
		if (*at == '\t')
			return (size_t)snprintf(out, 8, "\\t");
		if (len == 2)
			return (size_t)snprintf(out, 8, "\\u%04x", 0x80U | (at[1] & 0x3fU));
		return (size_t)snprintf(out, 8, "\\x%02x", *at);
	}
	if (*at == '"' || *at == '\\')
		return (size_t)snprintf(out, 8, "\\%c", *at);
	memcpy(out, at, len);
	return len;
}

const char *cli_text_quote(struct bytes bytes, char out[CLI_QUOTED_MAX])
{
	static const char cut[] = "\"...";
	size_t used = 0;
	out[used++] = '"';
	for (size_t at = 0; at < bytes.len;) {
		char form[8];
		size_t len = cli_encoding_utf8_length(bytes.data + at, bytes.len - at);
		size_t take = quote_one(bytes.data + at, len, form);
		if (used + take + sizeof(cut) > CLI_QUOTED_MAX) {
			memcpy(out + used, cut, sizeof(cut));
			return out;
		}
		memcpy(out + used, form, take);
		used += take;
		at += len == 0 ? 1 : len;
	}
	out[used++] = '"';
	out[used] = '\0';
	return out;
}

const char *cli_text_size(uint64_t size_bytes, char out[CLI_NUMBER_MAX])
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
	size_t unit = 0;
	uint64_t scale = 1;
	/* The next unit as soon as rounding would show four digits. */
	while (unit + 1 < DHT_ARRAY_LEN(units) &&
	       (double)size_bytes / (double)scale >= (unit == 0 ? 1024.0 : 999.5)) {
		unit++;
		scale *= 1024;
	}
	double shown = (double)size_bytes / (double)scale;
	int digits = unit > 0 && shown < 9.95 ? 1 : 0;
	snprintf(out, CLI_NUMBER_MAX, "%.*f %s", digits, shown, units[unit]);
	return out;
}

const char *cli_text_count(uint64_t count, char out[CLI_NUMBER_MAX])
{
	char digits[CLI_NUMBER_MAX];
	int len = snprintf(digits, sizeof(digits), "%llu", (unsigned long long)count);
	char *to = out;
	for (int i = 0; i < len; i++) {
		if (i > 0 && (len - i) % 3 == 0)
			*to++ = ',';
		*to++ = digits[i];
	}
	*to = '\0';
	return out;
}

const char *cli_text_duration(uint64_t seconds, char out[CLI_NUMBER_MAX])
{
	unsigned long long s = seconds;
	if (s < 60)
		snprintf(out, CLI_NUMBER_MAX, "%llus", s);
	else if (s < 3600)
		snprintf(out, CLI_NUMBER_MAX, "%llum %llus", s / 60, s % 60);
	else if (s < 86400)
		snprintf(out, CLI_NUMBER_MAX, "%lluh %llum", s / 3600, s % 3600 / 60);
	else
		snprintf(out, CLI_NUMBER_MAX, "%llud %lluh", s / 86400, s % 86400 / 3600);
	return out;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The only candidate that typed begins, or that begins typed; NULL if there is none or
 * a second one. */
static const char *only_completion(const char *typed, size_t typed_len,
				   const char *const *candidates, size_t count)
{
	const char *found = NULL;
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(candidates[i]);
		if (strncmp(candidates[i], typed, smaller(len, typed_len)) != 0)
			continue;
		if (found != NULL)
			return NULL;
		found = candidates[i];
	}
	return found;
}

const char *cli_text_nearest(const char *typed, const char *const *candidates, size_t count)
{
	size_t typed_len = strlen(typed);
	if (typed_len == 0 || typed_len > TEXT_WORD_MAX)
		return NULL;
	const char *nearest = only_completion(typed, typed_len, candidates, count);
	if (nearest != NULL)
		return nearest;
	size_t best = typed_len <= 3 ? 2 : 3; /* one more than what is close */
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(candidates[i]);
		if (len > TEXT_WORD_MAX)
			continue;
		size_t distance =
		    text_edit_distance(bytes_of(typed, typed_len), bytes_of(candidates[i], len));
		if (distance < best) {
			best = distance;
			nearest = candidates[i];
		}
	}
	return nearest;
}
