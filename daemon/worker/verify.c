/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/verify.h"

#include <stdlib.h>
#include <string.h>

#include "base/error.h"
#include "base/hash.h"
#include "io/clock.h"
#include "worker/background.h"
#include "worker/cluster.h"
#include "worker/exec.h"
#include "worker/worker.h"

#define AGAIN_NS   (200 * NS_PER_MS) /* between two looks at what differs */
#define ABANDON_NS (10 * NS_PER_S)   /* that nobody has asked */

/* ---- What differs ------------------------------------------------------------------------ */

static void note(void *ctx, struct bytes key, struct ballot own, struct ballot other)
{
	struct verify_found *now = &((struct verify_pass *)ctx)->now;
	struct {
		uint64_t key;
		struct ballot own, other;
	} all;
	memset(&all, 0, sizeof(all));
	all.key = hash_bytes(key.data, key.len);
	all.own = own;
	all.other = other;
	uint64_t what = hash_bytes(&all, sizeof(all));
	if (now->count == VERIFY_FOUND_MAX) {
		now->more++;
		return;
	}
	now->what[now->count++] = what;
	if (now->name_count == VERIFY_NAMES)
		return;
	struct verify_name *name = &now->names[now->name_count++];
	name->what = what;
	name->len = key.len < VERIFY_NAME_MAX ? key.len : VERIFY_NAME_MAX;
	if (name->len > 0)
		memcpy(name->key, key.data, name->len);
}

static bool was_found(const struct verify_found *found, uint64_t what)
{
	for (size_t i = 0; i < found->count; i++) {
		if (found->what[i] == what)
			return true;
	}
	return false;
}

/* Those of this look that were there in the one before. */
static uint64_t count_lasting(const struct verify_pass *p)
{
	uint64_t count = p->now.more < p->before.more ? p->now.more : p->before.more;
	for (size_t i = 0; i < p->now.count; i++)
		count += was_found(&p->before, p->now.what[i]);
	return count;
}

/* ---- Passes ------------------------------------------------------------------------------ */

static void count_differences(struct verify *v, const struct verify_pass *p)
{
	struct verify_result *r = &v->result;
	r->differences += count_lasting(p);
	for (size_t i = 0; i < p->now.name_count && r->name_count < VERIFY_NAMES; i++) {
		if (was_found(&p->before, p->now.names[i].what))
			r->names[r->name_count++] = p->now.names[i];
	}
}

/* The block is compared with this replica, or cannot be. */
static void conclude(struct verify *v, struct verify_pass *p)
{
	pthread_mutex_lock(&v->lock);
	/* It ends early where the block begins to change. */
	bool is_whole = p->repair.unanswered == 0 && p->repair.hash >= STORE_HASH_END;
	v->result.records += p->repair.compared;
	v->result.pairs += is_whole;
	v->result.left_out += !is_whole;
	if (p->looks > 1)
		count_differences(v, p);
	pthread_mutex_unlock(&v->lock);
	p->is_on = false;
}

/* Under the lock: a look at the block is over. */
static void end_look(struct verify *v, struct verify_pass *p, struct node *node, uint64_t now_ns)
{
	repair_end(node, &p->repair);
	p->is_asking = false;
	p->looks++;
	bool is_settled = p->now.count == 0 || (p->looks > 1 && count_lasting(p) == 0);
	if (is_settled || p->looks == VERIFY_LOOKS) {
		conclude(v, p);
		return;
	}
	p->before = p->now;
	p->again_ns = now_ns + AGAIN_NS;
}

/* Under the lock: begins a look, unless another pass of the block is under way. */
static bool begin_look(struct verify_pass *p, struct node *node)
{
	if (node->blocks[p->block].repair != NULL)
		return false;
	p->now = (struct verify_found){0};
	repair_begin_look(node, &p->repair, p->block, p->with, &p->look);
	p->is_asking = true;
	return true;
}

static int step_pass(struct worker *w, struct node_step *step, const struct event *e)
{
	struct node *node = exec_of(w)->node;
	struct repair *repair = node->blocks[e->block].repair;
	return repair != NULL && repair->look != NULL ? repair_step(node, step, repair) : 0;
}

static void go_on(struct verify *v, struct worker *w, struct verify_pass *p, uint64_t now_ns)
{
	struct groups *groups = &v->exec->groups;
	groups_lock(groups, p->block);
	if (!p->is_asking && now_ns >= p->again_ns)
		(void)begin_look(p, v->exec->node);
	bool is_asking = p->is_asking;
	groups_unlock(groups, p->block);
	if (!is_asking)
		return;
	const struct event e = {.step = step_pass, .block = p->block};
	(void)cluster_tell(w, &e);
	groups_lock(groups, p->block);
	if (p->repair.is_done)
		end_look(v, p, v->exec->node, now_ns);
	groups_unlock(groups, p->block);
}

/* ---- One after the other ------------------------------------------------------------------- */

enum next { NEXT_OF_BLOCK, NEXT_BEGUN, NEXT_LEFT_OUT, NEXT_BLOCK };

/* Under the lock: looks at the next replica of the block that is next. */
static enum next look_at_seat(struct verify *v, struct verify_pass *p)
{
	struct node *node = v->exec->node;
	const struct node_block *block = &node->blocks[v->block];
	if (!node_block_is_replica(block) || v->seat >= block->seats)
		return NEXT_BLOCK;
	uint16_t with = block->members[v->seat];
	if (v->seat == block->self)
		return NEXT_OF_BLOCK;
	if (block->phase != RING_STABLE || node_is_down(node, with))
		return NEXT_LEFT_OUT;
	*p = (struct verify_pass){.is_on = true, .block = v->block, .with = with};
	p->look = (struct repair_look){p, note};
	return NEXT_BEGUN;
}

/* False: all have begun. */
static bool begin_next(struct verify *v, struct verify_pass *p)
{
	struct groups *groups = &v->exec->groups;
	while (!p->is_on && v->block < store_blocks(v->exec->store)) {
		groups_lock(groups, v->block);
		enum next next = look_at_seat(v, p);
		bool is_own = node_block_is_replica(&v->exec->node->blocks[v->block]);
		groups_unlock(groups, v->block);
		v->seat++;
		pthread_mutex_lock(&v->lock);
		v->result.left_out += next == NEXT_LEFT_OUT;
		if (next == NEXT_BLOCK) {
			v->result.done++;
			v->result.blocks += is_own;
			v->block++;
			v->seat = 0;
		}
		pthread_mutex_unlock(&v->lock);
	}
	return p->is_on;
}

static void end(struct verify *v, bool is_abandoned)
{
	struct groups *groups = &v->exec->groups;
	for (unsigned i = 0; i < VERIFY_PASSES; i++) {
		struct verify_pass *p = &v->passes[i];
		if (!p->is_on)
			continue;
		groups_lock(groups, p->block);
		if (p->is_asking)
			repair_end(v->exec->node, &p->repair);
		groups_unlock(groups, p->block);
	}
	free(v->passes);
	v->passes = NULL;
	pthread_mutex_lock(&v->lock);
	v->result.is_over = true;
	v->result.is_abandoned = is_abandoned;
	atomic_store(&v->is_on, false);
	pthread_mutex_unlock(&v->lock);
}

static void run_slice(struct worker *w, struct job *job)
{
	struct verify *v = DHT_CONTAINER_OF(job, struct verify, job);
	/* It was due when the housekeeper looked, and has ended since. */
	if (!verify_is_due(v)) {
		atomic_store(&v->queued, false);
		return;
	}
	uint64_t now_ns = clock_monotonic_ns();
	bool is_left = allowance_is_left(&w->shared->background->upkeep.allowance);
	bool is_wanted = now_ns < atomic_load(&v->asked_ns) + ABANDON_NS && !worker_is_stopping(w);
	unsigned under_way = 0;
	for (unsigned i = 0; is_wanted && i < VERIFY_PASSES; i++) {
		struct verify_pass *p = &v->passes[i];
		if (is_left && (p->is_on || begin_next(v, p)))
			go_on(v, w, p, now_ns);
		under_way += p->is_on;
	}
	bool is_over = is_left && under_way == 0 && v->block == store_blocks(v->exec->store);
	if (is_over || !is_wanted)
		end(v, !is_over);
	atomic_store(&v->queued, false);
}

/* ---- The operator ------------------------------------------------------------------------ */

void verify_init(struct verify *v, struct exec *exec)
{
	*v = (struct verify){.exec = exec, .job = {.run = run_slice, .kind = JOB_background}};
	pthread_mutex_init(&v->lock, NULL);
}

void verify_fini(struct verify *v)
{
	free(v->passes);
	pthread_mutex_destroy(&v->lock);
}

int verify_begin(struct verify *v)
{
	int rc = 0;
	pthread_mutex_lock(&v->lock);
	atomic_store(&v->asked_ns, clock_monotonic_ns());
	bool is_on = atomic_load(&v->is_on);
	if (!is_on) {
		v->passes = calloc(VERIFY_PASSES, sizeof(*v->passes));
		rc = v->passes == NULL ? DHT_ENOMEM : 0;
	}
	if (!is_on && rc == 0) {
		v->result = (struct verify_result){.run = v->result.run + 1,
						   .all_blocks = store_blocks(v->exec->store)};
		v->block = 0;
		v->seat = 0;
		atomic_store(&v->is_on, true);
	}
	pthread_mutex_unlock(&v->lock);
	return rc;
}

void verify_look(struct verify *v, struct verify_result *result)
{
	pthread_mutex_lock(&v->lock);
	atomic_store(&v->asked_ns, clock_monotonic_ns());
	*result = v->result;
	pthread_mutex_unlock(&v->lock);
}

bool verify_is_due(const struct verify *v)
{
	return atomic_load_explicit(&v->is_on, memory_order_acquire);
}
