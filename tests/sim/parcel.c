/* SPDX-License-Identifier: Apache-2.0 */
#include "parcel.h"

#include <stdlib.h>

/* Bytes are first counted, then copied: the same walk with and without room. */
struct packer {
	uint8_t *room; /* NULL: they are counted */
	size_t used;
};

static void *pack(struct packer *p, const void *data, size_t len)
{
	if (data == NULL)
		return NULL;
	uint8_t *copy = p->room != NULL ? p->room + p->used : NULL;
	if (copy != NULL && len > 0)
		memcpy(copy, data, len);
	p->used += (len + 15) / 16 * 16;
	return copy;
}

static void pack_bytes(struct packer *p, struct bytes *bytes)
{
	struct bytes from = *bytes;
	const void *copy = pack(p, from.data, from.len);
	if (p->room != NULL)
		*bytes = bytes_of(copy, from.len);
}

static void pack_items(struct packer *p, struct message *m)
{
	struct message_item *items = pack(p, m->items, m->item_count * sizeof(*items));
	for (size_t i = 0; i < m->item_count; i++) {
		struct message_item item = m->items[i];
		pack_bytes(p, &item.key);
		pack_bytes(p, &item.record.value);
		item.location = 0;
		if (items != NULL)
			items[i] = item;
	}
	if (p->room != NULL)
		m->items = items;
}

static void pack_ops(struct packer *p, struct message *m)
{
	struct op *ops = pack(p, m->ops, m->op_count * sizeof(*ops));
	for (size_t i = 0; i < m->op_count && m->ops != NULL; i++) {
		struct op op = m->ops[i];
		pack_bytes(p, &op.key.key);
		pack_bytes(p, &op.value);
		pack_bytes(p, &op.expected);
		op.fetched = NULL;
		if (ops != NULL)
			ops[i] = op;
	}
	if (p->room != NULL)
		m->ops = ops;
}

static struct op_result *pack_results(struct packer *p, const struct op_result *from, size_t count)
{
	struct op_result *results = pack(p, from, count * sizeof(*results));
	for (size_t i = 0; i < count && from != NULL; i++) {
		struct op_result result = from[i];
		pack_bytes(p, &result.value);
		result.location = result.cold = result.end = 0;
		result.is_pinned = false;
		if (results != NULL)
			results[i] = result;
	}
	return results;
}

static void pack_message(struct packer *p, struct message *m)
{
	pack_bytes(p, &m->key);
	pack_bytes(p, &m->record.value);
	m->location = 0;
	pack_items(p, m);
	pack_ops(p, m);
	struct op_result *whole = pack_results(p, m->whole, 1);
	struct op_result *results = pack_results(p, m->results, m->op_count);
	if (p->room != NULL) {
		m->whole = whole;
		m->results = results;
	}
}

struct parcel *parcel_create(const struct message *m, uint16_t to)
{
	struct packer counted = {0};
	struct message copy = *m;
	pack_message(&counted, &copy);
	size_t head = (sizeof(struct parcel) + 15) / 16 * 16;
	struct parcel *parcel = malloc(head + counted.used);
	DHT_ASSERT(parcel != NULL);
	*parcel = (struct parcel){.to = to, .m = *m};
	list_init(&parcel->link);
	struct packer packer = {.room = (uint8_t *)parcel + head};
	pack_message(&packer, &parcel->m);
	return parcel;
}

void parcel_destroy(struct parcel *parcel)
{
	list_remove(&parcel->link);
	free(parcel);
}
