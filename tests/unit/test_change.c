/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/error.h"
#include "node/change.h"
#include "unit.h"

static struct bytes text(const char *s)
{
	return bytes_of(s, strlen(s));
}

static const struct ballot old_version = {.order = 7 << BALLOT_MEMBER_BITS | 3, .version = 2};

static struct record value_record(const char *value)
{
	return (struct record){
	    .kind = RECORD_VALUE,
	    .acc = old_version,
	    .ver = old_version,
	    .expires_ms = 99,
	    .value = text(value),
	};
}

static const struct record tombstone = {
    .kind = RECORD_TOMBSTONE,
    .ver = {.order = 5 << BALLOT_MEMBER_BITS, .version = 1},
};

START_TEST(get_answers_the_value_and_changes_nothing)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_GET};
	struct change change;
	struct op_result result = {0};
	change_apply(&op, &base, &change, &result);
	ck_assert_int_eq(result.status, 0);
	ck_assert(bytes_equal(result.value, text("v")));
	ck_assert(ballot_equal(result.version, old_version));
	ck_assert_uint_eq(result.expires_ms, 99);
	ck_assert(!change.changes);
	change_apply(&op, &tombstone, &change, &result);
	ck_assert_int_eq(result.status, DHT_ENOTFOUND);
	ck_assert(ballot_is_absent(result.version));
	ck_assert(!change.changes);
}
END_TEST

START_TEST(put_obeys_its_condition_and_drops_the_expiry)
{
	struct record base = value_record("old");
	struct {
		enum op_condition condition;
		const struct record *base;
		int status;
	} cases[] = {
	    {OP_ALWAYS, &base, 0},
	    {OP_ALWAYS, &tombstone, 0},
	    {OP_IF_ABSENT, &base, DHT_EPRECOND},
	    {OP_IF_ABSENT, &tombstone, 0},
	    {OP_IF_PRESENT, &base, 0},
	    {OP_IF_PRESENT, &tombstone, DHT_EPRECOND},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct op op = {
		    .kind = OP_PUT, .condition = cases[i].condition, .value = text("new")};
		struct change change;
		struct op_result result = {0};
		change_apply(&op, cases[i].base, &change, &result);
		ck_assert_int_eq(result.status, cases[i].status);
		ck_assert_int_eq(change.changes, cases[i].status == 0);
		if (change.changes) {
			ck_assert_int_eq(change.kind, RECORD_VALUE);
			ck_assert(bytes_equal(change.value, text("new")));
			ck_assert_uint_eq(change.expires_ms, 0);
		}
	}
}
END_TEST

START_TEST(del_writes_a_tombstone_only_over_a_value)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_DEL};
	struct change change;
	struct op_result result = {0};
	change_apply(&op, &base, &change, &result);
	ck_assert_int_eq(result.status, 0);
	ck_assert(change.changes && change.kind == RECORD_TOMBSTONE && change.value.len == 0);
	change_apply(&op, &tombstone, &change, &result);
	ck_assert_int_eq(result.status, DHT_ENOTFOUND);
	ck_assert(!change.changes);
}
END_TEST

START_TEST(cas_compares_value_or_version_and_keeps_the_expiry)
{
	struct record base = value_record("v");
	struct change change;
	struct op_result result = {0};
	struct op by_value = {.kind = OP_CAS_VALUE, .expected = text("v"), .value = text("w")};
	change_apply(&by_value, &base, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 99);
	by_value.expected = text("vv");
	change_apply(&by_value, &base, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	by_value.expected = text("");
	change_apply(&by_value, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);

	struct op by_version = {
	    .kind = OP_CAS_VERSION, .expected_version = old_version, .value = text("w")};
	change_apply(&by_version, &base, &change, &result);
	ck_assert(result.status == 0 && change.changes);
	change_apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	/* A tombstone's own ballot is no version of a value. */
	by_version.expected_version = tombstone.ver;
	change_apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
	by_version.expected_version = BALLOT_ABSENT;
	change_apply(&by_version, &tombstone, &change, &result);
	ck_assert(result.status == 0 && change.changes && change.expires_ms == 0);
	change_apply(&by_version, &base, &change, &result);
	ck_assert(result.status == DHT_EPRECOND && !change.changes);
}
END_TEST

START_TEST(incr_adds_within_64_bits)
{
	struct {
		const char *base; /* NULL: absent */
		int64_t delta;
		const char *sum; /* NULL: refused */
	} cases[] = {
	    {NULL, 1, "1"},
	    {NULL, -5, "-5"},
	    {"41", 1, "42"},
	    {"-1", 1, "0"},
	    {"9223372036854775806", 1, "9223372036854775807"},
	    {"9223372036854775807", 1, NULL},
	    {"-9223372036854775808", 0, "-9223372036854775808"},
	    {"-9223372036854775808", -1, NULL},
	    {"-9223372036854775809", 0, NULL},
	    {"9223372036854775808", 0, NULL},
	    {"", 1, NULL},
	    {"-", 1, NULL},
	    {"+1", 1, NULL},
	    {"01", 1, NULL},
	    {"-0", 1, NULL},
	    {" 1", 1, NULL},
	    {"1 ", 1, NULL},
	    {"1.5", 1, NULL},
	    {"12345678901234567890", 1, NULL},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct record base =
		    cases[i].base != NULL ? value_record(cases[i].base) : tombstone;
		struct op op = {.kind = OP_INCR, .delta = cases[i].delta};
		struct change change;
		struct op_result result = {0};
		change_apply(&op, &base, &change, &result);
		ck_assert_msg((result.status == 0) == (cases[i].sum != NULL), "case %zu", i);
		ck_assert_int_eq(change.changes, cases[i].sum != NULL);
		if (cases[i].sum == NULL) {
			ck_assert_int_eq(result.status, DHT_ETYPE);
			continue;
		}
		char digits[32];
		snprintf(digits, sizeof(digits), "%lld", (long long)result.number);
		ck_assert_str_eq(digits, cases[i].sum);
		ck_assert(bytes_equal(change.value, text(cases[i].sum)));
		ck_assert_uint_eq(change.expires_ms, cases[i].base != NULL ? 99 : 0);
	}
}
END_TEST

UNIT_MAIN("change", 4, get_answers_the_value_and_changes_nothing,
	  put_obeys_its_condition_and_drops_the_expiry, del_writes_a_tombstone_only_over_a_value,
	  cas_compares_value_or_version_and_keeps_the_expiry, incr_adds_within_64_bits)
