/* SPDX-License-Identifier: Apache-2.0 */
#include "client.h"

#include <err.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/assert.h"
#include "message.h"

enum {
	EVENTS_MAX = 256,        /* connections looked at after one wait */
	INPUT_MIN = 4096,        /* bytes of replies that a connection can hold */
	INPUT_TYPICAL = 1 << 16, /* more is no use: the kernel hands out as much at once */
};

/* Requests stand in a ring of load_ring_slots() slots, of equal size, in the order of
 * their numbers: answered <= (sent) <= queued <= answered + pipeline. */
struct connection {
	int fd; /* -1: lost */
	unsigned index;
	uint64_t random;
	uint64_t quota; /* requests of this phase */
	uint64_t due;   /* open loop: requests whose time has come */
	uint64_t queued;
	uint64_t sent_bytes;
	uint64_t answered;
	uint64_t right_ns; /* when the latest right reply came, or the phase began */
	uint8_t *ring;
	uint64_t *start_ns; /* a slot each: the time from which the latency counts */
	uint8_t *input;
	size_t input_len;
	bool waits_to_send;
};

struct load_client {
	const struct load_options *options;
	struct connection *connections;
	unsigned count;
	int epoll;

	const struct load_phase *phase;
	unsigned slots;    /* of each connection's ring */
	bool are_prepared; /* the requests in the slots stay as they are */
	struct load_message request;
	struct load_message right; /* the reply expected */
	size_t input_size;
	uint64_t start_ns, end_ns;
	uint64_t heard_ns;  /* when something arrived last */
	uint64_t in_flight; /* queued, not answered */
	/* Open loop: request `round` of connection `turn` is the next to become due. */
	uint64_t round;
	unsigned turn;
	struct load_result result;
};

static _Atomic bool is_told_to_end;

uint64_t load_clock_ns(void)
{
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static void *allocate(size_t count, size_t size)
{
	void *memory = calloc(count, size);
	if (memory == NULL)
		err(1, "%zu bytes", count * size);
	return memory;
}

/* splitmix64 (Steele, Lea, Flood 2014): a step is a few instructions. */
static uint64_t random_next(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9;
	z = (z ^ (z >> 27)) * 0x94d049bb133111eb;
	return z ^ (z >> 31);
}

/* The number of a key that is as likely as any other. */
static uint64_t random_key(const struct load_client *client, struct connection *c)
{
	return (uint64_t)((unsigned __int128)random_next(&c->random) * client->options->keys >> 64);
}

static void connection_open(struct load_client *client, struct connection *c,
			    const struct addrinfo *server)
{
	c->fd = socket(server->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (c->fd < 0)
		err(1, "socket");
	if (connect(c->fd, server->ai_addr, server->ai_addrlen) != 0)
		err(1, "connection %u to port %s", c->index,
		    client->options->ports[c->index % client->options->port_count]);
	int on = 1;
	if (setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on)) != 0)
		err(1, "TCP_NODELAY");
	struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
	if (epoll_ctl(client->epoll, EPOLL_CTL_ADD, c->fd, &event) != 0)
		err(1, "epoll_ctl");
}

struct load_client *load_client_create(const struct load_options *o, unsigned index,
				       const struct addrinfo *const *servers)
{
	struct load_client *client = allocate(1, sizeof(*client));
	client->options = o;
	client->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (client->epoll < 0)
		err(1, "epoll_create1");
	client->count = (o->connections - index + o->threads - 1) / o->threads;
	client->connections = allocate(client->count, sizeof(*client->connections));
	for (unsigned i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];
		c->index = index + i * o->threads;
		c->random = o->seed ^ ((uint64_t)c->index << 32);
		connection_open(client, c, servers[c->index % o->port_count]);
	}
	return client;
}

static void phase_fini(struct load_client *client)
{
	for (unsigned i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];
		free(c->ring);
		free(c->start_ns);
		free(c->input);
		c->ring = c->input = NULL;
		c->start_ns = NULL;
	}
	load_message_fini(&client->request);
	load_message_fini(&client->right);
}

void load_client_destroy(struct load_client *client)
{
	phase_fini(client);
	for (unsigned i = 0; i < client->count; i++) {
		if (client->connections[i].fd >= 0)
			close(client->connections[i].fd);
	}
	close(client->epoll);
	free(client->connections);
	free(client);
}

const struct load_result *load_client_result(const struct load_client *client)
{
	return &client->result;
}

/* ---- A phase begins ---------------------------------------------------------- */

static void connection_prepare(struct load_client *client, struct connection *c)
{
	const struct load_options *o = client->options;
	uint64_t all = client->phase->requests;
	c->quota = all == UINT64_MAX
		       ? UINT64_MAX
		       : all / o->connections + (c->index < all % o->connections ? 1 : 0);
	c->due = c->queued = c->sent_bytes = c->answered = 0;
	c->input_len = 0;
	c->start_ns = allocate(client->slots, sizeof(*c->start_ns));
	c->ring = allocate(client->slots, client->request.len);
	for (unsigned i = 0; i < client->slots; i++) {
		uint8_t *request = c->ring + i * client->request.len;
		memcpy(request, client->request.data, client->request.len);
		if (client->are_prepared)
			load_message_number(&client->request, request, random_key(client, c));
	}
	c->input = allocate(1, client->input_size);
}

void load_client_prepare(struct load_client *client, const struct load_phase *phase)
{
	const struct load_options *o = client->options;
	phase_fini(client);
	client->phase = phase;
	client->are_prepared = o->prepared != 0 && !phase->in_order;
	client->slots = client->are_prepared ? load_ring_slots(o) : o->pipeline;
	memset(&client->result, 0, sizeof(client->result));
	histogram_init(&client->result.latency);
	load_message_request(&client->request, o->protocol, phase->command, o->value_size_bytes);
	load_message_reply(&client->right, o->protocol, phase->command, o->value_size_bytes);

	client->input_size = client->right.len * o->pipeline;
	if (client->input_size > INPUT_TYPICAL)
		client->input_size = INPUT_TYPICAL;
	client->input_size += client->right.len + INPUT_MIN;
	client->in_flight = client->round = 0;
	client->turn = 0;
	for (unsigned i = 0; i < client->count; i++)
		connection_prepare(client, &client->connections[i]);
}

/* ---- Requests ---------------------------------------------------------------- */

/* Gives a connection up; what was in flight on it is lost. */
static void connection_fail(struct load_client *client, struct connection *c, const char *why)
{
	uint64_t lost = c->queued - c->answered;
	client->in_flight -= lost;
	client->result.lost += lost;
	client->result.disconnected++;
	if (client->result.first_wrong[0] == '\0')
		snprintf(client->result.first_wrong, sizeof(client->result.first_wrong),
			 "connection %u: %s", c->index, why);
	close(c->fd);
	c->fd = -1;
}

static void connection_wait_to_send(struct load_client *client, struct connection *c, bool wait)
{
	if (c->waits_to_send == wait)
		return;
	struct epoll_event event = {.events = EPOLLIN | (wait ? EPOLLOUT : 0), .data.ptr = c};
	if (epoll_ctl(client->epoll, EPOLL_CTL_MOD, c->fd, &event) != 0)
		err(1, "epoll_ctl");
	c->waits_to_send = wait;
}

static void connection_send(struct load_client *client, struct connection *c)
{
	const uint64_t ring_size = client->request.len * client->slots;
	const uint64_t end = c->queued * client->request.len;
	while (c->sent_bytes < end) {
		uint64_t at = c->sent_bytes % ring_size, len = end - c->sent_bytes;
		if (len > ring_size - at)
			len = ring_size - at;
		ssize_t sent = send(c->fd, c->ring + at, len, MSG_NOSIGNAL | MSG_DONTWAIT);
		if (sent < 0 && errno == EINTR)
			continue;
		if (sent < 0 && errno == EAGAIN) {
			connection_wait_to_send(client, c, true);
			return;
		}
		if (sent < 0) {
			connection_fail(client, c, strerror(errno));
			return;
		}
		c->sent_bytes += (uint64_t)sent;
	}
	connection_wait_to_send(client, c, false);
}

static void connection_queue(struct load_client *client, struct connection *c, uint64_t start_ns)
{
	uint64_t place = c->queued % client->slots;
	c->start_ns[place] = start_ns;
	if (!client->are_prepared) {
		uint64_t number = client->phase->in_order
				      ? c->queued * client->options->connections + c->index
				      : random_key(client, c);
		load_message_number(&client->request, c->ring + place * client->request.len,
				    number);
	}
	c->queued++;
	client->in_flight++;
}

/* When request `round` of a connection is due: request number
 * round * connections + index of all, at equal distances. */
static uint64_t due_ns(const struct load_client *client, const struct connection *c, uint64_t round)
{
	uint64_t number = round * client->options->connections + c->index;
	return client->start_ns +
	       (uint64_t)((unsigned __int128)number * 1000000000 / client->phase->rate);
}

/* Queues what the connection may have in flight now, and sends it. */
static void connection_refill(struct load_client *client, struct connection *c, uint64_t now)
{
	const unsigned pipeline = client->options->pipeline;
	if (client->phase->rate != 0) {
		while (c->queued < c->due && c->queued - c->answered < pipeline)
			connection_queue(client, c, due_ns(client, c, c->queued));
	} else if (c->queued == c->answered && now < client->end_ns) {
		for (unsigned i = 0; i < pipeline && c->queued < c->quota; i++)
			connection_queue(client, c, now);
	}
	connection_send(client, c);
}

/* Open loop: the connection whose next request is due first; NULL when every request
 * of the phase was due. Quotas differ by one at most and do not grow with the index,
 * so when one connection is through in this round, so are those behind it. */
static struct connection *next_due(const struct load_client *client)
{
	struct connection *c = &client->connections[client->turn];
	return client->round < c->quota ? c : NULL;
}

/* Open loop: queues what has become due. */
static void release_due(struct load_client *client, uint64_t now)
{
	struct connection *c;
	while ((c = next_due(client)) != NULL && due_ns(client, c, client->round) <= now) {
		c->due++;
		if (++client->turn == client->count) {
			client->turn = 0;
			client->round++;
		}
		if (c->fd >= 0)
			connection_refill(client, c, now);
	}
}

/* ---- Replies ----------------------------------------------------------------- */

/* Keeps the words of the first reply that was wrong; what is not text shows as a dot. */
static void note_wrong(struct load_client *client, const uint8_t *data, size_t len)
{
	char *text = client->result.first_wrong;
	if (text[0] != '\0')
		return;
	size_t shown = len < 100 ? len : 100, at = 0;
	while (at < shown && data[at] != '\r') {
		text[at] = (char)(data[at] >= ' ' && data[at] <= '~' ? data[at] : '.');
		at++;
	}
	snprintf(text + at, sizeof(client->result.first_wrong) - at, " (expected %.30s)",
		 client->phase->command == LOAD_SET || client->phase->command == LOAD_PING
		     ? "a status"
		     : "a value");
}

/* Ends the time without a right reply. */
static void note_gap(struct load_client *client, struct connection *c, uint64_t now)
{
	if (now - c->right_ns > client->result.gap_ns)
		client->result.gap_ns = now - c->right_ns;
	c->right_ns = now;
}

/* Takes one reply of the input; returns its size, 0 when it is not complete or
 * the connection was given up. */
static size_t connection_take_reply(struct load_client *client, struct connection *c, size_t at,
				    uint64_t now)
{
	const uint64_t place = c->answered % client->slots, start_ns = c->start_ns[place];
	const uint8_t *data = c->input + at;
	size_t len = c->input_len - at, used = 0;
	load_message_answer(&client->request, c->ring + place * client->request.len,
			    &client->right);
	switch (load_message_judge(&client->right, client->options->protocol,
				   client->phase->command, data, len, &used)) {
	case LOAD_PARTIAL:
		if (at == 0 && len == client->input_size)
			connection_fail(client, c, "a reply is much larger than expected");
		return 0;
	case LOAD_BROKEN:
		note_wrong(client, data, len);
		connection_fail(client, c, "not the protocol");
		return 0;
	case LOAD_RIGHT:
		note_gap(client, c, now);
		break;
	case LOAD_MISS:
		client->result.misses++;
		note_gap(client, c, now);
		break;
	case LOAD_REFUSED:
		client->result.refused++;
		note_wrong(client, data, len);
		break;
	case LOAD_MISMATCH:
		client->result.mismatched++;
		note_wrong(client, data, len);
		break;
	}
	histogram_record(&client->result.latency, now - start_ns);
	if (client->phase->trace != NULL) {
		/* One call: other threads write, too. That it failed is noticed at the end. */
		struct load_sample sample = {start_ns, now - start_ns};
		fwrite(&sample, sizeof(sample), 1, client->phase->trace);
	}
	client->result.answered++;
	client->in_flight--;
	c->answered++;
	return used;
}

static void connection_receive(struct load_client *client, struct connection *c)
{
	ssize_t got =
	    recv(c->fd, c->input + c->input_len, client->input_size - c->input_len, MSG_DONTWAIT);
	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (got <= 0) {
		connection_fail(client, c, got == 0 ? "closed by the server" : strerror(errno));
		return;
	}
	c->input_len += (size_t)got;
	uint64_t now = load_clock_ns();
	size_t at = 0;
	while (at < c->input_len) {
		if (c->answered == c->queued) {
			note_wrong(client, c->input + at, c->input_len - at);
			connection_fail(client, c, "a reply to no request");
			return;
		}
		size_t used = connection_take_reply(client, c, at, now);
		if (c->fd < 0)
			return;
		if (used == 0)
			break;
		at += used;
	}
	c->input_len -= at;
	memmove(c->input, c->input + at, c->input_len);
	connection_refill(client, c, now);
}

/* ---- The loop ---------------------------------------------------------------- */

/* How long nothing needs to be done unless something arrives. */
static uint64_t patience_ns(const struct load_client *client, uint64_t now)
{
	uint64_t wait = client->heard_ns + client->options->timeout_ns;
	if (client->phase->rate != 0) {
		const struct connection *c = next_due(client);
		uint64_t due = c != NULL ? due_ns(client, c, client->round) : UINT64_MAX;
		/* With nothing in flight, silence is no reason to give up. */
		if (client->in_flight == 0 || due < wait)
			wait = due;
	}
	return wait > now ? wait - now : 0;
}

static void give_up_silent(struct load_client *client)
{
	for (unsigned i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];
		if (c->fd >= 0 && c->answered < c->queued)
			connection_fail(client, c, "no reply in time");
	}
}

static uint64_t wait_and_serve(struct load_client *client, uint64_t now)
{
	struct epoll_event events[EVENTS_MAX];
	uint64_t wait = patience_ns(client, now);
	struct timespec timeout = {.tv_sec = (time_t)(wait / 1000000000),
				   .tv_nsec = (long)(wait % 1000000000)};
	int ready = epoll_pwait2(client->epoll, events, EVENTS_MAX, &timeout, NULL);
	if (ready < 0 && errno != EINTR)
		err(1, "epoll_pwait2");
	for (int i = 0; i < ready; i++) {
		struct connection *c = events[i].data.ptr;
		if (events[i].events & EPOLLOUT)
			connection_send(client, c);
		if (c->fd >= 0 && events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR))
			connection_receive(client, c);
	}
	now = load_clock_ns();
	if (ready > 0)
		client->heard_ns = now;
	else if (client->in_flight > 0 && now - client->heard_ns >= client->options->timeout_ns)
		give_up_silent(client);
	return now;
}

void load_clients_end(void)
{
	atomic_store(&is_told_to_end, true);
}

/* What was due by now is all there was to send. */
static void cut_quotas(struct load_client *client)
{
	for (unsigned i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];
		c->quota = client->phase->rate != 0 ? c->due : c->queued;
	}
}

void load_client_run(struct load_client *client)
{
	const struct load_phase *phase = client->phase;
	bool is_cut = false;
	uint64_t now = load_clock_ns();
	client->start_ns = client->heard_ns = now;
	client->end_ns = phase->duration_ns == UINT64_MAX ? UINT64_MAX : now + phase->duration_ns;
	for (unsigned i = 0; i < client->count; i++)
		client->connections[i].right_ns = now;
	for (unsigned i = 0; i < client->count && phase->rate == 0; i++) {
		if (client->connections[i].fd >= 0)
			connection_refill(client, &client->connections[i], now);
	}
	while (client->in_flight > 0 || (phase->rate != 0 && next_due(client) != NULL)) {
		if (phase->rate != 0)
			release_due(client, now);
		now = wait_and_serve(client, now);
		if (!is_cut && atomic_load_explicit(&is_told_to_end, memory_order_relaxed)) {
			cut_quotas(client);
			is_cut = true;
		}
	}
	for (unsigned i = 0; i < client->count; i++) {
		struct connection *c = &client->connections[i];
		note_gap(client, c, now);
		if (c->quota != UINT64_MAX)
			client->result.unsent += c->quota - c->queued;
	}
}
