/* SPDX-License-Identifier: Apache-2.0 */
#include "cli/client.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buffer.h"
#include "base/error.h"
#include "cli/clock.h"
#include "cli/message.h"
#include "proto/frame.h"

enum {
	FRAME_MAX = ADMIN_FRAME_HEADER + ADMIN_FRAME_MAX,
	RECEIVE_STEP = 64 * 1024, /* bytes of one read beyond a frame that is known */
	IN_MAX = FRAME_MAX + RECEIVE_STEP,
	OUT_MAX = 4 * FRAME_MAX,
	ERROR_CODE_MAX = 1000, /* of the error table, with room to grow */
};

struct call {
	uint64_t id;
	enum cli_call_kind kind;
	int command;         /* field number of the request, and of its result */
	uint64_t end_offset; /* of its last byte in what is sent on this connection */
};

struct cli_client {
	int fd; /* -1: not connected */
	char *socket_path;
	int64_t timeout_ms;
	struct buffer out;
	struct buffer in;
	uint64_t sent_bytes;   /* taken by the socket */
	bool is_output_closed; /* the daemon reads no more; it may still have answered */
	bool is_broken;
	struct call calls[CLI_CLIENT_CALLS_MAX];
	size_t first_call;
	size_t call_count;
	uint64_t last_id;
	char problem[CLI_CLIENT_PROBLEM_MAX];
};

static void set_problem(struct cli_client *client, const char *fmt, ...) DHT_PRINTF(2, 3);

static void set_problem(struct cli_client *client, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(client->problem, sizeof(client->problem), fmt, args);
	va_end(args);
}

/* Whether a change that left completely has no answer yet. */
static bool has_uncertain_call(const struct cli_client *client)
{
	for (size_t i = 0; i < client->call_count; i++) {
		const struct call *call =
		    &client->calls[(client->first_call + i) % CLI_CLIENT_CALLS_MAX];
		if (call->kind == CLI_CALL_CHANGE && call->end_offset <= client->sent_bytes)
			return true;
	}
	return false;
}

/* Gives the connection up for the problem that was set. */
static int give_up(struct cli_client *client, int rc)
{
	client->is_broken = true;
	if (!has_uncertain_call(client))
		return rc;
	size_t used = strlen(client->problem);
	snprintf(client->problem + used, sizeof(client->problem) - used,
		 "; it is unknown whether the change was made");
	return DHT_EUNCERTAIN;
}

struct cli_client *cli_client_create(const char *socket_path, int64_t timeout_ms)
{
	struct cli_client *client = calloc(1, sizeof(*client));
	if (client == NULL || (client->socket_path = strdup(socket_path)) == NULL)
		cli_message_no_memory();
	client->fd = -1;
	client->timeout_ms = timeout_ms;
	return client;
}

void cli_client_destroy(struct cli_client *client)
{
	if (client->fd >= 0)
		close(client->fd);
	buffer_reset(&client->out);
	buffer_reset(&client->in);
	free(client->socket_path);
	free(client);
}

/* The likely reason, for a person. */
static const char *connect_hint(const char *path, int errnum)
{
	if (errnum == EACCES || errnum == EPERM)
		return " (are you a member of the socket's group?)";
	if (errnum == ENOENT && strchr(path, '/') == NULL && strchr(path, ':') != NULL)
		return " (dhtctl talks to a Unix-domain socket, not to a network address)";
	if (errnum == ENOENT)
		return " (is dhtd running? -s or $DHTCTL_SOCKET name another socket)";
	if (errnum == ECONNREFUSED)
		return " (dhtd is not running, or this is not its socket)";
	if (errnum == EAGAIN)
		return " (dhtd does not accept connections)";
	return "";
}

int cli_client_connect(struct cli_client *client)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	size_t len = strlen(client->socket_path);
	if (len >= sizeof(address.sun_path)) {
		set_problem(client, "the socket's path is %zu bytes long, at most %zu are possible",
			    len, sizeof(address.sun_path) - 1);
		return DHT_EINVAL;
	}
	memcpy(address.sun_path, client->socket_path, len);
	client->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (client->fd < 0) {
		set_problem(client, "cannot open a socket: %s", strerror(errno));
		return DHT_EUNAVAIL;
	}
	/* Connecting waits while the daemon's backlog is full; a non-blocking connect
	 * could not wait for that, so the time-out is the socket's. It does not hold for
	 * what follows: everything else is done with MSG_DONTWAIT and poll. */
	struct timeval limit = {.tv_sec = client->timeout_ms / 1000,
				.tv_usec = client->timeout_ms % 1000 * 1000};
	int rc = setsockopt(client->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	while (rc == 0 &&
	       (rc = connect(client->fd, (struct sockaddr *)&address, sizeof(address))) != 0 &&
	       errno == EINTR)
		rc = 0;
	if (rc == 0)
		return 0;
	int errnum = errno;
	set_problem(client, "cannot reach dhtd at %s: %s%s", client->socket_path,
		    errnum == EAGAIN ? "timed out" : strerror(errnum),
		    connect_hint(client->socket_path, errnum));
	client->is_broken = true;
	return errnum == EACCES || errnum == EPERM ? DHT_EDENIED : DHT_EUNAVAIL;
}

/* Passes on what the socket takes now. What cannot be sent any more is dropped; the
 * reason is found where the daemon's last words are read. Returns the bytes taken. */
static size_t flush_output(struct cli_client *client)
{
	size_t taken = 0;
	while (client->out.len > 0) {
		ssize_t n = send(client->fd, buffer_head(&client->out), client->out.len,
				 MSG_DONTWAIT | MSG_NOSIGNAL);
		if (n >= 0) {
			taken += (size_t)n;
			client->sent_bytes += (uint64_t)n;
			buffer_consume(&client->out, (size_t)n);
		} else if (errno == EAGAIN) {
			break;
		} else if (errno != EINTR) {
			client->is_output_closed = true;
			buffer_reset(&client->out);
		}
	}
	return taken;
}

int cli_client_send(struct cli_client *client, Dhtd__Admin__AdminRequest *request,
		    enum cli_call_kind kind)
{
	DHT_ASSERT(client->fd >= 0 && client->call_count < CLI_CLIENT_CALLS_MAX);
	request->call_id = client->last_id + 1;
	request->timeout_ms = (uint64_t)client->timeout_ms;
	size_t len = dhtd__admin__admin_request__get_packed_size(request);
	if (len > ADMIN_FRAME_MAX) {
		set_problem(client, "the request is %zu bytes long, at most %d are possible", len,
			    ADMIN_FRAME_MAX);
		return DHT_ETOOBIG;
	}
	int rc = buffer_reserve(&client->out, ADMIN_FRAME_HEADER + len, OUT_MAX);
	if (rc != 0) {
		set_problem(client, "%s", dht_error_text(rc));
		return rc;
	}
	uint8_t *frame = buffer_tail(&client->out);
	admin_frame_put_header(frame, len);
	dhtd__admin__admin_request__pack(request, frame + ADMIN_FRAME_HEADER);
	client->out.len += ADMIN_FRAME_HEADER + len;
	client->last_id++;
	size_t slot = (client->first_call + client->call_count++) % CLI_CLIENT_CALLS_MAX;
	client->calls[slot] = (struct call){
	    .id = request->call_id,
	    .kind = kind,
	    .command = (int)request->command_case,
	    .end_offset = client->sent_bytes + client->out.len,
	};
	if (client->is_output_closed)
		buffer_reset(&client->out);
	else
		flush_output(client);
	return 0;
}

/* Reads what is there. Returns 1 for bytes, 0 for none yet, or gives up. */
static int read_input(struct cli_client *client, size_t missing)
{
	size_t want = missing > RECEIVE_STEP ? missing : RECEIVE_STEP;
	int rc = buffer_reserve(&client->in, want, IN_MAX);
	if (rc != 0) {
		set_problem(client, "no memory for the answer of dhtd");
		return give_up(client, rc);
	}
	ssize_t n = recv(client->fd, buffer_tail(&client->in), want, MSG_DONTWAIT);
	if (n > 0) {
		client->in.len += (size_t)n;
		return 1;
	}
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n == 0)
		set_problem(client, "dhtd at %s closed the connection before it answered",
			    client->socket_path);
	else
		set_problem(client, "the connection to dhtd at %s broke: %s", client->socket_path,
			    strerror(errno));
	return give_up(client, DHT_EUNAVAIL);
}

/* Waits until the socket can be read or, if something is left to send, written, and
 * does both; *deadline_ms moves on when a byte passed. `missing`: of a frame. */
static int exchange(struct cli_client *client, size_t missing, int64_t *deadline_ms)
{
	int64_t now = cli_clock_ms();
	if (now >= *deadline_ms) {
		bool is_whole = client->timeout_ms % 1000 == 0;
		set_problem(client, "no answer from dhtd at %s within %lld %s", client->socket_path,
			    (long long)client->timeout_ms / (is_whole ? 1000 : 1),
			    is_whole ? "s" : "ms");
		return give_up(client, DHT_EUNAVAIL);
	}
	struct pollfd wait = {.fd = client->fd, .events = POLLIN};
	if (client->out.len > 0)
		wait.events |= POLLOUT;
	if (poll(&wait, 1, (int)(*deadline_ms - now)) < 0) {
		if (errno == EINTR)
			return 0;
		set_problem(client, "cannot wait for dhtd: %s", strerror(errno));
		return give_up(client, DHT_EUNAVAIL);
	}
	bool has_moved = client->out.len > 0 && flush_output(client) > 0;
	if ((wait.revents & (POLLIN | POLLHUP | POLLERR)) != 0) {
		int rc = read_input(client, missing);
		if (rc < 0)
			return rc;
		has_moved = has_moved || rc == 1;
	}
	if (has_moved)
		*deadline_ms = cli_clock_ms() + client->timeout_ms;
	return 0;
}

static int malformed(struct cli_client *client, const char *what)
{
	set_problem(client, "the answer at %s is not of dhtd's admin protocol: %s",
		    client->socket_path, what);
	return give_up(client, DHT_EPROTO);
}

/* Takes the next response out of what was read. Returns 1 with it, 0 if bytes of it
 * are missing (*missing, where it is known), or gives up. */
static int take_frame(struct cli_client *client, Dhtd__Admin__AdminResponse **response,
		      size_t *missing)
{
	*missing = 0;
	if (client->in.len == 0)
		return 0;
	size_t len;
	int rc = admin_frame_get_header(buffer_head(&client->in), client->in.len, &len);
	if (rc < 0)
		return malformed(client,
				 rc == DHT_ETOOBIG ? "a frame is too long" : "a frame is empty");
	if (rc == 0)
		return 0;
	if (client->in.len < ADMIN_FRAME_HEADER + len) {
		*missing = ADMIN_FRAME_HEADER + len - client->in.len;
		return 0;
	}
	*response = dhtd__admin__admin_response__unpack(
	    NULL, len, buffer_head(&client->in) + ADMIN_FRAME_HEADER);
	if (*response == NULL)
		return malformed(client, "a frame is no response");
	buffer_consume(&client->in, ADMIN_FRAME_HEADER + len);
	return 1;
}

/* Takes the daemon's error over as the client's. */
static int take_error(struct cli_client *client, const Dhtd__Admin__Error *error)
{
	if (error->code == 0 || error->code > ERROR_CODE_MAX)
		return malformed(client, "an error has no valid code");
	int rc = -(int)error->code;
	const char *text = error->message[0] != '\0' ? error->message : dht_error_text(rc);
	const char *hint =
	    rc == DHT_EUNKNOWN ? " (dhtd and dhtctl may be of different versions)" : "";
	set_problem(client, "%s%s", text, hint);
	return rc;
}

/* Holds a response against the call that it must belong to, and ends that call if it
 * is the last one. */
static int check_response(struct cli_client *client, const Dhtd__Admin__AdminResponse *response)
{
	const struct call *call = &client->calls[client->first_call];
	bool is_error = response->result_case == DHTD__ADMIN__ADMIN_RESPONSE__RESULT_ERROR;
	if (is_error && response->call_id == 0) {
		/* The daemon could not read the frame, did nothing, and closes. */
		client->is_broken = true;
		return take_error(client, response->error);
	}
	if (response->call_id != call->id)
		return malformed(client, "a response belongs to no call");
	if (!is_error && (int)response->result_case != call->command)
		return malformed(client, "a response belongs to another command");
	if (!is_error && !response->last && call->kind != CLI_CALL_STREAM)
		return malformed(client, "a single response is not marked as the last");
	int rc = is_error ? take_error(client, response->error) : 0;
	if (client->is_broken || (!is_error && !response->last))
		return rc;
	client->first_call = (client->first_call + 1) % CLI_CLIENT_CALLS_MAX;
	client->call_count--;
	return rc;
}

int cli_client_receive(struct cli_client *client, Dhtd__Admin__AdminResponse **response)
{
	DHT_ASSERT(client->call_count > 0 && !client->is_broken);
	*response = NULL;
	int64_t deadline_ms = cli_clock_ms() + client->timeout_ms;
	int rc;
	for (;;) {
		size_t missing;
		rc = take_frame(client, response, &missing);
		if (rc != 0)
			break;
		rc = exchange(client, missing, &deadline_ms);
		if (rc < 0)
			break;
	}
	if (rc < 0)
		return rc;
	rc = check_response(client, *response);
	if (rc != 0) {
		cli_client_free(*response);
		*response = NULL;
	}
	return rc;
}

bool cli_client_is_broken(const struct cli_client *client)
{
	return client->is_broken;
}

const char *cli_client_problem(const struct cli_client *client)
{
	return client->problem;
}

void cli_client_free(Dhtd__Admin__AdminResponse *response)
{
	dhtd__admin__admin_response__free_unpacked(response, NULL);
}
