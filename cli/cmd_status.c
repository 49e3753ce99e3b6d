/* SPDX-License-Identifier: Apache-2.0
 *
 * cli/cmd_status - the command that shows the node, its store, its cluster and its health.
 */
#include <inttypes.h>
#include <string.h>

#include "cli/call.h"
#include "cli/command.h"
#include "cli/exit.h"
#include "cli/json.h"
#include "cli/nodes.h"
#include "cli/print.h"
#include "cli/table.h"
#include "cli/text.h"

/* Two letters as nodetool has them: up or down, and what the node is about to do. */
static const struct state {
	const char *name;
	const char *letters;
	const char *meaning;
	enum cli_colour colour;
} states[] = {
    {"up", "UN", "up, normal", CLI_GREEN},
    {"down", "DN", "down", CLI_RED},
    {"joining", "UJ", "up, joining", CLI_YELLOW},
    {"leaving", "UL", "up, leaving", CLI_YELLOW},
};

static const struct state *find_state(const char *name)
{
	static const struct state unknown = {"", "??", "unknown to this dhtctl", CLI_YELLOW};
	for (size_t i = 0; i < DHT_ARRAY_LEN(states); i++) {
		if (strcmp(states[i].name, name) == 0)
			return &states[i];
	}
	return &unknown;
}

/* The protocol allows a message to be absent: then it is all zeros. */
static const Dhtd__Admin__Quantiles no_quantiles = DHTD__ADMIN__QUANTILES__INIT;
static const Dhtd__Admin__CompactionStatus no_compaction = DHTD__ADMIN__COMPACTION_STATUS__INIT;
static const Dhtd__Admin__RecoveryStatus no_recovery = DHTD__ADMIN__RECOVERY_STATUS__INIT;

static const Dhtd__Admin__Quantiles *fsync_of(const Dhtd__Admin__StoreStatus *store)
{
	return store->fsync_us != NULL ? store->fsync_us : &no_quantiles;
}

static const Dhtd__Admin__CompactionStatus *compaction_of(const Dhtd__Admin__StoreStatus *store)
{
	return store->compaction != NULL ? store->compaction : &no_compaction;
}

static const Dhtd__Admin__RecoveryStatus *recovery_of(const Dhtd__Admin__StoreStatus *store)
{
	return store->recovery != NULL ? store->recovery : &no_recovery;
}

static enum cli_colour health_colour(const char *health)
{
	if (strcmp(health, "ok") == 0)
		return CLI_GREEN;
	return strcmp(health, "degraded") == 0 ? CLI_YELLOW : CLI_RED;
}

static void print_summary(const Dhtd__Admin__StatusResponse *status)
{
	char number[CLI_NUMBER_MAX], size[CLI_NUMBER_MAX], connections[CLI_NUMBER_MAX];
	char resident[CLI_NUMBER_MAX];
	cli_print_clean(health_colour(status->health), status->health);
	cli_print("  node ");
	cli_print_clean(CLI_BOLD, status->node);
	cli_print(" of cluster ");
	cli_print_clean(CLI_BOLD, status->cluster);
	cli_print(", nodes %zu, epoch %" PRIu64 "\n", status->n_nodes, status->epoch);
	for (size_t i = 0; i < status->n_reasons; i++) {
		cli_print("  ! ");
		cli_print_clean(CLI_YELLOW, status->reasons[i]);
		cli_print("\n");
	}
	if (!status->serving) {
		cli_print("  not serving: ");
		cli_print_clean(CLI_YELLOW,
				status->startup[0] != '\0' ? status->startup : "starting");
		cli_print("\n");
	}
	cli_print("  dhtd ");
	cli_print_clean(CLI_NO_COLOUR, status->version);
	cli_print(", pid %" PRIu32 ", up %s\n", status->pid,
		  cli_text_duration(status->uptime_s, number));
	cli_print("  keys %s, size %s, memory %s, workers %" PRIu32 ", connections %s\n",
		  cli_text_count(status->keys, number), cli_text_size(status->bytes, size),
		  cli_text_size(status->resident_bytes, resident), status->workers,
		  cli_text_count(status->connections, connections));
}

/* A share of the whole in whole percent. */
static unsigned percent_of(double share)
{
	if (!(share > 0))
		return 0;
	return share < 1 ? (unsigned)(share * 100) : 100;
}

static void print_compaction(const Dhtd__Admin__CompactionStatus *compaction)
{
	char copied[CLI_NUMBER_MAX], rate[CLI_NUMBER_MAX];
	if (!compaction->running)
		return;
	cli_print("  compaction at %u%% of a segment, copied %s, now %s/s\n",
		  percent_of(compaction->progress), cli_text_size(compaction->bytes_copied, copied),
		  cli_text_size(compaction->bytes_per_s, rate));
}

static void print_recovery(const Dhtd__Admin__RecoveryStatus *recovery)
{
	char done[CLI_NUMBER_MAX], total[CLI_NUMBER_MAX];
	if (recovery->bytes_done >= recovery->bytes_total)
		return;
	cli_print("  recovery at %u%%: %s of %s\n",
		  percent_of((double)recovery->bytes_done / (double)recovery->bytes_total),
		  cli_text_size(recovery->bytes_done, done),
		  cli_text_size(recovery->bytes_total, total));
}

static void print_store(const Dhtd__Admin__StoreStatus *store)
{
	char live[CLI_NUMBER_MAX], dead[CLI_NUMBER_MAX], disk[CLI_NUMBER_MAX];
	char index[CLI_NUMBER_MAX], mapped[CLI_NUMBER_MAX];
	const Dhtd__Admin__Quantiles *fsync = fsync_of(store);
	cli_print("  store live %s, dead %s, index %s, mapped %s\n",
		  cli_text_size(store->live_bytes, live), cli_text_size(store->dead_bytes, dead),
		  cli_text_size(store->index_bytes, index),
		  cli_text_size(store->mapped_bytes, mapped));
	cli_print("  segments %" PRIu64 ", of these cold %" PRIu64 ", spare %" PRIu64 ", disk %s\n",
		  store->segments, store->cold_segments, store->spare_segments,
		  cli_text_size(store->disk_bytes, disk));
	cli_print("  fsync ");
	cli_print_clean(CLI_NO_COLOUR, store->fsync);
	cli_print(", p50 %" PRIu64 " us, p99 %" PRIu64 " us, max %" PRIu64 " us\n", fsync->p50,
		  fsync->p99, fsync->max);
	print_compaction(compaction_of(store));
	print_recovery(recovery_of(store));
	if (store->read_only) {
		cli_print("  read-only: ");
		cli_print_clean(CLI_YELLOW, store->read_only_reason);
		cli_print("\n");
	}
}

/* Explains the letters that the table shows. */
static void print_legend(Dhtd__Admin__NodeStatus *const *nodes, size_t count)
{
	const char *separator = "\n";
	for (size_t i = 0; i < DHT_ARRAY_LEN(states); i++) {
		bool is_shown = false;
		for (size_t node = 0; node < count; node++)
			is_shown = is_shown || find_state(nodes[node]->state) == &states[i];
		if (!is_shown)
			continue;
		cli_print("%s%s%s = %s%s", separator, cli_print_colour(CLI_FAINT),
			  states[i].letters, states[i].meaning, cli_print_colour_end(CLI_FAINT));
		separator = "; ";
	}
	if (separator[0] == ';')
		cli_print("\n");
}

void cli_nodes_print(Dhtd__Admin__NodeStatus *const *nodes, size_t count)
{
	struct cli_table *table = cli_table_create();
	cli_table_column(table, CLI_LEFT, "  ");
	cli_table_column(table, CLI_RIGHT, "NO");
	cli_table_column(table, CLI_LEFT, "NAME");
	cli_table_column(table, CLI_LEFT, "CLIENT");
	cli_table_column(table, CLI_LEFT, "PEER");
	cli_table_column(table, CLI_LEFT, "ZONE");
	cli_table_column(table, CLI_RIGHT, "WEIGHT");
	cli_table_column(table, CLI_RIGHT, "KEYS");
	cli_table_column(table, CLI_RIGHT, "SIZE");
	cli_table_column(table, CLI_LEFT, "ID");
	for (size_t i = 0; i < count; i++) {
		const Dhtd__Admin__NodeStatus *node = nodes[i];
		const struct state *state = find_state(node->state);
		char keys[CLI_NUMBER_MAX], size[CLI_NUMBER_MAX];
		cli_table_cell(table, state->colour, "%s", state->letters);
		cli_table_cell(table, CLI_NO_COLOUR, "%" PRIu32, node->number);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", node->name);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", node->client);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", node->peer);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", node->zone);
		cli_table_cell(table, CLI_NO_COLOUR, "%" PRIu32, node->weight);
		cli_table_cell(table, CLI_NO_COLOUR, "%s", cli_text_count(node->keys, keys));
		cli_table_cell(table, CLI_NO_COLOUR, "%s", cli_text_size(node->bytes, size));
		cli_table_cell(table, CLI_FAINT, "%s", node->id);
	}
	cli_table_print(table);
	cli_table_destroy(table);
	print_legend(nodes, count);
}

json_t *cli_nodes_json(const Dhtd__Admin__NodeStatus *node)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "number", cli_json_u64(node->number));
	cli_json_set(object, "id", cli_json_text(node->id));
	cli_json_set(object, "name", cli_json_text(node->name));
	cli_json_set(object, "state", cli_json_text(node->state));
	cli_json_set(object, "peer", cli_json_text(node->peer));
	cli_json_set(object, "client", cli_json_text(node->client));
	cli_json_set(object, "zone", cli_json_text(node->zone));
	cli_json_set(object, "weight", cli_json_u64(node->weight));
	cli_json_set(object, "keys", cli_json_u64(node->keys));
	cli_json_set(object, "bytes", cli_json_u64(node->bytes));
	return object;
}

static json_t *store_json(const Dhtd__Admin__StoreStatus *store)
{
	const Dhtd__Admin__Quantiles *fsync = fsync_of(store);
	const Dhtd__Admin__CompactionStatus *compaction = compaction_of(store);
	const Dhtd__Admin__RecoveryStatus *recovery = recovery_of(store);
	json_t *object = cli_json_object(), *part;
	cli_json_set(object, "fsync", cli_json_text(store->fsync));
	cli_json_set(object, "segments", cli_json_u64(store->segments));
	cli_json_set(object, "cold_segments", cli_json_u64(store->cold_segments));
	cli_json_set(object, "spare_segments", cli_json_u64(store->spare_segments));
	cli_json_set(object, "live_bytes", cli_json_u64(store->live_bytes));
	cli_json_set(object, "dead_bytes", cli_json_u64(store->dead_bytes));
	cli_json_set(object, "disk_bytes", cli_json_u64(store->disk_bytes));
	cli_json_set(object, "index_bytes", cli_json_u64(store->index_bytes));
	cli_json_set(object, "mapped_bytes", cli_json_u64(store->mapped_bytes));
	cli_json_set(object, "keys", cli_json_u64(store->keys));
	cli_json_set(object, "tombstones", cli_json_u64(store->tombstones));
	part = cli_json_object();
	cli_json_set(part, "p50", cli_json_u64(fsync->p50));
	cli_json_set(part, "p99", cli_json_u64(fsync->p99));
	cli_json_set(part, "max", cli_json_u64(fsync->max));
	cli_json_set(object, "fsync_us", part);
	part = cli_json_object();
	cli_json_set(part, "running", json_boolean(compaction->running));
	cli_json_set(part, "progress", cli_json_double(compaction->progress));
	cli_json_set(part, "bytes_copied", cli_json_u64(compaction->bytes_copied));
	cli_json_set(part, "bytes_per_s", cli_json_u64(compaction->bytes_per_s));
	cli_json_set(object, "compaction", part);
	part = cli_json_object();
	cli_json_set(part, "bytes_done", cli_json_u64(recovery->bytes_done));
	cli_json_set(part, "bytes_total", cli_json_u64(recovery->bytes_total));
	cli_json_set(object, "recovery", part);
	cli_json_set(object, "read_only", json_boolean(store->read_only));
	cli_json_set(object, "read_only_reason", cli_json_text(store->read_only_reason));
	return object;
}

static json_t *peers_json(const Dhtd__Admin__PeersStatus *peers)
{
	json_t *object = cli_json_object();
	cli_json_set(object, "control_links", cli_json_u64(peers->control_links));
	cli_json_set(object, "refused_links", cli_json_u64(peers->refused_links));
	cli_json_set(object, "sent", cli_json_u64(peers->sent));
	cli_json_set(object, "received", cli_json_u64(peers->received));
	cli_json_set(object, "lost", cli_json_u64(peers->lost));
	cli_json_set(object, "dropped", cli_json_u64(peers->dropped));
	cli_json_set(object, "synced_bytes", cli_json_u64(peers->synced_bytes));
	cli_json_set(object, "compared", cli_json_u64(peers->compared));
	cli_json_set(object, "told", cli_json_u64(peers->told));
	cli_json_set(object, "settled", cli_json_u64(peers->settled));
	cli_json_set(object, "worst_skew_ms", json_integer(peers->worst_skew_ms));
	cli_json_set(object, "worst_skew_of", cli_json_u64(peers->worst_skew_of));
	return object;
}

/* Of a node that is not alone. */
static void print_peers(const Dhtd__Admin__PeersStatus *peers)
{
	char sent[CLI_NUMBER_MAX], received[CLI_NUMBER_MAX], lost[CLI_NUMBER_MAX];
	char told[CLI_NUMBER_MAX], settled[CLI_NUMBER_MAX];
	cli_print("links: %" PRIu64 " open; messages: %s sent, %s received, %s lost\n"
		  "repaired: %s records told, %s settled\n",
		  peers->control_links, cli_text_count(peers->sent, sent),
		  cli_text_count(peers->received, received), cli_text_count(peers->lost, lost),
		  cli_text_count(peers->told, told), cli_text_count(peers->settled, settled));
}

static void print_status_json(const Dhtd__Admin__StatusResponse *status)
{
	json_t *result = cli_json_result();
	cli_json_set(result, "cluster", cli_json_text(status->cluster));
	cli_json_set(result, "node", cli_json_text(status->node));
	cli_json_set(result, "id", cli_json_text(status->id));
	cli_json_set(result, "version", cli_json_text(status->version));
	cli_json_set(result, "pid", cli_json_u64(status->pid));
	cli_json_set(result, "uptime_s", cli_json_u64(status->uptime_s));
	cli_json_set(result, "epoch", cli_json_u64(status->epoch));
	cli_json_set(result, "health", cli_json_text(status->health));
	json_t *reasons = json_array();
	for (size_t i = 0; i < status->n_reasons; i++)
		cli_json_append(reasons, cli_json_text(status->reasons[i]));
	cli_json_set(result, "reasons", reasons);
	cli_json_set(result, "serving", json_boolean(status->serving));
	if (!status->serving)
		cli_json_set(result, "startup", cli_json_text(status->startup));
	cli_json_set(result, "keys", cli_json_u64(status->keys));
	cli_json_set(result, "bytes", cli_json_u64(status->bytes));
	cli_json_set(result, "workers", cli_json_u64(status->workers));
	cli_json_set(result, "connections", cli_json_u64(status->connections));
	cli_json_set(result, "lineage", cli_json_text(status->lineage));
	cli_json_set(result, "resident_bytes", cli_json_u64(status->resident_bytes));
	json_t *nodes = json_array();
	for (size_t i = 0; i < status->n_nodes; i++)
		cli_json_append(nodes, cli_nodes_json(status->nodes[i]));
	cli_json_set(result, "nodes", nodes);
	if (status->store != NULL)
		cli_json_set(result, "store", store_json(status->store));
	if (status->peers != NULL)
		cli_json_set(result, "peers", peers_json(status->peers));
	cli_json_print(result);
}

/* Asks for the status; the response is the caller's. */
static int fetch(const struct cli_options *options, Dhtd__Admin__AdminResponse **response)
{
	int code = cli_options_expect(options, 0, 0);
	if (code != CLI_EXIT_OK)
		return code;
	Dhtd__Admin__StatusRequest body = DHTD__ADMIN__STATUS_REQUEST__INIT;
	Dhtd__Admin__AdminRequest request = DHTD__ADMIN__ADMIN_REQUEST__INIT;
	request.command_case = DHTD__ADMIN__ADMIN_REQUEST__COMMAND_STATUS;
	request.status = &body;
	return cli_call(options, &request, CLI_CALL_READ, NULL, response);
}

static void print_health_json(const Dhtd__Admin__StatusResponse *status)
{
	json_t *result = cli_json_result(), *reasons = json_array();
	cli_json_set(result, "health", cli_json_text(status->health));
	for (size_t i = 0; i < status->n_reasons; i++)
		cli_json_append(reasons, cli_json_text(status->reasons[i]));
	if (!status->serving)
		cli_json_append(reasons, cli_json_text(status->startup));
	cli_json_set(result, "reasons", reasons);
	cli_json_print(result);
}

static void print_health(const Dhtd__Admin__StatusResponse *status)
{
	cli_print_clean(health_colour(status->health), status->health);
	cli_print("\n");
	for (size_t i = 0; i < status->n_reasons; i++) {
		cli_print("  ");
		cli_print_clean(CLI_NO_COLOUR, status->reasons[i]);
		cli_print("\n");
	}
	if (!status->serving) {
		cli_print("  not serving: ");
		cli_print_clean(CLI_NO_COLOUR, status->startup);
		cli_print("\n");
	}
}

int cli_command_health(const struct cli_options *options)
{
	Dhtd__Admin__AdminResponse *response;
	int code = fetch(options, &response);
	if (code != CLI_EXIT_OK)
		return code;
	const Dhtd__Admin__StatusResponse *status = response->status;
	if (options->format == CLI_JSON)
		print_health_json(status);
	else
		print_health(status);
	if (strcmp(status->health, "ok") != 0)
		code = strcmp(status->health, "degraded") == 0 ? CLI_EXIT_DEGRADED
							       : CLI_EXIT_UNAVAILABLE;
	cli_client_free(response);
	return code;
}

int cli_command_status(const struct cli_options *options)
{
	Dhtd__Admin__AdminResponse *response;
	int code = fetch(options, &response);
	if (code != CLI_EXIT_OK)
		return code;
	const Dhtd__Admin__StatusResponse *status = response->status;
	if (options->format == CLI_JSON) {
		print_status_json(status);
	} else {
		print_summary(status);
		if (status->store != NULL)
			print_store(status->store);
		if (status->peers != NULL && status->n_nodes > 1)
			print_peers(status->peers);
		if (status->n_nodes > 0) {
			cli_print("\n");
			cli_nodes_print(status->nodes, status->n_nodes);
		}
	}
	/* A node that does not serve is no success for a script that waits for one. */
	code = status->serving ? CLI_EXIT_OK : CLI_EXIT_FAILED;
	cli_client_free(response);
	return code;
}
