//! `server-oom-killed`: a server takes more and more memory, until the kernel ends it.
//! Another server is well.

use crate::lab::client::Ask;
use crate::lab::pod::Limit;
use crate::lab::server::Limits;
use crate::lab::server::Serve;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// What the server's control group may have: enough for a server that does not hoard.
const MEMORY: u64 = 96 << 20;

/// The query with which it begins to hoard.
const HOARDS_FROM: u64 = 50;

pub(crate) const SERVER_OOM_KILLED: Scenario = Scenario {
    name: "server-oom-killed",
    rule: "dns_server_oom_killed",
    makes: "a server that the kernel kills because its control group has no memory left",
    fault: Fault::lab(|lab| {
        let server = lab.limited_pod("server", Limit::Memory(MEMORY))?;
        let other = lab.dns_pod("other")?;
        let client = lab.pod("client")?;
        lab.change(format!(
            "the control group of {} may have {} MiB of memory, and with the {HOARDS_FROM}th \
             query the server begins to take all of it",
            server.dns(),
            MEMORY >> 20
        ));
        let mut serve = Serve::well("lab-hoard-dns", server.dns());
        serve.limits = Limits {
            hoards_from: Some(HOARDS_FROM),
            ..Limits::default()
        };
        lab.serve(&server, serve)?;
        lab.ask(&client, Ask::broken("lab-app", server.dns()))?;
        lab.ask(&client, Ask::healthy("lab-web", other.dns()))
    }),
};
