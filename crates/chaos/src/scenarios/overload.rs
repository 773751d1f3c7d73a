//! `server-throttled`, `server-saturated`, `server-starved` and `server-overflow`: queries
//! pile up in the socket of a server that is stopped by its CPU limit, that has more to do
//! than a core can, whose CPU others use, or that does not read at all. Another server is
//! well.

use std::num::NonZeroU32;
use std::rc::Rc;
use std::time::Duration;

use anyhow::Result;

use crate::lab::client::Ask;
use crate::lab::pod::Limit;
use crate::lab::pod::Pod;
use crate::lab::recipe::Recipe;
use crate::lab::server::Limits;
use crate::lab::server::Serve;
use crate::lab::site::Lab;
use crate::scenario::Fault;
use crate::scenario::Scenario;

/// Queries a second, and how many of them a server here can answer: the queue
/// grows at once, so that hardly a query takes about as long as is just not slow.
const RATE: NonZeroU32 = NonZeroU32::new(100).unwrap();
const CAPACITY: u32 = 25;

/// In each tenth of a second.
const QUOTA: Duration = Duration::from_millis(20);

pub(crate) const SERVER_THROTTLED: Scenario = Scenario {
    name: "server-throttled",
    rule: "dns_server_throttled",
    makes: "a server that its CPU limit stops in each period",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let server = lab.limited_pod("server", Limit::Cpu(QUOTA))?;
        lab.change(format!(
            "the control group of {} may use {} ms of CPU time in 100 ms",
            server.dns(),
            QUOTA.as_millis()
        ));
        overload(lab, &server, cost(QUOTA * 10 / CAPACITY))
    })),
};

pub(crate) const SERVER_SATURATED: Scenario = Scenario {
    name: "server-saturated",
    rule: "dns_server_saturated",
    makes: "a server with more to do than one core can",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let server = lab.pod("server")?;
        overload(lab, &server, cost(Duration::from_secs(1) / CAPACITY))
    })),
};

/// The server could do with half of a CPU, which it shares with so many.
const HOGS: usize = 4;
const SHARED_CPU: usize = 0;
const SMALL_WORK: Duration = Duration::from_millis(5);

/// Alone: others would share that CPU, too.
pub(crate) const SERVER_STARVED: Scenario = Scenario {
    name: "server-starved",
    rule: "dns_server_saturated",
    makes: "a server whose CPU other programs use",
    fault: Fault::Lab(Recipe {
        alone: true,
        ..Recipe::slowing(|lab| {
            let server = lab.pod("server")?;
            lab.hogs(HOGS, SHARED_CPU)?;
            lab.change(format!(
                "{} may run on CPU {SHARED_CPU} alone, which {HOGS} busy processes of the node share",
                server.dns()
            ));
            let limits = Limits {
                cpu: Some(SHARED_CPU),
                ..cost(SMALL_WORK)
            };
            overload(lab, &server, limits)
        })
    }),
};

pub(crate) const SERVER_OVERFLOW: Scenario = Scenario {
    name: "server-overflow",
    rule: "dns_server_overflow",
    makes: "a server that stops reading, so that its receive buffer overflows",
    fault: Fault::Lab(Recipe::slowing(|lab| {
        let server = lab.pod("server")?;
        lab.change(format!(
            "{} stops with the {STOPS_WITH}th query, and its buffer has room for some twenty",
            server.dns()
        ));
        let limits = Limits {
            receive_buffer: Some(BUFFER),
            stops_with: Some(STOPS_WITH),
            ..Limits::default()
        };
        overload(lab, &server, limits)
    })),
};

/// The query with which the server stops, and what it asks for as its buffer, in
/// bytes; a small query takes 768 of twice that.
const STOPS_WITH: u64 = 50;
const BUFFER: usize = 8 << 10;

fn cost(work: Duration) -> Limits {
    Limits {
        work,
        ..Limits::default()
    }
}

fn overload(lab: &mut Lab, server: &Rc<Pod>, limits: Limits) -> Result<()> {
    let other = lab.dns_pod("other")?;
    let client = lab.pod("client")?;
    let mut serve = Serve::well("lab-busy-dns", server.dns());
    serve.limits = limits;
    lab.serve(server, serve)?;
    if !limits.work.is_zero() {
        lab.change(format!(
            "each query costs {} {} ms of CPU time, and {RATE} come in a second",
            server.dns(),
            limits.work.as_millis()
        ));
    }
    let mut ask = Ask::broken("lab-app", server.dns());
    ask.rate = RATE;
    lab.ask(&client, ask)?;
    lab.ask(&client, Ask::healthy("lab-web", other.dns()))
}
