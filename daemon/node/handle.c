/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of a message: whether it makes sense, whether its version is the block's, and
 * who it is for.
 */
#include "base/error.h"
#include "node/collect.h"
#include "node/coordinator.h"
#include "node/forward.h"
#include "node/list.h"
#include "node/node.h"
#include "node/repair.h"
#include "node/replica.h"
#include "node/sync.h"
#include "paxos/variant.h"

/* A counter that no node reaches in a lifetime, and far below the one that has no successor. */
#define COUNTER_LIMIT (BALLOT_COUNTER_MAX / 2)

/* ---- Whether it makes sense ------------------------------------------------------ */

enum subject { ABOUT_KEY, ABOUT_RANGE, ABOUT_NODE };

static enum subject subject_of(enum message_kind kind)
{
	switch (kind) {
	case MESSAGE_PREPARE:
	case MESSAGE_PROMISE:
	case MESSAGE_ACCEPT:
	case MESSAGE_OK:
	case MESSAGE_READ:
	case MESSAGE_VALUE:
	case MESSAGE_LEARN:
	case MESSAGE_HOLDS:
	case MESSAGE_HELD:
	case MESSAGE_ERASE:
		return ABOUT_KEY;
	case MESSAGE_PULL:
	case MESSAGE_CHUNK:
	case MESSAGE_COMPARE:
	case MESSAGE_DIFFER:
	case MESSAGE_LIST:
	case MESSAGE_LISTED:
		return ABOUT_RANGE;
	case MESSAGE_COUNT:
	case MESSAGE_COUNTED:
	case MESSAGE_STALE:
	case MESSAGE_FORWARD:
	case MESSAGE_RESULT:
	case MESSAGE_KIND_COUNT:
		return ABOUT_NODE;
	}
	DHT_UNREACHABLE();
}

static bool is_counter_sane(struct ballot b)
{
	return ballot_counter(b) < COUNTER_LIMIT;
}

static bool is_record_sane(const struct paxos_record *record)
{
	if (record->value.len > 0 && (record->is_tombstone || !paxos_record_is_there(record)))
		return false;
	return record->value.len <= RECORD_VALUE_MAX && is_counter_sane(record->acc) &&
	       is_counter_sane(record->ver) && is_counter_sane(record->pver);
}

/* A ballot that the sender has drawn in the version that it names. */
static bool is_drawn_by_sender(const struct message *m)
{
	bool is_of_version = m->b.version == m->version || PAXOS_BROKEN(NO_VERSION);
	return !ballot_is_absent(m->b) && is_of_version && ballot_member(m->b) == m->from;
}

static bool is_proposal_sane(const struct message *m)
{
	return is_drawn_by_sender(m) && ballot_equal(m->record.acc, m->b) && !m->is_omitted &&
	       ballot_compare(m->next, m->b) >= 0;
}

static bool is_key_sane(const struct message *m, const struct store_key *key)
{
	if (key->block != m->block)
		return false;
	if (m->kind == MESSAGE_PREPARE)
		return is_drawn_by_sender(m);
	if (m->kind == MESSAGE_ACCEPT)
		return is_proposal_sane(m);
	if (m->kind == MESSAGE_LEARN)
		return paxos_record_is_there(&m->record) && !m->is_omitted;
	if (m->kind == MESSAGE_HOLDS || m->kind == MESSAGE_ERASE)
		return !ballot_is_absent(m->b);
	return m->kind != MESSAGE_HELD || m->holding <= ACCEPTOR_BEHIND;
}

static bool is_range_sane(const struct message *m)
{
	if (m->from_hash > m->until_hash || m->until_hash > STORE_HASH_END ||
	    m->item_count > MESSAGE_ITEMS_MAX)
		return false;
	for (size_t i = 0; i < m->item_count; i++) {
		const struct message_item *item = &m->items[i];
		if (item->key.len > RECORD_KEY_MAX || !paxos_record_is_there(&item->record) ||
		    !is_record_sane(&item->record))
			return false;
	}
	return true;
}

/* key is the message's, if it has one. */
static bool is_sane(const struct node *node, const struct message *m, struct store_key *key)
{
	if (m->kind >= MESSAGE_KIND_COUNT || m->from >= RING_MEMBERS_MAX ||
	    m->from == node->number || m->block >= store_blocks(node->store) ||
	    m->key.len > RECORD_KEY_MAX)
		return false;
	if (!is_counter_sane(m->b) || !is_counter_sane(m->next) || !is_counter_sane(m->bound) ||
	    !is_counter_sane(m->named) || !is_record_sane(&m->record))
		return false;
	switch (subject_of(m->kind)) {
	case ABOUT_KEY:
		*key = node_key(node, m->key);
		return is_key_sane(m, key);
	case ABOUT_RANGE:
		return is_range_sane(m);
	case ABOUT_NODE:
		return true;
	}
	DHT_UNREACHABLE();
}

/* ---- Versions -------------------------------------------------------------------- */

enum old { ANSWER_STALE, DROP, TAKE };

static enum old fate_of_old(enum message_kind kind)
{
	static const enum old fates[] = {
#define X(name, old) old,
	    MESSAGE_KINDS(X)
#undef X
	};
	return fates[kind];
}

static void answer_stale(struct node *node, struct node_step *step, const struct message *m)
{
	struct message stale = {
	    .kind = MESSAGE_STALE,
	    .from = node->number,
	    .block = m->block,
	    .version = node->blocks[m->block].acceptor.version,
	    .tag = m->tag,
	    .epoch = atomic_load_explicit(&node->epoch, memory_order_acquire),
	};
	step->effects->send(step->effects->ctx, &m->from, 1, &stale, node_map_end(node));
}

static void want_map(struct node_step *step, uint16_t from)
{
	step->effects->wants_map(step->effects->ctx, from);
}

static bool is_unfenced(const struct message *m)
{
	return PAXOS_BROKEN(SYNC_UNFENCED) && m->kind == MESSAGE_PULL;
}

/* True if the message is of the block's version, or of no version at all. Otherwise *rc says
 * what becomes of it. */
static bool is_of_version(struct node *node, struct node_step *step, const struct message *m,
			  int *rc)
{
	uint32_t version = node->blocks[m->block].acceptor.version;
	enum old fate = fate_of_old(m->kind);
	*rc = 0;
	if (m->version == version || fate == TAKE || is_unfenced(m))
		return true;
	if (m->version > version) {
		want_map(step, m->from);
		step->waits_for = NODE_WAITS_FOR_MAP;
		*rc = DHT_EAGAIN;
		return false;
	}
	if (PAXOS_BROKEN(OLD_VERSIONS))
		return true;
	if (fate == ANSWER_STALE)
		answer_stale(node, step, m);
	return false;
}

/* True if the block takes this message: this node is a replica of it, and so is the sender, as
 * both know the same version. */
static bool is_taken(const struct node_block *block, const struct message *m)
{
	if (is_unfenced(m))
		return true;
	if (!node_block_is_replica(block))
		return false;
	if (m->version == block->acceptor.version &&
	    node_block_seat(block, m->from) == NODE_NO_SEAT)
		return false;
	bool is_of_sync = m->kind == MESSAGE_PULL || m->kind == MESSAGE_CHUNK;
	return is_of_sync || !node_block_is_recovering(block);
}

/* ---- What it carries ------------------------------------------------------------- */

/* Counters are what is looked for, whatever the versions. */
static void raise(struct ballot *highest, struct ballot b)
{
	if (ballot_counter(b) > ballot_counter(*highest))
		*highest = b;
}

static void raise_by_record(struct ballot *highest, const struct paxos_record *record)
{
	raise(highest, record->acc);
	raise(highest, record->ver);
	raise(highest, record->pver);
}

static int see_ballots(struct node *node, struct node_step *step, const struct message *m)
{
	struct ballot highest = m->b;
	raise(&highest, m->next);
	raise(&highest, m->bound);
	raise(&highest, m->named);
	raise_by_record(&highest, &m->record);
	for (size_t i = 0; i < m->item_count; i++)
		raise_by_record(&highest, &m->items[i].record);
	return ballot_is_absent(highest) ? 0 : node_see(node, step, highest);
}

static int dispatch(struct node *node, struct node_step *step, const struct store_key *key,
		    const struct message *m)
{
	switch (m->kind) {
	case MESSAGE_PREPARE:
	case MESSAGE_ACCEPT:
	case MESSAGE_READ:
	case MESSAGE_LEARN:
	case MESSAGE_HOLDS:
	case MESSAGE_ERASE:
		return replica_handle(node, step, key, m);
	case MESSAGE_PROMISE:
	case MESSAGE_OK:
	case MESSAGE_VALUE:
		return coordinator_handle(node, step, m);
	case MESSAGE_HELD:
		return collect_handle(node, step, key, m);
	case MESSAGE_PULL:
	case MESSAGE_CHUNK:
		return sync_handle(node, step, m);
	case MESSAGE_COMPARE:
	case MESSAGE_DIFFER:
		return repair_handle(node, step, m);
	case MESSAGE_STALE:
	case MESSAGE_FORWARD:
	case MESSAGE_RESULT:
	case MESSAGE_LIST:
	case MESSAGE_LISTED:
	case MESSAGE_COUNT:
	case MESSAGE_COUNTED:
	case MESSAGE_KIND_COUNT:
		break;
	}
	DHT_UNREACHABLE();
}

int node_handle(struct node *node, struct node_step *step, const struct message *m)
{
	struct store_key key;
	int rc;
	if (!is_sane(node, m, &key))
		return 0;
	if (m->kind == MESSAGE_STALE) {
		if (m->epoch > atomic_load_explicit(&node->epoch, memory_order_acquire))
			want_map(step, m->from);
		return 0;
	}
	/* A result is one, whatever the map. */
	if (m->kind != MESSAGE_RESULT && !is_of_version(node, step, m, &rc))
		return rc;
	if (m->kind == MESSAGE_FORWARD || m->kind == MESSAGE_RESULT)
		return forward_handle(node, step, m);
	if (list_is_of(m->kind))
		return list_handle(node, step, m);
	if (!is_taken(&node->blocks[m->block], m))
		return 0;
	/* A step may append several records: it is not to fail at the second one. */
	if (!store_has_room(node->store)) {
		step->waits_for = NODE_WAITS_FOR_COMMIT;
		return DHT_EAGAIN;
	}
	rc = see_ballots(node, step, m);
	return rc != 0 ? rc : dispatch(node, step, &key, m);
}
