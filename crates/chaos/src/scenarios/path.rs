//! What gets lost on the way: what the node's kernel discards without a rule that says so,
//! and what it does not see.

use std::net::Ipv4Addr;
use std::num::NonZeroU32;
use std::time::Duration;

use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::outside::Beyond;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;
use crate::testbed::tool::TC;

/// The pod's address in its second network, which is not cabled here.
const SECOND: Ipv4Addr = Ipv4Addr::new(10, 79, 1, 2);

/// A pod asks from a second address that the node would reach by another link, as
/// with two networks and one default route. Strict reverse-path filtering on the
/// node discards that.
pub(crate) const RP_FILTER: Scenario = Scenario {
    name: "rp-filter",
    rule: "dns_kernel_drop",
    makes: "a pod that asks by another way than its answers would take",
    fault: Fault::lab(|lab| {
        let [server, twofold, client] = lab.well_and("twofold")?;
        let script = format!(
            "address add {SECOND}/24 dev lo\n\
             route replace default via {} src {SECOND}\n",
            twofold.neighbour(1)
        );
        twofold.namespace.run(IP, "-batch -", &script)?;
        // Or the node would not even answer who its neighbour is.
        twofold.namespace.set("ipv4/conf/eth0/arp_announce", "2")?;
        let back = format!("route add {SECOND} dev client");
        lab.node.run(IP, &back, "")?;
        lab.node.set("ipv4/conf/twofold/rp_filter", "1")?;
        lab.change(format!(
            "pod {} asks from {SECOND}, which the node would reach by another interface, and the \
             node filters strictly (rp_filter = 1)",
            twofold.name
        ));
        lab.ask(&twofold, Ask::broken("lab-twofold", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// Some 40 queries a second pass, and one waits 25 ms at most.
const LIMIT: &str = "rate 32kbit burst 200 limit 200";

/// Lookups a second: most find no room.
const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();

/// The way to one of two nameservers has a rate limit and room for a single packet
/// that waits, as a bandwidth annotation makes.
pub(crate) const QDISC_LIMIT: Scenario = Scenario {
    name: "qdisc-limit",
    rule: "dns_kernel_drop",
    makes: "a rate limit on the way to a nameserver",
    fault: Fault::lab(|lab| {
        let narrow = lab.pod("narrow")?;
        let [server, busy, client] = lab.well_and("busy")?;
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
    }),
};

/// One query over TCP in so many is lost when it is sent for the first time.
const LOST_ONE_IN: u64 = 3;

/// Nothing on this host discards them: as where a link or a tunnel is bad.
pub(crate) const TCP_LOSSY: Scenario = Scenario {
    name: "tcp-lossy",
    rule: "dns_tcp_lossy",
    makes: "a way to the server that loses packets, so that TCP sends them again",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let [server, far, client] = lab.well_and("far")?;
        lab.serve(&far, Serve::well("lab-far", far.dns()))?;
        lab.way_outside(&client, &far, Beyond::Loss(LOST_ONE_IN))?;
        lab.change(format!(
            "one query in {LOST_ONE_IN} over TCP to {} gets lost outside this host when it is sent \
             for the first time",
            far.dns()
        ));
        let mut ask = Ask::broken("lab-over-tcp", far.dns());
        ask.style = Style::Tcp;
        lab.ask(&client, ask)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    })),
};

/// As on a slow link; a client of the lab waits longer.
const LATER: Duration = Duration::from_millis(250);

/// The server answers at once, and is seen to.
pub(crate) const SLOW_WAY: Scenario = Scenario {
    name: "slow-way",
    rule: "dns_slow_way",
    makes: "a way to the server on which each packet waits",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let [server, far, client] = lab.well_and("far")?;
        lab.serve(&far, Serve::well("lab-far", far.dns()))?;
        lab.way_outside(&client, &far, Beyond::Delay(LATER))?;
        lab.change(format!(
            "each packet to {} takes {} ms outside this host",
            far.dns(),
            LATER.as_millis()
        ));
        lab.ask(&client, Ask::broken("lab-patient", far.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    })),
};

/// As of a network card or a tunnel that was to compute the checksum, and did not.
pub(crate) const BAD_CHECKSUM: Scenario = Scenario {
    name: "bad-checksum",
    rule: "dns_kernel_drop",
    makes: "a way to the server on which checksums of queries get wrong",
    fault: Fault::telling(
        |lab| {
            let [server, far, client] = lab.well_and("far")?;
            lab.serve(&far, Serve::well("lab-far", far.dns()))?;
            lab.way_outside(&client, &far, Beyond::Damage)?;
            lab.change(format!(
                "queries to {} come back from outside this host with a wrong UDP checksum",
                far.dns()
            ));
            lab.ask(&client, Ask::broken("lab-offload", far.dns()))?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        },
        &["DNS packets have a wrong checksum", "UDP_CSUM"],
    ),
};
