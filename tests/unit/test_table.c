/* SPDX-License-Identifier: Apache-2.0
 *
 * node/table: against an array; numbers that several objects share; visits that change it.
 */
#include <stdlib.h>
#include <string.h>

#include "node/table.h"
#include "unit.h"

enum { OBJECTS = 500, TURNS = 50000 };

struct object {
	struct table_link link;
	bool is_in;
	unsigned visits;
};

static struct object objects[OBJECTS];
static struct table table;

static struct object *of(struct table_link *link)
{
	return DHT_CONTAINER_OF(link, struct object, link);
}

static bool is_found(const struct object *object, uint64_t number)
{
	struct table_link *link = table_find(&table, number);
	while (link != NULL && link != &object->link)
		link = table_find_next(link);
	return link != NULL;
}

static void toggle(struct object *object)
{
	if (object->is_in)
		table_remove(&table, &object->link);
	else
		ck_assert_int_eq(
		    table_insert(&table, &object->link, (uint64_t)(object - objects) % 200), 0);
	object->is_in = !object->is_in;
}

START_TEST(objects_are_found_by_their_number)
{
	unsigned in = 0;
	memset(objects, 0, sizeof(objects));
	srand(1);
	for (int turn = 0; turn < TURNS; turn++) {
		struct object *object = &objects[rand() % OBJECTS];
		toggle(object);
		object = &objects[rand() % OBJECTS];
		UNIT_REQUIRE(is_found(object, (uint64_t)(object - objects) % 200) == object->is_in);
	}
	for (unsigned i = 0; i < OBJECTS; i++)
		in += objects[i].is_in;
	ck_assert_uint_eq(table.count, in);
	ck_assert_ptr_null(table_find(&table, 777));
	table_fini(&table);
}
END_TEST

/* Removes the object it is at, and puts in one that is out. */
static void change(void *ctx, struct table_link *link)
{
	unsigned *next = ctx;
	UNIT_REQUIRE(of(link)->visits++ == 0);
	toggle(of(link));
	if (*next < OBJECTS)
		toggle(&objects[(*next)++]);
}

START_TEST(a_visit_may_remove_and_insert)
{
	unsigned next = 10;
	memset(objects, 0, sizeof(objects));
	for (unsigned i = 0; i < 10; i++)
		toggle(&objects[i]);
	table_visit(&table, change, &next);
	for (unsigned i = 0; i < 10; i++)
		ck_assert(objects[i].visits == 1 && !objects[i].is_in);
	for (unsigned i = 0; i < OBJECTS; i++)
		ck_assert(objects[i].visits <= 1);
	table_fini(&table);
}
END_TEST

UNIT_MAIN("table", 60, objects_are_found_by_their_number, a_visit_may_remove_and_insert)
