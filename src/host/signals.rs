//! Which hooks this kernel gives, and why not where it does not.

use anyhow::Result;
use anyhow::bail;
use libbpf_rs::btf::Btf;
use libbpf_rs::btf::BtfType;
use libbpf_rs::btf::ReferencesType as _;
use libbpf_rs::btf::types::Enum;
use libbpf_rs::btf::types::FuncProto;
use libbpf_rs::btf::types::Ptr;
use libbpf_rs::btf::types::Typedef;

/// One source of evidence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signal {
    /// The kernel's name of the hook, as `inet_sk_error_report`.
    pub name: &'static str,
    /// What it lets kerno see, in a few plain words.
    pub shows: &'static str,
    /// `None` if it is active; else why it is not, in one plain sentence that
    /// also says what is therefore not visible.
    pub missing: Option<String>,
}

/// Name of the signal without which kerno can't work.
pub const PACKETS: &str = "cgroup_skb";
/// Name of the signal of socket errors.
pub const SOCKET_ERRORS: &str = "inet_sk_error_report";
/// Name of the signal of discarded packets.
pub const DISCARDS: &str = "kfree_skb";
/// Name of the signal that says why packets are discarded.
pub const REASONS: &str = "skb_drop_reason";
/// Name of the signal of reads.
pub const READS: &str = "sock_recv_length";

/// Where the kernel keeps its own type information.
const BTF_PATH: &str = "/sys/kernel/btf/vmlinux";

/// The programs read kernel structures at offsets that only BTF tells.
pub(super) fn check_btf() -> Result<()> {
    if std::fs::metadata(BTF_PATH).is_err() {
        bail!(
            "this kernel has no BTF ({BTF_PATH} is missing): kerno needs a kernel that was \
             built with CONFIG_DEBUG_INFO_BTF, as the distributions' own kernels are"
        );
    }
    Ok(())
}

/// Every hook beyond a tracepoint's existence is known by its prototype in the
/// running kernel's BTF, never by the kernel's version.
pub(super) fn signals() -> Vec<Signal> {
    let btf = Btf::from_vmlinux();
    let btf = btf.as_ref();
    let arguments = |tracepoint| btf.ok().and_then(|btf| arguments(btf, tracepoint));
    let error_report = match arguments("inet_sk_error_report") {
        Some(_) => None,
        None => Some(
            "this kernel has no tracepoint inet_sk_error_report (it came with Linux 5.14): \
             refused queries of connected sockets show as unanswered"
                .to_owned(),
        ),
    };
    let discards = match arguments(DISCARDS) {
        Some(2..) => None,
        _ => Some(
            "this kernel has no tracepoint kfree_skb: queries that it discards show as \
             unanswered, and those that a firewall discards as they are sent do not show at all"
                .to_owned(),
        ),
    };
    let reasons = match arguments(DISCARDS) {
        Some(3..) if btf.is_ok_and(has_drop_reasons) => None,
        _ => Some(
            "this kernel does not say why it discards packets (that came with Linux 5.17): what \
             a firewall or a missing route discards is known by the place, but queries that \
             meet a full buffer or nobody who listens show as unanswered"
                .to_owned(),
        ),
    };
    let reads = match arguments(READS) {
        Some(3) => None,
        _ => Some(
            "this kernel has no tracepoint sock_recv_length (it came with Linux 6.3): a client \
             that leaves its answers unread is not told from one that reads them at once"
                .to_owned(),
        ),
    };
    vec![
        Signal {
            name: PACKETS,
            shows: "every DNS query and answer at its socket",
            missing: None,
        },
        Signal {
            name: SOCKET_ERRORS,
            shows: "ICMP and socket errors",
            missing: error_report,
        },
        Signal {
            name: DISCARDS,
            shows: "packets that this kernel discards, and where",
            missing: discards,
        },
        Signal {
            name: REASONS,
            shows: "why it discards them",
            missing: reasons,
        },
        Signal {
            name: READS,
            shows: "answers that lie unread in their client's socket",
            missing: reads,
        },
    ]
}

/// Number of arguments of a tracepoint, without the hidden first one.
fn arguments(btf: &Btf<'_>, tracepoint: &str) -> Option<usize> {
    let typedef: Typedef<'_> = btf.type_by_name(&format!("btf_trace_{tracepoint}"))?;
    let pointer: Ptr<'_> = typedef.referenced_type().try_into().ok()?;
    let target: BtfType<'_> = pointer.referenced_type();
    let proto: FuncProto<'_> = target.try_into().ok()?;
    proto.len().checked_sub(1)
}

fn has_drop_reasons(btf: &Btf<'_>) -> bool {
    let Some(reasons) = btf.type_by_name::<Enum<'_>>("skb_drop_reason") else {
        return false;
    };
    reasons.iter().any(|reason| {
        reason
            .name
            .is_some_and(|name| name == "SKB_DROP_REASON_NO_SOCKET")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prototypes_are_read_from_btf() {
        let btf = Btf::from_vmlinux().expect("this kernel has BTF");
        // inet_sk_error_report(const struct sock *sk)
        assert_eq!(arguments(&btf, "inet_sk_error_report"), Some(1));
        assert_eq!(arguments(&btf, "no_such_tracepoint"), None);
    }
}
