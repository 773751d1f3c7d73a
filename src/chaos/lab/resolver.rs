//! A real resolver in a pod: unbound, with names of its own and perhaps another
//! server that it forwards to.

use std::io::Write as _;
use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::process::Child;
use std::process::Stdio;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use domain::base::iana::Rtype;

use super::client::Query;
use super::site::Pod;
use super::tool::UNBOUND;

/// How long it may take until it answers.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it is asked meanwhile.
const TICK: Duration = Duration::from_millis(50);

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
pub(super) struct Resolver {
    child: Child,
}

impl Resolver {
    /// Starts unbound in a pod, and returns when it answers. The configuration
    /// goes on where the server's section is open.
    pub(super) fn start(pod: &Pod, listens: &[IpAddr], configuration: &str) -> Result<Self> {
        let mut command = pod.command(UNBOUND.find()?)?;
        // AppArmor lets an installed unbound read no file but its own.
        command.args(["-c", "/dev/stdin"]).stdin(Stdio::piped());
        command.stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().context("cannot start unbound")?;
        let mut resolver = Self { child };
        let mut text = SETTINGS.to_owned();
        for address in listens {
            text += &format!("interface: {address}\n");
        }
        text += configuration;
        let mut stdin = resolver
            .child
            .stdin
            .take()
            .context("its input is not piped")?;
        let told = stdin.write_all(text.as_bytes());
        told.context("unbound does not read its configuration")?;
        drop(stdin);
        resolver.await_answer(pod)?;
        Ok(resolver)
    }

    fn await_answer(&mut self, pod: &Pod) -> Result<()> {
        let begin = Instant::now();
        // Its own name, which it answers without asking anybody.
        let query = Query::new("version.server", Rtype::TXT, None)?;
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                bail!("unbound ended at once: {status}");
            }
            if pod
                .namespace
                .enter(|| Ok(is_answered(pod.dns(), query.message())?))?
            {
                return Ok(());
            }
        }
        bail!("unbound does not answer within {} s", PATIENCE.as_secs())
    }
}

impl Drop for Resolver {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}

/// Asks once.
fn is_answered(server: SocketAddr, query: &[u8]) -> std::io::Result<bool> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect(server)?;
    socket.set_read_timeout(Some(TICK))?;
    socket.send(query)?;
    match socket.recv(&mut [0; 512]) {
        Ok(_) => Ok(true),
        // Nobody listens yet: the next try must not come at once.
        Err(error) if error.kind() == std::io::ErrorKind::ConnectionRefused => {
            std::thread::sleep(TICK);
            Ok(false)
        }
        Err(_) => Ok(false),
    }
}
