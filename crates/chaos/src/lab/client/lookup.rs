//! One lookup: which servers are asked what, in which order.

use std::io;
use std::net::SocketAddr;

use domain::base::iana::Rtype;

use super::ask::Ask;
use super::ask::Style;
use super::burst;
use super::counts::Tally;
use super::counts::count;
use super::exchange::Query;
use super::exchange::UdpExchange;
use super::exchange::over_tcp;
use super::libc_lookup;
use super::origin::Origin;

/// Resolves the `number`th name of a client.
pub(super) fn run(ask: &Ask, zone: &str, number: u64, origin: &Origin, tally: &Tally) {
    let number = number.checked_rem(ask.names).unwrap_or(number);
    let name = match ask.reverse {
        true => format!(
            "{}.{}.30.172.in-addr.arpa",
            number % 256,
            number / 256 % 256
        ),
        false => {
            let letter = if ask.capitals { 'Q' } else { 'q' };
            format!("{letter}{number}.{}.{zone}", ask.group)
        }
    };
    let resolved = match &ask.style {
        Style::Libc => libc_lookup::resolves(&name),
        Style::Tcp => resolves_over_tcp(ask, &name, tally),
        Style::Burst(size) | Style::Together(size) => burst::run(ask, &name, *size, tally),
        Style::Glibc => resolves(ask, &name, ask.servers.chunks(1), origin, tally),
        Style::Musl => resolves(ask, &name, [&ask.servers[..]], origin, tally),
    };
    let mut counts = tally.counts();
    counts.lookups += 1;
    counts.resolved += u64::from(resolved);
}

/// Whether all types were answered well, by whichever round of servers.
fn resolves<'a>(
    ask: &'a Ask,
    name: &str,
    rounds: impl IntoIterator<Item = &'a [SocketAddr]>,
    origin: &Origin,
    tally: &'a Tally,
) -> bool {
    let mut wanted = vec![Rtype::from_int(ask.rtype)];
    wanted.extend(ask.aaaa.then_some(Rtype::AAAA));
    rounds.into_iter().any(|servers| {
        // An error: the socket could not even be made or connected.
        if let Err(error) = round(ask, servers, name, &mut wanted, origin, tally) {
            count(&mut tally.counts().unsent, &error, 1);
        }
        wanted.is_empty()
    })
}

/// The same over TCP alone, of the first server.
fn resolves_over_tcp(ask: &Ask, name: &str, tally: &Tally) -> bool {
    let query = Query::new(name, Rtype::from_int(ask.rtype), ask.udp_payload);
    match (query, ask.servers.first()) {
        (Ok(mut query), Some(server)) => over_tcp(*server, &mut query, ask.patience, tally),
        _ => false,
    }
}

/// Asks one server, or all of them at once. Leaves the types that are still
/// without a good answer.
fn round(
    ask: &Ask,
    servers: &[SocketAddr],
    name: &str,
    wanted: &mut Vec<Rtype>,
    origin: &Origin,
    tally: &Tally,
) -> io::Result<()> {
    let queries = wanted
        .iter()
        .map(|&rtype| Query::new(name, rtype, ask.udp_payload));
    let queries = queries.collect::<io::Result<_>>()?;
    let socket = origin.socket(servers[0])?;
    if ask.style == Style::Glibc {
        socket.connect(servers[0])?;
    }
    origin.wait();
    let mut exchange = UdpExchange {
        ask,
        socket,
        servers,
        queries,
        tally,
    };
    exchange.run();
    wanted.clear();
    for mut query in exchange.queries {
        let fine = match query.answer {
            Some((server, answer)) if answer.truncated => {
                over_tcp(server, &mut query, ask.patience, tally)
            }
            Some((_, answer)) => answer.is_fine(),
            None => false,
        };
        if !fine {
            wanted.push(query.rtype);
        }
    }
    Ok(())
}
