/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <stdbool.h>

#include "base/assert.h"

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
