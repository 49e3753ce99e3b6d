/* SPDX-License-Identifier: Apache-2.0 */
#include "history.h"

#include <inttypes.h>

void history_init(struct history *h)
{
	h->count = 0;
	h->least_ms = h->most_ms = 0;
	for (unsigned key = 0; key < SIM_KEYS; key++)
		h->of_key[key] = 0;
}

bool history_has_room(const struct history *h, unsigned key, uint32_t more)
{
	return h->of_key[key] + more <= HISTORY_KEY_MAX;
}

uint32_t history_begin(struct history *h, const struct history_item *item)
{
	DHT_ASSERT(history_has_room(h, item->key, 1));
	h->of_key[item->key]++;
	struct history_item *begun = &h->items[h->count];
	*begun = *item;
	begun->outcome = OUTCOME_PENDING;
	begun->ended = HISTORY_NEVER;
	begun->ended_ms = UINT64_MAX;
	return h->count++;
}

void history_end(struct history *h, uint32_t index, enum outcome outcome,
		 const struct model_result *result, int32_t step, uint64_t now_ms)
{
	struct history_item *item = &h->items[index];
	if (item->outcome != OUTCOME_PENDING)
		return;
	item->outcome = outcome;
	if (outcome != OUTCOME_DONE)
		return;
	item->result = *result;
	item->ended = step;
	item->ended_ms = now_ms;
}

/* ---- The search for an order -------------------------------------------------------- */

enum { SEEN_BITS = 16, SEEN_MAX = 1 << SEEN_BITS };

struct seen {
	uint64_t taken;
	struct model_state state;
	uint32_t stamp;
};

struct search {
	const struct history *history;
	const struct history_item *items[HISTORY_KEY_MAX]; /* in the order of their begin */
	int count;
	uint64_t must; /* those that are done */
	uint32_t stamp, seen_count;
	bool is_too_large;
	struct seen seen[SEEN_MAX];
};

static struct search search;

static uint64_t mixed(uint64_t hash, uint64_t with)
{
	hash = (hash ^ with) * 0xBF58476D1CE4E5B9ull;
	return hash ^ hash >> 29;
}

static uint32_t place_of(uint64_t taken, const struct model_state *state)
{
	uint64_t hash = mixed(taken * 0x9E3779B97F4A7C15ull, state->value);
	hash = mixed(hash, state->expires_ms);
	hash = mixed(hash, state->version.order ^ (uint64_t)state->version.version << 40);
	return (uint32_t)(hash * 0x94D049BB133111EBull >> (64 - SEEN_BITS));
}

static bool is_equal(const struct model_state *a, const struct model_state *b)
{
	return a->value == b->value && a->expires_ms == b->expires_ms &&
	       ballot_equal(a->version, b->version);
}

/* Returns whether the state was met before, and remembers it. */
static bool was_seen(uint64_t taken, const struct model_state *state)
{
	uint32_t i = place_of(taken, state);
	for (; search.seen[i].stamp == search.stamp; i = (i + 1) % SEEN_MAX) {
		if (search.seen[i].taken == taken && is_equal(&search.seen[i].state, state))
			return true;
	}
	bool is_full = value_count() > VALUE_MAX - 4 * HISTORY_KEY_MAX * MODEL_WAYS;
	if (search.seen_count == SEEN_MAX / 4 * 3 || is_full) {
		search.is_too_large = true;
		return true;
	}
	search.seen_count++;
	search.seen[i] = (struct seen){.taken = taken, .state = *state, .stamp = search.stamp};
	return false;
}

static int32_t first_end(uint64_t taken)
{
	int32_t first = HISTORY_NEVER;
	for (uint64_t left = search.must & ~taken; left != 0; left &= left - 1) {
		const struct history_item *item = search.items[__builtin_ctzll(left)];
		if (item->ended < first)
			first = item->ended;
	}
	return first;
}

static uint64_t moved(uint64_t ms, int64_t by)
{
	return ms == UINT64_MAX ? ms : (uint64_t)((int64_t)ms + by);
}

static bool explains(uint64_t taken, const struct model_state *state);

static bool explains_with(uint64_t taken, const struct model_state *state, int i, unsigned way)
{
	const struct history_item *item = search.items[i];
	const struct history *h = search.history;
	const struct model_result *told = item->outcome == OUTCOME_DONE ? &item->result : NULL;
	struct model_state after;
	if (!model_is_possible(&item->op, state, way, moved(item->begun_ms, h->least_ms),
			       moved(item->ended_ms, h->most_ms)) ||
	    !model_apply(&item->op, state, way, told, &after))
		return false;
	/* One of unknown outcome that changes nothing here can as well not be. */
	if (told == NULL && is_equal(&after, state))
		return false;
	return explains(taken | 1ull << i, &after);
}

static bool explains(uint64_t taken, const struct model_state *state)
{
	if ((search.must & ~taken) == 0)
		return true;
	if (was_seen(taken, state))
		return false;
	int32_t until = first_end(taken);
	for (int i = 0; i < search.count && search.items[i]->begun <= until; i++) {
		if ((taken >> i & 1) != 0)
			continue;
		for (unsigned way = 0; way < MODEL_WAYS && !search.is_too_large; way++) {
			if (explains_with(taken, state, i, way))
				return true;
		}
	}
	return false;
}

enum verdict history_check(const struct history *h, unsigned key)
{
	search.history = h;
	search.count = 0;
	search.must = 0;
	search.seen_count = 0;
	search.is_too_large = false;
	search.stamp++;
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];
		bool is_done = item->outcome == OUTCOME_DONE;
		if (item->key != key || item->outcome == OUTCOME_NOT_DONE ||
		    (!op_writes(item->op.kind) && !is_done))
			continue;
		if (is_done)
			search.must |= 1ull << search.count;
		search.items[search.count++] = item;
	}
	uint32_t values = value_count();
	struct model_state nothing = {0};
	bool is_explained = explains(0, &nothing);
	value_forget(values);
	if (is_explained)
		return VERDICT_LINEARIZABLE;
	return search.is_too_large ? VERDICT_TOO_LARGE : VERDICT_NOT_LINEARIZABLE;
}

/* ---- Printed ------------------------------------------------------------------------- */

const char *history_kind_name(enum op_kind kind)
{
	static const char *const names[] = {
#define X(name, writes) #name,
	    OP_KINDS(X)
#undef X
	};
	return names[kind];
}

static void print_value(FILE *out, const char *name, uint32_t value)
{
	enum { SHOWN = 24 };
	if (value == VALUE_NONE)
		return;
	struct bytes bytes = value_of(value);
	int len = bytes.len < SHOWN ? (int)bytes.len : SHOWN;
	fprintf(out, " %s=%.*s%s", name, len, (const char *)bytes.data,
		bytes.len > SHOWN ? "..." : "");
}

static void print_asked(FILE *out, const struct model_op *op)
{
	print_value(out, "value", op->value);
	print_value(out, "expected", op->expected);
	if (op->conditions != 0)
		fprintf(out, " conditions=%x", op->conditions);
	if (op->kind == OP_CAS_VERSION)
		fprintf(out, " expected=%" PRIu32 ".%" PRIu64 ".%" PRIu32,
			op->expected_version.version, ballot_counter(op->expected_version),
			ballot_member(op->expected_version));
	if (op->expiry == OP_EXPIRY_AT && op->expires_ms != 0)
		fprintf(out, " expires=%" PRIu64, op->expires_ms);
	if (op->expiry == OP_EXPIRY_KEEP)
		fprintf(out, " keep");
}

static void print_told(FILE *out, const struct model_result *r)
{
	fprintf(out, " status=%d%s", r->status, r->existed ? " existed" : "");
	print_value(out, "value", r->value);
	if (r->number != 0)
		fprintf(out, " number=%" PRId64, r->number);
	if (!ballot_is_absent(r->version))
		fprintf(out, " version=%" PRIu32 ".%" PRIu64 ".%" PRIu32, r->version.version,
			ballot_counter(r->version), ballot_member(r->version));
	if (r->expires_ms != 0)
		fprintf(out, " expires=%" PRIu64, r->expires_ms);
	fprintf(out, " size=%" PRIu64, r->size);
}

void history_print(const struct history *h, unsigned key, FILE *out)
{
	static const char *const outcomes[] = {"pending", "done", "unknown", "not done"};
	fprintf(out, "  clocks are between %" PRId64 " and %" PRId64 " ms ahead\n", h->least_ms,
		h->most_ms);
	for (uint32_t i = 0; i < h->count; i++) {
		const struct history_item *item = &h->items[i];
		if (item->key != key)
			continue;
		fprintf(out, "  client %u host %-2u steps %d to ", item->client, item->host,
			item->begun);
		if (item->ended == HISTORY_NEVER)
			fprintf(out, "-");
		else
			fprintf(out, "%d", item->ended);
		fprintf(out, " (%" PRIu64 " to %" PRIu64 " ms) %s", item->begun_ms,
			item->ended == HISTORY_NEVER ? 0 : item->ended_ms,
			history_kind_name(item->op.kind));
		print_asked(out, &item->op);
		fprintf(out, ": %s", outcomes[item->outcome]);
		if (item->outcome == OUTCOME_DONE)
			print_told(out, &item->result);
		fputc('\n', out);
	}
}
