//! kerno on a host that is so busy that it does not run for a while.

use std::net::SocketAddr;
use std::thread;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::ask::connected;
use crate::firewall::nft;
use crate::message;
use crate::site::SERVER_V4;
use crate::site::Site;

const TIMEOUT: Duration = Duration::from_millis(300);

/// The fault lab found this: queries passed for unanswered whose discarded packets
/// the kernel had told of, in records that were not read yet.
#[test]
fn root_what_the_kernel_told_meanwhile_is_heard_before_a_query_is_given_up() {
    let site = Site::new();
    let rules = "add table ip kerno; \
         add chain ip kerno input { type filter hook input priority 0; }; \
         add rule ip kerno input udp dport 53 drop";
    let namespace = &site.server.namespace;
    nft(namespace, rules);

    let mut watch = site.watch(&["--timeout", "300ms"]);

    // Its loop is running by then, and waits for records nearly all of the time.
    site.records(&mut watch);

    watch.process.signal(Signal::SIGSTOP);
    let socket = connected(&site.client, SocketAddr::new(SERVER_V4, 53));
    for id in 0..20 {
        let name = message::labels(&site.name(&format!("q{id}")));
        let query = message::query(id, &name, message::A);
        socket.send(&query).expect("to ask");
    }
    // It is time itself that has to pass.
    thread::sleep(TIMEOUT * 2);
    watch.process.signal(Signal::SIGCONT);

    for record in watch.records(20) {
        assert_eq!(record.outcome, "dropped", "{record:#?}");
        assert_eq!(
            record.reason.as_deref(),
            Some("NETFILTER_DROP"),
            "{record:#?}"
        );
    }
}
