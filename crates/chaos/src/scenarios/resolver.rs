//! A real resolver, unbound, which forwards to another server.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::pod::Pod;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::NOTHING;
use crate::scenario::Scenario;

/// So many addresses do not fit into the 512 octets of plain DNS.
const MANY: u8 = 60;

/// All that DNS does where nothing is wrong: the resolver's own names and forwarded
/// ones, NXDOMAIN, truncated answers and TCP, IPv6, the C library. The doctor must have
/// nothing to say.
pub(crate) const HEALTHY: Scenario = Scenario {
    name: "healthy",
    rule: NOTHING,
    makes: "no fault at all: lookups of every kind through a real resolver",
    fault: Fault::lab(|lab| {
        let [upstream, resolver, client] = pods(lab)?;
        lab.add_ipv6(&[&resolver, &client])?;
        lab.serve(&upstream, Serve::well("lab-upstream", upstream.dns()))?;
        let zone = lab.zone.clone();
        // Nothing is below `none`, and what is below `far` is forwarded.
        let mut names = format!(
            "local-zone: \"none.{zone}.\" static\n\
             local-data: \"good.{zone}. 60 AAAA 2001:db8::53\"\n\
             local-zone: \"big.{zone}.\" redirect\n"
        );
        for host in 1..=MANY {
            writeln!(names, "local-data: \"big.{zone}. 60 A 192.0.2.{host}\"")?;
        }
        let listens = [resolver.ip.into(), resolver.ip6().into()];
        forward(lab, &resolver, &listens, &names, &upstream)?;
        lab.change(format!("unbound at {} is well", resolver.dns()));
        let (v4, v6) = (resolver.dns(), dns_at(resolver.ip6()));
        let ask = |comm, server, group: &str| Ask {
            group: group.to_owned(),
            ..Ask::healthy(comm, server)
        };
        let asks = [
            ask("lab-web", v4, "good"),
            ask("lab-typo", v4, "none"),
            ask("lab-far", v4, "far"),
            ask("lab-tcp", v4, "big"),
            Ask {
                aaaa: true,
                ..ask("lab-v6", v6, "good")
            },
            Ask {
                style: Style::Libc,
                resolv_conf: Some(format!("nameserver {}\n", resolver.ip)),
                ..ask("lab-libc", v4, "good")
            },
        ];
        asks.into_iter().try_for_each(|ask| lab.ask(&client, ask))
    }),
};

/// What the upstream takes: longer than unbound waits at first (376 ms), so that
/// it asks some names twice.
const SLOW: Duration = Duration::from_millis(600);

/// What a client of the slow one waits: unbound asks twice meanwhile.
const PATIENCE: Duration = Duration::from_millis(1_600);

/// So that unbound finds the silent upstream dead within a lab of seconds, and
/// answers SERVFAIL; its default is 2 minutes.
const DEAD_SOON: &str = "infra-cache-max-rtt: 1000\n";

pub(crate) const UPSTREAM_SLOW: Scenario = Scenario {
    name: "upstream-slow",
    rule: "dns_upstream_slow",
    makes: "a resolver whose upstream takes 600 ms",
    fault: Fault::Lab(with(|lab| {
        let takes = format!("takes {} ms", SLOW.as_millis());
        bad_upstream(lab, Does::Delay(SLOW), &takes, "")
    })),
};

pub(crate) const UPSTREAM_LOST: Scenario = Scenario {
    name: "upstream-lost",
    rule: "dns_upstream_slow",
    makes: "a resolver whose upstream never answers",
    fault: Fault::Lab(with(|lab| {
        bad_upstream(lab, Does::Silence, "never answers", DEAD_SOON)
    })),
};

/// Of the documentation prefix (RFC 3849): where nobody is.
const NOWHERE: &str = "2001:db8::53";

/// A host without IPv6, and a resolver that has a server with an IPv6 address too: it cannot
/// even send there, and asks the other at once. Its calls that fail have no name, so that a
/// doctor knows them by the resolver's alone.
pub(crate) const IPV6_UNREACHABLE: Scenario = Scenario {
    name: "ipv6-unreachable",
    rule: NOTHING,
    makes: "nothing that hurts: a resolver tries IPv6 upstreams where there is no IPv6",
    fault: Fault::Lab(Recipe {
        asker: Some("unbound"),
        alone: true,
        says: &["Nobody was hurt"],
        ..Recipe::of(|lab| {
            let [upstream, resolver, client] = pods(lab)?;
            lab.serve(&upstream, Serve::well("lab-upstream", upstream.dns()))?;
            let settings = format!(
                "do-ip6: yes\n\
                 forward-zone:\nname: \"{}.\"\nforward-addr: {NOWHERE}\nforward-addr: {}\n",
                lab.zone, upstream.ip
            );
            forward(lab, &resolver, &[resolver.ip.into()], &settings, &upstream)?;
            lab.change(format!(
                "unbound at {} forwards to {NOWHERE}, which it has no route to, and to {}",
                resolver.dns(),
                upstream.dns()
            ));
            let mut ask = Ask::healthy("lab-app", resolver.dns());
            ask.group = "far".to_owned();
            lab.ask(&client, ask)
        })
    }),
};

/// Whose names go round.
const LOST: &str = "lab-lost";

/// Each knows some names, and asks the other for all else.
pub(crate) const FORWARDING_LOOP: Scenario = Scenario {
    name: "forwarding-loop",
    rule: "dns_forwarding_loop",
    makes: "two resolvers that ask each other",
    // How often they go round is their own affair.
    fault: Fault::Lab(Recipe {
        asker: Some(LOST),
        ..Recipe::of(|lab| {
            let [one, other, client] = pods(lab)?;
            // What they are asked at their start does not go round.
            let settings = "local-zone: \"server.\" static\n";
            forward(lab, &one, &[one.ip.into()], settings, &other)?;
            forward(lab, &other, &[other.ip.into()], settings, &one)?;
            lab.change(format!(
                "unbound at {} forwards to {}, and that back to it",
                one.dns(),
                other.dns()
            ));
            lab.ask(&client, Ask::broken(LOST, one.dns()))?;
            lab.ask(&client, Ask::healthy("lab-web", one.dns()))
        })
    }),
};

/// What the upstream answers is of a network that the resolver keeps out of answers, as
/// protection against DNS rebinding does with private ones.
pub(crate) const ANSWER_EMPTIED: Scenario = Scenario {
    name: "answer-emptied",
    rule: "dns_answer_emptied",
    makes: "a resolver that takes the addresses out of answers",
    fault: Fault::Lab(Recipe {
        at_servers: true,
        ..Recipe::of(|lab| {
            let keeps_out = "private-address: 192.0.2.0/24\n";
            bad_upstream(lab, Does::Delay(Duration::ZERO), "is well", keeps_out)
        })
    }),
};

/// The resolver's own queries count too: the upstream breaks them.
const fn with(make: fn(&mut Lab) -> Result<()>) -> Recipe {
    Recipe {
        at_servers: true,
        ..Recipe::slowing(make)
    }
}

fn bad_upstream(lab: &mut Lab, does: Does, words: &str, settings: &str) -> Result<()> {
    let [upstream, resolver, client] = pods(lab)?;
    let serve = Serve::badly("lab-upstream", upstream.dns(), does);
    lab.serve(&upstream, serve)?;
    lab.change(format!(
        "unbound at {} forwards to {}, which {words}",
        resolver.dns(),
        upstream.dns()
    ));
    forward(lab, &resolver, &[resolver.ip.into()], settings, &upstream)?;
    let mut ask = Ask::broken("lab-app", resolver.dns());
    ask.patience = PATIENCE;
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", resolver.dns()))
}

fn pods(lab: &mut Lab) -> Result<[Rc<Pod>; 3]> {
    Ok([
        lab.pod("upstream")?,
        lab.pod("resolver")?,
        lab.pod("client")?,
    ])
}

/// Starts unbound, which knows what is below `good` itself and forwards the rest.
fn forward(
    lab: &mut Lab,
    resolver: &Rc<Pod>,
    listens: &[IpAddr],
    settings: &str,
    upstream: &Pod,
) -> Result<()> {
    let (zone, ip) = (&lab.zone, upstream.ip);
    // unbound knows that nothing is below .test (RFC 6761), unless it is told.
    let configuration = format!(
        "local-zone: \"{zone}.\" transparent\n\
         local-zone: \"good.{zone}.\" redirect\n\
         local-data: \"good.{zone}. 60 A 192.0.2.53\"\n\
         {settings}\
         forward-zone:\nname: \".\"\nforward-addr: {ip}\n"
    );
    lab.resolve(resolver, listens, &configuration)
}
