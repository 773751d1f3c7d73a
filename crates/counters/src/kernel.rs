//! What the programs read of the kernel's structs, and the tracepoints that they hang on.

use typed_bpf::Ptr;
use typed_bpf::arguments;
use typed_bpf::kernel_struct;
use typed_bpf::tracepoint_fields;

kernel_struct! {
    /// include/linux/sched.h
    pub struct TaskStruct("task_struct") {
        // Since Linux 5.14; `state` before.
        __state: u32,
        state: i64,
        pid: i32,
        tgid: i32,
        group_leader: Ptr<TaskStruct>,
        comm: [u8; 16],
        cgroups: Ptr<CssSet>,
    }
}

kernel_struct! {
    /// include/linux/cgroup-defs.h
    pub struct CssSet("css_set") {
        dfl_cgrp: Ptr<Cgroup>,
    }
}

kernel_struct! {
    /// include/linux/cgroup-defs.h
    pub struct Cgroup("cgroup") {
        kn: Ptr<KernfsNode>,
    }
}

kernel_struct! {
    /// include/linux/kernfs.h
    pub struct KernfsNode("kernfs_node") {
        id: u64,
    }
}

kernel_struct! {
    /// include/net/sock.h
    pub struct SockCommon("sock_common") {
        skc_family: u16,
        skc_state: u8,
        skc_num: u16,
        skc_dport: u16,
        skc_daddr: u32,
        // Where the kernel was built with IPv6.
        skc_v6_daddr: In6Addr,
        skc_net: PossibleNet,
        skc_flags: u64,
    }
}

kernel_struct! {
    /// include/uapi/linux/in6.h
    pub struct In6Addr("in6_addr") {
        in6_u: In6U,
    }
}

kernel_struct! {
    /// include/uapi/linux/in6.h: a union without a name there.
    pub struct In6U("in6_u") {
        u6_addr8: [u8; 16],
    }
}

kernel_struct! {
    /// include/net/net_namespace.h: `possible_net_t`.
    pub struct PossibleNet("possible_net") {
        net: Ptr<NetNamespace>,
    }
}

kernel_struct! {
    /// include/net/net_namespace.h: `struct net`; what follows three underscores is no part of
    /// the name for libbpf, and tells it from a struct of ours.
    pub struct NetNamespace("net___kernel") {
        ns: NsCommon,
    }
}

kernel_struct! {
    /// include/linux/ns_common.h
    pub struct NsCommon("ns_common") {
        inum: u32,
    }
}

kernel_struct! {
    /// include/net/sock.h
    pub struct Sock("sock") {
        __sk_common: SockCommon,
        sk_cgrp_data: SockCgroupData,
    }
}

kernel_struct! {
    /// include/linux/cgroup-defs.h; `val` before Linux 5.15, with flags in its lowest bits.
    pub struct SockCgroupData("sock_cgroup_data") {
        cgroup: Ptr<Cgroup>,
        val: u64,
    }
}

kernel_struct! {
    /// include/linux/tcp.h
    pub struct TcpSock("tcp_sock") {
        bytes_sent: u64,
        bytes_retrans: u64,
        bytes_received: u64,
        srtt_us: u32,
    }
}

kernel_struct! {
    /// include/linux/skbuff.h
    pub struct SkBuff("sk_buff") {
        sk: Ptr<Sock>,
    }
}

arguments! {
    /// include/trace/events/sched.h
    pub struct SchedWakeup("sched_wakeup") { p: Ptr<TaskStruct> }
}

arguments! {
    /// include/trace/events/sched.h
    pub struct SchedWakeupNew("sched_wakeup_new") { p: Ptr<TaskStruct> }
}

arguments! {
    /// include/trace/events/sched.h
    pub struct SchedSwitch("sched_switch") {
        preempt: u8,
        prev: Ptr<TaskStruct>,
        next: Ptr<TaskStruct>,
    }
}

arguments! {
    /// include/trace/events/sched.h: in the new process' parent.
    pub struct SchedProcessFork("sched_process_fork") {
        parent: Ptr<TaskStruct>,
        child: Ptr<TaskStruct>,
    }
}

arguments! {
    /// include/trace/events/sched.h: in the process that has become another program.
    pub struct SchedProcessExec("sched_process_exec") { p: Ptr<TaskStruct> }
}

arguments! {
    /// include/trace/events/sched.h: in the thread that ends.
    pub struct SchedProcessExit("sched_process_exit") { p: Ptr<TaskStruct> }
}

arguments! {
    /// include/trace/events/sock.h
    pub struct InetSockSetState("inet_sock_set_state") {
        sk: Ptr<Sock>,
        oldstate: i32,
        newstate: i32,
    }
}

arguments! {
    /// include/trace/events/tcp.h
    pub struct TcpRetransmitSkb("tcp_retransmit_skb") { sk: Ptr<Sock> }
}

arguments! {
    /// include/trace/events/tcp.h: without a socket where nobody listens.
    pub struct TcpSendReset("tcp_send_reset") { sk: Ptr<Sock> }
}

arguments! {
    /// include/trace/events/tcp.h
    pub struct TcpReceiveReset("tcp_receive_reset") { sk: Ptr<Sock> }
}

arguments! {
    /// include/trace/events/tcp.h: each segment that a connection receives.
    pub struct TcpProbe("tcp_probe") { sk: Ptr<Sock> }
}

arguments! {
    /// include/trace/events/udp.h
    pub struct UdpFailQueueRcvSkb("udp_fail_queue_rcv_skb") {
        rc: i32,
        sk: Ptr<Sock>,
    }
}

arguments! {
    /// include/trace/events/skb.h; with the reason since Linux 5.17.
    pub struct KfreeSkb("kfree_skb") {
        skb: Ptr<SkBuff>,
        location: u64,
        reason: u32,
    }
}

arguments! {
    /// include/trace/events/filemap.h
    pub struct MmFilemapAddToPageCache("mm_filemap_add_to_page_cache") {}
}

arguments! {
    /// include/trace/events/filemap.h, since Linux 6.10: pages that a read asks for.
    pub struct MmFilemapGetPages("mm_filemap_get_pages") {
        mapping: u64,
        index: u64,
        last_index: u64,
    }
}

arguments! {
    /// mm/swap.c, since Linux 5.16: a page that was read, or found by a fault.
    pub struct FolioMarkAccessed("folio_mark_accessed") {}
}

arguments! {
    /// mm/swap.c: what it was called before.
    pub struct MarkPageAccessed("mark_page_accessed") {}
}

arguments! {
    /// include/trace/events/writeback.h, since Linux 5.18.
    pub struct WritebackDirtyFolio("writeback_dirty_folio") {}
}

arguments! {
    /// include/trace/events/writeback.h: what it was called before.
    pub struct WritebackDirtyPage("writeback_dirty_page") {}
}

arguments! {
    /// include/trace/events/oom.h: in the task that wanted memory. The victim's thread,
    /// where the fields have its user; its number before.
    pub struct MarkVictim("mark_victim") { victim: u64 }
}

kernel_struct! {
    /// include/trace/events/oom.h
    pub struct MarkVictimFields("trace_event_raw_mark_victim") { uid: u32 }
}

tracepoint_fields! {
    /// include/trace/events/syscalls.h; for each call there is one.
    pub struct SysEnter("syscalls/sys_enter", "trace_event_raw_sys_enter") { id: i64 }
}

tracepoint_fields! {
    /// include/trace/events/syscalls.h; for each call there is one.
    pub struct SysExit("syscalls/sys_exit", "trace_event_raw_sys_exit") { ret: i64 }
}

tracepoint_fields! {
    /// include/trace/events/block.h, before Linux 5.12: in the task that asks.
    pub struct BlockGetRq("block/block_getrq", "trace_event_raw_block_get_rq") {
        dev: u32,
        sector: u64,
    }
}

tracepoint_fields! {
    /// include/trace/events/block.h: in the task that asks.
    pub struct BlockGetrq("block/block_getrq", "trace_event_raw_block_bio") {
        dev: u32,
        sector: u64,
    }
}

tracepoint_fields! {
    /// include/trace/events/block.h
    pub struct BlockRqIssue("block/block_rq_issue", "trace_event_raw_block_rq") {
        dev: u32,
        sector: u64,
        bytes: u32,
    }
}

tracepoint_fields! {
    /// include/trace/events/block.h, since Linux 5.16.
    pub struct BlockRqCompletion("block/block_rq_complete", "trace_event_raw_block_rq_completion") {
        dev: u32,
        sector: u64,
    }
}

tracepoint_fields! {
    /// include/trace/events/block.h: what its class was called before.
    pub struct BlockRqComplete("block/block_rq_complete", "trace_event_raw_block_rq_complete") {
        dev: u32,
        sector: u64,
    }
}
