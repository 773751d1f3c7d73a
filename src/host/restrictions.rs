//! What of the kernel, of systemd or of a container keeps kerno from what it needs, so that a
//! message can name the option and not guess.

use std::io;

use super::proc::Root;
use super::proc::status;

/// All ids, of user_namespaces(7): how the initial user namespace maps its own.
const ALL_IDS: [&str; 3] = ["0", "0", "4294967295"];
const UID_MAP_MAX: u64 = 4_096;
/// The first thousand functions or so: one of them has an address, or none has.
const KALLSYMS_MAX: u64 = 64 << 10;
/// `SECCOMP_MODE_FILTER` of include/uapi/linux/seccomp.h.
const SECCOMP_FILTER: u64 = 2;

/// Why a BPF program is refused although the rights seem to be there, and maps are not.
pub fn of_programs(root: &Root) -> Option<&'static str> {
    if is_in_user_namespace(root) {
        return Some(
            "kerno runs in a user namespace (a rootless container, or systemd's PrivateUsers=), whose \
             root has no rights over the kernel: start it as root of the host itself",
        );
    }
    if lockdown(root).as_deref() == Some("confidentiality") {
        return Some(
            "the kernel is locked down for confidentiality (/sys/kernel/security/lockdown), so that no \
             BPF program may read its memory: boot with lockdown=integrity, or without it",
        );
    }
    None
}

/// Why nothing of BPF is let in at all.
pub(super) fn of_bpf(root: &Root) -> Option<&'static str> {
    let why = of_programs(root);
    if why.is_some() {
        return why;
    }
    let seccomp = status::number(&root.below("proc/self"), "Seccomp:");
    (seccomp == Some(SECCOMP_FILTER)).then_some(
        "a seccomp filter watches over kerno's system calls (of a container runtime, or systemd's \
         SystemCallFilter=) and may forbid bpf(): let bpf() and perf_event_open() pass",
    )
}

/// Whether the capabilities of this process count in a namespace only, and not on the host.
pub(super) fn is_in_user_namespace(root: &Root) -> bool {
    let map = root.text("proc/self/uid_map", UID_MAP_MAX);
    map.is_ok_and(|map| !map.split_ascii_whitespace().eq(ALL_IDS))
}

/// The mode of kernel_lockdown(7); `None` without it, or where securityfs is not mounted.
fn lockdown(root: &Root) -> Option<String> {
    let text = root.text("sys/kernel/security/lockdown", 256).ok()?;
    let (_, rest) = text.split_once('[')?;
    Some(rest.split_once(']')?.0.to_owned())
}

/// Why the functions of the kernel have no names here; `None` if they have.
pub fn of_symbols(root: &Root) -> Option<String> {
    let why = match root.text("proc/kallsyms", KALLSYMS_MAX) {
        Ok(text) if has_address(&text) => return None,
        Ok(text) if !text.trim().is_empty() => hidden_addresses(root),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            "there is no /proc/kallsyms (the kernel is built without CONFIG_KALLSYMS, or /proc is not \
             whole)"
        }
        _ => {
            "/proc/kallsyms is covered (systemd's ProtectKernelTunables= does that, and some container \
             runtimes)"
        }
    };
    Some(format!(
        "the names of the kernel's functions: {why}; in which of them a packet was discarded is not known"
    ))
}

fn has_address(text: &str) -> bool {
    text.lines().any(|line| {
        let address = line.split_ascii_whitespace().next();
        address.is_some_and(|it| it.len() > 1 && it.bytes().any(|digit| digit != b'0'))
    })
}

/// kallsyms_show_value() in kernel/ksyms_common.c.
fn hidden_addresses(root: &Root) -> &'static str {
    let restrict = root.text("proc/sys/kernel/kptr_restrict", 64).ok();
    let restrict = restrict.and_then(|text| text.trim().parse::<u32>().ok());
    match restrict {
        Some(2..) => {
            "kernel.kptr_restrict = 2 hides them from everybody (`sysctl -w kernel.kptr_restrict=1` \
             shows them to root)"
        }
        _ => {
            "they are hidden from who has not the capability CAP_SYSLOG (systemd's ProtectKernelLogs= \
             takes it away)"
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::TempDir;

    use super::*;

    /// A host with these files.
    fn host(files: &[(&str, &str)]) -> (TempDir, Root) {
        let folder = tempfile::tempdir().unwrap();
        let root = Root::at(folder.path());
        for (file, text) in files {
            let path = root.path(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        (folder, root)
    }

    const WHOLE: (&str, &str) = ("proc/self/uid_map", "         0          0 4294967295\n");

    #[test]
    fn what_forbids_bpf_is_named() {
        let said = |files: &[(&str, &str)]| of_bpf(&host(files).1);
        assert_eq!(said(&[WHOLE]), None);
        assert_eq!(said(&[]), None, "what cannot be read is not guessed");
        let rootless = said(&[("proc/self/uid_map", "0 1000 1\n1 100000 65536\n")]);
        assert!(rootless.unwrap().contains("user namespace"));
        let lockdown = "sys/kernel/security/lockdown";
        let locked = |mode| said(&[WHOLE, (lockdown, mode)]);
        assert_eq!(locked("none [integrity] confidentiality\n"), None);
        let said_of = locked("none integrity [confidentiality]\n").unwrap();
        assert!(said_of.contains("lockdown=integrity"));
        let seccomp = |mode: &str| {
            let status = format!("Name:\tkerno\nSeccomp:\t{mode}\nSeccomp_filters:\t1\n");
            of_bpf(&host(&[WHOLE, ("proc/self/status", &status)]).1)
        };
        assert_eq!(seccomp("0"), None);
        assert!(seccomp("2").unwrap().contains("SystemCallFilter="));
    }

    #[test]
    fn what_hides_the_functions_is_named() {
        let said = |files: &[(&str, &str)]| of_symbols(&host(files).1);
        let kallsyms = "proc/kallsyms";
        let shown = "0000000000000000 A fixed_percpu_data\nffffffff81000000 T _text\n";
        assert_eq!(said(&[(kallsyms, shown)]), None);
        let hidden = (kallsyms, "0000000000000000 A a\n0000000000000000 T _text\n");
        let restrict = |value| said(&[hidden, ("proc/sys/kernel/kptr_restrict", value)]).unwrap();
        assert!(restrict("2\n").contains("kernel.kptr_restrict = 2"));
        assert!(restrict("1\n").contains("CAP_SYSLOG"));
        assert!(restrict("0\n").contains("CAP_SYSLOG"));
        assert!(
            said(&[(kallsyms, "")])
                .unwrap()
                .contains("ProtectKernelTunables=")
        );
        assert!(said(&[]).unwrap().contains("no /proc/kallsyms"));
    }

    #[test]
    fn root_nothing_is_hidden_here() {
        let root = Root::default();
        assert_eq!(of_symbols(&root), None);
        assert!(!is_in_user_namespace(&root));
    }
}
