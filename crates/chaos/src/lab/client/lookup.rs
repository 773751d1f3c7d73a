//! One lookup: which servers are asked what, in which order.

use std::io;
use std::net::SocketAddr;

use super::ask::Ask;
use super::ask::Style;
use super::counts::Came;
use super::counts::Fate;
use super::exchange::Query;
use super::exchange::UdpExchange;
use super::exchange::errno_name;
use super::exchange::over_tcp;
use super::libc_lookup;
use super::origin::Origin;

/// Resolves the `number`th name of a client.
pub(super) fn run(ask: &Ask, zone: &str, number: u64, origin: &Origin) -> Came {
    let mut came = Came::default();
    let number = number.checked_rem(ask.names).unwrap_or(number);
    let name = format!("q{number}.{}.{zone}", ask.group);
    let mut wanted = ask.types.list().to_vec();
    let rounds: Vec<&[SocketAddr]> = match &ask.style {
        Style::Libc(_) => {
            came.resolved = libc_lookup::resolves(&name);
            return came;
        }
        Style::Glibc => ask.servers.chunks(1).collect(),
        Style::Musl => vec![&ask.servers],
    };
    for servers in rounds {
        let queries: Result<Vec<Query>, _> = wanted
            .iter()
            .map(|&rtype| Query::new(&name, rtype, ask.udp_payload))
            .collect();
        let asked = queries.and_then(|queries| round(ask, servers, queries, origin, &mut came));
        match asked {
            Ok(left) => wanted = left,
            // The socket could not even be made or connected.
            Err(error) => came.fates.push(Fate::Unsent(errno_name(&error))),
        }
        if wanted.is_empty() {
            came.resolved = true;
            break;
        }
    }
    came
}

/// Asks one server, or all of them at once. Returns the types that are still
/// without a good answer.
fn round(
    ask: &Ask,
    servers: &[SocketAddr],
    queries: Vec<Query>,
    origin: &Origin,
    came: &mut Came,
) -> io::Result<Vec<domain::base::iana::Rtype>> {
    let Some(&first) = servers.first() else {
        return Ok(Vec::new());
    };
    let socket = origin.socket(first)?;
    let connected = ask.style == Style::Glibc;
    if connected {
        socket.connect(first)?;
    }
    origin.wait();
    let mut exchange = UdpExchange {
        socket,
        connected,
        servers,
        queries,
        patience: ask.patience,
        reads_late: ask.reads_late,
        came,
    };
    exchange.run(ask.resends);
    let UdpExchange { queries, .. } = exchange;
    let mut left = Vec::new();
    for mut query in queries {
        let fine = match query.answer {
            Some((server, answer)) if answer.truncated => {
                over_tcp(server, &mut query, ask.patience, came)
            }
            Some((_, answer)) => answer.is_fine(),
            None => false,
        };
        if !fine {
            left.push(query.rtype);
        }
    }
    Ok(left)
}
