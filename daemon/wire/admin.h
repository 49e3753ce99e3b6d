/* SPDX-License-Identifier: Apache-2.0
 *
 * wire/admin - admin requests and responses: C structs to and from protobuf.
 *
 * Why     The rest of the daemon sees structs whose fields were checked; nobody
 *         else touches generated types. The format is documented in proto/admin.proto.
 * Owns    A decoded request owns the memory that its bytes point into, until
 *         wire_admin_release. Encoders copy.
 * Thread  any; pure.
 * Errors  Decoding: DHT_EPROTO (no AdminRequest), DHT_EUNKNOWN (no command that this
 *         version knows), DHT_EINVAL, DHT_ETOOBIG (a field is missing or out of
 *         bounds; why says which). Encoding: DHT_ENOMEM or DHT_EFULL from the buffer,
 *         which is unchanged then.
 */
#ifndef DHT_WIRE_ADMIN_H
#define DHT_WIRE_ADMIN_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buffer.h"
#include "node/op.h"

enum {
	WIRE_WHY_MAX = 160,
	WIRE_FILE_NAME_MAX = 4096,
	WIRE_NAME_MAX = 255,       /* bytes of a node's name, a zone, an address */
	WIRE_SURVIVORS_MAX = 4095, /* nodes named by a recover request */
	WIRE_LOAD_MAX = 65536,     /* entries of a load request: each costs memory while it runs */
};
#define WIRE_TTL_MAX_MS (UINT64_C(1) << 52)

enum admin_command {
#define ADMIN_COMMAND(id, ID, name, place, arguments, summary, details) ADMIN_##id,
#include "proto/commands.def"
	ADMIN_COMMAND_COUNT
};

/* Of join, leave, remove, replace, node, plan, job, ok_to_stop. */
struct admin_change {
	const char *node;    /* a name, id or number; "" */
	const char *address; /* host:port; "" */
	const char *zone;    /* "" */
	uint32_t weight;     /* 0 */
	bool discards_data, is_forced;
	enum admin_command planned; /* plan: leave, remove or node */
	uint64_t ticket, job;       /* job: what is asked after; what is cancelled */
};

/* Of recover. */
struct admin_recovery {
	const char *const *survivors; /* a name, id or number each */
	size_t survivor_count;
	const char *cluster; /* its name; "": only tell what would be lost */
};

struct admin_request {
	uint64_t call_id;
	uint64_t timeout_ms; /* that the client waits for an answer; 0: not told */
	enum admin_command command;
	void *message;   /* the protobuf message; bytes and strings point into it */
	uint64_t ttl_ms; /* with OP_EXPIRY_AT: op.expires_ms is to be so long from now */
	union {
		struct op op;        /* on one key; hash and block not derived yet */
		struct bytes prefix; /* scan, dump */
		size_t load_count;   /* load: see wire_admin_load_entry */
		const char *level;   /* log_level; "" only asks */
		struct admin_change change;
		struct admin_recovery recovery;
		bool begins;          /* verify */
		struct bytes located; /* locate: the key */
		struct {
			bool check;
			const char *file_name;
			struct bytes content;
		} config;
	};
};

/* Bounds that the configuration sets. */
struct wire_limits {
	size_t value_max;
};

/* Decodes one message. On failure call_id is set if it could be read, and why holds
 * a sentence; nothing has to be released. */
int wire_admin_decode(const uint8_t *data, size_t len, const struct wire_limits *limits,
		      struct admin_request *request, char why[WIRE_WHY_MAX]) DHT_MUST_CHECK;
void wire_admin_release(struct admin_request *request);

/* The i-th entry of a load request, checked like a put. */
int wire_admin_load_entry(const struct admin_request *request, size_t i,
			  const struct wire_limits *limits, struct op *op,
			  char why[WIRE_WHY_MAX]) DHT_MUST_CHECK;

/* ---- Responses: each appends one frame ------------------------------------------- */

struct admin_node_status {
	const char *id, *name, *state, *peer, *client, *zone;
	uint64_t number, weight, keys, bytes;
};

struct admin_quantiles {
	uint64_t p50, p99, max; /* microseconds */
};

struct admin_store_status {
	const char *fsync;
	uint64_t segments, live_bytes, dead_bytes, disk_bytes, index_bytes, mapped_bytes;
	uint64_t cold_segments, spare_segments, keys, tombstones;
	struct admin_quantiles fsync_us;
	struct {
		bool running;
		double progress; /* of the segment in work, 0 to 1 */
		uint64_t bytes_copied, bytes_per_s;
	} compaction;
	struct {
		uint64_t bytes_done, bytes_total;
	} recovery;
	const char *read_only_reason; /* NULL: it is not read-only */
};

struct admin_peers_status {
	uint64_t control_links, refused_links, sent, received, lost, dropped;
	uint64_t synced_bytes, compared, told, settled;
	int64_t worst_skew_ms;
	uint32_t worst_skew_of;
};

struct admin_status {
	const char *cluster, *node, *id, *version, *health, *startup, *lineage;
	uint32_t pid;
	uint64_t uptime_s, epoch, keys, bytes, workers, connections, resident_bytes;
	bool serving;
	const char *const *reasons;
	size_t reason_count;
	const struct admin_node_status *nodes;
	size_t node_count;
	const struct admin_store_status *store;
	const struct admin_peers_status *peers;
};

struct admin_worker_queue {
	uint64_t depth, depth_max, jobs, hot, requests, full;
	double busy;
	struct admin_quantiles wait, run;
	struct {
		const char *name;
		uint64_t count;
	} kinds[16];
	size_t kind_count;
};

struct admin_command_calls {
	const char *name;
	uint64_t calls, failed, rejected;
	struct admin_quantiles time;
};

struct admin_queues {
	const struct admin_worker_queue *workers;
	size_t worker_count;
	uint64_t parked, dispatched, accepted, waiting, refused;
	const struct admin_command_calls *commands;
	size_t command_count;
};

struct admin_setting {
	const char *key, *value, *default_value;
	bool reloadable;
};

struct admin_entry {
	struct bytes key, value;
	uint64_t expires_ms;
};

/* A job, or what became of a ticket; the numbers of outcome are those of JobResponse. */
enum admin_outcome {
	ADMIN_NO_TICKET,
	ADMIN_WAITING,
	ADMIN_BEGUN,
	ADMIN_REFUSED,
	ADMIN_FORGOTTEN,
};

struct admin_job {
	enum admin_outcome outcome;
	int status; /* ADMIN_REFUSED */
	const char *reason;
	uint64_t begun, ticket, epoch;
	bool is_running; /* then: */
	uint64_t id, began_ms, moved_bytes, left_bytes, bytes_per_s;
	const char *kind, *node, *other;
	bool is_cancelled;
	uint32_t blocks, joint, in_sync;
};

struct admin_plan {
	int status;
	const char *reason;
	uint32_t blocks, at_risk;
	uint64_t moves, bytes;
	const char *const *risks;
	size_t risk_count;
};

struct admin_verified {
	uint64_t run;
	bool is_over, is_abandoned;
	uint32_t all_blocks, blocks, done, pairs, left_out;
	uint64_t records, differences;
	const struct bytes *names;
	size_t name_count;
};

struct admin_recovered {
	const char *cluster;
	uint32_t members, kept, merged, empty;
	uint64_t job;
};

struct admin_replica {
	uint32_t number;
	const char *name;
	bool is_down, is_old, is_next, coordinates;
	/* What it has of the key. */
	bool answers, holds, is_deleted;
	struct ballot ballot, version;
};

struct admin_location {
	uint32_t slot, block, version;
	const char *phase;
	uint64_t epoch;
	const struct admin_replica *replicas;
	size_t replica_count;
};

/* message is cut at WIRE_WHY_MAX; what is not printable ASCII in it becomes '?'. */
int wire_admin_error(struct buffer *out, uint64_t call_id, int error,
		     const char *message) DHT_MUST_CHECK;
int wire_admin_status(struct buffer *out, uint64_t call_id,
		      const struct admin_status *status) DHT_MUST_CHECK;
int wire_admin_queues(struct buffer *out, uint64_t call_id,
		      const struct admin_queues *queues) DHT_MUST_CHECK;
/* The response to a join, leave, remove or replace. */
int wire_admin_ticket(struct buffer *out, uint64_t call_id, enum admin_command command,
		      uint64_t ticket) DHT_MUST_CHECK;
int wire_admin_nodes(struct buffer *out, uint64_t call_id, uint64_t epoch, uint64_t ticket,
		     const struct admin_node_status *nodes, size_t count) DHT_MUST_CHECK;
int wire_admin_plan(struct buffer *out, uint64_t call_id,
		    const struct admin_plan *plan) DHT_MUST_CHECK;
int wire_admin_job(struct buffer *out, uint64_t call_id,
		   const struct admin_job *job) DHT_MUST_CHECK;
int wire_admin_verified(struct buffer *out, uint64_t call_id,
			const struct admin_verified *told) DHT_MUST_CHECK;
int wire_admin_recovered(struct buffer *out, uint64_t call_id,
			 const struct admin_recovered *told) DHT_MUST_CHECK;
int wire_admin_ok_to_stop(struct buffer *out, uint64_t call_id, const char *const *reasons,
			  size_t count) DHT_MUST_CHECK;
int wire_admin_place(struct buffer *out, uint64_t call_id,
		     const struct admin_location *place) DHT_MUST_CHECK;
int wire_admin_log_level(struct buffer *out, uint64_t call_id, const char *level,
			 const char *previous) DHT_MUST_CHECK;
int wire_admin_settings(struct buffer *out, uint64_t call_id, const struct admin_setting *settings,
			size_t count) DHT_MUST_CHECK;
int wire_admin_problems(struct buffer *out, uint64_t call_id, const char *const *problems,
			size_t count) DHT_MUST_CHECK;

/* The response to a get, put, del, cas or incr that succeeded. */
int wire_admin_result(struct buffer *out, uint64_t call_id, enum admin_command command,
		      const struct op_result *result) DHT_MUST_CHECK;

/* The response to a ttl that succeeded; now_ms is the time at which it ran. */
int wire_admin_ttl(struct buffer *out, uint64_t call_id, const struct op_result *result,
		   uint64_t now_ms) DHT_MUST_CHECK;

/* A part of a scan (keys only) or dump; with last, its end. */
int wire_admin_entries(struct buffer *out, uint64_t call_id, enum admin_command command,
		       const struct admin_entry *entries, size_t count, bool last) DHT_MUST_CHECK;
int wire_admin_loaded(struct buffer *out, uint64_t call_id, uint64_t loaded,
		      uint64_t kept) DHT_MUST_CHECK;

#endif
