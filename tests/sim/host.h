/* SPDX-License-Identifier: Apache-2.0
 *
 * sim/host - one process of one member: the shipped node over the shipped store.
 *
 * Why     What the daemon's threads do around the pure core, as events of simulated time:
 *         steps that have to wait, the committer, what is held back until it is durable,
 *         housekeeping of the store, crashes and clean stops.
 * Owns    Disk, store, node; steps, messages and tasks under way.
 * Thread  one owner.
 *
 * The parts: host.c life, step.c steps of the node, commit.c what is durable, upkeep.c what
 * is done now and then.
 */
#ifndef DHT_SIM_HOST_H
#define DHT_SIM_HOST_H

#include "base/list.h"
#include "disk.h"
#include "limits.h"
#include "node/node.h"
#include "node/repair.h"
#include "node/task.h"
#include "parcel.h"
#include "store/store.h"

struct cluster;
struct request;

enum { HOST_WORKS_MAX = 4096, HOST_VOTES_MAX = 1024 };

enum work_kind {
	WORK_MESSAGE,
	WORK_SUBMIT,
	WORK_TIMER,
	WORK_PEER_LOST,
	WORK_PEER_SLOW,
	WORK_NOT_SENT,
	WORK_ADOPT,
	WORK_UPKEEP
};

/* A step of the node that is to be done, or to be repeated. */
struct work {
	struct list link;
	enum work_kind kind;
	enum node_wait waits_for;
	struct parcel *parcel;
	struct request *request;
	struct node_timer timer;
	uint32_t block; /* PEER_LOST, PEER_SLOW, UPKEEP */
	uint16_t peer;
	unsigned upkeep;               /* row of the table of upkeep */
	struct store_fetched *fetched; /* and one that is being read, or room for it */
	unsigned fetched_count, fetched_room;
};

/* A vote that was stored and is not durable yet, for sim/lineage. */
struct host_vote {
	uint8_t key;
	struct ballot acc;
	uint64_t end;
};

struct host {
	struct cluster *cluster;
	uint8_t number;
	bool is_up, is_lost; /* lost: that identity is gone with its disk */
	uint32_t incarnation;

	/* On disk, beside the log: the file `identity`. */
	uint64_t starts, last_counter;
	bool has_stopped_cleanly;
	struct disk disk;

	struct store *store;
	struct node node;
	/* What its wall clock was ahead when it was set, and what it gains in a second (ms). */
	int64_t clock_ms, clock_drift;
	uint64_t clock_set_us;

	struct list outbox;  /* messages: letters that wait for the disk */
	struct list answers; /* requests that do */
	struct list waiting; /* works */
	unsigned waiting_count;
	bool wants_commit, is_committing;
	uint64_t ceiling, ceiling_end; /* appended, not yet durable; 0: none */
	bool is_preparing;
	bool resumes_map; /* a map has been adopted: messages may go on */

	struct adoption *adoption; /* of a map, under way; NULL: none */
	struct repair repairs[SIM_USED];
	uint64_t wanted_epoch; /* being fetched; 0: none */
	struct host_vote votes[HOST_VOTES_MAX];
	unsigned vote_count;
	uint64_t littered;
	uint64_t appended; /* records of keys, since it was made */
};

/* ---- Life ---------------------------------------------------------------------------- */

/* A member with an empty disk, down. */
void host_init(struct host *h, struct cluster *c, uint8_t number);
void host_fini(struct host *h);
void host_start(struct host *h);

/* What is not durable is lost, or torn. */
void host_crash(struct host *h);

/* A clean stop: all is durable, and the exact counter is the ceiling. */
void host_stop(struct host *h);

/* ---- Events -------------------------------------------------------------------------- */

void host_message(struct host *h, struct parcel *parcel);
void host_peer_lost(struct host *h, unsigned peer);
void host_peer_slow(struct host *h, unsigned peer, bool is_slow);
void host_not_sent(struct host *h, const struct node_timer *of);
void host_timer(struct host *h, const struct node_timer *timer);
void host_write(struct host *h);
void host_sync(struct host *h);
void host_fetched(struct host *h, struct work *work);
void host_map(struct host *h, uint64_t epoch);
void host_adopt(struct host *h);
void host_housekeep(struct host *h);

/* A client's request; it is the host's until cluster_answer(). */
void host_submit(struct host *h, struct request *request);

/* Lets the node do a row of the table of upkeep in a block now. */
void host_upkeep(struct host *h, unsigned row, uint32_t block);

/* Writes the ballast of the run's first block, which all replicas have from the beginning on;
 * whether the store has all of it. */
void host_load_ballast(struct host *h);
bool host_has_ballast(const struct host *h);

/* Puts a large record of no key of the run into the store, so that its log turns over. */
void host_litter(struct host *h);

/* ---- Between its parts --------------------------------------------------------------- */

/* Does a step, now or when what it waits for is there. The work is taken over. */
void host_work(struct host *h, struct work *work);
struct work *host_work_create(enum work_kind kind);
void host_work_destroy(struct host *h, struct work *work);

/* Does again what waits for this. */
void host_resume(struct host *h, enum node_wait waits_for);

/* Looks at what a step has left to do: sends what is durable, asks for a commit. */
void host_after(struct host *h);
void host_flush(struct host *h);
void host_free_waiting(struct host *h);

/* Whose node does a step: what its store takes is told to the cluster. */
void host_set_stepping(struct host *h);

/* Everything at or before is durable, as far as replies go. */
uint64_t host_mark(const struct host *h);

#endif
