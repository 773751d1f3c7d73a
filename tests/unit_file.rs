//! `deploy/systemd/kerno.service`: as hardened as it works.

use std::process::Command;

const UNIT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/deploy/systemd/kerno.service");

/// Of `systemd-analyze security`, in tenths: what is left is what kerno is for.
const EXPOSURE_MAX: &str = "25";

#[test]
fn the_unit_is_exposed_no_more_than_it_must_be() {
    let done = Command::new("systemd-analyze")
        .args([
            "security",
            "--offline=yes",
            "--threshold",
            EXPOSURE_MAX,
            UNIT,
        ])
        .output()
        .expect("systemd-analyze, of the package systemd");
    let said = String::from_utf8_lossy(&done.stdout);
    assert!(done.status.success(), "{said}");
    assert!(said.contains("Overall exposure level"), "{said}");
}

/// What kerno would miss: a stricter unit must not make its reports wrong.
#[test]
fn the_unit_leaves_what_kerno_needs() {
    let text = std::fs::read_to_string(UNIT).expect("the unit");
    let has = |line: &str| text.lines().any(|it| it == line);
    for line in [
        "Type=notify",
        "ExecStart=/usr/local/bin/kerno agent",
        "AmbientCapabilities=CAP_BPF CAP_PERFMON CAP_NET_ADMIN CAP_DAC_READ_SEARCH CAP_SYS_PTRACE CAP_SYSLOG",
        "SystemCallFilter=bpf",
        "IPAddressAllow=localhost",
        "RuntimeDirectory=kerno",
        "StateDirectory=kerno",
    ] {
        assert!(has(line), "{line}");
    }
    for option in [
        "ProtectKernelTunables=",
        "ProtectKernelLogs=",
        "ProcSubset=",
        "PrivateUsers=",
        "PrivateNetwork=",
    ] {
        assert!(!text.lines().any(|it| it.starts_with(option)), "{option}");
    }
}
