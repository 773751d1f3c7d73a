//! `qdisc-limit`: the way to one of two nameservers has a rate limit and room for
//! a single packet that waits, as a bandwidth annotation makes.

use std::num::NonZeroU32;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::TC;

/// Some 40 queries a second pass, and one waits 25 ms at most.
const LIMIT: &str = "rate 32kbit burst 200 limit 200";

/// Lookups a second: most find no room.
const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "qdisc-limit",
    rule: "dns_kernel_drop",
    makes: "a rate limit on the way to a nameserver",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let narrow = lab.pod("narrow")?;
    let server = lab.dns_pod("server")?;
    let busy = lab.pod("busy")?;
    let client = lab.pod("client")?;
    lab.serve(&narrow, Serve::well("lab-narrow", narrow.dns()))?;
    let limit = format!("qdisc add dev {} root tbf {LIMIT}", narrow.name);
    lab.node.run(TC, &limit, "")?;
    lab.change(format!(
        "the node's interface to {} has a token bucket filter ({LIMIT})",
        narrow.ip
    ));
    let mut ask = Ask::broken("lab-busy", narrow.dns());
    ask.rate = RATE;
    lab.ask(&busy, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
