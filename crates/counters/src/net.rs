//! `net`: connections over TCP, and packets that were lost, by process where it is known.

use typed_bpf::Block;
use typed_bpf::Comm;
use typed_bpf::Field;
use typed_bpf::Hash;
use typed_bpf::Local;
use typed_bpf::Module;
use typed_bpf::Ptr;
use typed_bpf::TpBtf;
use typed_bpf::Val;
use typed_bpf::bpf_struct;

use crate::figure::LOG2_SLOTS;
use crate::kernel::In6Addr;
use crate::kernel::In6U;
use crate::kernel::InetSockSetState;
use crate::kernel::KfreeSkb;
use crate::kernel::NetNamespace;
use crate::kernel::NsCommon;
use crate::kernel::PossibleNet;
use crate::kernel::SkBuff;
use crate::kernel::Sock;
use crate::kernel::SockCommon;
use crate::kernel::TcpProbe;
use crate::kernel::TcpReceiveReset;
use crate::kernel::TcpRetransmitSkb;
use crate::kernel::TcpSendReset;
use crate::kernel::TcpSock;
use crate::kernel::UdpFailQueueRcvSkb;
use crate::owner;
use crate::owner::OWNERS_MAX;
use crate::owner::Owner;

/// include/net/tcp_states.h
const TCP_ESTABLISHED: i32 = 1;
const TCP_SYN_SENT: i32 = 2;
const TCP_SYN_RECV: i32 = 3;
const TCP_CLOSE: i32 = 7;

/// include/linux/socket.h
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// Port 53 as the kernel keeps it: in network byte order.
const DNS_PORT: u16 = 53u16.to_be();

bpf_struct! {
    /// Figures of one process, or of a control group.
    pub struct Net {
        /// The process' name, where it is known.
        pub comm: Comm,
        /// Connections that it made.
        pub tcp_connects: u64,
        /// Connections that it accepted.
        pub tcp_accepts: u64,
        /// Connections that it tried to make.
        pub tcp_failed_connects: u64,
        /// Octets that it sent over connections that have ended, each once.
        pub tcp_sent_bytes: u64,
        /// Octets that it got over connections that have ended.
        pub tcp_received_bytes: u64,
        /// Segments that were sent again.
        pub tcp_retransmits: u64,
        /// Of these, those to port 53.
        pub dns_retransmits: u64,
        /// Resets that this end sent.
        pub tcp_resets_sent: u64,
        /// Resets that came from the other end.
        pub tcp_resets_received: u64,
        /// Datagrams that did not fit into a socket's receive buffer.
        pub udp_buffer_drops: u64,
        /// Smoothed round-trip time whenever a segment came.
        pub tcp_round_trip: [u64; LOG2_SLOTS],
    }
}

bpf_struct! {
    /// Why the kernel discarded packets of a socket.
    pub struct Drop {
        /// Whose socket.
        pub owner: Owner,
        /// `enum skb_drop_reason` of the running kernel.
        pub reason: u32,
        /// Always 0.
        pub pad: u32,
    }
}

bpf_struct! {
    /// A connection to port 53 on which segments were sent again, as its client has it.
    pub struct Connection {
        /// The server's address, if it is one of IPv6.
        pub v6: [u8; 16],
        /// The same of IPv4, in network byte order.
        pub v4: u32,
        /// Inode number of the client's network namespace.
        pub netns: u32,
        /// The client's port.
        pub port: u32,
    }
}

bpf_struct! {
    /// What was sent again on one.
    pub struct Resent {
        /// Segments.
        pub segments: u64,
        /// Of these, those that were to open it.
        pub openings: u64,
        /// When the first was sent again, on the monotonic clock.
        pub first_ns: u64,
        /// When the last was.
        pub last_ns: u64,
    }
}

/// By process or control group.
pub const NET: Hash<Owner, Net> = Hash::new("net", OWNERS_MAX);
/// How many packets were discarded why.
pub const DROPS: Hash<Drop, u64> = Hash::new("drops", OWNERS_MAX);
/// Who made a connection, by the address of its socket: what happens to it later happens
/// in the context of anybody.
pub const SOCKETS: Hash<u64, Owner> = Hash::new("sockets", 8192);

/// Of connections to port 53.
pub const RESENT: Hash<Connection, Resent> = Hash::new("resent", 4096);

type Packet<'s> = Block<'s, TpBtf>;
type SockPtr<'s> = Val<'s, Ptr<Sock>>;

/// The process that made the connection, else the socket's control group.
fn owner_of<'s>(b: &mut Packet<'s>, sk: &SockPtr<'_>) -> Local<'s, Owner> {
    let owner = owner::of_socket(b, sk);
    SOCKETS.with(b, &sk.address(), |_, it| {
        owner.set(Owner::cgroup_id, it.get(Owner::cgroup_id));
        owner.set(Owner::tgid, it.get(Owner::tgid));
    });
    owner
}

fn count(b: &mut Packet<'_>, sk: &SockPtr<'_>, field: Field<Net, u64>) {
    let owner = owner_of(b, sk);
    NET.entry(b, &owner, |_, it| it.add(field, 1));
}

/// What a connection carried, when it ends.
fn count_bytes(b: &mut Packet<'_>, sk: &SockPtr<'_>, owner: &Local<'_, Owner>) {
    b.if_tcp::<Sock, TcpSock>(sk, |b, tcp| {
        let sent = b.read(&tcp, TcpSock::bytes_sent);
        let again = b.read(&tcp, TcpSock::bytes_retrans);
        // The end of the other end's octets counts as one of them; SOCK_DONE, bit 1
        // (include/net/sock.h), says that it came.
        let flags = b.read(sk, Sock::__sk_common.within(SockCommon::skc_flags));
        let end = flags.shifted_right(1).and_bits(1);
        let received = b.read(&tcp, TcpSock::bytes_received).minus(end);
        NET.entry(b, owner, |_, it| {
            it.add(Net::tcp_sent_bytes, sent.minus(&again));
            it.add(Net::tcp_received_bytes, &received);
        });
    });
}

fn states(m: &mut Module) {
    m.tp_btf::<InetSockSetState>(|b, it| {
        let sk = it.get(InetSockSetState::sk);
        let old = it.get(InetSockSetState::oldstate);
        let new = it.get(InetSockSetState::newstate);
        // In connect(): the only moment when it is known who makes the connection.
        b.when(new.is(TCP_SYN_SENT), |b| {
            let owner = owner::current(b);
            SOCKETS.put(b, &sk.address(), &owner);
            NET.entry(b, &owner, |_, it| it.set_current_comm(Net::comm));
        });
        b.when(new.is(TCP_ESTABLISHED).and(&old.is(TCP_SYN_SENT)), |b| {
            count(b, &sk, Net::tcp_connects);
        });
        b.when(new.is(TCP_ESTABLISHED).and(&old.is(TCP_SYN_RECV)), |b| {
            count(b, &sk, Net::tcp_accepts);
        });
        b.when(new.is(TCP_CLOSE), |b| {
            let owner = owner_of(b, &sk);
            b.when(old.is(TCP_SYN_SENT), |b| {
                NET.entry(b, &owner, |_, it| it.add(Net::tcp_failed_connects, 1));
            });
            count_bytes(b, &sk, &owner);
            SOCKETS.delete(b, &sk.address());
        });
    })
    .gives(&["tcp_connects", "tcp_accepts", "tcp_failed_connects"])
    .gives(&["tcp_sent_bytes", "tcp_received_bytes"]);
}

fn connection<'s>(b: &mut Packet<'s>, sk: &SockPtr<'_>) -> Local<'s, Connection> {
    let common = Sock::__sk_common;
    let it = b.new_struct::<Connection>("connection");
    let net = common
        .within(SockCommon::skc_net)
        .within(PossibleNet::net)
        .to(NetNamespace::ns);
    let netns = b.read(sk, net.within(NsCommon::inum));
    let port = b.read(sk, common.within(SockCommon::skc_num)).to::<u32>();
    it.set(Connection::netns, netns).set(Connection::port, port);
    let family = b.read(sk, common.within(SockCommon::skc_family));
    let has_v6 = b.has_field(SockCommon::skc_v6_daddr);
    b.when(family.is(AF_INET), |b| {
        let v4 = b.read(sk, common.within(SockCommon::skc_daddr));
        it.set(Connection::v4, v4);
    });
    b.when(has_v6, |b| {
        b.when(family.is(AF_INET6), |b| {
            let v6 = common
                .within(SockCommon::skc_v6_daddr)
                .within(In6Addr::in6_u);
            b.copy_to(sk, v6.within(In6U::u6_addr8), &it, Connection::v6);
        });
    });
    it
}

fn segments(m: &mut Module) {
    m.tp_btf::<TcpRetransmitSkb>(|b, it| {
        let sk = it.get(TcpRetransmitSkb::sk);
        let port = b.read(&sk, Sock::__sk_common.within(SockCommon::skc_dport));
        let owner = owner_of(b, &sk);
        NET.entry(b, &owner, |b, it| {
            it.add(Net::tcp_retransmits, 1);
            b.when(port.is(DNS_PORT), |_| it.add(Net::dns_retransmits, 1));
        });
        b.when(port.is(DNS_PORT), |b| {
            let now = b.now_ns();
            let state = b.read(&sk, Sock::__sk_common.within(SockCommon::skc_state));
            let connection = connection(b, &sk);
            RESENT.entry_or(
                b,
                &connection,
                |_, it| it.set(Resent::first_ns, &now),
                |b, it| {
                    it.add(Resent::segments, 1);
                    it.set(Resent::last_ns, &now);
                    b.when(state.to::<i32>().is(TCP_SYN_SENT), |_| {
                        it.add(Resent::openings, 1);
                    });
                },
            );
        });
    })
    .gives(&["tcp_retransmits", "dns_retransmits"]);
    m.tp_btf::<TcpSendReset>(|b, it| {
        let sk = it.get(TcpSendReset::sk);
        b.leave_when(sk.is_null());
        count(b, &sk, Net::tcp_resets_sent);
    })
    .gives(&["tcp_resets_sent"]);
    m.tp_btf::<TcpReceiveReset>(|b, it| {
        count(b, &it.get(TcpReceiveReset::sk), Net::tcp_resets_received);
    })
    .gives(&["tcp_resets_received"]);
    m.tp_btf::<TcpProbe>(|b, it| {
        let sk = it.get(TcpProbe::sk);
        let owner = owner_of(b, &sk);
        b.if_tcp::<Sock, TcpSock>(&sk, |b, tcp| {
            // Eight times the microseconds (tcp_rtt_estimator(), net/ipv4/tcp_input.c).
            let eighths = b.read(&tcp, TcpSock::srtt_us).to::<u64>();
            NET.entry(b, &owner, |_, it| {
                it.count_log2(Net::tcp_round_trip, &eighths.times(125));
            });
        });
    })
    .gives(&["tcp_round_trip"]);
}

fn discarded(m: &mut Module) {
    m.tp_btf::<UdpFailQueueRcvSkb>(|b, it| {
        count(b, &it.get(UdpFailQueueRcvSkb::sk), Net::udp_buffer_drops);
    })
    .gives(&["udp_buffer_drops"]);
    m.tp_btf::<KfreeSkb>(|b, it| {
        let skb = it.get(KfreeSkb::skb);
        let reason = it.get(KfreeSkb::reason);
        let sk = b.read(&skb, SkBuff::sk);
        let drop = b.new_struct::<Drop>("drop");
        drop.set(Drop::reason, &reason);
        // Many have none, or none any more: then it is not known whose they were.
        b.when(sk.is_null().not(), |b| {
            let owner = owner_of(b, &sk);
            drop.set_struct(Drop::owner, &owner);
        });
        DROPS.entry(b, &drop, |_, it| it.add_value(1));
    })
    .gives(&["drops"])
    .needs_type(
        "skb_drop_reason",
        "it does not say why it discards a packet (Linux 5.17)",
    );
}

/// The programs.
pub fn module() -> Module {
    let mut m = Module::new(
        "net",
        "Connections over TCP, and packets that were lost, by process where it is known.",
    );
    states(&mut m);
    segments(&mut m);
    discarded(&mut m);
    m
}
