/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/upkeep.h"

#include <string.h>

#include "base/error.h"
#include "io/clock.h"
#include "node/adopt.h"
#include "node/change.h"
#include "node/collect.h"
#include "node/replica.h"
#include "node/sync.h"
#include "worker/background.h"
#include "worker/cluster.h"
#include "worker/exec.h"
#include "worker/worker.h"

#define LOOK_NS          NS_PER_S          /* whether there is anything to do for other replicas */
#define WALK_NS          (100 * NS_PER_MS) /* between two slices while nothing is under way */
#define COMPARE_NS       (600 * NS_PER_S) /* between two rounds of repair in which nothing differs */
#define CHANGE_NS        (10 * NS_PER_S)  /* the same where those were left out that pull */
#define CHANGE_WAIT_NS   (60 * NS_PER_S)  /* that it waits for a change to be over */
#define COMPARE_AGAIN_NS (500 * NS_PER_MS) /* at first where something does, or may; it doubles */

enum {
	WALK_TICKS = 50,         /* in which each block is visited once */
	EXPIRE_STEP = 64,        /* entries looked at under one lock */
	EXPIRE_MAX = 16,         /* keys that are read because they have expired, of these */
	EXPIRE_BYTES = 8192,     /* of these keys */
	ANSWER_COST = 32 * 1024, /* bytes that an answer is at least: digests are work, too */
	DIFFERED_FEW = 256,      /* records that may differ because they are being written */
};

static struct upkeep *upkeep_of(const struct worker *w)
{
	return &w->shared->background->upkeep;
}

static struct node *node_of(const struct worker *w)
{
	return exec_of(w)->node;
}

/* Tells the node one step about a block. Returns as cluster_tell. */
static int tell(struct worker *w, event_step_fn step, uint32_t block)
{
	const struct event e = {.step = step, .block = block};
	return cluster_tell(w, &e);
}

/* The same of a step that commits by itself what is not to wait (cluster.h). */
static int tell_to_copy(struct worker *w, event_step_fn step, uint32_t block)
{
	const struct event e = {.step = step, .block = block, .is_copying = true};
	return cluster_tell(w, &e);
}

/* Steps that look at a block, and need not be told again. */
static void look_at(struct worker *w, uint32_t block,
		    void (*look)(struct worker *w, uint32_t block, void *ctx), void *ctx)
{
	struct exec *exec = exec_of(w);
	groups_lock(&exec->groups, block);
	look(w, block, ctx);
	groups_unlock(&exec->groups, block);
}

/* ---- Which blocks there is something to do for ------------------------------------------ */

struct look {
	bool has_others, needs_sync, changes;
};

static void look_around(struct worker *w, uint32_t block, void *ctx)
{
	struct look *look = ctx;
	struct node *node = node_of(w);
	const struct quorum *quorum = &node->blocks[block].quorum;
	look->has_others = look->has_others || !node_block_is_alone(&node->blocks[block]);
	look->changes = look->changes || (quorum->next & ~quorum->old) != 0;
	look->needs_sync = look->needs_sync || sync_is_needed(node, block);
}

/* What it finds holds until the next map. */
static void look_at_all(struct upkeep *u, struct worker *w, uint64_t now_ns)
{
	const struct node *node = node_of(w);
	struct look look = {0};
	uint64_t epoch = atomic_load_explicit(&node->epoch, memory_order_acquire);
	bool is_settled = !node_is_adopting(node);
	for (uint32_t i = 0; i < store_blocks(u->exec->store); i++)
		look_at(w, i, look_around, &look);
	u->looked_ns = now_ns + LOOK_NS;
	u->syncs = look.needs_sync;
	u->changes = look.changes;
	atomic_store_explicit(&u->is_wanted, look.has_others, memory_order_relaxed);
	if (is_settled)
		atomic_store_explicit(&u->epoch, epoch + 1, memory_order_relaxed);
}

static bool is_new_map(const struct upkeep *u)
{
	uint64_t epoch = atomic_load_explicit(&u->exec->node->epoch, memory_order_acquire);
	return atomic_load_explicit(&u->epoch, memory_order_relaxed) != epoch + 1;
}

/* ---- Copying ----------------------------------------------------------------------------- */

static int step_sync(struct worker *w, struct node_step *step, const struct event *e)
{
	const struct node_block *block = &node_of(w)->blocks[e->block];
	bool was_fin = block->is_fin;
	int rc = sync_step(node_of(w), step, e->block);
	/* The driver of the change waits for that. */
	if (block->is_fin && !was_fin)
		w->cluster.has_stepped = true;
	return rc;
}

static void count_needed(struct worker *w, uint32_t block, void *ctx)
{
	unsigned *count = ctx;
	*count += sync_is_needed(node_of(w), block);
}

/* Those with the lowest numbers first, so that one after the other is complete. */
static void sync_some(struct upkeep *u, struct worker *w)
{
	unsigned count = 0;
	for (uint32_t i = 0; i < store_blocks(u->exec->store) && count < UPKEEP_SYNCS; i++) {
		unsigned before = count;
		look_at(w, i, count_needed, &count);
		if (count > before)
			(void)tell_to_copy(w, step_sync, i);
	}
	u->syncs = count > 0;
}

/* ---- Comparing ---------------------------------------------------------------------------- */

/* What is under way for a block is found there, under its lock. */
static int step_repair(struct worker *w, struct node_step *step, const struct event *e)
{
	struct node *node = node_of(w);
	struct repair *repair = node->blocks[e->block].repair;
	return repair != NULL ? repair_step(node, step, repair) : 0;
}

static int step_go_on(struct worker *w, struct node_step *step, const struct event *e)
{
	int rc = step_sync(w, step, e);
	return rc != 0 ? rc : step_repair(w, step, e);
}

struct beginning {
	struct upkeep_repair *repair;
	unsigned seat;
	bool has_seat;    /* the block has one of that number */
	bool is_taken;    /* another pass of the block is under way */
	bool is_left_out; /* one of the two pulls what it lacks */
};

/* Who joins pulls at a rate of its own: to tell it the same, and to settle that key by key, would
 * be work done twice. */
static bool pulls(const struct node_block *block, unsigned seat)
{
	return node_block_joins(block, block->self) || node_block_joins(block, seat);
}

static bool is_with(const struct upkeep *u, uint16_t member)
{
	return u->is_with_all || (u->with[member / 64] >> member % 64 & 1) != 0;
}

static void begin_repair(struct worker *w, uint32_t number, void *ctx)
{
	struct beginning *b = ctx;
	struct node *node = node_of(w);
	const struct node_block *block = &node->blocks[number];
	b->has_seat = node_block_is_replica(block) && b->seat < block->seats;
	if (b->has_seat && !is_with(upkeep_of(w), block->members[b->seat]))
		return;
	b->is_taken = block->repair != NULL;
	b->is_left_out = b->has_seat && pulls(block, b->seat);
	if (b->is_left_out || !b->has_seat || b->seat == block->self || b->is_taken ||
	    node_is_down(node, block->members[b->seat]))
		return;
	repair_begin(node, &b->repair->repair, number, block->members[b->seat]);
	b->repair->is_on = true;
}

/* Begins the next pass of a round. False: the round is over. */
static bool begin_next(struct upkeep *u, struct worker *w, struct upkeep_repair *repair)
{
	for (unsigned tries = 0; tries < 64; tries++) {
		if (u->repair_block == store_blocks(u->exec->store))
			return false;
		struct beginning b = {.repair = repair, .seat = u->repair_seat};
		look_at(w, u->repair_block, begin_repair, &b);
		if (b.is_taken)
			break;
		u->repair_seat++;
		u->has_left_out = u->has_left_out || b.is_left_out;
		if (!b.has_seat) {
			u->repair_seat = 0;
			u->repair_block++;
		}
		if (repair->is_on)
			break;
	}
	return true;
}

static void end_if_done(struct worker *w, uint32_t block, void *ctx)
{
	struct upkeep_repair *r = ctx;
	struct upkeep *u = upkeep_of(w);
	(void)block;
	if (!r->repair.is_done)
		return;
	atomic_fetch_add_explicit(&u->told, r->repair.told, memory_order_relaxed);
	atomic_fetch_add_explicit(&u->settled, r->repair.settled, memory_order_relaxed);
	atomic_fetch_add_explicit(&u->compared, 1, memory_order_relaxed);
	u->differed += r->repair.told + r->repair.settled + r->repair.unanswered;
	repair_end(node_of(w), &r->repair);
	r->is_on = false;
}

static void compare_with_all(struct upkeep *u)
{
	u->is_with_all = true;
	memset(u->with, 0, sizeof(u->with));
}

/* When the next round is due, and with whom. What one that was away refuses to learn is settled by
 * and by: each round leaves less of it. What only differs because it is being written does not get
 * less. */
static void rest(struct upkeep *u, uint64_t now_ns)
{
	bool gets_less = u->differed < u->differed_before;
	u->pause_ns = gets_less ? COMPARE_AGAIN_NS : 2 * u->pause_ns;
	if (u->pause_ns > COMPARE_NS)
		u->pause_ns = COMPARE_NS;
	if (u->is_with_all)
		u->all_ns = now_ns + COMPARE_NS;
	u->compared_ns = u->differed > 0   ? now_ns + u->pause_ns
			 : u->has_left_out ? now_ns + CHANGE_NS
					   : u->all_ns;
	if (u->compared_ns >= u->all_ns)
		compare_with_all(u);
	u->may_wait = u->differed < DIFFERED_FEW;
	u->repair_block = 0;
	u->repair_seat = 0;
	u->has_left_out = false;
	u->differed_before = u->differed > 0 ? u->differed : UINT64_MAX;
	u->differed = 0;
}

/* Who was away is compared with at once, also what was compared just now. Others have missed
 * nothing by that: a round with all that was due or under way begins behind it. */
static void note_back(struct upkeep *u, uint64_t now_ns)
{
	if (!atomic_exchange(&u->is_back, false))
		return;
	if (u->is_with_all && now_ns >= u->compared_ns)
		u->all_ns = now_ns;
	u->is_with_all = false;
	for (unsigned i = 0; i < UPKEEP_MEMBER_WORDS; i++)
		u->with[i] |= atomic_exchange(&u->back[i], 0);
	u->repair_block = 0;
	u->repair_seat = 0;
	u->compared_ns = 0;
	u->pause_ns = COMPARE_AGAIN_NS;
	u->differed_before = UINT64_MAX;
	u->may_wait = false;
}

/* Others have found that this node holds something else than they do. */
static void note_asked(struct upkeep *u, uint64_t now_ns)
{
	uint64_t asked = atomic_load_explicit(&u->exec->node->differed, memory_order_relaxed);
	/* After a round with some: one with all is not to begin in its middle. */
	bool is_with_some = !u->is_with_all && now_ns >= u->compared_ns;
	if (asked == u->asked || is_with_some)
		return;
	if (u->compared_ns > now_ns + u->pause_ns)
		u->compared_ns = now_ns + u->pause_ns;
	compare_with_all(u);
	u->asked = asked;
}

/* Whether a round begins, or goes on. One that is not known to be needed would take the processor
 * from a change, and have to leave out what that moves; but a change may last for hours. */
static bool is_due(const struct upkeep *u, uint64_t now_ns)
{
	bool waits = u->may_wait && u->changes && now_ns - u->compared_ns < CHANGE_WAIT_NS;
	return now_ns >= u->compared_ns && !waits;
}

/* Returns true while a round is under way. */
static bool compare_some(struct upkeep *u, struct worker *w, uint64_t now_ns)
{
	unsigned under_way = 0;
	note_back(u, now_ns);
	note_asked(u, now_ns);
	bool is_over = false, is_on = is_due(u, now_ns);
	for (unsigned i = 0; i < UPKEEP_REPAIRS; i++) {
		struct upkeep_repair *r = &u->repairs[i];
		if (!r->is_on && is_on && !begin_next(u, w, r)) {
			is_on = false;
			is_over = true;
		}
		if (!r->is_on)
			continue;
		uint32_t block = r->repair.block;
		(void)tell(w, step_repair, block);
		look_at(w, block, end_if_done, r);
		under_way += r->is_on;
	}
	/* The last passes of a round end before it does. */
	if (is_over && under_way == 0)
		rest(u, now_ns);
	return under_way > 0 || is_on || is_over;
}

/* ---- Deletions and promises ---------------------------------------------------------------- */

static int step_walk(struct worker *w, struct node_step *step, const struct event *e)
{
	struct node *node = node_of(w);
	const struct node_block *block = &node->blocks[e->block];
	bool is_done;
	if (node_block_is_alone(block) || !node_block_is_replica(block))
		return 0;
	int rc = replica_forget_promises(node, step, e->block);
	if (rc == 0 && store_tombstones(node->store, e->block) > 0)
		rc = collect_step(node, step, e->block, false, &is_done);
	return rc;
}

static void walk_some(struct upkeep *u, struct worker *w)
{
	uint32_t blocks = store_blocks(u->exec->store);
	for (uint32_t n = blocks / WALK_TICKS + 1; n > 0; n--) {
		(void)tell(w, step_walk, u->block);
		u->block = (u->block + 1) % blocks;
	}
}

/* ---- Expired keys --------------------------------------------------------------------------- */

/* Copies of their names. */
struct expired {
	struct upkeep *u;
	uint64_t now_ms;
	unsigned count;
	size_t used;
	struct bytes keys[EXPIRE_MAX];
	uint8_t bytes[EXPIRE_BYTES];
};

static void note_expired(void *ctx, uint32_t block, enum store_found found,
			 const struct store_hit *hit)
{
	struct expired *expired = ctx;
	const struct bytes key = hit->record.key;
	(void)block;
	if (found != STORE_FOUND || !change_is_expired(&hit->record, expired->now_ms) ||
	    expired->count == EXPIRE_MAX || key.len > EXPIRE_BYTES - expired->used)
		return;
	uint8_t *to = expired->bytes + expired->used;
	if (key.len > 0)
		memcpy(to, key.data, key.len);
	expired->keys[expired->count++] = bytes_of(to, key.len);
	expired->used += key.len;
}

/* The first replica that lives reads what has expired; each other one would do it again. */
static bool is_first(const struct node *node, const struct node_block *block)
{
	for (unsigned i = 0; i < block->seats; i++) {
		unsigned seat = block->order[i];
		if (seat == block->self || !node_is_down(node, block->members[seat]))
			return seat == block->self;
	}
	return false;
}

static void find_expired(struct worker *w, uint32_t number, void *ctx)
{
	struct expired *expired = ctx;
	struct node *node = node_of(w);
	const struct node_block *block = &node->blocks[number];
	uint32_t *hash = &expired->u->expire_hash;
	if (node_block_is_local(block) || !is_first(node, block) ||
	    store_expiring(node->store, number) == 0) {
		*hash = STORE_HASH_END;
		return;
	}
	*hash = store_scan(node->store, number, *hash, EXPIRE_STEP, NULL, note_expired, expired);
}

/* To read a key that has expired lets its coordinator decide that it is gone. */
static void expire_some(struct upkeep *u, struct worker *w)
{
	struct expired expired = {.u = u, .now_ms = clock_expiry_ms()};
	look_at(w, u->expire_block, find_expired, &expired);
	for (unsigned i = 0; i < expired.count; i++) {
		struct op op = {.kind = OP_TTL, .key = exec_key(w, expired.keys[i])};
		exec_begin(w, &op);
	}
	if (u->expire_hash < STORE_HASH_END)
		return;
	u->expire_hash = 0;
	u->expire_block = (u->expire_block + 1) % store_blocks(u->exec->store);
}

static void expire_until(struct upkeep *u, struct worker *w, uint64_t until_ns)
{
	if (store_expiring_total(u->exec->store) == 0)
		return;
	do
		expire_some(u, w);
	while (u->expire_hash == 0 && u->expire_block != 0 && clock_monotonic_ns() < until_ns);
}

/* ---- Slices ---------------------------------------------------------------------------------- */

static void run_slice(struct worker *w, struct job *job)
{
	struct upkeep *u = DHT_CONTAINER_OF(job, struct upkeep, job);
	uint64_t now_ns = clock_monotonic_ns();
	if (!worker_is_stopping(w) && (is_new_map(u) || now_ns >= u->looked_ns))
		look_at_all(u, w, now_ns);
	if (!worker_is_stopping(w) && atomic_load_explicit(&u->is_wanted, memory_order_relaxed)) {
		bool compares = true;
		if (u->syncs && allowance_is_left(&u->allowance))
			sync_some(u, w);
		if (allowance_is_left(&u->allowance))
			compares = compare_some(u, w, now_ns);
		atomic_store_explicit(&u->is_busy, u->syncs || compares, memory_order_relaxed);
		walk_some(u, w);
		expire_until(u, w, now_ns + WORKER_SLICE_NS);
	}
	atomic_store(&u->queued, false);
}

static void note_done(struct worker *w, uint32_t block, void *ctx)
{
	const struct repair *repair = node_of(w)->blocks[block].repair;
	*(bool *)ctx = repair != NULL && repair->is_done && repair->look == NULL;
}

void upkeep_go_on(struct worker *w, uint32_t block, size_t bytes)
{
	struct upkeep *u = upkeep_of(w);
	(void)allowance_take(&u->allowance, bytes > ANSWER_COST ? bytes : ANSWER_COST);
	atomic_fetch_add_explicit(&u->pulled, bytes, memory_order_relaxed);
	if (!allowance_is_left(&u->allowance))
		return;
	(void)tell_to_copy(w, step_go_on, block);
	bool is_done = false;
	look_at(w, block, note_done, &is_done);
	/* The next pass begins at once. */
	if (is_done && !atomic_exchange(&u->queued, true) &&
	    worker_push(w, &u->job, clock_monotonic_ns()) != 0)
		atomic_store(&u->queued, false);
}

void upkeep_peer_is_back(struct worker *w, uint16_t member)
{
	struct upkeep *u = upkeep_of(w);
	atomic_fetch_or(&u->back[member / 64], UINT64_C(1) << member % 64);
	atomic_store(&u->is_back, true);
}

/* ---- The housekeeper's ------------------------------------------------------------------------
 */

void upkeep_init(struct upkeep *u, struct exec *exec, uint64_t rate)
{
	*u = (struct upkeep){
	    .exec = exec,
	    .job = {.run = run_slice, .kind = JOB_background},
	    .pause_ns = COMPARE_AGAIN_NS,
	    .may_wait = true,
	    .is_with_all = true,
	    .differed_before = UINT64_MAX,
	};
	atomic_init(&u->allowance.rate, rate);
}

bool upkeep_is_due(const struct upkeep *u)
{
	return is_new_map(u) || atomic_load_explicit(&u->is_wanted, memory_order_relaxed);
}

uint64_t upkeep_period_ns(const struct upkeep *u)
{
	if (!upkeep_is_due(u))
		return UINT64_MAX;
	bool is_busy = atomic_load_explicit(&u->is_busy, memory_order_relaxed) ||
		       atomic_load_explicit(&u->is_back, memory_order_relaxed);
	return is_busy ? BACKGROUND_PERIOD_NS : WALK_NS;
}
