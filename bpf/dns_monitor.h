/* SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause) */
/*
 * The wire contract between the kernel and user space.
 *
 * This header is the only place where a record's layout is written: the Rust
 * types come out of the skeleton that libbpf-cargo makes from it. Fixed-width
 * integers and hand padding only; the sizes are asserted here and again in
 * src/kernel/wire.rs.
 */
#ifndef KERNO_DNS_MONITOR_H
#define KERNO_DNS_MONITOR_H

/* Sizes that user space needs too: an enum reaches the skeleton, a macro does not. */
enum dns_limit {
	/* Where the beginning of the answer stands in a full record, if the question is
	 * not long: there an error's OPT record says more (RFC 6891 section 6.1.3).
	 */
	DNS_ECHO_AT = 132,
	/* Most questions fit here: a short record is less than half a full one. */
	DNS_QUESTION_SHORT = 64,
	/* A name of 255 octets, type and class (RFC 1035 section 4.1.2), rounded up. */
	DNS_QUESTION_MAX = 260,
	/* Ports that can be watched at once. */
	DNS_PORTS_MAX = 8,
	/* Buckets of slots (a power of two), and slots in each. */
	DNS_BUCKETS = 1024,
	DNS_WAYS = 7,
	/* By which tenants (a control group in a network namespace) share what room there is (a power of two). */
	DNS_SHARES = 256,
	/* musl and glibc read at most three nameservers (MAXNS in resolv.h). */
	DNS_SERVERS_MAX = 3,
	/* Sockets by cookie whose queries wait (a power of two). Cookies of a CPU follow each
	 * other, so two sockets of one CPU meet only if that many were opened between them.
	 */
	DNS_WAITING = 16384,
	/* Above the cookie in a word of dns_waiting: how many of its queries wait. */
	DNS_WAITING_SHIFT = 48,
};
#define DNS_ECHO_MAX (DNS_QUESTION_MAX - DNS_ECHO_AT)

/* What wakes the reader of the ring buffer. */
enum dns_sleep {
	DNS_AWAKE = 0,       /* nothing: it looks by itself */
	DNS_SLEEP_BATCH = 1, /* many records */
	DNS_SLEEP_LIGHT = 2, /* the next one */
	DNS_SLEEP_NEW = 3,   /* many, or one of somebody who had none yet */
};

/* Which end of an exchange a socket is. */
enum dns_role {
	DNS_ROLE_CLIENT = 1,
	DNS_ROLE_SERVER = 2,
};

/* Which call failed. */
enum dns_call_kind {
	DNS_CALL_CONNECT = 1,
	DNS_CALL_SEND = 2,
};

/* What a record in the ring buffer says. */
enum dns_kind {
	DNS_ANSWERED = 1,        /* attempts and the answer to one of them */
	DNS_RESENT = 2,          /* attempts that were resent before an answer came */
	DNS_STRAY = 3,           /* an answer to nothing in flight: late, or not ours */
	DNS_SOCKET_ERROR = 4,    /* a socket that asks DNS got an error (ICMP, RST) */
	DNS_CONNECT_REFUSED = 5, /* a TCP connection for a query was refused */
	DNS_CALL_FAILED = 6,     /* connect() or send() failed, so there was no query */
	DNS_READ_LATE = 7,       /* an answer had lain in its client's socket */
	DNS_CLOSED = 8,          /* a client's socket was closed while its queries waited */
};

/* What conntrack knows of a discarded packet (struct dns_drop). */
enum dns_conntrack {
	DNS_CONNTRACK_UNKNOWN = 0,     /* this kernel does not tell */
	DNS_CONNTRACK_ABSENT = 1,      /* no entry: untracked, or no room in the table */
	DNS_CONNTRACK_UNCONFIRMED = 2, /* an entry that is not yet in the table */
	DNS_CONNTRACK_CONFIRMED = 3,
};

/* Where a discarded packet was: bits of dns_drop.drop_flags. */
enum dns_drop_flag {
	DNS_DROP_SENT = 1,     /* still in its sender's stack, whose socket is told */
	DNS_DROP_RECEIVED = 2, /* the socket told is the one that it was for */
	DNS_DROP_NO_L2_HEADER = 4, /* without a link header: not yet, or no longer */
	DNS_DROP_AGAIN = 8,    /* TCP sends this segment again, in a timer's context */
	DNS_DROP_ARMED = 16,   /* queries count */
	DNS_DROP_REPLY = 32,   /* conntrack: against the direction of its first packet */
	DNS_DROP_TO_DNS = 64,  /* its destination is a DNS port */
};

/* Indices of dns_counters. */
enum dns_counter {
	DNS_COUNT_QUERIES = 0,       /* attempts seen, both roles */
	DNS_COUNT_INFLIGHT_FULL = 1, /* attempts lost: dns_inflight had no room */
	DNS_COUNT_RING_FULL = 2,     /* attempts lost: dns_events had no room */
	DNS_COUNT_NOTICE_LOST = 3,   /* strays, errors, drops, slow reads and closed sockets lost:
				      * no room in dns_events, or a drop's message in page
				      * fragments */
	DNS_COUNT_UNPARSED = 4,      /* messages on a DNS port that are not DNS */
	DNS_COUNT_CONTRADICTORY = 5, /* QR bit against the ports: queries from the asked
				      * end, answers from the asking one; not counted */
	DNS_COUNT_TCP_UNTRACKED = 6, /* TCP segments unread: dns_connections had no room, or
				      * data in the handshake */
	DNS_COUNT_TCP_GAP = 7,       /* TCP bytes were missing; messages may be unseen */
	DNS_COUNT_TCP_SPLIT = 8,     /* a DNS header cut in two by a segment; unseen */
	DNS_COUNT_TCP_CROWDED = 9,   /* a segment with more messages than are read */
	DNS_COUNT_IGNORED = 10,      /* answers with another question than the query's, or
				      * from an address that was not asked */
	DNS_COUNT_CHAINED = 11,      /* IPv6 packets with more extension headers than are read;
				      * they may be DNS */
	DNS_COUNT_CLOSE_UNSEEN = 12, /* sockets whose queries waited, and another's took their
				      * place in dns_waiting: their closing goes unseen */
	DNS_COUNT_MAX = 13,
};

/* One query message: a socket, a direction, an id. The server's address is no
 * part of a client's key, because NAT lets the answer come from another address
 * than the packet went to; a server tells its clients apart by the peer.
 */
struct dns_key {
	__u64 cookie;
	__u8 peer_ip[16]; /* server role only, else zero */
	__u16 peer_port;  /* server role only, else zero */
	__u16 local_port;
	__u16 id;
	__u8 role;
	__u8 transport; /* IPPROTO_UDP or IPPROTO_TCP */
};

/* Whose a query is; taken in process context, when sending. */
struct dns_owner {
	__u64 cgroup_id;
	__u32 tgid; /* 0: not known */
	__u32 netns;
	__u8 comm[16];
};

/* One server that was asked, and from which address: a socket that is not
 * connected may use another one for each. All addresses are IPv6, an IPv4 one is
 * IPv4-mapped (RFC 4291 section 2.5.5.2).
 */
struct dns_send {
	__u64 at_ns;
	__u8 local_ip[16];
	__u8 peer_ip[16];
	__u16 peer_port;
	__u16 attempt;
	__u32 pad;
};

/* A query in flight, with up to three servers asked at once (musl). */
struct dns_query {
	__u64 first_ns;
	struct dns_owner owner;
	struct dns_send sends[DNS_SERVERS_MAX];
	__u16 message_bytes;
	__u16 question_len; /* bytes of question[] that are filled */
	__u8 nsends;
	__u8 ready; /* 0 while the entry is being filled: not to be swept */
	__u16 asked_len; /* octets of question[] that are name, type and class, or 0 */
	__u8 question[DNS_QUESTION_MAX]; /* the message from its 13th octet on */
	__u32 queued_bytes; /* sk_rmem_alloc when it came; client role: when the answer did,
			     * if it was half of the receive buffer or more */
	__u32 other_question; /* answers that came, but not to this question */
	__u32 other_source;   /* and those from an address that was not asked */
	__u16 bucket; /* whose `spilled` counts it; UDP only */
	__u16 share;  /* of dns_shares */
	__u32 tid;    /* of a client: the thread that sent it */
};

/* How many entries of a map there are, and of each tenant. */
struct dns_share_table {
	__u64 total;
	__u64 of[DNS_SHARES];
};

/* State of a slot, the two lowest bits of its word. */
enum dns_slot_state {
	DNS_SLOT_FREE = 0,
	DNS_SLOT_FILLING = 1,
	DNS_SLOT_READY = 2,
	DNS_SLOT_TAKEN = 3,
	DNS_SLOT_STATE = 3, /* the mask */
};
/* Above them a version, the slot's own way in its bucket (1 to 7, set once), and
 * the tag of its key's hash.
 */
enum dns_slot_word {
	DNS_SLOT_VERSION = 4,
	DNS_SLOT_VERSIONS = 0xfc,
	DNS_SLOT_WAY_SHIFT = 8,
	DNS_SLOT_WAY = 0x700,
};
#define DNS_SLOT_TAG (~0x7ffULL)

/* A cache line. */
struct dns_bucket {
	__u64 spilled; /* queries of this bucket that are in dns_inflight */
	__u64 words[DNS_WAYS];
};

/* What the ring buffer carries: one of two sizes, by the length of the question
 * and the number of servers. Times are CLOCK_MONOTONIC nanoseconds.
 */
struct dns_record {
	__u64 end_ns;
	__u64 first_ns; /* first send with this key */
	__u64 cookie;
	struct dns_owner owner;
	struct dns_send send; /* the one that was answered, or the first */
	__u16 local_port;
	__u16 id;
	__u16 query_bytes;
	__u16 answer_bytes;
	__u16 flags; /* of the answer's header, host order */
	__u16 answers;
	__u16 question_len;
	__u8 kind; /* enum dns_kind */
	__u8 role;
	__u8 transport;
	__u8 echoed;   /* the question is the answer's echo, with what follows it */
	__u8 echo_len; /* octets of the answer behind its header, at DNS_ECHO_AT */
	__u8 call;     /* of DNS_CALL_FAILED: DNS_CALL_CONNECT or DNS_CALL_SEND */
	__s32 error;   /* errno of an error or a failed call, 0 if not known */
	__u32 queued_bytes;   /* of dns_query, as the two that follow */
	__u32 other_question;
	__u32 other_source;
	__u32 tid; /* of a client: the thread that sent it, 0 if not known */
};

struct dns_short_record {
	struct dns_record record;
	__u8 question[DNS_QUESTION_SHORT];
};

/* A plain query in flight: how it is told when it is sent again. */
struct dns_slot {
	struct dns_record record;
	__u8 question[DNS_QUESTION_SHORT];
	__u16 asked_len; /* as in dns_query */
	__u16 pad[3];
};

struct dns_full_record {
	struct dns_record record;
	__u8 question[DNS_QUESTION_MAX];
	__u8 nsends;
	__u8 answered; /* index of the send that was answered */
	__u16 pad;
	struct dns_send sends[DNS_SERVERS_MAX];
};

/* A packet with a DNS port that the kernel discarded. What its socket and conntrack
 * add is zero where they are not known. Told from records by its size.
 */
struct dns_drop {
	__u64 at_ns;
	__u64 location; /* address of the code that discarded it */
	__u64 cookie;   /* of its socket; 0 also if nobody has asked for it yet */
	struct dns_owner owner; /* the sender, if it was just sending; netns always */
	__u8 source_ip[16];
	__u8 destination_ip[16];
	__u8 socket_peer_ip[16]; /* of a connected socket */
	__u8 asking_ip[16];      /* conntrack: the first packet's source */
	__u8 asked_ip[16];       /* and its destination, before any translation */
	__u8 reply_ip[16];       /* conntrack: where the answers come from */
	__u16 source_port;
	__u16 destination_port;
	__u16 socket_port;
	__u16 socket_peer_port;
	__u16 asking_port;
	__u16 asked_port;
	__u32 reason; /* enum skb_drop_reason of the running kernel */
	__u16 id;     /* UDP only, with all that follows of the message */
	__u16 flags;
	__u16 answers;
	__u16 message_bytes;
	__u16 question_len; /* octets of question[] that are filled */
	__u8 transport;
	__u8 tcp_flags;
	__u8 conntrack; /* enum dns_conntrack */
	__u8 drop_flags; /* enum dns_drop_flag */
	__u8 pad[2];
	__u8 question[DNS_QUESTION_SHORT];
	__u32 tid; /* of the owner, if it was just sending */
	__u32 pad_to_8;
};

/* A packet with a DNS port, and the message in it that is being looked at. */
struct dns_packet {
	__u64 now;
	__u8 local_ip[16];
	__u8 peer_ip[16];
	__u16 local_port;
	__u16 peer_port;
	__u32 payload; /* offset of the transport payload from the IP header */
	__u32 payload_len;
	__u32 seq;
	__u32 message; /* offset of the DNS header */
	__u16 message_len; /* as the transport says */
	__u16 available; /* of it in this packet */
	__u16 id;
	__u16 flags;
	__u16 answers;
	__u8 only_additional; /* a question and additional records, nothing else */
	__u8 tcp_flags;
	__u8 is_ipv4;
	__u8 transport;
	__u8 egress;
	__u8 peer_is_dns;  /* the peer's port is a DNS port */
	__u8 local_is_dns; /* the socket's own */
	__u8 questions;    /* 0 or 1 */
	__u8 is_raw;       /* the socket is raw, and gets copies of what is for others */
	__u8 pad;
	__u32 ack;         /* TCP */
};

/* Where one direction of a TCP connection stands between two messages. */
struct dns_stream {
	__u32 next_seq;
	__u32 skip;   /* bytes of the current message still to pass over */
	__u16 prefix; /* the length prefix, or its first octet */
	__u8 have;    /* octets of the prefix seen: 0, 1 or 2 */
	__u8 synced;
	__u32 at;   /* offset in the payload of the segment that is just read */
	__u32 junk; /* 1: not DNS, no more looked at */
	__u32 pad;
	struct dns_packet packet; /* the message that is just read */
};

/* A TCP connection that has a DNS port at one end. */
struct dns_connection {
	__u64 connect_ns; /* SYN sent and not yet accepted; else 0 */
	__u64 last_ns;
	struct dns_owner owner;
	__u8 local_ip[16];
	__u8 peer_ip[16];
	__u16 local_port;
	__u16 peer_port;
	__u8 fins;    /* bit 0: ours, bit 1: the peer's */
	__u8 gave_up; /* reported as never accepted: the SYN is only sent again */
	__u16 share;  /* of dns_connection_shares */
	__u32 tid;    /* of the owner */
	__u32 pad;
	struct dns_stream streams[2]; /* by direction: ingress, egress */
};

/* The oldest answer that its client has not read, in the socket's slot. */
struct dns_unread_answer {
	__u64 cookie; /* 0: none, or the slot is just being filled */
	__u64 at_ns;
	__u16 id;
	__u16 pad[3];
};

/* The last connect() or unconnected send to a DNS port, in its socket's slot. */
struct dns_call {
	__u64 cookie; /* 0: none, or the slot is just being filled */
	__u64 at_ns;
	struct dns_owner owner; /* of a connect() only; who sends is known when it fails */
	__u8 peer_ip[16];
	__u16 peer_port;
	__u8 transport;
	__u8 call;    /* DNS_CALL_CONNECT, DNS_CALL_SEND, or denied */
	__u32 txhash; /* the socket's sk_txhash when it was called */
	__u32 tid;    /* of the owner */
	__u32 pad;
};

/* Where a translated query really went, so that the server there is known by it. */
struct dns_endpoint {
	__u8 ip[16];
	__u16 port;
	__u8 transport;
	__u8 pad;
};

/* Read-only once loaded. */
struct dns_config {
	__u16 ports[DNS_PORTS_MAX];
	__u32 nports;
	__u32 denials; /* 1: bpf_get_retval is there */
	__u32 reasons; /* 1: kfree_skb says why */
	__u32 types;   /* 1: bpf_cast_to_kern_ctx is there, and fields can be read as such */
	__u32 reads;   /* 1: sock_recv_length is there, so answers are noted until they are read */
	__u32 no_routes; /* IPSTATS_MIB_OUTNOROUTES of this kernel */
};

_Static_assert(sizeof(struct dns_key) == 32, "dns_key");
_Static_assert(sizeof(struct dns_owner) == 32, "dns_owner");
_Static_assert(sizeof(struct dns_send) == 48, "dns_send");
_Static_assert(sizeof(struct dns_query) == 472, "dns_query");
_Static_assert(sizeof(struct dns_record) == 144, "dns_record");
_Static_assert(sizeof(struct dns_short_record) == 208, "dns_short_record");
_Static_assert(sizeof(struct dns_full_record) == 552, "dns_full_record");
_Static_assert(sizeof(struct dns_slot) == 216, "dns_slot");
_Static_assert(sizeof(struct dns_share_table) == 2056, "dns_share_table");
_Static_assert(sizeof(struct dns_bucket) == 64, "dns_bucket");
_Static_assert(sizeof(struct dns_drop) == 256, "dns_drop");
_Static_assert(sizeof(struct dns_packet) == 88, "dns_packet");
_Static_assert(sizeof(struct dns_stream) == 112, "dns_stream");
_Static_assert(sizeof(struct dns_connection) == 320, "dns_connection");
_Static_assert(sizeof(struct dns_unread_answer) == 24, "dns_unread_answer");
_Static_assert(sizeof(struct dns_call) == 80, "dns_call");
_Static_assert(sizeof(struct dns_config) == 40, "dns_config");
_Static_assert(__builtin_offsetof(struct dns_query, question) == 192, "question");
_Static_assert(__builtin_offsetof(struct dns_record, owner) == 24, "owner");
_Static_assert(__builtin_offsetof(struct dns_record, kind) == 118, "kind");
_Static_assert(__builtin_offsetof(struct dns_full_record, sends) == 408, "sends");

#endif
