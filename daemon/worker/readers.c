/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/readers.h"

#include "base/error.h"
#include "io/clock.h"
#include "worker/worker.h"

void readers_init(struct readers *r, struct store *store)
{
	*r = (struct readers){.store = store};
	r->tail = &r->head;
	pthread_mutex_init(&r->lock, NULL);
	pthread_cond_init(&r->wake, NULL);
}

void readers_fini(struct readers *r)
{
	DHT_ASSERT(r->running == 0 && r->head == NULL);
	pthread_cond_destroy(&r->wake);
	pthread_mutex_destroy(&r->lock);
}

/* Waits for the next read; NULL at the end, when none is left. */
static struct read *take(struct readers *r)
{
	pthread_mutex_lock(&r->lock);
	while (r->head == NULL && !r->is_over)
		pthread_cond_wait(&r->wake, &r->lock);
	struct job *job = r->head;
	if (job != NULL)
		r->head = job->next;
	if (r->head == NULL)
		r->tail = &r->head;
	pthread_mutex_unlock(&r->lock);
	return job != NULL ? DHT_CONTAINER_OF(job, struct read, job) : NULL;
}

static void *readers_main(void *arg)
{
	struct readers *r = arg;
	struct read *read;
	pthread_setname_np(pthread_self(), "dhtd/read");
	while ((read = take(r)) != NULL) {
		read->result = store_fetch(r->store, read->location, &read->data);
		/* Their number is bounded, so they need no room in the queue. */
		worker_push_beyond(read->worker, &read->job, clock_monotonic_ns());
	}
	return NULL;
}

int readers_start(struct readers *r)
{
	for (unsigned i = 0; i < READERS_COUNT; i++) {
		int rc = pthread_create(&r->threads[i], NULL, readers_main, r);
		if (rc != 0)
			return dht_error_from_errno(rc);
		r->running = i + 1;
	}
	return 0;
}

void readers_stop(struct readers *r)
{
	pthread_mutex_lock(&r->lock);
	r->is_over = true;
	pthread_cond_broadcast(&r->wake);
	pthread_mutex_unlock(&r->lock);
	for (; r->running > 0; r->running--)
		pthread_join(r->threads[r->running - 1], NULL);
}

void readers_push(struct readers *r, struct read *read)
{
	read->job.next = NULL;
	pthread_mutex_lock(&r->lock);
	*r->tail = &read->job;
	r->tail = &read->job.next;
	pthread_cond_signal(&r->wake);
	pthread_mutex_unlock(&r->lock);
}
