//! When a real server that was just started answers.

use std::io;
use std::net::SocketAddr;
use std::process::Child;
use std::thread;
use std::time::Duration;
use std::time::Instant;

use anyhow::Context as _;
use anyhow::Result;
use anyhow::bail;
use domain::base::iana::Rtype;

use super::client;

/// How long it may take.
const PATIENCE: Duration = Duration::from_secs(20);

const TICK: Duration = Duration::from_millis(10);

/// Asks it for a name that it answers without asking anybody, until it does: one query.
pub(super) fn await_answer(
    child: &mut Child,
    program: &str,
    server: SocketAddr,
    own_name: &str,
) -> Result<()> {
    let begin = Instant::now();
    let query = client::query(own_name, Rtype::TXT, None)?;
    let socket = client::connected(server)?;
    // Each query counts: no second one only because the answer is slow.
    socket.set_read_timeout(Some(PATIENCE))?;
    while begin.elapsed() < PATIENCE {
        if let Some(status) = child.try_wait()? {
            bail!("{program} ended at once ({status}): is {server} taken?");
        }
        let asked = socket.send(&query);
        match asked.and_then(|_| socket.recv(&mut [0; 512])) {
            Ok(_) => return Ok(()),
            // Nobody listens yet.
            Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => {
                thread::sleep(TICK);
            }
            Err(error) => return Err(error).context(format!("{program} does not answer")),
        }
    }
    bail!("{program} does not listen within {} s", PATIENCE.as_secs())
}
