//! A real resolver: unbound, with names of its own and perhaps another server
//! that it forwards to.

use std::io::Write as _;
use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;

use super::namespace::Namespace;
use super::ready;

/// Without files of its own, in the foreground, without the caches of failures
/// that outlast a lab of seconds.
const SETTINGS: &str = "\
server:
chroot: \"\"
username: \"\"
pidfile: \"\"
directory: \"/\"
do-daemonize: no
use-syslog: no
logfile: \"\"
verbosity: 0
num-threads: 1
module-config: \"iterator\"
access-control: 0.0.0.0/0 allow
access-control: ::/0 allow
";

/// A resolver at work. Dropped, it is killed.
#[derive(Debug)]
pub struct Unbound {
    child: Child,
}

impl Unbound {
    /// Starts it by a command for the program, in this namespace, and returns when
    /// it answers on every address; of each it was asked one query then. `settings`
    /// go on where the server's section is open. Its messages go where the
    /// command's standard error does.
    pub fn start(
        mut command: Command,
        namespace: &Namespace,
        listens: &[SocketAddr],
        settings: &str,
    ) -> Result<Self> {
        // AppArmor lets an installed unbound read no file but its own.
        command.args(["-c", "/dev/stdin"]).stdin(Stdio::piped());
        let child = command.stdout(Stdio::null()).spawn();
        let mut unbound = Self {
            child: child.context("cannot start unbound")?,
        };
        let mut text = SETTINGS.to_owned();
        for address in listens {
            text += &format!("interface: {}@{}\n", address.ip(), address.port());
        }
        text += settings;
        let stdin = unbound.child.stdin.take();
        let mut stdin = stdin.context("its input is not piped")?;
        let told = stdin.write_all(text.as_bytes());
        told.context("unbound does not read its configuration")?;
        drop(stdin);
        for &address in listens {
            // Its own name, which it answers without asking anybody.
            let own_name = "version.server";
            namespace.enter(|| {
                ready::await_answer(&mut unbound.child, "unbound", address, own_name)
            })??;
        }
        Ok(unbound)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The process, for who ends it in order.
    pub fn child(&mut self) -> &mut Child {
        &mut self.child
    }
}

impl Drop for Unbound {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}
