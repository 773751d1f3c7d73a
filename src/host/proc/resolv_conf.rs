//! resolv.conf(5).
//!
//! The crate `resolv-conf` refuses a whole file for one line that it does not
//! know; C libraries pass over such lines, and so does this.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use borsh::BorshDeserialize;
use borsh::BorshSerialize;

use super::Root;
use super::untrusted;

/// Where C libraries look for it.
const PATH: &str = "/etc/resolv.conf";

/// More than any resolv.conf needs.
pub const FILE_MAX: u64 = 64 << 10;

/// C libraries use three; a few more show what they ignore.
const NAMESERVERS_MAX: usize = 16;

/// glibc before 2.26 and musl use fewer.
const SEARCH_MAX: usize = 64;

/// Of glibc (RES_MAXNDOTS).
const NDOTS_MAX: u32 = 15;

/// RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;

/// What a process's own file says, as far as it counts here, with the defaults that hold
/// where it says nothing.
#[derive(BorshDeserialize, BorshSerialize, Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// Where this host finds the file: `/etc/resolv.conf` if the process has
    /// the host's own, else through its root, as long as it lives.
    #[borsh(
        serialize_with = "crate::codec::path::write",
        deserialize_with = "crate::codec::path::read"
    )]
    pub path: PathBuf,
    /// In their order; C libraries use the first three. Empty means the
    /// process's own 127.0.0.1.
    pub nameservers: Vec<IpAddr>,
    /// Suffixes in their order, without a dot at the end; printable ASCII.
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the suffixes first.
    pub ndots: u32,
}

/// Reads the file as the process would find it. Its file system is the process's,
/// not ours.
pub fn read(root: &Root, pid: u32) -> io::Result<ResolvConf> {
    let file = untrusted::read(&root.process(pid).path("root"), PATH, FILE_MAX)?;
    let ours = fs::metadata(root.path(PATH));
    let path = match ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == file.identity) {
        true => PathBuf::from(PATH),
        false => PathBuf::from(format!("/proc/{pid}/root{PATH}")),
    };
    Ok(parse(path, &file.text()))
}

/// A keyword counts at the start of a line only, the last `search` or `domain`
/// line wins, and options add up.
pub(super) fn parse(path: PathBuf, text: &str) -> ResolvConf {
    let mut conf = ResolvConf {
        path,
        nameservers: nameservers(text).filter_map(address).collect(),
        search: Vec::new(),
        ndots: 1,
    };
    for line in text.lines() {
        let Some((keyword, rest)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        match keyword {
            "search" => conf.search = words.filter_map(suffix).take(SEARCH_MAX).collect(),
            "domain" => conf.search = words.next().and_then(suffix).into_iter().collect(),
            "options" => {
                let mut ndots =
                    words.filter_map(|option| option.strip_prefix("ndots:")?.parse().ok());
                conf.ndots = ndots
                    .next_back()
                    .map_or(conf.ndots, |it: u32| it.min(NDOTS_MAX));
            }
            _ => {}
        }
    }
    conf
}

/// The addresses in their order, that of a link perhaps with its interface
/// (`fe80::1%eth0`).
pub fn nameservers(text: &str) -> impl Iterator<Item = &str> {
    let lines = text.lines();
    let servers = lines.filter_map(|line| {
        let rest = line.strip_prefix("nameserver")?;
        rest.strip_prefix([' ', '\t'])?
            .split_ascii_whitespace()
            .next()
    });
    let known = servers.filter(|server| address(server).is_some());
    known.take(NAMESERVERS_MAX)
}

/// The address, whatever interface is named with it.
fn address(nameserver: &str) -> Option<IpAddr> {
    nameserver.split('%').next()?.parse().ok()
}

fn suffix(text: &str) -> Option<String> {
    let name = text.strip_suffix('.').unwrap_or(text);
    let sane = !name.is_empty()
        && name.len() <= NAME_MAX
        && name.bytes().all(|octet| octet.is_ascii_graphic());
    sane.then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(text: &str) -> ResolvConf {
        super::parse(PathBuf::from(PATH), text)
    }

    fn nameservers(conf: &ResolvConf) -> Vec<String> {
        conf.nameservers.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn a_pod_of_kubernetes() {
        let conf = parse(
            "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
             nameserver 10.96.0.10\n\
             options ndots:5\n",
        );
        assert_eq!(nameservers(&conf), ["10.96.0.10"]);
        assert_eq!(
            conf.search,
            [
                "shop.svc.cluster.local",
                "svc.cluster.local",
                "cluster.local"
            ]
        );
        assert_eq!(conf.ndots, 5);
    }

    #[test]
    fn a_host_with_everything() {
        let conf = parse(
            "# Generated by NetworkManager\r\n; old\n\
             domain example.org\nsearch corp.example. lab.example\n\
             nameserver 10.0.0.2 # first\nnameserver fe80::1%eth0\nnameserver\tfd00::53\n\
             options timeout:1 attempts:9 rotate\noptions ndots:2 edns0\nsortlist 10.0.0.0\n",
        );
        assert_eq!(nameservers(&conf), ["10.0.0.2", "fe80::1", "fd00::53"]);
        assert_eq!(conf.search, ["corp.example", "lab.example"]);
        assert_eq!(conf.ndots, 2);
    }

    #[test]
    fn what_c_libraries_pass_over_is_passed_over() {
        let conf = parse(
            " nameserver 10.0.0.1\nnameserver dns.example\nnameservers 10.0.0.2\nnameserver\n\
             #nameserver 10.0.0.3\noptions ndots:x timeout: attempts:-1 ndots:99\nsearch\n",
        );
        assert!(conf.nameservers.is_empty());
        assert!(conf.search.is_empty());
        assert_eq!(conf.ndots, 15);
    }

    #[test]
    fn numbers_and_lengths_are_bounded() {
        let text = "nameserver 10.0.0.1\n".repeat(1000)
            + &format!(
                "search {} a\u{1b}[2J {}\n",
                "x".repeat(300),
                "y ".repeat(1000)
            );
        let conf = parse(&text);
        assert_eq!(conf.nameservers.len(), NAMESERVERS_MAX);
        assert_eq!(conf.search.len(), SEARCH_MAX);
        assert!(conf.search.iter().all(|name| name == "y"));
    }

    #[test]
    fn live_this_process_has_the_file_of_the_host() {
        let root = Root::default();
        if root.path(PATH).is_file() {
            let conf = read(&root, std::process::id()).unwrap();
            assert_eq!(conf.path, PathBuf::from(PATH));
        }
        assert!(read(&root, u32::MAX).is_err());
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(nameserver |search |domain|options |ndots:|[0-9.:%]{0,9}|\\PC| |\n){0,60}") {
            let _ = parse(&text);
        }
    }
}
