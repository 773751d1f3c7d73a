//! Findings that are open: from the first time that the doctor has one until it has been
//! away for a while.

use std::time::SystemTime;

use crate::doctor::Finding;
use crate::doctor::Severity;
use crate::doctor::Subject;
use crate::doctor::Verdict;

/// A finding is closed when so many looks in a row were without it: one that comes and goes
/// at its threshold stays open.
pub(super) const AWAY: u32 = 3;
/// Findings that may be open at one time.
const OPEN_MAX: usize = 128;

/// What became of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// It was not there before.
    Opened,
    /// It was a warning, and is critical.
    Worsened,
    /// It is no longer there.
    Closed,
}

/// A finding that is open, as it was when it was seen last.
#[derive(Clone, Debug)]
pub(super) struct Open {
    /// With its latest figures.
    pub(super) finding: Finding,
    /// When it was opened.
    pub(super) since: SystemTime,
    /// Its worst severity since then.
    pub(super) worst: Severity,
    /// Looks in a row without it.
    away: u32,
}

/// Those that are open.
#[derive(Debug, Default)]
pub(super) struct OpenFindings {
    open: Vec<Open>,
    passed_over: u64,
}

impl OpenFindings {
    /// Takes what the doctor says now. Returns what changed.
    pub(super) fn see(&mut self, findings: &[Finding], now: SystemTime) -> Vec<(Event, Open)> {
        let mut changes = Vec::new();
        self.open.iter_mut().for_each(|it| it.away += 1);
        let hurting: Vec<_> = findings
            .iter()
            .filter(|it| it.severity > Severity::Info)
            .collect();
        let mut places = vec![None; hurting.len()];
        // Those that are certainly the same come first.
        for is_same in [is_certainly, may_be] {
            let unplaced = hurting
                .iter()
                .zip(&mut places)
                .filter(|(_, place)| place.is_none());
            for (finding, place) in unplaced {
                let mut open = self.open.iter_mut().enumerate();
                let again = open.find(|(_, it)| {
                    it.away > 0
                        && it.finding.rule == finding.rule
                        && is_same(&it.finding.scope, &finding.scope)
                });
                *place = again.map(|(at, open)| {
                    open.away = 0;
                    at
                });
            }
        }
        for (&finding, place) in hurting.iter().zip(places) {
            match place {
                Some(at) => {
                    let open = &mut self.open[at];
                    open.finding = finding.clone();
                    if finding.severity > open.worst {
                        open.worst = finding.severity;
                        changes.push((Event::Worsened, open.clone()));
                    }
                }
                None if self.open.len() >= OPEN_MAX => self.passed_over += 1,
                None => {
                    let open = Open {
                        finding: finding.clone(),
                        since: now,
                        worst: finding.severity,
                        away: 0,
                    };
                    changes.push((Event::Opened, open.clone()));
                    self.open.push(open);
                }
            }
        }
        let gone = self.open.extract_if(.., |it| it.away >= AWAY);
        changes.extend(gone.map(|it| (Event::Closed, it)));
        changes
    }

    /// Those that are open now, the oldest first.
    pub(super) fn all(&self) -> &[Open] {
        &self.open
    }

    /// How often one found no room.
    pub(super) fn passed_over(&self) -> u64 {
        self.passed_over
    }
}

/// In one word: what is open, or what the doctor says where nothing is.
pub(super) fn verdict(open: &[Open], now: Verdict) -> Verdict {
    match open.iter().map(|it| it.worst).max() {
        Some(Severity::Critical) => Verdict::Critical,
        Some(_) => Verdict::Warning,
        None => now,
    }
}

fn is_certainly(one: &Subject, other: &Subject) -> bool {
    may_be(one, other) && one.server == other.server
}

/// Whether two looks may be about the same one. Programs that are started again and again
/// have a new process id each time; and a server is named where nearly all that failed was
/// its own, which may be so in one look and not in the next.
fn may_be(one: &Subject, other: &Subject) -> bool {
    let may_be = one.server.is_none() || other.server.is_none() || one.server == other.server;
    one.role == other.role && one.workload == other.workload && one.comm == other.comm && may_be
}

#[cfg(test)]
pub(super) mod tests {
    use std::time::Duration;

    use super::*;
    use crate::attempt::Role;
    use crate::doctor::Rule;
    use crate::doctor::SubjectServer;
    use crate::doctor::Unit;

    pub(in crate::agent) fn finding(rule: Rule, severity: Severity, scope: Subject) -> Finding {
        Finding {
            rule,
            severity,
            title: "something is wrong".to_owned(),
            cause: String::new(),
            impact: String::new(),
            hit_hardest: None,
            evidence: Vec::new(),
            fix: Vec::new(),
            value: 1.0,
            threshold: 0.0,
            unit: Unit::Queries,
            scope,
            queries: 1,
            lost_ns: 0,
        }
    }

    fn of_server(last: u8) -> Subject {
        Subject {
            server: Some(SubjectServer {
                ip: [10, 0, 0, last].into(),
                port: 53,
            }),
            ..Subject::default()
        }
    }

    /// What happened at each look, by rule.
    fn looks(all: &[Vec<Finding>]) -> Vec<Vec<(Event, Rule)>> {
        let mut open = OpenFindings::default();
        let at = |n: usize| SystemTime::UNIX_EPOCH + Duration::from_secs(10 * n as u64);
        let looks = all.iter().enumerate();
        let mut happened = |(n, findings): (usize, &Vec<Finding>)| {
            let changes = open.see(findings, at(n)).into_iter();
            changes
                .map(|(event, it)| (event, it.finding.rule))
                .collect()
        };
        looks.map(&mut happened).collect()
    }

    #[test]
    fn one_opens_once_and_is_closed_once_it_was_away_for_a_while() {
        let is = || vec![finding(Rule::Servfail, Severity::Warning, of_server(1))];
        let told = looks(&[
            vec![],
            is(),
            is(),
            vec![],
            vec![],
            is(),
            vec![],
            vec![],
            vec![],
            vec![],
        ]);
        let mut expected = vec![vec![]; 10];
        expected[1] = vec![(Event::Opened, Rule::Servfail)];
        expected[8] = vec![(Event::Closed, Rule::Servfail)];
        assert_eq!(told, expected);
    }

    #[test]
    fn it_may_get_worse_and_what_hurts_nobody_is_none() {
        let is = |severity| vec![finding(Rule::Servfail, severity, of_server(1))];
        let all = [
            Severity::Info,
            Severity::Warning,
            Severity::Critical,
            Severity::Warning,
        ];
        let told = looks(&all.map(is));
        assert_eq!(told[0], []);
        assert_eq!(told[1], [(Event::Opened, Rule::Servfail)]);
        assert_eq!(told[2], [(Event::Worsened, Rule::Servfail)]);
        assert_eq!(told[3], []);
    }

    #[test]
    fn two_are_two_and_one_is_one_however_it_is_named() {
        let rule = Rule::DeadServer;
        let dead = |last| finding(rule, Severity::Critical, of_server(last));
        let other = |scope| finding(rule, Severity::Critical, scope);
        // Another server, another program and the other end are others.
        let comm = Subject {
            comm: Some("curl".to_owned()),
            ..Subject::default()
        };
        let server = Subject {
            role: Role::Server,
            ..Subject::default()
        };
        let three = vec![dead(1), dead(2), other(comm.clone()), other(server)];
        let told = looks(&[three.clone(), three]);
        assert_eq!(told[0].len(), 4);
        assert_eq!(told[1], []);
        // Another process of the same program, and a server that is named now, are not.
        let again = Subject {
            pid: Some(7),
            ..comm.clone()
        };
        let named = Subject {
            server: of_server(3).server,
            ..comm.clone()
        };
        let told = looks(&[vec![other(comm)], vec![other(again)], vec![other(named)]]);
        assert_eq!(told[1..], [[], []]);
    }

    #[test]
    fn there_is_room_for_so_many() {
        let many: Vec<_> = (0..200)
            .map(|n| finding(Rule::DeadServer, Severity::Warning, of_server(n)))
            .collect();
        let mut open = OpenFindings::default();
        assert_eq!(open.see(&many, SystemTime::UNIX_EPOCH).len(), OPEN_MAX);
        assert_eq!(open.passed_over(), 200 - OPEN_MAX as u64);
        assert_eq!(open.see(&many, SystemTime::UNIX_EPOCH), []);
    }

    impl PartialEq for Open {
        fn eq(&self, other: &Self) -> bool {
            self.finding == other.finding && self.since == other.since
        }
    }
}
