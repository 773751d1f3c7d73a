//! Every format of this folder, from octets: for `crate::fuzzing`.

use std::net::Ipv4Addr;
use std::net::Ipv6Addr;
use std::path::PathBuf;

use super::addresses;
use super::cgroup;
use super::conntrack_stat;
use super::conntrack_table;
use super::cpu_stat;
use super::descriptors;
use super::kallsyms::Symbols;
use super::maps;
use super::memory;
use super::mountinfo;
use super::neighbour_stat;
use super::net_udp;
use super::resolv_conf;
use super::resolv_conf::ResolvConf;
use super::route;
use super::schedstat;
use super::snmp;
use super::softnet_stat;
use super::stat;
use super::status;

/// A parser, as its file comes.
type Parser = fn(&[u8]);

/// The parsers by their file. The order is that of the seeds: new ones come last.
pub(crate) const TABLES: [(&str, Parser); 23] = [
    ("if_inet6", |it| each_line(it, addresses::parse)),
    ("cgroup", cgroups),
    ("nf_conntrack of stat", |it| {
        whole(it, conntrack_stat::parse)
    }),
    ("nf_conntrack", |it| {
        each_line(it, |line| conntrack_table::parse(1, line));
    }),
    ("cpu.stat of version 1", |it| {
        let [stat, quota, period] = files(it);
        let _told = cpu_stat::parse_v1(&stat, &quota, &period);
    }),
    ("cpu.stat of version 2", |it| {
        let [stat, max] = files(it);
        let _told = cpu_stat::parse_v2(&stat, &max);
    }),
    ("fd", |it| each_line(it, descriptors::socket)),
    ("limits", |it| whole(it, descriptors::limit_in)),
    ("file-nr", |it| whole(it, descriptors::open_and_most)),
    ("kallsyms", symbols),
    ("maps", |it| each_line(it, maps::of_line)),
    ("memory.limit_in_bytes", |it| {
        let [limit, hits] = files(it);
        let _told = memory::parse_v1(&limit, Some(hits));
    }),
    ("memory.max", |it| {
        let [limit, events] = files(it);
        let _told = memory::parse_v2(&limit, Some(events));
    }),
    ("mountinfo", mounts),
    ("arp_cache", |it| whole(it, neighbour_stat::parse)),
    ("udp", |it| each_line(it, net_udp::parse)),
    ("route", |it| routes(&route::parse_v4(&text(it)), 32)),
    ("ipv6_route", |it| routes(&route::parse_v6(&text(it)), 128)),
    ("fib_trie", |it| routes(&route::parse_own(&text(it)), 32)),
    ("schedstat", |it| whole(it, schedstat::parse)),
    ("snmp and snmp6", |it| {
        let [v4, v6] = files(it);
        let _told = snmp::parse(&v4, &v6);
    }),
    ("softnet_stat", |it| whole(it, softnet_stat::parse)),
    ("stat and status", process),
];

/// A container's own resolv.conf.
pub(crate) fn resolv_conf(octets: &[u8]) -> ResolvConf {
    resolv_conf::parse(PathBuf::from("/etc/resolv.conf"), &text(octets))
}

/// As [`Root::text`](super::Root::text) has it.
fn text(octets: &[u8]) -> String {
    String::from_utf8_lossy(octets).into_owned()
}

fn whole<T>(octets: &[u8], parse: impl Fn(&str) -> Option<T>) {
    let _told = parse(&text(octets));
}

/// As [`Root::lines`](super::Root::lines) has them.
fn each_line<T>(octets: &[u8], parse: impl Fn(&str) -> Option<T>) {
    let lines = octets.split(|&octet| octet == b'\n');
    for line in lines.filter_map(|line| std::str::from_utf8(line).ok()) {
        let _told = parse(line);
    }
}

/// Several files that belong together, with a NUL between two.
fn files<const N: usize>(octets: &[u8]) -> [String; N] {
    let mut files = octets.splitn(N, |&octet| octet == 0);
    std::array::from_fn(|_| text(files.next().unwrap_or_default()))
}

fn cgroups(octets: &[u8]) {
    for membership in cgroup::parse(octets) {
        assert!(membership.path.starts_with(b"/"));
        let _is_of_cpu = (membership.version(), membership.controls(b"cpu"));
    }
}

fn mounts(octets: &[u8]) {
    for mount in mountinfo::parse(octets) {
        let _is_of_cpu = mount.controls(b"cpu");
    }
}

/// The first eight octets are an address that is looked for.
fn symbols(octets: &[u8]) {
    let (address, lines) = octets.split_first_chunk().unwrap_or((&[0xff; 8], octets));
    let symbols = Symbols::parse(lines);
    if let Some(name) = symbols.function(u64::from_le_bytes(*address)) {
        assert!(!name.is_empty() && !name.contains([' ', '\n', '\t']));
    }
}

fn routes(routes: &[route::Route], width: u32) {
    let (v4, v6) = (Ipv4Addr::new(10, 0, 0, 53), Ipv6Addr::LOCALHOST);
    let ip = if width == 32 {
        u32::from(v4).into()
    } else {
        v6.into()
    };
    let leads = route::leads(routes, ip, width);
    assert!(!leads || !routes.is_empty());
}

fn process(octets: &[u8]) {
    if let Some(stat) = stat::parse(octets) {
        let _times = (stat.started_ns(), stat::time_of(stat.ticks));
        let _state = (stat.is_stopped(), stat.is_ending());
    }
    let status = text(octets);
    let _told = (
        status::parse(&status),
        status::octets_in(&status, "VmRSS:"),
        status::number_in(&status, "Seccomp:"),
    );
}
