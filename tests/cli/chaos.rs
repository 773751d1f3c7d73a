//! `kerno chaos`.

use std::fs::File;
use std::os::fd::AsRawFd as _;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use crate::bad_value;
use crate::kerno;
use crate::output;
use crate::sentence;
use crate::text;
use crate::usage_error;

#[test]
fn bad_values_are_usage_errors_that_name_them() {
    bad_value(&["chaos", "--induce", "dns-flod"]);
    bad_value(&["chaos", "--induce", "dns-flood", "--rate", "0"]);
    bad_value(&["chaos", "--induce", "closed-port", "--zone", "two words"]);
}

#[test]
fn an_unknown_scenario_is_answered_with_the_list() {
    let said = usage_error(&["chaos", "--induce", "flood"]);
    assert!(said.contains("dns-flood"), "{said}");
}

#[test]
fn what_a_terminal_would_obey_is_not_repeated() {
    let said = usage_error(&["chaos", "--induce", "\x1b[2J"]);
    assert!(!said.contains('\x1b'), "{said:?}");
}

#[test]
fn the_list_of_scenarios_needs_no_rights() {
    let done = output(&mut kerno(&["chaos", "--list"]));
    assert_eq!(done.status.code(), Some(0));
    assert!(text(&done.stdout).contains("dns_high_latency"));
}

#[test]
fn the_options_of_the_flood_are_no_options_of_a_lab() {
    for option in ["--rate", "--concurrency", "--server"] {
        let value = if option == "--server" { "system" } else { "1" };
        let said = usage_error(&["chaos", "--induce", "closed-port", option, value]);
        assert!(said.contains(option), "{said}");
        assert!(said.contains("dns-flood"), "{said}");
    }
}

#[test]
fn root_a_lab_refuses_without_root() {
    let program = File::open(env!("CARGO_BIN_EXE_kerno")).expect("kerno");
    // By its descriptor: the way to it may be closed to others.
    let mut command = Command::new(format!("/proc/self/fd/{}", program.as_raw_fd()));
    command.args(["chaos", "--induce", "closed-port"]);
    let nobody = move || {
        let file = program.as_raw_fd();
        // SAFETY: system calls with plain numbers; the descriptor is open.
        let done = unsafe { libc::fcntl(file, libc::F_SETFD, 0) | libc::setuid(65_534) };
        if done == 0 {
            Ok(())
        } else {
            Err(std::io::Error::last_os_error())
        }
    };
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(nobody) };
    let done = output(&mut command);
    assert_eq!(done.status.code(), Some(1));
    let said = sentence(&done);
    assert!(said.contains("root") && said.contains("sudo"), "{said}");
}
