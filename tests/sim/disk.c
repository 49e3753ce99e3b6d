/* SPDX-License-Identifier: Apache-2.0 */
#include "disk.h"

void disk_init(struct disk *d)
{
	d->image = (struct disk_image){0};
	d->appended = d->durable = 0;
}

uint64_t disk_append(struct disk *d, const struct disk_append *append)
{
	DHT_ASSERT(d->appended - d->durable < DISK_LOG_MAX);
	d->log[d->appended % DISK_LOG_MAX] = *append;
	return ++d->appended;
}

bool disk_has_room(const struct disk *d)
{
	return d->appended - d->durable < DISK_LOG_MAX - 4 * SIM_KEYS;
}

static void take_map(struct disk_image *image, const struct disk_append *map)
{
	image->version = map->version;
	image->since = map->since;
	image->fin = 0;
	if (map->drops) {
		for (unsigned key = 0; key < SIM_KEYS; key++)
			image->records[key] = (struct paxos_record){0};
	}
}

static void replay(struct disk_image *image, const struct disk_append *append)
{
	switch (append->kind) {
	case DISK_RECORD:
		image->records[append->key] = append->record;
		break;
	case DISK_ERASED:
		image->records[append->key] = (struct paxos_record){0};
		break;
	case DISK_MAP:
		take_map(image, append);
		break;
	case DISK_CEILING:
		if (append->number > image->ceiling)
			image->ceiling = append->number;
		break;
	case DISK_FIN:
		image->fin = append->version + 1;
		break;
	}
}

void disk_sync(struct disk *d, uint64_t position)
{
	DHT_ASSERT(position <= d->appended);
	while (d->durable < position) {
		replay(&d->image, &d->log[d->durable % DISK_LOG_MAX]);
		d->durable++;
	}
}

void disk_crash(struct disk *d, uint64_t kept)
{
	disk_sync(d, d->durable + kept);
	d->appended = d->durable;
}
