//! Servers that answer some queries and not others: one attribute tells which.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// Numbers of types (IANA, "Domain Name System (DNS) Parameters").
const AAAA: u16 = 28;
const PTR: u16 = 12;
const HTTPS: u16 = 65;

/// What is asked with EDNS: DNS flag day 2020.
const UDP_PAYLOAD: u16 = 1_232;

pub(crate) const EDNS_DROPPED: Scenario = Scenario {
    name: "edns-dropped",
    rule: "dns_edns_dropped",
    makes: "a server that ignores queries with EDNS",
    fault: Fault::lab(|lab| {
        let with_edns = |ask: &mut Ask| ask.udp_payload = Some(UDP_PAYLOAD);
        silent_to(lab, Of::Edns, "queries with EDNS", with_edns)
    }),
};

pub(crate) const CASE_DROPPED: Scenario = Scenario {
    name: "case-dropped",
    rule: "dns_case_dropped",
    makes: "a server that ignores names with capital letters",
    fault: Fault::lab(|lab| {
        let with_capitals = |ask: &mut Ask| {
            ask.capitals = true;
            // Else it may be that group of names.
            "good".clone_into(&mut ask.group);
        };
        silent_to(
            lab,
            Of::Capitals,
            "names with capital letters",
            with_capitals,
        )
    }),
};

pub(crate) const TYPE_DROPPED: Scenario = Scenario {
    name: "type-dropped",
    rule: "dns_type_dropped",
    makes: "a server that ignores queries of type HTTPS",
    fault: Fault::lab(|lab| {
        let of_type = |ask: &mut Ask| ask.rtype = HTTPS;
        silent_to(lab, Of::Type(HTTPS), "queries of type HTTPS", of_type)
    }),
};

/// Only names of one group, which are a zone of their own.
pub(crate) const ZONE_UNANSWERED: Scenario = Scenario {
    name: "zone-unanswered",
    rule: "dns_zone_unanswered",
    makes: "a server that ignores the names of one zone",
    fault: Fault::lab(|lab| silent_to(lab, Of::Any, "the names of one zone", |_| {})),
};

/// Long enough to be slow, and well within a client's patience.
const LATER: Duration = Duration::from_millis(250);

pub(crate) const TYPE_SLOW: Scenario = Scenario {
    name: "type-slow",
    rule: "dns_server_slow",
    makes: "a server that takes 250 ms for queries of type HTTPS",
    fault: Fault::Lab(Recipe {
        says: &["Of queries of type HTTPS", "were answered slowly"],
        ..Recipe::slowing(|lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            let mut serve = Serve::well("lab-dns", server.dns());
            serve.fault = Some((Of::Type(HTTPS), Does::Delay(LATER)));
            lab.serve(&server, serve)?;
            lab.change(format!("{} is slow with type HTTPS", server.dns()));
            let mut broken = Ask::broken("lab-app", server.dns());
            broken.rtype = HTTPS;
            lab.ask(&client, broken)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        })
    }),
};

pub(crate) const TCP_UNSERVED: Scenario = Scenario {
    name: "tcp-unserved",
    rule: "dns_one_transport",
    makes: "a server that reads no queries over TCP",
    fault: Fault::lab(|lab| {
        let over_tcp = |ask: &mut Ask| ask.style = Style::Tcp;
        silent_to(lab, Of::OverTcp, "queries over TCP", over_tcp)
    }),
};

/// The names have no zone of the lab: the doctor knows them by who asks.
pub(crate) const PRIVATE_REVERSE: Scenario = Scenario {
    name: "private-reverse",
    rule: "dns_private_reverse",
    makes: "a server that ignores reverse lookups of private addresses",
    fault: Fault::Lab(Recipe {
        asker: Some("lab-mixed"),
        ..Recipe::of(|lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            lab.serve(&server, faulty(server.dns(), Of::Reverse))?;
            lab.change(format!("{} ignores reverse lookups", server.dns()));
            let mut reverse = Ask::broken("lab-mixed", server.dns());
            reverse.reverse = true;
            reverse.rtype = PTR;
            lab.ask(&client, reverse)?;
            lab.ask(&client, Ask::healthy("lab-mixed", server.dns()))
        })
    }),
};

/// A pair of questions leaves from one port; who asks for AAAA alone is well.
pub(crate) const SECOND_QUERY: Scenario = Scenario {
    name: "second-query",
    rule: "dns_second_query",
    makes: "a path that lets only the first question of a port through",
    fault: Fault::lab(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.limits.first_of_port = true;
        lab.serve(&server, serve)?;
        lab.change(format!(
            "{} answers only the first query of each source port",
            server.dns()
        ));
        let mut pair = Ask::broken("lab-pair", server.dns());
        pair.aaaa = true;
        lab.ask(&client, pair)?;
        let mut single = Ask::healthy("lab-web", server.dns());
        single.rtype = AAAA;
        lab.ask(&client, single)
    }),
};

pub(crate) const CLIENTS_IGNORED: Scenario = Scenario {
    name: "clients-ignored",
    rule: "dns_clients_ignored",
    makes: "a server whose access rules leave one network out",
    fault: Fault::lab(|lab| {
        let [server, routed, client] = [lab.pod("server")?, lab.pod("routed")?, lab.pod("client")?];
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.limits.ignores = Some(routed.ip.into());
        lab.serve(&server, serve)?;
        lab.change(format!("{} ignores {}", server.dns(), routed.ip));
        lab.ask(&routed, Ask::broken("lab-routed", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// Longer than that of a doctor of labs: what lies unread when the server ends is
/// discarded with its socket, and then the kernel tells of that.
const PATIENCE: Duration = Duration::from_millis(2_500);

/// Which socket a query comes to is the kernel's choice, by its source port: some of
/// whoever asks are lost.
pub(crate) const SOCKET_UNREAD: Scenario = Scenario {
    name: "socket-unread",
    rule: "dns_socket_unread",
    makes: "a server with two sockets, of which one is not read",
    fault: Fault::lab(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.limits.unread_twin = true;
        lab.serve(&server, serve)?;
        lab.change(format!(
            "a second socket shares {} (SO_REUSEPORT), and nobody reads it",
            server.dns()
        ));
        let mut ask = Ask::broken("lab-app", server.dns());
        ask.patience = PATIENCE;
        lab.ask(&client, ask)
    }),
};

/// What the server answers in a second, and what each client asks.
const LIMIT: NonZeroU32 = NonZeroU32::new(20).unwrap();
const RATE: NonZeroU32 = NonZeroU32::new(40).unwrap();

/// One of the clients has a longer patience, so it stops asking earlier: what is asked is
/// twice as much at first, and what is answered the same.
pub(crate) const RATE_LIMIT: Scenario = Scenario {
    name: "rate-limit",
    rule: "dns_rate_limit",
    makes: "a server that answers 20 queries a second and ignores the rest",
    fault: Fault::lab(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.limits.limit = Some(LIMIT);
        lab.serve(&server, serve)?;
        lab.change(format!("{} answers {LIMIT} queries a second", server.dns()));
        let mut steady = Ask::broken("lab-app", server.dns());
        steady.rate = RATE;
        let mut early = steady.clone();
        early.patience *= 2;
        lab.ask(&client, steady)?;
        lab.ask(&client, early)
    }),
};

/// What the server takes at once, and how long each takes: not a multiple of the time between
/// two queries, so that no query comes in the moment in which another is answered.
const AT_ONCE: usize = 5;
const TAKES: Duration = Duration::from_millis(420);

/// What is under way together is answered, slowly, and what comes beyond is not.
pub(crate) const IN_FLIGHT_LIMIT: Scenario = Scenario {
    name: "in-flight-limit",
    rule: "dns_in_flight_limit",
    makes: "a server that takes 5 queries at once, 420 ms each, and ignores the rest",
    fault: Fault::Lab(Recipe {
        slow_rule: Some("dns_server_slow"),
        says: &["sent while 5 or more others waited"],
        ..Recipe::of(|lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            let mut serve = Serve::well("lab-dns", server.dns());
            serve.limits.in_flight = Some((AT_ONCE, TAKES));
            lab.serve(&server, serve)?;
            lab.change(format!("{} takes {AT_ONCE} queries at once", server.dns()));
            lab.ask(&client, Ask::broken("lab-app", server.dns()))
        })
    }),
};

/// The same, with a word.
pub(crate) const REFUSED_WHEN_FULL: Scenario = Scenario {
    name: "refused-when-full",
    rule: "dns_refused_rcode",
    makes: "a server that takes 5 queries at once, 420 ms each, and refuses the rest",
    fault: Fault::Lab(Recipe {
        slow_rule: Some("dns_server_slow"),
        says: &[
            "takes about 5 queries at once, and answers REFUSED to the rest",
            "sent while 5 or more others waited",
        ],
        ..Recipe::of(|lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            let mut serve = Serve::well("lab-dns", server.dns());
            serve.limits.in_flight = Some((AT_ONCE, TAKES));
            serve.limits.refuses = true;
            lab.serve(&server, serve)?;
            lab.change(format!("{} takes {AT_ONCE} queries at once", server.dns()));
            lab.ask(&client, Ask::broken("lab-app", server.dns()))
        })
    }),
};

/// So many names that none is asked for as often as a storm would, and an odd number, so that
/// not always the same come too often.
const NAMES: u64 = 79;

/// Response rate limiting: of the queries beyond the limit every second one gets an empty
/// answer with the TC bit, and asks again over TCP; the others get none.
pub(crate) const CUT_SHORT: Scenario = Scenario {
    name: "cut-short",
    rule: "dns_rate_limit",
    makes: "a server that limits its answers, and cuts some short (RRL)",
    fault: Fault::telling(
        |lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            let mut serve = Serve::well("lab-dns", server.dns());
            serve.limits.limit = Some(LIMIT);
            serve.limits.slips = true;
            lab.serve(&server, serve)?;
            lab.change(format!(
                "{} answers {LIMIT} queries a second, and every second one beyond with TC alone",
                server.dns()
            ));
            let mut ask = Ask::broken("lab-app", server.dns());
            ask.rate = RATE;
            ask.names = NAMES;
            lab.ask(&client, ask)
        },
        &["(RRL)", "had the TC bit and no record"],
    ),
};

fn faulty(listen: SocketAddr, of: Of) -> Serve {
    Serve {
        fault: Some((of, Does::Silence)),
        ..Serve::well("lab-dns", listen)
    }
}

/// A server that is silent to these, one client that asks so, and one that does not.
fn silent_to(lab: &mut Lab, of: Of, which: &str, asks_so: fn(&mut Ask)) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    lab.serve(&server, faulty(server.dns(), of))?;
    lab.change(format!("{} ignores {which}", server.dns()));
    let mut broken = Ask::broken("lab-app", server.dns());
    asks_so(&mut broken);
    lab.ask(&client, broken)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
