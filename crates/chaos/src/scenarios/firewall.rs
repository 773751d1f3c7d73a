//! Rules that discard what they should let pass.

use std::rc::Rc;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::pod::Pod;
use crate::lab::recipe::Recipe;
use crate::lab::server::Does;
use crate::lab::site::Lab;
use crate::lab::stranger;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IPTABLES_LEGACY;

pub(crate) const NFT_DROP: Scenario = Scenario {
    name: "nft-drop",
    rule: "dns_policy_drop",
    makes: "a rule of nftables that drops one pod's queries on their way",
    fault: Fault::lab(|lab| deny(lab, drop_queries)),
};

pub(crate) const ANSWER_DROP: Scenario = Scenario {
    name: "answer-drop",
    rule: "dns_policy_drop",
    makes: "a rule of nftables that drops the answers to one pod",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            let ip = denied.ip;
            lab.change(format!(
                "nftables on the node drops what is forwarded to {ip} from UDP port 53"
            ));
            let answers = format!("ip daddr {ip} udp sport 53");
            lab.filter(None, "forward", &answers, "denied", "drop")
        })
    }),
};

/// A rule in the pod itself discards queries as they are sent. The program that
/// sends is told (EPERM), and no packet leaves the pod.
pub(crate) const OUTPUT_DROP: Scenario = Scenario {
    name: "output-drop",
    rule: "dns_policy_drop",
    makes: "a rule in a pod that drops its queries as they are sent",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            lab.change(format!(
                "nftables in the pod {} drops what it sends to UDP port 53",
                denied.name
            ));
            lab.filter(Some(denied), "output", "udp dport 53", "denied", "drop")
        })
    }),
};

/// A rule of the node rejects one pod's queries as if nobody listened, as kube-proxy
/// does for a service without endpoints. The kernel tells a client so once a second;
/// of the other queries it is silent.
pub(crate) const REJECT: Scenario = Scenario {
    name: "reject",
    rule: "dns_nobody_listening",
    makes: "a rule of nftables that rejects one pod's queries as port unreachable",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            let ip = denied.ip;
            lab.change(format!(
                "nftables on the node rejects what {ip} forwards to UDP port 53, as port unreachable"
            ));
            let queries = format!("ip saddr {ip} udp dport 53");
            let verdict = "reject with icmp port-unreachable";
            lab.filter(None, "forward", &queries, "rejected", verdict)
        })
    }),
};

/// What the firewalls of many distributions end in.
pub(crate) const REJECT_PROHIBITED: Scenario = Scenario {
    name: "reject-prohibited",
    rule: "dns_nobody_listening",
    makes: "a rule of nftables that rejects one pod's queries as host prohibited",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            let ip = denied.ip;
            lab.change(format!(
                "nftables on the node rejects what {ip} forwards to UDP port 53, as host prohibited"
            ));
            let queries = format!("ip saddr {ip} udp dport 53");
            let verdict = "reject with icmp type host-prohibited";
            lab.filter(None, "forward", &queries, "rejected", verdict)
        })
    }),
};

/// The program that sends gets EPERM from the rule, and its socket the error.
pub(crate) const REJECT_OUTPUT: Scenario = Scenario {
    name: "reject-output",
    rule: "dns_nobody_listening",
    makes: "a rule in a pod that rejects its queries as they are sent",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            lab.change(format!(
                "nftables in the pod {} rejects what it sends to UDP port 53, as admin prohibited",
                denied.name
            ));
            let verdict = "reject with icmp type admin-prohibited";
            lab.filter(Some(denied), "output", "udp dport 53", "rejected", verdict)
        })
    }),
};

/// As `nft-drop`, by a rule of the older tables. The kernel names no place for its
/// verdict, so it looks like what connection tracking discards.
pub(crate) const LEGACY_DROP: Scenario = Scenario {
    name: "legacy-drop",
    rule: "dns_policy_drop",
    makes: "a rule of iptables-legacy that drops one pod's queries on their way",
    fault: Fault::lab(|lab| {
        deny(lab, |lab, denied| {
            let ip = denied.ip;
            lab.change(format!(
                "iptables-legacy on the node drops what {ip} forwards to UDP port 53"
            ));
            let rule = format!("-w -A FORWARD -s {ip} -p udp --dport 53 -j DROP");
            lab.node.run(IPTABLES_LEGACY, &rule, "")?;
            // Connection tracking at work, and innocent.
            let tracked = "table inet kerno {
                counter tracked { }
                chain forward {
                    type filter hook forward priority -1;
                    ct state new counter name tracked
                }
            }";
            lab.nft(None, tracked, &["tracked"])
        })
    }),
};

/// Some answers are truncated, and the rule of the node that lets DNS pass forgot
/// TCP. What is broken is the truncated answers: of the connections that were to
/// follow no query was ever sent.
pub(crate) const TCP_BLOCKED: Scenario = Scenario {
    name: "tcp-blocked",
    rule: "dns_tcp_blocked",
    makes: "truncated answers where TCP to port 53 is dropped",
    fault: Fault::lab(|lab| {
        let [server, client] = lab.bad_server(Does::Truncate)?;
        lab.filter(None, "forward", "tcp dport 53", "syn", "drop")?;
        lab.change(format!(
            "{} truncates some answers, and nftables on the node drops what is forwarded to TCP \
             port 53",
            server.dns()
        ));
        lab.ask(&client, Ask::broken("lab-txt", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// The server's own firewall lets no query of other hosts in: no program of this host has sent
/// them, and none sees them.
pub(crate) const SERVER_SHIELDED: Scenario = Scenario {
    name: "server-shielded",
    rule: "dns_policy_drop",
    makes: "a rule that drops what other hosts ask a server of this one",
    fault: Fault::Lab(Recipe {
        of_strangers: true,
        ..Recipe::of(|lab| {
            let [server, client] = [lab.dns_pod("server")?, lab.pod("client")?];
            let ip = stranger::ADDRESS;
            lab.change(format!(
                "nftables in the pod {} drops what {ip}, which is no address of this host, sends to UDP \
                 port 53",
                server.name
            ));
            let queries = format!("ip saddr {ip} udp dport 53");
            lab.filter(Some(&server), "input", &queries, "shielded", "drop")?;
            lab.stranger(&server)?;
            lab.ask(&client, Ask::healthy("lab-web", server.dns()))
        })
    }),
};

pub(crate) const TWO_AT_ONCE: Scenario = Scenario {
    name: "two-at-once",
    rule: "dns_nobody_listening",
    makes: "a closed port for one pod and a dropping rule for another (dns_policy_drop)",
    fault: Fault::lab(|lab| {
        let server = lab.dns_pod("server")?;
        let bare = lab.pod("bare")?;
        let misled = lab.pod("misled")?;
        let denied = lab.pod("denied")?;
        let client = lab.pod("client")?;
        lab.change(format!("nobody listens on {}", bare.dns()));
        drop_queries(lab, &denied)?;
        lab.ask(&misled, Ask::broken("lab-misled", bare.dns()))?;
        let mut ask = Ask::broken("lab-batch", server.dns());
        ask.rule = Some("dns_policy_drop".to_owned());
        lab.ask(&denied, ask)?;
        lab.ask(&client, Ask::healthy("lab-web", server.dns()))
    }),
};

/// A pod that asks a server in spite of a rule, beside one without a rule.
fn deny(lab: &mut Lab, rule: fn(&mut Lab, &Rc<Pod>) -> Result<()>) -> Result<()> {
    let [server, denied, client] = lab.well_and("denied")?;
    rule(lab, &denied)?;
    lab.ask(&denied, Ask::broken("lab-batch", server.dns()))?;
    lab.ask(&client, Ask::healthy("lab-web", server.dns()))
}

fn drop_queries(lab: &mut Lab, denied: &Rc<Pod>) -> Result<()> {
    let ip = denied.ip;
    lab.change(format!(
        "nftables on the node drops what {ip} forwards to UDP port 53"
    ));
    let queries = format!("ip saddr {ip} udp dport 53");
    lab.filter(None, "forward", &queries, "denied", "drop")
}
