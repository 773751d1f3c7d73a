//! The command line as a user meets it: help, usage errors, missing rights.

#[cfg(feature = "chaos")]
mod chaos;
mod fleet;
mod generate;

use std::os::unix::process::CommandExt as _;
use std::process::Command;
use std::process::Output;
use std::process::Stdio;

const COMMANDS: &[&str] = &[
    "doctor",
    "agent",
    "history",
    "fleet",
    "top",
    "watch",
    "counters",
    #[cfg(feature = "chaos")]
    "chaos",
    "verify",
];

/// Capability numbers, include/uapi/linux/capability.h.
const CAP_NET_ADMIN: libc::c_ulong = 12;
const CAP_SYS_ADMIN: libc::c_ulong = 21;
const CAP_PERFMON: libc::c_ulong = 38;
const CAP_BPF: libc::c_ulong = 39;

fn kerno(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
    command
        .args(arguments)
        .env_remove("KERNO_LOG")
        .stdin(Stdio::null());
    command
}

fn output(command: &mut Command) -> Output {
    command.output().expect("kerno starts")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("kerno writes UTF-8")
}

/// Exit code 2, nothing on stdout; what was said.
fn usage_error(arguments: &[&str]) -> String {
    let done = output(&mut kerno(arguments));
    let said = text(&done.stderr);
    assert_eq!(done.status.code(), Some(2), "{arguments:?}: {said}");
    assert_eq!(text(&done.stdout), "", "{arguments:?}");
    said.to_owned()
}

/// A usage error that names the option and its value, the last two of these.
fn bad_value(case: &[&str]) {
    let said = usage_error(case);
    let [.., option, value] = case else {
        unreachable!("each case has a value");
    };
    assert!(said.contains(option), "{case:?}: {said}");
    assert!(said.contains(value), "{case:?}: {said}");
}

#[test]
fn help_lists_every_command() {
    let done = output(&mut kerno(&["--help"]));
    assert_eq!(done.status.code(), Some(0));
    for &command in COMMANDS {
        assert!(text(&done.stdout).contains(command), "{command}");
    }
}

#[test]
fn the_help_of_each_command_has_examples_that_name_it() {
    for &command in COMMANDS {
        let done = output(&mut kerno(&[command, "--help"]));
        assert_eq!(done.status.code(), Some(0), "{command}");
        let help = text(&done.stdout);
        let (_, examples) = help.split_once("Examples:\n").expect(command);
        assert!(examples.contains(&format!("kerno {command}")), "{help}");
    }
}

#[test]
fn what_an_agent_is_asked_for_makes_sense() {
    for (arguments, said) in [
        (
            &["--last", "10m", "--duration", "5s"][..],
            "cannot be used with",
        ),
        (
            &["--last", "10m", "--since", "03:05"],
            "cannot be used with",
        ),
        (&["--until", "03:05"], "--since"),
        (&["--since", "25:00"], "write a time"),
        (&["--since", "2100-01-01T00:00:00Z"], "in the past"),
        (&["--last", "10m", "--pid", "1"], "kerno agent"),
        (&["--last", "10m", "--port", "53"], "kerno agent"),
        (&["--since", "03:05", "--unit", "nginx"], "kerno agent"),
    ] {
        let told = usage_error(&[&["doctor"], arguments].concat());
        assert!(told.contains(said), "{arguments:?}: {told}");
    }
    bad_value(&["agent", "--memory", "24"]);
    // What is no socket is somebody's, and stays.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let path = file.path().to_str().expect("UTF-8");
    let done = output(&mut kerno(&["agent", "--socket", path]));
    assert_eq!(done.status.code(), Some(1));
    assert!(
        text(&done.stderr).contains("no socket"),
        "{}",
        text(&done.stderr)
    );
    assert!(file.path().is_file());
    // Nobody there: not a mistake of who asks, and no report either.
    for command in [
        &["history", "--history", "/nowhere"][..],
        &["doctor", "--last", "10m"],
    ] {
        let done = output(&mut kerno(
            &[command, &["--socket", "/nowhere/kerno.sock"]].concat(),
        ));
        assert_eq!(done.status.code(), Some(1), "{command:?}");
        assert!(text(&done.stderr).contains("kerno agent"), "{command:?}");
    }
}

#[test]
fn the_agent_is_told_by_variables_what_the_command_line_leaves_out() {
    let variables = [
        ("KERNO_MEMORY", "24", "--memory"),
        ("KERNO_PORT", "53,0", "--port"),
        ("KERNO_ALL_HOOKS", "perhaps", "--all-hooks"),
    ];
    for (name, value, option) in variables {
        let done = output(kerno(&["agent"]).env(name, value));
        let said = text(&done.stderr);
        assert_eq!(done.status.code(), Some(2), "{name}: {said}");
        assert!(said.contains(option), "{name}: {said}");
    }
    // What is said there holds, and it is the agent's alone.
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut agent = kerno(&["agent", "--memory", "1MiB"]);
    agent
        .env("KERNO_MEMORY", "24")
        .env("KERNO_SOCKET", file.path());
    let done = output(&mut agent);
    assert_eq!(done.status.code(), Some(1));
    assert!(text(&done.stderr).contains("no socket"));
    let done = output(kerno(&["history", "--history", "/nowhere"]).env("KERNO_PORT", "no port"));
    assert_eq!(done.status.code(), Some(1), "{}", text(&done.stderr));
    let help = output(&mut kerno(&["agent", "--help"]));
    assert!(text(&help.stdout).contains("[env: KERNO_MEMORY"));
}

/// As the image for nodes is built.
#[cfg(not(feature = "chaos"))]
#[test]
fn without_the_lab_nothing_makes_faults() {
    let done = output(&mut kerno(&["--help"]));
    assert!(!text(&done.stdout).contains("chaos"));
    for command in ["chaos", "lab-worker"] {
        let said = usage_error(&[command]);
        assert!(said.contains("unrecognized subcommand"), "{said}");
    }
}

#[test]
fn version_names_version_and_commit() {
    let done = output(&mut kerno(&["--version"]));
    let version = text(&done.stdout);
    let known = concat!("kerno ", env!("CARGO_PKG_VERSION"), " (");
    assert!(version.starts_with(known), "{version}");
    assert!(version.ends_with(")\n"), "{version}");
}

#[test]
fn what_is_not_understood_is_a_usage_error() {
    usage_error(&[]);
    usage_error(&["dcotor"]);
    for &command in COMMANDS {
        let said = usage_error(&[command, "--no-such-flag"]);
        assert!(said.contains("--no-such-flag"), "{said}");
    }
}

#[test]
fn bad_values_are_usage_errors_that_name_them() {
    let cases: [&[&str]; 22] = [
        &["doctor", "--duration", "soon"],
        &["doctor", "--duration", "0s"],
        &["doctor", "--duration", "10"],
        &["doctor", "--output", "xml"],
        &["doctor", "--timeout", "1h"],
        &["watch", "--duration", "25h"],
        &["watch", "--port", "0"],
        &["watch", "--port", "65536"],
        &["watch", "--pid", "0"],
        &["watch", "--name", "two words"],
        &["watch", "--role", "resolver"],
        &["watch", "--slower-than", "quick"],
        &["watch", "--pod", "without-namespace"],
        &["doctor", "--pod", "shop/web/1"],
        #[cfg(feature = "k8s")]
        &["watch", "--cri-endpoint", "relative.sock"],
        #[cfg(not(feature = "k8s"))]
        &["watch", "--pod", "/web"],
        &["verify", "--output", "yaml"],
        &["counters", "--duration", "0s"],
        &["counters", "--output", "xml"],
        &["counters", "--programs", "memory"],
        &["counters", "--programs", "Mem"],
        &["counters", "--programs", "syscall", "--calls", "ptrace"],
        &["counters", "--calls", "sendtoo"],
    ];
    for case in cases {
        bad_value(case);
    }
}

#[test]
fn more_ports_than_can_be_watched_are_a_usage_error() {
    let mut arguments = vec!["watch"];
    let ports = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];
    arguments.extend(ports.iter().flat_map(|port| ["--port", port]));
    let said = usage_error(&arguments);
    assert!(said.contains("at most 8 ports"), "{said}");
}

#[test]
fn a_program_that_is_not_known_is_answered_with_those_that_are() {
    for nonsense in ["nonsense", "", "mem,nonsense", "mem,,net", "mem net", "*"] {
        let said = usage_error(&["counters", "--programs", nonsense]);
        for name in ["mem", "cpu_sched", "net", "syscall", "proc", "disk"] {
            assert!(said.contains(name), "{nonsense:?}: {said}");
        }
    }
}

#[test]
fn calls_without_their_program_are_a_usage_error() {
    let said = usage_error(&["counters", "--programs", "mem", "--calls", "connect"]);
    assert!(
        said.contains("--calls") && said.contains("syscall"),
        "{said}"
    );
}

/// Runs it as a root that has lost these capabilities for good.
fn without(capabilities: &'static [libc::c_ulong], arguments: &[&str]) -> Output {
    let mut command = kerno(arguments);
    let drop = move || {
        for &capability in capabilities {
            // SAFETY: a system call with plain numbers.
            if unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) } != 0 {
                return Err(std::io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: between fork and exec only system calls are made.
    unsafe { command.pre_exec(drop) };
    let done = command.output();
    done.expect("this test needs root, to take capabilities away")
}

/// One sentence on stderr, nothing on stdout.
fn sentence(done: &Output) -> &str {
    let said = text(&done.stderr);
    assert_eq!(text(&done.stdout), "");
    assert_eq!(said.lines().count(), 1, "{said}");
    assert!(said.starts_with("kerno: "), "{said}");
    said
}

#[test]
fn root_missing_capabilities_are_named_in_one_sentence() {
    let all: &[libc::c_ulong] = &[CAP_SYS_ADMIN, CAP_BPF, CAP_PERFMON, CAP_NET_ADMIN];
    for (command, code) in [
        (&["watch"][..], 1),
        (&["verify"], 1),
        (&["counters"], 1),
        (&["doctor"], 1),
        (&["doctor", "--exit-code"], 3),
    ] {
        let done = without(all, command);
        assert_eq!(done.status.code(), Some(code), "{command:?}");
        let said = sentence(&done);
        for name in ["CAP_BPF", "CAP_PERFMON", "CAP_NET_ADMIN", "sudo"] {
            assert!(said.contains(name), "{command:?}: {said}");
        }
    }
}

#[test]
fn root_only_the_capability_that_is_missing_is_named() {
    let said_without = |capabilities| {
        let done = without(capabilities, &["watch"]);
        assert_eq!(done.status.code(), Some(1));
        sentence(&done).to_owned()
    };
    let said = said_without(&[CAP_NET_ADMIN]);
    assert!(said.contains("CAP_NET_ADMIN"), "{said}");
    assert!(!said.contains("CAP_BPF"), "{said}");
    let said = said_without(&[CAP_SYS_ADMIN, CAP_PERFMON]);
    assert!(said.contains("CAP_PERFMON"), "{said}");
    assert!(!said.contains("CAP_NET_ADMIN"), "{said}");
}

#[test]
fn a_screen_needs_a_terminal() {
    for arguments in [&["top"][..], &["top", "--agent"]] {
        let done = output(&mut kerno(arguments));
        assert_eq!(done.status.code(), Some(1), "{arguments:?}");
        assert_eq!(text(&done.stdout), "", "{arguments:?}");
        let said = text(&done.stderr);
        assert_eq!(said.lines().count(), 1, "{said}");
        assert!(
            said.contains("terminal") && said.contains("kerno doctor"),
            "{said}"
        );
    }
    let said = usage_error(&["top", "--agent", "--pid", "1"]);
    assert!(said.contains("kerno agent"), "{said}");
}
