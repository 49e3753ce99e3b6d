/* SPDX-License-Identifier: Apache-2.0 */
#include "conf/check.h"

#include <inttypes.h>
#include <string.h>

#include "conf/number.h"
#include "conf/problem.h"
#include "conf/value.h"

/* What a record in a segment takes besides its value: the longest key, and room for
 * the record's header. */
#define RECORD_OVERHEAD_BYTES (64 * CONF_KIB + 128)

static struct conf_place place_of(const struct conf *conf, enum conf_id id)
{
	const struct conf_origin *origin = &conf->origins[id];
	if (origin->from == CONF_FROM_FILE)
		return (struct conf_place){conf->file_name, origin->line, origin->column};
	return (struct conf_place){origin->from == CONF_FROM_SET ? "--set" : "default", 0, 0};
}

static void check_largest_value_fits(const struct conf *conf, struct conf_problems *problems)
{
	const struct conf_item *value = &conf_items[CONF_store_max_value_size];
	const struct conf_item *segment = &conf_items[CONF_store_segment_size];
	uint64_t value_bytes = conf->store_max_value_size_bytes;
	uint64_t segment_bytes = conf->store_segment_size_bytes;

	if (conf->origins[value->id].from == CONF_FROM_REJECTED ||
	    conf->origins[segment->id].from == CONF_FROM_REJECTED ||
	    value_bytes + RECORD_OVERHEAD_BYTES <= segment_bytes)
		return;

	char value_text[CONF_NUMBER_MAX], segment_text[CONF_NUMBER_MAX];
	conf_size_format(value_bytes, value_text);
	conf_size_format(segment_bytes, segment_text);
	if (conf->origins[value->id].from != CONF_FROM_DEFAULT)
		conf_problem_add(problems, place_of(conf, value->id), conf_item_key(value),
				 "\"%s\" is out of range: with %s %s, at most %" PRIu64 "B",
				 value_text, segment->key, segment_text,
				 segment_bytes - RECORD_OVERHEAD_BYTES);
	else
		conf_problem_add(problems, place_of(conf, segment->id), conf_item_key(segment),
				 "\"%s\" is out of range: with %s %s, at least %" PRIu64 "B",
				 segment_text, value->key, value_text,
				 value_bytes + RECORD_OVERHEAD_BYTES);
}

/* A member that is silent for less than two of its heartbeats is not silent. */
static void check_heartbeats_are_heard(const struct conf *conf, struct conf_problems *problems)
{
	const struct conf_item *beat = &conf_items[CONF_peers_heartbeat];
	const struct conf_item *suspect = &conf_items[CONF_peers_suspect_after];
	if (conf->origins[beat->id].from == CONF_FROM_REJECTED ||
	    conf->origins[suspect->id].from == CONF_FROM_REJECTED ||
	    conf->peers_suspect_after_ms >= 2 * conf->peers_heartbeat_ms)
		return;
	const struct conf_item *item =
	    conf->origins[beat->id].from != CONF_FROM_DEFAULT ? beat : suspect;
	conf_problem_add(problems, place_of(conf, item->id), conf_item_key(item),
			 "peers.suspect_after has to be at least twice peers.heartbeat: they are "
			 "%" PRIu64 "ms and %" PRIu64 "ms",
			 (uint64_t)conf->peers_suspect_after_ms,
			 (uint64_t)conf->peers_heartbeat_ms);
}

/* The host name is the one default that comes from outside. */
static int check_host_name(struct conf *conf, struct conf_problems *problems)
{
	if (conf->origins[CONF_node_name].from != CONF_FROM_DEFAULT)
		return 0;
	return conf_value_parse(&conf_items[CONF_node_name], conf,
				bytes_of(conf->node_name, strlen(conf->node_name)),
				(struct conf_place){"host name", 0, 0}, problems);
}

int conf_check(struct conf *conf, struct conf_problems *problems)
{
	check_largest_value_fits(conf, problems);
	check_heartbeats_are_heard(conf, problems);
	return check_host_name(conf, problems);
}
