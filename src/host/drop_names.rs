//! The running kernel's names for why and where it discards packets.

use std::collections::HashMap;
use std::sync::Arc;

use libbpf_rs::btf::Btf;
use libbpf_rs::btf::types::Enum;

use super::proc::kallsyms::Symbols;

/// Every reason of the kernel's core begins so.
const PREFIX: &str = "SKB_DROP_REASON_";
/// On a kernel without reasons, the functions that discard packets for one reason
/// only, and the name that later kernels have for it (read in the sources of Linux
/// 5.10). The others discard for several, or nothing that anybody misses.
const BY_PLACE: [(&str, &str); 7] = [
    ("nf_hook_slow", "NETFILTER_DROP"),
    ("arp_error_report", "NEIGH_FAILED"),
    ("ndisc_error_report", "NEIGH_FAILED"),
    ("ip_error", "IP_INNOROUTES"),
    ("ip_finish_output", "BPF_CGROUP_EGRESS"),
    ("ip6_finish_output", "BPF_CGROUP_EGRESS"),
    ("enqueue_to_backlog", "CPU_BACKLOG"),
];
/// Places in the code and unknown reasons whose names are kept; the kernel has
/// some hundred of both.
const CACHED_MAX: usize = 4096;

/// Names of drop reasons, whose numbers differ between kernels, and of functions.
#[derive(Debug, Default)]
pub struct DropNames {
    reasons: HashMap<u32, Arc<str>>,
    functions: HashMap<u64, Option<Arc<str>>>,
    /// Read when the first packet is discarded: most hosts discard none for hours.
    symbols: Option<Symbols>,
}

impl DropNames {
    /// Reads the reasons from BTF; none on a kernel that has none.
    pub fn read() -> Self {
        let btf = Btf::from_vmlinux();
        let reasons = btf.as_ref().ok().map(reasons).unwrap_or_default();
        Self {
            reasons,
            ..Self::default()
        }
    }

    /// Why: `NETFILTER_DROP`, or the number if the kernel's core does not know it
    /// (subsystems have reasons of their own). On a kernel without reasons it is
    /// what the function does, or `None` if that can't be said.
    pub fn reason(&mut self, number: u32, function: Option<&str>) -> Option<Arc<str>> {
        if let Some(name) = self.reasons.get(&number) {
            return Some(Arc::clone(name));
        }
        if self.reasons.is_empty() {
            let known = BY_PLACE.iter().find(|(place, _)| Some(*place) == function);
            return known.map(|(_, reason)| Arc::from(*reason));
        }
        let name: Arc<str> = number.to_string().into();
        if self.reasons.len() < CACHED_MAX {
            self.reasons.insert(number, Arc::clone(&name));
        }
        Some(name)
    }

    /// Where: the function that an address is in; `None` if the kernel hides it.
    pub fn function(&mut self, address: u64) -> Option<Arc<str>> {
        if let Some(name) = self.functions.get(&address) {
            return name.clone();
        }
        let symbols = self.symbols.get_or_insert_with(Symbols::read);
        // What the compiler made of a function (`.isra.0`, `.cold`) is still it.
        let function = |name: &str| Arc::from(name.split('.').next().unwrap_or(name));
        let name = symbols.function(address).map(function);
        if self.functions.len() < CACHED_MAX {
            self.functions.insert(address, name.clone());
        }
        name
    }
}

fn reasons(btf: &Btf<'_>) -> HashMap<u32, Arc<str>> {
    let Some(reasons) = btf.type_by_name::<Enum<'_>>("skb_drop_reason") else {
        return HashMap::new();
    };
    let named = reasons.iter().filter_map(|reason| {
        let name = reason.name?.to_str()?;
        let name = name.strip_prefix(PREFIX).unwrap_or(name);
        Some((u32::try_from(reason.value).ok()?, Arc::from(name)))
    });
    named.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    impl DropNames {
        /// Names for a test.
        pub(crate) fn of(reasons: &[(u32, &str)], functions: &[(u64, &str)]) -> Self {
            let named = |(number, name): &(u32, &str)| (*number, Arc::from(*name));
            let placed = |(address, name): &(u64, &str)| (*address, Some(Arc::from(*name)));
            Self {
                reasons: reasons.iter().map(named).collect(),
                functions: functions.iter().map(placed).collect(),
                symbols: Some(Symbols::default()),
            }
        }
    }

    #[test]
    fn an_unknown_reason_is_its_number() {
        let mut names = DropNames::of(&[(12, "NETFILTER_DROP")], &[]);
        let mut reason = |number| names.reason(number, Some("nf_hook_slow")).expect("a name");
        assert_eq!(&*reason(12), "NETFILTER_DROP");
        assert_eq!(&*reason(0x3_0001), "196609");
        assert_eq!(&*reason(0x3_0001), "196609");
    }

    #[test]
    fn without_reasons_a_function_may_say_it() {
        let mut names = DropNames::of(&[], &[]);
        let mut reason = |function| names.reason(0, function).as_deref().map(str::to_owned);
        assert_eq!(
            reason(Some("nf_hook_slow")).as_deref(),
            Some("NETFILTER_DROP")
        );
        assert_eq!(reason(Some("__udp4_lib_rcv")), None);
        assert_eq!(reason(None), None);
    }

    #[test]
    fn names_are_bounded() {
        let mut names = DropNames::of(&[(12, "NETFILTER_DROP")], &[]);
        for number in 0..10_000 {
            names.reason(number, None);
            assert_eq!(names.function(u64::from(number)), None);
        }
        assert_eq!(names.reasons.len(), CACHED_MAX);
        assert_eq!(names.functions.len(), CACHED_MAX);
    }

    #[test]
    fn live_reasons_come_from_this_kernel() {
        let names = DropNames::read();
        for name in ["NETFILTER_DROP", "NO_SOCKET", "SOCKET_RCVBUFF"] {
            assert!(
                names.reasons.values().any(|known| &**known == name),
                "{name}"
            );
        }
    }
}
