/* SPDX-License-Identifier: Apache-2.0
 *
 * io/poller: a watch goes from thread to thread by being armed, and whoever gets the
 * event may close the descriptor at once. ThreadSanitizer sees to the rest.
 */
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/poller.h"
#include "unit.h"

enum { ROUNDS = 2000, KIND = 7 };

struct passed {
	struct watch watch;
	int content; /* not atomic: belongs to whoever has the watch */
};

static struct poller poller;

/* The owner of the poller: takes what it is given, and closes it. */
static void *take_all(void *arg)
{
	for (int i = 0; i < ROUNDS;) {
		struct epoll_event events[8];
		int n = poller_wait(&poller, events, 8, UINT64_MAX);
		for (int k = 0; k < n; k++, i++) {
			struct passed *p = events[k].data.ptr;
			UNIT_REQUIRE(p->watch.kind == KIND);
			UNIT_REQUIRE(p->content == 1);
			p->content = 2;
			close(p->watch.fd);
		}
	}
	return NULL;
}

START_TEST(poller_gives_a_watch_away_with_all_that_belongs_to_it)
{
	static struct passed passed[ROUNDS];
	pthread_t thread;
	ck_assert_int_eq(poller_open(&poller), 0);
	ck_assert_int_eq(pthread_create(&thread, NULL, take_all, NULL), 0);
	for (int i = 0; i < ROUNDS; i++) {
		struct passed *p = &passed[i];
		int pair[2];
		UNIT_REQUIRE(socketpair(AF_UNIX, SOCK_STREAM, 0, pair) == 0);
		p->watch = (struct watch){.fd = pair[0], .kind = KIND};
		/* Silent until it is armed again, which gives it away at once. */
		UNIT_REQUIRE(poller_add(&poller, &p->watch, EPOLLONESHOT) == 0);
		UNIT_REQUIRE(write(pair[1], "x", 1) == 1);
		p->content = 1;
		UNIT_REQUIRE(poller_rearm_parked(&poller, &p->watch) == 0);
		close(pair[1]);
	}
	pthread_join(thread, NULL);
	for (int i = 0; i < ROUNDS; i++)
		UNIT_REQUIRE(passed[i].content == 2);
	poller_close(&poller);
}
END_TEST

UNIT_MAIN("poller", 120, poller_gives_a_watch_away_with_all_that_belongs_to_it)
