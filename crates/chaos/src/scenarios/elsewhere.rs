//! Servers outside that answer some clients, at some times, or small answers alone.

use std::net::Ipv4Addr;
use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::elsewhere::Leaves;
use crate::lab::pod::dns_at;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// A server outside for each scenario (TEST-NET-3, RFC 5737): the doctor sees all labs that
/// run at the same time, and takes one address for one server.
const SERVERS: [Ipv4Addr; 3] = [
    Ipv4Addr::new(203, 0, 113, 61),
    Ipv4Addr::new(203, 0, 113, 62),
    Ipv4Addr::new(203, 0, 113, 63),
];

pub(crate) const CLIENT_CUT_OFF: Scenario = Scenario {
    name: "client-cut-off",
    rule: "dns_client_cut_off",
    makes: "a server outside that answers all pods but one",
    fault: Fault::lab(|lab| {
        let [lonely, client] = [lab.pod("lonely")?, lab.pod("client")?];
        let server = SERVERS[0];
        lab.server_outside(server, Leaves::From(lonely.ip))?;
        lab.change(format!("{server} does not answer {}", lonely.ip));
        lab.ask(&lonely, Ask::broken("lab-lonely", dns_at(server)))?;
        lab.ask(&client, Ask::healthy("lab-web", dns_at(server)))
    }),
};

/// After the first query, and for so long.
const AWAY: (Duration, Duration) = (Duration::from_secs(2), Duration::from_secs(2));

pub(crate) const SERVER_AWAY: Scenario = Scenario {
    name: "server-away",
    rule: "dns_server_away",
    makes: "a server outside that is silent for two seconds",
    fault: Fault::lab(|lab| {
        let client = lab.pod("client")?;
        let server = SERVERS[1];
        let (after, lasts) = AWAY;
        lab.server_outside(server, Leaves::Meanwhile(after, lasts))?;
        lab.change(format!(
            "{server} is silent for {} s, from {} s after its first query on",
            lasts.as_secs(),
            after.as_secs()
        ));
        lab.ask(&client, Ask::broken("lab-app", dns_at(server)))
    }),
};

/// A Service's address, and the server outside that one of two source ports is led to.
const SERVICE: Ipv4Addr = Ipv4Addr::new(10, 79, 0, 11);
const GONE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 64);

pub(crate) const BAD_REPLICA: Scenario = Scenario {
    name: "bad-replica",
    rule: "dns_bad_replica",
    makes: "a service's address that leads to two servers, of which one is silent",
    fault: Fault::Lab(Recipe {
        node_stays: true,
        ..Recipe::of(bad_replica)
    }),
};

fn bad_replica(lab: &mut Lab) -> Result<()> {
    let server = lab.dns_pod("server")?;
    let client = lab.pod("client")?;
    lab.silent_outside(GONE)?;
    let rules = format!(
            "table inet kerno {{
                chain prerouting {{
                    type nat hook prerouting priority dstnat;
                    ip daddr {SERVICE} udp dport 53 dnat ip to numgen inc mod 2 map {{ 0 : {}, 1 : {GONE} }}
                }}
            }}",
            server.ip
        );
    lab.nft(None, &rules, &[])?;
    lab.change(format!(
        "{SERVICE} leads to {} and {GONE} in turn, and the second is silent",
        server.ip
    ));
    lab.ask(&client, Ask::broken("lab-app", dns_at(SERVICE)))
}

/// Octets of the large answers, and room for them.
const BIG: u16 = 1_400;
const ROOM: u16 = 4_096;
/// Large answers that are asked for again and again.
const BIG_NAMES: u64 = 4;

/// How large they are is known from another server.
pub(crate) const BIG_ANSWER_OUTSIDE: Scenario = Scenario {
    name: "big-answer-outside",
    rule: "dns_answer_too_big",
    makes: "a way from a server outside that large answers do not come through",
    fault: Fault::lab(|lab| {
        let [server, client] = [lab.pod("server")?, lab.pod("client")?];
        let outside = SERVERS[2];
        lab.server_outside(outside, Leaves::Bad)?;
        lab.serve(
            &server,
            Serve::badly("lab-dns", server.dns(), Does::Big(BIG)),
        )?;
        lab.change(format!(
            "answers of {outside} to names of the group bad, which have {BIG} bytes, get lost outside"
        ));
        let large = |mut ask: Ask| {
            ask.group = "bad".to_owned();
            ask.names = BIG_NAMES;
            ask.udp_payload = Some(ROOM);
            ask
        };
        lab.ask(&client, large(Ask::broken("lab-far", dns_at(outside))))?;
        lab.ask(&client, large(Ask::healthy("lab-near", server.dns())))?;
        lab.ask(&client, Ask::healthy("lab-web", dns_at(outside)))
    }),
};
