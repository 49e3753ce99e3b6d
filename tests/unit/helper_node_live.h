/* SPDX-License-Identifier: Apache-2.0
 *
 * helper_node_live - nodes of a cluster in one process, with workers, committers and links over
 * loopback sockets; the control plane is the test's: a fixed map.
 *
 * Thread  start, stop: the test's main thread. Clients: a thread each.
 * Errors  abort the test.
 */
#ifndef DHT_TESTS_HELPER_NODE_LIVE_H
#define DHT_TESTS_HELPER_NODE_LIVE_H

#include "helper_directory.h"
#include "io/listener.h"
#include "worker/background.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/housekeeper.h"
#include "worker/peers.h"
#include "worker/readers.h"
#include "worker/worker.h"

struct store_os_posix;

enum {
	LIVE_NODES_MAX = 4,
	LIVE_WORKERS = 2,
	LIVE_BLOCKS = 64,
	LIVE_SEGMENT = 16 * 1024 * 1024,
};

struct live_node {
	uint16_t number;
	struct live_cluster *cluster;
	struct helper_directory directory;
	struct store_os_posix *disk;
	struct store *store;
	uint32_t starts;
	uint64_t ceiling, ceiling_end; /* of the counter, on its way; 0: none */
	bool is_up;
	struct node node;
	struct exec exec;
	struct committer committer;
	struct background background;
	struct housekeeper housekeeper;
	struct readers readers;
	struct sessions sessions;
	struct peers peers;
	struct poller poller;
	struct wake wake;
	struct worker_shared shared;
	struct worker *workers;
	struct listener listener;
	uint16_t port;
	pthread_t acceptor;
	_Atomic bool is_ending;
	_Atomic unsigned turn;
};

struct live_cluster {
	struct live_node nodes[LIVE_NODES_MAX];
	unsigned count;
	uint64_t memory_bytes; /* of each store; 0: all */
	struct ring_map *map;
};

/* Starts that many nodes; each block has so many replicas, the first ones in turns. */
void live_start(struct live_cluster *c, unsigned nodes, unsigned replicas, uint64_t memory_bytes);
void live_end(struct live_cluster *c);

/* One node alone: like an end of its process after its sessions were closed. */
void live_stop_node(struct live_node *n);
void live_start_node(struct live_node *n);

/* A client of a node: a socket. */
int live_connect(struct live_node *n);

/* The test as a member: a link to the node, open and blocking, that takes so few bytes unread
 * (0: as usual). */
int live_link(struct live_node *n, uint16_t number, int unread_max);

/* The same at the other end: accepts the link that a node opens to the member, whose listener the
 * test has. */
int live_accept(struct listener *listener, uint16_t number);

/* Sends a message over a link. */
void live_send(int fd, const struct message *m);

struct live_reply {
	int status;
	int64_t number;
	bool existed;
	uint8_t *value; /* free() it */
	size_t len;
};

/* Runs an operation and waits for its reply. */
struct live_reply live_run(int fd, const struct op *op);

/* The same for the usual ones. */
int live_put(int fd, const char *key, const void *value, size_t len);
struct live_reply live_get(int fd, const char *key);
int64_t live_incr(int fd, const char *key, int *status);

/* True if the node holds the same (key, acc) as the other one in all blocks. */
bool live_is_equal(struct live_node *a, struct live_node *b);

/* Waits until the condition holds; fails the test after half a minute. */
void live_wait(bool (*condition)(void *ctx), void *ctx, const char *what);

#endif
