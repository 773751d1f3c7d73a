//! systemd-resolved as the stub between clients and a server, without systemd,
//! D-Bus or a change to the machine's resolv.conf.

use std::net::IpAddr;
use std::net::Ipv4Addr;
use std::process::Stdio;

use crate::place::Place;
use crate::process::Process;
use crate::process::poll;
use crate::unbound::library_path;
use crate::unbound::unpacked;

/// Where it listens: resolved's documentation promises the address.
pub(crate) const STUB: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 53));

/// No cache and no DNSSEC: each query goes upstream, once. LLMNR and multicast
/// DNS would ask the cable too. The empty DNS= forgets the machine's servers.
const CONFIG: &str = "[Resolve]\nDNS=\nDNS={upstream}\nFallbackDNS=\nDomains=\nLLMNR=no\n\
    MulticastDNS=no\nDNSSEC=no\nDNSOverTLS=no\nCache=no\nDNSStubListener=yes\nReadEtcHosts=no\n";

/// It drops root for this user, which the package would have made. A process
/// that changes its user outlives its parent (prctl(2), PR_SET_PDEATHSIG).
const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\n\
    systemd-resolve:x:0:0:stub:/:/usr/sbin/nologin\n";

/// Starts it in a place, and returns when it listens.
pub(crate) fn start(place: &mut Place, upstream: IpAddr) -> Process {
    let run = place.folder().join("run");
    let config = run.join("systemd/resolved.conf.d");
    std::fs::create_dir_all(&config).expect("a folder for resolved");
    let text = CONFIG.replace("{upstream}", &upstream.to_string());
    std::fs::write(config.join("kerno.conf"), text).expect("resolved's configuration");
    place.file("/etc/passwd", PASSWD);
    // Hides the system bus, and keeps what resolved writes.
    place.instead_of("/run", &run);

    let program = unpacked(&[
        "lib/systemd/systemd-resolved",
        "usr/lib/systemd/systemd-resolved",
    ]);
    let mut command = place.command(program);
    command.env("LD_LIBRARY_PATH", library_path());
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    let mut process = Process::start(&mut command);
    poll("systemd-resolved to listen", || {
        assert!(!process.has_ended(), "systemd-resolved ended at once");
        let sockets = place.enter(|| {
            std::fs::read_to_string("/proc/thread-self/net/udp").expect("the list of sockets")
        });
        // 127.0.0.53:53 as the kernel prints it (on a little-endian machine).
        sockets.contains(" 3500007F:0035 ").then_some(())
    });
    process
}
