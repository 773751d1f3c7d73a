//! Commands that several rules offer.

use std::net::SocketAddr;

use domain::base::iana::Rtype;

use crate::incidents::Evidence;
use crate::shell::Command;

/// `dig @10.0.0.2 -p 1053 +tcp +tries=1 +timeout=6`; what to ask is still missing.
pub(super) fn dig(server: SocketAddr, over_tcp: bool) -> Command {
    let mut dig = Command::new("dig").word(format!("@{}", server.ip()));
    if server.port() != 53 {
        dig = dig.and("-p").word(server.port().to_string());
    }
    if over_tcp {
        dig = dig.and("+tcp");
    }
    dig.and("+tries=1 +timeout=6")
}

/// Lets a `dig` ask for this name, if it can stand in a command; else for the root.
pub(super) fn ask_for(dig: Command, name: Option<&str>) -> Command {
    let root = dig.clone().and(".");
    let Some(name) = name else {
        return root;
    };
    // dig would take a name like `any` for a type, and `+trace` for an option.
    let plain = |b: u8| b.is_ascii_alphanumeric() || b"-_.".contains(&b);
    let dig = match name.contains('.') && name.bytes().all(plain) {
        true => dig,
        false => dig.and("-q"),
    };
    dig.word(name).or(root)
}

/// Lets a `dig` ask for this type; without a word it asks for A.
pub(super) fn of_type(dig: Command, rtype: Option<Rtype>) -> Command {
    match rtype.filter(|rtype| *rtype != Rtype::A) {
        Some(rtype) => dig.word(rtype.to_string()),
        None => dig,
    }
}

/// The same with the question that every server can answer.
pub(super) fn dig_root(server: SocketAddr, over_tcp: bool) -> Command {
    dig(server, over_tcp).and(". SOA")
}

/// A command as it is run inside a network namespace: with `nsenter`, if that is not this
/// program's own: by a process that lives there, if one is known.
pub(super) fn within(evidence: &Evidence, netns: Option<u32>, command: Command) -> Command {
    let Some(netns) = netns.filter(|&netns| netns != 0) else {
        return command;
    };
    if evidence.host.own_netns == Some(netns) {
        return command;
    }
    // Who asked may be gone, or live elsewhere than its socket: dockerd asks from within
    // its containers' namespaces.
    match evidence.inhabitant(netns) {
        Some(pid) => in_netns_of(pid, command),
        None => in_netns(netns, command),
    }
}

/// A command as it is run in the network namespace of this process.
pub(super) fn in_netns_of(pid: u32, command: Command) -> Command {
    let nsenter = Command::new("nsenter -t").word(pid.to_string());
    nsenter.and("-n").then(command)
}

/// A command as it is run in this network namespace, of which no process is known.
pub(super) fn in_netns(netns: u32, command: Command) -> Command {
    let nsenter = Command::new("nsenter -t \"$(lsns -t net -no PID")
        .word(netns.to_string())
        .and("| head -1)\"");
    nsenter.and("-n").then(command)
}

/// What the threads of a process do.
pub(super) fn threads_of(pid: Option<u32>) -> Command {
    Command::new("top -H -p").word(number(pid))
}

/// What a process asks of the kernel.
pub(super) fn calls_of(pid: Option<u32>) -> Command {
    Command::new("strace -f -p").word(number(pid))
}

/// Whether a process is stopped, and who traces it.
pub(super) fn state_of(pid: Option<u32>) -> Command {
    Command::new("grep -E 'State|TracerPid'").word(format!("/proc/{}/status", number(pid)))
}

pub(super) fn go_on(pid: Option<u32>) -> Command {
    Command::new("kill -CONT").word(number(pid))
}

/// Settings of a unit, by its name and whose user manager has it.
pub(super) fn properties_of((unit, user): (&str, Option<u32>), show: &'static str) -> Command {
    let systemctl = match user {
        Some(user) => Command::new("systemctl --user -M").word(format!("{user}@")),
        None => Command::new("systemctl"),
    };
    systemctl.and(show).word(unit)
}

/// Which control group a process is in; nothing where there is none to be looked at.
pub(super) fn cgroup_of(pid: Option<u32>) -> Command {
    pid.map_or_else(Command::default, |pid| {
        Command::new("cat").word(format!("/proc/{pid}/cgroup"))
    })
}

/// `ss -lntup 'sport = :53'`
pub(super) fn sockets(ss: &'static str, port: u16) -> Command {
    Command::new(ss).word(format!("sport = :{port}"))
}

fn number(pid: Option<u32>) -> String {
    pid.map_or_else(|| "PID".to_owned(), |pid| pid.to_string())
}
