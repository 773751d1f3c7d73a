//! `backlog-full`: a program sends so many questions in one call that a CPU's backlog, where
//! packets of virtual interfaces wait, has no room for all.

use std::num::NonZeroU32;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::scatter;
use crate::testbed::tool::IP;

const MAX: &str = "/proc/sys/net/core/netdev_max_backlog";

/// Packets that may wait for a CPU, and questions in one call. The kernel takes one more than
/// the limit says. What others send at that time finds an empty queue, or nearly.
const LIMIT: u64 = 47;
const BURST: u64 = 64;
const BURSTS: NonZeroU32 = NonZeroU32::new(3).unwrap();

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "backlog-full",
    rule: "dns_kernel_drop",
    makes: "a CPU's backlog without room for what a program sends at once",
    fault: Fault::Lab(Recipe {
        outside: Some("the machine's limit of waiting packets (net.core.netdev_max_backlog)"),
        says: &[
            "A CPU's backlog has no room for DNS packets",
            "(net.core.netdev_max_backlog)",
        ],
        ..Recipe::of(make)
    }),
};

fn make(lab: &mut Lab) -> Result<()> {
    let [server, crowd, client] = lab.well_and("crowd")?;
    // Each question becomes a packet of its own as it is sent, and is in one piece.
    crowd
        .namespace
        .run(IP, "link set eth0 gso_max_segs 1", "")?;
    crowd
        .namespace
        .enter(|| scatter::off("eth0"))?
        .context("cannot change how an interface of the lab sends")?;
    let mut ask = Ask::broken("lab-crawler", server.dns());
    ask.style = Style::Together(BURST);
    ask.rate = BURSTS;
    ask.patience = Duration::from_millis(300);
    lab.ask(&crowd, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))?;
    lab.await_links()?;
    let limit = lab.limit(MAX)?;
    let before = limit.now;
    if before <= LIMIT {
        bail!("{MAX} is {before}, which is too small for this scenario");
    }
    lab.set_limit(&limit, LIMIT)?;
    lab.change(format!(
        "lab-crawler sends {BURST} questions in one call, and netdev_max_backlog is {LIMIT} \
         instead of {before}"
    ));
    Ok(())
}
