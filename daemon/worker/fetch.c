/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/fetch.h"

#include <stdlib.h>

#include "base/error.h"
#include "worker/committer.h"
#include "worker/exec.h"
#include "worker/worker.h"

static struct fetch *fetch_of_link(struct list *link)
{
	return LIST_ENTRY(link, struct fetch, link);
}

static bool is_done(const struct fetch *fetch)
{
	return fetch->fetched.data != NULL;
}

void fetch_free(struct store *store, struct fetch *fetch)
{
	list_remove(&fetch->link);
	store_unpin(store, fetch->read.location);
	free(fetch->read.data);
	free(fetch);
}

static void go_on(struct worker *w, struct session *s)
{
	s->waits = false;
	worker_make_ready(w, s);
}

/* The record has come, as a job of the worker that asked for it. */
static void arrived(struct worker *w, struct job *job)
{
	struct fetch *fetch = DHT_CONTAINER_OF(job, struct fetch, read.job);
	struct session *s = fetch->session;
	int rc = fetch->read.result;
	if (rc != 0 && rc != DHT_ENOMEM)
		committer_fail(w->shared->committer, rc);
	fetch->fetched.data = fetch->read.data;
	if (s != NULL)
		s->fetching--;
	if (s == NULL || rc != 0)
		fetch_free(exec_of(w)->store, fetch);
	if (s == NULL || s->fetching > 0)
		return;
	if (rc == 0)
		go_on(w, s);
	else
		outbox_stall(w, s, OUTBOX_LATER);
}

int fetch_start(struct worker *w, struct session *s, uint64_t location)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return DHT_ENOMEM;
	fetch->read = (struct read){
	    .job = {.run = arrived, .kind = JOB_read},
	    .worker = w,
	    .location = location,
	};
	fetch->session = s;
	fetch->fetched.location = location;
	list_push_tail(&s->fetches, &fetch->link);
	s->fetching++;
	s->waits = true;
	readers_push(w->shared->readers, &fetch->read);
	return 0;
}

const struct store_fetched *fetch_list(struct session *s)
{
	const struct store_fetched *first = NULL;
	LIST_FOREACH_SAFE(link, next, &s->fetches)
	{
		struct fetch *fetch = fetch_of_link(link);
		if (!is_done(fetch))
			continue;
		fetch->fetched.next = first;
		first = &fetch->fetched;
	}
	return first;
}

struct fetch *fetch_take(struct session *s, uint64_t location)
{
	LIST_FOREACH_SAFE(link, next, &s->fetches)
	{
		struct fetch *fetch = fetch_of_link(link);
		if (fetch->read.location != location || !is_done(fetch))
			continue;
		list_remove(link);
		return fetch;
	}
	DHT_UNREACHABLE();
}

void fetch_release(struct worker *w, struct session *s)
{
	LIST_FOREACH_SAFE(link, next, &s->fetches)
	{
		if (is_done(fetch_of_link(link)))
			fetch_free(exec_of(w)->store, fetch_of_link(link));
	}
}

void fetch_drop(struct worker *w, struct session *s)
{
	fetch_release(w, s);
	LIST_FOREACH_SAFE(link, next, &s->fetches)
	{
		fetch_of_link(link)->session = NULL;
		list_remove(link);
	}
	s->fetching = 0;
}
