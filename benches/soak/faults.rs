//! Faults, one after the other: silence, refusal, errors.

use std::net::Ipv4Addr;
use std::net::SocketAddr;
use std::net::UdpSocket;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::Result;
use anyhow::ensure;
use domain::base::iana::Rtype;
use kerno_chaos::testbed::client;

use crate::asked::Asked;
use crate::asked::Due;
use crate::site::DNS_PORT;
use crate::site::Site;

/// Each kind of fault comes in spells of so many queries.
const SPELL: u64 = 200;
/// Of one kind at a time.
const PER_SECOND: f64 = 20.0;
const PATIENCE: Duration = Duration::from_secs(10);

/// Asks in vain until it is over.
pub(crate) fn make(site: &Site, asked: &Asked, is_over: &AtomicBool, _: Duration) -> Result<()> {
    let at = |last| SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), DNS_PORT));
    let (silent, nobody, failing) = (at(3), at(4), at(5));
    site.namespace.enter(|| -> Result<()> {
        let silent_server = UdpSocket::bind(silent)?;
        let failing_server = UdpSocket::bind(failing)?;
        let mut due = Due::new(PER_SECOND);
        for number in 0_u64.. {
            if is_over.load(Ordering::Relaxed) {
                break;
            }
            due.next();
            let name = format!("fault{}.soak.test", number % 100);
            let query = client::query(&name, Rtype::A, None)?;
            let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
            client.set_read_timeout(Some(PATIENCE))?;
            let mut buffer = [0; 512];
            match number / SPELL % 4 {
                0 => {
                    client.send_to(&query, silent)?;
                    silent_server.recv(&mut buffer)?;
                    asked.silent.fetch_add(1, Ordering::Relaxed);
                }
                1 => {
                    client.connect(nobody)?;
                    client.send(&query)?;
                    let refused = client.recv(&mut buffer).is_err();
                    ensure!(refused, "somebody answers at {nobody}");
                    asked.refused.fetch_add(1, Ordering::Relaxed);
                }
                2 => {
                    client.send_to(&query, failing)?;
                    let (len, from) = failing_server.recv_from(&mut buffer)?;
                    // A response, and SERVFAIL (RFC 1035 section 4.1.1).
                    buffer[2] |= 0x80;
                    buffer[3] = 0x82;
                    failing_server.send_to(&buffer[..len], from)?;
                    client.recv(&mut buffer)?;
                    asked.failing.fetch_add(1, Ordering::Relaxed);
                }
                // A spell without.
                _ => {}
            }
        }
        Ok(())
    })?
}
