//! What the other files get wrong, right.

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

kernel_struct! {
    /// include/linux/tcp.h
    pub struct TcpSock("tcp_sock") { srtt_us: u32 }
}

arguments! {
    /// include/trace/events/tcp.h
    pub struct TcpProbe("tcp_probe") { sk: Ptr<Sock> }
}

const COUNTS: Hash<Owner, u64> = Hash::new("counts", 16);

fn main() {
    let mut m = Module::new("right", "");
    m.tp_btf::<TcpProbe>(|b, it| {
        let sk = it.get(TcpProbe::sk);
        let owner = b.new_struct::<Owner>("owner");
        let group = b.current_cgroup_id();
        owner.set(Owner::cgroup_id, &group);
        b.if_tcp::<Sock, TcpSock>(&sk, |b, tcp| {
            let eighths = b.read(&tcp, TcpSock::srtt_us);
            COUNTS.entry(b, &owner, |_, it| it.add_value(eighths.to::<u64>()));
        });
    });
    m.kprobe::<TcpProbe>(|b, _| {
        let _ = b.func_ip();
    });
    assert!(m.generate().is_ok());
}
