//! What servers said about questions: for the rules that compare answers with each other.

use std::net::SocketAddr;

use domain::base::iana::Rtype;

use super::commands;
use super::ranking;
use crate::incidents::Asking;
use crate::incidents::Evidence;
use crate::incidents::Said;
use crate::shell::Command;
use crate::units;

const NAME_MAX: usize = 60;
const EXAMPLES: usize = 3;

/// Questions of one finding, with how many answers each is about.
#[derive(Debug, Default)]
pub(super) struct Questions {
    names: Vec<(String, Rtype, u64)>,
    /// Answers that it is about.
    pub(super) answers: u64,
}

impl Questions {
    pub(super) fn add(&mut self, question: &Said, answers: u64) {
        self.answers += answers;
        if let Some(question) = question.question.parse() {
            self.names.push((question.name, question.rtype, answers));
        }
    }

    /// How many different ones.
    pub(super) fn number(&self) -> u64 {
        self.names.len() as u64
    }

    /// `Names: a.example, b.example and 17 more.`
    pub(super) fn examples(&self) -> Option<String> {
        let ranked = ranking::ranked(
            self.names
                .iter()
                .map(|(name, _, answers)| (name.clone(), *answers)),
        );
        let shown = ranking::first_of(&ranked, EXAMPLES, |(name, _)| {
            units::shorten(name, NAME_MAX)
        })?;
        Some(format!("Names: {shown}."))
    }

    /// Asks the server what one of them asks, from that namespace.
    pub(super) fn dig(&self, evidence: &Evidence, netns: u32, server: SocketAddr) -> Command {
        let rtype = self.first().map(|(_, rtype)| rtype);
        commands::of_type(self.dig_name(evidence, netns, server), rtype)
    }

    fn first(&self) -> Option<(&str, Rtype)> {
        let by_name = |(name, _, _): &&(String, Rtype, u64)| name.clone();
        let (name, rtype, _) = self.names.iter().min_by_key(by_name)?;
        Some((name, *rtype))
    }

    /// The same for the name alone: the type is still missing.
    pub(super) fn dig_name(&self, evidence: &Evidence, netns: u32, server: SocketAddr) -> Command {
        let dig = commands::dig(server, false);
        let dig = commands::ask_for(dig, self.first().map(|(name, _)| name));
        commands::within(evidence, Some(netns), dig)
    }
}

/// What was said that somebody wants, in an order that does not change. On a host that is well
/// that is nearly nothing, of thousands.
pub(super) fn sorted(
    evidence: &Evidence,
    is_wanted: impl Fn(&Asking, &Said) -> bool,
) -> Vec<(&Asking, &Said)> {
    let all = evidence.answers.iter();
    let mut all: Vec<_> = all
        .filter(|(asking, said)| is_wanted(asking, said))
        .collect();
    all.sort_by_key(|(asking, said)| {
        let rtype = asking.question.rtype.to_int();
        (asking.netns, asking.server, said.question.as_bytes(), rtype)
    });
    all
}
