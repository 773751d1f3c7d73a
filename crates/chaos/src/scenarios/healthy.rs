//! `healthy`: all that DNS does where nothing is wrong, through a real resolver:
//! its own names and forwarded ones, NXDOMAIN, truncated answers and TCP, IPv6,
//! the C library. The doctor must have nothing to say.

use std::fmt::Write as _;
use std::net::SocketAddr;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::client::Types;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::lab::site::dns_at;
use crate::scenario::Fault;
use crate::scenario::NOTHING;
use crate::scenario::Scenario;

/// So many addresses do not fit into the 512 octets of plain DNS.
const MANY: u8 = 60;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "healthy",
    rule: NOTHING,
    makes: "no fault at all: lookups of every kind through a real resolver",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let upstream = lab.pod("upstream")?;
    let resolver = lab.pod("resolver")?;
    let client = lab.pod("client")?;
    lab.add_ipv6(&[&resolver, &client])?;
    lab.serve(&upstream, Serve::well("lab-upstream", upstream.dns()))?;
    let configuration = configuration(&lab.zone, upstream.dns())?;
    let listens = [resolver.ip.into(), resolver.ip6().into()];
    lab.resolve(&resolver, &listens, &configuration)?;
    lab.change(format!("unbound at {} is well", resolver.dns()));
    let (v4, v6) = (resolver.dns(), dns_at(resolver.ip6()));
    let ask = |comm, server, group: &str| Ask {
        group: group.to_owned(),
        ..Ask::healthy(comm, server)
    };
    let asks = [
        ask("lab-web", v4, "good"),
        ask("lab-typo", v4, "none"),
        ask("lab-far", v4, "far"),
        ask("lab-tcp", v4, "big"),
        Ask {
            types: Types::Both,
            ..ask("lab-v6", v6, "good")
        },
        Ask {
            style: Style::Libc(format!("nameserver {}\n", resolver.ip)),
            ..ask("lab-libc", v4, "good")
        },
    ];
    asks.into_iter().try_for_each(|ask| lab.ask(&client, ask))
}

/// What is below `far` is forwarded, and nothing is below `none`.
fn configuration(zone: &str, upstream: SocketAddr) -> Result<String> {
    let mut text = format!(
        "local-zone: \"{zone}.\" transparent\n\
         local-zone: \"none.{zone}.\" static\n\
         local-zone: \"good.{zone}.\" redirect\n\
         local-data: \"good.{zone}. 60 A 192.0.2.53\"\n\
         local-data: \"good.{zone}. 60 AAAA 2001:db8::53\"\n\
         local-zone: \"big.{zone}.\" redirect\n"
    );
    for host in 1..=MANY {
        writeln!(text, "local-data: \"big.{zone}. 60 A 192.0.2.{host}\"")?;
    }
    let ip = upstream.ip();
    write!(text, "forward-zone:\nname: \".\"\nforward-addr: {ip}\n")?;
    Ok(text)
}
