//! A real forwarder: dnsmasq, without files of its own.

use std::net::SocketAddr;
use std::process::Child;
use std::process::Command;
use std::process::Stdio;

use anyhow::Context as _;
use anyhow::Result;

use super::namespace::Namespace;
use super::ready;

/// A forwarder at work. Dropped, it is killed.
#[derive(Debug)]
pub struct Dnsmasq {
    child: Child,
}

/// A name of its own, which it answers without asking anybody.
const OWN_NAME: &str = "ready.dnsmasq";

impl Dnsmasq {
    /// Starts it by a command for the program, which has its upstreams among its arguments,
    /// in this namespace, and returns when it answers; it was asked one query then.
    pub fn start(mut command: Command, namespace: &Namespace, listens: SocketAddr) -> Result<Self> {
        let (ip, port) = (listens.ip(), listens.port());
        command.args([
            "--keep-in-foreground",
            "--conf-file=/dev/null",
            "--no-resolv",
            "--no-hosts",
            "--bind-interfaces",
            "--cache-size=0",
            "--user=root",
            "--group=root",
            "--pid-file=",
            "--log-facility=-",
        ]);
        command
            .arg(format!("--listen-address={ip}"))
            .arg(format!("--port={port}"))
            .arg(format!("--txt-record={OWN_NAME},ready"));
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn();
        let mut dnsmasq = Self {
            child: child.context("cannot start dnsmasq")?,
        };
        namespace
            .enter(|| ready::await_answer(&mut dnsmasq.child, "dnsmasq", listens, OWN_NAME))??;
        Ok(dnsmasq)
    }
}

impl Drop for Dnsmasq {
    fn drop(&mut self) {
        let _gone_already = self.child.kill();
        let _status = self.child.wait();
    }
}
