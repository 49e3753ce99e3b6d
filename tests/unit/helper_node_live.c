/* SPDX-License-Identifier: Apache-2.0 */
#include "helper_node_live.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/clock.h"
#include "io/endpoint.h"
#include "node/adopt.h"
#include "ring/map.h"
#include "store/os_posix.h"
#include "unit.h"

enum {
	SEED = 4711,
	HELLO_SIZE = PEER_FRAME_HEADER + 2,
	REQUEST_MAX = 20 * 1024 * 1024,
	WAIT_S = 30, /* for a condition, under sanitizers */
};

/* ---- How links begin: each side says its number ------------------------------------------ */

static void put_hello(uint8_t hello[HELLO_SIZE], uint16_t number)
{
	peer_frame_put_header(hello, PEER_HELLO, 0, 0, 2, HELLO_SIZE);
	put_u16(hello + PEER_FRAME_HEADER, number);
	const struct bytes whole = bytes_of(hello, HELLO_SIZE);
	peer_frame_seal(hello, &whole, 1);
}

static int opening_begin(void *ctx, void *state, uint16_t member, struct buffer *out)
{
	const struct live_node *n = ctx;
	uint8_t hello[HELLO_SIZE];
	(void)state, (void)member;
	put_hello(hello, n->number);
	return buffer_append(out, hello, sizeof(hello), SIZE_MAX / 2);
}

static int opening_take(void *ctx, void *state, uint16_t member, const struct peer_frame *frame,
			struct buffer *out)
{
	(void)ctx, (void)state, (void)out;
	if (frame->type != PEER_HELLO || frame->message.len != 2)
		return DHT_EPROTO;
	return get_u16(frame->message.data) == member ? 1 : DHT_EPROTO;
}

static bool read_all(int fd, void *data, size_t len)
{
	uint8_t *to = data;
	while (len > 0) {
		ssize_t n = recv(fd, to, len, 0);
		if (n <= 0 && errno == EAGAIN) {
			struct pollfd wait = {.fd = fd, .events = POLLIN};
			(void)poll(&wait, 1, 1000);
			continue;
		}
		if (n <= 0)
			return false;
		to += n;
		len -= (size_t)n;
	}
	return true;
}

static void accept_one(struct live_node *n, int fd)
{
	uint8_t hello[HELLO_SIZE];
	if (!read_all(fd, hello, sizeof(hello))) {
		close(fd);
		return;
	}
	uint16_t member = get_u16(hello + PEER_FRAME_HEADER);
	put_hello(hello, n->number);
	ssize_t sent = send(fd, hello, sizeof(hello), MSG_NOSIGNAL);
	struct session *s =
	    sent == sizeof(hello) ? links_accept(&n->sessions, fd, 0, member) : NULL;
	if (s == NULL) {
		close(fd);
		return;
	}
	struct worker *w = &n->workers[atomic_fetch_add(&n->turn, 1) % LIVE_WORKERS];
	UNIT_REQUIRE(worker_hand_over(w, s, clock_monotonic_ns()) == 0);
}

static void *acceptor_main(void *arg)
{
	struct live_node *n = arg;
	while (!atomic_load(&n->is_ending)) {
		struct pollfd wait = {.fd = n->listener.watch.fd, .events = POLLIN};
		(void)poll(&wait, 1, 20);
		int fd = listener_accept(&n->listener);
		if (fd >= 0)
			accept_one(n, fd);
	}
	return NULL;
}

/* ---- The clients' protocol: structs as they are ------------------------------------------- */

struct request {
	struct op op; /* its bytes follow: key, value, expected */
};

struct reply {
	int status;
	bool existed;
	int64_t number;
	size_t len; /* of the value behind it */
};

static bool run_request(struct worker *w, struct session *s, const uint8_t *data)
{
	struct request request;
	struct op_result result;
	memcpy(&request, data, sizeof(request));
	struct op *op = &request.op;
	const uint8_t *at = data + sizeof(request);
	op->key = exec_key(w, bytes_of(at, op->key.key.len));
	at += op->key.key.len;
	op->value = bytes_of(at, op->value.len);
	op->expected = bytes_of(at + op->value.len, op->expected.len);
	if (exec_run(w, s, op, &result) != 0)
		return false;
	const struct reply reply = {result.status, result.existed, result.number,
				    result.status == 0 ? result.value.len : 0};
	UNIT_REQUIRE(buffer_append(worker_out(w), &reply, sizeof(reply), REQUEST_MAX) == 0);
	UNIT_REQUIRE(buffer_append(worker_out(w), result.value.data, reply.len, REQUEST_MAX) == 0);
	exec_done(w, s, &result);
	return true;
}

static size_t size_of(const uint8_t *data)
{
	struct request request;
	memcpy(&request, data, sizeof(request));
	const struct op *op = &request.op;
	return sizeof(request) + op->key.key.len + op->value.len + op->expected.len;
}

static size_t live_input(struct worker *w, struct session *s, const uint8_t *data, size_t len)
{
	size_t used = 0;
	while (len - used >= sizeof(struct request)) {
		size_t size = size_of(data + used);
		s->want = size;
		if (len - used < size)
			break;
		if (!run_request(w, s, data + used)) {
			s->paused = true;
			break;
		}
		used += size;
	}
	return used;
}

static const struct protocol live_protocol = {
    .name = "live",
    .handed_kind = JOB_client,
    .hot_kind = JOB_hot_client,
    .in_max = REQUEST_MAX,
    .input = live_input,
};

int live_connect(struct live_node *n)
{
	int fds[2];
	ck_assert_int_eq(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
	ck_assert_int_eq(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
	struct session *s = session_create(&n->sessions, fds[1], 0, &live_protocol);
	ck_assert_ptr_nonnull(s);
	struct worker *w = &n->workers[atomic_fetch_add(&n->turn, 1) % LIVE_WORKERS];
	ck_assert_int_eq(worker_hand_over(w, s, clock_monotonic_ns()), 0);
	return fds[0];
}

static bool send_all(int fd, const void *data, size_t len)
{
	const uint8_t *from = data;
	while (len > 0) {
		ssize_t n = send(fd, from, len, MSG_NOSIGNAL);
		if (n <= 0)
			return false;
		from += n;
		len -= (size_t)n;
	}
	return true;
}

struct live_reply live_run(int fd, const struct op *op)
{
	const struct live_reply closed = {.status = DHT_ECLOSED};
	struct request request = {.op = *op};
	struct reply reply;
	if (!send_all(fd, &request, sizeof(request)) ||
	    !send_all(fd, op->key.key.data, op->key.key.len) ||
	    !send_all(fd, op->value.data, op->value.len) ||
	    !send_all(fd, op->expected.data, op->expected.len) ||
	    !read_all(fd, &reply, sizeof(reply)))
		return closed;
	struct live_reply out = {.status = reply.status,
				 .number = reply.number,
				 .existed = reply.existed,
				 .len = reply.len};
	out.value = malloc(reply.len + 1);
	UNIT_REQUIRE(out.value != NULL);
	if (!read_all(fd, out.value, out.len)) {
		free(out.value);
		return closed;
	}
	return out;
}

int live_put(int fd, const char *key, const void *value, size_t len)
{
	const struct op op = {
	    .kind = OP_PUT, .key.key = bytes_of_text(key), .value = bytes_of(value, len)};
	struct live_reply reply = live_run(fd, &op);
	free(reply.value);
	return reply.status;
}

struct live_reply live_get(int fd, const char *key)
{
	const struct op op = {.kind = OP_GET, .key.key = bytes_of_text(key)};
	return live_run(fd, &op);
}

int64_t live_incr(int fd, const char *key, int *status)
{
	const struct op op = {.kind = OP_INCR, .key.key = bytes_of_text(key), .delta = 1};
	struct live_reply reply = live_run(fd, &op);
	free(reply.value);
	*status = reply.status;
	return reply.number;
}

/* ---- The test as a member ----------------------------------------------------------------- */

/* Both sides say who they are. */
static void greet(int fd, uint16_t number)
{
	uint8_t own[HELLO_SIZE], other[HELLO_SIZE];
	put_hello(own, number);
	ck_assert(send_all(fd, own, sizeof(own)));
	ck_assert(read_all(fd, other, sizeof(other)));
}

int live_link(struct live_node *n, uint16_t number, int unread_max)
{
	const struct sockaddr_in to = {.sin_family = AF_INET,
				       .sin_port = htons(n->port),
				       .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	ck_assert_int_ge(fd, 0);
	if (unread_max > 0)
		ck_assert_int_eq(
		    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &unread_max, sizeof(unread_max)), 0);
	ck_assert_int_eq(connect(fd, (const struct sockaddr *)&to, sizeof(to)), 0);
	greet(fd, number);
	return fd;
}

int live_accept(struct listener *listener, uint16_t number)
{
	struct pollfd wait = {.fd = listener->watch.fd, .events = POLLIN};
	ck_assert_int_eq(poll(&wait, 1, WAIT_S * 1000), 1);
	int fd = listener_accept(listener);
	ck_assert_int_ge(fd, 0);
	greet(fd, number);
	return fd;
}

void live_send(int fd, const struct message *m)
{
	struct buffer out = BUFFER_EMPTY;
	struct wire_frame frame;
	ck_assert_int_eq(wire_peer_encode(m, 0, &out, PEER_FRAME_MAX, &frame), 0);
	ck_assert(send_all(fd, buffer_head(&out), out.len));
	buffer_reset(&out);
}

/* ---- A node ----------------------------------------------------------------------------- */

static void locate(void *ctx, struct store_key *key, uint32_t blocks)
{
	(void)ctx;
	*key = node_locate(key->key, SEED, blocks);
}

static void on_failed(void *ctx, int error)
{
	(void)ctx;
	ck_abort_msg("the disk failed: %s", dht_error_text(error));
}

static void on_turned(void *ctx)
{
	struct live_node *n = ctx;
	if (store_wants_segment(n->store) || store_wants_memory(n->store))
		housekeeper_ask(&n->housekeeper);
}

static void on_committing(void *ctx)
{
	struct live_node *n = ctx;
	uint64_t wanted = counter_wants_ceiling(&n->node.counter, 0), end;
	if (wanted == 0 || store_put_ceiling(n->store, COMMITTER_APPENDER, wanted, &end) != 0)
		return;
	counter_ceiling_appended(&n->node.counter, wanted);
	n->ceiling = wanted;
	n->ceiling_end = end;
}

static void on_committed(void *ctx)
{
	struct live_node *n = ctx;
	if (n->ceiling == 0 || n->ceiling_end > committer_mark(&n->committer))
		return;
	counter_ceiling_durable(&n->node.counter, n->ceiling);
	n->ceiling = 0;
}

static void open_store(struct live_node *n)
{
	struct store_report report;
	struct store_options options = {
	    .blocks = LIVE_BLOCKS,
	    .segment_size_bytes = LIVE_SEGMENT,
	    .memory_bytes = n->cluster->memory_bytes,
	    .locate = locate,
	    .report = &report,
	};
	ck_assert_int_eq(store_os_posix_open(n->directory.path, &n->disk), 0);
	ck_assert_int_eq(store_open(&options, store_os_posix_view(n->disk), &n->store), 0);
	n->starts++;
	ck_assert_int_eq(node_init(&n->node, n->store, n->number, SEED, report.ceiling, n->starts),
			 0);
	node_restore(&n->node, n->cluster->map, report.ceiling);
	uint64_t end, ceiling = report.ceiling + COUNTER_AHEAD_MIN;
	ck_assert_int_eq(store_put_ceiling(n->store, COMMITTER_APPENDER, ceiling, &end), 0);
	ck_assert_int_eq(store_commit(n->store, STORE_SYNC), 0);
	counter_ceiling_durable(&n->node.counter, ceiling);
}

static void make_parts(struct live_node *n)
{
	const struct committer_events events = {.ctx = n,
						.failed = on_failed,
						.committing = on_committing,
						.committed = on_committed,
						.turned = on_turned};
	n->exec = (struct exec){.node = &n->node, .store = n->store, .value_max = 16 << 20};
	groups_init(&n->exec.groups);
	sessions_init(&n->sessions);
	committer_init(&n->committer, n->store, COMMITTER_ALWAYS, &events);
	housekeeper_init(&n->housekeeper, &n->committer, &n->background);
	readers_init(&n->readers, n->store);
	ck_assert_int_eq(poller_open(&n->poller), 0);
	ck_assert_int_eq(wake_open(&n->wake, &n->poller, 0), 0);
	struct peers_opening *opening = calloc(1, sizeof(*opening));
	ck_assert_ptr_nonnull(opening);
	*opening = (struct peers_opening){
	    .ctx = n, .state_size = 1, .begin = opening_begin, .take_frame = opening_take};
	peers_init(&n->peers, opening);
	n->shared = (struct worker_shared){
	    .dispatcher_poller = &n->poller,
	    .dispatcher_wake = &n->wake,
	    .sessions = &n->sessions,
	    .exec = &n->exec,
	    .readers = &n->readers,
	    .background = &n->background,
	    .committer = &n->committer,
	    .peers = &n->peers,
	};
	atomic_init(&n->shared.park_after_ns, 3600 * NS_PER_S);
	atomic_init(&n->shared.output_max, 64 << 20);
	atomic_init(&n->shared.map, n->cluster->map);
	atomic_init(&n->shared.self, n->number);
}

static void start_threads(struct live_node *n)
{
	n->workers = aligned_alloc(_Alignof(struct worker), LIVE_WORKERS * sizeof(*n->workers));
	ck_assert_ptr_nonnull(n->workers);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		ck_assert_int_eq(worker_init(&n->workers[i], i, 65536, &n->shared), 0);
	atomic_store(&n->background.allowance.rate, 64 << 20);
	atomic_store(&n->background.upkeep.allowance.rate, 256 << 20);
	background_init(&n->background, &n->exec, &n->committer, n->workers, LIVE_WORKERS);
	ck_assert_int_eq(committer_start(&n->committer, n->workers, LIVE_WORKERS), 0);
	ck_assert_int_eq(readers_start(&n->readers), 0);
	ck_assert_int_eq(housekeeper_start(&n->housekeeper), 0);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		ck_assert_int_eq(worker_start(&n->workers[i]), 0);
	ck_assert_int_eq(pthread_create(&n->acceptor, NULL, acceptor_main, n), 0);
}

static void listen_at(struct live_node *n, uint16_t port)
{
	char why[LISTENER_WHY_MAX], host[ENDPOINT_HOST_MAX];
	ck_assert_msg(listener_open_tcp(&n->listener, "127.0.0.1", port, 0, why) == 0, "%s", why);
	n->port = endpoint_local_host(n->listener.watch.fd, host);
}

void live_start_node(struct live_node *n)
{
	DHT_ASSERT(!n->is_up);
	if (n->listener.watch.fd < 0)
		listen_at(n, n->port);
	atomic_store(&n->is_ending, false);
	open_store(n);
	make_parts(n);
	start_threads(n);
	n->is_up = true;
}

void live_stop_node(struct live_node *n)
{
	uint64_t until_ns = clock_monotonic_ns() + NS_PER_S;
	if (!n->is_up)
		return;
	n->is_up = false;
	atomic_store(&n->is_ending, true);
	pthread_join(n->acceptor, NULL);
	listener_close(&n->listener);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		worker_stop(&n->workers[i], until_ns);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		ck_assert(worker_join(&n->workers[i], until_ns + 10 * NS_PER_S));
	housekeeper_stop(&n->housekeeper);
	readers_stop(&n->readers);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		worker_run_leftovers(&n->workers[i]);
	ck_assert_int_eq(committer_stop(&n->committer), 0);
	node_fini(&n->node);
	for (unsigned i = 0; i < LIVE_WORKERS; i++)
		worker_fini(&n->workers[i]);
	free(n->workers);
	free((void *)(uintptr_t)n->peers.opening);
	housekeeper_fini(&n->housekeeper);
	readers_fini(&n->readers);
	background_fini(&n->background);
	committer_fini(&n->committer);
	groups_fini(&n->exec.groups);
	wake_close(&n->wake);
	poller_close(&n->poller);
	store_close(n->store);
	store_os_posix_close(n->disk);
	sessions_fini(&n->sessions);
}

/* ---- A cluster ---------------------------------------------------------------------------- */

static void add_member(struct ring_map *map, const struct live_node *n)
{
	struct ring_address peer = {.host = (char[]){"127.0.0.1"}, .port = n->port};
	char name[8], zone[] = "z";
	snprintf(name, sizeof(name), "n%u", (unsigned)n->number);
	struct ring_member member = {.number = n->number,
				     .name = name,
				     .zone = zone,
				     .weight = 100,
				     .peers = &peer,
				     .peer_count = 1,
				     .clients = &peer,
				     .client_count = 1};
	snprintf(member.id, sizeof(member.id), "%032x", n->number + 1u);
	ck_assert_int_eq(ring_map_add_member(map, &member), 0);
}

static struct ring_map *make_map(const struct live_cluster *c, unsigned replicas)
{
	struct ring_map *map;
	ck_assert_int_eq(ring_map_create(LIVE_BLOCKS, 1, &map), 0);
	for (unsigned i = 0; i < c->count; i++)
		add_member(map, &c->nodes[i]);
	for (uint32_t block = 0; block < LIVE_BLOCKS; block++) {
		struct ring_replicas list = {.count = (uint16_t)replicas};
		for (unsigned i = 0; i < replicas; i++)
			list.members[i] = (uint16_t)((block + i) % c->count);
		ck_assert_int_eq(ring_map_set_replicas(map, block, &list), 0);
	}
	return map;
}

void live_start(struct live_cluster *c, unsigned nodes, unsigned replicas, uint64_t memory_bytes)
{
	*c = (struct live_cluster){.count = nodes, .memory_bytes = memory_bytes};
	for (unsigned i = 0; i < nodes; i++) {
		struct live_node *n = &c->nodes[i];
		n->number = (uint16_t)i;
		n->cluster = c;
		helper_directory_make(&n->directory);
		listen_at(n, 0);
	}
	c->map = make_map(c, replicas);
	for (unsigned i = 0; i < nodes; i++)
		live_start_node(&c->nodes[i]);
}

void live_end(struct live_cluster *c)
{
	for (unsigned i = 0; i < c->count; i++) {
		live_stop_node(&c->nodes[i]);
		helper_directory_remove(&c->nodes[i].directory);
	}
	ring_map_destroy(c->map);
}

static struct store_digest digest_of(struct live_node *n, uint32_t block)
{
	struct store_digest digest;
	groups_lock(&n->exec.groups, block);
	(void)store_digest(n->store, block, 0, STORE_HASH_END, UINT32_MAX, NULL, &digest);
	groups_unlock(&n->exec.groups, block);
	return digest;
}

bool live_is_equal(struct live_node *a, struct live_node *b)
{
	for (uint32_t block = 0; block < LIVE_BLOCKS; block++) {
		struct store_digest da = digest_of(a, block), db = digest_of(b, block);
		if (da.found != STORE_FOUND || db.found != STORE_FOUND || da.count != db.count ||
		    da.sum != db.sum)
			return false;
	}
	return true;
}

void live_wait(bool (*condition)(void *ctx), void *ctx, const char *what)
{
	uint64_t until_ns = clock_monotonic_ns() + WAIT_S * NS_PER_S;
	while (!condition(ctx)) {
		if (clock_monotonic_ns() > until_ns)
			ck_abort_msg("%s", what);
		(void)poll(NULL, 0, 10);
	}
}
