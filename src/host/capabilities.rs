//! The rights that kerno needs, each named when it is missing.

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use super::proc::Root;
use super::proc::status;
use super::restrictions;

/// Linux capability numbers (include/uapi/linux/capability.h) and what each is
/// for here.
const NEEDED: [(u32, &str); 3] = [
    (39, "CAP_BPF"),       // load programs and maps (5.8)
    (38, "CAP_PERFMON"),   // read kernel memory from them
    (12, "CAP_NET_ADMIN"), // attach to cgroups
];
/// Before 5.8 it stood for CAP_BPF and CAP_PERFMON, and it still does.
const CAP_SYS_ADMIN: u32 = 21;

/// One sentence that names the missing capabilities and the remedy.
pub(super) fn check() -> Result<()> {
    let effective = status::effective_capabilities(&Root::at("/proc/self"))
        .context("cannot read /proc/self/status; is /proc mounted?")?;
    let missing = missing(effective.context("/proc/self/status has no CapEff line")?);
    if missing.is_empty() {
        return Ok(());
    }
    if restrictions::is_in_user_namespace(&Root::default())
        && let Some(why) = restrictions::of_bpf(&Root::default())
    {
        bail!("kerno may not load BPF programs: {why}");
    }
    let (noun, pronoun) = match missing.len() {
        1 => ("the capability", "it"),
        _ => ("the capabilities", "them"),
    };
    bail!(
        "kerno may not load BPF programs: {noun} {} {} missing; run it with sudo, or give {pronoun} to it",
        missing.join(", "),
        if missing.len() == 1 { "is" } else { "are" },
    );
}

fn missing(effective: u64) -> Vec<&'static str> {
    let has = |capability: u32| effective >> capability & 1 == 1;
    NEEDED
        .iter()
        .filter(|(number, name)| {
            let covered = *name != "CAP_NET_ADMIN" && has(CAP_SYS_ADMIN);
            !has(*number) && !covered
        })
        .map(|(_, name)| *name)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_misses_nothing() {
        assert!(missing(0x1ff_ffff_ffff).is_empty());
    }

    #[test]
    fn each_missing_capability_is_named() {
        assert_eq!(missing(0), ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN"]);
        assert_eq!(missing(1 << 39 | 1 << 12), ["CAP_PERFMON"]);
        assert!(missing(1 << 39 | 1 << 38 | 1 << 12).is_empty());
    }

    #[test]
    fn sys_admin_covers_bpf_and_perfmon_but_not_net_admin() {
        assert_eq!(missing(1 << CAP_SYS_ADMIN), ["CAP_NET_ADMIN"]);
    }
}
