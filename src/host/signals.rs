//! Which hooks this kernel gives, and why not where it does not.

use std::borrow::Cow;
use std::time::Duration;

use anyhow::Result;
use anyhow::bail;
use borsh::BorshDeserialize;
use borsh::BorshSerialize;
use libbpf_rs::ProgramType;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::BtfType;
use libbpf_rs::btf::ReferencesType as _;
use libbpf_rs::btf::types::Enum;
use libbpf_rs::btf::types::FuncProto;
use libbpf_rs::btf::types::Ptr;
use libbpf_rs::btf::types::Typedef;

/// One source of evidence.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// Which it is.
    pub name: SignalName,
    /// What it lets kerno see, in a few plain words.
    pub shows: Cow<'static, str>,
    /// `None` if it is active; else why it is not, in one plain sentence that
    /// also says what is therefore not visible.
    pub missing: Option<String>,
    /// For how long its hooks were attached, if they are only while there is a reason:
    /// they would cost every socket of the host something.
    #[borsh(
        serialize_with = "crate::codec::maybe_duration::write",
        deserialize_with = "crate::codec::maybe_duration::read"
    )]
    pub attached: Option<Duration>,
}

/// Which source of evidence it is.
#[derive(BorshDeserialize, BorshSerialize, Clone, Copy, Debug, PartialEq, Eq)]
pub enum SignalName {
    /// Queries and answers, without which kerno can't work.
    Packets,
    /// Socket errors.
    SocketErrors,
    /// Discarded packets.
    Discards,
    /// Why packets are discarded.
    Reasons,
    /// Calls that a cgroup's program denied.
    Denials,
    /// Connects that failed.
    FailedConnects,
    /// Sends that failed.
    FailedSends,
    /// Reads of answers.
    Reads,
    /// Processes that are killed for want of memory: of the counters beside DNS.
    OomKills,
    /// Segments of TCP that are sent again: the same.
    Retransmissions,
    /// Waits for a CPU: the same.
    RunQueue,
}

impl SignalName {
    /// The kernel's name of the hook, as `inet_sk_error_report`.
    pub fn hook(self) -> &'static str {
        match self {
            Self::Packets => "cgroup_skb",
            Self::SocketErrors => "inet_sk_error_report",
            Self::Discards => "kfree_skb",
            Self::Reasons => "skb_drop_reason",
            Self::Denials => "cgroup_sock_addr",
            Self::FailedConnects => "sock_release",
            Self::FailedSends => "sock_send_length",
            Self::Reads => "sock_recv_length",
            Self::OomKills => "mark_victim",
            Self::Retransmissions => "tcp_retransmit_skb",
            Self::RunQueue => "sched_switch",
        }
    }
}

/// Where the kernel keeps its own type information.
const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// … which is mounted nearly everywhere, and in some containers is not.
const SYSFS: &str = "/sys/kernel";

/// The programs read kernel structures at offsets that only BTF tells.
pub(super) fn check_btf() -> Result<()> {
    if std::fs::metadata(SYSFS).is_err() {
        bail!(
            "{SYSFS} is not there: kerno reads the kernel's type information (BTF) in it; mount sysfs, \
             or do not cover /sys"
        );
    }
    if std::fs::metadata(BTF_PATH).is_err() {
        bail!(
            "this kernel has no BTF ({BTF_PATH} is missing): kerno needs a kernel that was \
             built with CONFIG_DEBUG_INFO_BTF, as the distributions' own kernels are"
        );
    }
    Ok(())
}

/// Name, what it shows, and what is to be said where it is missing.
const ALL: [(SignalName, &str, &str); 8] = [
    (
        SignalName::Packets,
        "every DNS query and answer at its socket",
        "",
    ),
    (
        SignalName::SocketErrors,
        "ICMP and socket errors",
        "this kernel has no tracepoint inet_sk_error_report (it came with Linux 5.14): \
         refused queries of connected sockets show as unanswered",
    ),
    (
        SignalName::Discards,
        "packets that this kernel discards, and where",
        "this kernel has no tracepoint kfree_skb: queries that it discards show as \
         unanswered, and those that a firewall discards as they are sent do not show at all",
    ),
    (
        SignalName::Reasons,
        "why it discards them",
        "this kernel does not say why it discards packets (that came with Linux 5.17): what \
         a firewall or a missing route discards is known by the place, but queries that \
         meet a full buffer or nobody who listens show as unanswered",
    ),
    (
        SignalName::Denials,
        "connects and sends that a program of a cgroup denied",
        "this kernel does not show one cgroup program what another decided \
         (bpf_get_retval, since Linux 6.0): a send that was denied before there was a \
         packet is not visible, and a denied connect has no reason",
    ),
    (
        SignalName::FailedConnects,
        "connects that failed, as without a route, and when programs give up",
        "this kernel does not show when a socket is closed (it does since Linux 5.9): \
         connects that failed for want of a route or a port are not visible, and time lost \
         counts to the end of the timeout",
    ),
    (
        SignalName::FailedSends,
        "sends that failed, as without a route",
        "this kernel has no tracepoint sock_send_length (it came with Linux 6.3): sends \
         that failed before there was a packet are not visible",
    ),
    (
        SignalName::Reads,
        "answers that lie unread in their client's socket",
        "this kernel has no tracepoint sock_recv_length (it came with Linux 6.3): a client \
         that leaves its answers unread is not told from one that reads them at once",
    ),
];

/// Every hook is known by what the running kernel's BTF has (a tracepoint's
/// prototype, a constant's name) or by trying, never by the kernel's version.
pub(super) fn signals() -> Vec<Signal> {
    let btf = Btf::from_vmlinux();
    let btf = btf.as_ref().ok();
    let arguments = |tracepoint| btf.and_then(|btf| arguments(btf, tracepoint));
    let has = |list, constant| btf.is_some_and(|btf| has_constant(btf, list, constant));
    let is_there = |name: SignalName| match name {
        SignalName::SocketErrors => arguments(name.hook()) == Some(1),
        SignalName::Discards => arguments(name.hook()) >= Some(2),
        SignalName::Reasons => {
            arguments(SignalName::Discards.hook()) >= Some(3)
                && has(name.hook(), "SKB_DROP_REASON_NO_SOCKET")
        }
        SignalName::Denials => sees_verdicts(),
        SignalName::FailedConnects => has("bpf_attach_type", "BPF_CGROUP_INET_SOCK_RELEASE"),
        SignalName::FailedSends | SignalName::Reads => arguments(name.hook()) == Some(3),
        // Without the packets kerno does not start.
        _ => true,
    };
    let signal = |(name, shows, sentence): (SignalName, &'static str, &str)| Signal {
        name,
        shows: shows.into(),
        missing: (!is_there(name)).then(|| sentence.to_owned()),
        attached: None,
    };
    ALL.map(signal).into()
}

/// Number of arguments of a tracepoint, without the hidden first one.
fn arguments(btf: &Btf<'_>, tracepoint: &str) -> Option<usize> {
    let typedef: Typedef<'_> = btf.type_by_name(&format!("btf_trace_{tracepoint}"))?;
    let pointer: Ptr<'_> = typedef.referenced_type().try_into().ok()?;
    let target: BtfType<'_> = pointer.referenced_type();
    let proto: FuncProto<'_> = target.try_into().ok()?;
    proto.len().checked_sub(1)
}

/// Whether an enum of the kernel has a constant of this name.
fn has_constant(btf: &Btf<'_>, list: &str, name: &str) -> bool {
    btf.type_by_name::<Enum<'_>>(list).is_some_and(|list| {
        list.iter()
            .any(|constant| constant.name.is_some_and(|found| found == name))
    })
}

/// The helper is older than its use in these programs, so it is tried there.
fn sees_verdicts() -> bool {
    ProgramType::CgroupSockAddr
        .is_helper_supported(libbpf_sys::BPF_FUNC_get_retval)
        .unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn live_prototypes_and_constants_are_read_from_btf() {
        let btf = Btf::from_vmlinux().expect("this kernel has BTF");
        // inet_sk_error_report(const struct sock *sk)
        assert_eq!(arguments(&btf, SignalName::SocketErrors.hook()), Some(1));
        assert_eq!(arguments(&btf, "no_such_tracepoint"), None);
        let list = "bpf_attach_type";
        assert!(has_constant(&btf, list, "BPF_CGROUP_INET_SOCK_RELEASE"));
        assert!(!has_constant(&btf, list, "BPF_CGROUP_NO_SUCH_HOOK"));
        assert!(!has_constant(
            &btf,
            "no_such_enum",
            "BPF_CGROUP_INET_SOCK_RELEASE"
        ));
    }

    #[test]
    fn live_what_is_missing_is_said_in_one_sentence() {
        for (name, _, sentence) in ALL
            .into_iter()
            .filter(|(name, ..)| *name != SignalName::Packets)
        {
            assert!(sentence.starts_with("this kernel"), "{name:?}: {sentence}");
            assert!(sentence.contains(": "), "what is not visible: {sentence}");
        }
        let packets = signals()
            .into_iter()
            .find(|signal| signal.name == SignalName::Packets);
        assert_eq!(packets.expect("a signal").missing, None);
    }
}
