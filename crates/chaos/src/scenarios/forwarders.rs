//! A real forwarder, dnsmasq, before servers that are not as it needs them.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::lab::client::Ask;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::scenario::Fault;
use crate::scenario::NOTHING;
use crate::scenario::Scenario;

/// A server outside (TEST-NET-3, RFC 5737), where no host has it.
const SILENT: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 71);

/// What it may have under way; its default is 150.
const PLACES: u32 = 40;
const RATE: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// What it cannot ask, for it has no place left, it refuses: a symptom.
pub(crate) const FORWARDER_FULL: Scenario = Scenario {
    name: "forwarder-full",
    rule: "dns_upstream_slow",
    makes: "a forwarder with as many queries under way as it may have, at a silent upstream",
    fault: Fault::Lab(Recipe {
        at_servers: true,
        says: &[
            "what it asks there is not answered",
            "answered REFUSED and not passed on",
        ],
        ..Recipe::of(|lab| {
            let [upstream, forwarder, client] = [
                lab.pod("upstream")?,
                lab.pod("forwarder")?,
                lab.pod("client")?,
            ];
            let silent = Serve::badly("lab-upstream", upstream.dns(), Does::Silence);
            lab.serve(&upstream, silent)?;
            let options = [
                format!("--server={}", upstream.ip),
                format!("--dns-forward-max={PLACES}"),
            ];
            lab.forward(&forwarder, &options)?;
            lab.change(format!(
                "dnsmasq at {} may ask {PLACES} queries at once, and {} is silent to some names",
                forwarder.dns(),
                upstream.dns()
            ));
            let mut ask = Ask::broken("lab-app", forwarder.dns());
            ask.rate = RATE;
            lab.ask(&client, ask)
        })
    }),
};

pub(crate) const NO_UPSTREAM: Scenario = Scenario {
    name: "no-upstream",
    rule: "dns_refused_rcode",
    makes: "a forwarder that was told no server to ask",
    fault: Fault::telling(
        |lab| {
            let [server, forwarder, client] = lab.well_and("forwarder")?;
            lab.forward(&forwarder, &[])?;
            lab.change(format!("dnsmasq at {} has no upstream", forwarder.dns()));
            lab.ask(&client, Ask::broken("lab-app", forwarder.dns()))?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        },
        &["has no server to ask", "asked no other server"],
    ),
};

/// All its upstreams are asked at once, and one of them answers: nobody waits.
pub(crate) const DEAD_UPSTREAM: Scenario = Scenario {
    name: "dead-upstream-aside",
    rule: NOTHING,
    makes: "nothing that hurts: a forwarder asks a dead upstream beside a good one",
    fault: Fault::lab(|lab| {
        let [server, forwarder, client] = lab.well_and("forwarder")?;
        lab.silent_outside(SILENT)?;
        let options = [
            format!("--server={}", server.ip),
            format!("--server={SILENT}"),
            "--all-servers".to_owned(),
        ];
        lab.forward(&forwarder, &options)?;
        lab.change(format!(
            "dnsmasq at {} asks {} and {SILENT} at once, and the second is silent",
            forwarder.dns(),
            server.dns()
        ));
        lab.ask(&client, Ask::healthy("lab-app", forwarder.dns()))
    }),
};

/// The zone's own server has not loaded it, and a forwarder asks it in vain.
pub(crate) const UPSTREAM_REFUSES: Scenario = Scenario {
    name: "upstream-refuses",
    rule: "dns_refused_rcode",
    makes: "a forwarder whose upstream refuses the names of one zone at once",
    fault: Fault::Lab(Recipe {
        at_servers: true,
        ..Recipe::of(|lab| {
            let [upstream, forwarder, client] = [
                lab.pod("upstream")?,
                lab.pod("forwarder")?,
                lab.pod("client")?,
            ];
            let mut serve = Serve::well("lab-upstream", upstream.dns());
            serve.fault = Some((Of::Any, Does::Rcode(5)));
            lab.serve(&upstream, serve)?;
            lab.forward(&forwarder, &[format!("--server={}", upstream.ip)])?;
            lab.change(format!(
                "{} refuses some names, and dnsmasq at {} asks it",
                upstream.dns(),
                forwarder.dns()
            ));
            let mut ask = Ask::broken("lab-app", forwarder.dns());
            ask.patience = Duration::from_millis(600);
            lab.ask(&client, ask)?;
            lab.ask(&client, Ask::healthy("lab-web", forwarder.dns()))
        })
    }),
};
