//! `search-list`: the C library tries three search domains before each name, as
//! in a pod of Kubernetes.

use std::num::NonZeroU32;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::server::Behaviour;
use crate::lab::server::Does;
use crate::lab::server::Of;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// RFC 1035 section 4.1.1.
const NXDOMAIN: u8 = 3;

/// Lookups a second; each of them is eight queries.
const RATE: NonZeroU32 = NonZeroU32::new(10).unwrap();

/// Names that the program needs again and again.
const NAMES: u64 = 20;

/// What Kubernetes sets.
const NDOTS: usize = 5;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "search-list",
    rule: "dns_search_amplification",
    makes: "a search list that turns each lookup into eight queries",
    fault: Fault::Lab(Recipe {
        at_servers: true,
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let zone = lab.zone.clone();
    // qN.web.ZONE
    let labels = zone.split('.').count() + 2;
    let mut serve = Serve::well("lab-dns", server.dns());
    serve.behaviours = vec![Behaviour::new(Of::Longer(labels), Does::Rcode(NXDOMAIN))];
    lab.serve(&server, serve)?;
    // More than the name has dots, or it would be tried as it is at first.
    let ndots = NDOTS.max(labels);
    lab.change(format!(
        "resolv.conf of lab-pod has three search domains and ndots {ndots}"
    ));
    let mut ask = Ask::broken("lab-pod", server.dns());
    ask.group = "web".to_owned();
    ask.style = Style::Libc(format!(
        "nameserver {}\nsearch default.svc.{zone} svc.{zone} {zone}\noptions ndots:{ndots}\n",
        server.ip
    ));
    ask.rate = RATE;
    ask.names = NAMES;
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
