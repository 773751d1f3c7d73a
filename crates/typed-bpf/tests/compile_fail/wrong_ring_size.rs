//! A ring buffer has a power of two of octets.

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
    const RECORDS: RingBuffer<Owner> = RingBuffer::new("records", 5000);
    m.tp_btf::<TcpProbe>(|b, _| RECORDS.emit(b, |_, _| {}));
    let _ = (m.generate(), COUNTS.name());
}
