//! What system calls pay: the statistics of programs do not see what the kernel does
//! around them, the time of the calls does.

use std::collections::BTreeMap;
use std::io;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::os::unix::net::UnixDatagram;

use anyhow::Result;

use crate::exchange::Pair;
use crate::exchange::least_ns;
use crate::exchange::on_one_core;
use crate::figures::Table;
use crate::figures::least;
use crate::figures::whole;
use crate::kerno::Kerno;
use crate::rivals;
use crate::site::DNS_PORT;
use crate::site::OTHER_PORT;
use crate::site::Site;

/// Batches of a round; the least of all batches of all rounds counts.
const BATCHES: u32 = 150;

/// What a DNS query is long.
const LEN: usize = 41;

const CALLS: [&str; 4] = [
    "`getppid`",
    "Unix datagram, written and read",
    "UDP `sendto` and `recvfrom`, another port",
    "an exchange, DNS",
];

/// Nanoseconds of each of the calls.
type Times = [f64; CALLS.len()];

/// Measures and describes it.
pub(crate) fn measure(site: &Site) -> Result<String> {
    let mut all = BTreeMap::<&str, Times>::new();
    let mut take = |name, times: Times| {
        let least_so_far = all.entry(name).or_insert([f64::INFINITY; CALLS.len()]);
        for (so_far, time) in least_so_far.iter_mut().zip(times) {
            *so_far = least([*so_far, time]);
        }
    };
    for _ in 0..site.rounds {
        take("nothing", times(site)?);
        let empty = rivals::empty(site)?;
        take("empty", times(site)?);
        drop(empty);
        let kerno = Kerno::doctor(site, &[])?;
        take("kerno", times(site)?);
        kerno.end()?;
        let kerno = Kerno::doctor(site, &["--all-hooks"])?;
        take("all hooks", times(site)?);
        kerno.end()?;
    }
    let mut table = Table::new(&[
        "call",
        "nothing",
        "two empty programs",
        "kerno",
        "kerno adds",
        "of it, more than empty ones",
        "with `--all-hooks` it adds",
    ]);
    for (at, call) in CALLS.into_iter().enumerate() {
        let names = ["nothing", "empty", "kerno", "all hooks"];
        let [nothing, empty, kerno, all_hooks] = names.map(|name| all[name][at]);
        let added = kerno - nothing;
        let figures = [
            nothing,
            empty,
            kerno,
            added,
            kerno - empty,
            all_hooks - nothing,
        ];
        let mut cells = vec![call.to_owned()];
        cells.extend(figures.map(whole));
        table.row(&cells);
    }
    Ok(format!(
        "### System calls\n\n\
         Nanoseconds, the least of {} batches in {} rounds, in turns. An exchange is a query and \
         its answer: two sends and two reads, seen at both ends. `--all-hooks` attaches the hooks on \
         sends and reads that are otherwise there only while there is a reason.\n\n{}",
        BATCHES as usize * site.rounds,
        site.rounds,
        table.text(),
    ))
}

fn times(site: &Site) -> Result<Times> {
    let mut pair = Pair::new(site, DNS_PORT)?;
    let (server, client) = site.namespace.enter(|| -> io::Result<_> {
        let server = UdpSocket::bind((Ipv4Addr::LOCALHOST, OTHER_PORT))?;
        Ok((server, UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?))
    })??;
    let to = server.local_addr()?;
    let (near, far) = UnixDatagram::pair()?;
    on_one_core(move || {
        let octets = [0; LEN];
        let mut buffer = [0; 512];
        let getppid = least_ns(BATCHES, 2_000, || {
            std::hint::black_box(nix::unistd::getppid());
            Ok(())
        })?;
        let unix = least_ns(BATCHES, 500, || {
            near.send(&octets)?;
            far.recv(&mut buffer)?;
            Ok(())
        })?;
        let udp = least_ns(BATCHES, 200, || {
            client.send_to(&octets, to)?;
            server.recv_from(&mut buffer)?;
            Ok(())
        })?;
        let exchange = least_ns(BATCHES, 200, || pair.exchange())?;
        Ok([getppid, unix, udp, exchange])
    })
}
