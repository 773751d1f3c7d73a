//! Commands about a group, as they are run from where its cases are.

use super::group::ASKERS_SHOWN;
use super::group::Group;
use crate::shell::Command;

impl Group<'_> {
    /// A command as it is run inside a network namespace: with `nsenter`, if that
    /// is not this program's own: by a process that lives there, if one is known.
    pub(super) fn within(&self, netns: Option<u32>, command: Command) -> Command {
        let Some(netns) = netns.filter(|&netns| netns != 0) else {
            return command;
        };
        if self.evidence.own_netns == Some(netns) {
            return command;
        }
        // One of many that asked is gone: a program that was started for a lookup.
        let inhabitant = self.evidence.inhabitant(netns).or_else(|| {
            let few = self.ranked_askers().len() <= ASKERS_SHOWN;
            let mut there = self.cases().map(|case| &case.attempt.owner);
            few.then(|| there.find(|owner| owner.netns == netns)?.pid)?
        });
        let nsenter = match inhabitant {
            Some(pid) => Command::new("nsenter -t").word(pid.to_string()),
            None => Command::new("nsenter -t \"$(lsns -t net -no PID")
                .word(netns.to_string())
                .and("| head -1)\""),
        };
        nsenter.and("-n").then(command)
    }

    /// `dig @10.0.0.2 -p 1053 +tries=1 +timeout=6`, from where the client is; what
    /// to ask is still missing.
    pub(super) fn dig(&self) -> Command {
        let Some(case) = self.first() else {
            return Command::default();
        };
        let server = case.server();
        let mut dig = Command::new("dig").word(format!("@{}", server.ip()));
        if server.port() != 53 {
            dig = dig.and("-p").word(server.port().to_string());
        }
        if case.is_tcp() {
            dig = dig.and("+tcp");
        }
        let dig = dig.and("+tries=1 +timeout=6");
        self.within(Some(case.attempt.owner.netns), dig)
    }

    /// The same, with the question that every server can answer.
    pub(in crate::doctor) fn dig_root(&self) -> Command {
        self.dig().and(". SOA")
    }

    /// Lets a `dig` ask for a name that was asked for, if that can stand in a
    /// command; else for the root.
    pub(super) fn ask_example(&self, dig: Command) -> Command {
        let root = dig.clone().and(".");
        let question = self.first().and_then(|case| case.attempt.question.parse());
        let Some(name) = question.map(|question| question.name) else {
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

    /// The nameservers of a client's resolv.conf, or of this host's if the client's
    /// is not known.
    pub(super) fn grep_nameservers(&self) -> Command {
        let clients = &self.evidence.surroundings.clients;
        let conf = self
            .cases()
            .filter_map(|case| case.attempt.owner.pid)
            .find_map(|pid| clients.get(&pid))
            .and_then(|client| client.resolv_conf.as_ref());
        let grep = Command::new("grep -n nameserver");
        let own = grep.clone().and("/etc/resolv.conf");
        conf.map_or(Command::default(), |conf| grep.word(conf.path.as_path()))
            .or(own)
    }
}
