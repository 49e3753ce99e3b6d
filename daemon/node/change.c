/* SPDX-License-Identifier: Apache-2.0 */
#include "node/change.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "base/text.h"

enum {
	/* Redis's bound: the longest finite number, with 17 digits behind the point, fits. */
	FLOAT_TEXT_MAX = 5 * 1024,
};

bool change_parse_float(struct bytes text, long double *number)
{
	char buf[FLOAT_TEXT_MAX];
	char *end;
	if (text.len == 0 || text.len >= sizeof(buf))
		return false;
	memcpy(buf, text.data, text.len);
	buf[text.len] = '\0';
	if (isspace((unsigned char)buf[0]))
		return false;
	errno = 0;
	long double value = strtold(buf, &end);
	/* A number too close to 0 for full precision is one, too. */
	if (errno == ERANGE && (isinf(value) || value == 0))
		return false;
	if (end != buf + text.len || isnan(value))
		return false;
	*number = value;
	return true;
}

/* Writes a finite number as Redis does: 17 digits behind the point, without the zeros at
 * the end. Returns the length. */
static size_t format_float(char text[FLOAT_TEXT_MAX], long double number)
{
	int printed = snprintf(text, FLOAT_TEXT_MAX, "%.17Lf", number);
	DHT_ASSERT(printed > 0 && printed < FLOAT_TEXT_MAX);
	size_t len = (size_t)printed;
	while (text[len - 1] == '0')
		len--;
	if (text[len - 1] == '.')
		len--;
	if (len == 2 && memcmp(text, "-0", 2) == 0) {
		text[0] = '0';
		len = 1;
	}
	return len;
}

static void write_value(struct change *change, struct bytes value, uint64_t expires_ms)
{
	change->changes = true;
	change->kind = RECORD_VALUE;
	change->value = value;
	change->expires_ms = expires_ms;
}

static void write_tombstone(struct change *change)
{
	change->changes = true;
	change->kind = RECORD_TOMBSTONE;
	change->value = bytes_of(NULL, 0);
	change->expires_ms = 0;
}

void change_expire(struct change *change)
{
	write_tombstone(change);
	change->is_expiry = true;
}

/* Writes value with the expiry of what is there, if there is anything. */
static void write_keeping(struct bytes value, const struct record *base, struct change *change)
{
	write_value(change, value, base != NULL ? base->expires_ms : 0);
}

/* Writes value with the expiry that op asks for; where that is over already, nothing is
 * to be there. */
static void write_expiring(const struct op *op, struct bytes value, const struct record *base,
			   struct change *change)
{
	switch (op->expiry) {
	case OP_EXPIRY_CLEAR:
		write_value(change, value, 0);
		return;
	case OP_EXPIRY_KEEP:
		write_keeping(value, base, change);
		return;
	case OP_EXPIRY_AT:
		if (op->expires_ms > op->now_ms)
			write_value(change, value, op->expires_ms);
		else if (base != NULL)
			write_tombstone(change);
		return;
	}
	DHT_UNREACHABLE();
}

/* The expiry that op leaves behind, and the one there is, as times that can be compared. */
static uint64_t time_of(uint64_t expires_ms)
{
	return expires_ms != 0 ? expires_ms : UINT64_MAX;
}

static uint64_t next_time(const struct op *op, uint64_t kept_ms)
{
	switch (op->expiry) {
	case OP_EXPIRY_CLEAR:
		return UINT64_MAX;
	case OP_EXPIRY_KEEP:
		return time_of(kept_ms);
	case OP_EXPIRY_AT:
		return op->expires_ms;
	}
	DHT_UNREACHABLE();
}

/* base is what is there, NULL if there is nothing. */
static bool holds(const struct op *op, enum op_condition condition, const struct record *base)
{
	uint64_t kept_ms = base != NULL ? base->expires_ms : 0;
	switch (condition) {
	case OP_ALWAYS:
		return true;
	case OP_IF_ABSENT:
		return base == NULL;
	case OP_IF_PRESENT:
		return base != NULL;
	case OP_IF_EQUAL:
		return base != NULL && bytes_equal(base->value, op->expected);
	case OP_IF_EXPIRING:
		return kept_ms != 0;
	case OP_IF_NOT_EXPIRING:
		return kept_ms == 0;
	case OP_IF_LATER:
		return next_time(op, kept_ms) > time_of(kept_ms);
	case OP_IF_EARLIER:
		return next_time(op, kept_ms) < time_of(kept_ms);
	}
	DHT_UNREACHABLE();
}

static int check_conditions(const struct op *op, const struct record *base)
{
	for (unsigned rest = op->conditions; rest != 0; rest &= rest - 1) {
		if (!holds(op, rest & -rest, base))
			return DHT_EPRECOND;
	}
	return 0;
}

static int apply_put(const struct op *op, const struct record *base, struct change *change)
{
	int rc = check_conditions(op, base);
	if (rc == 0)
		write_expiring(op, op->value, base, change);
	return rc;
}

static int apply_del(const struct op *op, const struct record *base, struct change *change)
{
	int rc = base != NULL ? check_conditions(op, base) : DHT_ENOTFOUND;
	if (rc == 0)
		write_tombstone(change);
	return rc;
}

static int apply_expire(const struct op *op, const struct record *base, struct change *change)
{
	int rc = base != NULL ? check_conditions(op, base) : DHT_ENOTFOUND;
	if (rc != 0)
		return rc;
	write_expiring(op, base->value, base, change);
	if (change->kind == RECORD_VALUE && change->expires_ms == base->expires_ms)
		change->changes = false;
	return 0;
}

static int apply_cas_value(const struct op *op, const struct record *base, struct change *change)
{
	if (base == NULL || !bytes_equal(base->value, op->expected))
		return DHT_EPRECOND;
	write_keeping(op->value, base, change);
	return 0;
}

static int apply_cas_version(const struct op *op, const struct record *base, struct change *change)
{
	struct ballot version = base != NULL ? base->ver : BALLOT_ABSENT;
	if (change_is_unwritten(op->expected_version) ||
	    !ballot_equal(version, op->expected_version))
		return DHT_EPRECOND;
	write_keeping(op->value, base, change);
	return 0;
}

/* Writes a value that is made of the one there is. */
static int write_derived(struct bytes text, const struct record *base, struct arena *arena,
			 struct change *change)
{
	struct bytes value;
	int rc = arena_copy(arena, text, &value);
	if (rc == 0)
		write_keeping(value, base, change);
	return rc;
}

static int apply_incr(const struct op *op, const struct record *base, struct arena *arena,
		      struct change *change, struct op_result *result)
{
	char digits[OP_NUMBER_MAX];
	int64_t current = 0, sum;
	if (base != NULL && !text_parse_integer(base->value, &current))
		return DHT_ETYPE;
	if (__builtin_add_overflow(current, op->delta, &sum))
		return DHT_EOVERFLOW;
	int len = snprintf(digits, sizeof(digits), "%lld", (long long)sum);
	result->number = sum;
	return write_derived(bytes_of(digits, (size_t)len), base, arena, change);
}

/* Not in line: the text's room on the stack would be that of every operation. */
static __attribute__((noinline)) int apply_incr_float(const struct op *op,
						      const struct record *base,
						      struct arena *arena, struct change *change,
						      struct op_result *result)
{
	char text[FLOAT_TEXT_MAX];
	long double sum = 0;
	if (base != NULL && !change_parse_float(base->value, &sum))
		return DHT_ETYPE;
	sum += op->delta_float;
	if (isnan(sum) || isinf(sum))
		return DHT_EOVERFLOW;
	size_t len = format_float(text, sum);
	int rc = write_derived(bytes_of(text, len), base, arena, change);
	if (rc == 0)
		result->value = change->value;
	return rc;
}

static int apply_append(const struct op *op, const struct record *base, struct arena *arena,
			struct change *change)
{
	struct bytes head = base != NULL ? base->value : bytes_of(NULL, 0), value;
	if (base != NULL && op->value.len == 0)
		return 0;
	if (op->value.len > op->value_max || head.len > op->value_max - op->value.len)
		return DHT_ETOOBIG;
	if (base == NULL) {
		write_keeping(op->value, base, change);
		return 0;
	}
	int rc = arena_join(arena, head, op->value, &value);
	if (rc == 0)
		write_keeping(value, base, change);
	return rc;
}

static int apply(const struct op *op, const struct record *base, struct arena *arena,
		 struct change *change, struct op_result *result)
{
	switch (op->kind) {
	case OP_GET:
	case OP_TTL:
		return base != NULL ? 0 : DHT_ENOTFOUND;
	case OP_PUT:
		return apply_put(op, base, change);
	case OP_DEL:
		return apply_del(op, base, change);
	case OP_CAS_VALUE:
		return apply_cas_value(op, base, change);
	case OP_CAS_VERSION:
		return apply_cas_version(op, base, change);
	case OP_INCR:
		return apply_incr(op, base, arena, change, result);
	case OP_INCR_FLOAT:
		return apply_incr_float(op, base, arena, change, result);
	case OP_APPEND:
		return apply_append(op, base, arena, change);
	case OP_EXPIRE:
		return apply_expire(op, base, change);
	}
	DHT_UNREACHABLE();
}

void change_apply(const struct op *op, const struct record *base, struct arena *arena,
		  struct change *change, struct op_result *result)
{
	bool expired = change_is_expired(base, op->now_ms);
	bool exists = base->kind == RECORD_VALUE && !expired;
	*change = (struct change){0};
	change_tell_base(exists ? base : NULL, result);
	result->value = change_shows_old_value(op, result) ? base->value : bytes_of(NULL, 0);
	result->status = apply(op, exists ? base : NULL, arena, change, result);
	if (expired && !change->changes)
		change_expire(change);
}

void change_written(const struct change *change, struct ballot at, struct op_result *result)
{
	result->version = change->kind == RECORD_VALUE ? at : BALLOT_ABSENT;
	result->expires_ms = change->expires_ms;
	result->size = change->value.len;
}
