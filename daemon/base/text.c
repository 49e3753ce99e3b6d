/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include "base/assert.h"

enum { INTEGER_DIGITS_MAX = 19 }; /* of INT64_MAX; as many fit into a uint64_t */

bool text_parse_integer(struct bytes text, int64_t *number)
{
	size_t i = 0;
	bool negative = text.len > 0 && text.data[0] == '-';
	if (negative)
		i = 1;
	if (i == text.len || text.len - i > INTEGER_DIGITS_MAX)
		return false;
	if (text.data[i] == '0') {
		*number = 0;
		return text.len == 1;
	}
	uint64_t value = 0;
	for (; i < text.len; i++) {
		if (text.data[i] < '0' || text.data[i] > '9')
			return false;
		value = value * 10 + (uint64_t)(text.data[i] - '0');
	}
	if (value > (uint64_t)INT64_MAX + negative)
		return false;
	*number = negative ? (int64_t)(0 - value) : (int64_t)value;
	return true;
}

static size_t smaller(size_t a, size_t b)
{
	return a < b ? a : b;
}

size_t text_edit_distance(struct bytes a, struct bytes b)
{
	size_t rows[3][TEXT_WORD_MAX + 1];
	DHT_ASSERT(a.len <= TEXT_WORD_MAX && b.len <= TEXT_WORD_MAX);

	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++) {
		size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
		row[0] = i;
		for (size_t j = 1; j <= b.len; j++) {
			bool differs = a.data[i - 1] != b.data[j - 1];
			row[j] = smaller(above[j - 1] + differs, smaller(above[j], row[j - 1]) + 1);
			if (i > 1 && j > 1 && a.data[i - 1] == b.data[j - 2] &&
			    a.data[i - 2] == b.data[j - 1])
				row[j] = smaller(row[j], above2[j - 2] + 1);
		}
	}
	return rows[a.len % 3][b.len];
}
