//! The doctor's rules in one sentence each: what is wrong, and what to do, without the figures
//! of one host.

use crate::doctor::Rule;

/// The rule of this name, if this version of kerno has it.
fn rule(name: &str) -> Option<Rule> {
    Rule::all().find(|rule| rule.name() == name)
}

/// Says how much goes wrong, and not why.
pub(super) fn is_summary(name: &str) -> bool {
    rule(name).is_some_and(Rule::is_summary)
}

/// Is about a DNS server of the node's own.
pub(super) fn is_of_server(name: &str) -> bool {
    matches!(
        rule(name),
        Some(
            Rule::ServerThrottled
                | Rule::ServerSaturated
                | Rule::ServerOverflow
                | Rule::ServerOomKilled
                | Rule::ServerSlow
                | Rule::UpstreamSlow
                | Rule::ForwardingLoop
                | Rule::SocketUnread
                | Rule::InFlightLimit
                | Rule::RateLimit
        )
    )
}

/// What a client feels when its server, elsewhere, is in trouble.
pub(super) fn is_symptom(name: &str) -> bool {
    matches!(
        rule(name),
        Some(
            Rule::HighLatency
                | Rule::FailureRate
                | Rule::Unknown
                | Rule::DeadServer
                | Rule::ServerAway
                | Rule::BadReplica
                | Rule::ClientGaveUp
                | Rule::Servfail
        )
    )
}

/// What is wrong, as a sentence without a full stop.
pub(super) fn title(name: &str) -> String {
    match rule(name) {
        Some(rule) => of(rule).0.to_owned(),
        // Of a newer agent.
        None => format!("{name} (a rule that this version of kerno does not know)"),
    }
}

/// What to do.
pub(super) fn fix(name: &str) -> &'static str {
    rule(name).map_or("The node's own report has the fix.", |rule| of(rule).1)
}

fn of(rule: Rule) -> (&'static str, &'static str) {
    match rule {
        Rule::SendDenied => (
            "Programs may not send DNS queries",
            "The node's report names the errno and who denies it: a BPF program, a unit's option, a rule \
             in OUTPUT, or a missing route.",
        ),
        Rule::TcpBlocked => (
            "DNS over TCP does not get through",
            "Allow TCP to port 53, or answer within 1232 octets.",
        ),
        Rule::ConntrackFull => (
            "The connection tracking table is full",
            "Raise nf_conntrack_max, see who fills the table, exempt DNS from tracking.",
        ),
        Rule::ConntrackRace => (
            "Queries get lost in a race of connection tracking",
            "Translate source ports fully at random (--random-fully), or use NodeLocal DNSCache.",
        ),
        Rule::ConntrackStale => (
            "Old entries of connection tracking lead queries to a server that is gone",
            "Delete them (conntrack -D), and look why kube-proxy or IPVS left them.",
        ),
        Rule::NoRoute => (
            "There is no way to the DNS server",
            "See the route in the namespace where it happens: ip route get.",
        ),
        Rule::AnswerTooBig => (
            "Large answers do not arrive",
            "Set the EDNS buffer size to 1232, or mend the MTU on the way.",
        ),
        Rule::PolicyDrop => (
            "A firewall discards DNS queries",
            "Find the rule and let port 53 through: a network policy, nftables, iptables. What was \
             rolled out there lately?",
        ),
        Rule::ServerOomKilled => (
            "A DNS server was killed for want of memory",
            "Raise its memory limit, or find out what made it grow.",
        ),
        Rule::ClientOverflow => (
            "Answers find no room in their client's socket",
            "Read faster, ask less at once, or raise SO_RCVBUF.",
        ),
        Rule::TcpLossy => (
            "DNS over TCP is slow, because segments get lost",
            "Look at the way to the server: links, MTU, shapers.",
        ),
        Rule::ForwardingLoop => (
            "DNS servers ask each other in a circle",
            "Take one of them out of the other's upstreams.",
        ),
        Rule::EdnsDropped => (
            "Queries with EDNS get no answer",
            "Mend what drops them on the way; until then turn EDNS off at the clients.",
        ),
        Rule::CaseDropped => (
            "Queries with capital letters in the name get no answer",
            "Mend what drops them; until then let resolvers not mix capitals in (use-caps-for-id).",
        ),
        Rule::ZoneUnanswered => (
            "Names of one zone get no answer",
            "Find where its own servers are, or send the zone to a server that knows it.",
        ),
        Rule::PrivateReverse => (
            "Names of private addresses get no answer",
            "Answer them locally (RFC 6303), or forward them to who knows them.",
        ),
        Rule::TypeDropped => (
            "Queries of one type get no answer",
            "Mend the server or the middlebox that drops them.",
        ),
        Rule::OneTransport => (
            "One transport gets no answer, the other does",
            "Let both UDP and TCP to port 53 through.",
        ),
        Rule::SecondQuery => (
            "Only the first query of a port or a connection is answered",
            "Mend the server or the middlebox; glibc has the option single-request-reopen.",
        ),
        Rule::UpstreamSlow => (
            "A DNS server here waits for its own upstream",
            "Look at the upstream: the node's report names it.",
        ),
        Rule::ServerThrottled => (
            "A DNS server is stopped by its CPU limit",
            "Raise or remove the limit, or run more replicas.",
        ),
        Rule::Storm => (
            "One program asks more than its DNS server can answer",
            "Slow the program down, or cache: the node's report names it.",
        ),
        Rule::ServerSaturated => (
            "A DNS server has not enough CPU",
            "Give it more CPU or replicas, or take what crowds it elsewhere.",
        ),
        Rule::ServerOverflow => (
            "A DNS server's receive buffer overflows",
            "More replicas or threads; a larger buffer helps against bursts only.",
        ),
        Rule::ServerSlow => (
            "A DNS server answers slowly by itself",
            "Look at its log and its plugins.",
        ),
        Rule::SlowWay => (
            "The way to the DNS server is slow",
            "Look at the network between: latency, shapers, tunnels.",
        ),
        Rule::WrongSource => (
            "Answers come from another address than was asked",
            "Let the server answer from the address that was asked.",
        ),
        Rule::AnswerIgnored => (
            "Answers do not fit their query, and are ignored",
            "Somebody forges or rewrites answers: look who is on the way.",
        ),
        Rule::ClientGaveUp => (
            "Programs give up before the answer is there",
            "Let them wait longer, or make the server faster.",
        ),
        Rule::NobodyListening => (
            "Nobody listens where DNS is asked",
            "Start the server there, or ask another: the node's report says who asks where.",
        ),
        Rule::KernelDrop => (
            "The kernel discards DNS packets",
            "The node's report has the kernel's reason and the place.",
        ),
        Rule::AaaaBroken => (
            "Queries for IPv6 addresses fail, those for IPv4 do not",
            "Mend the server or the middlebox that drops AAAA.",
        ),
        Rule::ClientsIgnored => (
            "A DNS server ignores some of its clients",
            "Look at its access rules: are their networks allowed?",
        ),
        Rule::SocketUnread => (
            "A DNS server does not read one of its sockets",
            "Restart it; look for a process that shares its port (SO_REUSEPORT).",
        ),
        Rule::BadReplica => (
            "One of the servers behind an address does not answer",
            "Take it out of the service, and look at its node.",
        ),
        Rule::InFlightLimit => (
            "A DNS server takes so many queries at once, and ignores the rest",
            "Find out why its answers take long, ask less at once, or let it take more.",
        ),
        Rule::RateLimit => (
            "A DNS server limits how much it answers",
            "Ask less (a cache), or raise the limit for these clients.",
        ),
        Rule::ClientCutOff => (
            "Some namespaces get no answer, others do",
            "Look at the network policy and the way out of these.",
        ),
        Rule::ServerAway => (
            "A DNS server was silent for a time",
            "Look at its log and at its node at that time.",
        ),
        Rule::DeadServer => (
            "A DNS server does not answer",
            "Mend it, or take it out of resolv.conf.",
        ),
        Rule::Servfail => (
            "A DNS server answers SERVFAIL",
            "Look at the server's upstream, DNSSEC and zones: the node's report has the reason if the \
             server tells one.",
        ),
        Rule::RefusedRcode => (
            "A DNS server refuses queries",
            "Allow the clients, or ask a server that may answer them.",
        ),
        Rule::OtherRcode => (
            "A DNS server answers with errors",
            "The node's report has the response codes and what they mean.",
        ),
        Rule::NoRecursion => (
            "A server that does not resolve for others is asked to",
            "Ask a resolver, or let this one recurse for these clients.",
        ),
        Rule::Unknown => (
            "Queries fail, and the nodes see no reason",
            "Look at the server and the network between: no cause was found on these nodes.",
        ),
        Rule::AnswerEmptied => (
            "A forwarder empties answers",
            "Mend the forwarder's filter: its upstream's answers have records.",
        ),
        Rule::Contradiction => (
            "DNS servers contradict each other",
            "Give both the same zones, or programs only one of them.",
        ),
        Rule::LateReader => (
            "Programs read their answers late",
            "The programs are slow, not DNS: CPU limits, or one busy thread.",
        ),
        Rule::SearchAmplification => (
            "Search lists multiply queries",
            "Write names with a dot at their end, or lower ndots.",
        ),
        Rule::DescriptorsFull => (
            "Programs have no file descriptors left for lookups",
            "Raise the limit (LimitNOFILE=), or find the leak.",
        ),
        Rule::FailureRate => (
            "Queries fail",
            "The node's report has what is known of them.",
        ),
        Rule::HighLatency => (
            "Answers are slow",
            "Look at the servers, and at the way to them.",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sentences_are_sentences() {
        for rule in Rule::all() {
            let (title, fix) = of(rule);
            assert!(title.starts_with(char::is_uppercase), "{title}");
            assert!(
                !title.ends_with('.') && fix.ends_with(['.', '?']),
                "{title} {fix}"
            );
            assert!(
                !(is_symptom(rule.name()) && is_of_server(rule.name())),
                "{title}"
            );
        }
        assert!(title("dns_of_tomorrow").contains("dns_of_tomorrow"));
    }
}
