//! Servers that answer some names with errors, late, wrongly or not at all.

use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

pub(crate) const SERVFAIL: Scenario = Scenario {
    name: "servfail",
    rule: "dns_servfail",
    makes: "a server that answers some names with SERVFAIL",
    fault: Fault::lab(|lab| error(lab, 2, "SERVFAIL")),
};

pub(crate) const REFUSED: Scenario = Scenario {
    name: "refused",
    rule: "dns_refused_rcode",
    makes: "a server that answers some names with REFUSED",
    fault: Fault::lab(|lab| error(lab, 5, "REFUSED")),
};

pub(crate) const FORMERR: Scenario = Scenario {
    name: "formerr",
    rule: "dns_other_rcode",
    makes: "a server that answers some names with FORMERR",
    fault: Fault::lab(|lab| error(lab, 1, "FORMERR")),
};

pub(crate) const NO_RECURSION: Scenario = Scenario {
    name: "no-recursion",
    rule: "dns_no_recursion",
    makes: "a server that has zones of its own and asks no other",
    fault: Fault::Lab(Recipe {
        // A client of the lab takes NOERROR for well.
        at_servers: true,
        ..Recipe::of(|lab| {
            let [server, client] = lab.bad_server(Does::Referral)?;
            lab.change(format!(
                "{} does not ask further for some names, and has no answer of its own",
                server.dns()
            ));
            lab.ask(&client, Ask::broken("lab-mail", server.dns()))?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        })
    }),
};

fn error(lab: &mut Lab, rcode: u8, name: &str) -> Result<()> {
    let [server, client] = lab.bad_server(Does::Rcode(rcode))?;
    lab.change(format!("{} answers some names with {name}", server.dns()));
    lab.ask(&client, Ask::broken("lab-mail", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}

pub(crate) const CLIENT_GIVES_UP: Scenario = Scenario {
    name: "client-gives-up",
    rule: "dns_client_gave_up",
    makes: "answers that come after the client's patience",
    fault: Fault::lab(|lab| {
        // Both are below any timeout of a doctor, so that the answer and not the clock
        // ends the attempt.
        let takes = Duration::from_millis(800);
        let waits = Duration::from_millis(400);
        let [server, client] = lab.bad_server(Does::Delay(takes))?;
        lab.change(format!(
            "{} takes {} ms for some names, and who asks for them waits {} ms",
            server.dns(),
            takes.as_millis(),
            waits.as_millis()
        ));
        let mut hasty = Ask::broken("lab-hasty", server.dns());
        hasty.patience = waits;
        lab.ask(&client, hasty)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// DNSSEC Bogus (RFC 8914 section 4.7).
const BOGUS: u16 = 6;

/// As a resolver that validates answers for a zone whose signatures are wrong.
pub(crate) const DNSSEC_BOGUS: Scenario = Scenario {
    name: "dnssec-bogus",
    rule: "dns_servfail",
    makes: "a server that answers some names with SERVFAIL because of DNSSEC",
    fault: Fault::telling(
        |lab| because(lab, BOGUS, "DNSSEC"),
        &["DNSSEC does not verify", "DNSSEC Bogus"],
    ),
};

/// Not Ready (RFC 8914 section 4.15).
const NOT_READY: u16 = 14;

/// As a server whose zone file has an error, or whose transfer failed.
pub(crate) const ZONE_NOT_LOADED: Scenario = Scenario {
    name: "zone-not-loaded",
    rule: "dns_servfail",
    makes: "a server that answers the names of one zone with SERVFAIL, for it is not ready",
    fault: Fault::telling(
        |lab| because(lab, NOT_READY, "that it is not ready"),
        &["has not loaded it"],
    ),
};

fn because(lab: &mut Lab, code: u16, reason: &str) -> Result<()> {
    let [server, client] = lab.bad_server(Does::Because(code))?;
    lab.change(format!(
        "{} says SERVFAIL to some names, with a reason: {reason}",
        server.dns()
    ));
    lab.ask(&client, Ask::broken("lab-app", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}

/// It is asked rarely enough to have no queue.
pub(crate) const SERVER_SLOW: Scenario = Scenario {
    name: "server-slow",
    rule: "dns_server_slow",
    makes: "a server that takes 250 ms for some names and works for none of it",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let takes = Duration::from_millis(250);
        let [server, client] = lab.bad_server(Does::Delay(takes))?;
        lab.change(format!(
            "{} waits {} ms before it answers some names",
            server.dns(),
            takes.as_millis()
        ));
        lab.ask(&client, Ask::broken("lab-app", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    })),
};

pub(crate) const AAAA_SILENT: Scenario = Scenario {
    name: "aaaa-silent",
    rule: "dns_aaaa_broken",
    makes: "a server that ignores AAAA and answers A",
    fault: Fault::lab(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.fault = Some((Of::Aaaa, Does::Silence));
        lab.serve(&server, serve)?;
        lab.change(format!("{} ignores AAAA of some names", server.dns()));
        let mut ask = Ask::broken("lab-dual", server.dns());
        ask.aaaa = true;
        // So few that each is asked for several times, and so many that none is asked
        // for as often as a storm would.
        ask.names = 40;
        // As glibc does on the same socket, with its 5 s cut short.
        ask.patience = Duration::from_millis(600);
        ask.resends = 1;
        lab.ask(&client, ask)?;
        let mut well = Ask::healthy("lab-web", server.dns());
        well.aaaa = true;
        lab.ask(&client, well)
    }),
};

/// What no client of the lab takes for broken, the server counts.
const fn by_server(make: fn(&mut Lab) -> Result<()>) -> Fault {
    Fault::Lab(Recipe {
        at_servers: true,
        ..Recipe::of(make)
    })
}

const NXDOMAIN: u8 = 3;

pub(crate) const AAAA_DENIED: Scenario = Scenario {
    name: "aaaa-denied",
    rule: "dns_aaaa_broken",
    makes: "a server that says NXDOMAIN to AAAA and answers A",
    fault: by_server(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let mut serve = Serve::well("lab-dns", server.dns());
        serve.fault = Some((Of::Aaaa, Does::Rcode(NXDOMAIN)));
        lab.serve(&server, serve)?;
        lab.change(format!("{} denies AAAA of some names", server.dns()));
        let mut ask = Ask::broken("lab-dual", server.dns());
        ask.aaaa = true;
        lab.ask(&client, ask)?;
        let mut well = Ask::healthy("lab-web", server.dns());
        well.aaaa = true;
        lab.ask(&client, well)
    }),
};

/// So few that both servers are asked for each.
const NAMES: u64 = 40;

pub(crate) const CONTRADICTION: Scenario = Scenario {
    name: "contradiction",
    rule: "dns_contradiction",
    makes: "two servers of which one denies what the other knows",
    fault: by_server(|lab| {
        let [denying, client] = lab.bad_server(Does::Rcode(NXDOMAIN))?;
        let knowing = lab.dns_pod("knowing")?;
        lab.change(format!(
            "{} denies some names that {} knows",
            denying.dns(),
            knowing.dns()
        ));
        let mut denied = Ask::broken("lab-app", denying.dns());
        denied.names = NAMES;
        let known = Ask {
            group: denied.group.clone(),
            names: NAMES,
            ..Ask::healthy("lab-web", knowing.dns())
        };
        lab.ask(&client, denied)?;
        lab.ask(&client, known)
    }),
};

/// A connected socket does not take such an answer.
pub(crate) const WRONG_SOURCE: Scenario = Scenario {
    name: "wrong-source",
    rule: "dns_wrong_source",
    makes: "answers from another address than was asked",
    fault: Fault::lab(|lab| {
        let server = lab.pod("server")?;
        let client = lab.pod("client")?;
        let other = server.neighbour(3);
        let add = format!("address add {other}/24 dev eth0");
        server.namespace.run(IP, &add, "")?;
        let (dns, elsewhere) = (server.dns(), dns_at(other));
        lab.serve(&server, Serve::badly("lab-dns", dns, Does::From(elsewhere)))?;
        lab.change(format!("{dns} answers some names from {elsewhere}"));
        lab.ask(&client, Ask::broken("lab-app", dns))?;
        lab.ask(&client, Ask::healthy("lab-web", dns))
    }),
};

pub(crate) const OTHER_NAME: Scenario = Scenario {
    name: "other-name",
    rule: "dns_answer_ignored",
    makes: "answers to another question than was asked",
    fault: Fault::lab(|lab| {
        let [server, client] = lab.bad_server(Does::OtherName)?;
        lab.change(format!(
            "{} changes some names in its answers",
            server.dns()
        ));
        lab.ask(&client, Ask::broken("lab-app", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// Of the client's link: the least that IPv6 allows (RFC 8200 section 5), as in a
/// tunnel within a tunnel.
const MTU: u16 = 1_280;

/// Of the DNS message: it fits the server's Ethernet.
const ANSWER: u16 = 1_400;

pub(crate) const BIG_ANSWER: Scenario = Scenario {
    name: "big-answer",
    rule: "dns_answer_too_big",
    makes: "answers that the path has no room for",
    fault: Fault::lab(|lab| {
        let [server, client] = lab.bad_server(Does::Big(ANSWER))?;
        let narrow = |device: &str| format!("link set {device} mtu {MTU}");
        lab.node.run(IP, &narrow(client.name), "")?;
        client.namespace.run(IP, &narrow("eth0"), "")?;
        lab.change(format!(
            "the path to {} takes {MTU} bytes, and some answers have {ANSWER} and the DF bit",
            client.ip
        ));
        let broken = Ask::broken("lab-txt", server.dns());
        for mut ask in [broken, Ask::healthy("lab-web", server.dns())] {
            ask.udp_payload = Some(4_096);
            lab.ask(&client, ask)?;
        }
        Ok(())
    }),
};
