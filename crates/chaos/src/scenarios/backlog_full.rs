//! `backlog-full`: a program sends so many questions in one call that a CPU's backlog, where
//! packets of virtual interfaces wait, has no room for all.

use std::fs;
use std::fs::File;
use std::num::NonZeroU32;
use std::path::Path;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use nix::fcntl::Flock;
use nix::fcntl::FlockArg;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::site::Lab;
use crate::lab::undo::Undo;
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
    // Others of kerno who change it wait for each other.
    let file = File::open(MAX).with_context(|| format!("cannot open {MAX}"))?;
    let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
    lab.keep(lock.with_context(|| format!("cannot lock {MAX}"))?);
    let before = fs::read_to_string(MAX).with_context(|| format!("cannot read {MAX}"))?;
    let before = before.trim().to_owned();
    if before.parse::<u64>().is_ok_and(|before| before <= LIMIT) {
        bail!("{MAX} is {before}, which is too small for this scenario");
    }
    lab.promise(&Undo::Write(Path::new(MAX).to_owned(), before.clone()))?;
    fs::write(MAX, LIMIT.to_string())
        .with_context(|| format!("cannot write {MAX}, which only the host itself may"))?;
    lab.change(format!(
        "lab-crawler sends {BURST} questions in one call, and netdev_max_backlog is {LIMIT} \
         instead of {before}"
    ));
    Ok(())
}
