//! A field of the kernel's is copied into one that is longer than it.

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
    m.tp_btf::<TcpProbe>(|b, it| {
        let sk = it.get(TcpProbe::sk);
        let owner = b.new_struct::<Owner>("owner");
        b.copy_to(&sk, Sock::sk_rcvbuf, &owner, Owner::cgroup_id);
    });
    let _ = (m.generate(), COUNTS.name());
}
