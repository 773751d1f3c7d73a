//! Which C libraries those have who asked: each resolves in its own way.

use std::collections::BTreeMap;

use super::who;
use crate::attempt::Comm;
use crate::incidents::Evidence;
use crate::sampler::CLibrary;
use crate::units;

/// Programs of each that are named.
const SHOWN: usize = 3;

/// `Of those who asked, app (pid 7) uses musl; curl (pid 8) and wget (pid 9) use glibc.`, as far
/// as it is known; static programs do not show theirs.
pub(super) fn told(
    evidence: &Evidence,
    askers: impl IntoIterator<Item = (Option<u32>, Comm)>,
) -> Option<String> {
    let mut by_library: BTreeMap<CLibrary, BTreeMap<u32, Comm>> = BTreeMap::new();
    for (pid, comm) in askers {
        let known = pid.and_then(|pid| Some((pid, evidence.host.clients.get(&pid)?)));
        if let Some((pid, client)) = known
            && let Some(library) = client.c_library
        {
            by_library.entry(library).or_default().insert(pid, comm);
        }
    }
    // What is hurt more comes first.
    let each = by_library.iter().rev().map(|(library, programs)| {
        let shown = programs.iter().take(SHOWN);
        let mut names: Vec<_> = shown
            .map(|(pid, comm)| who::process(Some(*pid), *comm))
            .collect();
        let more = programs.len().saturating_sub(SHOWN) as u64;
        names.extend((more > 0).then(|| format!("{} more", units::count(more))));
        let verb = if programs.len() == 1 { "uses" } else { "use" };
        format!("{} {verb} {}", listed(&names), library.name())
    });
    let told: Vec<_> = each.collect();
    (!told.is_empty()).then(|| format!("Of those who asked, {}.", told.join("; ")))
}

/// `a, b and c`
fn listed(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [most @ .., last] => format!("{} and {last}", most.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sampler::Process;

    #[test]
    fn each_is_named_with_its_library() {
        let mut evidence = Evidence::default();
        let mut meet = |pid, c_library| {
            let client = Process {
                c_library,
                ..Process::default()
            };
            evidence.host.clients.insert(pid, client);
        };
        meet(7, Some(CLibrary::Musl));
        (10..15).for_each(|pid| meet(pid, Some(CLibrary::Glibc)));
        meet(20, None);
        let told = |pids: &[u32]| {
            let askers = pids.iter().map(|pid| (Some(*pid), Comm::new(b"app")));
            told(&evidence, askers)
        };
        assert_eq!(
            told(&[20, 99]),
            None,
            "static, or gone before it was looked at"
        );
        assert_eq!(
            told(&[7, 7, 20]).as_deref(),
            Some("Of those who asked, app (pid 7) uses musl.")
        );
        assert_eq!(
            told(&[10, 7, 11]).as_deref(),
            Some(
                "Of those who asked, app (pid 7) uses musl; app (pid 10) and app (pid 11) use glibc."
            )
        );
        assert_eq!(
            told(&[10, 11, 12, 13, 14]).as_deref(),
            Some(
                "Of those who asked, app (pid 10), app (pid 11), app (pid 12) and 2 more use glibc."
            )
        );
    }
}
