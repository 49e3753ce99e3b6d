/* SPDX-License-Identifier: Apache-2.0 */
#include "io/resolver.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/error.h"
#include "unit.h"

static struct resolver *r;
static char numeric[ENDPOINT_HOST_MAX];

static void setup(void)
{
	ck_assert_int_eq(resolver_create(&r), 0);
}

static void teardown(void)
{
	resolver_destroy(r);
}

/* Asks until there is an answer. */
static int wait_for(const char *host)
{
	const struct timespec pause = {.tv_nsec = 1000000};
	int rc = DHT_EAGAIN;
	for (int i = 0; i < 30000 && rc == DHT_EAGAIN; i++) {
		rc = resolver_look(r, host, 0, numeric);
		if (rc == DHT_EAGAIN)
			nanosleep(&pause, NULL);
	}
	return rc;
}

START_TEST(a_numeric_address_is_its_own)
{
	setup();
	ck_assert_int_eq(resolver_look(r, "192.0.2.7", 3, numeric), 0);
	ck_assert_str_eq(numeric, "192.0.2.7");
	ck_assert_int_eq(resolver_look(r, "2001:db8::1", 0, numeric), 0);
	ck_assert_str_eq(numeric, "2001:db8::1");
	ck_assert_int_eq(resolver_look(r, "", 0, numeric), DHT_ENOTFOUND);
	teardown();
}
END_TEST

START_TEST(a_name_is_looked_up_by_another_thread)
{
	setup();
	ck_assert_int_eq(resolver_look(r, "localhost", 0, numeric), DHT_EAGAIN);
	ck_assert_int_eq(wait_for("localhost"), 0);
	ck_assert(strcmp(numeric, "127.0.0.1") == 0 || strcmp(numeric, "::1") == 0);
	/* From then on at once, and any of its addresses. */
	for (unsigned turn = 0; turn < 20; turn++)
		ck_assert_int_eq(resolver_look(r, "localhost", turn, numeric), 0);
	teardown();
}
END_TEST

START_TEST(an_unknown_name_is_asked_for_again)
{
	setup();
	ck_assert_int_eq(wait_for("nobody.invalid"), DHT_ENOTFOUND);
	ck_assert_int_eq(resolver_look(r, "nobody.invalid", 0, numeric), DHT_ENOTFOUND);
	teardown();
}
END_TEST

START_TEST(more_names_than_are_kept)
{
	setup();
	for (int i = 0; i < 2 * RESOLVER_NAMES; i++) {
		char host[32];
		snprintf(host, sizeof(host), "n%d.invalid", i);
		int rc = resolver_look(r, host, 0, numeric);
		ck_assert(rc == DHT_EAGAIN || rc == DHT_ENOTFOUND);
	}
	ck_assert_int_eq(wait_for("localhost"), 0);
	/* Look-ups are under way at its end. */
	for (int i = 0; i < RESOLVER_NAMES; i++) {
		char host[32];
		snprintf(host, sizeof(host), "m%d.invalid", i);
		int rc = resolver_look(r, host, 0, numeric);
		ck_assert(rc == DHT_EAGAIN || rc == DHT_ENOTFOUND);
	}
	teardown();
}
END_TEST

UNIT_MAIN("resolver", 60, a_numeric_address_is_its_own, a_name_is_looked_up_by_another_thread,
	  an_unknown_name_is_asked_for_again, more_names_than_are_kept)
