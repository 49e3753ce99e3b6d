/* SPDX-License-Identifier: Apache-2.0
 *
 * server/control - runs the control plane (node/member.h): its links, its clock, what it stores.
 *
 * Why     The control plane is pure. Here it gets its time, its randomness and its durability,
 *         and what it tells takes effect: messages go out when what they rest on is durable,
 *         maps are adopted by the node, members that do not answer are passed over.
 * Owns    The member, the links to other nodes, maps on their way into the node.
 * Thread  Its lock is taken by every function: events come on the dispatcher, questions of the
 *         operator on any thread. It is held for one step, never for a wait.
 * Errors  Set-up: DHT_E*. While it runs: logged, and met again later.
 *
 * The parts: control_link.h (a connection), control_accept.c (who knocks), control_links.c (who is
 * connected, and who should be), control_effects.c (what the member tells), control_map.c (maps
 * into the node), control_join.c (another cluster's member), control_probe.c (both directions),
 * control_data.c (links for data), control_ask.c (the operator).
 *
 * One link per pair is enough, whoever opened it; where both did, either is good. Who has something
 * to say and no link opens one.
 */
#ifndef DHT_SERVER_CONTROL_H
#define DHT_SERVER_CONTROL_H

#include <pthread.h>

#include "conf/conf.h"
#include "io/listener.h"
#include "io/timer.h"
#include "node/member.h"
#include "server/control_link.h"
#include "server/episode.h"
#include "server/founding.h"
#include "server/published.h"
#include "server/refusals.h"
#include "server/reseed.h"
#include "worker/adoption.h"
#include "worker/fence.h"
#include "worker/fins.h"

struct store_os;

enum {
	CONTROL_GUESTS_MAX = 256,    /* links of nodes that are no members */
	CONTROL_STRANGERS_MAX = 256, /* links that were accepted, and have not said who they are */
	CONTROL_TICKETS_MAX = 64,    /* questions whose outcome is kept */
	CONTROL_SECRET_MAX = 4096,   /* bytes of cluster.secret_file */
	CONTROL_WHY_MAX = 320,
	CONTROL_HELD_MAX = 32 * 1024 * 1024, /* bytes of messages that wait for the log */
};

/* What it works with: all of it is the server's. */
struct control_given {
	const struct conf *conf;
	struct identity *identity;
	const struct store_os *os;
	struct exec *exec;
	struct committer *committer;
	struct worker_shared *shared;
	struct worker *workers;
	unsigned worker_count;
	struct published *published;
	struct poller *poller;
	struct wake *wake;   /* of the dispatcher */
	int descriptors_max; /* those from here on are the store's */
	struct resolver *resolver;
	/* Takes over a socket at whose other end a member is, and bytes that have come behind the
	 * handshake. NULL: nobody does, and links for data are refused. */
	int (*accept_data)(void *ctx, int fd, uint16_t member, struct bytes arrived);
	void *ctx;
};

/* How this node and a member are connected. */
struct control_peer {
	struct control_link *link; /* the one that is spoken on; NULL: none */
	uint64_t retry_ns;         /* none is opened before */
	unsigned failures;         /* in a row */
	unsigned address;          /* which of the member's is tried next */
	char why[CONTROL_WHY_MAX]; /* the latest failure; said once */
};

/* A message that waits. */
struct control_held {
	struct list link;
	uint32_t peer;
	uint64_t rests_on; /* NODE_RESTS_ON_MAP: on the adoption of this number: */
	uint64_t adoption;
	struct buffer frame;
};

enum control_ticket_state {
	CONTROL_TICKET_UNKNOWN,
	CONTROL_TICKET_WAITS,
	CONTROL_TICKET_ANSWERED,
};

struct control_ticket {
	uint64_t number; /* 0: unused */
	enum control_ticket_state state;
	struct member_answer answer;
};

enum control_join_stage {
	CONTROL_NO_JOIN,
	CONTROL_JOIN_CLOSES,   /* waits until no worker runs an operation */
	CONTROL_JOIN_CONNECTS, /* opens a link, or waits to try again */
	CONTROL_JOIN_PROBES,   /* tries the address that the member gives out */
	CONTROL_JOIN_LOOKS,    /* asks for the map, to find who is replaced */
	CONTROL_JOIN_ASKS,     /* the member asks for it */
	CONTROL_JOIN_ADOPTS,   /* the cluster's map is on its way into the node */
	CONTROL_JOIN_OPENS,    /* waits until no worker knows of what was before */
};

struct control_join {
	enum control_join_stage stage;
	bool is_seeded; /* by cluster.seeds: tried until it works */
	bool discards_data;
	uint64_t ticket;  /* 0: nobody asks */
	bool is_answered; /* the change has begun: */
	uint64_t job;
	struct conf_addr_list to;  /* addresses, tried in turn */
	size_t next;               /* of these */
	struct control_link *link; /* NULL: none */
	uint64_t retry_ns, until_ns;
	char replaced[RING_TEXT_MAX + 1]; /* name, number or id of who is replaced; "": nobody */
	char zone[RING_TEXT_MAX + 1];     /* "": the setting's */
	uint32_t weight;                  /* 0: the setting's */
	char why[CONTROL_WHY_MAX];        /* the latest failure */
};

struct control {
	pthread_mutex_t lock;
	struct control_given given;
	bool is_on;
	struct member *member;
	struct member_effects effects;
	uint64_t started_ns;
	uint64_t run;    /* random, of this run */
	uint64_t random; /* state */
	uint64_t mark;   /* durable position that the member knows of */
	struct timer timer;
	uint64_t armed_ns; /* when it goes off; 0: at once, it has, or never will */
	struct listener listeners[CONF_LIST_MAX];
	size_t listener_count;
	uint64_t rests_until_ns; /* they do; 0: they do not */
	struct episode deaf, crowd;
	struct refusals refusals;
	uint8_t secret[CONTROL_SECRET_MAX];
	size_t secret_len;

	/* Links. */
	struct list links;
	struct list dead;           /* closed in this round */
	uint64_t refused;           /* links of others that did not open */
	struct control_peer *peers; /* by number, RING_MEMBERS_MAX of them */
	struct control_link *guests[CONTROL_GUESTS_MAX];
	struct peer_budget budget;
	struct wire_control_decoder *decoder;
	struct list held;
	size_t held_bytes;
	_Atomic bool awaits; /* the log: somebody wants to know of it */

	/* Maps. */
	struct adoption adoption;
	struct fins fins;
	struct ring_map *adopting; /* the one on its way */
	uint64_t wanted;           /* number of the latest adoption that the member asked for */
	uint64_t adopting_number;
	uint64_t adopted;          /* of the latest that is over */
	struct ring_map *node_map; /* the node's */
	bool has_left;             /* the node's map does not name it: none is adopted any more */
	bool is_unpublished;       /* the node's map is to be shown, when there is memory */
	uint64_t fins_ns;

	struct fence fence;
	struct control_join join;
	struct reseed reseed;
	struct control_ticket tickets[CONTROL_TICKETS_MAX];
	uint64_t ticket; /* the latest */

	uint64_t held_ns,
	    kept_bytes; /* of keys and values in the store, and until when that holds */

	/* This node's description in the map is to be what the configuration says now. */
	uint64_t adjust_ns; /* when that is asked for again; UINT64_MAX: it is so */

	_Atomic uint64_t max_skew_ms; /* peers.max_skew */
	/* Clocks: what each member's was ahead of ours at its latest heartbeat, at least; behind
	 * it, if negative. */
	int64_t *skews_ms;
};

/* Reads cluster.secret_file and looks at the peer addresses. DHT_EINVAL, DHT_EIO and so on with
 * a sentence in why. Before anything else is started. */
int control_prepare(struct control *c, const struct conf *conf,
		    char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

/* Makes the member from the map that the node begins with, which is a copy's from then on. The
 * workers do not run yet. */
int control_init(struct control *c, const struct control_given *given, const struct ring_map *map,
		 char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

/* Opens the peer port, begins to speak and, with seeds, to join. */
int control_start(struct control *c, char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

/* Closes the peer port and all links: the first step of a stop. */
void control_stop(struct control *c);

/* The workers have ended. Also of one that was never initialised. */
void control_fini(struct control *c);

/* True while this node serves no clients, because it is about to join a cluster or joins it. */
bool control_is_joining(struct control *c);

/* ---- Events, on the dispatcher ------------------------------------------------------- */

/* The timer, a listener or a link, as the watch's kind says. */
void control_event(struct control *c, struct watch *watch, uint32_t events, uint64_t now_ns);

/* Ends a round of events: goes on with whatever can go on. */
void control_settle(struct control *c);

/* A member has told the data plane of a map that is newer than the one here. */
void control_want_map(struct control *c, uint16_t member);

/* Workers may wait in vain for answers of members (peers->doubts). */
void control_doubt(struct control *c);

/* The log is durable further than before; the committer's thread. */
void control_committed(struct control *c);

/* ---- Links for data, on any thread --------------------------------------------------- */

/* The handshake of a link that a worker has opened to a member. The state is a struct handshake,
 * zeroed in the beginning; what is to be sent is appended to out. take: 1 once the link is open, 0
 * before; an error ends it. */
int control_data_begin(void *ctx, void *state, uint16_t member, struct buffer *out) DHT_MUST_CHECK;
int control_data_take(void *ctx, void *state, uint16_t member, const struct peer_frame *frame,
		      struct buffer *out) DHT_MUST_CHECK;

/* ---- The operator, on any thread ----------------------------------------------------- */

/* Asks for a change. Returns a ticket, or DHT_E* with a sentence in why. */
int64_t control_ask(struct control *c, const struct member_request *request,
		    char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

struct control_join_request {
	const char *address;  /* host:port; NULL: those of cluster.seeds */
	const char *replaced; /* NULL: nobody */
	const char *zone;     /* NULL: the setting's */
	uint32_t weight;      /* 0: the setting's */
	bool discards_data;
};
int64_t control_ask_join(struct control *c, const struct control_join_request *request,
			 char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

/* What became of it. */
enum control_ticket_state control_answer(struct control *c, uint64_t ticket,
					 struct member_answer *answer);

int control_plan(struct control *c, const struct member_request *request,
		 struct member_plan *plan) DHT_MUST_CHECK;
int control_job(struct control *c, struct member_job *job) DHT_MUST_CHECK;

/* Recovers the cluster among some members, by their numbers, or only tells what would be lost. job:
 * the number of the change that has begun. */
struct control_recovery {
	const uint16_t *survivors;
	size_t count;
	bool is_serious;
	struct member_loss loss;
	uint64_t job;
};
int control_recover(struct control *c, struct control_recovery *recovery,
		    char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;

/* A member as it is shown. */
struct control_view {
	uint64_t epoch, wanted_epoch;       /* the node's; the one that it is to adopt */
	uint8_t lineage[RING_LINEAGE_SIZE]; /* of the node's map */
	uint16_t self;                      /* RING_MEMBERS_MAX: none */
	bool is_joining, has_left;
	char why[CONTROL_WHY_MAX]; /* why it has not joined yet */
	int64_t worst_skew_ms;     /* among those that answer */
	uint16_t worst_skew_of;    /* RING_MEMBERS_MAX: nobody */
	uint64_t open_links;       /* with members */
	uint64_t refused_links;    /* of others, before they were open */
};
void control_look(struct control *c, struct control_view *view);

/* ---- The parts ----------------------------------------------------------------------- */

/* A step of the member; the lock is held. */
struct member_step control_step(struct control *c);

void control_effects_init(struct control *c);

/* Sends what may go now, and tells the member how far the log is. */
void control_release(struct control *c);

/* True if something waits to be sent that a commit would let go. */
bool control_waits_for_log(const struct control *c);

/* Goes on with adoptions; looks for blocks that are in sync. */
void control_maps_go_on(struct control *c, uint64_t now_ns);

/* control_links.c */
struct handshake_self control_self(struct control *c);
void control_send(struct control *c, uint32_t peer, struct bytes frame);
void control_links_tick(struct control *c, uint64_t now_ns);
void control_links_event(struct control *c, struct control_link *l, uint32_t events,
			 uint64_t now_ns);
void control_drop(struct control *c, struct control_link *l, int error);
/* Opens a link to an address, on behalf of a peer. DHT_EAGAIN: its name is being looked up; any
 * other error why tells. */
int control_dial(struct control *c, const char *host, uint16_t port, uint32_t peer, uint64_t now_ns,
		 struct control_link **out, char why[CONTROL_WHY_MAX]) DHT_MUST_CHECK;
uint32_t control_guest(struct control *c, struct control_link *l);

/* control_accept.c */
void control_accept(struct control *c, struct listener *l, uint64_t now_ns);
void control_accept_tick(struct control *c, uint64_t now_ns);

/* control_data.c: gives a link for data away; it is closed here in any case. */
int control_data_accept(struct control *c, struct control_link *l) DHT_MUST_CHECK;

/* control_probe.c: tries to reach the other end of a link at an address; l->reach tells: UNKNOWN if
 * its name is being looked up, then it is to be tried again. False: it is UNREACHABLE at once. */
bool control_probe(struct control *c, struct control_link *l, const char *host, uint16_t port);
/* The try is over; why NULL: it was reached. */
void control_probe_ended(struct control_link *probe, const char *why);
/* True if the message is not for the member now. */
bool control_probe_takes(struct control *c, struct control_link *l, const struct member_message *m);

/* control_join.c */
void control_join_begin(struct control *c);
void control_join_tick(struct control *c, uint64_t now_ns);
void control_join_opened(struct control *c, struct control_link *l);
/* status: DHT_EDENIED, the member has refused, why says for what reason. */
void control_join_closed(struct control *c, int status, const char *why);
void control_join_answered(struct control *c, const struct member_answer *answer);
void control_join_adopted(struct control *c);
/* True if the frame was for the join alone. */
bool control_join_takes(struct control *c, struct control_link *l, const struct member_message *m);
/* The seed and number to adopt the member's map with, if it is another cluster's. DHT_EAGAIN: not
 * yet. */
int control_join_prepare(struct control *c, const struct ring_map *map,
			 struct adoption_join *join) DHT_MUST_CHECK;

/* Finds a member by its name, its id or its number; RING_MEMBERS_MAX: there is none. */
uint16_t control_find_member(const struct ring_map *map, const char *text);

void control_ticket_answer(struct control *c, uint64_t ticket, const struct member_answer *answer);
uint64_t control_ticket_take(struct control *c);

#endif
