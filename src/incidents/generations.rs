//! Network namespaces that had one number, one after the other: the kernel gives the number of
//! one that is gone to a new one, as where pods come and go.

use std::net::IpAddr;
use std::net::SocketAddr;

use super::asked::Asked;

/// Servers that were asked by one namespace.
pub(super) struct Generation<'a> {
    pub(super) servers: Vec<(SocketAddr, &'a Asked)>,
    last_ns: u64,
    from: Vec<IpAddr>,
}

/// Parts the servers that were asked from one number. Two belong together if they were asked at
/// the same time, or from the same address; those of which that is not known do with all.
pub(super) fn of<'a>(
    servers: impl Iterator<Item = (SocketAddr, &'a Asked)>,
) -> Vec<Generation<'a>> {
    let mut servers: Vec<_> = servers.collect();
    servers.sort_unstable_by_key(|(server, it)| (it.seen.stay().map(|it| it.first_ns), *server));
    let mut all: Vec<Generation<'a>> = Vec::new();
    for (server, asked) in servers {
        let (first_ns, last_ns) = match asked.seen.stay() {
            Some(stay) => (stay.first_ns, stay.last_ns),
            None => (0, u64::MAX),
        };
        let from = asked.seen.stay().map(|it| it.from);
        let is_same = |it: &Generation<'_>| {
            it.last_ns >= first_ns || from.is_some_and(|from| it.from.contains(&from))
        };
        // What was asked between two that belong together belongs to them.
        let at = all.iter().position(is_same).unwrap_or(all.len());
        let mut joined = Generation {
            servers: vec![(server, asked)],
            last_ns,
            from: from.into_iter().collect(),
        };
        for other in all.drain(at..) {
            joined.servers.extend(other.servers);
            joined.last_ns = joined.last_ns.max(other.last_ns);
            joined.from.extend(other.from);
        }
        all.push(joined);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Servers by number, with the span of time and the address that they were asked from.
    fn parts(asked: &[Option<(u64, u64, &str)>]) -> Vec<Vec<u16>> {
        let of_one = |it: &Option<(u64, u64, &str)>| {
            let mut asked = Asked::default();
            if let Some((first_ns, last_ns, from)) = *it {
                let from = from.parse().expect("an address");
                asked.seen.record(last_ns, from);
                asked.seen.record(first_ns, from);
            }
            asked
        };
        let asked: Vec<Asked> = asked.iter().map(of_one).collect();
        let server = |port: usize| SocketAddr::from(([10, 0, 0, 1], port as u16));
        let generations = of(asked.iter().enumerate().map(|(at, it)| (server(at), it)));
        let ports = generations.iter().map(|it| {
            let mut ports: Vec<_> = it.servers.iter().map(|(it, _)| it.port()).collect();
            ports.sort_unstable();
            ports
        });
        ports.collect()
    }

    #[test]
    fn who_asks_later_from_another_address_is_another() {
        let (old, new) = ("10.0.1.2", "10.0.9.2");
        assert_eq!(
            parts(&[Some((5, 9, new)), Some((1, 3, old)), Some((2, 4, old))]),
            [vec![1, 2], vec![0]]
        );
        assert_eq!(parts(&[]), [[0u16; 0]; 0]);
    }

    #[test]
    fn one_that_asks_on_or_from_several_addresses_is_one() {
        let (wired, radio) = ("10.0.1.2", "192.0.2.9");
        // A host with two networks asks at both.
        assert_eq!(parts(&[Some((1, 5, wired)), Some((4, 9, radio))]), [[0, 1]]);
        // Its list has changed.
        assert_eq!(parts(&[Some((1, 3, wired)), Some((7, 9, wired))]), [[0, 1]]);
        // And what it did meanwhile.
        assert_eq!(
            parts(&[
                Some((1, 3, wired)),
                Some((4, 5, radio)),
                Some((7, 9, wired))
            ]),
            [[0, 1, 2]]
        );
    }

    #[test]
    fn what_is_not_known_parts_nobody() {
        let (old, new) = ("10.0.1.2", "10.0.9.2");
        assert_eq!(
            parts(&[Some((1, 3, old)), None, Some((5, 9, new))]),
            [[0, 1, 2]]
        );
    }
}
