//! `send-denied`: a BPF program on a pod's control group says no to `connect()`
//! and to sends, as Cilium's does for a service without backends. No packet ever
//! exists. `egress-denied`: another kind of program discards the packet itself.
//! `ingress-denied`: … as it comes to a server. `send-no-route`: the pod has no route, which fails the same calls.

use std::os::fd::AsFd as _;

use anyhow::Result;

use crate::deny::Deny;
use crate::deny::deny;
use crate::lab::client::Ask;
use crate::lab::client::Style;
use crate::lab::recipe::Recipe;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

/// The names of the processes that are hurt: calls that fail have none of DNS.
const DENIED: &str = "lab-denied";
const DISCARDED: &str = "lab-discarded";
const LOST: &str = "lab-lost-way";

pub(crate) const SEND_DENIED: Scenario = Scenario {
    name: "send-denied",
    rule: "dns_send_denied",
    makes: "a BPF program that denies a pod's calls, so that no packet exists",
    fault: Fault::Lab(Recipe {
        asker: Some(DENIED),
        ..Recipe::of(|lab| {
            let calls = [Deny::Connect4, Deny::Sendmsg4];
            denied(lab, DENIED, &calls, "connect() and sendto()")
        })
    }),
};

pub(crate) const EGRESS_DENIED: Scenario = Scenario {
    name: "egress-denied",
    rule: "dns_send_denied",
    makes: "a BPF program that discards a pod's packets as they leave",
    fault: Fault::lab(|lab| denied(lab, DISCARDED, &[Deny::Egress], "packets")),
};

/// As systemd does for a server's unit with `IPAddressDeny=`: nothing comes in.
pub(crate) const INGRESS_DENIED: Scenario = Scenario {
    name: "ingress-denied",
    rule: "dns_policy_drop",
    makes: "a BPF program on a server's own control group that lets no query in",
    fault: Fault::lab(|lab| {
        let [server, shut, client] = lab.well_and("shut")?;
        lab.serve(&shut, Serve::well("lab-shut-dns", shut.dns()))?;
        let misled = lab.pod("misled")?;
        lab.keep(deny(shut.group()?.as_fd(), Deny::Ingress)?);
        lab.change(format!(
            "BPF on the control group of pod {} lets no packet to port 53 in",
            shut.name
        ));
        lab.ask(&misled, Ask::broken("lab-misled", shut.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// The hook that sees answers come is in front of that program.
pub(crate) const ANSWERS_DENIED: Scenario = Scenario {
    name: "answers-denied",
    rule: "dns_policy_drop",
    makes: "a BPF program on a client's own control group that lets no answer in",
    fault: Fault::telling(
        |lab| {
            let [server, shut, client] = lab.well_and("shut")?;
            lab.keep(deny(shut.group()?.as_fd(), Deny::Ingress)?);
            lab.change(format!(
                "BPF on the control group of pod {} lets no packet from port 53 in",
                shut.name
            ));
            lab.ask(&shut, Ask::broken("lab-shut", server.dns()))?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        },
        &[
            "A filter on the control group",
            "discards the DNS answers of",
        ],
    ),
};

pub(crate) const SEND_NO_ROUTE: Scenario = Scenario {
    name: "send-no-route",
    rule: "dns_send_denied",
    makes: "a pod without a route to its nameserver",
    fault: Fault::Lab(Recipe {
        asker: Some(LOST),
        ..Recipe::of(no_route)
    }),
};

fn denied(lab: &mut Lab, comm: &str, what: &[Deny], words: &str) -> Result<()> {
    let [server, denied, client] = lab.well_and("denied")?;
    let folder = denied.group()?;
    for &which in what {
        lab.keep(deny(folder.as_fd(), which)?);
    }
    lab.change(format!(
        "BPF on the control group of pod {} denies {words} to port 53",
        denied.name
    ));
    lab.ask(&denied, Ask::broken(comm, server.dns()))?;
    let mut musl = Ask::broken(comm, server.dns());
    musl.style = Style::Musl;
    lab.ask(&denied, musl)?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}

fn no_route(lab: &mut Lab) -> Result<()> {
    let [server, lost, client] = lab.well_and("lost")?;
    lost.namespace.run(IP, "route delete default", "")?;
    lab.change(format!(
        "the pod {} has no route to {}",
        lost.name, server.ip
    ));
    lab.ask(&lost, Ask::broken(LOST, server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}
