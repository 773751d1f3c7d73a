//! What was read of an entry, outside the block where it is known to be there.

use typed_bpf::*;

bpf_struct! {
    /// Whose it is.
    pub struct Owner {
        /// Control group.
        pub cgroup_id: u64,
        /// Process.
        pub tgid: u32,
        /// Always 0.
        pub pad: u32,
    }
}

kernel_struct! {
    /// include/net/sock.h
    pub struct Sock("sock") { sk_rcvbuf: i32 }
}

arguments! {
    /// include/trace/events/tcp.h
    pub struct TcpProbe("tcp_probe") { sk: Ptr<Sock> }
}

const COUNTS: Hash<Owner, u64> = Hash::new("counts", 16);

fn main() {
    let mut m = Module::new("wrong", "");
    m.tp_btf::<TcpProbe>(|b, _| {
        let owner = b.new_struct::<Owner>("owner");
        let mut kept = None;
        COUNTS.with(b, &owner, |_, it| kept = Some(it.value()));
        b.leave_when(kept.unwrap().is(1));
    });
    let _ = (m.generate(), COUNTS.name());
}
