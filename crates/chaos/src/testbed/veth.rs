//! Pairs of virtual interfaces, which join namespaces as a cable does.

use std::fmt::Write as _;

use anyhow::Result;

use super::namespace::Namespace;
use super::tool::IP;

/// One end of a pair.
#[derive(Clone, Copy, Debug)]
pub struct End<'a> {
    /// Where it is.
    pub namespace: &'a Namespace,
    /// The interface's name.
    pub device: &'a str,
    /// Its addresses, as `ip address add` takes them: `10.0.0.1/24`. One of IPv6
    /// needs `nodad` with it, or is unusable for a second or two.
    pub addresses: &'a [&'a str],
}

/// Makes a pair, and brings both ends up. They may still swallow packets for a
/// moment ([`Namespace::await_running`]).
pub fn join(near: &End<'_>, far: &End<'_>) -> Result<()> {
    let add = format!(
        "link add {} type veth peer name {} netns {}\n",
        near.device,
        far.device,
        far.namespace.path()
    );
    near.configure(&add)?;
    far.configure("")
}

impl End<'_> {
    fn configure(&self, before: &str) -> Result<()> {
        let device = self.device;
        let mut script = before.to_owned();
        for address in self.addresses {
            writeln!(script, "address add {address} dev {device}")?;
        }
        writeln!(script, "link set {device} up")?;
        self.namespace.run(IP, "-batch -", &script)?;
        Ok(())
    }
}
