// SPDX-License-Identifier: (GPL-2.0-only OR BSD-2-Clause)
/*
 * What kerno is compared with: two programs with nothing in them, which cost what
 * the hooks do, and the design that comes to mind first, which watches the system
 * calls that send and receive.
 */
#include "vmlinux.h"
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

char LICENSE[] SEC("license") = "Dual BSD/GPL";

SEC("cgroup_skb/egress")
int empty_egress(struct __sk_buff *skb)
{
	(void)skb;
	return 1;
}

SEC("cgroup_skb/ingress")
int empty_ingress(struct __sk_buff *skb)
{
	(void)skb;
	return 1;
}

#define HEADER_LEN 12
#define MESSAGE_LEN 76 /* the header and 64 octets of the question */
#define QR 0x80        /* of the third octet (RFC 1035 section 4.1.1) */

/* The context of a tracepoint of a system call (its format file in tracefs). */
struct enter {
	__u64 common;
	__u64 nr;
	__u64 args[6];
};

struct leave {
	__u64 common;
	__u64 nr;
	__s64 ret;
};

/* As in user space: sys/socket.h, sys/uio.h. */
struct user_iovec {
	__u64 base;
	__u64 len;
};

struct user_message {
	__u64 name;
	__u64 name_len;
	__u64 vectors;
};

struct query {
	__u64 sent_ns;
	__u8 message[MESSAGE_LEN];
};

/* A record for user space. */
struct ended {
	__u64 ended_ns;
	__u64 process;
	struct query query;
};

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64); /* process and id */
	__type(value, struct query);
} queries SEC(".maps");

/* Where a thread that waits for a message wants it. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 8192);
	__type(key, __u64);
	__type(value, __u64);
} buffers SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 2 * 1024 * 1024);
} records SEC(".maps");

/* A message on its way out or in: a query waits for its answer, by process and id. */
static __always_inline void see(__u64 address)
{
	__u64 process = bpf_get_current_pid_tgid() >> 32;
	struct query query = {};
	struct query *asked;
	struct ended *record;
	__u64 key;

	if (bpf_probe_read_user(query.message, MESSAGE_LEN, (void *)address) &&
	    bpf_probe_read_user(query.message, HEADER_LEN, (void *)address))
		return;
	/* One question, or it is no DNS. */
	if (query.message[4] || query.message[5] != 1)
		return;
	key = process << 16 | query.message[0] << 8 | query.message[1];
	if (!(query.message[2] & QR)) {
		query.sent_ns = bpf_ktime_get_ns();
		bpf_map_update_elem(&queries, &key, &query, BPF_ANY);
		return;
	}
	asked = bpf_map_lookup_elem(&queries, &key);
	if (!asked)
		return;
	record = bpf_ringbuf_reserve(&records, sizeof(*record), 0);
	if (record) {
		record->ended_ns = bpf_ktime_get_ns();
		record->process = process;
		__builtin_memcpy(&record->query, asked, sizeof(*asked));
		bpf_ringbuf_submit(record, 0);
	}
	bpf_map_delete_elem(&queries, &key);
}

/* The first buffer of a struct msghdr. */
static __always_inline __u64 first_buffer(__u64 address)
{
	struct user_message message = {};
	struct user_iovec vector = {};

	bpf_probe_read_user(&message, sizeof(message), (void *)address);
	bpf_probe_read_user(&vector, sizeof(vector), (void *)message.vectors);
	return vector.base;
}

static __always_inline void await(__u64 buffer)
{
	__u64 thread = bpf_get_current_pid_tgid();

	bpf_map_update_elem(&buffers, &thread, &buffer, BPF_ANY);
}

static __always_inline void received(__s64 len)
{
	__u64 thread = bpf_get_current_pid_tgid();
	__u64 *buffer = bpf_map_lookup_elem(&buffers, &thread);

	if (buffer && len >= HEADER_LEN)
		see(*buffer);
	bpf_map_delete_elem(&buffers, &thread);
}

SEC("tracepoint/syscalls/sys_enter_sendto")
int obvious_sendto(struct enter *call)
{
	see(call->args[1]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_sendmsg")
int obvious_sendmsg(struct enter *call)
{
	see(first_buffer(call->args[1]));
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_recvfrom")
int obvious_recvfrom(struct enter *call)
{
	await(call->args[1]);
	return 0;
}

SEC("tracepoint/syscalls/sys_enter_recvmsg")
int obvious_recvmsg(struct enter *call)
{
	await(first_buffer(call->args[1]));
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_recvfrom")
int obvious_recvfrom_end(struct leave *call)
{
	received(call->ret);
	return 0;
}

SEC("tracepoint/syscalls/sys_exit_recvmsg")
int obvious_recvmsg_end(struct leave *call)
{
	received(call->ret);
	return 0;
}
