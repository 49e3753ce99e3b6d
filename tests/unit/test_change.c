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

/* What an operation, which must end with this status, makes of base. */
static struct change applied(struct op op, const struct record *base, int status)
{
	struct change change;
	struct op_result result = {0};
	change_apply(&op, base, &change, &result);
	ck_assert_int_eq(result.status, status);
	return change;
}

static void assert_writes(const struct change *change, const char *value, uint64_t expires_ms)
{
	ck_assert(change->changes && !change->is_expiry && change->kind == RECORD_VALUE);
	ck_assert(bytes_equal(change->value, text(value)));
	ck_assert_uint_eq(change->expires_ms, expires_ms);
}

static bool is_tombstone(const struct change *change)
{
	return change->changes && change->kind == RECORD_TOMBSTONE && change->value.len == 0 &&
	       change->expires_ms == 0;
}

START_TEST(put_sets_keeps_or_drops_the_expiry)
{
	struct record base = value_record("old");
	struct op op = {.kind = OP_PUT, .value = text("new"), .now_ms = 50};
	struct change change = applied(op, &base, 0);
	assert_writes(&change, "new", 0);
	op.expiry = OP_EXPIRY_KEEP;
	change = applied(op, &base, 0);
	assert_writes(&change, "new", 99);
	change = applied(op, &tombstone, 0);
	assert_writes(&change, "new", 0);
	op.expiry = OP_EXPIRY_AT;
	op.expires_ms = 51;
	change = applied(op, &base, 0);
	assert_writes(&change, "new", 51);
	change = applied(op, &tombstone, 0);
	assert_writes(&change, "new", 51);
}
END_TEST

START_TEST(put_with_a_time_that_has_come_removes_the_key)
{
	struct record base = value_record("old");
	uint64_t past[] = {0, 1, 50};
	for (size_t i = 0; i < DHT_ARRAY_LEN(past); i++) {
		struct op op = {.kind = OP_PUT,
				.value = text("new"),
				.expiry = OP_EXPIRY_AT,
				.expires_ms = past[i],
				.now_ms = 50};
		struct change change = applied(op, &base, 0);
		ck_assert(is_tombstone(&change) && !change.is_expiry);
		ck_assert(!applied(op, &tombstone, 0).changes);
		op.condition = OP_IF_ABSENT;
		ck_assert(!applied(op, &base, DHT_EPRECOND).changes);
	}
}
END_TEST

START_TEST(expire_changes_the_expiry_alone)
{
	struct record base = value_record("v");
	struct op op = {
	    .kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = 1000, .now_ms = 50};
	struct change change = applied(op, &base, 0);
	assert_writes(&change, "v", 1000);
	op.expires_ms = 99;
	ck_assert(!applied(op, &base, 0).changes);
	op.expires_ms = 50;
	change = applied(op, &base, 0);
	ck_assert(is_tombstone(&change) && !change.is_expiry);
	ck_assert(!applied(op, &tombstone, DHT_ENOTFOUND).changes);
	op.expiry = OP_EXPIRY_KEEP;
	ck_assert(!applied(op, &base, 0).changes);
	op.expiry = OP_EXPIRY_CLEAR;
	change = applied(op, &base, 0);
	assert_writes(&change, "v", 0);
	base.expires_ms = 0;
	ck_assert(!applied(op, &base, 0).changes);
}
END_TEST

START_TEST(ttl_tells_the_expiry_without_the_value)
{
	struct record base = value_record("v");
	struct op op = {.kind = OP_TTL, .now_ms = 50};
	struct change change;
	struct op_result result = {0};
	change_apply(&op, &base, &change, &result);
	ck_assert(result.status == 0 && !change.changes && result.value.len == 0);
	ck_assert_uint_eq(result.expires_ms, 99);
	ck_assert(ballot_equal(result.version, old_version));
	ck_assert(!applied(op, &tombstone, DHT_ENOTFOUND).changes);
}
END_TEST

/* An expired record is as good as none, to the millisecond, for every operation; and one
 * that would leave it there makes a tombstone of it (the register protocol, section 3). */
START_TEST(an_expired_record_counts_as_absent)
{
	struct {
		struct op op;
		int status;
		const char *value; /* that is written; NULL: a tombstone */
	} cases[] = {
	    {{.kind = OP_GET}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_TTL}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_DEL}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_AT, .expires_ms = 500}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_EXPIRE, .expiry = OP_EXPIRY_CLEAR}, DHT_ENOTFOUND, NULL},
	    {{.kind = OP_PUT, .condition = OP_IF_PRESENT}, DHT_EPRECOND, NULL},
	    {{.kind = OP_PUT, .expiry = OP_EXPIRY_AT, .expires_ms = 99}, 0, NULL},
	    {{.kind = OP_PUT, .condition = OP_IF_ABSENT, .value = text("w")}, 0, "w"},
	    {{.kind = OP_PUT, .expiry = OP_EXPIRY_KEEP, .value = text("w")}, 0, "w"},
	    {{.kind = OP_CAS_VALUE, .expected = text("41"), .value = text("w")},
	     DHT_EPRECOND,
	     NULL},
	    {{.kind = OP_CAS_VERSION, .expected_version = old_version}, DHT_EPRECOND, NULL},
	    {{.kind = OP_CAS_VERSION, .value = text("w")}, 0, "w"},
	    {{.kind = OP_INCR, .delta = 7}, 0, "7"},
	};
	for (size_t i = 0; i < DHT_ARRAY_LEN(cases); i++) {
		struct record base = value_record("41");
		struct change change;
		struct op_result result = {0};
		cases[i].op.now_ms = 99;
		change_apply(&cases[i].op, &base, &change, &result);
		ck_assert_msg(result.status == cases[i].status, "case %zu", i);
		ck_assert(ballot_is_absent(result.version) && result.expires_ms == 0);
		ck_assert_uint_eq(result.value.len, 0);
		if (cases[i].value != NULL)
			assert_writes(&change, cases[i].value, 0);
		else
			ck_assert_msg(is_tombstone(&change) && change.is_expiry, "case %zu", i);
		/* A millisecond earlier it is there. */
		struct op get = {.kind = OP_GET, .now_ms = 98};
		ck_assert(!applied(get, &base, 0).changes);
		base.expires_ms = 0;
		get.now_ms = UINT64_MAX;
		ck_assert(!applied(get, &base, 0).changes);
	}
}
END_TEST

UNIT_MAIN("change", 4, get_answers_the_value_and_changes_nothing,
	  put_obeys_its_condition_and_drops_the_expiry, del_writes_a_tombstone_only_over_a_value,
	  cas_compares_value_or_version_and_keeps_the_expiry, incr_adds_within_64_bits,
	  put_sets_keeps_or_drops_the_expiry, put_with_a_time_that_has_come_removes_the_key,
	  expire_changes_the_expiry_alone, ttl_tells_the_expiry_without_the_value,
	  an_expired_record_counts_as_absent)
