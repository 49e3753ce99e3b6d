/* SPDX-License-Identifier: Apache-2.0
 *
 * What clients have asked of hosts: how it ends, and what the checkers hear of it.
 */
#include <inttypes.h>
#include <stdlib.h>

#include "base/error.h"
#include "cluster.h"

static enum outcome outcome_of(const struct request *request, unsigned i)
{
	int status = request->task.whole.status;
	if (status == 0)
		status = request->results[i].status;
	else if (status != DHT_EUNCERTAIN)
		return OUTCOME_NOT_DONE;
	if (status == DHT_EUNCERTAIN)
		return OUTCOME_UNKNOWN;
	return status == DHT_ENOMEM || status == DHT_ENOSPC || status == DHT_ENOQUORUM
		   ? OUTCOME_NOT_DONE
		   : OUTCOME_DONE;
}

static struct model_result result_of(const struct op_result *from)
{
	return (struct model_result){
	    .status = from->status,
	    .existed = from->existed,
	    .value = from->value.data != NULL ? value_intern(from->value) : VALUE_NONE,
	    .number = from->number,
	    .version = from->version,
	    .expires_ms = from->expires_ms,
	    .size = from->size,
	};
}

static void note_seen(struct cluster *c, unsigned key, const struct model_result *result)
{
	if (result->value != VALUE_NONE)
		c->seen_value[key] = result->value;
	if (!ballot_is_absent(result->version))
		c->seen_version[key] = result->version;
}

static void answer_one(struct cluster *c, const struct request *request, unsigned i)
{
	static const char *const names[] = {"", "is done", "has an unknown outcome",
					    "was not done"};
	const struct host *h = &c->hosts[request->host];
	enum outcome outcome = outcome_of(request, i);
	struct model_result result = {0};
	if (outcome == OUTCOME_DONE) {
		result = result_of(&request->results[i]);
		note_seen(c, request->key, &result);
		if (result.version.version > MAPS_VERSIONS)
			cluster_fail(c, request->key,
				     "a result tells a version that no value can have");
	}
	/* Several as one may tell of values that were never written. */
	if (outcome == OUTCOME_DONE && request->task.series.count == 1)
		cluster_fail(
		    c, request->key,
		    lineage_read(&c->lineage, request->key, result.version, request->decided_before,
				 h->node.blocks[c->keys[request->key].block].acceptor.version));
	TRACE(c, "request %" PRIu32 " of client %u: %s of %s at %u %s, status %d", request->number,
	      request->client, history_kind_name(request->ops[i].kind), c->key_names[request->key],
	      request->host, names[outcome], result.status);
	c->count.unknown += outcome == OUTCOME_UNKNOWN;
	c->count.not_done += outcome == OUTCOME_NOT_DONE;
	history_end(&c->history, request->history[i], outcome, &result, c->step,
		    cluster_true_ms(c));
}

static void end_request(struct cluster *c, struct request *request)
{
	struct client *client = &c->clients[request->client];
	if (client->is_busy && client->request == request->number)
		client->is_busy = false;
	list_remove(&request->link);
	task_fini(&request->task);
	free(request);
}

void cluster_answer(struct cluster *c, struct request *request)
{
	c->step++;
	for (unsigned i = 0; i < request->task.series.count; i++)
		answer_one(c, request, i);
	end_request(c, request);
}

static void lose_requests(struct cluster *c, const struct host *h, struct list *requests)
{
	LIST_FOREACH_SAFE(link, following, requests)
	{
		struct request *request = LIST_ENTRY(link, struct request, link);
		if (request->host != h->number)
			continue;
		TRACE(c, "request %" PRIu32 " is lost", request->number);
		for (unsigned i = 0; i < request->task.series.count; i++)
			history_end(&c->history, request->history[i], OUTCOME_UNKNOWN, NULL,
				    c->step, 0);
		end_request(c, request);
	}
}

void cluster_requests_lost(struct cluster *c, const struct host *h)
{
	lose_requests(c, h, &c->pending);
	lose_requests(c, h, (struct list *)(uintptr_t)&h->answers);
}
