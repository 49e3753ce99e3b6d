/* SPDX-License-Identifier: Apache-2.0 */
#include "worker/link.h"

#include <stdlib.h>

#include "base/error.h"
#include "wire/peer.h"
#include "wire/peer_parts.h"
#include "worker/exec.h"
#include "worker/links.h"
#include "worker/worker.h"

enum {
	SLICES_MAX = 32,
	OUT_KEEP_MAX = 256 * 1024, /* bytes of memory that an empty output keeps */
	OUT_MAX = PEER_WHOLE_MAX + LINK_QUEUE_MAX,
};

/* Small frames of one turn that wait for the log. */
struct link_parcel {
	struct parcel parcel;
	struct list on_link;
	struct link *link;
	struct output out;
	uint64_t end;
};

/* A large frame. */
struct link_bulk {
	struct parcel parcel;
	struct list on_link;
	struct link *link;
	bool may_go;
	uint8_t *copied;
	struct wire_frame frame;
	struct bytes slices[WIRE_SLICES_MAX];
	struct peer_cut cut;
};

void link_init(struct link *link, struct worker *w, uint16_t member)
{
	*link = (struct link){.worker = w, .member = member};
	list_init(&link->dirty_link);
	list_init(&link->parcels);
	list_init(&link->bulks);
}

static struct store *store_of(const struct link *link)
{
	return exec_of(link->worker)->store;
}

static void unpin(void *store, uint64_t location)
{
	store_unpin(store, location);
}

/* ---- Small frames ---------------------------------------------------------------- */

static void keep_spare(struct link *link, struct link_parcel *parcel)
{
	output_clear(&parcel->out);
	if (link->spare == NULL && parcel->out.bytes.cap <= OUT_KEEP_MAX) {
		link->spare = parcel;
		return;
	}
	output_reset(&parcel->out);
	free(parcel);
}

static void release_parcel(struct worker *w, struct parcel *p)
{
	struct link_parcel *parcel = DHT_CONTAINER_OF(p, struct link_parcel, parcel);
	struct link *link = parcel->link;
	(void)w;
	list_remove(&parcel->on_link);
	link->waiting -= output_len(&parcel->out);
	if (output_move(&link->out, &parcel->out, OUT_MAX) != 0)
		link->is_spoiled = true;
	keep_spare(link, parcel);
	links_touch(link);
}

static struct link_parcel *make_parcel(struct link *link)
{
	struct link_parcel *parcel = link->spare;
	if (parcel == NULL)
		parcel = calloc(1, sizeof(*parcel));
	if (parcel == NULL)
		return NULL;
	link->spare = NULL;
	parcel->link = link;
	parcel->end = 0;
	list_init(&parcel->parcel.link);
	list_init(&parcel->on_link);
	parcel->parcel.release = release_parcel;
	return parcel;
}

/* Where a frame goes that rests on this; NULL: there is no memory. */
static struct output *output_for(struct link *link, uint64_t rests_on)
{
	if (outbox_may_go(link->worker, rests_on))
		return &link->out;
	if (link->collecting == NULL)
		link->collecting = make_parcel(link);
	return link->collecting != NULL ? &link->collecting->out : NULL;
}

void link_hold(struct link *link)
{
	struct link_parcel *parcel = link->collecting;
	link->collecting = NULL;
	if (parcel == NULL)
		return;
	link->waiting += output_len(&parcel->out);
	list_push_tail(&link->parcels, &parcel->on_link);
	outbox_hold(link->worker, &parcel->parcel, parcel->end);
}

/* ---- Large frames ---------------------------------------------------------------- */

static void free_bulk(struct link_bulk *bulk)
{
	for (unsigned i = 0; i < bulk->frame.piece_count; i++)
		store_unpin(store_of(bulk->link), bulk->frame.pieces[i].location);
	bulk->link->waiting -= bulk->frame.size;
	list_remove(&bulk->parcel.link);
	list_remove(&bulk->on_link);
	free(bulk->copied);
	free(bulk);
}

static void release_bulk(struct worker *w, struct parcel *p)
{
	struct link_bulk *bulk = DHT_CONTAINER_OF(p, struct link_bulk, parcel);
	(void)w;
	bulk->may_go = true;
	links_touch(bulk->link);
}

static int queue_bulk(struct link *link, const uint8_t *copied, const struct wire_frame *frame,
		      uint64_t rests_on)
{
	struct link_bulk *bulk = calloc(1, sizeof(*bulk));
	uint8_t *copy = malloc(frame->copied);
	if (bulk == NULL || copy == NULL) {
		free(bulk);
		free(copy);
		return DHT_ENOMEM;
	}
	memcpy(copy, copied, frame->copied);
	bulk->link = link;
	bulk->copied = copy;
	bulk->frame = *frame;
	bulk->parcel.release = release_bulk;
	list_init(&bulk->parcel.link);
	for (unsigned i = 0; i < frame->piece_count; i++)
		store_pin(store_of(link), frame->pieces[i].location);
	unsigned count = wire_frame_slices(&bulk->frame, copy, bulk->slices);
	peer_cut_begin(&bulk->cut, link->streams++, bulk->slices, count);
	link->waiting += frame->size;
	list_push_tail(&link->bulks, &bulk->on_link);
	bulk->may_go = outbox_may_go(link->worker, rests_on);
	if (!bulk->may_go)
		outbox_hold(link->worker, &bulk->parcel, rests_on);
	return 0;
}

/* The one whose parts are to go next: one that is begun, or the first that may. */
static struct link_bulk *next_bulk(const struct link *link)
{
	struct link_bulk *first = NULL;
	for (struct list *at = link->bulks.next; at != &link->bulks; at = at->next) {
		struct link_bulk *bulk = LIST_ENTRY(at, struct link_bulk, on_link);
		if (bulk->cut.is_begun)
			return bulk;
		if (first == NULL && bulk->may_go)
			first = bulk;
	}
	return first;
}

/* The record that a slice lies in; 0: it was copied. */
static uint64_t location_of(const struct link_bulk *bulk, struct bytes slice)
{
	for (unsigned i = 0; i < bulk->frame.piece_count; i++) {
		const struct wire_piece *piece = &bulk->frame.pieces[i];
		if (slice.data >= piece->value.data &&
		    slice.data < piece->value.data + piece->value.len)
			return piece->location;
	}
	return 0;
}

static int append_slice(struct output *out, const struct link_bulk *bulk, struct bytes slice)
{
	struct store *store = store_of(bulk->link);
	uint64_t location = location_of(bulk, slice);
	if (location == 0)
		return buffer_append(&out->bytes, slice.data, slice.len, OUT_MAX);
	int rc = output_attach(out, out->bytes.len, slice, unpin, store, location);
	if (rc == 0)
		store_pin(store, location);
	return rc;
}

/* Appends the next part to what may go. Returns 0 or an error: the stream is broken. */
static int append_part(struct link *link, struct link_bulk *bulk)
{
	uint8_t header[PEER_FRAME_HEADER];
	struct bytes slices[SLICES_MAX];
	unsigned count = peer_cut_next(&bulk->cut, header, slices, SLICES_MAX);
	if (count == 0) {
		free_bulk(bulk);
		return 0;
	}
	int rc = buffer_append(&link->out.bytes, header, sizeof(header), OUT_MAX);
	for (unsigned i = 0; rc == 0 && i < count; i++)
		rc = append_slice(&link->out, bulk, slices[i]);
	return rc;
}

/* ---- Queueing -------------------------------------------------------------------- */

/* Lets the values of a frame that was appended behind `before` bytes stay where they are. */
static int attach_pieces(struct link *link, struct output *out, size_t before,
			 const struct wire_frame *frame)
{
	struct store *store = store_of(link);
	for (unsigned i = 0; i < frame->piece_count; i++) {
		const struct wire_piece *piece = &frame->pieces[i];
		int rc = output_attach(out, before + piece->at, piece->value, unpin, store,
				       piece->location);
		if (rc != 0)
			return rc;
		store_pin(store, piece->location);
	}
	return 0;
}

static size_t queued(const struct link *link)
{
	size_t size = link->waiting + output_len(&link->out);
	if (link->collecting != NULL)
		size += output_len(&link->collecting->out);
	if (link->session != NULL)
		size += output_len(&link->session->conn.out);
	return size;
}

int link_queue(struct link *link, const struct message *m, uint64_t rests_on)
{
	struct wire_frame frame;
	if (queued(link) > LINK_QUEUE_MAX)
		return DHT_EFULL;
	struct output *out = output_for(link, rests_on);
	if (out == NULL)
		return DHT_ENOMEM;
	size_t before = out->bytes.len;
	int rc = wire_peer_encode(m, WIRE_PIECES_MAX, &out->bytes, OUT_MAX, &frame);
	if (rc != 0)
		return rc;
	links_touch(link);
	if (frame.size > PEER_FRAME_MAX) {
		rc = queue_bulk(link, buffer_head(&out->bytes) + before, &frame, rests_on);
		out->bytes.len = before;
		return rc;
	}
	if (out != &link->out && rests_on > link->collecting->end)
		link->collecting->end = rests_on;
	rc = attach_pieces(link, out, before, &frame);
	/* Half a frame stands there now. */
	if (rc != 0)
		link->is_spoiled = true;
	return rc;
}

bool link_is_idle(const struct link *link)
{
	return link->collecting == NULL && list_is_empty(&link->parcels) &&
	       list_is_empty(&link->bulks) && output_len(&link->out) == 0 &&
	       list_is_empty(&link->dirty_link) && link->awaited == 0;
}

void link_await(struct link *link)
{
	link->awaited++;
	links_touch(link);
}

void link_await_end(struct link *link)
{
	DHT_ASSERT(link->awaited > 0);
	link->awaited--;
	links_touch(link);
}

int link_write(struct link *link)
{
	struct conn *conn = &link->session->conn;
	DHT_ASSERT(link->state == LINK_OPEN);
	if (link->is_spoiled)
		return DHT_ECLOSED;
	int rc = conn_write(conn, &link->out, SIZE_MAX / 2);
	struct link_bulk *bulk;
	while (rc == 0 && output_len(&conn->out) < LINK_PART_ROOM &&
	       (bulk = next_bulk(link)) != NULL) {
		rc = append_part(link, bulk);
		if (rc == 0)
			rc = conn_write(conn, &link->out, SIZE_MAX / 2);
	}
	if (output_len(&link->out) == 0 && link->out.bytes.cap > OUT_KEEP_MAX)
		output_reset(&link->out);
	return rc == 0 ? 0 : DHT_ECLOSED;
}

void link_clear(struct link *link)
{
	link_hold(link);
	LIST_FOREACH_SAFE(at, next, &link->parcels)
	{
		struct link_parcel *parcel = LIST_ENTRY(at, struct link_parcel, on_link);
		list_remove(&parcel->parcel.link);
		list_remove(&parcel->on_link);
		link->waiting -= output_len(&parcel->out);
		output_reset(&parcel->out);
		free(parcel);
	}
	LIST_FOREACH_SAFE(at, next, &link->bulks)
	free_bulk(LIST_ENTRY(at, struct link_bulk, on_link));
	if (link->spare != NULL)
		output_reset(&link->spare->out);
	free(link->spare);
	link->spare = NULL;
	output_reset(&link->out);
	link->is_spoiled = false;
	DHT_ASSERT(link->waiting == 0);
}
