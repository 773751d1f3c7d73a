//! Programs that ask steadily, each in a control group of its own: dnsperf, which asks the
//! server that it is given, and one that asks a server that never answers.

use std::fmt::Write as _;
use std::fs;
use std::net::Ipv4Addr;
use std::net::UdpSocket;
use std::process::Child;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering;
use std::thread;
use std::time::Duration;

use anyhow::Context as _;
use anyhow::Result;

use crate::cgroups::Groups;
use crate::load::program;
use crate::site::DNS_PORT;
use crate::site::NAMES;
use crate::site::Site;
use crate::site::name;

/// Programs that get answers.
const PROGRAMS: u32 = 20;
/// Queries a second that nobody answers: one in 10,000, as on a host that is well.
pub(crate) const IN_VAIN: u32 = 1;
/// Where nobody answers.
const SILENT: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 9);
/// So often the silent server looks whether it is over.
const LOOK: Duration = Duration::from_millis(100);
/// Longer than anything is measured; they are ended before.
const TIME: &str = "3600";

/// All of them. Dropped, they are ended.
#[derive(Debug)]
pub(crate) struct Crowd {
    programs: Vec<Child>,
    is_over: Arc<AtomicBool>,
}

impl Crowd {
    /// Starts them, with so many queries a second in all, of this server, which must be there.
    pub(crate) fn start(
        site: &Site,
        groups: &mut Groups,
        (server, rate): (Ipv4Addr, u32),
    ) -> Result<Self> {
        let names = site.folder().join("crowd-names");
        let mut text = String::new();
        for number in 0..NAMES {
            // Writing to a string cannot fail.
            let _always = writeln!(text, "{} A", name(number));
        }
        fs::write(&names, text)?;
        let mut crowd = Self {
            programs: Vec::new(),
            is_over: Arc::default(),
        };
        let silent = site
            .namespace
            .enter(|| UdpSocket::bind((SILENT, DNS_PORT)))??;
        silent.set_read_timeout(Some(LOOK))?;
        let is_over = Arc::clone(&crowd.is_over);
        thread::spawn(move || {
            let mut query = [0; 512];
            while !is_over.load(Ordering::Relaxed) {
                // Nothing has come, or something that is not answered.
                let _either = silent.recv(&mut query);
            }
        });
        let each = (rate - IN_VAIN) / PROGRAMS;
        let served = (0..PROGRAMS).map(|_| (server, each));
        for (server, rate) in served.chain([(SILENT, IN_VAIN)]) {
            let dnsperf = program("dnsperf").context("dnsperf is missing: make setup")?;
            let mut command = site.command(dnsperf)?;
            command
                .args(["-s", &server.to_string(), "-p", &DNS_PORT.to_string()])
                .args(["-c", "1", "-T", "1", "-t", "1", "-q", "200", "-l", TIME])
                .args(["-Q", &rate.to_string(), "-d"])
                .arg(&names)
                .stdin(Stdio::null())
                .stdout(Stdio::null())
                .stderr(Stdio::null());
            groups.another()?.admit(&mut command)?;
            let child = command.spawn().context("dnsperf does not start")?;
            crowd.programs.push(child);
        }
        Ok(crowd)
    }

    /// What they are, in a few words.
    pub(crate) fn described() -> String {
        format!("{PROGRAMS} programs, each in a control group of its own,")
    }
}

impl Drop for Crowd {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
        for program in &mut self.programs {
            let _gone_already = program.kill();
        }
        for program in &mut self.programs {
            let _status = program.wait();
        }
    }
}
