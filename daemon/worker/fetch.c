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

/* The record has come, as a job of the worker that asked for it. */
static void arrived(struct worker *w, struct job *job)
{
	struct fetch *fetch = DHT_CONTAINER_OF(job, struct fetch, read.job);
	struct fetches *owner = fetch->owner;
	fetch_arrived_fn tell = fetch->arrived;
	int rc = fetch->read.result;
	if (rc != 0 && rc != DHT_ENOMEM)
		committer_fail(w->shared->committer, rc);
	fetch->fetched.data = fetch->read.data;
	if (owner != NULL)
		owner->waiting--;
	if (owner == NULL || rc != 0)
		fetch_free(exec_of(w)->store, fetch);
	if (owner != NULL && owner->waiting == 0)
		tell(w, owner, rc);
}

void fetch_init(struct fetches *owner)
{
	list_init(&owner->all);
	owner->waiting = 0;
}

int fetch_start(struct worker *w, struct fetches *owner, uint64_t location, fetch_arrived_fn tell)
{
	struct fetch *fetch = calloc(1, sizeof(*fetch));
	if (fetch == NULL)
		return DHT_ENOMEM;
	fetch->read = (struct read){
	    .job = {.run = arrived, .kind = JOB_read},
	    .worker = w,
	    .location = location,
	};
	fetch->owner = owner;
	fetch->arrived = tell;
	fetch->fetched.location = location;
	list_push_tail(&owner->all, &fetch->link);
	owner->waiting++;
	readers_push(w->shared->readers, &fetch->read);
	return 0;
}

const struct store_fetched *fetch_list(struct fetches *owner)
{
	const struct store_fetched *first = NULL;
	LIST_FOREACH_SAFE(link, next, &owner->all)
	{
		struct fetch *fetch = fetch_of_link(link);
		if (!is_done(fetch))
			continue;
		fetch->fetched.next = first;
		first = &fetch->fetched;
	}
	return first;
}

struct fetch *fetch_take(struct fetches *owner, uint64_t location)
{
	LIST_FOREACH_SAFE(link, next, &owner->all)
	{
		struct fetch *fetch = fetch_of_link(link);
		if (fetch->read.location != location || !is_done(fetch))
			continue;
		list_remove(link);
		return fetch;
	}
	DHT_UNREACHABLE();
}

void fetch_release(struct worker *w, struct fetches *owner)
{
	LIST_FOREACH_SAFE(link, next, &owner->all)
	{
		if (is_done(fetch_of_link(link)))
			fetch_free(exec_of(w)->store, fetch_of_link(link));
	}
}

void fetch_drop(struct worker *w, struct fetches *owner)
{
	fetch_release(w, owner);
	LIST_FOREACH_SAFE(link, next, &owner->all)
	{
		fetch_of_link(link)->owner = NULL;
		list_remove(link);
	}
	owner->waiting = 0;
}
