//! What the resolv.conf of who asks has to do with the server that was asked.

use std::net::IpAddr;
use std::net::Ipv4Addr;

use super::group::Group;
use super::nobody_listening;
use super::send_denied;
use crate::doctor::explanation::Explanation;
use crate::doctor::rule::Rule;
use crate::sampler::ResolvConf;
use crate::shell::Command;
use crate::units;

/// resolv.conf(5): MAXNS.
pub(super) const NAMESERVERS_USED: usize = 3;
const SHOWN: usize = 3;

/// Rules about servers that do not serve these clients; `dns_dead_server` says it itself.
fn is_about_list(rule: Rule) -> bool {
    matches!(
        rule,
        Rule::Unknown
            | Rule::NobodyListening
            | Rule::NoRoute
            | Rule::SendDenied
            | Rule::ClientGaveUp
            | Rule::RefusedRcode
            | Rule::NoRecursion
    )
}

/// The name of systemd-resolved's process, as the kernel cuts it.
pub(super) const RESOLVED: &[u8] = b"systemd-resolve";

/// Rules about servers that systemd-resolved may be told to ask no more.
fn is_about_upstream(rule: Rule) -> bool {
    let others = [
        Rule::UpstreamSlow,
        Rule::DeadServer,
        Rule::ServerAway,
        Rule::Servfail,
        Rule::OtherRcode,
        Rule::SlowWay,
        Rule::EdnsDropped,
        Rule::CaseDropped,
        Rule::TypeDropped,
        Rule::ZoneUnanswered,
        Rule::OneTransport,
    ];
    is_about_list(rule) || others.contains(&rule)
}

impl Group<'_> {
    /// Whether systemd-resolved asks, most of all; its clients may ask it over D-Bus, which
    /// nobody sees.
    pub(super) fn is_asked_by_resolved(&self) -> bool {
        let askers = self.ranked_askers();
        let most = askers.first().map(|((_, comm), _)| comm.as_bytes());
        most == Some(RESOLVED)
    }

    /// Whether those who ask do so for others: what they ask is in their own configuration.
    pub(super) fn is_asked_by_resolvers(&self) -> bool {
        let pids = self.distinct(|incident| incident.attempt.owner.pid);
        let asks_for_others = |pid: &Option<u32>| {
            let resolvers = &self.evidence.resolvers;
            pid.is_some_and(|pid| resolvers.contains(&pid))
        };
        self.is_asked_by_resolved() || (!pids.is_empty() && pids.iter().all(asks_for_others))
    }

    /// Adds where the list is that has the server.
    pub(super) fn look_at_list(&self, explanation: Explanation, rule: Rule) -> Explanation {
        // A firewall is in the way of other servers, too.
        if rule == Rule::NobodyListening && nobody_listening::is_rejected(self) {
            return explanation;
        }
        match is_about_upstream(rule) && self.is_asked_by_resolved() {
            true => explanation
                .run(
                    "systemd-resolved asks it, and has its servers by link:",
                    Command::new("resolvectl status"),
                )
                .say(
                    "Give it others: `resolvectl dns LINK ADDRESS` until the link is set up anew; for \
                     good in the network manager, in `DNS=` of the link's .network file or of \
                     /etc/systemd/resolved.conf.",
                ),
            false => self.look_at_file(explanation, rule),
        }
    }

    /// Adds what the list of nameservers explains.
    fn look_at_file(&self, explanation: Explanation, rule: Rule) -> Explanation {
        // A reason of its own needs no list.
        let is_plain = match rule {
            Rule::RefusedRcode => self.place.fault == 0,
            Rule::SendDenied => self.place.fault == send_denied::NO_ROUTE,
            _ => true,
        };
        // Nor does a server that serves these clients: they have it from somewhere that is right.
        let asked = self.asked().all;
        let serves = match rule {
            Rule::NoRecursion => false,
            Rule::RefusedRcode => asked.noerror > 0,
            _ => asked.answered > 0,
        };
        let is_about_it = is_about_list(rule) && is_plain && !serves;
        let unlisted = self.unlisted().filter(|_| is_about_it);
        if let Some(conf) = unlisted {
            return explanation
                .line(format!(
                    "{} is not in the resolv.conf of who asks it (any more). {conf} The program read the \
                     file before it was changed, or has the address from elsewhere.",
                    self.server()
                ))
                .say(
                    "Restart the program, so that it reads resolv.conf again; or take the address out of \
                     its own configuration.",
                );
        }
        if let Some((pid, conf)) = self.resolv_conf().filter(|_| is_about_list(rule))
            && conf.nameservers.is_empty()
            && self
                .place
                .server
                .is_some_and(|it| it.ip() == Ipv4Addr::LOCALHOST)
        {
            return explanation
                .line(format!(
                    "The resolv.conf of pid {pid} names no server: C libraries then ask 127.0.0.1."
                ))
                .say("Put a nameserver into that file: it is empty, or has no line that can be read.");
        }
        let is_about = is_about_list(rule) || rule == Rule::DeadServer;
        match self.unused_told().filter(|_| is_about) {
            Some(unused) => explanation
                .line(unused)
                .say("Put nameservers that answer among the first three."),
            None => explanation,
        }
    }

    /// Nameservers behind the third, which C libraries do not ask.
    fn unused_told(&self) -> Option<String> {
        let server = self.place.server?.ip();
        let (pid, conf) = self.resolv_conf()?;
        let (list, unused) = (&conf.nameservers, unused(conf)?);
        list.contains(&server).then(|| {
            format!(
                "The resolv.conf of pid {pid} has {}; C libraries use the first three, and never ask {}.",
                units::counted(list.len() as u64, "nameserver", "nameservers"),
                unused
            )
        })
    }
}

/// `10.0.0.4, 10.0.0.5`
fn unused(conf: &ResolvConf) -> Option<String> {
    let unused = conf.nameservers.get(NAMESERVERS_USED..)?;
    let shown: Vec<_> = unused.iter().take(SHOWN).map(IpAddr::to_string).collect();
    (!shown.is_empty()).then(|| shown.join(", "))
}
