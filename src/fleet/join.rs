//! What clients feel on many nodes, joined with what is wrong at their server's node.

use super::finding::Finding;
use super::finding::Symptom;
use super::place::ALL;
use super::place::SERVER;
use super::words;

/// Folds symptoms into the finding at the server that explains them.
pub(super) fn symptoms(findings: &mut Vec<Finding>) {
    let causes: Vec<_> = (0..findings.len())
        .filter(|at| words::is_of_server(&findings[*at].rule))
        .collect();
    let mut joined: Vec<(usize, usize, Option<String>)> = Vec::new();
    for (symptom, it) in findings.iter().enumerate() {
        if !words::is_symptom(&it.rule) {
            continue;
        }
        let of_same_server = causes.iter().find_map(|cause| {
            let both = findings[*cause].servers.intersection(&it.servers).next()?;
            Some((*cause, Some(both.clone())))
        });
        // Behind a service's address nobody names the server itself: if one server's node is
        // in trouble and all that ask are, it is likely.
        let likely = || match causes.as_slice() {
            [cause] if matches!(&*it.place.dimension, SERVER | ALL) => Some((*cause, None)),
            _ => None,
        };
        if let Some((cause, server)) = of_same_server.or_else(likely) {
            joined.push((cause, symptom, server));
        }
    }
    for (cause, symptom, server) in &joined {
        let it = findings[*symptom].clone();
        let cause = &mut findings[*cause];
        cause.severity = cause.severity.max(it.severity);
        cause.is_open |= it.is_open;
        cause.queries_failed += it.queries_failed;
        cause.lookups_failed += it.lookups_failed;
        cause.seconds_lost += it.seconds_lost;
        cause.explains.push(Symptom {
            rule: it.rule,
            nodes: it.nodes,
            server: server.clone(),
        });
    }
    let mut at = 0;
    findings.retain(|_| {
        at += 1;
        !joined.iter().any(|(_, symptom, _)| *symptom == at - 1)
    });
}
