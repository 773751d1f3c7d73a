//! Rows of the contrast: rules that say what an attribute means that separates the
//! queries that failed from those that did not.

use domain::base::iana::Rtype;

use super::group::Group;
use super::place::Place;
use crate::attempt::Attempt;
use crate::attempt::Outcome;
use crate::attempt::identity::WorkloadId;
use crate::contrast::Contrast;
use crate::doctor::who;
use crate::incidents::Apart;
use crate::incidents::Evidence;
use crate::incidents::FailureKind;
use crate::incidents::Incident;
use crate::incidents::Separated;
use crate::incidents::ServerView;
use crate::incidents::Trait;
use crate::thresholds::BIG_ANSWER_BYTES;
use crate::units;

pub(super) const UNANSWERED: &str = "went unanswered";
/// What a resolver asks that mixes capitals in (0x20).
pub(super) const CAPITALS: &str = "queries with capital letters in the name";
pub(super) const LATER: &str = "queries on a TCP connection that had an answer before";
const SLOWLY: &str = "were answered slowly";

/// Whether nothing is known of its end but that no answer came.
pub(super) fn is_silent(incident: &Incident) -> bool {
    matches!(
        incident.attempt.outcome,
        Outcome::Unanswered | Outcome::Late
    ) && incident.drop().is_none()
        && incident.errno().is_none()
        && incident.like.is_none()
        && incident.attempt.ignored.count() == 0
}

/// What sets the unanswered query apart from what the same server answered, unless the time
/// does it better: what was asked while a server was silent may have much in common.
pub(super) fn of_silent(incident: &Incident, evidence: &Evidence) -> Option<(Trait, Contrast)> {
    let (it, found) = whenever(incident, evidence)?;
    let away = evidence.away.of_incident(incident);
    let is_time = away.is_some_and(|away| away.contrast.chance < found.chance);
    (!is_time).then_some((it, found))
}

/// The same whatever the time says.
pub(super) fn whenever(incident: &Incident, evidence: &Evidence) -> Option<(Trait, Contrast)> {
    let attempt = is_silent(incident).then_some(&incident.attempt)?;
    unanswered(&evidence.separated, attempt)
}

/// In its own namespace, or else over all that ask the server.
fn unanswered(separated: &Separated, attempt: &Attempt) -> Option<(Trait, Contrast)> {
    let own = separated.unanswered(attempt);
    own.or_else(|| separated.over_namespaces(attempt))
}

/// The place of a row, if it is this that sets the query apart.
pub(super) fn place(
    incident: &Incident,
    evidence: &Evidence,
    is_it: impl Fn(Trait) -> bool,
) -> Option<Place> {
    let (it, _) = of_silent(incident, evidence)?;
    is_it(it).then(|| Place::at(incident.server()))
}

/// The same by what the server on this host saw.
pub(super) fn of_silent_at_server<'a>(
    incident: &Incident,
    evidence: &'a Evidence,
) -> Option<(&'a ServerView, Trait)> {
    let view = evidence.view_of(incident).filter(|it| !it.is_answered())?;
    let (it, _) = evidence.separated.at_server(view)?;
    is_silent(incident).then_some((view, it))
}

impl Group<'_> {
    /// `Of queries with EDNS, 20 of 20 went unanswered; of all others, 0 of 60.`, what else
    /// has the same figures, and what the server on this host did with them.
    pub(super) fn contrast_told(&self, which: &str) -> Vec<String> {
        let separated = &self.evidence.separated;
        let over_namespaces = || Some(separated.over_namespaces(&self.first()?.attempt)?.1);
        let contrast = self.summed(Separated::unanswered).or_else(over_namespaces);
        let told = contrast.map(|it| it.told(which, UNANSWERED));
        told.into_iter()
            .chain(self.alike_told())
            .chain(self.left_here_told())
            .collect()
    }

    /// What else all of these queries have, and no other.
    pub(super) fn alike_told(&self) -> Option<String> {
        let first = self.incidents().find(|it| is_silent(it))?;
        let separated = &self.evidence.separated;
        let (own, _) = unanswered(separated, &first.attempt)?;
        let alike = separated.alike(&first.attempt).into_iter();
        let told: Vec<String> = alike
            .filter(|it| !is_implied(*it, own))
            .filter_map(|it| which(it, &first.attempt))
            .collect();
        (!told.is_empty()).then(|| {
            format!(
                "The same figures are those of {}: it may be that instead, the queries do not tell.",
                told.join(" and of ")
            )
        })
    }

    /// Of how many of them it is known that they came to a server on this host, which did not
    /// answer.
    pub(super) fn left_here(&self) -> u64 {
        self.count(|incident| {
            let view = self.evidence.view_of(incident);
            is_silent(incident) && view.is_some_and(|view| !view.is_answered())
        })
    }

    /// Whether that is so of most: then nothing on the way is to blame.
    pub(super) fn is_left_here(&self) -> bool {
        self.left_here() * 2 > self.queries()
    }

    fn left_here_told(&self) -> Option<String> {
        let left = self.left_here();
        (left > 0).then(|| {
            format!(
                "The server is on this host: {} came to its socket and went unanswered there.",
                units::queries(left)
            )
        })
    }

    /// The same of what its server on this host saw.
    pub(super) fn contrast_at_server_told(&self, which: &str) -> Option<String> {
        let view = self.views().find(|view| !view.is_answered())?;
        let (_, contrast) = self.evidence.separated.at_server(view)?;
        Some(contrast.told(which, UNANSWERED))
    }

    /// What sets apart those that got this error.
    pub(super) fn error_contrast_told(&self) -> Option<String> {
        let first = &self.first()?.attempt;
        let (it, _) = self.evidence.separated.answered_with_error(first)?;
        let contrast = self.summed(Separated::answered_with_error)?;
        Some(contrast.told(&which(it, first)?, "were answered with an error"))
    }

    /// What sets apart those that were answered slowly: an attribute at one server, or the
    /// server itself, or who asks it.
    pub(super) fn slow_contrast_told(&self) -> Option<String> {
        let first = self.incidents().find(|it| it.kind == FailureKind::Slow)?;
        let separated = &self.evidence.separated;
        if let Some((it, _)) = separated.answered_slowly(&first.attempt) {
            let contrast = self.summed(Separated::answered_slowly)?;
            return Some(contrast.told(&which(it, &first.attempt)?, SLOWLY));
        }
        let (apart, contrast) = separated.slow_server(&first.attempt)?;
        let server = first.server();
        let netns = self.netns_told(first.attempt.owner.netns);
        let (which, rest) = match apart {
            Apart::Server => (
                format!("queries to {server} from {netns}"),
                "those to all other servers from there",
            ),
            Apart::Namespace => (
                format!("queries to {server} from {netns}"),
                "those to it from all other namespaces",
            ),
        };
        let told = contrast
            .with
            .against(&contrast.others, (&which, rest), SLOWLY);
        Some(told)
    }

    /// What sets slow answers of one server apart from its other answers, in words.
    pub(super) fn which_is_slow(&self) -> Option<(Trait, String)> {
        let first = &self.first()?.attempt;
        let (it, _) = self.evidence.separated.answered_slowly(first)?;
        Some((it, which(it, first)?))
    }

    /// What sets unanswered ones apart, where no rule knows what it means.
    pub(super) fn other_contrast_told(&self) -> Option<String> {
        let first = self.incidents().find(|it| is_silent(it))?;
        let (it, contrast) = unanswered(&self.evidence.separated, &first.attempt)?;
        Some(contrast.told(&which(it, &first.attempt)?, UNANSWERED))
    }

    /// For how large answers these queries had room, if all that came were small: what is
    /// lost may be what is large.
    pub(super) fn room_told(&self) -> Option<String> {
        let silent = |it: &&Incident| is_silent(it) && !it.is_tcp();
        let silent: Vec<&Incident> = self.incidents().filter(silent).collect();
        let room = |it: &&Incident| Some(it.attempt.question.shape()?.room);
        let least = silent.iter().filter_map(room).min()?;
        let oversized = &self.evidence.oversized;
        let largest = silent
            .iter()
            .map(|it| oversized.largest_but_its_own(&it.attempt));
        let largest = largest.min()??;
        let is_all = silent.len() == self.incidents().count() && self.views().next().is_none();
        (is_all && least > BIG_ANSWER_BYTES && largest <= BIG_ANSWER_BYTES).then(|| {
            format!(
                "They had room for answers of {} bytes, and the largest that came from there over UDP had \
                 {}: if theirs are larger, these may get lost on the way.",
                units::count(least.into()),
                units::count(largest.into())
            )
        })
    }

    /// Of all namespaces that have these incidents: each has a contrast of its own.
    fn summed(
        &self,
        of: fn(&Separated, &Attempt) -> Option<(Trait, Contrast)>,
    ) -> Option<Contrast> {
        let mut seen = Vec::new();
        let mut summed: Option<(Trait, Contrast)> = None;
        for incident in self.incidents() {
            let way = (incident.attempt.owner.netns, incident.server());
            if seen.contains(&way) {
                continue;
            }
            let Some((it, found)) = of(&self.evidence.separated, &incident.attempt) else {
                continue;
            };
            seen.push(way);
            match &mut summed {
                None => summed = Some((it, found)),
                Some((own, contrast)) if *own == it => {
                    contrast.with.absorb(&found.with);
                    contrast.others.absorb(&found.others);
                }
                Some(_) => {}
            }
        }
        summed.map(|(_, contrast)| contrast)
    }
}

/// Whether all that have one of them are known to have the other.
fn is_implied(other: Trait, by: Trait) -> bool {
    match by {
        // All are below in-addr.arpa or ip6.arpa.
        Trait::PrivateReverse | Trait::Type(Rtype::PTR) => {
            matches!(other, Trait::Zone(_) | Trait::Parent(_))
        }
        // It is a part of that zone.
        Trait::Parent(_) => matches!(other, Trait::Zone(_)),
        Trait::LaterOnConnection => other == Trait::Tcp,
        _ => false,
    }
}

/// Those that have it, in words.
fn which(it: Trait, example: &Attempt) -> Option<String> {
    Some(match it {
        Trait::Edns => "queries with EDNS (an OPT record)".to_owned(),
        Trait::Capitals => CAPITALS.to_owned(),
        Trait::PrivateReverse => "reverse lookups of private addresses".to_owned(),
        Trait::Type(rtype) => format!("queries of type {rtype}"),
        Trait::Tcp => "queries over TCP".to_owned(),
        Trait::Udp => "queries over UDP".to_owned(),
        Trait::AfterAnswer => "queries from a source port that had an answer before".to_owned(),
        Trait::LaterOnConnection => LATER.to_owned(),
        Trait::Group(_) => {
            let whom = WorkloadId::made(example);
            format!("queries of {}", who::workload(&whom))
        }
        Trait::Zone(_) => format!("names of {}", super::error_rcode::zone_of(example)?),
        Trait::Parent(_) => format!("names of {}", super::error_rcode::parent_of(example)?),
        Trait::ServerSocket(_) | Trait::Network(_) => return None,
    })
}
