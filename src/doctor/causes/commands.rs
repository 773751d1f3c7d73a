//! Commands about a group, as they are run from where its incidents are.

use super::group::Group;
use crate::attempt::Question;
use crate::doctor::commands;
use crate::shell::Command;

impl Group<'_> {
    /// A command as it is run inside a network namespace.
    pub(super) fn within(&self, netns: Option<u32>, command: Command) -> Command {
        commands::within(self.evidence, netns, command)
    }

    /// A command as it is run in the namespace of this place.
    pub(super) fn within_place(&self, command: Command) -> Command {
        self.within(self.place.netns, command)
    }

    /// Asks the server from where the client is; what to ask is still missing.
    pub(super) fn dig(&self) -> Command {
        let Some(incident) = self.first() else {
            return Command::default();
        };
        let dig = commands::dig(incident.server(), incident.is_tcp());
        self.within(Some(incident.attempt.owner.netns), dig)
    }

    /// The same, with the question that every server can answer.
    pub(in crate::doctor) fn dig_root(&self) -> Command {
        self.dig().and(". SOA")
    }

    /// Lets a `dig` ask what was asked, if that can stand in a command; else for the root.
    pub(super) fn ask_example(&self, dig: Command) -> Command {
        let rtype = self.example().map(|question| question.rtype);
        commands::of_type(self.ask_name(dig), rtype)
    }

    /// The same for the name alone: the type is still missing.
    pub(super) fn ask_name(&self, dig: Command) -> Command {
        commands::ask_for(dig, self.example().as_ref().map(|it| &*it.name))
    }

    fn example(&self) -> Option<Question> {
        self.first()?.attempt.question.parse()
    }

    /// The nameservers of a client's resolv.conf, or of this host's if the client's
    /// is not known.
    pub(super) fn grep_nameservers(&self) -> Command {
        let grep = Command::new("grep -n nameserver");
        let own = grep.clone().and("/etc/resolv.conf");
        match self.resolv_conf() {
            Some((_, conf)) => grep.word(conf.path.as_path()).or(own),
            None => own,
        }
    }
}
