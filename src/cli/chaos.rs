//! The options of `kerno chaos`.

use std::num::NonZeroU16;
use std::num::NonZeroU32;
use std::time::Duration;

use clap::Args;
use kerno_chaos::scenario::Scenario;
use kerno_chaos::target::Choice;

use super::Output;
use super::duration;

pub(super) const EXAMPLES: &str = "\
Examples:
  kerno chaos --list
  sudo kerno chaos --induce dns-flood        against kerno's own slow DNS server on loopback
  kerno chaos --induce dns-flood --server system --rate 50
  sudo kerno chaos --induce dns-flood & sudo kerno doctor --duration 15s
  sudo kerno chaos --induce nft-drop & sudo kerno doctor --name '*.nft-drop.lab.test'

All but dns-flood play in network namespaces of their own and ask no server of this host.
docs/lab.md describes them.";

/// `kerno chaos`.
#[derive(Args, Debug)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["induce", "list"])))]
pub struct ChaosArgs {
    /// The fault to make; --list names them.
    #[arg(long, value_name = "SCENARIO", value_parser = Scenario::named)]
    pub induce: Option<&'static Scenario>,
    /// Print each scenario with the rule that it must trip.
    #[arg(long, conflicts_with_all = ["duration", "rate", "concurrency", "server"])]
    pub list: bool,
    /// How long the fault lasts.
    #[arg(long, value_name = "TIME", default_value = "30s", value_parser = duration)]
    pub duration: Duration,
    /// dns-flood: queries a second that are tried for [default: 500]
    #[arg(long, value_name = "N")]
    pub rate: Option<NonZeroU32>,
    /// dns-flood: lookups at once [default: 128]
    #[arg(long, value_name = "N")]
    pub concurrency: Option<NonZeroU16>,
    /// dns-flood: ask this server instead of kerno's own: an address, with a
    /// port or without, or `system` for the one that this host uses.
    #[arg(long, value_name = "ADDR[:PORT]")]
    pub server: Option<Choice>,
    /// dns-flood: allow a server that is neither on this host nor in a private
    /// network.
    #[arg(long)]
    pub yes_flood_it: bool,
    /// Allow a scenario to touch what lies outside its own namespaces.
    #[arg(long)]
    pub yes: bool,
    /// Below this all names of a lab are; one for each lab of several.
    #[arg(long, hide = true, value_name = "NAME", value_parser = zone)]
    pub zone: Option<String>,
    /// How to print the result.
    #[arg(long, value_enum, default_value_t = Output::Pretty)]
    pub output: Output,
}

/// Labels of letters, digits and hyphens, short enough for a name below it.
fn zone(text: &str) -> Result<String, String> {
    let is_label = |label: &str| {
        (1..=63).contains(&label.len())
            && label
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    if text.len() > 200 || !text.split('.').all(is_label) {
        return Err("write a name as closed-port.lab.test".to_owned());
    }
    Ok(text.to_owned())
}
