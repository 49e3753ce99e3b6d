/* SPDX-License-Identifier: Apache-2.0
 *
 * Connections between nodes: to whom one is opened, and that an end which is gone is noticed.
 */
#include "io/dial.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/error.h"
#include "io/endpoint.h"
#include "io/listener.h"
#include "unit.h"

static uint16_t listen_anywhere(struct listener *listener)
{
	char why[LISTENER_WHY_MAX], host[ENDPOINT_HOST_MAX];
	ck_assert_msg(listener_open_tcp(listener, "127.0.0.1", 0, 0, why) == 0, "%s", why);
	return endpoint_local_host(listener->watch.fd, host);
}

static int option_of(int fd, int level, int option)
{
	int value = 0;
	socklen_t len = sizeof(value);
	ck_assert_int_eq(getsockopt(fd, level, option, &value, &len), 0);
	return value;
}

START_TEST(an_end_that_is_gone_is_noticed)
{
	struct listener listener;
	int fd = dial_tcp("127.0.0.1", listen_anywhere(&listener));
	ck_assert_int_ge(fd, 0);
	struct pollfd connected = {.fd = fd, .events = POLLOUT};
	ck_assert_int_eq(poll(&connected, 1, 5000), 1);
	ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_USER_TIMEOUT), DIAL_UNACKNOWLEDGED_MS);
	ck_assert_int_ne(option_of(fd, SOL_SOCKET, SO_KEEPALIVE), 0);
	ck_assert_int_eq(option_of(fd, IPPROTO_TCP, TCP_KEEPIDLE), DIAL_IDLE_S);
	ck_assert_int_ne(option_of(fd, IPPROTO_TCP, TCP_NODELAY), 0);
	close(fd);
	listener_close(&listener);
}
END_TEST

/* To look one up would take a while, which nobody here has. */
START_TEST(a_name_is_no_address)
{
	ck_assert_int_eq(dial_tcp("localhost", 1), DHT_EINVAL);
	ck_assert_int_eq(dial_tcp("", 1), DHT_EINVAL);
}
END_TEST

UNIT_MAIN("dial", 20, an_end_that_is_gone_is_noticed, a_name_is_no_address)
