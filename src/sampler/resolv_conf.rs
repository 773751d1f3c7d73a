//! What a process's own resolv.conf says.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;

use super::HostPath;
use crate::host::proc::Root;
use crate::host::proc::resolv_conf;
use crate::host::proc::untrusted;

/// Where C libraries look for it.
const PATH: &str = "/etc/resolv.conf";

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

/// Reads the file as the process would find it. Its file system is the process's,
/// not ours.
pub(super) fn of(root: &Root, pid: u32) -> io::Result<ResolvConf> {
    let inside = root.process(pid).path("root");
    let mut file = untrusted::open(&inside, PATH)?;
    let said = resolv_conf::parse(&file.text(resolv_conf::FILE_MAX)?);
    let ours = fs::metadata(root.path(PATH));
    let is_ours = ours.is_ok_and(|ours| (ours.dev(), ours.ino()) == file.identity());
    let path = match is_ours {
        true => PathBuf::from(PATH),
        false => PathBuf::from(format!("/proc/{pid}/root{PATH}")),
    };
    let nameservers = said.nameservers.iter();
    Ok(ResolvConf {
        path: path.into(),
        nameservers: nameservers
            .filter_map(|it| resolv_conf::address(it))
            .collect(),
        search: said.search,
        ndots: said.ndots,
        timeout: said.timeout,
        attempts: said.attempts,
        rotate: said.rotate,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_the_file_of_the_host() {
        let root = Root::default();
        if root.path(PATH).is_file() {
            let conf = of(&root, std::process::id()).unwrap();
            assert_eq!(conf.path.to_string(), PATH);
        }
        assert!(of(&root, u32::MAX).is_err());
    }
}
