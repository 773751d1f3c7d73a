//! `big-answer`: some answers are larger than the path takes, and must not be
//! fragmented.

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::server::Does;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;
use crate::testbed::tool::IP;

/// Of the client's link: the least that IPv6 allows (RFC 8200 section 5), as
/// in a tunnel within a tunnel.
const MTU: u16 = 1_280;

/// Of the DNS message: it fits the server's Ethernet.
const ANSWER: u16 = 1_400;

pub(crate) const SCENARIO: Scenario = Scenario {
    name: "big-answer",
    rule: "dns_answer_too_big",
    makes: "answers that the path has no room for",
    fault: Fault::lab(make),
};

fn make(lab: &mut Lab) -> Result<()> {
    let server = lab.pod("server")?;
    let client = lab.pod("client")?;
    let big = Does::Big(ANSWER);
    lab.serve(&server, Serve::badly("lab-dns", server.dns(), big))?;
    let narrow = |device: &str| format!("link set {device} mtu {MTU}");
    lab.node.run(IP, &narrow(client.name), "")?;
    client.namespace.run(IP, &narrow("eth0"), "")?;
    lab.change(format!(
        "the path to {} takes {MTU} bytes, and some answers have {ANSWER} and the DF bit",
        client.ip
    ));
    let mut ask = Ask::broken("lab-txt", server.dns());
    ask.udp_payload = Some(4_096);
    lab.ask(&client, ask)?;
    let mut well = Ask::healthy("lab-web", server.dns());
    well.udp_payload = Some(4_096);
    lab.ask(&client, well)
}
