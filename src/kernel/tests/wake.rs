//! What the reader of the ring buffer is woken for.

use super::super::wire::dns_sleep;
use super::message::Dns;
use super::packet::Path;
use super::programs::Hook;
use super::programs::Programs;
use super::socket::Socket;

/// Others get cookies a few times a second.
const TRIES: usize = 10;

/// Whether an exchange of this process wakes a reader that sleeps so.
fn is_woken(programs: &mut Programs, until: dns_sleep) -> bool {
    programs.bss().asleep = until.0;
    let path = Path::v4();
    let query = Dns::query(7, "wake.example");
    {
        let mut socket = Socket::new(programs);
        socket.quiet(Hook::Egress, &path.udp(&query.bytes()));
        let answer = path.back().udp(&query.answer(0).bytes());
        assert_eq!(socket.ended_by(Hook::Ingress, &answer).len(), 1);
    }
    let is_awake = programs.bss().asleep == dns_sleep::DNS_AWAKE.0;
    programs.bss().asleep = dns_sleep::DNS_AWAKE.0;
    is_awake
}

/// Nobody is woken. A run that another socket of the host came between is made again, and its
/// answer without a query wakes whoever sleeps: once has to be enough.
fn is_left_asleep(programs: &mut Programs, until: dns_sleep) -> bool {
    (0..TRIES).any(|_| !is_woken(programs, until))
}

#[test]
fn root_the_first_of_a_process_wakes_who_waits_for_newcomers_and_no_other() {
    let mut programs = Programs::load();
    programs.bss().known_owners.fill(0);
    assert!(is_woken(&mut programs, dns_sleep::DNS_SLEEP_NEW));
    assert!(is_left_asleep(&mut programs, dns_sleep::DNS_SLEEP_NEW));
    assert!(is_woken(&mut programs, dns_sleep::DNS_SLEEP_LIGHT));
    programs.bss().known_owners.fill(0);
    assert!(is_left_asleep(&mut programs, dns_sleep::DNS_SLEEP_BATCH));
}

#[test]
fn root_what_failed_wakes_who_waits_for_newcomers() {
    let mut programs = Programs::load();
    programs.bss().asleep = dns_sleep::DNS_SLEEP_NEW.0;
    let stray = Dns::query(9, "stray.example").answer(0);
    programs.run(Hook::Ingress, &Path::v4().back().udp(&stray.bytes()));
    assert_eq!(programs.events().len(), 1);
    assert_eq!(programs.bss().asleep, dns_sleep::DNS_AWAKE.0);
}
