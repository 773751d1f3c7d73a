//! `upstream-slow` and `upstream-lost`: a real resolver forwards to a server that
//! answers late, or not at all. What the resolver knows itself is fast.

use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Counts;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// What the upstream takes: longer than unbound waits at first (376 ms), so that
/// it asks some names twice.
const SLOW: Duration = Duration::from_millis(600);

/// What a client of the slow one waits: unbound asks twice meanwhile.
const PATIENCE: Duration = Duration::from_millis(1_600);

/// So that unbound finds the silent upstream dead within a lab of seconds, and
/// answers SERVFAIL; its default is 2 minutes.
const DEAD_SOON: &str = "infra-cache-max-rtt: 1000\n";

/// The scenario `upstream-slow`.
pub(crate) const UPSTREAM_SLOW: Scenario = Scenario {
    name: "upstream-slow",
    rule: "dns_upstream_slow",
    makes: "a resolver whose upstream takes 600 ms",
    fault: Fault::Lab(with(|lab| make(lab, Does::Delay(SLOW)))),
};

/// The scenario `upstream-lost`.
pub(crate) const UPSTREAM_LOST: Scenario = Scenario {
    name: "upstream-lost",
    rule: "dns_upstream_slow",
    makes: "a resolver whose upstream never answers",
    fault: Fault::Lab(with(|lab| make(lab, Does::Silence))),
};

/// The resolver's own queries count too: the upstream breaks them.
const fn with(make: fn(&mut Lab) -> Result<()>) -> Recipe {
    Recipe {
        broken: Counts::hurt,
        at_servers: true,
        ..Recipe::of(make)
    }
}

fn make(lab: &mut Lab, does: Does) -> Result<()> {
    let upstream = lab.pod("upstream")?;
    let resolver = lab.pod("resolver")?;
    let client = lab.pod("client")?;
    let serve = Serve::badly("lab-upstream", upstream.dns(), does);
    lab.serve(&upstream, serve)?;
    let (answers, dead_soon) = match does {
        Does::Delay(time) => (format!("takes {} ms", time.as_millis()), ""),
        _ => ("never answers".to_owned(), DEAD_SOON),
    };
    lab.change(format!(
        "unbound at {} forwards to {}, which {answers}",
        resolver.dns(),
        upstream.dns()
    ));
    let zone = lab.zone.clone();
    // unbound knows that nothing is below .test (RFC 6761), unless it is told.
    let configuration = format!(
        "{dead_soon}local-zone: \"{zone}.\" transparent\n\
         local-zone: \"good.{zone}.\" redirect\n\
         local-data: \"good.{zone}. 60 A 192.0.2.53\"\n\
         forward-zone:\nname: \".\"\nforward-addr: {}\n",
        upstream.ip
    );
    lab.resolve(&resolver, &[resolver.ip.into()], &configuration)?;
    let mut ask = Ask::broken("lab-app", resolver.dns());
    ask.patience = PATIENCE;
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", resolver.dns()))
}
