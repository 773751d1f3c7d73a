//! What incidents have in common that stand for each other when room is short.

use std::net::SocketAddr;

use domain::base::iana::OptRcode;
use domain::base::iana::Rtype;

use super::incident::Incident;
use crate::attempt::Outcome;
use crate::attempt::Reason;
use crate::attempt::Transport;

/// What is alike in them.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct Likeness {
    pid: Option<u32>,
    netns: u32,
    server: SocketAddr,
    outcome: Outcome,
    transport: Transport,
    reason: Option<Reason>,
    rcode: Option<OptRcode>,
    rtype: Option<Rtype>,
    reported: bool,
}

impl Likeness {
    pub(super) fn of(incident: &Incident) -> Self {
        let attempt = &incident.attempt;
        let question = attempt.question.fingerprint();
        Self {
            pid: attempt.owner.pid,
            netns: attempt.owner.netns,
            server: attempt.peer,
            outcome: attempt.outcome,
            transport: attempt.transport,
            reason: attempt.reason.clone(),
            rcode: attempt.answer.map(|answer| answer.rcode),
            rtype: question.map(|question| question.rtype),
            reported: incident.reported,
        }
    }
}
