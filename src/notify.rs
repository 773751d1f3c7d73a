//! What a service manager is told: sd_notify(3), a datagram to the socket that it names.

use std::env;
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::SocketAddr;
use std::os::unix::net::UnixDatagram;
use std::sync::Mutex;
use std::sync::PoisonError;
use std::time::Duration;

/// Variables of it that children must not have: they would speak for kerno.
pub const VARIABLES: [&str; 3] = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"];

/// The way to the service manager, if there is one that wants to be told.
#[derive(Debug)]
pub struct Notify {
    manager: Option<(UnixDatagram, SocketAddr)>,
    watchdog: Option<Duration>,
    status: Mutex<String>,
}

impl Notify {
    /// As the environment says it.
    pub fn from_environment() -> Self {
        let socket = env::var_os("NOTIFY_SOCKET").unwrap_or_default();
        let named = |name| env::var(name).ok();
        let mut notify = Self::at(socket.as_encoded_bytes());
        notify.watchdog = watchdog(
            named("WATCHDOG_USEC").as_deref(),
            named("WATCHDOG_PID").as_deref(),
            std::process::id(),
        );
        notify
    }

    /// At a path, or with `@` in front at an abstract address; of anything else there is
    /// nobody.
    fn at(socket: &[u8]) -> Self {
        Self {
            manager: open(socket).ok(),
            watchdog: None,
            status: Mutex::default(),
        }
    }

    /// How long it waits for the next sign of life.
    pub fn watchdog(&self) -> Option<Duration> {
        self.watchdog.filter(|_| self.manager.is_some())
    }

    /// Ready for whoever comes.
    pub fn ready(&self) {
        self.send("READY=1");
    }

    /// A sign of life.
    pub fn alive(&self) {
        if self.watchdog.is_some() {
            self.send("WATCHDOG=1");
        }
    }

    /// One sentence about how it goes; nothing if that was said last.
    pub fn status(&self, sentence: &str) {
        let sentence = sentence.replace('\n', " ");
        let mut last = self.status.lock().unwrap_or_else(PoisonError::into_inner);
        if *last != sentence {
            self.send(&format!("STATUS={sentence}"));
            *last = sentence;
        }
    }

    /// It is about to end.
    pub fn stopping(&self) {
        self.send("STOPPING=1");
    }

    fn send(&self, state: &str) {
        if let Some((socket, manager)) = &self.manager {
            // A manager that has no room now, or is gone, misses a word.
            if let Err(error) = socket.send_to_addr(state.as_bytes(), manager) {
                log::info!("the service manager was not told {state}: {error}");
            }
        }
    }
}

fn open(socket: &[u8]) -> io::Result<(UnixDatagram, SocketAddr)> {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt as _;
    let manager = match socket {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        [b'/', ..] => SocketAddr::from_pathname(OsStr::from_bytes(socket))?,
        _ => return Err(io::ErrorKind::Unsupported.into()),
    };
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok((socket, manager))
}

/// sd_watchdog_enabled(3): microseconds, and whose they are.
fn watchdog(microseconds: Option<&str>, of: Option<&str>, pid: u32) -> Option<Duration> {
    let is_ours = of.is_none_or(|of| of.parse() == Ok(pid));
    let microseconds = microseconds?.parse().ok().filter(|it| *it > 0)?;
    is_ours.then_some(Duration::from_micros(microseconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What was said to a manager, at either kind of address.
    fn told(listening: &UnixDatagram, at: &[u8]) -> Vec<String> {
        listening.set_nonblocking(true).expect("a socket");
        let mut notify = Notify::at(at);
        notify.watchdog = Some(Duration::from_secs(1));
        notify.ready();
        notify.status("all is\nwell");
        notify.status("all is\nwell");
        notify.alive();
        notify.stopping();
        let mut octets = [0; 100];
        let mut next = || {
            listening
                .recv(&mut octets)
                .ok()
                .map(|it| octets[..it].to_vec())
        };
        let all = std::iter::from_fn(&mut next);
        all.map(|it| String::from_utf8(it).expect("UTF-8"))
            .collect()
    }

    #[test]
    fn each_kind_of_socket_is_told() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("notify");
        let listening = UnixDatagram::bind(&path).expect("a socket");
        let said = told(&listening, path.as_os_str().as_encoded_bytes());
        let all = ["READY=1", "STATUS=all is well", "WATCHDOG=1", "STOPPING=1"];
        assert_eq!(said, all);
        let name = format!("kerno-test-{}", std::process::id());
        let address = SocketAddr::from_abstract_name(&name).expect("a name");
        let listening = UnixDatagram::bind_addr(&address).expect("a socket");
        assert_eq!(told(&listening, format!("@{name}").as_bytes()), all);
        // Nobody there, or no address that is known: nothing is said, and nothing fails.
        for nobody in [&b""[..], b"vsock:2:1", b"/nowhere/notify", b"@"] {
            Notify::at(nobody).ready();
        }
    }

    #[test]
    fn a_watchdog_is_that_of_its_process() {
        let second = Some(Duration::from_secs(1));
        assert_eq!(watchdog(Some("1000000"), None, 7), second);
        assert_eq!(watchdog(Some("1000000"), Some("7"), 7), second);
        for (time, of) in [
            (Some("1000000"), Some("8")),
            (Some("0"), None),
            (Some("soon"), None),
            (None, Some("7")),
            (Some("1000000"), Some("")),
        ] {
            assert_eq!(watchdog(time, of, 7), None, "{time:?} {of:?}");
        }
    }
}
