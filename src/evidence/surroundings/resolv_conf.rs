//! What a process's own resolv.conf says.
//!
//! The crate `resolv-conf` refuses a whole file for one line that it does not
//! know; C libraries pass over such lines, and so does this.

use std::fs::File;
use std::io;
use std::io::Read as _;
use std::net::IpAddr;
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use nix::fcntl::OFlag;
use nix::fcntl::OpenHow;
use nix::fcntl::ResolveFlag;
use nix::fcntl::openat2;

use super::HostPath;

const FILE_MAX: u64 = 64 << 10;

/// C libraries use three; a few more show what they ignore.
const NAMESERVERS_MAX: usize = 16;

/// glibc before 2.26 and musl use fewer.
const SEARCH_MAX: usize = 64;

/// RFC 1035 section 2.3.4.
const NAME_MAX: usize = 255;

/// resolv.conf(5), with the defaults that hold where it says nothing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResolvConf {
    /// Where this host finds the file: `/etc/resolv.conf` if the process has
    /// the host's own, else through its root, as long as it lives.
    pub path: HostPath,
    /// In their order; C libraries use the first three. Empty means the
    /// process's own 127.0.0.1.
    pub nameservers: Vec<IpAddr>,
    /// Suffixes in their order, without a dot at the end; printable ASCII.
    pub search: Vec<String>,
    /// Names with fewer dots are tried with the suffixes first.
    pub ndots: u32,
    /// Seconds before the next try.
    pub timeout: u32,
    /// Rounds over all nameservers.
    pub attempts: u32,
    /// Whether each query starts with another nameserver.
    pub rotate: bool,
}

/// Opens the file as the process would.
///
/// Its file system is the process's, not ours: links stay below its root
/// (`openat2`, Linux 5.6), and anything but a regular file is left alone.
pub(super) fn of(pid: u32) -> io::Result<ResolvConf> {
    let inside = format!("/proc/{pid}/root");
    let root = File::open(&inside)?;
    let how = OpenHow::new()
        .flags(OFlag::O_PATH | OFlag::O_CLOEXEC)
        .resolve(ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS);
    let handle = File::from(openat2(&root, "etc/resolv.conf", how)?);
    let file = handle.metadata()?;
    if !file.is_file() {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let mut octets = Vec::new();
    File::open(format!("/proc/self/fd/{}", handle.as_raw_fd()))?
        .take(FILE_MAX)
        .read_to_end(&mut octets)?;
    let ours = std::fs::metadata("/etc/resolv.conf");
    let same = ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == (file.dev(), file.ino()));
    let mut conf = parse(&String::from_utf8_lossy(&octets));
    if !same {
        conf.path = PathBuf::from(format!("{inside}/etc/resolv.conf")).into();
    }
    Ok(conf)
}

/// A keyword counts at the start of a line only, the last `search` or `domain`
/// line wins, and options add up.
fn parse(text: &str) -> ResolvConf {
    let mut conf = ResolvConf {
        path: PathBuf::from("/etc/resolv.conf").into(),
        nameservers: Vec::new(),
        search: Vec::new(),
        ndots: 1,
        timeout: 5,
        attempts: 2,
        rotate: false,
    };
    for line in text.lines() {
        let Some((keyword, rest)) = line.split_once([' ', '\t']) else {
            continue;
        };
        let mut words = rest.split_ascii_whitespace();
        match keyword {
            "nameserver" => {
                let server = words.next().and_then(address);
                let room = NAMESERVERS_MAX - conf.nameservers.len();
                conf.nameservers.extend(server.into_iter().take(room));
            }
            "search" => conf.search = words.filter_map(suffix).take(SEARCH_MAX).collect(),
            "domain" => conf.search = words.next().and_then(suffix).into_iter().collect(),
            "options" => words.for_each(|option| conf.set(option)),
            _ => {}
        }
    }
    conf
}

impl ResolvConf {
    /// The upper limits are those of glibc (RES_MAXNDOTS, RES_MAXRETRANS,
    /// RES_MAXRETRY).
    fn set(&mut self, option: &str) {
        let number = |text: &str, max: u32| text.parse().ok().map(|it: u32| it.min(max));
        match option.split_once(':') {
            Some(("ndots", value)) => self.ndots = number(value, 15).unwrap_or(self.ndots),
            Some(("timeout", value)) => self.timeout = number(value, 30).unwrap_or(self.timeout),
            Some(("attempts", value)) => self.attempts = number(value, 5).unwrap_or(self.attempts),
            None if option == "rotate" => self.rotate = true,
            _ => {}
        }
    }
}

/// A link-local address may name its interface.
fn address(text: &str) -> Option<IpAddr> {
    let (address, _) = text.split_once('%').unwrap_or((text, ""));
    address.parse().ok()
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

    fn addresses(conf: &ResolvConf) -> Vec<String> {
        conf.nameservers.iter().map(IpAddr::to_string).collect()
    }

    #[test]
    fn a_pod_of_kubernetes() {
        let conf = parse(
            "search shop.svc.cluster.local svc.cluster.local cluster.local\n\
             nameserver 10.96.0.10\n\
             options ndots:5\n",
        );
        assert_eq!(addresses(&conf), ["10.96.0.10"]);
        assert_eq!(
            conf.search,
            [
                "shop.svc.cluster.local",
                "svc.cluster.local",
                "cluster.local"
            ]
        );
        assert_eq!(
            (conf.ndots, conf.timeout, conf.attempts, conf.rotate),
            (5, 5, 2, false)
        );
    }

    #[test]
    fn a_host_with_everything() {
        let conf = parse(
            "# Generated by NetworkManager\r\n; old\n\
             domain example.org\nsearch corp.example. lab.example\n\
             nameserver 10.0.0.2 # first\nnameserver fe80::1%eth0\nnameserver\tfd00::53\n\
             options timeout:1 attempts:9 rotate\noptions ndots:2 edns0\nsortlist 10.0.0.0\n",
        );
        assert_eq!(addresses(&conf), ["10.0.0.2", "fe80::1", "fd00::53"]);
        assert_eq!(conf.search, ["corp.example", "lab.example"]);
        assert_eq!(
            (conf.ndots, conf.timeout, conf.attempts, conf.rotate),
            (2, 1, 5, true)
        );
    }

    #[test]
    fn what_c_libraries_pass_over_is_passed_over() {
        let conf = parse(
            " nameserver 10.0.0.1\nnameserver dns.example\nnameservers 10.0.0.2\nnameserver\n\
             #nameserver 10.0.0.3\noptions ndots:x timeout: attempts:-1 ndots:99\nsearch\n",
        );
        assert!(conf.nameservers.is_empty());
        assert!(conf.search.is_empty());
        assert_eq!((conf.ndots, conf.timeout, conf.attempts), (15, 5, 2));
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

    proptest! {
        #[test]
        fn no_text_makes_it_panic(text in "(nameserver |search |domain|options |ndots:|[0-9.:%]{0,9}|\\PC| |\n){0,60}") {
            let _ = parse(&text);
        }
    }

    #[test]
    fn this_process_has_the_file_of_the_host() {
        if std::path::Path::new("/etc/resolv.conf").is_file() {
            let conf = of(std::process::id()).unwrap();
            assert_eq!(conf.path.to_string(), "/etc/resolv.conf");
        }
        assert!(of(u32::MAX).is_err());
    }
}
