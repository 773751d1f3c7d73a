//! Programs that are themselves to blame.

use std::num::NonZeroU32;
use std::time::Duration;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::scenario::Fault;
use crate::scenario::Scenario;

pub(crate) const LATE_READER: Scenario = Scenario {
    name: "late-reader",
    rule: "dns_late_reader",
    makes: "a program that reads its answers long after they came",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let server = lab.dns_pod("server")?;
        let client = lab.pod("client")?;
        let mut busy = Ask::broken("lab-busy", server.dns());
        busy.reads_late = Duration::from_millis(300);
        lab.change(format!(
            "lab-busy reads its answers {} ms after they came",
            busy.reads_late.as_millis()
        ));
        lab.ask(&client, busy)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    })),
};

/// What Kubernetes sets.
const NDOTS: usize = 5;

/// Lookups a second; each of them is eight queries.
const RATE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// The C library tries three search domains before each name, as in a pod of
/// Kubernetes.
/// Questions at once, and how often a second: most answers find no room.
const BURST: u64 = 40;
const BURSTS: NonZeroU32 = NonZeroU32::new(1).unwrap();

pub(crate) const CLIENT_OVERFLOW: Scenario = Scenario {
    name: "client-overflow",
    rule: "dns_client_overflow",
    makes: "a program with more questions at one socket than answers fit in",
    fault: Fault::lab(|lab| {
        let [server, busy, client] = lab.well_and("busy")?;
        let mut ask = Ask::broken("lab-burst", server.dns());
        ask.style = Style::Burst(BURST);
        ask.rate = BURSTS;
        ask.patience = Duration::from_millis(400);
        lab.change(format!(
            "{} asks {BURST} questions at once from a socket with a small buffer",
            ask.comm
        ));
        lab.ask(&busy, ask)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// With this lookup it has no descriptor left.
const HOARDS_AFTER: u64 = 30;

pub(crate) const DESCRIPTORS_FULL: Scenario = Scenario {
    name: "descriptors-full",
    rule: "dns_descriptors_full",
    makes: "a program that leaves files open until it can have no socket any more",
    fault: Fault::Lab(Recipe {
        uncounted: true,
        says: &["lab-leaky", "may have 64 (RLIMIT_NOFILE)"],
        ..Recipe::of(|lab| {
            let [server, leaky, client] = lab.well_and("leaky")?;
            let mut ask = Ask::broken("lab-leaky", server.dns());
            ask.hoards_after = Some(HOARDS_AFTER);
            lab.change(format!(
                "{} may have 64 descriptors, and has all of them open after {HOARDS_AFTER} lookups",
                ask.comm
            ));
            lab.ask(&leaky, ask)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        })
    }),
};

pub(crate) const SEARCH_LIST: Scenario = Scenario {
    name: "search-list",
    rule: "dns_search_amplification",
    makes: "a search list that turns each lookup into eight queries",
    fault: Fault::Lab(Recipe {
        at_servers: true,
        ..Recipe::of(|lab| {
            let server = lab.pod("server")?;
            let client = lab.pod("client")?;
            let zone = lab.zone.clone();
            // qN.web.ZONE; what is longer is NXDOMAIN.
            let labels = zone.split('.').count() + 2;
            let mut serve = Serve::well("lab-dns", server.dns());
            serve.fault = Some((Of::Longer(labels), Does::Rcode(3)));
            lab.serve(&server, serve)?;
            // More than the name has dots, or it would be tried as it is at first.
            let ndots = NDOTS.max(labels);
            lab.change(format!(
                "resolv.conf of lab-pod has three search domains and ndots {ndots}"
            ));
            let mut ask = Ask::broken("lab-pod", server.dns());
            ask.group = "web".to_owned();
            ask.style = Style::Libc;
            ask.resolv_conf = Some(format!(
                "nameserver {}\nsearch default.svc.{zone} svc.{zone} {zone}\n\
                 options ndots:{ndots}\n",
                server.ip
            ));
            ask.rate = RATE;
            // Names that the program needs again and again.
            ask.names = 20;
            lab.ask(&client, ask)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        })
    }),
};

/// Queries a second: of the program, and that the server answers.
const STORM_RATE: NonZeroU32 = NonZeroU32::new(300).unwrap();
const LIMIT: NonZeroU32 = NonZeroU32::new(200).unwrap();

pub(crate) const STORM: Scenario = Scenario {
    name: "storm",
    rule: "dns_storm",
    makes: "a program that asks the same all the time, where the server limits itself",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let server = lab.pod("server")?;
        let other = lab.dns_pod("other")?;
        let client = lab.pod("client")?;
        let neighbour = lab.pod("neighbour")?;
        let mut serve = Serve::well("lab-limited", server.dns());
        serve.limits.limit = Some(LIMIT);
        lab.serve(&server, serve)?;
        lab.change(format!(
            "lab-storm asks {} {STORM_RATE} times a second for one name, and it answers {LIMIT}",
            server.dns()
        ));
        let mut storm = Ask::broken("lab-storm", server.dns());
        storm.rate = STORM_RATE;
        storm.names = 1;
        lab.ask(&client, storm)?;
        lab.ask(&neighbour, Ask::broken("lab-victim", server.dns()))?;
        lab.ask(&neighbour, Ask::healthy("lab-web", other.dns()))
    })),
};
